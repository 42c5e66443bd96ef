"""Which key of whom is stored for an API server, without showing anything of it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arcsecond import config as client_config
from arcsecond.config import ArcsecondConfig
from arcsecond.errors import ConfigError
from oort.errors import OortError
from oort.log import add_secrets

if TYPE_CHECKING:
    from pathlib import Path

_SALT: Final = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Account:
    """What config.ini holds for one API server."""

    api: str
    server: str
    username: str | None
    has_upload_right: bool
    """A key is stored that may send data files."""
    fingerprint: str
    """Another one means another server, user or key. It says nothing of the key, and means
    nothing to another process."""


def config_file() -> Path:
    """Return where the client keeps servers and keys; it need not exist."""
    return client_config.config_file()


def account(api: str | None) -> Account:
    """Return what is stored for `api`, None: for the chosen one.

    Raises OortError for a name or a file that cannot be used.
    """
    config = config_of(api)
    try:
        key = config.key_for(uploads=True)
    except ConfigError as error:
        raise OortError(error.message, hint=error.hint) from None
    if key:
        add_secrets([key.reveal()])  # from now on no line of the log holds it
    parts = (config.api_server, config.username or "", key.reveal() if key else "")
    digest = hmac.new(_SALT, "\0".join(parts).encode(), hashlib.sha256)
    return Account(
        api=config.api_name,
        server=config.api_server,
        username=config.username,
        has_upload_right=key is not None,
        fingerprint=digest.hexdigest()[:16],
    )


def known_apis() -> dict[str, str]:
    """Return the addresses of the API servers that are known, by name; raises OortError."""
    try:
        return {api.name: api.url for api in client_config.list_apis()}
    except ConfigError as error:
        raise OortError(error.message, hint=error.hint) from None


def config_of(api: str | None) -> ArcsecondConfig:
    """Return the client's configuration of `api`; raises OortError."""
    try:
        return ArcsecondConfig(api)
    except ConfigError as error:
        raise OortError(error.message, hint=error.hint) from None
