"""Is the way clear? Account, portal, telescope and dataset, asked before anything is sent.

Each check raises ArcsecondError that names what is wrong, and creates nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from arcsecond.endpoint import answer_error
from arcsecond.errors import AnswerError, ArcsecondError, InputError, NotLoggedInError
from arcsecond.upload.datafiles import uuid_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.config import ArcsecondConfig
    from arcsecond.endpoint import Resource
    from arcsecond.upload.remote import Remote

LONGEST_NAME = 100
"""Characters of a dataset's name that the server takes."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_KEY_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MAY_NOT_UPLOAD = frozenset({"", "guest", "visitor", "viewer", "observer", "candidate", "invited"})


@dataclass(frozen=True, slots=True)
class Telescope:
    """A telescope that exists."""

    uuid: str
    name: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where the files go; without `uuid` it is still to be created."""

    name: str
    uuid: str | None = None
    telescope: str | None = None
    files_count: int | None = None
    created: str = ""


def is_uuid(text: str) -> bool:
    """Tell whether this is a UUID, in any case."""
    return _UUID.fullmatch(text) is not None


def normal_name(name: str) -> str:
    """Return a dataset's name as it is created and compared: trimmed, and in NFC."""
    return unicodedata.normalize("NFC", name).strip()


def check_account(remote: Remote, config: ArcsecondConfig) -> str:
    """Verify that the server takes the stored key for the stored username, and return the name."""
    key = config.key_for(uploads=True)
    if key is None or not config.username:
        raise NotLoggedInError(
            f"no key is stored for {config.api_name} ({config.api_server})",
            hint=f"Log in with `{config.login_command(uploads=True)}`.",
        )
    answer = remote.transport.request(
        "POST",
        "auth/key/verify/",
        json={"username": config.username, "key": key.reveal()},
        authenticated=False,
    )
    if answer.http_status in _KEY_REFUSED:
        raise AnswerError(
            f"{config.api_server} does not accept the stored key of {config.username}",
            status=answer.http_status,
            words=answer.words(),
            hint=f"Log in again with `{config.login_command(uploads=True)}`.",
        )
    if not answer.is_success or (answer.content.strip() and not answer.is_json):
        raise answer_error(answer, config.api_server)
    return config.username


def check_portal(remote: Remote, portal: str, username: str) -> str:
    """Verify that the account is a member of the portal, or higher, and return the portal's name."""
    organisation = _read(remote.resource_of_all("organisations/"), portal)
    if organisation is None:
        raise ArcsecondError(
            f"there is no portal {portal!r}",
            status=HTTPStatus.NOT_FOUND,
            hint="Give its subdomain, as in <subdomain>.arcsecond.io; `arcsecond me` lists yours.",
        )
    role = _role(remote.resource_of_all("profiles/").read(username), portal)
    if role is None or role.lower() in _MAY_NOT_UPLOAD:
        known = "is not a member" if role is None else f"is only {role or 'without a role'}"
        raise ArcsecondError(
            f"{username} {known} of portal {portal!r}",
            hint="Uploading needs the role member or higher: ask an admin of the portal.",
            status=HTTPStatus.FORBIDDEN,
        )
    return _text(organisation, "name") or portal


def find_telescope(remote: Remote, uuid_or_alias: str) -> Telescope:
    """Return the telescope of that UUID or alias; raises ArcsecondError when there is none."""
    telescopes = remote.resource("telescopes/")
    found = _telescope(_read(telescopes, uuid_or_alias))
    if found is not None:
        return found

    def asked_for(item: Mapping[str, object]) -> Telescope | None:
        aliases = (_text(item, "uuid"), _text(item, "alias"))
        if uuid_or_alias.lower() in (each.lower() for each in aliases if each):
            return _telescope(item)
        return None

    # A 404 proves nothing for an alias: one with a dot may never reach the server's view.
    for page in telescopes.pages(asked_for):
        if page:
            return page[0]
    raise ArcsecondError(
        f"there is no telescope {uuid_or_alias!r}{remote.where}",
        hint=f"List them with `{_listing('telescopes', remote)}`; give the UUID or the alias.",
        status=HTTPStatus.NOT_FOUND,
    )


