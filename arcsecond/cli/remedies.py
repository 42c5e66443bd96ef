"""Hints that name the whole command to type, for the server and the portal that were meant."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from arcsecond.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcsecond.api import ArcsecondAPI
    from arcsecond.config import ArcsecondConfig


@contextmanager
def login_named(config: ArcsecondConfig) -> Iterator[None]:
    """Where the server refuses the key, name the login that replaces this one."""
    try:
        yield
    except AnswerError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            command = config.login_command(uploads=False)
            error.hint = f"The key is not accepted: store another with `{command}`."
        raise


@contextmanager
def place_named(name: str, api: ArcsecondAPI, *, has_identifier: bool) -> Iterator[None]:
    """Where something is not found, name the command that lists what is there."""
    try:
        yield
    except AnswerError as error:
        if error.status == HTTPStatus.NOT_FOUND and error.hint is None:
            if has_identifier:
                portal = f" -p {api.subdomain}" if api.subdomain else ""
                place = "this portal" if portal else "your account; -p SUBDOMAIN is for a portal"
                error.hint = f"`arcsecond {name}{portal}` lists what there is in {place}."
            elif api.subdomain:
                error.hint = "Is that a portal's subdomain? `arcsecond me` lists yours."
        raise
