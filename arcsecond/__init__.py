"""The client of Arcsecond.io: a Python module and the `arcsecond` command."""

__version__ = "5.0.0.dev0"
