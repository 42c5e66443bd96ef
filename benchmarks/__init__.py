"""How fast is Oort, and what does it cost: measured against other tools in the same run.

`make bench` runs all drivers, `make bench ONLY=small,latency` some, `QUICK=1` short ones that only
show that they work. Each module named in `benchmarks.drivers` is one kind of measure and runs alone
too: `python -m benchmarks.small_files`. Machines drift by a factor of two within an hour, so what
is compared runs in turn (A B A B), and what counts are the ratios.
"""
