"""Is the file at the server already? Asked before a byte is sent, and never guessed.

*There* needs the asked name and dataset in a JSON answer. *Not there* is a JSON 404 of a route
that has answered 200 before, or a complete listing: a page of HTML proves nothing, and a dotted
name may never reach the server's view. Many doubts of one dataset are settled by one listing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from oort.policy.outcome import DoubtRemains
from oort.policy.same import (
    Comparison,
    Local,
    NeedsHash,
    Other,
    Same,
    compare,
    is_stored_unchanged,
    marks_among,
    may_be_name_of,
    names_at_server,
    possible_origins,
    same_name,
)
from oort.remote import Absence, Ended, MayNotLookError, NotThereError, TooLongError
from oort.values import RemoteFile, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oort.remote import Remote
    from oort.transfer.around import Around, Order
    from oort.values import Sha256

MANY: Final = 1000
"""More doubts than this in one dataset are settled by one listing."""

LONGEST_LISTING_BYTES: Final = 64 * 1024 * 1024
"""A listing for many doubts that is longer is given up for single questions."""


@dataclass(frozen=True, slots=True)
class SameThere:
    """Our file is at the server, as far as anybody can tell."""

    file: RemoteFile
    same: Same


@dataclass(frozen=True, slots=True)
class OtherThere:
    """Another file has its name."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """The server has no file of that name in that dataset: proven."""


@dataclass(frozen=True, slots=True)
class MayNotLook:
    """The key is good, and may not ask this."""


Finding = SameThere | OtherThere | NotThere | MayNotLook


class Doubts:
    """The questions of one attempt; `sha256` reads the local file, and is called where it decides.

    `sha256` is None where the local file is gone: a namesake that only a hash could tell apart is
    then the same, but unproven, as long as its origin and folder are ours.
    """

    def __init__(
        self, order: Order, remote: Remote, around: Around, sha256: Callable[[], Sha256] | None
    ) -> None:
        self._order = order
        self._remote = remote
        self._around = around
        self._upload = order.upload
        self._name = printable(order.upload.name)
        self._portal = order.watch.portal
        self._sha256 = sha256

    def ask(self, dataset: str, *, by_listing: bool = False) -> Finding:
        """Ask for the file in a dataset. Raises Ended, with DoubtRemains where nobody can tell.

        `by_listing` allows an answer that is some minutes old, from a listing that was read for
        many files at once: right for files of which no attempt of ours is on its way.
        """
        try:
            if by_listing and (files := self._listing_of(dataset)) is not None:
                names = names_at_server(self._name)
                return self._judge(file for name in names for file in files.get(name, []))
            return self._ask_for_one(dataset)
        except MayNotLookError:
            return MayNotLook()

    def _ask_for_one(self, dataset: str) -> Finding:
        if is_stored_unchanged(self._name):
            found = self._remote.find_file(dataset, self._name, self._portal)
            if isinstance(found, RemoteFile):
                self._around.shared.note(*self._route(self._name))
                return self._judge([found])
            if found is Absence.NO_SUCH_FILE and self._around.shared.knows(
                *self._route(self._name)
            ):
                return NotThere()
        try:
            return self._judge(self._candidates(dataset))
        except TooLongError:
            raise Ended(
                DoubtRemains(f"the listing of the dataset {dataset} is too long to be read")
            ) from None

    def _route(self, name: str) -> tuple[str, ...]:
        """Name the route of single questions: one for dotted names may be another one."""
        server = self._remote.account.server
        return ("route", server, self._portal or "", "dotted" if "." in name else "plain")

    def _candidates(self, dataset: str) -> Iterable[RemoteFile]:
        """Read the complete listing; keep what may be our file, under whatever name."""
        found: list[RemoteFile] = []
        example: str | None = None
        for file in self._listed(dataset):
            if may_be_name_of(self._name, file.name):
                found.append(file)
            elif self._same_kind(file.name):
                example = file.name
        if example is not None and not self._around.shared.knows(*self._route(example)):
            self._prove_route(dataset, example)
        return found

    def _same_kind(self, name: str) -> bool:
        return is_stored_unchanged(name) and ("." in name) == ("." in self._name)

    def _prove_route(self, dataset: str, name: str) -> None:
        """Ask for a file that is there: if that works, "not there" can be believed from now on."""
        try:
            found = self._remote.find_file(dataset, name, self._portal)
        except MayNotLookError:
            return
        works = isinstance(found, RemoteFile)
        self._around.shared.note(*self._route(name), *([] if works else ["mute"]))

    def _listed(self, dataset: str) -> Iterable[RemoteFile]:
        try:
            yield from self._remote.files(dataset, self._portal)
        except NotThereError:
            # Either the dataset is gone, or this server has no such listing.
            if self._remote.dataset(dataset, self._portal) is None:
                return
        else:
            return
        try:
            yield from self._remote.files_named(dataset, self._name, self._portal)
        except NotThereError:
            raise Ended(
                DoubtRemains("the server lists no data files: nobody can tell whether it has it")
            ) from None

    def _judge(self, candidates: Iterable[RemoteFile]) -> Finding:
        """Compare with the namesakes; of several, one that is proven the same decides.

        A file under a name that the server may have made of ours counts only where its hash is
        ours: copies under other names are other files.
        """
        best: SameThere | OtherThere | None = None
        for file in candidates:
            told = self._compare(file)
            if isinstance(told, Same) and not told.unproven:
                return SameThere(file, told)
            if not same_name(self._name, file.name):
                continue
            if isinstance(told, Same):
                best = SameThere(file, told)
            else:
                best = best or OtherThere(told.reason)
        return best or NotThere()

    def _compare(self, file: RemoteFile) -> Same | Other:
        told = self._compare_knowing(file, None)
        if isinstance(told, NeedsHash):
            # The row's own hash may be an older version's: it counts only where the file is gone.
            known = self._sha256() if self._sha256 else self._upload.sha256
            told = self._compare_knowing(file, known)
        if not isinstance(told, NeedsHash):
            return told
        marks = compare(self._local(None), size=file.size, sha256=None, tags=file.tags)
        if isinstance(marks, Same):
            return Same(unproven=True, note="the local file is gone, its content not compared")
        return marks if isinstance(marks, Other) else Other("its content cannot be compared")

    def _compare_knowing(self, file: RemoteFile, sha256: Sha256 | None) -> Comparison:
        return compare(self._local(sha256), size=file.size, sha256=file.sha256, tags=file.tags)

    def _local(self, sha256: Sha256 | None) -> Local:
        order = self._order
        return Local(self._upload.size, sha256, origin=order.host, folder=order.folder)

    # -- many doubts at once ---------------------------------------------------------------------

    def _listing_of(self, dataset: str) -> dict[str, list[RemoteFile]] | None:
        """Return the dataset's files by name, where many are asked for; None: ask for one.

        A server whose single questions say nothing is listed for a few as well.
        """
        listings = self._around.shared.listings
        is_mute = self._around.shared.knows(*self._route(self._name), "mute")
        if not is_mute and self._around.doubts_of(dataset) <= MANY:
            listings.drop(dataset)
            return None
        if listings.is_due(dataset):
            with self._around.shared.turns.of(("listing", dataset), self._remote.cancelled):
                if listings.is_due(dataset):
                    listings.keep(dataset, self._read_listing(dataset))
        return listings.of(dataset)

    def _read_listing(self, dataset: str) -> dict[str, list[RemoteFile]] | None:
        files: dict[str, list[RemoteFile]] = {}
        kept: dict[tuple[str, ...], tuple[str, ...]] = {}
        try:
            listed = self._remote.files(dataset, self._portal, longest_bytes=LONGEST_LISTING_BYTES)
            for file in listed:
                # It may be a hundred thousand: of the tags only those that a comparison looks at,
                # and equal ones once.
                tags = () if file.sha256 else marks_among(file.tags)
                file = replace(file, tags=kept.setdefault(tags, tags), dataset=None)  # noqa: PLW2901  # the same, slimmer
                for origin in possible_origins(file.name):
                    files.setdefault(origin, []).append(file)
        except (TooLongError, NotThereError):
            return None
        return files
