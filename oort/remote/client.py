"""One API server as one worker thread sees it: questions, uploads, and how each may end.

A question returns what the server said, or raises `Ended` with the outcome that the attempt has
then. An upload returns a `Reply` for every answer, because what a refusal means depends on what
the attempt knows (`oort.transfer.answers`). How a question is asked is in `oort.remote.connection`.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from arcsecond.errors import ArcsecondError, UnclearAnswerError
from arcsecond.multipart import MultipartBody
from arcsecond.tags import join, sha256_tag
from oort.policy.naming import tidy
from oort.policy.outcome import WatchRefused
from oort.policy.same import same_name
from oort.remote.connection import Connection
from oort.remote.ended import (
    Ended,
    MayNotLookError,
    NotThereError,
    UnusableListingError,
    ended_by,
    refused,
)
from oort.remote.paging import read_listing
from oort.remote.reading import (
    dataset_of,
    file_of,
    longitude_of,
    roles_of,
    telescope_of,
)
from oort.remote.replies import Absence, Reply, reply_of
from oort.values import RemoteDataset, RemoteFile, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from oort.clock import Clock
    from oort.remote.reading import RemoteTelescope


class Remote:
    """One API server with a connection of its own; belongs to one thread.

    `cancel` and `bytes_moved` may be used from any thread; `trace` gets a line for each question
    and each answer. Raises OortError where config.ini, the
    proxy or the CA bundle cannot be used. The key is read once, here: after a login, make another.
    """

    def __init__(
        self,
        api: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        trace: Callable[[str], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._connection = Connection(
            api,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            proxy=proxy,
            ca_bundle=ca_bundle,
            trace=trace,
            clock=clock,
        )
        self.account = self._connection.account
        self.cancelled = self._connection.cancelled
        """Set by `cancel`; what waits in the middle of an attempt waits on it."""

    @property
    def bytes_moved(self) -> int:
        """Bytes of bodies that the kernel took so far; grows while one is being sent."""
        return self._connection.bytes_moved

    @property
    def clock_ahead(self) -> timedelta | None:
        """By how much this computer's clock is ahead of the server's, None where it never told."""
        return self._connection.clock_ahead

    def begin(self) -> None:
        """Let another attempt begin: a cut of the one before means nothing to it."""
        self._connection.begin()

    def cancel(self) -> None:
        """Cut what is in hand by a reset, from any thread; the attempt ends as Interrupted."""
        self._connection.cancel()

    def close(self) -> None:
        """Close the connections; the next request opens another."""
        self._connection.close()

    # -- the link and the key --------------------------------------------------------------------

    def ping(self) -> datetime | None:
        """Reach the server with `GET /`: any HTTP answer will do. Return its clock, if it told.

        Raises Ended where nothing answered.
        """
        return self._connection.probe("/", authenticated=False).server_date

    def check_key(self) -> None:
        """Ask for something small that every key may see. Raises Ended(Unauthorised) or as `ping`.

        Only 401 and 403 say that the key is refused; any other answer does not.
        """
        self._connection.check_key()

    def roles(self) -> dict[str, str] | None:
        """Return the account's role in each portal, None where the server does not tell."""
        if not self.account.username:
            return None
        answer = self._connection.ask("GET", f"profiles/{_quoted(self.account.username)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return None
        return roles_of(self._connection.json(answer, "your profile"))

    def has_portal(self, portal: str) -> bool:
        """Tell whether there is a portal of that subdomain."""
        answer = self._connection.ask("GET", f"organisations/{_quoted(portal)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return False
        self._connection.json(answer, f"the portal {portal}")
        return True

    # -- datasets and telescopes -----------------------------------------------------------------

    def dataset(self, uuid: str, portal: str | None) -> RemoteDataset | None:
        """Return the dataset of an identifier, None where there is none."""
        answer = self._connection.ask("GET", f"{_at(portal)}datasets/{_quoted(uuid)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return None
        found = dataset_of(self._connection.json(answer, f"the dataset {uuid}"))
        if found is None or found.uuid != uuid.lower():
            raise refused(answer, f"the dataset {uuid}", None)
        return found

    def datasets_named(self, name: str, portal: str | None) -> list[RemoteDataset]:
        """Return all datasets of exactly that name (NFC, trimmed), the oldest first."""
        what = f"the datasets named {name}"
        found: list[RemoteDataset] = []

        def on_entry(entry: dict[str, Any]) -> None:
            if (one := dataset_of(entry)) is not None and tidy(one.name) == tidy(name):
                found.append(one)

        try:
            read_listing(
                self._connection, f"{_at(portal)}datasets/", what, {"name": name}, on_entry
            )
        except UnusableListingError as unusable:
            raise unusable.ended from None
        except NotThereError:
            words = f"there is no portal {portal}" if portal else f"{what}: 404 Not Found"
            raise Ended(WatchRefused(words, HTTPStatus.NOT_FOUND)) from None
        except MayNotLookError as refusal:
            raise Ended(WatchRefused(f"{what}: {refusal}", HTTPStatus.FORBIDDEN)) from None
        # Where the server tells no dates, everybody must still come to the same one.
        return sorted(found, key=lambda one: (one.created_at is None, one.created_at, one.uuid))

    def create_dataset(
        self, name: str, portal: str | None, *, telescope: str | None = None
    ) -> RemoteDataset:
        """Create a dataset. Names are not unique: look it up before and after.

        Raises Ended(Broken) where the answer was lost: the dataset may have been made.
        """
        what = f"the new dataset {name}"
        values = {"name": tidy(name)} | ({"telescope": telescope} if telescope else {})
        answer = self._connection.ask("POST", f"{_at(portal)}datasets/", json=values)
        if answer.http_status == HTTPStatus.NOT_FOUND:
            raise Ended(WatchRefused(f"{what}: {answer.words()}", HTTPStatus.NOT_FOUND))
        created = dataset_of(self._connection.json(answer, what))
        if created is None:
            raise refused(answer, what, None)
        return created

    def telescope(self, ident: str, portal: str | None) -> RemoteTelescope | None:
        """Return the telescope of a UUID or an alias, None where there is none."""
        answer = self._connection.ask("GET", f"{_at(portal)}telescopes/{_quoted(ident)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return None
        what = f"the telescope {ident}"
        found = telescope_of(self._connection.json(answer, what))
        if found is None:
            raise refused(answer, what, None)
        return found

    def longitude_deg(self, telescope: str, portal: str | None) -> float | None:
        """Return where a telescope stands, in degrees, east positive; None where nobody tells.

        Its own coordinates say it, or those of its observing site. Raises Ended.
        """
        found = self.telescope(telescope, portal)
        if found is None or found.longitude_deg is not None or found.site is None:
            return found.longitude_deg if found else None
        path = f"{_at(portal)}observingsites/{_quoted(found.site)}/"
        answer = self._connection.ask("GET", path)
        return longitude_of(answer.json()) if answer.is_success else None

    # -- data files ------------------------------------------------------------------------------

    def find_file(self, dataset: str, name: str, portal: str | None) -> RemoteFile | Absence:
        """Ask for one file by its name, which must be one that survives storage unchanged.

        An answer counts only where it has the asked name and dataset: a name of digits could be
        taken for an identifier. Raises MayNotLookError, Ended.
        """
        answer = self._connection.ask(
            "GET", f"{_at(portal)}datasets/{_quoted(dataset)}/datafiles/{_quoted(name)}/"
        )
        status = answer.http_status
        if status == HTTPStatus.NOT_FOUND and answer.is_json:
            return Absence.NO_SUCH_FILE
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            return Absence.NOT_TOLD
        self._connection.check(answer, f"the file {name}")
        found = file_of(answer.json())
        if (
            found is None
            or not same_name(name, found.name)
            or found.dataset not in (None, dataset.lower())
        ):
            return Absence.NOT_TOLD
        return found

    def files(
        self,
        dataset: str,
        portal: str | None,
        take: Callable[[RemoteFile], None],
        *,
        longest_bytes: int | None = None,
    ) -> None:
        """Give all data files of a dataset to `take` as they arrive; complete where this returns.

        Raises NotThereError, MayNotLookError, Ended, UnusableListingError, and of those
        TooLongError where the listing is longer than `longest_bytes`, or one page than 64 MiB.
        """

        def on_entry(entry: dict[str, Any]) -> None:
            if (found := file_of(entry)) is not None:
                take(found)

        path = f"{_at(portal)}datasets/{_quoted(dataset)}/datafiles/"
        read_listing(
            self._connection,
            path,
            "the files of the dataset",
            {},
            on_entry,
            longest_bytes=longest_bytes,
        )

    def files_named(
        self, dataset: str, name: str, portal: str | None, take: Callable[[RemoteFile], None]
    ) -> None:
        """Give `take` the dataset's files in a filtered listing: the fallback of `files`.

        Its filters may be ignored, so the entries are looked at; raises as `files` does.
        """

        def on_entry(entry: dict[str, Any]) -> None:
            found = file_of(entry)
            if found is not None and found.dataset == dataset.lower():
                take(found)

        asked = {"dataset": dataset, "name": name}
        read_listing(
            self._connection, f"{_at(portal)}datafiles/", f"the file {name}", asked, on_entry
        )

    def send(
        self,
        *,
        dataset: str,
        portal: str | None,
        is_raw: bool,
        tags: Sequence[str],
        with_hash: bool,
        file: BinaryIO,
        filename: bytes,
        size: int,
        unchanged: Callable[[str], bool],
        on_block: Callable[[int], None],
    ) -> Reply:
        """Send one file in one form, its tags last, and return what was answered.

        `unchanged` is asked last of all, with the SHA-256 of what was read, and may take a while.
        `on_block` may wait, and must return soon once `cancelled` is set. Raises Ended for what
        the client's errors say, and an OSError of reading the file as it is.
        """

        def all_tags(sha256: str) -> tuple[str, ...]:
            return (sha256_tag(sha256), *tags) if with_hash else tuple(tags)

        body = MultipartBody(
            fields=[("dataset", dataset), ("is_raw", str(is_raw))],
            file=file,
            filename=filename,
            size=size,
            tags=lambda sha256: join(all_tags(sha256)),
            unchanged=unchanged,
            on_block=on_block,
            cancelled=self.cancelled.is_set,
        )
        try:
            answer = self._connection.exchange("POST", f"{_at(portal)}datafiles/", body=body)
        except UnclearAnswerError as error:
            return Reply(
                error.status or HTTPStatus.OK,
                error.message,
                is_json=False,
                bytes_sent=body.bytes_sent,
                body_complete=body.complete,
                sha256=body.sha256,
            )
        except ArcsecondError as error:
            raise ended_by(error, of_upload=True) from None
        if answer.http_status == HTTPStatus.UNAUTHORIZED:
            raise self._connection.unauthorised(answer)
        reply = reply_of(answer, printable(filename), self._connection.retry_after_s(answer))
        if body.sha256 is None:
            return reply
        return replace(reply, sha256=body.sha256, tags=all_tags(body.sha256))

    def write_tags(
        self, file_id: str, tags: Sequence[str], portal: str | None, *, sha256: str | None
    ) -> bool:
        """Give a stored file its hash and these tags, instead of those that it has.

        Returns whether the answer tells of tags at all.
        Raises NotThereError where there is no such file, MayNotLookError where the key may not,
        and Ended.
        """
        hashed = () if sha256 is None else (sha256_tag(sha256),)
        path = f"{_at(portal)}datafiles/{_quoted(file_id)}/"
        answer = self._connection.ask(
            "PATCH", path, json={"tags": list(dict.fromkeys((*hashed, *tags)))}
        )
        if answer.http_status == HTTPStatus.NOT_FOUND and answer.is_json:
            raise NotThereError(answer.words())
        self._connection.check(answer, "the file's tags")
        found = file_of(answer.json())
        return found is not None and found.tells_tags


def _at(portal: str | None) -> str:
    return f"{_quoted(portal)}/" if portal else ""


def _quoted(part: str) -> str:
    return quote(part, safe="")
