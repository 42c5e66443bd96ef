"""`UploadContext`: where the files go, checked before anything is sent.

One context serves many files and many threads. It creates the dataset, or attaches the telescope
to it, when the first file goes out, and not before.
"""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from arcsecond.errors import (
    AnswerError,
    InputError,
    NotLoggedInError,
)
from arcsecond.transport import Transport
from arcsecond.upload import checks
from arcsecond.upload.creation import Creation, attach
from arcsecond.upload.datafiles import DataFiles
from arcsecond.upload.index import RemoteIndex
from arcsecond.upload.patience import Patience
from arcsecond.upload.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arcsecond.config import ArcsecondConfig
    from arcsecond.upload.checks import Dataset, Telescope

INDEX_LASTS_S = 300.0
"""A listing older than this is read again, for whoever keeps a context through the night."""


class UploadContext:
    """A dataset, new or not, of an account or of a portal, that files are to be brought to.

    `dataset_uuid_or_name`: a UUID, which must exist, or a name, which is found or else created
    when the first file goes out. `telescope_uuid`: a UUID or an alias, attached to a dataset that
    has no telescope. `org_subdomain`: the portal. `tags`: a list, or words with commas between.
    `trace` is given a line for each request and each answer, never with a key in it.
    """

    def __init__(
        self,
        config: ArcsecondConfig,
        dataset_uuid_or_name: str | None = None,
        telescope_uuid: str | None = None,
        org_subdomain: str | None = None,
        *,
        is_raw: bool = True,
        tags: str | Iterable[str] | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config
        self.is_raw = is_raw
        self.tags = split_tags(tags)
        self.portal = (org_subdomain or "").strip() or None
        self.hash_tag_refused = False
        """The server would not take the tag with the SHA-256: files go without it."""
        self.tags_are_ignored = False
        """The server does not keep tags that are written afterwards: it is asked to no more."""
        self._wanted_dataset = dataset_uuid_or_name
        self._wanted_telescope = str(telescope_uuid or "").strip() or None
        self._trace = trace
        self._lock = threading.RLock()
        self._kept = threading.local()
        self._dataset: Dataset | None = None
        self._telescope: Telescope | None = None
        self._index: RemoteIndex | None = None
        self._index_read_at = 0.0
        self._is_prepared = False
        self.portal_name: str | None = None
        """The portal's own name, once checked."""

    @property
    def is_validated(self) -> bool:
        """Whether `validate` has passed."""
        return self._dataset is not None

    @property
    def dataset(self) -> Dataset:
        """The dataset as it was found; without a UUID while it is still to be created."""
        if self._dataset is None:
            raise InputError("the context was not validated", hint="Call its validate() first.")
        return self._dataset

    @property
    def telescope(self) -> Telescope | None:
        """The telescope that was asked for, as it was found."""
        return self._telescope

    def validate(self) -> None:
        """Check account, portal, telescope and dataset; raises ArcsecondError that names what is wrong.

        Nothing is created or changed, here or at the server.
        """
        wanted = self._wanted_dataset
        if wanted is None or not str(wanted).strip():
            raise InputError(
                "no dataset is named", hint="Give dataset_uuid_or_name: a UUID or a name."
            )
        stop = threading.Event()
        with self.connect() as transport:
            remote = self.remote(transport, Patience(stop))
            username = checks.check_account(remote, self.config)
            if self.portal:
                self.portal_name = checks.check_portal(remote, self.portal, username)
            telescope = None
            if self._wanted_telescope:
                telescope = checks.find_telescope(remote, self._wanted_telescope)
            dataset = checks.find_dataset(remote, str(wanted))
        checks.check_telescope_of(dataset, telescope)
        with self._lock:
            self._telescope, self._dataset = telescope, dataset
            self._index = None
            self._is_prepared = False

    def connect(self) -> Transport:
        """Return a new connection, for one thread, with the key for uploads.

        Raises NotLoggedInError when there is none.
        """
        key = self.config.key_for(uploads=True)
        if key is None:
            raise NotLoggedInError(
                f"no key is stored for {self.config.api_name} ({self.config.api_server})",
                hint=f"Log in with `{self.config.login_command(uploads=True)}`.",
            )
        return Transport(
            self.config.api_server, key=key, trace=self._trace, allow_http=self.config.allow_http
        )

    def shared_connection(self) -> Transport:
        """Return this thread's connection, kept alive from one file to the next."""
        kept: Transport | None = getattr(self._kept, "transport", None)
        if kept is None:
            kept = self._kept.transport = self.connect()
        return kept

    def remote(self, transport: Transport, patience: Patience) -> Remote:
        """Return the questions to this context's portal, or account, over that connection."""
        return Remote(transport, self.portal, patience)

    def index(self, remote: Remote, *, fresh: bool = False) -> RemoteIndex:
        """Return what is known of the dataset's files, from its listing where this key may read it.

        Raises ArcsecondError when the server could not be asked.
        """
        with self._lock:
            is_old = time.monotonic() - self._index_read_at > INDEX_LASTS_S
            if self._index is None or fresh or is_old:
                self._index = self._read_index(remote)
                self._index_read_at = time.monotonic()
            return self._index

    def forget_index(self) -> None:
        """Read the listing again when it is next asked for."""
        with self._lock:
            self._index = None

    def _read_index(self, remote: Remote) -> RemoteIndex:
        dataset = self.dataset
        if dataset.uuid is None:
            return RemoteIndex()
        try:
            return RemoteIndex(DataFiles(remote, dataset.uuid).listing())
        except AnswerError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                # This key may not look: what is there already is told by the server's refusals.
                return RemoteIndex(is_complete=False)
            raise

    def open_dataset(self, remote: Remote, patience: Patience) -> str:
        """Return the dataset's UUID, creating it, or attaching the telescope, at the first call.

        Raises ArcsecondError; the next call tries again.
        """
        with self._lock:
            if not self._is_prepared:
                dataset = self.dataset
                if dataset.uuid is None:
                    dataset = Creation(remote, patience).create(dataset.name, self._telescope)
                if self._telescope is not None and dataset.telescope is None:
                    dataset = attach(remote, dataset, self._telescope)
                self._dataset, self._is_prepared = dataset, True
            return str(self.dataset.uuid)


def split_tags(tags: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return tags one by one, trimmed, each once: the server takes a comma for the end of a tag."""
    pieces = [tags] if isinstance(tags, str) else list(tags or ())
    words = (word.strip() for piece in pieces for word in piece.split(","))
    return tuple(dict.fromkeys(word for word in words if word))
