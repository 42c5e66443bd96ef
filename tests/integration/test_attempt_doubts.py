"""Doubts: lost answers, first scans, lost databases. They are settled by asking, never by guessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oort.policy.doubt import NO_DOUBT, Doubt
from oort.policy.outcome import (
    Broken,
    DoubtRemains,
    FoundOther,
    FoundSame,
    ServerBusy,
    Stored,
    Unclear,
)
from oort.transfer.shared import LISTING_LASTS_S, Shared

if TYPE_CHECKING:
    from tests.support.attempts import Night

POST = {"method": "POST", "path": "/datafiles/$"}
ONE = r"/datafiles/[^/]+/$"
MAY_NOT_LOOK = {"method": "GET", "path": "/datafiles/", "status": 403}
HTML_404 = {"method": "GET", "path": ONE, "status": 404, "content_type": "text/html"}
IN_DOUBT = {"may_be_stored": True}
COMPLETE = {"may_be_stored": True, "body_complete": True}


def again(night: Night, doubt: Doubt) -> dict[str, Any]:
    """Return the row's flags after an attempt, for the next one."""
    return {
        "ask_first": doubt.ask_first,
        "may_be_stored": doubt.may_be_stored,
        "body_complete": doubt.body_complete,
        "asked_complete": doubt.asked_complete,
        "dataset_uuid": night.dataset,
    }


def test_a_lost_answer_is_settled_by_asking(night: Night) -> None:
    night.sandbox.rule(**POST, drop=True, when="after", times=1)
    first = night.bring("a.fits")
    assert isinstance(first.outcome, Broken), first.outcome
    assert first.outcome.link_proven
    assert first.outcome.body_complete
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame)
    assert second.outcome.ours
    assert not second.outcome.unproven
    assert second.doubt == first.doubt
    assert len(night.stored()) == len(night.sandbox.uploads()) == 1


@pytest.mark.parametrize("name", ['quo"te.fits', "new\nline.fits", "back\\slash.fits"])
def test_a_lost_answer_is_settled_for_a_name_that_travels_as_another(
    night: Night, name: str
) -> None:
    night.sandbox.rule(**POST, drop=True, when="after", times=1)
    first = night.bring(name)
    assert isinstance(first.outcome, Broken), first.outcome
    second = night.bring(name, **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame), second.outcome
    assert second.outcome.ours
    assert len(night.sandbox.uploads()) == 1


def test_another_file_whose_name_has_a_quote_is_told_apart(night: Night) -> None:
    night.sandbox.upload(night.dataset, "quo%22te.fits", b"of somebody else")
    outcome = night.bring('quo"te.fits', b"of our own camera").outcome
    assert isinstance(outcome, FoundOther)
    assert "shows no such file" not in outcome.reason


def test_a_proxy_that_gave_up_waiting_leaves_a_doubt_that_is_settled(night: Night) -> None:
    night.sandbox.rule(**POST, status=504, stored=True, content_type="text/html", times=1)
    first = night.bring("a.fits")
    assert isinstance(first.outcome, ServerBusy)
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame)
    assert len(night.sandbox.uploads()) == 1


def test_a_cut_body_is_asked_for_once_and_sent_again(night: Night) -> None:
    night.sandbox.rule(**POST, drop=True, when="during", after_bytes=100_000, times=1)
    first = night.bring("a.fits", bytes(40_000_000))  # more than the kernel holds
    assert isinstance(first.outcome, Broken), first.outcome
    assert first.doubt == Doubt(may_be_stored=True)
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, Stored)
    assert "checking remote file..." in night.around.states


def test_a_complete_body_that_is_not_there_is_asked_for_twice(night: Night) -> None:
    night.sandbox.rule(**POST, drop=True, when="after", times=1)
    first = night.bring("a.fits")
    night.sandbox.rule(path="^/datasets/[^/]*/datafiles/$", status=200, body=[], times=1)
    night.sandbox.rule(path=ONE, status=404, times=1)
    # The server is still busy storing it, and shows nothing yet.
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, DoubtRemains), second.outcome
    assert second.outcome.asked_complete
    assert second.doubt.asked_complete
    third = night.bring("a.fits", **again(night, second.doubt))
    assert isinstance(third.outcome, FoundSame)
    assert len(night.sandbox.uploads()) == 1


def test_a_complete_body_that_is_twice_not_there_is_sent_again(night: Night) -> None:
    first = night.bring("a.fits", **COMPLETE)
    assert isinstance(first.outcome, DoubtRemains)
    assert night.sandbox.uploads() == []
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, Stored)
    assert second.doubt == NO_DOUBT


