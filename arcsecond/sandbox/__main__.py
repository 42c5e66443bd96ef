"""`python -m arcsecond.sandbox` is `arcsecond sandbox`."""

import sys

from arcsecond.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["sandbox", *sys.argv[1:]]))
