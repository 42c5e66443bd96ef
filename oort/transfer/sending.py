"""Sending a file, and drawing the conclusions from the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from oort.policy import state
from oort.policy.outcome import (
    Broken,
    Changed,
    FoundOther,
    FoundSame,
    Interrupted,
    Outcome,
    ServerBusy,
    Stored,
    Unclear,
)
from oort.policy.same import is_stored_unchanged
from oort.remote import Ended
from oort.transfer.answers import (
    Accepted,
    DatasetRefused,
    NameTaken,
    ProvesNothing,
    TagsRefused,
    read,
)
from oort.transfer.doubts import MayNotLook, NotThere, OtherThere, SameThere, renames
from oort.transfer.tagging import lacks, write_tags
from oort.transfer.unchanged import unreadable
from oort.values import printable

if TYPE_CHECKING:
    from oort.remote import Reply
    from oort.transfer.hand import Hand
    from oort.transfer.unchanged import HeldFile
    from oort.values import RemoteDataset, RemoteFile

NOT_VERIFIABLE: Final = "not verifiable with this key"
MAY_NOT_READ: Final = "a file of that name is there; this key may not read it"


def send(hand: Hand, dataset: RemoteDataset, held: HeldFile) -> Outcome:
    """Send the file; once more where a tag is refused, or where its dataset is another one now.

    Raises Ended.
    """
    may_look_again = True
    while True:
        with_hash = not hand.around.shared.knows(*_no_hash(hand))
        reply = _post(hand, dataset, held, with_hash=with_hash)
        verdict = read(reply, size=hand.upload.size, with_hash=with_hash)
        if isinstance(verdict, TagsRefused):
            _leave_out_hash(hand, verdict.words)
            continue
        if not isinstance(verdict, DatasetRefused):
            return _conclude(hand, dataset, held, reply, verdict)
        if verdict.perhaps_the_key:
            hand.remote.check_key()
        found = hand.datasets.look_again(dataset) if may_look_again else None
        if found is None:
            return verdict.outcome
        dataset, may_look_again = found, False
        if (reserved := hand.reserved(dataset, held)) is not None:
            return reserved


def _conclude(
    hand: Hand,
    dataset: RemoteDataset,
    held: HeldFile,
    reply: Reply,
    verdict: Outcome | Accepted | ProvesNothing | NameTaken,
) -> Outcome:
    match verdict:
        case Accepted(file):
            return _stored(hand, file, reply)
        case ProvesNothing():
            return _unclear(hand, dataset, held, reply)
        case NameTaken():
            return _namesake(hand, dataset, held, reply)
        case ServerBusy(keeps_doubt=True):
            _raise_doubt(hand, reply.bytes_sent, body_complete=reply.body_complete)
            return verdict
        case _:
            return verdict


def _post(hand: Hand, dataset: RemoteDataset, held: HeldFile, *, with_hash: bool) -> Reply:
    hand.enter(state.UPLOADING, dataset)
    passed = 0

    def on_block(count: int) -> None:
        nonlocal passed
        hand.around.progress(passed)  # what came before this block has left
        hand.around.throttle.take(count, hand.remote.cancelled)
        passed += count

    try:
        reply = hand.remote.send(
            dataset=dataset.uuid,
            portal=hand.watch.portal,
            is_raw=hand.watch.raw,
            tags=hand.order.tags,
            with_hash=with_hash,
            file=held.from_start(),
            filename=hand.upload.name,
            size=hand.upload.size,
            unchanged=lambda sha256: held.is_unchanged(sha256, hand.remote.cancelled),
            on_block=on_block,
        )
    except Ended as ended:
        if isinstance(ended.outcome, Broken | Interrupted):
            _raise_doubt(hand, ended.outcome.bytes_sent, body_complete=ended.outcome.body_complete)
        if isinstance(ended.outcome, Changed) and held.objection is not None:
            raise Ended(replace(ended.outcome, reason=held.objection)) from None
        raise
    except OSError as error:
        raise Ended(unreadable(error)) from None
    hand.around.progress(reply.bytes_sent)
    held.note_hash(reply.sha256)
    return reply


def _raise_doubt(hand: Hand, bytes_sent: int, *, body_complete: bool) -> None:
    if bytes_sent > 0:
        hand.doubt = hand.doubt.raised(body_complete=body_complete)


def _stored(hand: Hand, file: RemoteFile, reply: Reply) -> Stored:
    """The server confirmed it: note another name, and write the tags that the answer lacks."""
    note, pending = hand.stored_as(file.name), False
    if note and is_stored_unchanged(printable(hand.upload.name)):
        hand.around.shared.note(*renames(hand.remote.account.server))
    if lacks(file.tags, reply.tags) and not _are_never_told(hand, file):
        pending = not _tag(hand, file, reply)
    return Stored(
        remote_id=file.id,
        remote_name=file.name,
        sha256=reply.sha256 or "",
        bytes_sent=reply.bytes_sent,
        http_status=reply.http_status,
        tags_pending=pending,
        note=note,
    )


def _are_never_told(hand: Hand, file: RemoteFile) -> bool:
    """Tell whether the answer shows no tags because this server shows none to anybody who asks.

    They went with the form all the same, and there is nothing that they could be compared with.
    """
    return not file.tells_tags and hand.around.shared.knows(*_no_tags(hand))


def _no_tags(hand: Hand) -> tuple[str, str]:
    return ("tells no tags", hand.remote.account.server)


def _tag(hand: Hand, file: RemoteFile, reply: Reply) -> bool:
    """Write the tags of a stored file once more; False where that is to be tried again later."""
    hand.enter(state.TAGGING)
    with_hash = not hand.around.shared.knows(*_no_hash(hand))
    try:
        told = write_tags(
            hand.order,
            hand.remote,
            file.id,
            sha256=reply.sha256 if with_hash else None,
            besides=file.tags,
        )
    except Ended:
        return False  # it is stored all the same
    if not told and not file.tells_tags:
        hand.around.shared.note(*_no_tags(hand))
    return True


def _unclear(hand: Hand, dataset: RemoteDataset, held: HeldFile, reply: Reply) -> Outcome:
    """A success without proof: ask at once."""
    _raise_doubt(hand, reply.bytes_sent, body_complete=reply.body_complete)
    match hand.ask(dataset.uuid, held):
        case SameThere(file, same):
            return hand.found_same(file, same, ours=True, held=held, reply=reply)
        case OtherThere(reason):
            return hand.found_other(reason, reply)
        case MayNotLook() | NotThere():
            # Not counted as an answer to the doubt: a complete body may still be on its way.
            return Unclear(
                f"the server took it and confirmed nothing: {reply.words}",
                http_status=reply.http_status,
                bytes_sent=reply.bytes_sent,
            )


def _namesake(hand: Hand, dataset: RemoteDataset, held: HeldFile, reply: Reply) -> Outcome:
    """The name is taken: by our own earlier attempt, by the same file from before, or by another."""
    sent, status = reply.bytes_sent, reply.http_status
    match hand.ask(dataset.uuid, held, anew=True):
        case SameThere(file, same):
            # As the row was claimed: an attempt whose body we asked for in vain may have been slow.
            ours = hand.upload.may_be_stored
            return hand.found_same(file, same, ours=ours, held=held, reply=reply)
        case OtherThere(reason):
            return hand.found_other(reason, reply)
        case NotThere():
            words = f"{reply.words}; but the server shows no such file"
            if not hand.upload.may_be_stored:
                return FoundOther(words, bytes_sent=sent, http_status=status)
            # It is most likely ours, and shown late: some servers store first and list later.
            _raise_doubt(hand, sent, body_complete=hand.upload.body_complete)
            return Unclear(words, http_status=status, bytes_sent=sent)
        case MayNotLook() if hand.upload.body_complete:
            return FoundSame(
                remote_id=None,
                remote_name=printable(hand.upload.name),
                sha256=hand.hash_of(held)(),
                unproven=True,
                ours=True,
                note=NOT_VERIFIABLE,
                bytes_sent=sent,
                http_status=status,
            )
        case MayNotLook():
            return FoundOther(MAY_NOT_READ, bytes_sent=sent, http_status=status)


def _no_hash(hand: Hand) -> tuple[str, str]:
    return ("no hash tag", hand.remote.account.server)


def _leave_out_hash(hand: Hand, words: str) -> None:
    """Send without the hash from here on, for the life of the process, and say so once."""
    hand.around.shared.note(*_no_hash(hand))
    hand.around.warn(
        f"hash tag of {hand.remote.account.server}",
        f"the server refuses the tag with the SHA-256, which is left out: {words}",
    )