def test_a_torn_file_at_the_server_is_no_success(night: Night) -> None:
    night.sandbox.rule(
        **POST, drop=True, when="during", after_bytes=100_000, store_cut=True, times=1
    )
    first = night.bring("a.fits", bytes(3_000_000))
    night.sandbox.upload(night.dataset, "a.fits", bytes(90_000))
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundOther)
    assert "3000000" in second.outcome.reason


def test_a_refusal_does_not_settle_what_could_not_be_asked(night: Night) -> None:
    night.sandbox.rule(**MAY_NOT_LOOK)
    night.sandbox.rule(**POST, status=503)
    carried = night.bring("a.fits", **COMPLETE)
    assert isinstance(carried.outcome, ServerBusy)
    assert carried.doubt == Doubt(may_be_stored=True, body_complete=True)


def test_a_refusal_leaves_nothing_of_a_doubt_that_was_settled(night: Night) -> None:
    night.sandbox.rule(**POST, status=503)
    carried = night.bring("a.fits", **IN_DOUBT)
    assert isinstance(carried.outcome, ServerBusy)
    assert carried.doubt == NO_DOUBT


def test_trouble_while_asking_leaves_the_doubt(night: Night) -> None:
    night.bring("known.fits")
    night.sandbox.rule(method="GET", path="/datafiles/", status=503, headers={"Retry-After": "9"})
    carried = night.bring("a.fits", **COMPLETE)
    assert isinstance(carried.outcome, ServerBusy)
    assert carried.outcome.retry_after_s == 9
    assert carried.doubt == Doubt(may_be_stored=True, body_complete=True)
    assert len(night.sandbox.uploads()) == 1


def test_a_row_whose_dataset_changed_is_asked_for_where_it_was_sent(night: Night) -> None:
    night.bring("a.fits")
    before = night.dataset
    night.watch_with(dataset=f"{night.watch.dataset} renamed")
    outcome = night.bring("a.fits", may_be_stored=True, dataset_uuid=before).outcome
    assert isinstance(outcome, FoundSame)
    assert outcome.ours


# -- how it is asked -----------------------------------------------------------------------------


def test_a_404_of_a_route_that_never_answered_is_not_believed(night: Night) -> None:
    night.bring("a.fits")
    night.sandbox.rule(method="GET", path=ONE, status=404)  # in JSON, for every name
    outcome = night.bring("a.fits", **IN_DOUBT).outcome
    assert isinstance(outcome, FoundSame), outcome


def test_a_404_of_a_route_that_answered_before_is_believed(night: Night) -> None:
    night.bring("a.fits")
    assert isinstance(night.bring("a.fits", **IN_DOUBT).outcome, FoundSame)
    night.sandbox.forget_requests()
    assert isinstance(night.bring("b.fits", **IN_DOUBT).outcome, Stored)
    asked = [request["path"] for request in night.sandbox.requests("GET")]
    assert asked == [f"/datasets/{night.dataset}/datafiles/b.fits/"]


def test_one_listing_proves_the_route_for_all_that_follow(night: Night) -> None:
    night.bring("known.fits")
    assert isinstance(night.bring("a.fits", **IN_DOUBT).outcome, Stored)
    night.sandbox.forget_requests()
    assert isinstance(night.bring("b.fits", **IN_DOUBT).outcome, Stored)
    listed = [r for r in night.sandbox.requests("GET") if r["path"].endswith("/datafiles/")]
    assert listed == []


def test_dotted_names_that_never_reach_the_view_are_found_by_listing(night: Night) -> None:
    night.bring("a.fits")
    night.sandbox.rule(**HTML_404)
    assert isinstance(night.bring("a.fits", **IN_DOUBT).outcome, FoundSame)
    assert isinstance(night.bring("b.fits", **IN_DOUBT).outcome, Stored)


def test_a_page_that_says_200_is_no_file(night: Night) -> None:
    night.bring("a.fits")
    page = {"status": 200, "content_type": "text/html", "body": "<html>Not found</html>"}
    night.sandbox.rule(method="GET", path=ONE, **page)
    assert isinstance(night.bring("b.fits", **IN_DOUBT).outcome, Stored)


def test_digits_that_are_taken_for_a_pk_are_another_file(night: Night) -> None:
    night.bring("a.fits", b"content of a")
    pk = str(night.stored()[0]["pk"])
    night.sandbox.rule(method="GET", path=ONE, digits_are_pk=True)
    assert isinstance(night.bring(pk, b"content of b", **IN_DOUBT).outcome, Stored)
    assert len(night.stored()) == 2


