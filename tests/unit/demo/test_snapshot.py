"""The display reads the documented JSON, and ignores what it does not know."""

from __future__ import annotations

import json

from oort.demo.snapshot import InHand, Snapshot, newest_cause, read


def test_the_documented_status_is_understood() -> None:
    document = {
        "daemon": {"running": True, "pid": 4242, "host": "dome-pc", "new key": 1},
        "link": {"state": "offline", "reason": "connection refused"},
        "queue": {"by_status": {"New": 3, "Uploading": 1, "OK": 8, "Error": 0}, "pending_files": 4},
        "watches": [],
        "active": [{"id": 9, "path": "/data/M31/a.fits", "size": 100, "bytes_sent": 40}],
        "attention": [],
    }

    found = read(json.dumps(document))

    assert (found.running, found.pid, found.pending) == (True, 4242, 4)
    assert (found.link, found.reason) == ("offline", "connection refused")
    assert found.in_hand == (InHand("a.fits", 100, 40),)
    assert found.queue == "3 New, 1 Uploading, 8 OK"


def test_a_queue_without_a_row_is_empty_in_words() -> None:
    assert Snapshot().queue == "empty"


def test_the_newest_cause_of_a_file_is_the_end_of_its_history() -> None:
    history = [{"cause": "sending"}, {"cause": "the server has it"}]

    assert newest_cause(json.dumps({"id": 5, "history": history})) == "the server has it"
