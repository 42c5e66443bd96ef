"""`/metrics`, as Prometheus' own parser reads it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oort.monitor.metrics import metrics
from oort.policy.state import Status
from oort.values import iso
from tests.support.fakes import EVENING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

NAMES = {
    "oort_up",
    "oort_link_up",
    "oort_files",
    "oort_pending_bytes",
    "oort_oldest_pending_seconds",
    "oort_uploaded_files_total",
    "oort_uploaded_bytes_total",
    "oort_attempts_total",
    "oort_upload_seconds",
    "oort_watch_up",
    "oort_missed_events_total",
    "oort_last_success_timestamp_seconds",
}
"""contract.md §3, "oort monitor"."""

SECONDS = {"bounds": [0.1, 1.0, 2.5], "within": [0, 3, 4], "count": 5, "sum": 12.25}


def watch(name: str, state: str) -> dict[str, Any]:
    return {"name": name, "state": state, "path": f"/data/{name}"}


def page(**totals: Any) -> dict[str, Any]:
    by_status = dict.fromkeys((status.value for status in Status), 0) | {"OK": 412, "Error": 1}
    return {
        "status": {
            "daemon": {"running": True},
            "queue": {
                "by_status": by_status,
                "pending_bytes": 134553600,
                "oldest_pending_at": iso(EVENING - timedelta(seconds=90.5)),
            },
            "watches": [
                watch("dome", "watching"),
                watch('od"d\\name\n', "missing"),
                watch("old", "disabled"),
            ],
            "attention": [{"path": "/data/secret-target.fits"}],
        },
        "links": [{"api": "cloud", "state": "online"}, {"api": "dome", "state": "offline"}],
        "totals": totals,
        "finished": [{"path": "/data/secret-target.fits"}],
    }


def families(shown: dict[str, Any]) -> dict[str, Metric]:
    text = metrics(shown, EVENING)
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(shown: dict[str, Any], name: str) -> dict[tuple[str, ...], float]:
    family = families(shown)[name]
    return {
        (sample.name.removeprefix(name), *sample.labels.values()): sample.value
        for sample in family.samples
    }


def test_the_names_are_those_of_the_contract_and_no_others() -> None:
    text = metrics(page(), EVENING)
    types = [line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE ")]

    assert {name for name, _ in types} == NAMES
    assert {name for name, kind in types if kind == "counter"} == {
        name for name in NAMES if name.endswith("_total")
    }
    assert dict(types)["oort_upload_seconds"] == "histogram"


def test_every_sample_belongs_to_its_family_and_has_a_help() -> None:
    for family in families(page(seconds=SECONDS)).values():
        assert family.documentation
        assert family.samples
        assert family.type in ("gauge", "counter", "histogram")


def test_gauges_say_what_is_now() -> None:
    assert values(page(), "oort_up") == {("",): 1}
    assert values(page(), "oort_files")[("", "OK")] == 412
    assert len(values(page(), "oort_files")) == 7
    assert values(page(), "oort_pending_bytes") == {("",): 134553600}
    assert values(page(), "oort_oldest_pending_seconds") == {("",): 90.5}
    assert values(page(), "oort_link_up") == {("", "cloud"): 1, ("", "dome"): 0}


def test_a_watch_that_is_disabled_is_neither_up_nor_down() -> None:
    assert values(page(), "oort_watch_up") == {("", "dome"): 1, ("", 'od"d\\name\n'): 0}


def test_no_link_is_up_while_no_daemon_runs() -> None:
    shown = page()
    shown["status"]["daemon"]["running"] = False

    assert values(shown, "oort_up") == {("",): 0}
    assert set(values(shown, "oort_link_up").values()) == {0}


def test_counters_are_those_of_the_notes() -> None:
    shown = page(
        files=412,
        bytes=13824000000,
        attempts={"Stored": 412, "ServerBusy": 3},
        missed_events={"dome": 2},
        last_success_at=1795642200.5,
    )

    assert values(shown, "oort_uploaded_files") == {("_total",): 412}
    assert values(shown, "oort_uploaded_bytes") == {("_total",): 13824000000}
    attempts = values(shown, "oort_attempts")
    assert (attempts[("_total", "stored")], attempts[("_total", "server_busy")]) == (412, 3)
    assert attempts[("_total", "unauthorised")] == 0
    assert values(shown, "oort_missed_events")[("_total", "dome")] == 2
    assert values(shown, "oort_last_success_timestamp_seconds") == {("",): 1795642200.5}


def test_the_histogram_is_cumulative_and_ends_with_all() -> None:
    assert values(page(seconds=SECONDS), "oort_upload_seconds") == {
        ("_bucket", "0.1"): 0,
        ("_bucket", "1"): 3,
        ("_bucket", "2.5"): 4,
        ("_bucket", "+Inf"): 5,
        ("_sum",): 12.25,
        ("_count",): 5,
    }


def test_before_the_first_daemon_every_family_is_there_with_nothing() -> None:
    assert values(page(), "oort_uploaded_files") == {("_total",): 0}
    assert values(page(), "oort_upload_seconds")[("_count",)] == 0
    assert values(page(), "oort_last_success_timestamp_seconds") == {("",): 0}


def test_no_file_has_its_name_in_it() -> None:
    assert "secret-target" not in metrics(page(seconds=SECONDS), EVENING)


@pytest.mark.parametrize("since", [None, iso(EVENING + timedelta(days=1))])
def test_nothing_waits_for_less_than_no_time(since: str | None) -> None:
    shown = page()
    shown["status"]["queue"]["oldest_pending_at"] = since

    assert values(shown, "oort_oldest_pending_seconds") == {("",): 0}
