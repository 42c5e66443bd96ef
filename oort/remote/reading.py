"""The server's JSON as frozen values, read leniently: what is missing or odd is None, never an error.

Identifiers come as `pk` or `id`, tags as a list or comma-joined (no one has documented which).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from arcsecond.tags import find_sha256
from oort.values import RemoteDataset, RemoteFile, Sha256

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ENCODED_TAG: Final = re.compile(r"(arcsecond|oort)%7C", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RemoteTelescope:
    """A telescope as the server told; `longitude_deg` is east positive."""

    uuid: str
    name: str
    longitude_deg: float | None = None
    site: str | None = None
    """The identifier of its observing site."""


def dataset_of(found: object) -> RemoteDataset | None:
    """Return a dataset, or None where it has no identifier."""
    if not isinstance(found, dict) or not (uuid := _text(found.get("uuid"))):
        return None
    return RemoteDataset(
        uuid=uuid.lower(),
        name=_text(found.get("name")) or "",
        telescope=_reference(found.get("telescope"), "uuid"),
        files_count=_whole(found.get("data_files_count")),
        created_at=_moment(found.get("creation_date")),
    )


def file_of(found: object) -> RemoteFile | None:
    """Return a data file, or None where it has no identifier."""
    if not isinstance(found, dict):
        return None
    pk = found.get("pk") if _is_identifier(found.get("pk")) else found.get("id")
    if not _is_identifier(pk):
        return None
    tags = _tags(found.get("tags")) or _tags(found.get("tag_array"))
    told = _text(found.get("sha256"))
    hashed = told.lower() if told and _SHA256.fullmatch(told.lower()) else find_sha256(tags)
    dataset = _reference(found.get("dataset"), "uuid")
    return RemoteFile(
        id=str(pk),
        name=found["name"] if isinstance(found.get("name"), str) else "",
        size=_whole(found.get("size")),
        tags=tags,
        dataset=dataset.lower() if dataset else None,
        sha256=Sha256(hashed) if hashed else None,
        tells_tags="tags" in found or "tag_array" in found,
        has_file=found.get("size", 0) is not None and bool(found.get("file", "not told")),
    )


def telescope_of(found: object) -> RemoteTelescope | None:
    """Return a telescope, or None where it has no identifier."""
    if not isinstance(found, dict) or not (uuid := _text(found.get("uuid"))):
        return None
    site = found.get("observing_site")
    longitude = longitude_of(found)
    return RemoteTelescope(
        uuid=uuid.lower(),
        name=_text(found.get("name")) or "",
        longitude_deg=longitude if longitude is not None else longitude_of(site),
        site=_reference(site, "uuid"),
    )


def longitude_of(found: object) -> float | None:
    """Return the longitude of what has coordinates: a telescope, an observing site."""
    place = found.get("coordinates") if isinstance(found, dict) else None
    longitude = _number(place.get("longitude")) if isinstance(place, dict) else None
    return longitude if longitude is not None and math.isfinite(longitude) else None


def roles_of(profile: object) -> dict[str, str] | None:
    """Return the role in each portal, by its subdomain; None where the profile does not tell."""
    memberships = profile.get("memberships") if isinstance(profile, dict) else None
    if not isinstance(memberships, list):
        return None
    roles: dict[str, str] = {}
    for membership in memberships:
        if not isinstance(membership, dict):
            continue
        portal = _reference(membership.get("organisation"), "subdomain")
        if portal:
            roles[portal] = (_text(membership.get("role")) or "").lower()
    return roles


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and value >= 0 else None


def _number(value: object) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # tried
    except (TypeError, ValueError):
        return None


def _is_identifier(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or bool(_text(value))


def _reference(value: object, by: str) -> str | None:
    """Return what names another object: its identifier, or the object itself."""
    return _text(value.get(by)) if isinstance(value, dict) else _text(value)


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return ()
    return tuple(_plain(tag) for item in value if (tag := _reference(item, "name")))


def _plain(tag: str) -> str:
    """Return a tag of ours as it was sent, where the server shows it percent-encoded."""
    return unquote(tag) if _ENCODED_TAG.match(tag) else tag


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
