"""One dataset: its one listing, compared with what is expected in it as it arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oort.errors import OortError
from oort.policy.same import (
    Comparison,
    Local,
    NeedsHash,
    Other,
    Same,
    compare,
    names_at_server,
    same_name,
)
from oort.policy.verifying import Finding, Judgement, with_server
from oort.remote import Ended, MayNotLookError, NotThereError, UnusableListingError
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oort.policy.version import FileVersion
    from oort.queue.verifying import Queued
    from oort.remote import Remote
    from oort.values import RemoteFile

_PROVEN: Final = 3


@dataclass(slots=True, eq=False)
class Expected:
    """A file that the queue has for stored in this dataset; `compared` is the best that was seen."""

    version: FileVersion
    queued: Queued
    folder: str
    """The folder, as the file's `oort|folder|` tag says."""
    sha256: str | None
    """Of what lies on the disk now: the queue's, or read where the file's time is another."""
    compared: Comparison | None = None
    seen: RemoteFile | None = None
    """The server's file that was compared."""

    def see(self, file: RemoteFile, host: str) -> None:
        """Compare with a file of the server's, and keep what is nearest to ours.

        One under a name that the server may have made of ours counts only where it is proven ours:
        it may well be the copy of another file.
        """
        told = self._compare(file, host)
        if _rank(told) < _PROVEN and not self._is_called(file):
            return
        if self.compared is None or _rank(told) > _rank(self.compared):
            self.compared, self.seen = told, file

    def judge(self, host: str, read: Callable[[], str | None]) -> Judgement:
        """Return what the listing said of it; `read` gives the SHA-256 where only that can tell."""
        if isinstance(self.compared, NeedsHash) and self.seen is not None:
            self.sha256 = read()
            self.compared = self._compare(self.seen, host)
        return with_server(self.compared)

    @property
    def name(self) -> str:
        """The file's own name, in words."""
        return printable(self.version.rel_path.rsplit(b"/", 1)[-1])

    def _is_called(self, file: RemoteFile) -> bool:
        known_as = (file.id == self.queued.remote_id, file.name == self.queued.remote_name)
        return any(known_as) or same_name(self.name, file.name)

    def _compare(self, file: RemoteFile, host: str) -> Comparison:
        return compare(
            Local(self.version.size, self.sha256, origin=host, folder=self.folder),
            size=file.size,
            sha256=file.sha256,
            tags=file.tags,
            has_file=file.has_file,
        )


def _rank(told: Comparison) -> int:
    """Return how near a comparison comes to "the same"."""
    match told:
        case Same(unproven=False):
            return _PROVEN
        case Same():
            return 2
        case NeedsHash():
            return 1
        case Other():
            return 0


def compare_listing(
    remote: Remote,
    dataset: str,
    portal: str | None,
    expected: Sequence[Expected],
    *,
    host: str,
    on_file: Callable[[], None],
) -> Judgement | None:
    """Read the dataset's listing and note in each of `expected` what the server has of it.

    Returns a judgement that holds for all of them where the server does not let us look or has no
    such dataset, else None. Raises OortError where the listing cannot be had.
    """
    try:
        return _compare(remote, dataset, portal, _Wanted(expected), host=host, on_file=on_file)
    except UnusableListingError as unusable:
        raise _words(unusable.ended, dataset) from None
    except Ended as ended:
        raise _words(ended, dataset) from None


def _compare(
    remote: Remote,
    dataset: str,
    portal: str | None,
    wanted: _Wanted,
    *,
    host: str,
    on_file: Callable[[], None],
) -> Judgement | None:
    def take(file: RemoteFile) -> None:
        on_file()
        for one in wanted.for_which_may_be(file):
            one.see(file, host)

    try:
        remote.files(dataset, portal, take)
    except MayNotLookError:
        return Judgement(Finding.UNPROVEN, reason="this key may not look into the dataset")
    except NotThereError:
        if remote.dataset(dataset, portal) is not None:
            words = f"the server does not list the dataset {dataset}"
            raise OortError(words, hint="try again later") from None
    return None  # where the dataset was deleted nothing of it was seen


class _Wanted:
    """The expected files by what the server may call them."""

    def __init__(self, expected: Sequence[Expected]) -> None:
        self._by_id: dict[str, Expected] = {}
        self._by_name: dict[str, list[Expected]] = {}
        for one in expected:
            if one.queued.remote_id is not None:
                self._by_id[one.queued.remote_id] = one
            for name in _names(one):
                self._by_name.setdefault(name, []).append(one)

    def for_which_may_be(self, file: RemoteFile) -> list[Expected]:
        """Return those of which the server's file may be the copy."""
        named = self._by_name.get(file.name, [])
        own = self._by_id.get(file.id)
        return [*named, own] if own is not None and own not in named else named


def oldest_named(remote: Remote, name: str, portal: str | None) -> str:
    """Return the UUID of the dataset of a name, empty where there is none. Raises OortError."""
    try:
        found = remote.datasets_named(name, portal)
    except Ended as ended:
        raise _words(ended, name) from None
    return found[0].uuid if found else ""


def _names(one: Expected) -> set[str]:
    """Return the names that the server may show for a file."""
    names = {one.name, *names_at_server(one.name)}
    return names | {one.queued.remote_name} if one.queued.remote_name else names


def _words(ended: Ended, dataset: str) -> OortError:
    reason = getattr(ended.outcome, "reason", str(ended.outcome))
    return OortError(
        f"the dataset {dataset} could not be listed: {reason}",
        hint="what was compared so far is kept: the next `oort verify` goes on from here",
    )
