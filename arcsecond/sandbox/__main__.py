"""`python -m arcsecond.sandbox` is `arcsecond sandbox`."""

import sys

from arcsecond.cli.sandbox import sandbox
from arcsecond.errors import ArcsecondError

if __name__ == "__main__":
    try:
        sandbox(prog_name="arcsecond sandbox")
    except ArcsecondError as error:
        lines = [f"Error: {error}", *([f"Hint: {error.hint}"] if error.hint else [])]
        sys.exit("\n".join(lines))
