"""The `arcsecond` command: options in, one call, words out."""
