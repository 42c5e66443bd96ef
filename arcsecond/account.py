"""Logging in and out: a key is stored only after the server has accepted it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcsecond import config as store
from arcsecond.api import ArcsecondAPI
from arcsecond.endpoint import Resource, answer_error
from arcsecond.errors import AnswerError, ArcsecondError, InputError, NotLoggedInError
from arcsecond.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from arcsecond.answer import Answer
    from arcsecond.config import ArcsecondConfig, KeyType, Secret


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """For whom a key was stored, and what is worth a word of warning."""

    username: str
    has_profile: bool
    """The server has a profile under that name."""
    clock_difference: str | None = None
    """How far this computer's clock is from the server's, where it is over a minute."""


def log_in(
    config: ArcsecondConfig,
    *,
    username: str,
    key_type: KeyType,
    key: Secret,
    trace: Callable[[str], None] | None = None,
) -> LoggedIn:
    """Verify a key with the server, then store it.
    `username` may be an e-mail address: the name in the server's profile is kept where it can be
    read. Whatever fails, what was stored before stays as it was.
    """
    username = username.strip()
    if not username or not username.isprintable():
        raise InputError("that is no username")
    with Transport(
        config.api_server, key=key, trace=trace, allow_http=config.allow_http
    ) as transport:
        answer = transport.request(
            "POST",
            "auth/key/verify/",
            json={"username": username, "key": key.reveal()},
            authenticated=False,
        )
        if not answer.is_success or (answer.content.strip() and not answer.is_json):
            raise _refused(answer_error(answer, config.api_server), username)
        found = _name_in_profile(transport, username)
        difference = transport.clock_difference
    username = found or username
    store.store_key(config.api_name, username=username, key_type=key_type, key=key)
    return LoggedIn(username, has_profile=found is not None, clock_difference=difference)


def profile(config: ArcsecondConfig, trace: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Return the profile of the account whose key is stored."""
    with ArcsecondAPI(config, trace=trace) as api:
        api.transport()
        if config.username is None:
            raise NotLoggedInError(
                f"whose key is stored for {config.api_name} is not known",
                hint=f"Log in again with `{config.login_command(uploads=False)}`.",
            )
        return api.profiles.raising.read(config.username)


def _refused(error: AnswerError, username: str) -> AnswerError:
    if error.status in (400, 401, 403):
        error.message = f"the server does not accept this key for {username}: {error.words}"
        error.hint = "Look up username and key in your settings at https://www.arcsecond.io."
    return error


def _name_in_profile(transport: Transport, typed: str) -> str | None:
    def ask(method: str, path: str, **options: Any) -> Answer:
        return transport.request(method, path, **options)

    try:
        name = Resource(ask, "profiles/").read(typed).get("username")
    except ArcsecondError:
        return None
    return name if isinstance(name, str) and name.isprintable() and name.strip() else None
