"""An Arcsecond-compatible server on loopback, to rehearse and to test without an account.

It is a server of its own, reached over HTTP like the real one: nothing of the client or of the
daemon imports it, and it imports nothing of them. Start it with `arcsecond sandbox`.

    server.py       listens, announces itself, ends on a signal; stops listening when asked to
    app.py          which view answers, who may ask, what the rules change
    exchange.py     one request: what was asked, how its body is read, how it may be cut
    routes.py       paths and the views that answer them
    accounts.py     keys, portals, roles, and the views that tell of them
    members.py      who is in a portal
    datasets.py     datasets
    resources.py    the objects that are stored as they come: telescopes, night logs …
    datafiles.py    data files: uploaded, listed, found, tagged, deleted
    bodies.py       the fields of a request, as JSON or as a form
    forms.py        multipart forms, streamed to disk
    pages.py        listings, bare or in pages
    answers.py      JSON, errors by field, HTML pages
    store.py        what outlives a restart: SQLite beside the files as they came
    database.py     its tables, and who may hold it
    values.py       frozen values of the store
    space.py        what a fresh storage holds
    faults.py       rules that make it misbehave, and what a request gets from them
    switchboard.py  the rules and the records over HTTP, below `/_faults/`
"""
