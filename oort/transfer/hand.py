"""What one attempt has in hand: the order, how far the row has come, and what is in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oort.policy import state
from oort.policy.doubt import Doubt
from oort.policy.outcome import DoubtRemains, FoundOther, FoundSame, NameReserved
from oort.policy.same import same_name
from oort.transfer.datasets import Datasets
from oort.transfer.doubts import Doubts, Finding
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.policy.same import Same
    from oort.policy.state import State
    from oort.remote import Remote, Reply
    from oort.transfer.around import Around, Order
    from oort.transfer.unchanged import HeldFile
    from oort.values import RemoteDataset, RemoteFile, Sha256, Upload


def doubt_of(upload: Upload) -> Doubt:
    """Return what a row is in doubt about as it was claimed."""
    return Doubt(
        ask_first=upload.ask_first,
        may_be_stored=upload.may_be_stored,
        body_complete=upload.body_complete,
        asked_complete=upload.asked_complete,
    )


class Hand:
    """Made for one attempt, used by its one thread."""

    def __init__(self, order: Order, remote: Remote, around: Around) -> None:
        self.order = order
        self.upload = order.upload
        self.watch = order.watch
        self.remote = remote
        self.around = around
        self.datasets = Datasets(order, remote, around)
        self.doubt = doubt_of(order.upload)
        around.shared.listings.forget_old()
        self._state: State = order.upload.state
        self._dataset = (order.upload.dataset_name, order.upload.dataset_uuid)

    def enter(self, after: State, dataset: RemoteDataset | None = None) -> None:
        """Record the row's next step, unless that is recorded already: each one costs a commit."""
        into = self._dataset if dataset is None else (self.datasets.name, dataset.uuid)
        if (after, into) == (self._state, self._dataset):
            return
        self.around.enter(after, dataset_name=into[0], dataset_uuid=into[1])
        self._state, self._dataset = after, into

    def resolve(self) -> RemoteDataset:
        """Return the file's dataset. Raises Ended."""
        return self.datasets.resolve(lambda: self.enter(state.SYNCING))

    def hash_of(self, held: HeldFile) -> Callable[[], Sha256]:
        """Return what reads the file to tell its hash, once. It raises Ended."""
        return lambda: held.sha256(self.remote.cancelled)

    def reserved(self, dataset: RemoteDataset, held: HeldFile) -> NameReserved | None:
        """Tell whether another row of this queue has the file's name in that dataset."""
        return self.around.reservation(dataset.uuid, self.hash_of(held))

    def ask(self, dataset: str, held: HeldFile | None, *, anew: bool = False) -> Finding:
        """Ask whether the server has the file; `held` is None where it is gone here. Raises Ended.

        An answer that is some minutes old will do while no attempt of ours is on its way, unless
        it is to be asked `anew`, as for a file that was found there before.
        """
        anew = anew or self.doubt.may_be_stored or self.upload.remote_id is not None
        sha256 = None if held is None else self.hash_of(held)
        doubts = Doubts(self.order, self.remote, self.around, sha256)
        return doubts.ask(dataset, by_listing=not anew)

    def asked_in_vain(self) -> DoubtRemains | None:
        """Lower the doubt after "not there"; an outcome where that is not enough yet."""
        again = self.doubt.must_be_asked_again
        self.doubt = self.doubt.asked()
        if not again:
            return None
        return DoubtRemains(
            "the server has not got it yet; it is asked once more before the file is sent again",
            asked_complete=True,
        )

    def found_same(
        self,
        file: RemoteFile,
        same: Same,
        *,
        ours: bool,
        held: HeldFile | None,
        reply: Reply | None = None,
    ) -> FoundSame:
        """Return that the server has the file; a row that becomes OK has its hash. Raises Ended."""
        known = file.sha256
        if held is not None and (ours or known is None):
            known = self.hash_of(held)()
        notes = [same.note, self.stored_as(file.name)]
        return FoundSame(
            remote_id=file.id,
            remote_name=file.name,
            sha256=known or self.upload.sha256,
            unproven=same.unproven,
            ours=ours,
            note="; ".join(note for note in notes if note),
            bytes_sent=reply.bytes_sent if reply else 0,
            http_status=reply.http_status if reply else None,
        )

    def stored_as(self, remote_name: str) -> str:
        """Return in words that the server gave the file another name; empty where it did not."""
        if same_name(printable(self.upload.name), remote_name):
            return ""
        return f"stored as {remote_name}"

    def found_other(self, reason: str, reply: Reply | None = None) -> FoundOther:
        """Return that another file has the name, and what somebody may do about it."""
        return FoundOther(
            f"another file of that name is in the dataset: {reason}; rename this one, or give "
            "its folder a dataset of its own",
            bytes_sent=reply.bytes_sent if reply else 0,
            http_status=reply.http_status if reply else None,
        )
