"""What an outcome says about the link to a server, and when to ask again. Pure.

Two families of trouble (design.md §3): one file's, which waits alone, and the link's, which holds
every row at no cost. A link is `online`, `offline` (with the reason), or `unauthorised`. While it
is not online there is one probe at a time: `GET /` where nothing answered, one row where the server
answered every file with an error, an authenticated GET where the key was refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from oort.policy.outcome import (
    Broken,
    FileRefused,
    FoundOther,
    FoundSame,
    NotReached,
    Outcome,
    ServerBusy,
    SizeDiffers,
    Stored,
    Unauthorised,
    Unclear,
    WatchRefused,
)
from oort.policy.retry import MAX_RETRY_AFTER_S

if TYPE_CHECKING:
    from datetime import datetime

    from oort.policy.retry import Jitter

TROUBLED_FILES: Final = 3
"""So many different files refused with no success between: it is the server, not the files."""

FIRST_PROBE_S: Final = 1.0


class LinkState(StrEnum):
    """What `oort status` says of a link."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNAUTHORISED = "unauthorised"


class Probe(StrEnum):
    """How a link that is not online is tried."""

    PING = "ping"
    ROW = "row"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Link:
    """The way to one server, as it is known now; `*_mono` are seconds of the monotonic clock."""

    since: datetime
    state: LinkState = LinkState.ONLINE
    reason: str | None = None
    probe: Probe = Probe.PING
    probes: int = 0
    probe_at_mono: float = 0.0
    troubled: frozenset[int] = frozenset()
    """Uploads that the server answered with an error since the last success."""

    @property
    def is_online(self) -> bool:
        """Whether rows may flow."""
        return self.state is LinkState.ONLINE

    @property
    def server_in_trouble(self) -> bool:
        """Whether failures are the server's and not counted as a file's."""
        return self.state is LinkState.OFFLINE and self.probe is Probe.ROW


def probe_delay_s(probes: int, max_s: float, rng: Jitter) -> float:
    """Return seconds until the next probe: 1 s doubled up to `max_s`, with a little jitter."""
    ceiling = min(max_s, FIRST_PROBE_S * 2.0 ** min(probes, 30))
    return rng.uniform(0.8 * ceiling, ceiling)


def after_attempt(
    link: Link,
    outcome: Outcome,
    *,
    upload_id: int,
    now: datetime,
    mono: float,
    max_s: float,
    rng: Jitter,
) -> Link:
    """Return the link as it is after an attempt ended with `outcome`."""
    match outcome:
        case NotReached(reason=reason) | Broken(reason=reason, link_proven=False):
            return down(link, reason, Probe.PING, now=now, mono=mono, max_s=max_s, rng=rng)
        case Unauthorised(reason=reason):
            return refused(link, reason, now=now, mono=mono, max_s=max_s)
        case ServerBusy():
            return _after_busy(
                link, outcome, upload_id=upload_id, now=now, mono=mono, max_s=max_s, rng=rng
            )
        case Stored() | FoundSame() | FoundOther() | SizeDiffers() | FileRefused() | WatchRefused():
            return up(link, now=now)
        case Broken(reason=reason) | Unclear(reason=reason) if link.server_in_trouble:
            # No success either: the next file is not tried at once.
            words = f"the server is in trouble: {reason}"
            return down(link, words, Probe.ROW, now=now, mono=mono, max_s=max_s, rng=rng)
        case _:
            return link


def _after_busy(
    link: Link,
    outcome: ServerBusy,
    *,
    upload_id: int,
    now: datetime,
    mono: float,
    max_s: float,
    rng: Jitter,
) -> Link:
    """The server answered with an error: the third file in a row holds the link."""
    troubled = link.troubled | {upload_id}
    if link.state is LinkState.UNAUTHORISED:
        return link
    if len(troubled) < TROUBLED_FILES and not link.server_in_trouble:
        return replace(link, troubled=troubled)
    after = down(
        replace(link, troubled=troubled),
        f"the server is in trouble: {outcome.reason}",
        Probe.ROW,
        now=now,
        mono=mono,
        max_s=max_s,
        rng=rng,
    )
    if outcome.retry_after_s is not None:
        wait = min(outcome.retry_after_s, MAX_RETRY_AFTER_S)
        after = replace(after, probe_at_mono=max(after.probe_at_mono, mono + wait))
    return after


def up(link: Link, *, now: datetime) -> Link:
    """Return the link online, with nothing held against the server."""
    if link.is_online and not link.troubled:
        return link
    return Link(since=link.since if link.is_online else now)


def answered(link: Link, *, now: datetime, mono: float) -> Link:
    """Return the link after a probe was answered: online, or to be tried with one row.

    A server that refused three files and went away has not taken one since: it may only have been
    started anew, with the same trouble.
    """
    if link.state is LinkState.OFFLINE and len(link.troubled) >= TROUBLED_FILES:
        return replace(link, probe=Probe.ROW, probe_at_mono=mono)
    return up(link, now=now)


def down(
    link: Link, reason: str, probe: Probe, *, now: datetime, mono: float, max_s: float, rng: Jitter
) -> Link:
    """Return the link offline; an outage that goes on keeps its beginning."""
    if link.state is LinkState.UNAUTHORISED:
        return link
    went = link.is_online
    if not went and mono < link.probe_at_mono:
        return link  # what was in hand when the link went down says nothing new
    probes = 0 if went else link.probes + 1
    return replace(
        link,
        state=LinkState.OFFLINE,
        since=now if went else link.since,
        reason=reason,
        probe=probe,
        probes=probes,
        probe_at_mono=mono + probe_delay_s(probes, max_s, rng),
    )


def refused(link: Link, reason: str, *, now: datetime, mono: float, max_s: float) -> Link:
    """Return the link unauthorised: at most one probe in `max_s`, until the key changes."""
    first = link.state is not LinkState.UNAUTHORISED
    return Link(
        since=now if first else link.since,
        state=LinkState.UNAUTHORISED,
        reason=reason,
        probe=Probe.KEY,
        probes=0 if first else link.probes + 1,
        probe_at_mono=mono + max_s,
    )
