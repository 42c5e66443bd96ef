"""`python -m oort` is the `oort` command."""

from oort.cli.main import main

if __name__ == "__main__":
    main()
