"""One API server as one worker thread sees it: questions, uploads, and how each may end.

A question returns what the server said, or raises `Ended` with the outcome that the attempt has
then. An upload returns a `Reply` for every answer, because what a refusal means depends on what
the attempt knows (`oort.transfer.answers`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import quote, urlsplit

from arcsecond.answer import NO_ANSWER
from arcsecond.errors import ArcsecondError, ConfigError, RedirectError, UnclearAnswerError
from arcsecond.multipart import MultipartBody
from arcsecond.tags import join, sha256_tag
from arcsecond.transport import Timeouts, Transport
from oort.clock import SystemClock
from oort.errors import OortError
from oort.policy.naming import tidy
from oort.policy.outcome import Interrupted, Unauthorised, WatchRefused
from oort.policy.same import same_name
from oort.remote.account import account, config_of
from oort.remote.ended import (
    CUT,
    Ended,
    MayNotLookError,
    NotThereError,
    TooLongError,
    UnusableListingError,
    clamped,
    ended_by,
    is_redirect,
    redirect_words,
    refused,
)
from oort.remote.listing import ListingReader, NoListingError
from oort.remote.reading import (
    dataset_of,
    file_of,
    roles_of,
    telescope_of,
)
from oort.values import RemoteDataset, RemoteFile, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from arcsecond.answer import Answer
    from oort.clock import Clock
    from oort.remote.reading import RemoteTelescope

PAGE_SIZE: Final = 500
"""Entries of a page that a listing asks for; a server may give another number."""

LONGEST_PAGE_BYTES: Final = 64 * 1024 * 1024

_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_JSON_BEGINS: Final = (b"[", b"{")
"""How a listing begins; what begins otherwise is none, nor the server's."""

