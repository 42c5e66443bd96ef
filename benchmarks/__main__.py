"""Run the drivers, print what they measured, and write it into docs/performance.md.

    python -m benchmarks [--only small,latency] [--quick] [--rounds N]

What a quick run says is no measure: it is printed only.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import machine, options, page, results, sink
from benchmarks.drivers import DRIVERS, NEEDS_NO_SERVER


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="NAMES", help=f"of {','.join(DRIVERS)}")
    options.add_to(parser)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else list(DRIVERS)
    unknown = [name for name in wanted if name not in DRIVERS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(DRIVERS)}")
    chosen = options.chosen(arguments)
    options.end_in_order()
    lacks = sink.missing()
    for name in wanted:
        described = machine.described()
        if lacks and name not in NEEDS_NO_SERVER:
            result = results.Result(name, "Not measured.", notes=[f"There is no server: {lacks}."])
        else:
            print(f"# {name}", file=sys.stderr, flush=True)
            result = DRIVERS[name](chosen)
        print(page.told(name, result, described), end="\n\n", flush=True)
        if not (chosen.quick or lacks):
            results.keep(name, result, described)
    if not (chosen.quick or lacks):
        page.write(results.in_order(results.read(), DRIVERS))


if __name__ == "__main__":
    main()
