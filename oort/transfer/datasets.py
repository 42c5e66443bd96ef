"""Which dataset a file goes into: known, found or created; once, also when ten workers ask.

A name is looked up before a dataset is created, after it, and after a lost answer, by one worker
at a time for each name: names are not unique at the server, and nobody can delete with an upload
key. Of several of one name the oldest is used, so that every host comes to the same one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from oort.policy.naming import is_uuid, tidy
from oort.policy.outcome import Broken, WatchRefused
from oort.remote import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.remote import Remote
    from oort.transfer.around import Around, Order
    from oort.values import RemoteDataset


class Datasets:
    """The dataset of one attempt."""

    def __init__(self, order: Order, remote: Remote, around: Around) -> None:
        self._remote = remote
        self._around = around
        self._watch = order.watch
        self._asked = False
        self._by_uuid = is_uuid(order.dataset_name)
        self._name = (
            order.dataset_name.strip().lower() if self._by_uuid else tidy(order.dataset_name)
        )

    @property
    def name(self) -> str:
        """The name that the row shows: of a watch that gives a UUID, the UUID."""
        return self._name

    def resolve(self, enter: Callable[[], None]) -> RemoteDataset:
        """Return the dataset that is known, else the one that is found, else a new one.

        `enter` records that the server is asked. Raises Ended.
        """
        known = self._around.known_dataset(self._name)
        if known is not None:
            return known
        enter()
        return self._ask(refused=None)

    def look_again(self, refused: RemoteDataset) -> RemoteDataset | None:
        """Return what the name stands for now that the server refused what was known.

        None where that is the same, or where the watch names one dataset by its UUID: it is
        forgotten, so that the next attempt asks before it sends. Raises Ended.
        """
        if self._by_uuid or self._asked:
            self._around.forget_dataset(self._name)
            return None
        found = self._ask(refused=refused.uuid)
        return None if found.uuid == refused.uuid else found

    def is_fresh(self, dataset: RemoteDataset) -> bool:
        """Tell whether nobody's file was in it when this process first saw it."""
        return self._around.shared.knows("fresh", dataset.uuid)

    def note_empty(self, dataset: RemoteDataset) -> None:
        """Take a dataset whose complete listing has no file for a fresh one, as one that counts none."""
        if not self.is_fresh(dataset):
            self._around.shared.note("fresh", dataset.uuid)
            self._around.keep_dataset(self._name, dataset, fresh=True)

    def _ask(self, *, refused: str | None) -> RemoteDataset:
        self._asked = True
        account = self._remote.account
        place = (account.server, account.username, self._watch.portal, self._name)
        with self._around.shared.turns.of(place, self._remote.cancelled):
            known = self._around.known_dataset(self._name)
            if known is not None and known.uuid != refused:
                return known  # another worker was first
            if refused is not None:
                self._around.forget_dataset(self._name)
            found = self._by_identifier() if self._by_uuid else self._by_name()
            fresh = found.files_count == 0 or self.is_fresh(found)
            if fresh:
                self._around.shared.note("fresh", found.uuid)
            self._around.keep_dataset(self._name, found, fresh=fresh)
            return found

    def _by_identifier(self) -> RemoteDataset:
        found = self._remote.dataset(self._name, self._watch.portal)
        if found is None:
            raise self._lost()
        return found

    def _lost(self) -> Ended:
        where = f"the portal {self._watch.portal}" if self._watch.portal else "this account"
        return Ended(
            WatchRefused(
                f"there is no dataset {self._name} in {where}: create it, or give the watch "
                "another one with `oort watch`",
                http_status=HTTPStatus.NOT_FOUND,
            )
        )

    def _by_name(self) -> RemoteDataset:
        return self._oldest() or self._created()

    def _oldest(self) -> RemoteDataset | None:
        named = self._remote.datasets_named(self._name, self._watch.portal)
        if len(named) > 1:
            uuids = ", ".join(one.uuid for one in named)
            self._around.warn(
                f"datasets named {self._name}",
                f"{len(named)} datasets are named {self._name}; the oldest is used ({uuids})",
            )
        return named[0] if named else None

    def _created(self) -> RemoteDataset:
        telescope = self._telescope()
        portal = self._watch.portal
        try:
            made = self._remote.create_dataset(self._name, portal, telescope=telescope)
        except Ended as ended:
            if not isinstance(ended.outcome, Broken):
                raise
            found = self._oldest()  # the answer was lost, the dataset may have been made
            if found is None:
                raise
            return found
        self._around.shared.note("fresh", made.uuid)
        # Another host may have created one at the same moment: all come to the same one.
        return self._oldest() or made

    def _telescope(self) -> str | None:
        telescope = self._watch.telescope
        if telescope is None or is_uuid(telescope):
            return telescope
        found = self._remote.telescope(telescope, self._watch.portal)
        if found is None:
            raise Ended(
                WatchRefused(
                    f"there is no telescope {telescope}: give the watch another one with "
                    "`oort watch`",
                    http_status=HTTPStatus.NOT_FOUND,
                )
            )
        return found.uuid
