"""Is the file at the server already? Asked before a byte is sent, and never guessed.

*There* needs the asked name and dataset in a JSON answer. *Not there* is a JSON 404 of a route
that has answered 200 before, or a complete listing (one for the name alone, where the server keeps
such names): a page of HTML proves nothing, and a dotted name may never reach the view. Many doubts of one dataset are settled by one listing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from oort.policy.outcome import Broken, DoubtRemains, ServerBusy
from oort.policy.same import (
    HASH_TAG,
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
from oort.remote import (
    Absence,
    Ended,
    MayNotLookError,
    NotThereError,
    UnusableListingError,
)
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
            return self._ask_at_leisure(dataset) if by_listing else self._ask_for_one(dataset)
        except MayNotLookError:
            return MayNotLook()

    def _ask_at_leisure(self, dataset: str) -> Finding:
        """Ask by name; look into one listing for all files of which that does not tell everything.

        A server may keep a file under another name than the one it was sent with, which nobody
        remembers after the queue was lost: until the dataset was listed once, "not there" is
        believed of no name. A server whose single questions say nothing is listed as well.
        """
        listing = self._listing_of(dataset, read=self._are_many(dataset))
        if listing is None:
            found = self._find(dataset)
            if isinstance(found, SameThere):
                return found
            if found is not None and not self._may_be_renamed(dataset):
                return found
            listing = self._listing_of(dataset, read=True)
            if listing is None:
                return self._unless_renamed(dataset, found)
            if found is None:
                self._prove_route_by(listing, dataset)
        names = names_at_server(self._name)
        return self._judge(file for name in names for file in listing.get(name, []))

    def _may_be_renamed(self, dataset: str) -> bool:
        """Tell whether our file may be in the dataset although it was not found by its name."""
        if self._around.shared.knows(*self._renames()):
            return True
        names = names_at_server(self._name)
        return self._around.shared.listings.may_be_renamed(dataset, names)

    def _are_many(self, dataset: str) -> bool:
        """Tell whether a listing is to be read before any single question, unless one is kept.

        Doubts come in while a folder is scanned: those that were asked for already count too.
        """
        listings = self._around.shared.listings
        if not listings.is_due(dataset):
            return False
        if self._around.shared.knows(*self._route(self._name), "mute"):
            return True
        return listings.asked(dataset) + self._around.doubts() > MANY

    def _ask_for_one(self, dataset: str) -> Finding:
        return self._unless_renamed(dataset, self._find(dataset))

    def _unless_renamed(
        self, dataset: str, found: SameThere | OtherThere | NotThere | None
    ) -> SameThere | OtherThere | NotThere:
        """Believe what was found by name, unless it says nothing, or the server renames files."""
        if found is not None and not self._around.shared.knows(*self._renames()):
            return found
        candidates, unknown = self._candidates(dataset)
        judged = self._judge(candidates)
        if unknown is not None and isinstance(judged, NotThere):
            raise unknown
        return judged

    def _find(self, dataset: str) -> SameThere | OtherThere | NotThere | None:
        """Ask for the file by its name alone; None where that says nothing."""
        if not is_stored_unchanged(self._name):
            return None
        found = self._remote.find_file(dataset, self._name, self._portal)
        if isinstance(found, RemoteFile):
            self._around.shared.note(*self._route(self._name))
            return self._judge([found])
        believed = found is Absence.NO_SUCH_FILE and self._around.shared.knows(
            *self._route(self._name)
        )
        return NotThere() if believed else None

    def _route(self, name: str) -> tuple[str, ...]:
        """Name the route of single questions: one for dotted names may be another one."""
        server = self._remote.account.server
        return ("route", server, self._portal or "", "dotted" if "." in name else "plain")

    def _renames(self) -> tuple[str, str]:
        return renames(self._remote.account.server)

    def _candidates(self, dataset: str) -> tuple[list[RemoteFile], Ended | None]:
        """Read the listing; keep what may be our file, under whatever name.

        With it goes what `_list` returns: how the question ends where none of them is our file.
        """
        kept: list[RemoteFile] = []
        example: str | None = None

        def take(file: RemoteFile) -> None:
            nonlocal example
            if may_be_name_of(self._name, file.name):
                kept.append(file)
            elif example is None and self._same_kind(file.name):
                example = file.name

        unknown = self._list(dataset, take)
        if example is not None and not self._around.shared.knows(*self._route(example)):
            self._prove_route(dataset, example)
        return kept, unknown

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

    def _prove_route_by(self, listing: dict[str, list[RemoteFile]], dataset: str) -> None:
        """Ask for one of the files that were listed, unless it is known what the route is worth."""
        route = self._route(self._name)
        if self._around.shared.knows(*route) or self._around.shared.knows(*route, "mute"):
            return
        names = (file.name for found in listing.values() for file in found)
        example = next((name for name in names if self._same_kind(name)), None)
        if example is not None:
            self._prove_route(dataset, example)

    def _list(self, dataset: str, take: Callable[[RemoteFile], None]) -> Ended | None:
        """Give the dataset's files to `take`; or, where they cannot be listed, those of our name.

        A question for a name passes over a file that is kept under another one. Where the server
        may have done that, this returns how the question ends if nothing that was taken is ours.
        """
        is_kept = is_stored_unchanged(self._name) and not self._around.shared.knows(
            *self._renames()
        )
        unknown: Ended | None = None
        try:
            if not (is_kept and self._around.shared.listings.cannot_be_had(dataset)):
                self._remote.files(dataset, self._portal, take)
                return None
        except NotThereError:
            # Either the dataset is gone, or this server has no such listing.
            if self._remote.dataset(dataset, self._portal) is None:
                return None
            unknown = Ended(
                DoubtRemains("the server does not list this dataset, and may have renamed the file")
            )
        except UnusableListingError as unusable:
            unknown = unusable.ended
        except Ended as ended:
            if not _is_of_the_listing(ended):
                raise
            unknown = ended
        try:
            for name in sorted({self._name, *names_at_server(self._name)}):
                self._remote.files_named(dataset, name, self._portal, take)
        except NotThereError:
            raise Ended(
                DoubtRemains("the server lists no data files: nobody can tell whether it has it")
            ) from None
        except UnusableListingError as unusable:
            raise unusable.ended from None
        return None if is_kept else unknown

    def _judge(self, candidates: Iterable[RemoteFile]) -> SameThere | OtherThere | NotThere:
        """Compare with the namesakes; of several, one that is proven the same decides.

        A file under a name that the server may have made of ours counts only where its hash is
        ours: copies under other names are other files.
        """
        best: SameThere | OtherThere | None = None
        for file in candidates:
            told = self._compare(file)
            if isinstance(told, Same) and not told.unproven:
                if is_stored_unchanged(self._name) and not same_name(self._name, file.name):
                    self._around.shared.note(*self._renames())
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
        tags = [tag for tag in file.tags if not tag.startswith(HASH_TAG)]
        marks = compare(self._local(None), size=file.size, sha256=None, tags=tags)
        if isinstance(marks, Same):
            return Same(unproven=True, note="the local file is gone, its content not compared")
        return marks if isinstance(marks, Other) else Other("its content cannot be compared")

    def _compare_knowing(self, file: RemoteFile, sha256: Sha256 | None) -> Comparison:
        return compare(
            self._local(sha256),
            size=file.size,
            sha256=file.sha256,
            tags=file.tags,
            has_file=file.has_file,
        )

    def _local(self, sha256: Sha256 | None) -> Local:
        order = self._order
        return Local(self._upload.size, sha256, origin=order.host, folder=order.folder)

    # -- many doubts at once ---------------------------------------------------------------------

    def _listing_of(self, dataset: str, *, read: bool) -> dict[str, list[RemoteFile]] | None:
        """Return the dataset's files by name: kept ones, or read now if that is wanted.

        None: there are none, or they cannot be had.
        """
        listings = self._around.shared.listings
        if read and listings.is_due(dataset):
            with self._around.shared.turns.of(("listing", dataset), self._remote.cancelled):
                if listings.is_due(dataset):
                    listings.keep(dataset, self._read_listing(dataset))
        return listings.of(dataset)

    def _read_listing(self, dataset: str) -> dict[str, list[RemoteFile]] | None:
        files: dict[str, list[RemoteFile]] = {}
        known: dict[tuple[str, ...], tuple[str, ...]] = {}

        def take(file: RemoteFile) -> None:
            # It may be a hundred thousand: of the tags only those that a comparison looks at, and
            # equal ones once.
            tags = () if file.sha256 else marks_among(file.tags)
            slim = replace(file, tags=known.setdefault(tags, tags), dataset=None)
            for origin in possible_origins(file.name):
                files.setdefault(origin, []).append(slim)

        try:
            self._remote.files(dataset, self._portal, take, longest_bytes=LONGEST_LISTING_BYTES)
        except (UnusableListingError, NotThereError):
            return None
        except Ended as ended:
            if _is_of_the_listing(ended):
                return None
            raise
        return files


def renames(server: str) -> tuple[str, str]:
    """Name the fact that a server keeps files under other names than they were sent with."""
    return ("renames", server)


def _is_of_the_listing(ended: Ended) -> bool:
    """Tell whether a question may have failed because its answer is long: smaller ones are next."""
    match ended.outcome:
        case Broken():
            return True
        case ServerBusy(retry_after_s=None, http_status=status):
            return status >= HTTPStatus.INTERNAL_SERVER_ERROR
        case _:
            return False
