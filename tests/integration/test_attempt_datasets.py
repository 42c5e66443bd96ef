"""The dataset of a file: known, found or created; once, also when many ask at the same moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from oort.policy.outcome import Broken, NotReached, ServerBusy, Stored, Unauthorised, WatchRefused
from tests.support.attempts import Night, log_in

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.sandbox import Sandbox

POST = {"method": "POST", "path": "/datafiles/$"}
CREATE = {"method": "POST", "path": "/datasets/$"}


def named(night: Night, portal: str | None = None) -> list[dict[str, Any]]:
    found = night.sandbox.get(f"/{portal}/datasets/" if portal else "/datasets/").json()
    return [one for one in found if one["name"] == night.watch.dataset]


def test_a_dataset_is_created_with_its_telescope_and_kept(night: Night) -> None:
    telescope = night.sandbox.telescopes()[0]
    night.watch_with(telescope=telescope["alias"])
    assert isinstance(night.bring("a.fits").outcome, Stored)
    (dataset,) = named(night)
    assert dataset["telescope"] == telescope["uuid"]
    assert night.around.known[night.watch.dataset].uuid == dataset["uuid"]


def test_ten_workers_create_one_dataset(night: Night) -> None:
    night.sandbox.rule(**CREATE, delay_s=0.2)
    outcomes: list[object] = []
    rows = []
    for number in range(10):
        night.write(f"{number}.fits")
        rows.append(night.row(f"{number}.fits"))
    threads = [
        threading.Thread(target=lambda row=row: outcomes.append(night.try_once(row).outcome))
        for row in rows
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in outcomes] == [Stored] * 10
    assert len(named(night)) == 1
    assert len(night.stored()) == 10


def test_a_dataset_whose_creation_was_not_answered_is_looked_up(night: Night) -> None:
    night.sandbox.rule(**CREATE, drop=True, when="after", times=1)
    assert isinstance(night.bring("a.fits").outcome, Stored)
    assert len(named(night)) == 1


def test_a_dataset_that_was_not_created_is_a_broken_link(night: Night) -> None:
    night.sandbox.rule(**CREATE, drop=True, when="before", times=1)
    carried = night.bring("a.fits")
    assert isinstance(carried.outcome, Broken), carried.outcome
    assert carried.outcome.link_proven
    assert carried.outcome.bytes_sent == 0
    assert not carried.doubt.may_be_stored
    assert named(night) == []


def test_of_several_datasets_of_one_name_the_oldest_is_used_with_a_warning(night: Night) -> None:
    oldest = night.sandbox.create_dataset(night.watch.dataset)
    night.sandbox.create_dataset(night.watch.dataset)
    assert isinstance(night.bring("a.fits").outcome, Stored)
    assert night.stored()[0]["dataset_uuid"] == oldest
    (warning,) = night.around.warnings.values()
    assert oldest in warning


def test_names_are_compared_exactly_whatever_the_filter_gives(night: Night) -> None:
    night.sandbox.create_dataset(f"{night.watch.dataset} but longer")
    night.sandbox.rule(method="GET", path="/datasets/$", ignore_filters=True)
    assert isinstance(night.bring("a.fits").outcome, Stored)
    assert len(named(night)) == 1


def test_names_are_created_and_compared_in_nfc(night: Night) -> None:
    composed = night.watch.dataset + " \u00e9toile"
    uuid = night.sandbox.create_dataset(composed)
    night.watch_with(dataset=f" {night.watch.dataset} e\u0301toile ")
    assert isinstance(night.bring("a.fits").outcome, Stored)
    assert night.around.known[composed].uuid == uuid


def test_a_known_dataset_is_not_asked_for_again(night: Night) -> None:
    night.bring("a.fits")
    night.sandbox.forget_requests()
    night.bring("b.fits")
    assert [request["method"] for request in night.sandbox.requests()] == ["POST"]


def test_a_known_dataset_that_is_gone_is_made_again(night: Night) -> None:
    night.bring("a.fits")
    gone = night.dataset
    night.sandbox.request("DELETE", f"/datasets/{gone}/")
    assert isinstance(night.bring("b.fits").outcome, Stored)
    (stored,) = night.stored()
    assert stored["name"] == "b.fits"
    assert stored["dataset_uuid"] != gone
    assert night.around.entered[-1][2] == stored["dataset_uuid"]


def test_a_dataset_that_is_refused_again_and_again_is_the_watchs(night: Night) -> None:
    night.bring("a.fits")
    night.sandbox.rule(**POST, status=400, body={"dataset": ["Closed for good."]})
    outcome = night.bring("b.fits").outcome
    assert isinstance(outcome, WatchRefused), outcome
    assert outcome.reason == "dataset: Closed for good."
    assert len(night.sandbox.uploads()) == 2  # it was looked up again, and is the same


def test_a_uuid_names_one_dataset(night: Night) -> None:
    uuid = night.dataset
    night.watch_with(dataset=uuid.upper())
    assert isinstance(night.bring("a.fits").outcome, Stored)
    assert night.around.entered[-1][1:] == (uuid, uuid)


def test_a_uuid_that_is_not_there_holds_the_watch(night: Night) -> None:
    uuid = "0" * 8 + "-0000" * 3 + "-" + "0" * 12
    night.watch_with(dataset=uuid)
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, WatchRefused), outcome
    assert uuid in outcome.reason
    assert night.sandbox.uploads() == []


def test_a_uuid_that_vanished_is_asked_for_before_anything_is_sent_again(night: Night) -> None:
    uuid = night.dataset
    night.watch_with(dataset=uuid)
    night.bring("a.fits")
    night.sandbox.request("DELETE", f"/datasets/{uuid}/")
    assert isinstance(night.bring("b.fits").outcome, WatchRefused)
    assert isinstance(night.bring("b.fits").outcome, WatchRefused)
    assert len(night.sandbox.uploads()) == 2  # a.fits, and b.fits once


def test_a_telescope_that_is_not_there_holds_the_watch(night: Night) -> None:
    night.watch_with(telescope="no-such-telescope")
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, WatchRefused)
    assert "no-such-telescope" in outcome.reason
    assert named(night) == []


def test_a_refused_creation_holds_the_watch_with_the_servers_words(night: Night) -> None:
    night.sandbox.rule(**CREATE, status=400, body={"name": ["No such names here."]})
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, WatchRefused)
    assert "No such names here." in outcome.reason


def test_the_server_in_trouble_is_no_reason_to_hold_the_watch(night: Night) -> None:
    night.sandbox.rule(path="/datasets/", status=503, headers={"Retry-After": "7"})
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, ServerBusy)
    assert outcome.retry_after_s == 7


def test_a_portals_files_go_behind_its_prefix(night: Night) -> None:
    portal = night.sandbox.portal
    night.watch_with(portal=portal)
    assert isinstance(night.bring("a.fits").outcome, Stored)
    (stored,) = night.stored()
    assert stored["portal"] == portal
    assert len(named(night, portal)) == 1
    assert named(night) == []


def test_a_portal_that_is_not_there_holds_the_watch(night: Night) -> None:
    night.watch_with(portal="nobody")
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, WatchRefused)
    assert "nobody" in outcome.reason


def test_a_stranger_in_a_portal_holds_the_watch_and_not_the_link(night: Night) -> None:
    night.sandbox.add_portal("strangers", role=None)
    night.watch_with(portal="strangers")
    assert isinstance(night.bring("a.fits").outcome, WatchRefused)


def test_without_a_key_nothing_is_asked(night: Night) -> None:
    from arcsecond.config import drop_keys

    drop_keys("sandbox")
    outcome = night.bring("a.fits").outcome
    assert isinstance(outcome, Unauthorised)
    assert "arcsecond login" in outcome.reason
    assert night.sandbox.requests() == []


def test_a_server_that_is_not_there_costs_no_doubt(sandbox: Sandbox, tmp_path: Path) -> None:
    night = Night(sandbox, tmp_path / "dome")
    night.bring("a.fits")
    sandbox.stop()
    carried = night.bring("b.fits")
    assert isinstance(carried.outcome, NotReached), carried.outcome
    assert not carried.doubt.may_be_stored


def test_a_renewed_key_is_used_by_the_next_remote(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCSECOND_API", "elsewhere")  # the daemon never follows what is chosen
    night = Night(sandbox, tmp_path / "dome")
    sandbox.renew_key("upload")
    assert isinstance(night.bring("a.fits").outcome, Unauthorised)
    log_in(sandbox)
    assert isinstance(night.bring("a.fits").outcome, Stored)
