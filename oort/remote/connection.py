"""One API server with an account's key: a question asked, and what of its answer is good to use."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from arcsecond.errors import ArcsecondError, ConfigError
from arcsecond.transport import Timeouts, Transport
from oort.clock import SystemClock
from oort.errors import OortError
from oort.policy.outcome import Interrupted, Unauthorised, WatchRefused
from oort.remote.account import account, config_of
from oort.remote.ended import CUT, Ended, MayNotLookError, ended_by, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from arcsecond.answer import Answer
    from oort.clock import Clock

_REFUSED_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Connection:
    """Belongs to one thread; `cancel` and `bytes_moved` may be used from any.

    Raises OortError where config.ini, the proxy or the CA bundle cannot be used.
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

    @property
    def clock_ahead(self) -> timedelta | None:
        """By how much this computer's clock is ahead of the server's, None where it never told."""
        ahead = self._transport.clock_ahead
        return ahead if ahead is not None else self._prober.clock_ahead

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

    # -- asking ----------------------------------------------------------------------------------

    def exchange(
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

    def ask(self, method: str, path: str, **asked: Any) -> Answer:
        """Ask once. Raises Ended where no answer came."""
        try:
            return self.exchange(method, path, **asked)
        except ArcsecondError as error:
            raise ended_by(error) from None

    def probe(self, path: str, **asked: Any) -> Answer:
        """Ask for something small, without patience. Raises Ended where no answer came."""
        return self.ask("GET", path, by=self._prober, **asked)

    def check_key(self) -> None:
        """Ask for something small that every key may see. Raises Ended(Unauthorised) or as `probe`.

        Only 401 and 403 say that the key is refused; any other answer does not.
        """
        username = self.account.username
        if username:
            answer = self.probe(f"profiles/{quote(username, safe='')}/")
        else:
            answer = self.probe("datasets/", params={"name": "-"})
        if answer.http_status in _REFUSED_KEY:
            raise self.unauthorised(answer)

    # -- what an answer is good for --------------------------------------------------------------

    def json(self, answer: Answer, what: str) -> object:
        """Return the JSON of a success; 403 is the watch's trouble. Raises Ended."""
        try:
            self.check(answer, what)
        except MayNotLookError:
            raise Ended(
                WatchRefused(f"{what}: {answer.words()}", http_status=answer.http_status)
            ) from None
        if not answer.is_json:
            raise refused(answer, what, None)
        return answer.json()

    def check(self, answer: Answer, what: str) -> None:
        """Let a success pass. Raises MayNotLookError where the key is good all the same, Ended."""
        if answer.http_status == HTTPStatus.UNAUTHORIZED:
            raise self.unauthorised(answer)
        if answer.http_status == HTTPStatus.FORBIDDEN:
            self.check_key()
            raise MayNotLookError(answer.words())
        if not answer.is_success:
            raise refused(answer, what, self.retry_after_s(answer))

    def retry_after_s(self, answer: Answer) -> float | None:
        """Return how long the server wants to be left alone, in seconds, where it told."""
        return answer.retry_after_s(self._clock.now())

    def unauthorised(self, answer: Answer) -> Ended:
        """Return the end that an answer is which refuses the key."""
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