def find_dataset(remote: Remote, uuid_or_name: str) -> Dataset:
    """Return the dataset of that UUID, which must exist, or of that name, which need not."""
    wanted = normal_name(uuid_or_name)
    if not wanted:
        raise InputError("the dataset has no name", hint="Give a name or a UUID.")
    if is_uuid(wanted):
        return _dataset_by_uuid(remote, wanted.lower())
    if len(wanted) > LONGEST_NAME:
        raise InputError(
            f"the dataset's name has {len(wanted)} characters; the server takes {LONGEST_NAME}"
        )
    found = datasets_named(remote, wanted)
    if not found:
        return Dataset(name=wanted)
    if len(found) > 1:
        uuids = ", ".join(str(dataset.uuid) for dataset in found)
        raise InputError(
            f"{len(found)} datasets{remote.where} are named {wanted!r}: {uuids}",
            hint="Give the UUID of the one that you mean.",
        )
    return found[0]


def datasets_named(remote: Remote, name: str) -> list[Dataset]:
    """Return all datasets of that name, oldest first; the server's own filter may be loose."""

    def of_that_name(item: Mapping[str, object]) -> Dataset | None:
        dataset = parse_dataset(item)
        return dataset if dataset is not None and normal_name(dataset.name) == name else None

    pages = remote.resource("datasets/").pages(of_that_name, name=name)
    unique = {each.uuid: each for page in pages for each in page}
    return sorted(unique.values(), key=lambda each: each.created)


def parse_dataset(item: Mapping[str, object]) -> Dataset | None:
    """Read one dataset; None if it has no UUID."""
    uuid = _text(item, "uuid")
    if not uuid:
        return None
    count = item.get("data_files_count")
    return Dataset(
        name=_text(item, "name") or "",
        uuid=uuid,
        telescope=uuid_of(item.get("telescope")),
        files_count=count if isinstance(count, int) else None,
        created=_text(item, "creation_date") or "",
    )


def check_telescope_of(dataset: Dataset, telescope: Telescope | None) -> None:
    """Raise ArcsecondError if the dataset belongs to another telescope than the one asked for."""
    if telescope is None or dataset.telescope is None:
        return
    if dataset.telescope.lower() != telescope.uuid.lower():
        raise InputError(
            f"dataset {dataset.name!r} has another telescope ({dataset.telescope}), "
            f"not {telescope.name or telescope.uuid} ({telescope.uuid})",
            hint="Leave the telescope out, or choose another dataset.",
        )


def _dataset_by_uuid(remote: Remote, uuid: str) -> Dataset:
    found = _read(remote.resource("datasets/"), uuid)
    dataset = None if found is None else parse_dataset(found)
    if dataset is None:
        raise ArcsecondError(
            f"there is no dataset {uuid}{remote.where}",
            hint=f"List them with `{_listing('datasets', remote)}`.",
            status=HTTPStatus.NOT_FOUND,
        )
    return dataset


def _read(resource: Resource, identifier: str) -> Mapping[str, object] | None:
    """Return one object; None if the server says that there is none."""
    try:
        return resource.read(identifier)
    except AnswerError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _role(profile: object, portal: str) -> str | None:
    memberships = profile.get("memberships") if isinstance(profile, dict) else None
    for membership in memberships if isinstance(memberships, list) else ():
        organisation = membership.get("organisation") if isinstance(membership, dict) else None
        subdomain = (
            organisation if isinstance(organisation, str) else _text(organisation, "subdomain")
        )
        if subdomain is not None and subdomain.lower() == portal.lower():
            return _text(membership, "role") or ""
    return None


def _telescope(item: Mapping[str, object] | None) -> Telescope | None:
    uuid = _text(item, "uuid")
    return Telescope(uuid, _text(item, "name") or "") if uuid else None


def _listing(name: str, remote: Remote) -> str:
    """Return the command that lists what there is in the account, or in the portal."""
    return f"arcsecond {name}" + (f" -p {remote.portal}" if remote.portal else "")


def _text(item: object, key: str) -> str | None:
    value = item.get(key) if isinstance(item, dict) else None
    return value if isinstance(value, str) else None
