"""Asking the server whether it has a file: after a lost answer, and where it says the name is taken."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from arcsecond.errors import AnswerError
from arcsecond.upload.datafiles import FORBIDDEN
from arcsecond.upload.index import gist
from arcsecond.upload.patience import FIRST_WAIT_S
from arcsecond.upload.result import Result, conflict, done, failed

if TYPE_CHECKING:
    from collections.abc import Container

    from arcsecond.upload.attempt import Again
    from arcsecond.upload.comparing import Comparer
    from arcsecond.upload.datafiles import DataFiles, RemoteFile
    from arcsecond.upload.index import RemoteIndex
    from arcsecond.upload.local import LocalFile
    from arcsecond.upload.patience import Patience


class Doubt:
    """What earlier tries of a file may have left at the server."""

    def __init__(self) -> None:
        self.may_be_stored = False
        self.sha256: str | None = None
        """Known once a whole body went out."""

    @property
    def was_complete(self) -> bool:
        """Whether an earlier try sent the whole body, closing boundary included."""
        return self.sha256 is not None

    def note(self, step: Again) -> None:
        """Remember what a failed try may have left."""
        self.may_be_stored = self.may_be_stored or step.may_be_stored
        self.sha256 = self.sha256 or step.sha256


class Namesakes:
    """The files of the dataset, asked for by name and content.

    `index` and `names` tell which names at the server are accounted for by other files, so that
    one of equal content is not taken for the one that is asked for.
    """

    def __init__(
        self, files: DataFiles, comparer: Comparer, index: RemoteIndex, names: Container[str]
    ) -> None:
        self._files = files
        self._comparer = comparer
        self._index = index
        self._names = names

    def settle(self, file: LocalFile, doubt: Doubt, patience: Patience) -> Result | None:
        """Ask whether an earlier try arrived; None if it did not, or if this key may not look.

        A whole body is asked for twice: the server may still be busy with it. Raises
        ArcsecondError when the server could not be asked.
        """
        for is_second in (False, True)[: 1 + doubt.was_complete]:
            if is_second:
                patience.pause(FIRST_WAIT_S)
            try:
                found = self._files.named(file.name)
                if found is None and doubt.sha256 is not None:
                    found = self._in_listing(file, doubt.sha256)
            except AnswerError as error:
                if error.status == HTTPStatus.FORBIDDEN:
                    return None
                raise
            if found is not None:
                return self._comparer.outcome(file, found, ours=True, sha256=doubt.sha256)
        return None

    def explain_taken(self, file: LocalFile, sha256: str | None, doubt: Doubt) -> Result:
        """Say what becomes of a file whose name the server calls taken.

        `sha256` is the file's, where it is known. Raises ArcsecondError when the server could not
        be asked.
        """
        sha256 = doubt.sha256 or sha256
        reason = "the server does not show it"
        try:
            found = self._files.named(file.name) or self._in_listing(file, sha256)
        except AnswerError as error:
            if error.status not in FORBIDDEN:
                return failed(error)
            found, reason = None, "this key may not read it"
        if found is not None:
            return self._comparer.outcome(file, found, ours=doubt.may_be_stored, sha256=sha256)
        if doubt.was_complete:
            return done("not verifiable with this key", unproven=True)
        return conflict(f"a file of that name is there; {reason}")

    def _in_listing(self, file: LocalFile, sha256: str | None) -> RemoteFile | None:
        ours = gist(file.name)

        def is_another(name: str) -> bool:
            return gist(name) != ours and (name in self._index or name in self._names)

        return self._files.in_listing(file.name, sha256, is_another)
