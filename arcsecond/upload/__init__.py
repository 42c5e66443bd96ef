"""Bringing the files of a folder into a dataset: what `arcsecond upload` and the Python module do.

    local.py       what lies in a folder, and which of it is a file to send
    checks.py      account, portal, telescope and dataset: asked before anything is sent
    context.py     `UploadContext`: where the files go, checked; creates the dataset when the first one goes
    datafiles.py   what the server says of the files of a dataset: listings, single questions
    compare.py     whether a file there is the file here
    attempt.py     one POST of one file, and what its answer means
    uploader.py    `FileUploader`: compare, send, try again, until one file has its outcome
    plan.py        what a folder holds against what the dataset holds: the summary before the question
    walker.py      `walk_folder_and_upload`: all files of a folder, by a few workers
    legacy.py      the names of later releases of the client

Nothing in here prints, but for the bar that `display_progress=True` asks for.
"""
