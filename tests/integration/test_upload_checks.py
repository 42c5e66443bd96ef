"""`UploadContext.validate`: it names what is wrong, and creates nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from arcsecond.config import ArcsecondConfig, KeyType, drop_keys
from arcsecond.errors import ArcsecondError, InputError, NotLoggedInError, NotReachedError
from arcsecond.upload.context import UploadContext
from arcsecond.upload.uploader import FileUploader
from arcsecond.upload.walker import walk_folder_and_upload
from tests.support.client import API, log_in, paths_of, stored, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> ArcsecondConfig:
    return log_in(sandbox)


def refusal(config: ArcsecondConfig, dataset: str | None = "night 1", **where: str) -> str:
    """Return the words with which a context is refused; nothing may have been created."""
    context = UploadContext(config, dataset_uuid_or_name=dataset, **where)  # type: ignore[arg-type]
    with pytest.raises(ArcsecondError) as caught:
        context.validate()
    assert not context.is_validated
    return f"{caught.value} {caught.value.hint}"


def test_without_a_key_the_login_is_named(config: ArcsecondConfig) -> None:
    drop_keys(API)
    with pytest.raises(NotLoggedInError, match="no key is stored for rehearsal"):
        UploadContext(ArcsecondConfig(), dataset_uuid_or_name="night 1").validate()
    assert "arcsecond login" in refusal(ArcsecondConfig())
    del config


def test_a_key_that_is_not_accepted_names_the_account_and_the_login(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    key = sandbox.upload_key
    sandbox.renew_key("upload")
    words = refusal(config)
    assert sandbox.username in words
    assert "arcsecond login" in words
    assert key not in words


def test_a_server_that_does_not_answer_is_told_at_once(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    sandbox.stop()
    with pytest.raises(NotReachedError, match="could not be reached"):
        UploadContext(config, dataset_uuid_or_name="night 1").validate()


@pytest.mark.parametrize("status", [200, 404, 500])
def test_html_is_no_answer(sandbox: Sandbox, config: ArcsecondConfig, status: int) -> None:
    page = "<html><body>Please log in to the hotel's network</body></html>"
    sandbox.rule(method="POST", path="/auth/", status=status, body=page, content_type="text/html")
    words = refusal(config)
    assert "html" not in words.lower()
    assert "hotel" not in words


def test_a_portal_that_does_not_exist_is_named(config: ArcsecondConfig) -> None:
    assert "no portal 'nowhere'" in refusal(config, org_subdomain="nowhere")


@pytest.mark.parametrize(("role", "known"), [(None, "is not a member"), ("guest", "is only guest")])
def test_a_portal_wants_a_member_or_higher(
    sandbox: Sandbox, config: ArcsecondConfig, role: str | None, known: str
) -> None:
    sandbox.add_portal("closed", role)
    words = refusal(config, org_subdomain="closed")
    assert f"{sandbox.username} {known} of portal 'closed'" in words
    assert "member or higher" in words


@pytest.mark.parametrize("role", ["member", "admin", "superadmin"])
def test_a_member_of_a_portal_uploads_there(
    sandbox: Sandbox, config: ArcsecondConfig, tmp_path: Path, role: str
) -> None:
    sandbox.add_portal("dome", role)
    folder = write_files(tmp_path / "data", {"a.fits": "x"})
    context = UploadContext(config, dataset_uuid_or_name="night 1", org_subdomain="dome")
    context.validate()
    assert walk_folder_and_upload(context, folder).is_complete
    (there,) = sandbox.files()
    assert there["portal"] == "dome"


def test_personal_and_portal_datasets_do_not_see_each_other(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    uuid = sandbox.create_dataset("night 1", portal=sandbox.portal)
    assert "there is no dataset" in refusal(config, uuid)
    personal = UploadContext(config, dataset_uuid_or_name="night 1")
    personal.validate()
    assert personal.dataset.uuid is None
    portal = UploadContext(config, dataset_uuid_or_name=uuid.upper(), org_subdomain=sandbox.portal)
    portal.validate()
    assert portal.dataset.uuid == uuid


def test_a_uuid_must_exist_in_any_case(sandbox: Sandbox, config: ArcsecondConfig) -> None:
    uuid = sandbox.create_dataset("night 1")
    context = UploadContext(config, dataset_uuid_or_name=uuid.upper())
    context.validate()
    assert (context.dataset.uuid, context.dataset.name) == (uuid, "night 1")
    missing = str(uuid4())
    assert f"there is no dataset {missing}" in refusal(config, missing)


def test_several_datasets_of_a_name_are_refused_with_their_uuids(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    uuids = [sandbox.create_dataset("night 1") for _ in range(2)]
    words = refusal(config)
    assert all(uuid in words for uuid in uuids)


def test_a_loose_filter_of_the_server_finds_no_other_dataset(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    sandbox.create_dataset("night 10")
    sandbox.rule(method="GET", path="^/datasets/", ignore_filters=True)
    context = UploadContext(config, dataset_uuid_or_name="night 1")
    context.validate()
    assert context.dataset.uuid is None


def test_names_are_compared_trimmed_and_composed(sandbox: Sandbox, config: ArcsecondConfig) -> None:
    uuid = sandbox.create_dataset("étoile")
    context = UploadContext(config, dataset_uuid_or_name=" e\u0301toile ")
    context.validate()
    assert context.dataset.uuid == uuid


@pytest.mark.parametrize("name", ["", "   ", None])
def test_a_dataset_needs_a_name(config: ArcsecondConfig, name: str | None) -> None:
    assert "dataset" in refusal(config, name)


def test_a_name_that_the_server_would_not_take_is_refused(config: ArcsecondConfig) -> None:
    assert "100" in refusal(config, "x" * 101)


def test_a_telescope_is_found_by_uuid_and_by_alias(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    telescope = sandbox.telescopes()[0]
    for word in (telescope["uuid"], telescope["uuid"].upper(), telescope["alias"]):
        context = UploadContext(config, dataset_uuid_or_name="night 1", telescope_uuid=word)
        context.validate()
        assert context.telescope is not None
        assert context.telescope.uuid == telescope["uuid"]
    words = refusal(config, telescope_uuid="no.such.telescope")
    assert "no telescope 'no.such.telescope'" in words
    assert "arcsecond telescopes" in words


def test_a_telescope_is_attached_when_the_first_file_goes_out(
    sandbox: Sandbox, config: ArcsecondConfig, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a.fits": "x"})
    telescope = sandbox.telescopes()[0]["uuid"]
    existing = sandbox.create_dataset("old")
    for dataset in ("old", "new"):
        context = UploadContext(config, dataset_uuid_or_name=dataset, telescope_uuid=telescope)
        context.validate()
        assert sandbox.get(f"/datasets/{existing}/").json()["telescope"] in (None, telescope)
        assert walk_folder_and_upload(context, folder).is_complete
        shown = sandbox.get(f"/datasets/{context.dataset.uuid}/").json()
        assert shown["telescope"] == telescope
    assert len(sandbox.requests("PATCH")) == 1


def test_a_dataset_of_another_telescope_is_refused(
    sandbox: Sandbox, config: ArcsecondConfig
) -> None:
    one, other = (telescope["uuid"] for telescope in sandbox.telescopes())
    sandbox.create_dataset("night 1", telescope=one)
    words = refusal(config, telescope_uuid=other)
    assert "another telescope" in words
    assert one in words
    same = UploadContext(config, dataset_uuid_or_name="night 1", telescope_uuid=one)
    same.validate()


def test_the_key_for_uploads_is_preferred(sandbox: Sandbox, config: ArcsecondConfig) -> None:
    log_in(sandbox, key_type=KeyType.ACCESS)
    sandbox.renew_key("upload")
    UploadContext(ArcsecondConfig(), dataset_uuid_or_name="night 1").validate()
    with pytest.raises(ArcsecondError):
        UploadContext(config, dataset_uuid_or_name="night 1").validate()


def test_many_threads_create_one_dataset(
    sandbox: Sandbox, config: ArcsecondConfig, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {f"{n}.fits": str(n) for n in range(8)})
    context = UploadContext(config, dataset_uuid_or_name="night 1")
    context.validate()
    threads = [
        threading.Thread(target=FileUploader(context, folder, path).upload_file)
        for path in folder.iterdir()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(sandbox, "night 1")) == 8
    assert paths_of(sandbox, "POST").count("/datasets/") == 1


def test_a_dataset_whose_creation_was_not_answered_is_not_created_twice(
    sandbox: Sandbox, config: ArcsecondConfig, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a.fits": "x"})
    sandbox.rule(method="POST", path="^/datasets/$", drop=True, when="after", times=1)
    context = UploadContext(config, dataset_uuid_or_name="night 1")
    context.validate()
    assert walk_folder_and_upload(context, folder).is_complete
    assert len(sandbox.get("/datasets/").json()) == 1


def test_a_dataset_that_somebody_created_meanwhile_is_used(
    sandbox: Sandbox, config: ArcsecondConfig, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "data", {"a.fits": "x"})
    context = UploadContext(config, dataset_uuid_or_name="night 1")
    context.validate()
    uuid = sandbox.create_dataset("night 1")
    assert walk_folder_and_upload(context, folder).is_complete
    assert context.dataset.uuid == uuid


def test_the_context_tells_that_it_was_not_validated(config: ArcsecondConfig) -> None:
    with pytest.raises(InputError, match="validate"):
        _ = UploadContext(config, dataset_uuid_or_name="night 1").dataset
