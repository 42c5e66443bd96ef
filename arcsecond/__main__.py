"""`python -m arcsecond` is the `arcsecond` command."""

import sys

from arcsecond.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
