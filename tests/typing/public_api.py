"""The public Python module as scripts use it: type-checked by mypy, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from arcsecond import (
    ArcsecondAPI,
    ArcsecondConfig,
    ArcsecondError,
    DatasetFileUploader,
    DatasetUploadContext,
    FileUploader,
    Status,
    Substatus,
    UploadContext,
    walk_folder_and_upload,
    walk_folder_and_upload_files,
)

if TYPE_CHECKING:
    from pathlib import Path

Outcome = tuple[Status, Substatus, ArcsecondError | None]


def documented(folder: Path) -> None:
    config = ArcsecondConfig()
    assert_type(config.api_name, str)
    assert_type(config.api_server, str)
    assert_type(config.username, str | None)
    context = UploadContext(
        config, dataset_uuid_or_name="night", telescope_uuid=None, org_subdomain=None
    )
    context.validate()
    walk_folder_and_upload(context, "/folder/path/")
    report = walk_folder_and_upload(context, folder, workers=2)
    assert_type(report.is_complete, bool)
    for file_path in folder.glob("**/*"):
        uploader = FileUploader(context, folder, file_path, display_progress=True)
        assert_type(uploader.upload_file(), Outcome)
        status, _substatus, error = uploader.upload_file()
        if status is Status.ERROR and error is not None:
            assert_type(error.status, int | None)
            assert_type(error.hint, str | None)


def later(folder: Path) -> None:
    context = DatasetUploadContext(
        ArcsecondConfig(api_name="cloud"),
        input_dataset_uuid_or_name="night",
        input_telescope_uuid="newton",
        org_subdomain="dome",
        is_raw_data=False,
        custom_tags="a,b",
    )
    DatasetUploadContext(ArcsecondConfig(), "night", custom_tags=["a", "b"])
    uploader = DatasetFileUploader(context, folder / "a.fits", display_progress=True)
    assert_type(uploader.upload_file(is_raw=True, tags="c"), Outcome)
    walk_folder_and_upload_files(DatasetFileUploader, context, str(folder))


def resources() -> None:
    api = ArcsecondAPI(ArcsecondConfig(), "dome")
    assert_type(
        api.datasets.list(name="night"), tuple[list[dict[str, Any]] | None, ArcsecondError | None]
    )
    found = tuple[dict[str, Any] | None, ArcsecondError | None]
    assert_type(api.telescopes.read("newton"), found)
    assert_type(api.datasets.create(json={"name": "night"}), found)
    assert_type(api.datasets.update("uuid", json={"name": "night"}), found)
    assert_type(api.datasets.delete("uuid"), tuple[None, ArcsecondError | None])
