"""Uploads to a server, and over a link, that misbehave."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from arcsecond.errors import ArcsecondError
from arcsecond.status import Status, Substatus
from arcsecond.tags import sha256_tag
from arcsecond.upload.context import UploadContext
from arcsecond.upload.uploader import FileUploader
from arcsecond.upload.walker import walk_folder_and_upload
from tests.support.client import log_in, stored, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

OK = (Status.OK, Substatus.DONE)
SYNCED = (Status.SKIPPED, Substatus.ALREADY_SYNCED)
ERROR = (Status.ERROR, Substatus.ERROR)
CONFLICT = (Status.ERROR, Substatus.NAME_CONFLICT)

UPLOADS = {"method": "POST", "path": "/datafiles/"}


@pytest.fixture
def context(sandbox: Sandbox) -> UploadContext:
    context = UploadContext(log_in(sandbox), dataset_uuid_or_name="night 1")
    context.validate()
    return context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "data", {"a.fits": os.urandom(300_000)})


def send(
    context: UploadContext, folder: Path, name: str = "a.fits"
) -> tuple[Status, Substatus, ArcsecondError | None]:
    return FileUploader(context, folder, folder / name).upload_file()


def test_a_lost_answer_leaves_one_copy(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, drop=True, when="after", times=1)
    assert send(context, folder) == (*OK, None)
    assert len(sandbox.uploads()) == 1
    assert stored(sandbox) == {"a.fits": 300_000}


def test_a_lost_answer_to_a_renamed_file_leaves_one_copy(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a b.fits": "x"})
    sandbox.rule(**UPLOADS, rename="underscores", drop=True, when="after", times=1)
    assert send(context, folder, "a b.fits") == (*OK, None)
    assert stored(sandbox) == {"a_b.fits": 1}


def test_a_lost_answer_is_not_settled_by_a_file_of_equal_content(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a.fits": "same", "b.fits": "same"})
    sandbox.rule(**UPLOADS, file="b.fits", drop=True, when="before", times=1)
    sandbox.rule(**UPLOADS, file="b.fits", status=502, times=1, stored=False)
    assert walk_folder_and_upload(context, folder, workers=1).counts == {OK: 2}
    assert stored(sandbox) == {"a.fits": 4, "b.fits": 4}


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_connection_that_breaks_is_tried_again(
    sandbox: Sandbox, context: UploadContext, folder: Path, when: str
) -> None:
    sandbox.rule(**UPLOADS, drop=True, when=when, after_bytes=100_000, times=1)
    assert send(context, folder) == (*OK, None)
    assert stored(sandbox) == {"a.fits": 300_000}


@pytest.mark.parametrize("status", [408, 429, 500, 502])
def test_trouble_of_the_server_is_tried_again(
    sandbox: Sandbox, context: UploadContext, folder: Path, status: int
) -> None:
    page = "<html><h1>Bad day</h1></html>"
    sandbox.rule(**UPLOADS, status=status, body=page, content_type="text/html", times=1)
    assert send(context, folder) == (*OK, None)
    assert len(sandbox.uploads()) == 2


def test_a_gateway_that_lost_the_answer_leaves_one_copy(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, status=504, stored=True, times=1)
    assert send(context, folder) == (*OK, None)
    assert len(sandbox.uploads()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 201, "body": "<html/>", "content_type": "text/html", "stored": False},
        {"status": 204, "body": "", "content_type": "text/plain", "stored": True},
        {"status": 201, "body": '{"pk": ', "content_type": "application/json", "stored": True},
        {"status": 201, "body": "[1]", "content_type": "application/json", "stored": False},
    ],
)
def test_a_success_that_proves_nothing_is_settled_by_asking(
    sandbox: Sandbox, context: UploadContext, folder: Path, answer: dict[str, Any]
) -> None:
    sandbox.rule(**UPLOADS, **answer, times=1)
    assert send(context, folder) == (*OK, None)
    assert stored(sandbox) == {"a.fits": 300_000}
    assert len(sandbox.uploads()) == (1 if answer["stored"] else 2)


@pytest.mark.parametrize("told", [{"size": None}, {"file": None}])
def test_a_success_that_tells_of_a_record_without_bytes_is_settled_by_asking(
    sandbox: Sandbox, context: UploadContext, folder: Path, told: dict[str, Any]
) -> None:
    sandbox.rule(**UPLOADS, alter=told, times=1)
    sandbox.rule(method="GET", path="/datafiles/", alter=told)
    status, substatus, error = send(context, folder)
    assert (status, substatus) == CONFLICT
    assert "no file in it" in str(error)
    assert len(sandbox.uploads()) == 1


def test_a_record_without_bytes_is_no_namesake_to_be_content_with(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    assert send(context, folder) == (*OK, None)
    tag = sha256_tag(hashlib.sha256((folder / "a.fits").read_bytes()).hexdigest())
    uuid = sandbox.files()[0]["dataset_uuid"]
    write_files(folder, {"b.fits": (folder / "a.fits").read_bytes()})
    sandbox.add_records(uuid, [{"name": "b.fits", "size": None, "tags": [tag]}])
    context.forget_index()
    assert send(context, folder, "b.fits")[:2] == CONFLICT


def test_the_server_says_how_long_to_wait(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, status=429, headers={"Retry-After": "2"}, times=1)
    started = time.monotonic()
    assert send(context, folder) == (*OK, None)
    assert time.monotonic() - started >= 2


def test_a_server_that_asks_for_a_day_is_not_waited_for(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, status=503, headers={"Retry-After": "86400"})
    status, substatus, error = send(context, folder)
    assert (status, substatus) == ERROR
    assert error is not None
    assert "86400" in str(error.hint)
    assert len(sandbox.uploads()) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(413, "<html>Too large</html>"), (400, {"file": ["Bad FITS."]}), (415, {})]
)
def test_a_refusal_is_told_in_the_servers_words_and_not_repeated(
    sandbox: Sandbox, context: UploadContext, folder: Path, status: int, body: object
) -> None:
    kind = "text/html" if isinstance(body, str) else "application/json"
    sandbox.rule(**UPLOADS, status=status, body=body, content_type=kind)
    *outcome, error = send(context, folder)
    assert tuple(outcome) == ERROR
    assert isinstance(error, ArcsecondError)
    assert error.status == status
    assert "html" not in str(error)
    assert len(sandbox.uploads()) == 1


def test_a_server_that_kept_less_than_was_sent_is_a_conflict(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, truncate_size=1234)
    status, substatus, error = send(context, folder)
    assert (status, substatus) == CONFLICT
    assert "kept 1234 of 300000 bytes" in str(error)


def test_a_redirect_is_never_followed(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, status=307, headers={"Location": "http://127.0.0.1:9/datafiles/"})
    *outcome, error = send(context, folder)
    assert tuple(outcome) == ERROR
    assert error is not None
    assert "API address" in str(error.hint)


def test_a_key_that_is_refused_stops_the_folder_at_once(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {f"{n:02}.fits": "x" for n in range(20)})
    sandbox.rule(**UPLOADS, status=401, body={"detail": "Invalid key."})
    report = walk_folder_and_upload(context, folder, workers=1)
    assert report.counts == {ERROR: 1}
    assert report.not_tried == 19
    assert report.gave_up is not None
    assert "arcsecond login" in str(report.gave_up.hint)
    assert not report.is_complete


def test_one_refused_file_does_not_stop_the_others(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {f"{n:02}.fits": "x" for n in range(20)})
    sandbox.rule(**UPLOADS, file="05.fits", status=400, body={"file": ["Bad."]})
    report = walk_folder_and_upload(context, folder)
    assert report.counts == {OK: 19, ERROR: 1}
    assert [failure.path for failure in report.failures] == ["05.fits"]


def test_ten_equal_refusals_in_a_row_end_the_run(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {f"{n:02}.fits": "x" for n in range(20)})
    sandbox.rule(**UPLOADS, status=400, body={"detail": "Your storage is full."})
    report = walk_folder_and_upload(context, folder, workers=1)
    assert report.counts == {ERROR: 10}
    assert report.not_tried == 10
    assert "storage is full" in str(report.gave_up)


def test_a_key_that_may_not_look_still_sends(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    assert send(context, folder) == (*OK, None)
    sandbox.rule(method="GET", path="/datasets/.*/datafiles/", status=403)
    blind = UploadContext(context.config, dataset_uuid_or_name="night 1")
    blind.validate()
    write_files(folder, {"b.fits": "b", "c.fits": "c"})
    sandbox.rule(**UPLOADS, file="c.fits", drop=True, when="after", times=1)
    report = walk_folder_and_upload(blind, folder)
    assert report.counts == {OK: 2, CONFLICT: 1}
    assert "this key may not read it" in str(report.failures[0].error)
    assert stored(sandbox) == {"a.fits": 300_000, "b.fits": 1, "c.fits": 1}
    assert report.unproven == 1


def test_html_instead_of_a_listing_is_no_empty_listing(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    send(context, folder)
    sandbox.rule(
        method="GET", path="/datafiles/", status=200, body="<html/>", content_type="text/html"
    )
    with pytest.raises(ArcsecondError, match="does not look like Arcsecond"):
        walk_folder_and_upload(context, folder)


def test_a_detail_route_that_takes_no_dots_does_not_hide_a_file(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    page = "<html>Not Found</html>"
    sandbox.rule(
        method="GET", path=r"/datafiles/.+\..+/", status=404, body=page, content_type="text/html"
    )
    sandbox.rule(**UPLOADS, drop=True, when="after", times=1)
    assert send(context, folder) == (*OK, None)
    assert len(sandbox.uploads()) == 1


def test_a_server_without_a_datasets_own_listing_is_asked_for_all_files(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    other = sandbox.create_dataset("another")
    sandbox.upload(other, "b.fits", b"b")
    send(context, folder)
    write_files(folder, {"b.fits": "b"})
    page = "<html>Not Found</html>"
    sandbox.rule(
        method="GET",
        path="/datasets/.*/datafiles/",
        status=404,
        body=page,
        content_type="text/html",
    )
    sandbox.rule(method="GET", path="^/datafiles/", ignore_filters=True)
    assert walk_folder_and_upload(context, folder).counts == {OK: 1, SYNCED: 1}


def test_a_listing_in_pages_is_read_to_its_end(tmp_path: Path) -> None:
    from tests.support.sandbox import running_sandbox

    with running_sandbox(tmp_path / "paged", page_size=3) as sandbox:
        folder = write_files(tmp_path / "data", {f"{n}.fits": str(n) for n in range(10)})
        context = UploadContext(log_in(sandbox), dataset_uuid_or_name="night 1")
        assert walk_folder_and_upload(context, folder).counts == {OK: 10}
        assert walk_folder_and_upload(context, folder).counts == {SYNCED: 10}


@pytest.mark.slow
def test_a_server_that_is_down_is_given_up_after_a_few_files(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {f"{n:02}.fits": "x" for n in range(20)})
    send(context, folder, "00.fits")
    sandbox.rule(**UPLOADS, status=503)
    report = walk_folder_and_upload(context, folder)
    assert report.counts[SYNCED] == 1
    assert report.counts[ERROR] == 3
    assert report.not_tried == 16
    assert len(sandbox.uploads()) <= 1 + 5 * 6


def test_second_files_of_a_name_are_not_tried_either_when_the_server_is_given_up(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    names = {f"{night}/{n}.fits": night for night in ("one", "two") for n in range(4)}
    folder = write_files(tmp_path / "data", names)
    sandbox.rule(**UPLOADS, status=503)
    report = walk_folder_and_upload(context, folder)
    assert report.gave_up is not None
    assert set(report.counts) == {ERROR}
    assert report.not_tried == len(names) - report.counts[ERROR]


def test_an_outage_of_some_seconds_is_outlasted(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(**UPLOADS, drop=True, when="after", times=1)
    send(context, folder)  # the connection is up, the dataset there
    write_files(folder, {"b.fits": "b"})
    sandbox.refuse(for_s=2.5, cut=True)
    assert send(context, folder, "b.fits") == (*OK, None)
    assert stored(sandbox) == {"a.fits": 300_000, "b.fits": 1}


def test_names_that_the_server_makes_one_of_are_settled_by_content(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a b.fits": "one", "a_b.fits": "two", "c.fits": "c"})
    sandbox.rule(**UPLOADS, rename="underscores")
    assert walk_folder_and_upload(context, folder, workers=1).counts == {OK: 2, CONFLICT: 1}
    again = walk_folder_and_upload(context, folder, workers=1)
    assert again.counts == {SYNCED: 2, CONFLICT: 1}
    assert sorted(stored(sandbox)) == ["a_b.fits", "c.fits"]


def test_a_dataset_that_may_not_be_created_ends_the_run_at_once(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {f"{n:02}.fits": "x" for n in range(20)})
    sandbox.rule(method="POST", path="^/datasets/$", status=403, body={"detail": "Not you."})
    report = walk_folder_and_upload(context, folder, workers=1)
    assert report.counts == {ERROR: 1}
    assert report.not_tried == 19
    assert sandbox.uploads() == []
