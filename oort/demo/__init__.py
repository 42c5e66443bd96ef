"""The rehearsal night: a server, a camera and the real daemon, and the proof that all arrived.

Everything runs as its own process in a temporary home, the way a user would run it, so that the
night shows the product and not a replica of it. Nothing here is used by the daemon.
"""
