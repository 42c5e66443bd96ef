"""What the server's answers to an upload come to: design.md's table, line by line, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oort.policy.doubt import NO_DOUBT, Doubt
from oort.policy.outcome import (
    Broken,
    FileRefused,
    FoundOther,
    FoundSame,
    ServerBusy,
    SizeDiffers,
    Stored,
    Unauthorised,
    Unclear,
    WatchRefused,
)

if TYPE_CHECKING:
    from tests.support.attempts import Night

POST = {"method": "POST", "path": "/datafiles/$"}
MAY_NOT_LOOK = {"method": "GET", "path": "/datafiles/", "status": 403}
HTML = {"content_type": "text/html", "body": "<html><h1>Nobody knows</h1></html>"}


def test_a_success_that_tells_another_size_is_no_success(night: Night) -> None:
    night.sandbox.rule(**POST, truncate_size=5)
    outcome = night.bring("a.fits", b"123456789").outcome
    assert isinstance(outcome, SizeDiffers), outcome
    assert (outcome.kept, outcome.sent) == (5, 9)


@pytest.mark.parametrize(
    "told", [{"sha256": "0" * 64}, {"tags": [f"arcsecond|sha256|{'1' * 64}", "kept"]}]
)
def test_a_success_that_tells_another_content_is_no_success(
    night: Night, told: dict[str, Any]
) -> None:
    night.sandbox.rule(**POST, alter=told)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FoundOther), outcome
    assert "another SHA-256" in outcome.reason
    assert outcome.bytes_sent > 0
    assert night.sandbox.requests("PATCH") == []


@pytest.mark.parametrize("told", [{"size": None}, {"file": None}])
def test_a_success_that_tells_of_a_record_without_bytes_is_asked_for(
    night: Night, told: dict[str, Any]
) -> None:
    night.sandbox.rule(**POST, alter=told)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FoundSame), outcome  # it came to have them
    assert (outcome.ours, outcome.unproven) == (True, False)

    night.sandbox.rule(method="GET", path="/datafiles/", alter=told)
    outcome = night.bring("b.fits").outcome
    assert isinstance(outcome, FoundOther), outcome
    assert "no file in it" in outcome.reason


def test_a_success_that_tells_no_size_is_believed(night: Night) -> None:
    night.sandbox.rule(**POST, omit=["size"])
    assert isinstance(night.bring("a.fits").outcome, Stored)


def test_an_id_is_as_good_as_a_pk(night: Night) -> None:
    night.sandbox.rule(**POST, omit=["pk"])
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, Stored)
    assert outcome.remote_id == str(night.stored()[0]["pk"])


@pytest.mark.parametrize("how", ["underscores", "suffix"])
def test_another_name_than_the_one_sent_is_noted(night: Night, how: str) -> None:
    night.sandbox.rule(**POST, rename=how)
    outcome = night.bring("M 31.fits").outcome
    assert isinstance(outcome, Stored)
    assert outcome.remote_name == night.stored()[0]["name"] != "M 31.fits"
    assert outcome.note == f"stored as {outcome.remote_name}"


# -- tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"omit": ["tags"]}, {"alter": {"tags": ["kept"]}}])
def test_tags_that_the_answer_lacks_are_written(night: Night, fault: dict[str, Any]) -> None:
    night.sandbox.rule(**POST, **fault)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, Stored)
    assert not outcome.tags_pending
    assert night.around.states[-1] == "tagging..."
    (patch,) = night.sandbox.requests("PATCH")
    assert patch["status"] == 200
    (stored,) = night.stored()
    assert f"arcsecond|sha256|{outcome.sha256}" in stored["tags"]
    assert ("kept" in stored["tags"]) == ("alter" in fault)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
def test_tags_that_cannot_be_written_never_cause_another_upload(night: Night, status: int) -> None:
    night.sandbox.rule(**POST, omit=["tags"])
    night.sandbox.rule(method="PATCH", status=status)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, Stored)
    assert outcome.tags_pending == (status != 404)  # what is not there needs no tags
    assert len(night.sandbox.uploads()) == 1


def test_a_refused_hash_tag_is_left_out_from_then_on(night: Night) -> None:
    refused = {"status": 400, "body": {"tags": ["Ensure this value is shorter."]}}
    night.sandbox.rule(**POST, **refused, times=1)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, Stored)
    assert not any("sha256" in tag for tag in night.stored()[0]["tags"])
    assert "Ensure this value" in "".join(night.around.warnings.values())
    assert isinstance(night.bring("b.fits").outcome, Stored)
    assert len(night.sandbox.uploads()) == 3
    assert night.sandbox.requests("PATCH") == []


def test_other_tags_that_are_refused_too_refuse_the_file(night: Night) -> None:
    night.sandbox.rule(**POST, status=400, body={"tags": ["No tags here."]})
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FileRefused)
    assert "No tags here." in outcome.reason
    assert len(night.sandbox.uploads()) == 2


# -- a success that proves nothing ---------------------------------------------------------------

PROVES_NOTHING: list[dict[str, Any]] = [
    {"status": 204, "body": ""},
    {"status": 200, "body": ""},
    {"status": 200, **HTML},
    {"status": 201, "body": {"detail": "thanks"}},
    {"status": 201, "body": [{"pk": 1}]},
    {"status": 201, "body": '{"pk": 1', "content_type": "application/json"},
]


@pytest.mark.parametrize("fault", PROVES_NOTHING)
def test_a_success_without_proof_is_asked_for_and_found(
    night: Night, fault: dict[str, Any]
) -> None:
    night.sandbox.rule(**POST, **fault, stored=True)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FoundSame), outcome
    assert outcome.ours
    assert not outcome.unproven
    assert outcome.sha256 == night.stored()[0]["sha256"]
    assert len(night.sandbox.uploads()) == 1


@pytest.mark.parametrize("fault", PROVES_NOTHING)
def test_a_success_without_proof_that_stored_nothing_is_no_success(
    night: Night, fault: dict[str, Any]
) -> None:
    night.sandbox.rule(**POST, **fault)
    carried = night.bring("a.fits")
    assert isinstance(carried.outcome, Unclear), carried.outcome
    assert "<" not in carried.outcome.reason
    assert carried.doubt.must_be_asked_again


def test_a_success_without_proof_of_a_key_that_may_not_look_stays_unclear(night: Night) -> None:
    night.sandbox.rule(**POST, status=204, body="", stored=True, times=1)
    night.sandbox.rule(**MAY_NOT_LOOK)
    carried = night.bring("a.fits")
    assert isinstance(carried.outcome, Unclear)
    assert carried.doubt == Doubt(may_be_stored=True, body_complete=True)


def test_a_captive_portal_is_no_success(night: Night) -> None:
    night.sandbox.rule(path="^/(?!_faults)", status=200, **HTML)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, ServerBusy), outcome  # the dataset could not be asked for
    assert night.around.known == {}


# -- what may pass -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_waited_for(night: Night, status: int) -> None:
    night.sandbox.rule(**POST, status=status, **HTML)
    carried = night.bring("a.fits")
    outcome = carried.outcome
    assert isinstance(outcome, ServerBusy), outcome
    assert outcome.http_status == status
    assert "<" not in outcome.reason
    assert carried.doubt.may_be_stored == (status in (500, 502, 504, 599))
    assert carried.doubt.body_complete == (status in (500, 502, 504, 599))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), ("999999", 86400.0), ("soon", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_obeyed_up_to_a_day(
    night: Night, header: str, seconds: float | None
) -> None:
    night.sandbox.rule(**POST, status=503, headers={"Retry-After": header})
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, ServerBusy)
    assert outcome.retry_after_s == seconds


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_says_what_to_check(night: Night, status: int) -> None:
    location = {"Location": "http://127.0.0.2:9/elsewhere?key=1"}
    night.sandbox.rule(**POST, status=status, headers=location)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, ServerBusy), outcome
    assert "check the API address" in outcome.reason
    assert "127.0.0.2:9" in outcome.reason
    assert "key=1" not in outcome.reason
    assert len(night.sandbox.uploads()) == 1


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_that_is_no_json_may_pass(night: Night, status: int) -> None:
    night.sandbox.rule(**POST, status=status, **HTML)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, ServerBusy)
    assert outcome.http_status == status


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422, 409])
def test_a_refusal_in_json_is_the_files_with_the_servers_words(night: Night, status: int) -> None:
    night.sandbox.rule(**POST, status=status, body={"file": ["Not an image."]})
    carried = night.bring("a.fits")
    assert isinstance(carried.outcome, FileRefused)
    assert carried.outcome.reason == "file: Not an image."
    assert carried.doubt == NO_DOUBT


@pytest.mark.parametrize("status", [413, 415])
def test_too_large_and_the_wrong_type_are_the_files(night: Night, status: int) -> None:
    night.sandbox.rule(**POST, status=status, **HTML)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FileRefused)
    assert outcome.http_status == status
    assert "<" not in outcome.reason


def test_an_early_refusal_is_read_while_the_body_is_still_being_sent(night: Night) -> None:
    night.sandbox.rule(**POST, status=413, early=True, close=True)
    outcome = night.bring("a.fits", bytes(20_000_000)).outcome
    assert isinstance(outcome, FileRefused | Broken), outcome
    assert not isinstance(outcome, Broken) or outcome.link_proven


def test_a_refused_key_is_told_with_the_remedy(night: Night) -> None:
    night.bring("known.fits")
    night.sandbox.rule(path="^/(?!_faults)", status=401, body={"detail": "Invalid key."})
    carried = night.bring("a.fits")
    outcome = carried.outcome
    assert isinstance(outcome, Unauthorised), outcome
    assert "arcsecond login" in outcome.reason
    assert "Invalid key." in outcome.reason
    assert night.sandbox.upload_key not in outcome.reason
    assert carried.doubt == NO_DOUBT


def test_403_of_everything_is_the_keys(night: Night) -> None:
    night.bring("known.fits")
    night.sandbox.rule(path="^/(?!_faults)", status=403)
    assert isinstance(night.bring("a.fits").outcome, Unauthorised)


def test_403_of_the_upload_alone_is_the_watchs(night: Night) -> None:
    night.sandbox.rule(**POST, status=403, body={"detail": "Ask an admin."})
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, WatchRefused), outcome
    assert outcome.reason == "Ask an admin."
    assert len(night.sandbox.uploads()) == 1


def test_404_of_the_upload_is_the_watchs(night: Night) -> None:
    night.sandbox.rule(**POST, status=404, **HTML)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, WatchRefused)
    assert outcome.http_status == 404


# -- the name is taken ---------------------------------------------------------------------------


def test_the_same_file_from_before_us_is_found(night: Night) -> None:
    night.bring("a.fits", b"content")
    night.restart()
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FoundSame), outcome
    assert not outcome.ours
    assert not outcome.unproven
    assert outcome.http_status == 400


def test_the_same_file_of_an_attempt_of_ours_is_ours(night: Night) -> None:
    night.bring("a.fits", b"content")
    night.sandbox.rule(method="GET", path="/datafiles/", status=404, times=2)  # blind at first
    night.sandbox.rule(method="GET", path="/datasets/[^/]*/$", status=404, times=1)
    carried = night.bring("a.fits", may_be_stored=True)
    assert isinstance(carried.outcome, FoundSame), carried.outcome
    assert carried.outcome.http_status == 400
    assert carried.outcome.ours


@pytest.mark.parametrize("content", [b"CONTENT", b"longer content"])
def test_another_file_of_that_name_is_a_conflict(night: Night, content: bytes) -> None:
    night.bring("a.fits", b"content")
    outcome = night.bring("a.fits", content).outcome
    assert isinstance(outcome, FoundOther), outcome
    assert outcome.bytes_sent > 0
    assert night.stored()[0]["size"] == 7


def test_a_namesake_without_tags_is_the_same_but_unproven(night: Night) -> None:
    night.sandbox.upload(night.dataset, "a.fits", b"content")
    outcome = night.bring("a.fits", b"CONTENT").outcome
    assert isinstance(outcome, FoundSame)
    assert outcome.unproven
    assert not outcome.ours


def test_a_namesake_of_another_origin_without_hash_is_another_file(night: Night) -> None:
    tags = ["oort|origin|other-pc", "oort|folder|dome"]
    night.sandbox.upload(night.dataset, "a.fits", b"content", tags=tags)
    outcome = night.bring("a.fits", b"CONTENT").outcome
    assert isinstance(outcome, FoundOther)
    assert "other-pc" in outcome.reason


def test_a_namesake_that_may_not_be_read_is_a_conflict(night: Night) -> None:
    night.sandbox.upload(night.dataset, "a.fits", b"content")
    night.sandbox.rule(**MAY_NOT_LOOK)
    outcome = night.bring("a.fits", b"content").outcome
    assert isinstance(outcome, FoundOther)
    assert outcome.reason == "a file of that name is there; this key may not read it"


def test_a_namesake_that_may_not_be_read_after_our_whole_body_is_ours(night: Night) -> None:
    night.bring("a.fits", b"content")
    night.sandbox.rule(**MAY_NOT_LOOK)
    row = {"may_be_stored": True, "body_complete": True}
    outcome = night.bring("a.fits", **row).outcome
    assert isinstance(outcome, FoundSame), outcome
    assert outcome.ours
    assert outcome.unproven
    assert outcome.note == "not verifiable with this key"
    assert outcome.sha256 == night.stored()[0]["sha256"]


def test_a_namesake_that_may_not_be_read_after_half_a_body_is_a_conflict(night: Night) -> None:
    night.sandbox.upload(night.dataset, "a.fits", b"con")
    night.sandbox.rule(**MAY_NOT_LOOK)
    assert isinstance(night.bring("a.fits", b"content", may_be_stored=True).outcome, FoundOther)


def test_a_taken_name_that_the_server_does_not_show_needs_a_person(night: Night) -> None:
    night.bring("other.fits")
    night.sandbox.rule(
        **POST, status=400, body={"detail": ["a.fits already exists in dataset M31."]}
    )
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, FoundOther)
    assert "shows no such file" in outcome.reason