def test_a_file_of_the_name_in_another_dataset_is_another_file(night: Night) -> None:
    night.sandbox.rule(method="GET", path=ONE, alter={"dataset": "0" * 8 + "-0000" * 3 + "-0" * 12})
    night.bring("a.fits", b"content")
    # The single question gives another dataset's file; the listing tells the truth.
    outcome = night.bring("a.fits", **IN_DOUBT).outcome
    assert isinstance(outcome, FoundSame)


@pytest.mark.parametrize("how", ["underscores", "suffix"])
def test_a_file_under_another_name_is_found_by_its_hash(night: Night, how: str) -> None:
    night.sandbox.rule(**POST, rename=how, drop=True, when="after", times=1)
    first = night.bring("M 31.fits")
    assert isinstance(first.outcome, Broken)
    second = night.bring("M 31.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame), second.outcome
    assert second.outcome.remote_name == night.stored()[0]["name"]
    assert len(night.sandbox.uploads()) == 1


def test_an_equal_file_under_another_name_is_another_file(night: Night) -> None:
    night.bring("bias_1.fits", b"equal")
    assert isinstance(night.bring("bias 2.fits", b"equal", **IN_DOUBT).outcome, Stored)


def test_a_server_without_that_listing_is_asked_by_filters(night: Night) -> None:
    night.bring("a.fits")
    night.sandbox.rule(method="GET", path="^/datasets/[^/]*/datafiles/", status=404)
    assert isinstance(night.bring("a.fits", **IN_DOUBT).outcome, FoundSame)
    night.sandbox.rule(method="GET", path="^/datafiles/$", ignore_filters=True)
    assert isinstance(night.bring("a.fits", **IN_DOUBT).outcome, FoundSame)
    assert isinstance(night.bring("b.fits", **IN_DOUBT).outcome, Stored)


LISTING = {"method": "GET", "path": "^/datasets/[^/]*/datafiles/$"}


@pytest.mark.parametrize("status", [404, 502])
def test_a_file_under_a_name_of_the_servers_is_found_by_a_filter(night: Night, status: int) -> None:
    night.sandbox.rule(**POST, rename="underscores", drop=True, when="after", times=1)
    first = night.bring("M 31.fits")
    night.sandbox.rule(**LISTING, status=status)
    second = night.bring("M 31.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame), second.outcome


@pytest.mark.parametrize(("status", "ended"), [(404, DoubtRemains), (502, ServerBusy)])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_filter_says_nothing_of_a_file_that_may_have_another_name(
    night: Night, status: int, ended: type, is_known: bool
) -> None:
    """A server that is known to add a suffix, and a name that no server keeps as it is."""
    name = "M31.fits" if is_known else "M 31.fits"
    night.sandbox.rule(**POST, rename="suffix")
    if is_known:
        night.bring("known.fits")
    night.sandbox.rule(**POST, rename="suffix", drop=True, when="after", times=1)
    carried = night.bring(name)
    assert isinstance(carried.outcome, Broken), carried.outcome
    night.sandbox.rule(**LISTING, status=status)
    sent = len(night.sandbox.uploads())
    for _ in range(3):
        carried = night.bring(name, **again(night, carried.doubt))
        assert isinstance(carried.outcome, ended), carried.outcome
        assert carried.doubt == Doubt(may_be_stored=True, body_complete=True)
    assert len(night.sandbox.uploads()) == sent


def test_a_server_that_lists_nothing_leaves_the_doubt(night: Night) -> None:
    night.bring("a.fits")
    night.sandbox.rule(method="GET", path="/datafiles/", status=404)
    carried = night.bring("a.fits", **IN_DOUBT)
    assert isinstance(carried.outcome, DoubtRemains), carried.outcome
    assert not carried.outcome.asked_complete
    assert carried.doubt == Doubt(may_be_stored=True)


def test_a_key_that_may_not_look_sends(night: Night) -> None:
    night.sandbox.rule(**MAY_NOT_LOOK)
    assert isinstance(night.bring("a.fits", **COMPLETE).outcome, Stored)


def test_a_broken_listing_proves_nothing(night: Night) -> None:
    night.bring("known.fits")
    night.sandbox.rule(**HTML_404)
    broken = {"status": 200, "body": '[{"pk": 1, "name": "x.fits"}, {"pk"'}
    night.sandbox.rule(method="GET", path="/datafiles/$", **broken, content_type="application/json")
    carried = night.bring("a.fits", **IN_DOUBT)
    assert isinstance(carried.outcome, ServerBusy), carried.outcome
    assert carried.doubt.may_be_stored


# -- the first scan, or a lost database ----------------------------------------------------------


def test_what_was_there_before_us_is_found_before_a_byte_is_sent(night: Night) -> None:
    night.bring("a.fits")
    night.restart()
    night.sandbox.forget_requests()
    carried = night.bring("a.fits", ask_first=True)
    assert isinstance(carried.outcome, FoundSame)
    assert not carried.outcome.ours
    assert night.sandbox.uploads() == []


def test_nothing_is_asked_of_a_dataset_that_we_have_just_made(night: Night) -> None:
    carried = night.bring("a.fits", ask_first=True)
    assert isinstance(carried.outcome, Stored)
    assert carried.doubt == NO_DOUBT
    assert [r for r in night.sandbox.requests("GET") if "/datafiles/" in r["path"]] == []


def test_nothing_is_asked_of_a_dataset_that_is_empty(night: Night) -> None:
    assert night.dataset
    assert isinstance(night.bring("a.fits", ask_first=True).outcome, Stored)
    assert isinstance(night.bring("b.fits", ask_first=True).outcome, Stored)
    assert [r for r in night.sandbox.requests("GET") if "/datafiles/" in r["path"]] == []


def test_what_we_may_have_sent_is_asked_for_in_a_dataset_of_our_making_too(night: Night) -> None:
    night.bring("a.fits")
    assert isinstance(night.bring("a.fits", **IN_DOUBT).outcome, FoundSame)


def test_many_doubts_are_settled_by_one_listing(night: Night) -> None:
    names = [f"a {number}.fits" for number in range(8)]
    for name in names:
        night.bring(name, name.encode())
    night.restart()
    night.sandbox.forget_requests()
    night.around.many_doubts = 1001
    for name in names:
        assert isinstance(night.bring(name, ask_first=True).outcome, FoundSame)
    assert isinstance(night.bring("new.fits", ask_first=True).outcome, Stored)
    asked = [r for r in night.sandbox.requests("GET") if "/datafiles/" in r["path"]]
    assert len(asked) == 1


def test_a_listing_for_many_is_compared_as_a_single_answer_is(night: Night) -> None:
    tags = ["M31", "oort|version|4.0"]
    night.sandbox.upload(night.dataset, "a.fits", b"content", tags=tags)
    tags = ["M31", "oort|origin|other-pc"]
    night.sandbox.upload(night.dataset, "b.fits", b"content", tags=tags)
    night.around.many_doubts = 1001
    first = night.bring("a.fits", b"CONTENT", ask_first=True).outcome
    assert isinstance(first, FoundSame)
    assert first.unproven
    assert isinstance(night.bring("b.fits", b"CONTENT", ask_first=True).outcome, FoundOther)


def test_a_listing_that_is_too_long_for_many_is_given_up_for_single_questions(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oort.transfer.doubts.LONGEST_LISTING_BYTES", 100)
    night.bring("a.fits")
    night.restart()
    night.around.many_doubts = 1001
    for _ in range(2):
        assert isinstance(night.bring("a.fits", ask_first=True).outcome, FoundSame)
    listed = [r for r in night.sandbox.requests("GET") if r["path"].endswith("/datafiles/")]
    assert len(listed) == 1


def test_a_file_that_was_found_before_is_asked_for_anew(night: Night) -> None:
    night.bring("a.fits")
    night.restart()
    night.around.many_doubts = 1001
    found = night.bring("a.fits", ask_first=True).outcome
    assert isinstance(found, FoundSame)
    night.sandbox.request("DELETE", f"/datafiles/{found.remote_id}/")
    # Retried by somebody who deleted it there: a listing of some minutes ago knows it still.
    retried = night.bring("a.fits", ask_first=True, remote_id=found.remote_id)
    assert isinstance(retried.outcome, Stored)


@pytest.mark.parametrize("status", [500, 504])
def test_many_doubts_whose_listing_fails_are_asked_for_one_by_one(
    night: Night, status: int
) -> None:
    for name in ("a.fits", "b.fits"):
        night.bring(name)
    night.restart()
    night.around.many_doubts = 1001
    night.sandbox.rule(method="GET", path="/datasets/[^/]*/datafiles/$", status=status)
    for name in ("a.fits", "b.fits"):
        assert isinstance(night.bring(name, ask_first=True).outcome, FoundSame)
    assert isinstance(night.bring("c.fits", ask_first=True).outcome, Stored)
    listed = [r for r in night.sandbox.requests("GET") if r["path"].endswith("/datafiles/")]
    assert len([r for r in listed if r["path"].startswith("/datasets/")]) == 1


@pytest.mark.parametrize("content", [b"content", b"CONTENT"])
def test_our_own_name_that_is_taken_and_not_shown_yet_is_asked_for_again(
    night: Night, content: bytes
) -> None:
    night.bring("known.fits")
    night.sandbox.upload(night.dataset, "a.fits", content)
    late = night.sandbox.rule(method="GET", path="/datafiles/", lag_s=3600)
    first = night.bring("a.fits", b"content", **COMPLETE, asked_complete=True)
    assert isinstance(first.outcome, Unclear), first.outcome
    assert first.doubt == Doubt(may_be_stored=True, body_complete=True)
    night.sandbox.remove(late)
    second = night.bring("a.fits", b"content", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame), second.outcome
    assert second.outcome.unproven


def test_a_listing_for_many_says_nothing_of_what_we_have_just_sent(night: Night) -> None:
    night.bring("known.fits")
    night.restart()
    night.around.many_doubts = 1001
    assert isinstance(night.bring("known.fits", ask_first=True).outcome, FoundSame)
    night.sandbox.rule(**POST, drop=True, when="after", times=1)
    first = night.bring("a.fits")
    assert isinstance(first.outcome, Broken)
    second = night.bring("a.fits", **again(night, first.doubt))
    assert isinstance(second.outcome, FoundSame), second.outcome


def test_a_server_whose_single_questions_say_nothing_is_listed_once(night: Night) -> None:
    for name in ("a.fits", "b.fits", "c.fits"):
        night.bring(name)
    night.restart()
    night.around.many_doubts = 4
    night.sandbox.rule(**HTML_404)
    for name in ("new1.fits", "a.fits", "b.fits", "c.fits"):
        night.bring(name, ask_first=True)
    listed = [r for r in night.sandbox.requests("GET") if r["path"].endswith("/datafiles/")]
    assert len(listed) == 1
    assert len(night.stored()) == 4


def listings_of(night: Night) -> int:
    return sum(r["path"].endswith("/datafiles/") for r in night.sandbox.requests("GET"))


def restarted(night: Night) -> list[float]:
    """Restart, with a clock that stands still until it is set."""
    night.restart()
    now = [0.0]
    night.around.shared = Shared(monotonic=lambda: now[0])
    return now


def test_a_dataset_is_listed_once_for_the_files_that_are_not_found_by_name(night: Night) -> None:
    """The listing has shown that none of them may be there under another name."""
    for name in ("a.fits", "b.fits"):
        night.bring(name)
    now = restarted(night)
    assert isinstance(night.bring("a.fits", ask_first=True).outcome, FoundSame)  # proves the route
    assert listings_of(night) == 0
    for name in ("new1.fits", "new2.fits", "new3.fits"):
        assert isinstance(night.bring(name, ask_first=True).outcome, Stored)
        now[0] += LISTING_LASTS_S + 1
    assert isinstance(night.bring("b.fits", ask_first=True).outcome, FoundSame)
    assert listings_of(night) == 1


def test_new_files_alone_are_not_listed_for_again_and_again(night: Night) -> None:
    night.bring("old.fits")
    now = restarted(night)
    for name in ("new1.fits", "new2.fits"):
        assert isinstance(night.bring(name, ask_first=True).outcome, Stored)
        now[0] += LISTING_LASTS_S + 1
    assert listings_of(night) == 1


def test_a_name_that_may_have_got_a_suffix_is_looked_for_in_a_listing_again(night: Night) -> None:
    for name in ("a.fits", "b.fits"):
        night.bring(name, name.encode())
    night.sandbox.rule(**POST, rename="suffix", times=1)
    night.bring("c.fits", b"c")
    now = restarted(night)
    assert isinstance(night.bring("a.fits", ask_first=True).outcome, FoundSame)
    assert isinstance(night.bring("new.fits", ask_first=True).outcome, Stored)
    now[0] += LISTING_LASTS_S + 1
    assert isinstance(night.bring("c.fits", ask_first=True).outcome, FoundSame)
    assert listings_of(night) == 2


def test_a_name_is_asked_for_once_where_the_listing_is_too_long(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.fits", "b.fits"):
        night.bring(name)
    night.restart()
    assert isinstance(night.bring("a.fits", ask_first=True).outcome, FoundSame)
    monkeypatch.setattr("oort.transfer.doubts.LONGEST_LISTING_BYTES", 100)
    assert isinstance(night.bring("new.fits", ask_first=True).outcome, Stored)
    asked = [r["path"] for r in night.sandbox.requests("GET")]
    assert sum(path.endswith("/datafiles/new.fits/") for path in asked) == 1
