"""The client of Arcsecond.io: a Python module and the `arcsecond` command.

The public names load when they are first used: importing this package is quick and touches no
file.
"""

from __future__ import annotations

from importlib import import_module

from arcsecond.version import __version__

TYPE_CHECKING = False  # as typing has it; type checkers know the name, and typing itself is slow
if TYPE_CHECKING:
    from arcsecond.api import ArcsecondAPI
    from arcsecond.config import ArcsecondConfig
    from arcsecond.endpoint import ArcsecondAPIEndpoint
    from arcsecond.errors import ArcsecondError
    from arcsecond.status import Status, Substatus
    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.legacy import (
        DatasetFileUploader,
        DatasetUploadContext,
        walk_folder_and_upload_files,
    )
    from arcsecond.upload.uploader import FileUploader
    from arcsecond.upload.walker import walk_folder_and_upload

__all__ = [
    "ArcsecondAPI",
    "ArcsecondAPIEndpoint",
    "ArcsecondConfig",
    "ArcsecondError",
    "DatasetFileUploader",
    "DatasetUploadContext",
    "FileUploader",
    "Status",
    "Substatus",
    "UploadContext",
    "__version__",
    "walk_folder_and_upload",
    "walk_folder_and_upload_files",
]

_HOMES = {
    "ArcsecondAPI": "arcsecond.api",
    "ArcsecondAPIEndpoint": "arcsecond.endpoint",
    "ArcsecondConfig": "arcsecond.config",
    "ArcsecondError": "arcsecond.errors",
    "DatasetFileUploader": "arcsecond.upload.legacy",
    "DatasetUploadContext": "arcsecond.upload.legacy",
    "FileUploader": "arcsecond.upload.uploader",
    "Status": "arcsecond.status",
    "Substatus": "arcsecond.status",
    "UploadContext": "arcsecond.upload.context",
    "walk_folder_and_upload": "arcsecond.upload.walker",
    "walk_folder_and_upload_files": "arcsecond.upload.legacy",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
