from __future__ import annotations

from dataclasses import replace

import pytest

from oort.policy.outcome import FileRefused, ServerBusy, SizeDiffers
from oort.remote import Reply
from oort.transfer.answers import (
    Accepted,
    DatasetRefused,
    NameTaken,
    ProvesNothing,
    TagsRefused,
    Verdict,
    read,
)
from oort.values import RemoteFile

STORED = RemoteFile("1", "a.fits", 100)


def verdict(http_status: int, *, with_hash: bool = True, **values: object) -> Verdict:
    reply = Reply(http_status, "words", is_json=True, bytes_sent=150, body_complete=True)
    return read(
        replace(reply, **values),  # type: ignore[arg-type]  # whatever the test wants
        size=100,
        with_hash=with_hash,
    )


@pytest.mark.parametrize("http_status", [200, 201, 202])
def test_a_data_file_of_the_right_size_is_accepted(http_status: int) -> None:
    assert verdict(http_status, stored=STORED) == Accepted(STORED)


def test_a_success_without_a_data_file_proves_nothing() -> None:
    assert verdict(201) == ProvesNothing()
    assert verdict(204, is_json=False) == ProvesNothing()


def test_a_success_before_the_body_was_complete_proves_nothing() -> None:
    assert verdict(201, stored=STORED, body_complete=False) == ProvesNothing()


def test_another_size_is_told() -> None:
    told = verdict(201, stored=RemoteFile("1", "a.fits", 99))
    assert told == SizeDiffers(kept=99, sent=100, remote_id="1", http_status=201)


def test_a_taken_name_goes_before_all_that_the_words_name() -> None:
    assert verdict(400, name_taken=True, fields=frozenset({"dataset"})) == NameTaken()


@pytest.mark.parametrize("http_status", [403, 404])
def test_403_and_404_are_the_datasets(http_status: int) -> None:
    told = verdict(http_status)
    assert isinstance(told, DatasetRefused)
    assert told.perhaps_the_key == (http_status == 403)


def test_400_that_names_the_dataset_is_the_datasets() -> None:
    told = verdict(400, fields=frozenset({"dataset"}))
    assert isinstance(told, DatasetRefused)
    assert not told.perhaps_the_key
    assert isinstance(verdict(422, fields=frozenset({"dataset"})), FileRefused)


def test_refused_tags_are_tried_once_without_the_hash() -> None:
    assert verdict(400, fields=frozenset({"tags"})) == TagsRefused("words")
    assert isinstance(verdict(400, with_hash=False, fields=frozenset({"tags"})), FileRefused)


@pytest.mark.parametrize("http_status", [400, 402, 405, 409, 410, 413, 415, 422])
def test_other_refusals_in_json_are_the_files(http_status: int) -> None:
    told = verdict(http_status)
    assert told == FileRefused("words", http_status=http_status, bytes_sent=150)


@pytest.mark.parametrize("http_status", [413, 415])
def test_these_two_are_the_files_whatever_they_say(http_status: int) -> None:
    assert isinstance(verdict(http_status, is_json=False), FileRefused)


@pytest.mark.parametrize("http_status", [300, 302, 308, 400, 405, 407, 422, 431])
def test_what_no_view_of_arcsecond_said_may_pass(http_status: int) -> None:
    told = verdict(http_status, is_json=False)
    assert isinstance(told, ServerBusy)
    assert not told.keeps_doubt


@pytest.mark.parametrize("http_status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 599])
@pytest.mark.parametrize("is_json", [True, False])
def test_what_may_pass_is_waited_for(http_status: int, *, is_json: bool) -> None:
    told = verdict(http_status, is_json=is_json, retry_after_s=3.0)
    assert isinstance(told, ServerBusy)
    assert told.retry_after_s == 3.0
    assert told.keeps_doubt == (http_status in (500, 502, 504, 599))


@pytest.mark.parametrize("http_status", range(200, 600))
@pytest.mark.parametrize("is_json", [True, False])
def test_every_status_has_a_meaning(http_status: int, *, is_json: bool) -> None:
    assert verdict(http_status, is_json=is_json) is not None
