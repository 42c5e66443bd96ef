"""Where the daemon's time goes while it sends: the lines with the most time of their own.

    python -m benchmarks.profiles small|fits [--build FOLDER] [--gil]

Needs py-spy (`pip install py-spy`), which looks at the process from outside, some hundred times a
second, and the right to do so (root, or ptrace_scope 0). A thread that waits is not counted; with
`--gil` only the one that holds Python's lock is.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from benchmarks import corpus, options
from benchmarks.home import QUICK_SETTLE, Home
from benchmarks.options import places
from benchmarks.sink import Sink

RATE_HZ: Final = 100
LINES: Final = 15
RUNS: Final = {"small": (5000, corpus.SMALL, 100), "fits": (60, corpus.LARGE, 20)}
_GROUPS: Final = {"worker": "workers", "watch": "observer", "inotify": "observer"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--gil", action="store_true", help="only the thread with Python's lock")
    options.add_to(parser)
    arguments = parser.parse_args()
    options.end_in_order()
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        parser.error("py-spy is not installed: pip install py-spy")
    stacks = sampled(spy, arguments.run, arguments.build.absolute(), gil=arguments.gil)
    print(told(stacks, arguments.build.absolute()))


def sampled(spy: str, run: str, build: Path, *, gil: bool) -> list[tuple[list[str], int]]:
    """Return the stacks, outermost frame first, with how often each was seen."""
    files, size, per_folder = RUNS[run]
    with places() as (data, homes), Sink(data / "sink") as sink, Home(homes, build) as home:
        sent = corpus.fill(data / "files", files=files, size=size, per_folder=per_folder)
        home.log_in(sink.url)
        home.set(QUICK_SETTLE)
        home.watch(sent.folder)
        mark = sink.mark()
        pid = home.start()
        # To stop the process for each look would slow it down to a tenth.
        record = [spy, "record", "--nonblocking", "--pid", str(pid), "--rate", str(RATE_HZ)]
        raw = ["--format", "raw", "--output", str(data / "stacks"), "--threads"]
        raw += ["--gil"] if gil else []
        watcher = subprocess.Popen([*record, *raw], stdout=subprocess.DEVNULL)
        sink.wait_for(files, mark, timeout_s=300)
        home.stop()
        watcher.wait(60)
        lines = (data / "stacks").read_text().splitlines()
    stacks = []
    for line in lines:
        frames, _, count = line.rpartition(" ")
        stacks.append((frames.split(";"), int(count)))
    return stacks


def told(stacks: list[tuple[list[str], int]], build: Path) -> str:
    """Return the shares of the threads, and the lines with the most time of their own in each."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for frames, count in stacks:
        groups[group_of(frames)][shortened(frames[-1], build)] += count
    whole = sum(sum(lines.values()) for lines in groups.values())
    text = []
    for name, lines in sorted(groups.items(), key=lambda one: -sum(one[1].values())):
        mine = sum(lines.values())
        text.append(f"{name}: {100 * mine / whole:.1f} % of {whole} samples")
        if mine >= 0.02 * whole:
            text += [
                f"  {100 * count / whole:5.1f} %  {line}"
                for line, count in lines.most_common(LINES)
            ]
    return "\n".join(text)


def group_of(frames: list[str]) -> str:
    """Return what kind of thread it is: all workers are one kind."""
    thread = next((frame for frame in frames if frame.startswith("thread (")), "thread (0): main")
    name = re.sub(r"^thread \(\w+\)(: )?", "", thread).strip() or "without a name"
    return next((group for word, group in _GROUPS.items() if word in name.lower()), name)


def shortened(frame: str, build: Path) -> str:
    """Return a frame without the machine's own paths."""
    frame = re.sub(r"\(.*/site-packages/", "(", frame)
    frame = re.sub(r"\(.*/lib/python3[^/]*/", "(", frame)
    frame = frame.replace(f"({build.parent.parent}/", "(")
    return re.sub(r"\(/.*/((?:oort|arcsecond)/)", r"(\1", frame)


if __name__ == "__main__":
    main()
