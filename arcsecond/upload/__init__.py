"""Bringing the files of a folder into a dataset: what `arcsecond upload` and the Python module do.

    walker.py      `walk_folder_and_upload`: all files of a folder
    crew.py        its workers: threads, as many as the link and the server are worth
    uploader.py    `FileUploader`: one file
    context.py     `UploadContext`: where the files go, checked
    legacy.py      the names of later releases of the client

    local.py       what lies in a folder, and which of it is a file to send
    checks.py      account, portal, telescope and dataset: asked before anything is sent
    creation.py    the dataset, created when the first file goes out, and its telescope
    plan.py        a folder against its dataset: the summary before the question
    carrier.py     one file after the other over one connection: compare, send, try again
    attempt.py     one POST of one file, and what its answer means
    namesakes.py   asking the server: after a lost answer, and where a name is taken
    comparing.py   a file here against one there; compare.py has the rule
    datafiles.py   what the server says of data files; index.py keeps it
    remote.py      questions below a portal's prefix; patience.py has the waits
    result.py      the outcome of one file; report.py, of all of them
    throttle.py    how many bytes a second may leave

Nothing in here prints, but for the bar that `display_progress=True` asks for.
"""
