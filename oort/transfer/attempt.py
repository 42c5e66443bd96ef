"""One attempt at one upload, from the claimed row to its outcome.

In order: this host's rules, the file on the disk, its dataset, the name in that dataset, the
doubt whether the server has it already, and the form (`oort.transfer.sending`). Whatever ends the
attempt on the way is raised as `Ended` and caught in one place, `carry`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from oort.policy import state
from oort.policy.doubt import NO_DOUBT, Doubt
from oort.policy.outcome import (
    Broken,
    Gone,
    Interrupted,
    NotAllowed,
    NotReached,
    Outcome,
    RootMissing,
    Unreadable,
)
from oort.remote import Ended
from oort.transfer.doubts import MayNotLook, NotThere, OtherThere, SameThere
from oort.transfer.hand import Hand
from oort.transfer.hand import doubt_of as doubt_of
from oort.transfer.sending import send
from oort.transfer.unchanged import HeldFile, unreadable

if TYPE_CHECKING:
    from oort.remote import Remote
    from oort.transfer.around import Around, Order
    from oort.values import RemoteDataset

LOOK_AGAIN_S: Final = 2.0
"""A file that is not there is looked for once more, so much later (design.md, "file gone")."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of an attempt, and what the row is in doubt about from now on."""

    outcome: Outcome
    doubt: Doubt


def carry(order: Order, remote: Remote, around: Around) -> Carried:
    """Carry one claimed upload as far as it goes; what happens to it is an outcome, no exception."""
    hand = Hand(order, remote, around)
    try:
        outcome = _run(hand)
    except Ended as ended:
        outcome = ended.outcome
    except OSError as error:
        outcome = unreadable(error)
    if isinstance(outcome, Unreadable) and (trouble := around.root_trouble()) is not None:
        # A share that went away answers with errors of all kinds, before and amid the reading.
        outcome = RootMissing(trouble)
    if isinstance(outcome, Broken):
        outcome = _prove_link(hand, outcome)
    return Carried(outcome, hand.doubt)


def _run(hand: Hand) -> Outcome:
    hand.remote.begin()
    if hand.around.wait(0.0):
        return Interrupted("stopped before it began")
    if (rule := hand.around.left_out()) is not None:
        return NotAllowed(f"this machine's rules leave it out: {rule}")
    held = _open(hand)
    if held is None:
        return _gone(hand)
    with held:
        dataset = hand.resolve()
        before_sending = hand.reserved(dataset, held) or _settle(hand, dataset, held)
        return before_sending or send(hand, dataset, held)


def _open(hand: Hand) -> HeldFile | None:
    """Open the file; None where it is gone: looked for twice, under a root healthy both times."""
    held = _open_once(hand)
    if held is None:
        if hand.around.wait(LOOK_AGAIN_S):
            raise Ended(Interrupted("stopped before it began"))
        held = _open_once(hand)
    return held


def _open_once(hand: Hand) -> HeldFile | None:
    try:
        return HeldFile.open(hand.watch, hand.upload)
    except FileNotFoundError:
        _check_root(hand)
        return None


def _check_root(hand: Hand) -> None:
    trouble = hand.around.root_trouble()
    if trouble is not None:
        raise Ended(RootMissing(trouble))


def _gone(hand: Hand) -> Outcome:
    """The file is gone here; the server may have it from an attempt of ours, or from before."""
    gone = "the file is not there any more"
    known = hand.around.known_dataset(hand.datasets.name)
    dataset = hand.upload.dataset_uuid or (known.uuid if known else None)
    if dataset is None or not (hand.doubt.may_be_stored or hand.doubt.ask_first):
        return Gone(gone)
    hand.enter(state.CHECKING)
    match hand.ask(dataset, None):
        case SameThere(file, same):
            return hand.found_same(file, same, ours=hand.doubt.may_be_stored, held=None)
        case OtherThere():
            return Gone(f"{gone}; the server has another one of that name")
        case MayNotLook():
            return Gone(f"{gone}, and this key may not ask whether the server has it")
        case NotThere():
            return hand.asked_in_vain() or Gone(f"{gone}, and the server has not got it")


def _settle(hand: Hand, dataset: RemoteDataset, held: HeldFile) -> Outcome | None:
    """Settle the doubt by asking; None: the file is to be sent."""
    places = _places(hand, dataset)
    if not places:
        hand.doubt = NO_DOUBT
        return None
    hand.enter(state.CHECKING)
    for place in places:
        match hand.ask(place, held):
            case SameThere(file, same):
                return hand.found_same(file, same, ours=hand.doubt.may_be_stored, held=held)
            case OtherThere(reason) if place == dataset.uuid:
                return hand.found_other(reason)
            case MayNotLook():
                return None  # it is sent: "already exists" will tell
            case _:
                pass
    if hand.around.shared.listings.is_empty(dataset.uuid):
        hand.datasets.note_empty(dataset)
    return hand.asked_in_vain()


def _places(hand: Hand, dataset: RemoteDataset) -> list[str]:
    """Return where the file may be: where it was sent to before, and where it goes now."""
    if hand.doubt.may_be_stored:
        before = hand.upload.dataset_uuid
        return [before, dataset.uuid] if before not in (None, dataset.uuid) else [dataset.uuid]
    if hand.doubt.ask_first and not hand.datasets.is_fresh(dataset):
        return [dataset.uuid]
    return []


def _prove_link(hand: Hand, broken: Broken) -> Outcome:
    """Tell whether the link works although this connection broke.

    The probe carries the key: a server that refuses it early, and closes while we still write,
    looks like a broken connection too.
    """
    since_s = hand.around.clock.monotonic()
    try:
        hand.remote.check_key()
    except Ended as ended:
        match ended.outcome:
            case NotReached() | Broken():
                return replace(broken, link_proven=hand.around.link_works(since_s))
            case Interrupted() as cut:
                return replace(
                    cut, bytes_sent=broken.bytes_sent, body_complete=broken.body_complete
                )
            case other:
                return other
    return replace(broken, link_proven=True)
