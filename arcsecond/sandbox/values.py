"""Frozen values: what the store keeps, as the views see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PERSONAL = ""
"""The portal of what belongs to the account itself."""


@dataclass(frozen=True, slots=True)
class Account:
    """The one who logs in; `profile` is what `GET /profiles/<username>/` shows beside it."""

    username: str
    email: str
    upload_key: str
    access_key: str
    profile: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset; `portal` is PERSONAL or a subdomain, `volume` the bytes of its files."""

    uuid: str
    portal: str
    name: str
    telescope: str | None
    tags: tuple[str, ...]
    body: Mapping[str, Any]
    created: str
    updated: str
    files: int
    volume: int


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file; `sha256` is None where only a record was made, without a file."""

    pk: int
    dataset: str
    name: str
    size: int
    sha256: str | None
    tags: tuple[str, ...]
    is_raw: bool
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that came whole and lies in the storage's `incoming` folder."""

    path: Path
    size: int
    sha256: str