_REFUSED_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Absence(StrEnum):
    """Why a question for one file by its name found none."""

    NO_SUCH_FILE = "404 in JSON"
    """It is not there, if that route exists at all: has it ever answered 200?"""
    NOT_TOLD = "no answer to this question"
    """A page of HTML, another file, another dataset: it proves nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered to an upload, whatever its status."""

    http_status: int
    words: str
    """The server's own, in one line, never HTML."""
    is_json: bool
    bytes_sent: int
    body_complete: bool
    sha256: str | None = None
    """Of the bytes that were sent, where the file's last one was read."""
    tags: tuple[str, ...] = ()
    """The tags that were sent along, the hash among them."""
    stored: RemoteFile | None = None
    """The data file that a 2xx answer describes."""
    fields: frozenset[str] = frozenset()
    """The names in a JSON object that is an error: which part of the form was refused."""
    name_taken: bool = False
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """The status is 2xx; the content may prove nothing all the same."""
        return self.http_status // 100 == 2  # noqa: PLR2004  # as it is said


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
        self.account = account(api)
        self._clock = clock or SystemClock()
        config = config_of(api)

        def transport(read_s: float) -> Transport:
            return Transport(
                config.api_server,
                key=config.key_for(uploads=True),
                timeouts=Timeouts(connect_s=connect_timeout_s, read_s=read_s),
                proxy=proxy or None,
                ca_bundle=ca_bundle or None,
                trace=trace,
                allow_http=config.allow_http,
            )

        try:
            self._transport = transport(read_timeout_s)
            # A probe has a connection of its own, and no patience: it is small, and somebody waits.
            self._prober = transport(min(connect_timeout_s, read_timeout_s))
        except ConfigError as error:
            raise OortError(error.message, hint=error.hint) from None
        self._host = urlsplit(config.api_server).netloc
        self.cancelled = threading.Event()
        """Set by `cancel`; what waits in the middle of an attempt waits on it."""

    @property
    def bytes_moved(self) -> int:
        """Bytes of bodies that the kernel took so far; grows while one is being sent."""
        return self._transport.bytes_moved

    def begin(self) -> None:
        """Let another attempt begin: a cut of the one before means nothing to it."""
        self.cancelled.clear()

    def cancel(self) -> None:
        """Cut what is in hand by a reset, from any thread; the attempt ends as Interrupted."""
        self.cancelled.set()
        self._transport.cancel()
        self._prober.cancel()

    def close(self) -> None:
        """Close the connections; the next request opens another."""
        self._transport.close()
        self._prober.close()

    # -- the link and the key --------------------------------------------------------------------

    def ping(self) -> datetime | None:
        """Reach the server with `GET /`: any HTTP answer will do. Return its clock, if it told.

        Raises Ended where nothing answered.
        """
        return self._probe("/", authenticated=False).server_date

    def check_key(self) -> None:
        """Ask for something small that every key may see. Raises Ended(Unauthorised) or as `ping`.

        Only 401 and 403 say that the key is refused; any other answer does not.
        """
        username = self.account.username
        if username:
            answer = self._probe(f"profiles/{_quoted(username)}/")
        else:
            answer = self._probe("datasets/", params={"name": "-"})
        if answer.http_status in _REFUSED_KEY:
            raise self._unauthorised(answer)

    def roles(self) -> dict[str, str] | None:
        """Return the account's role in each portal, None where the server does not tell."""
        if not self.account.username:
            return None
        answer = self._ask("GET", f"profiles/{_quoted(self.account.username)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return None
        return roles_of(self._json(answer, "your profile"))

    def has_portal(self, portal: str) -> bool:
        """Tell whether there is a portal of that subdomain."""
        answer = self._ask("GET", f"organisations/{_quoted(portal)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return False
        self._json(answer, f"the portal {portal}")
        return True

    # -- datasets and telescopes -----------------------------------------------------------------

    def dataset(self, uuid: str, portal: str | None) -> RemoteDataset | None:
        """Return the dataset of an identifier, None where there is none."""
        answer = self._ask("GET", f"{_at(portal)}datasets/{_quoted(uuid)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return None
        found = dataset_of(self._json(answer, f"the dataset {uuid}"))
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
            self._listing(f"{_at(portal)}datasets/", what, {"name": name}, on_entry)
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
        answer = self._ask("POST", f"{_at(portal)}datasets/", json=values)
        if answer.http_status == HTTPStatus.NOT_FOUND:
            raise Ended(WatchRefused(f"{what}: {answer.words()}", HTTPStatus.NOT_FOUND))
        created = dataset_of(self._json(answer, what))
        if created is None:
            raise refused(answer, what, None)
        return created

    def telescope(self, ident: str, portal: str | None) -> RemoteTelescope | None:
        """Return the telescope of a UUID or an alias, None where there is none."""
        answer = self._ask("GET", f"{_at(portal)}telescopes/{_quoted(ident)}/")
        if answer.http_status == HTTPStatus.NOT_FOUND:
            return None
        what = f"the telescope {ident}"
        found = telescope_of(self._json(answer, what))
        if found is None:
            raise refused(answer, what, None)
        return found

    # -- data files ------------------------------------------------------------------------------

    def find_file(self, dataset: str, name: str, portal: str | None) -> RemoteFile | Absence:
        """Ask for one file by its name, which must be one that survives storage unchanged.

        An answer counts only where it has the asked name and dataset: a name of digits could be
        taken for an identifier. Raises MayNotLookError, Ended.
        """
        answer = self._ask(
            "GET", f"{_at(portal)}datasets/{_quoted(dataset)}/datafiles/{_quoted(name)}/"
        )
        status = answer.http_status
        if status == HTTPStatus.NOT_FOUND and answer.is_json:
            return Absence.NO_SUCH_FILE
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            return Absence.NOT_TOLD
        self._check(answer, f"the file {name}")
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
        self._listing(path, "the files of the dataset", {}, on_entry, longest_bytes)

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
        self._listing(f"{_at(portal)}datafiles/", f"the file {name}", asked, on_entry)

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
            answer = self._exchange("POST", f"{_at(portal)}datafiles/", body=body)
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
            raise self._unauthorised(answer)
        reply = self._reply(answer, printable(filename))
        if body.sha256 is None:
            return reply
        return replace(reply, sha256=body.sha256, tags=all_tags(body.sha256))

    def write_tags(
        self, file_id: str, tags: Sequence[str], portal: str | None, *, sha256: str | None
    ) -> None:
        """Give a stored file its hash and these tags, instead of those that it has.

        Raises NotThereError where there is no such file, MayNotLookError where the key may not,
        and Ended.
        """
        hashed = () if sha256 is None else (sha256_tag(sha256),)
        path = f"{_at(portal)}datafiles/{_quoted(file_id)}/"
        answer = self._ask("PATCH", path, json={"tags": list(dict.fromkeys((*hashed, *tags)))})
        if answer.http_status == HTTPStatus.NOT_FOUND and answer.is_json:
            raise NotThereError(answer.words())
        self._check(answer, "the file's tags")

    # -- how it is asked -------------------------------------------------------------------------

    def _exchange(
        self, method: str, path: str, *, by: Transport | None = None, **asked: Any
    ) -> Answer:
        """Ask once. Raises the client's errors, and Ended where there is nothing to ask with."""
        if self.cancelled.is_set():
            raise Ended(Interrupted(CUT))
        if asked.get("authenticated", True) and not self.account.has_upload_right:
            raise Ended(
                Unauthorised(
                    f"no key is stored for {self.account.api}: run `{self._login_command()}`"
                )
            )
        return (by or self._transport).request(method, path, **asked)

    def _probe(self, path: str, **asked: Any) -> Answer:
        return self._ask("GET", path, by=self._prober, **asked)

    def _ask(self, method: str, path: str, **asked: Any) -> Answer:
        try:
            return self._exchange(method, path, **asked)
        except ArcsecondError as error:
            raise ended_by(error) from None

    def _json(self, answer: Answer, what: str) -> object:
        """Return the JSON of a success; 403 is the watch's trouble. Raises Ended."""
        try:
            return self._looked(answer, what)
        except MayNotLookError:
            raise Ended(
                WatchRefused(f"{what}: {answer.words()}", http_status=answer.http_status)
            ) from None

    def _looked(self, answer: Answer, what: str) -> object:
        """Return the JSON of a success. Raises MayNotLookError, Ended."""
        self._check(answer, what)
        if not answer.is_json:
            raise refused(answer, what, None)
        return answer.json()

    def _check(self, answer: Answer, what: str) -> None:
        """Let a success pass. Raises MayNotLookError where the key is good all the same, Ended."""
        if answer.http_status == HTTPStatus.UNAUTHORIZED:
            raise self._unauthorised(answer)
        if answer.http_status == HTTPStatus.FORBIDDEN:
            self.check_key()
            raise MayNotLookError(answer.words())
        if not answer.is_success:
            raise refused(answer, what, self._retry_after_s(answer))

    def _listing(
        self,
        path: str,
        what: str,
        filters: Mapping[str, str],
        take: Callable[[dict[str, Any]], None],
        longest_bytes: int | None = None,
    ) -> None:
        """Give each entry to `take` as it arrives, page by page; complete where this returns."""
        params: Mapping[str, str] | None = {**filters, "page_size": str(PAGE_SIZE)}
        seen: set[str] = set()
        left = longest_bytes
        while True:
            try:
                following, length = self._page(path, params, what, take, left)
            except NotThereError:
                if params is None:  # it shrank while it was read
                    raise _broken(what) from None
                raise
            if following is None:
                return
            if following in seen:
                raise _broken(what)
            seen.add(following)
            path, params = following, None
            left = None if left is None else left - length

    def _page(
        self,
        path: str,
        params: Mapping[str, str] | None,
        what: str,
        take: Callable[[dict[str, Any]], None],
        left: int | None,
    ) -> tuple[str | None, int]:
        """Read one page; return the address of the next one, and how long this one was."""
        longest = LONGEST_PAGE_BYTES if left is None else min(max(left, 0), LONGEST_PAGE_BYTES)
        reader = ListingReader(take)
        length = 0
        begins = b""

        def on_content(piece: bytes) -> None:
            nonlocal length, begins
            begins = begins or piece.lstrip(_BLANK)[:1]
            length += len(piece)
            reader.feed(piece)

        try:
            answer = self._exchange(
                "GET", path, params=params, longest_answer_bytes=longest, on_content=on_content
            )
            if answer.http_status == HTTPStatus.NOT_FOUND:
                raise NotThereError(what)
            self._check(answer, what)
            reader.end()
        except UnclearAnswerError:
            raise TooLongError(what) from None
        except RedirectError as elsewhere:
            raise UnusableListingError(ended_by(elsewhere)) from None
        except ArcsecondError as error:
            raise ended_by(error) from None
        except NoListingError:
            raise _broken(what, is_json=begins in _JSON_BEGINS) from None
        return reader.following, length

    def _reply(self, answer: Answer, filename: str) -> Reply:
        found = answer.json()
        stored = file_of(found) if answer.is_success else None
        if stored is not None and not stored.name:
            stored = replace(stored, name=filename)
        return Reply(
            http_status=answer.http_status,
            words="" if stored is not None and answer.body_complete else _words(answer),
            is_json=found is not None or answer.is_json,
            bytes_sent=answer.bytes_sent,
            body_complete=answer.body_complete,
            stored=stored,
            fields=frozenset(found) if isinstance(found, dict) else frozenset(),
            name_taken=answer.says_name_taken(),
            retry_after_s=clamped(self._retry_after_s(answer)),
        )

    def _retry_after_s(self, answer: Answer) -> float | None:
        return answer.retry_after_s(self._clock.now())

    def _unauthorised(self, answer: Answer) -> Ended:
        whose = f" of {self.account.username}" if self.account.username else ""
        return Ended(
            Unauthorised(
                f"{self._host} refuses the key{whose} ({answer.words()}): "
                f"run `{self._login_command()}`",
                http_status=answer.http_status,
            )
        )

    def _login_command(self) -> str:
        return f"arcsecond login --api {self.account.api}"


def _broken(what: str, *, is_json: bool = True) -> UnusableListingError:
    """Return the end of a listing that proves nothing; a hotel's page is told as one."""
    words = f"{what}: the listing is broken" if is_json else f"{what}: {NO_ANSWER}"
    return UnusableListingError(ended_by(UnclearAnswerError(words, status=HTTPStatus.OK)))


def _at(portal: str | None) -> str:
    return f"{_quoted(portal)}/" if portal else ""


def _words(answer: Answer) -> str:
    if is_redirect(answer.http_status):
        return redirect_words(answer.http_status, answer.headers)
    return answer.words()


def _quoted(part: str) -> str:
    return quote(part, safe="")
