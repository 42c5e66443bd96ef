"""The rules that a reviewer argues about: values in, values out; no disk, clock or network."""
