"""A client that is logged in to a sandbox, and folders to upload."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcsecond.config import (
    ArcsecondConfig,
    KeyType,
    Secret,
    add_api,
    drop_keys,
    store_key,
    use_api,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.sandbox import Sandbox

API = "rehearsal"


def log_in(
    sandbox: Sandbox, *, key_type: KeyType = KeyType.UPLOAD, at: str | None = None
) -> ArcsecondConfig:
    """Store the sandbox's address, or another way to it, and one of its keys; choose it."""
    add_api(API, at or sandbox.url)
    use_api(API)
    drop_keys(API)
    key = sandbox.upload_key if key_type is KeyType.UPLOAD else sandbox.access_key
    store_key(API, username=sandbox.username, key_type=key_type, key=Secret(key))
    return ArcsecondConfig()


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files below `folder`, by their paths; text stands for its bytes."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    folder.mkdir(exist_ok=True)
    return folder


def stored(sandbox: Sandbox, dataset: str | None = None) -> dict[str, int]:
    """Return the names of the stored files with their sizes; each name may be there only once."""
    files = [f for f in sandbox.files() if dataset in (None, f["dataset"])]
    names = {f["name"]: f["size"] for f in files}
    assert len(names) == len(files), f"a second copy: {[f['name'] for f in files]}"
    return names


def paths_of(sandbox: Sandbox, method: str) -> list[str]:
    """Return the paths that were asked for with that method."""
    return [request["path"] for request in sandbox.requests(method)]


def raw_name(name: bytes) -> str:
    """Return a file name that need not be UTF-8 as Python's functions for files take it."""
    return os.fsdecode(name)
