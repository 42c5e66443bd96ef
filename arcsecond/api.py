"""The API of one server as one account sees it: an endpoint for each resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcsecond.config import ArcsecondConfig
from arcsecond.endpoint import ArcsecondAPIEndpoint, Resource, in_path
from arcsecond.errors import NotLoggedInError
from arcsecond.listing import LONGEST_LISTING_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arcsecond.answer import Answer
    from arcsecond.transport import Timeouts, Transport


class ArcsecondAPI:
    """The resources of one API server, of the account itself or, with `subdomain`, of a portal.

    Nothing is opened or contacted before the first request. One connection, for one thread; with
    `uploads` the upload key is preferred, as it may do least. Without a config it is the chosen
    server's.
    """

    def __init__(
        self,
        config: ArcsecondConfig | None = None,
        subdomain: str | None = None,
        *,
        uploads: bool = False,
        timeouts: Timeouts | None = None,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config or ArcsecondConfig()
        self.subdomain = subdomain or None
        self._uploads = uploads
        self._timeouts = timeouts
        self._proxy = proxy
        self._ca_bundle = ca_bundle
        self._trace = trace
        self._transport: Transport | None = None
        portal = f"{in_path(self.subdomain)}/" if self.subdomain else ""
        self.allskycameras = self._endpoint(f"{portal}allskycameras/")
        self.calibrations = self._endpoint(f"{portal}calibrations/")
        self.datafiles = self._endpoint(f"{portal}datafiles/")
        self.datapackages = self._endpoint(f"{portal}datapackages/")
        self.datasets = self._endpoint(f"{portal}datasets/")
        self.members = self._endpoint(f"{portal}members/")
        self.nightlogs = self._endpoint(f"{portal}nightlogs/")
        self.observations = self._endpoint(f"{portal}observations/")
        self.observingsites = self._endpoint(f"{portal}observingsites/")
        self.targetlists = self._endpoint(f"{portal}targetlists/")
        self.targets = self._endpoint(f"{portal}targets/")
        self.telescopes = self._endpoint(f"{portal}telescopes/")
        # What belongs to no portal is never behind one's prefix.
        self.organisations = self._endpoint("organisations/")
        self.profiles = self._endpoint("profiles/")

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Iterable[str]] | None = None,
        json: object = None,
        into: Callable[[], Callable[[bytes], None]] | None = None,
    ) -> Answer:
        """Send one request with the stored key and return its answer, whatever its status.

        What `into` returns is given the content of a success as it arrives; the answer has none.
        Raises NotLoggedInError when no key is stored, and what `Transport.request` raises.
        """
        transport = self.transport()
        if into is None:
            return transport.request(method, path, params=params, json=json)
        return transport.request(
            method,
            path,
            params=params,
            json=json,
            longest_answer_bytes=LONGEST_LISTING_BYTES,
            on_content=into(),
        )

    def transport(self) -> Transport:
        """Return the connection, made at the first call; raises NotLoggedInError without a key."""
        if self._transport is None:
            key = self.config.key_for(uploads=self._uploads)
            if key is None:
                raise NotLoggedInError(
                    f"no key is stored for {self.config.api_name} ({self.config.api_server})",
                    hint=f"Log in with `{self.config.login_command(uploads=self._uploads)}`.",
                )
            from arcsecond.transport import Transport

            self._transport = Transport(
                self.config.api_server,
                key=key,
                timeouts=self._timeouts,
                proxy=self._proxy,
                ca_bundle=self._ca_bundle,
                trace=self._trace,
                allow_http=self.config.allow_http,
            )
        return self._transport

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def __enter__(self) -> ArcsecondAPI:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ArcsecondAPI({self.config!r}, subdomain={self.subdomain!r})"

    def _endpoint(self, path: str) -> ArcsecondAPIEndpoint:
        return ArcsecondAPIEndpoint(Resource(self.ask, path))
