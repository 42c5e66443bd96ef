"""`oort monitor`: the queue as a page that renews itself, `/metrics` for Prometheus, `/healthz`.

It sits beside the command line: it asks `oort.status`, which can read only, and changes the queue by
the same control folder as `oort retry` and `oort skip`. It works without a daemon, and says so.
"""
