"""`FileUploader` and `walk_folder_and_upload` against the sandbox."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.errors import ArcsecondError, InputError
from arcsecond.status import Status, Substatus
from arcsecond.tags import sha256_tag
from arcsecond.upload.carrier import Carrier
from arcsecond.upload.context import UploadContext
from arcsecond.upload.legacy import (
    DatasetFileUploader,
    DatasetUploadContext,
    walk_folder_and_upload_files,
)
from arcsecond.upload.local import LocalFile, look_at
from arcsecond.upload.uploader import FileUploader
from arcsecond.upload.walker import walk_folder_and_upload
from tests.support.client import log_in, paths_of, raw_name, stored, write_files
from tests.support.discarding import Discarding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.sandbox import Sandbox

OK = (Status.OK, Substatus.DONE)
SYNCED = (Status.SKIPPED, Substatus.ALREADY_SYNCED)
CONFLICT = (Status.ERROR, Substatus.NAME_CONFLICT)


@pytest.fixture
def context(sandbox: Sandbox) -> UploadContext:
    context = UploadContext(log_in(sandbox), dataset_uuid_or_name="night 1")
    context.validate()
    return context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "data", {"a.fits": "aaa", "sub/b.fits": "bb"})


def send(context: UploadContext, folder: Path, name: str) -> tuple[Status, Substatus]:
    status, substatus, error = FileUploader(context, folder, folder / name).upload_file()
    assert (error is None) == (status is not Status.ERROR)
    return status, substatus


def test_a_file_arrives_whole_with_its_hash_as_a_tag(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    content = os.urandom(3_000_000)
    folder = write_files(tmp_path / "data", {"a.fits": content})
    assert send(context, folder, "a.fits") == OK
    (there,) = sandbox.files()
    sha256 = hashlib.sha256(content).hexdigest()
    assert (there["name"], there["size"], there["sha256"]) == ("a.fits", 3_000_000, sha256)
    assert there["tags"] == [sha256_tag(sha256)]
    assert there["is_raw"] is True


def test_nothing_is_created_before_the_first_file_goes_out(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {".hidden": "x", "empty": ""})
    walk_folder_and_upload(context, folder)
    for path in folder.iterdir():
        assert send(context, folder, path.name)[0] is Status.SKIPPED
    assert paths_of(sandbox, "POST") == ["/auth/key/verify/"]


def test_what_is_no_file_to_send_is_skipped_with_its_reason(
    context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {".hidden": "x", ".h/a": "x", "empty": "", "sub/a": ""})
    assert send(context, folder, ".hidden") == (Status.SKIPPED, Substatus.HIDDEN)
    assert send(context, folder, ".h/a") == (Status.SKIPPED, Substatus.HIDDEN)
    assert send(context, folder, "empty") == (Status.SKIPPED, Substatus.EMPTY)
    assert send(context, folder, "sub") == (Status.SKIPPED, Substatus.IGNORED)
    assert send(context, folder, "missing") == (Status.SKIPPED, Substatus.FILE_GONE)


def test_a_file_outside_the_root_is_an_error_and_not_sent(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    status, _, error = FileUploader(context, folder / "sub", folder / "a.fits").upload_file()
    assert status is Status.ERROR
    assert isinstance(error, InputError)
    assert stored(sandbox) == {}


def test_a_file_that_is_there_is_skipped_without_sending_a_byte(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    assert send(context, folder, "a.fits") == OK
    again = UploadContext(context.config, dataset_uuid_or_name="night 1")
    again.validate()
    sandbox.forget_requests()
    assert send(again, folder, "a.fits") == SYNCED
    assert paths_of(sandbox, "POST") == []


def test_another_file_of_that_name_is_a_conflict_and_stays_as_it_is(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    assert send(context, folder, "a.fits") == OK
    (folder / "a.fits").write_text("xyz")  # of the same size
    status, substatus, error = FileUploader(context, folder, folder / "a.fits").upload_file()
    assert (status, substatus) == CONFLICT
    assert error is not None
    assert error.hint
    (folder / "a.fits").write_text("longer")
    assert send(context, folder, "a.fits") == CONFLICT
    assert stored(sandbox) == {"a.fits": 3}


def test_a_namesake_that_came_meanwhile_is_compared_when_the_server_refuses(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    send(context, folder, "sub/b.fits")  # from here on the listing is known
    dataset = str(context.dataset.uuid)
    hash_a = hashlib.sha256(b"aaa").hexdigest()
    sandbox.upload(dataset, "a.fits", b"aaa", tags=[sha256_tag(hash_a)])
    sandbox.upload(dataset, "c.fits", b"ccc", tags=[sha256_tag("0" * 64)])
    write_files(folder, {"c.fits": "CCC"})
    assert send(context, folder, "a.fits") == SYNCED
    assert send(context, folder, "c.fits") == CONFLICT
    assert stored(sandbox) == {"a.fits": 3, "b.fits": 2, "c.fits": 3}


def test_a_namesake_without_a_hash_counts_as_the_same_by_its_size(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    send(context, folder, "sub/b.fits")
    sandbox.upload(str(context.dataset.uuid), "a.fits", b"???")
    report = walk_folder_and_upload(context, folder)
    assert report.counts == {SYNCED: 2}
    assert report.unproven == 1


def test_a_namesake_that_oort_brought_from_elsewhere_is_another_file(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    send(context, folder, "sub/b.fits")
    sandbox.upload(str(context.dataset.uuid), "a.fits", b"???", tags=["oort|origin|dome-b"])
    assert send(context, folder, "a.fits") == CONFLICT


def test_a_folder_arrives_and_a_second_run_sends_only_what_is_missing(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    assert walk_folder_and_upload(context, str(folder)).counts == {OK: 2}
    write_files(folder, {"c.fits": "c"})
    sandbox.forget_requests()
    report = walk_folder_and_upload(context, folder)
    assert report.counts == {OK: 1, SYNCED: 2}
    assert report.is_complete
    assert len(sandbox.uploads()) == 1
    assert stored(sandbox) == {"a.fits": 3, "b.fits": 2, "c.fits": 1}


def test_of_two_files_of_one_name_the_first_by_path_order_is_sent(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(
        tmp_path / "data",
        {"n1/x.fits": "one", "n2/x.fits": "two", "n3/x.fits": "one", "n4/y.fits": "y"},
    )
    report = walk_folder_and_upload(context, folder)
    assert report.counts == {OK: 2, CONFLICT: 1, SYNCED: 1}
    (failure,) = report.failures
    assert failure.path == "n2/x.fits"
    assert "n1/x.fits" in str(failure.error)
    assert {f["name"]: f["sha256"] for f in sandbox.files()}["x.fits"] == hashlib.sha256(
        b"one"
    ).hexdigest()
    assert len(sandbox.uploads()) == 2


def test_files_of_equal_content_and_different_names_are_all_sent(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", dict.fromkeys(("a.fits", "b.fits", "c d.fits"), "same"))
    assert walk_folder_and_upload(context, folder).counts == {OK: 3}
    assert sorted(stored(sandbox)) == ["a.fits", "b.fits", "c d.fits"]


@pytest.mark.parametrize("rename", ["underscores", "suffix"])
def test_a_file_that_the_server_renamed_is_found_by_its_hash(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path, rename: str
) -> None:
    folder = write_files(tmp_path / "data", {"my file.fits": "aaa", "my flat.fits": "bbb"})
    sandbox.rule(method="POST", path="/datafiles/", rename=rename)
    first = walk_folder_and_upload(context, folder)
    assert first.counts == {OK: 2}
    assert len(first.notes) == 2
    before = stored(sandbox)
    for status in (
        walk_folder_and_upload(context, folder).counts,
        walk_folder_and_upload(_afresh(context), folder).counts,
    ):
        assert status == {SYNCED: 2}
    assert send(context, folder, "my file.fits") == SYNCED
    assert send(_afresh(context), folder, "my file.fits") == SYNCED
    assert stored(sandbox) == before


def _afresh(context: UploadContext) -> UploadContext:
    again = UploadContext(context.config, dataset_uuid_or_name="night 1")
    again.validate()
    return again


@pytest.mark.linux
def test_a_name_that_is_no_utf8_arrives_with_escapes_and_is_found_again(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    names = [b"bad\xff.fits", b'quo"te.fits', "étoile ☆.fits".encode(), b"100%.fits"]
    folder = write_files(tmp_path / "data", {raw_name(name): name for name in names})
    assert walk_folder_and_upload(context, folder).counts == {OK: 4}
    assert "bad\\xff.fits" in stored(sandbox) or "xff.fits" in stored(sandbox)
    assert walk_folder_and_upload(_afresh(context), folder).counts == {SYNCED: 4}
    for path in folder.iterdir():
        assert send(_afresh(context), folder, path.name) == SYNCED
    assert len(stored(sandbox)) == 4


def test_tags_and_the_raw_flag_go_along(sandbox: Sandbox, folder: Path) -> None:
    context = DatasetUploadContext(
        log_in(sandbox),
        input_dataset_uuid_or_name="night 1",
        is_raw_data=False,
        custom_tags="m31, season 2",
    )
    context.validate()
    walk_folder_and_upload_files(DatasetFileUploader, context, folder)
    for there in sandbox.files():
        assert there["is_raw"] is False
        assert there["tags"] == [sha256_tag(there["sha256"]), "m31", "season 2"]


def test_the_later_uploader_takes_tags_and_the_raw_flag_for_one_file(
    sandbox: Sandbox, folder: Path
) -> None:
    context = DatasetUploadContext(
        log_in(sandbox), input_dataset_uuid_or_name="night 1", custom_tags=["m31"]
    )
    uploader = DatasetFileUploader(context, folder / "a.fits", display_progress=True)
    assert uploader.upload_file(is_raw=False, tags="flat,m31") == (*OK, None)
    (there,) = sandbox.files()
    assert there["is_raw"] is False
    assert there["tags"] == [sha256_tag(there["sha256"]), "m31", "flat"]


def test_an_uploader_class_of_ones_own_is_asked_for_each_file(
    sandbox: Sandbox, folder: Path
) -> None:
    asked = []

    class Noting(DatasetFileUploader):
        def __init__(self, context: UploadContext, path: str | os.PathLike[str]) -> None:
            super().__init__(context, path)
            asked.append(Path(path).name)

    context = DatasetUploadContext(log_in(sandbox), "night 1")
    walk_folder_and_upload_files(Noting, context, folder)
    assert asked == ["a.fits", "b.fits"]
    assert sorted(stored(sandbox)) == asked


def test_tags_that_the_answer_lacks_are_written_afterwards(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(method="POST", path="/datafiles/", alter={"tags": ["theirs"]}, times=1)
    assert send(context, folder, "a.fits") == OK
    (there,) = sandbox.files()
    assert there["tags"] == ["theirs", sha256_tag(there["sha256"])]


def test_a_failed_writing_of_tags_sends_nothing_again(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(method="POST", path="/datafiles/", alter={"tags": []})
    sandbox.rule(method="PATCH", status=403)
    assert walk_folder_and_upload(context, folder, workers=1).counts == {OK: 2}
    assert len(sandbox.uploads()) == 2
    assert len(sandbox.requests("PATCH")) == 1


def test_a_server_that_refuses_the_hash_tag_gets_the_files_without_it(
    sandbox: Sandbox, context: UploadContext, folder: Path
) -> None:
    sandbox.rule(
        method="POST", path="/datafiles/", status=400, body={"tags": ["Too long."]}, times=1
    )
    assert walk_folder_and_upload(context, folder, workers=1).counts == {OK: 2}
    assert [there["tags"] for there in sandbox.files()] == [[], []]
    assert len(sandbox.uploads()) == 3


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _write_and_set_back(path: Path) -> None:
    """Write into the file, as `rsync --inplace` does, and give it the time that it had."""
    before = path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.write(os.urandom(50))
    os.utime(path, ns=(before, before))


@pytest.mark.parametrize("change", [_grow, _write_and_set_back])
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_file_that_changes_while_it_is_sent_is_not_stored(
    sandbox: Sandbox,
    context: UploadContext,
    tmp_path: Path,
    size: int,
    change: Callable[[Path], None],
) -> None:
    folder = write_files(tmp_path / "data", {"a.fits": os.urandom(size)})
    path = folder / "a.fits"
    found = look_at(folder, path)
    assert isinstance(found, LocalFile)

    with context.connect() as transport:
        result = Carrier(context, transport, on_block=lambda _: change(path)).bring(found)
    assert (result.status, result.substatus) == (Status.ERROR, Substatus.ERROR)
    assert "changed" in str(result.error)
    assert stored(sandbox) == {}
    assert send(context, folder, "a.fits") == OK


def test_a_file_whose_content_stays_is_stored_whatever_else_changes(
    sandbox: Sandbox, context: UploadContext, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a.fits": os.urandom(3_000_000)})
    path = folder / "a.fits"
    found = look_at(folder, path)
    assert isinstance(found, LocalFile)
    with context.connect() as transport:
        carrier = Carrier(context, transport, on_block=lambda _: path.chmod(0o640))
        assert carrier.bring(found).status is Status.OK
    assert stored(sandbox) == {"a.fits": 3_000_000}


def test_an_upload_without_validation_validates_itself(sandbox: Sandbox, folder: Path) -> None:
    context = UploadContext(log_in(sandbox), dataset_uuid_or_name="night 1")
    assert send(context, folder, "a.fits") == OK
    context = UploadContext(log_in(sandbox), dataset_uuid_or_name=None)
    status, _, error = FileUploader(context, folder, folder / "a.fits").upload_file()
    assert status is Status.ERROR
    assert isinstance(error, ArcsecondError)
    with pytest.raises(InputError, match="no dataset"):
        walk_folder_and_upload(context, folder)


def test_a_folder_that_is_none_is_refused(context: UploadContext, folder: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        walk_folder_and_upload(context, folder / "a.fits")


@pytest.mark.parametrize(("workers", "at_once"), [(None, range(12, 33)), (3, [3]), (1, [1])])
def test_as_many_at_a_time_as_it_is_worth_or_as_was_said(
    sandbox: Sandbox, tmp_path: Path, workers: int | None, at_once: Sequence[int]
) -> None:
    """The server answers after 0.1 s: 32 at a time are worth it, of these few files at least 12."""
    count = 300 if workers is None else 12
    folder = write_files(tmp_path / "data", {f"{n:03}.fits": f"{n}" for n in range(count)})
    with Discarding(sandbox.url, answers_after_s=0.1) as server:
        context = UploadContext(log_in(sandbox, at=server.url), dataset_uuid_or_name="night 1")
        assert walk_folder_and_upload(context, folder, workers=workers).counts == {OK: count}
        assert len(server.sizes) == count
        assert server.most_at_once in at_once
