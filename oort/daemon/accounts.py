"""Whose key is stored for which server, and which watches that keeps out.

The daemon never follows `arcsecond api use`: each watch names its server and its user. A key of
another user holds the watch, because a visitor's login must not fill the visitor's account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from oort.errors import OortError
from oort.remote import Account, account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oort.daemon.gate import Gate
    from oort.values import Watch

log = structlog.get_logger("oort.accounts")


class Accounts:
    """Reads config.ini through `oort.remote` when it changes; tells the gate what follows."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._fingerprints: dict[str, str] = {}
        self._usernames: dict[str, str | None] = {}

    def read(self, watches: Sequence[Watch]) -> None:
        """Read the account of each watch's server anew."""
        reasons: dict[str, str] = {}
        for api in sorted({watch.api for watch in watches if watch.enabled}):
            try:
                found = account(api)
            except OortError as error:
                self._gate.failed(api, error.message, unauthorised=True)
                self._fingerprints[api] = ""
                continue
            self._take(api, found)
            for watch in watches:
                if watch.api == api and watch.enabled:
                    reason = _mismatch(watch, found)
                    if reason is not None:
                        reasons[watch.name] = reason
        self._gate.keep_out(reasons)

    def username(self, api: str) -> str | None:
        """Return whose key is stored for a server, as it was read last."""
        return self._usernames.get(api)

    def _take(self, api: str, found: Account) -> None:
        self._usernames[api] = found.username
        if not found.has_upload_right:
            self._fingerprints[api] = ""
            self._gate.failed(
                api,
                f"no key is stored for {api}; `arcsecond login --api {api}` stores one",
                unauthorised=True,
            )
            return
        before = self._fingerprints.get(api)
        self._fingerprints[api] = found.fingerprint
        if before is not None and before != found.fingerprint:
            log.info("keys.taken", api=api, username=found.username)
            self._gate.answered(api)


def _mismatch(watch: Watch, found: Account) -> str | None:
    """Return why a watch is held, where the stored key is another user's."""
    if watch.username is None or found.username is None or watch.username == found.username:
        return None
    return (
        f"the key stored for {watch.api} is {found.username}'s, this watch is {watch.username}'s; "
        f"`arcsecond login --api {watch.api} --username {watch.username}` brings the right one back"
    )
