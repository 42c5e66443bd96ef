"""The `oort` command: options in, one call, words out."""
