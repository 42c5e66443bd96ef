"""The words for what becomes of a file, shared by the client, the daemon and Arcsecond's users.

One vocabulary for both packages (design.md §3). The values are what people read and what the
JSON output holds, so they are API: members are added, never renamed.
"""

from enum import StrEnum


class Status(StrEnum):
    """What an astronomer sees first."""

    NEW = "New"
    PREPARING = "Preparing"
    UPLOADING = "Uploading"
    FINISHING = "Finishing"
    OK = "OK"
    SKIPPED = "Skipped"
    ERROR = "Error"


class Substatus(StrEnum):
    """Why it is in that status."""

    PENDING = "pending"
    SETTLING = "settling..."
    WAITING = "waiting to retry"
    HELD = "held"
    CHECKING = "checking remote file..."
    SYNCING_DATASET = "syncing dataset..."
    UPLOADING = "uploading..."
    TAGGING = "tagging..."
    DONE = "done"
    ALREADY_SYNCED = "already synced"
    HIDDEN = "skipped (hidden file)"
    EMPTY = "skipped (empty file)"
    IGNORED = "ignored"
    FILE_GONE = "file gone"
    CHANGED = "changed after upload"
    ERROR = "error"
    NAME_CONFLICT = "name conflict"
    TRUNCATED = "truncated file"
