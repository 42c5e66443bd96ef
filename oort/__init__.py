"""Oort: the upload daemon that brings every file of a telescope to Arcsecond.io."""

__version__ = "5.0.0.dev0"
