"""An Arcsecond-compatible server on loopback, to rehearse and to test without an account.

It is a server of its own, reached over HTTP like the real one: nothing of the client or of the
daemon imports it, and it imports nothing of them. Start it with `arcsecond sandbox`.

    server.py       listens, announces itself, ends on a signal; stops listening when asked to
    app.py          one request from its first to its last byte: routing, rights, faults
    store.py        what outlives a restart: SQLite beside the files as they came
    space.py        seeds a fresh storage: an account, a portal, telescopes
    resources.py    the REST objects: validation and views
    uploads.py      multipart forms, streamed to disk
    faults.py       rules that make it misbehave, and what a request gets from them
    switchboard.py  the rules and the records over HTTP, below `/_faults/`
"""
