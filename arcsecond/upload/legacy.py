"""The names that later releases of the client used, for scripts that were written for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from arcsecond.upload.context import UploadContext
from arcsecond.upload.local import LocalFile, walk
from arcsecond.upload.uploader import FileUploader
from arcsecond.upload.walker import walk_folder_and_upload

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from arcsecond.config import ArcsecondConfig


class DatasetUploadContext(UploadContext):
    """An `UploadContext` by its later name and keywords."""

    def __init__(
        self,
        config: ArcsecondConfig,
        input_dataset_uuid_or_name: str | None = None,
        input_telescope_uuid: str | None = None,
        org_subdomain: str | None = None,
        *,
        is_raw_data: bool = True,
        custom_tags: str | Iterable[str] | None = None,
    ) -> None:
        super().__init__(
            config,
            dataset_uuid_or_name=input_dataset_uuid_or_name,
            telescope_uuid=input_telescope_uuid,
            org_subdomain=org_subdomain,
            is_raw=is_raw_data,
            tags=custom_tags,
        )


class DatasetFileUploader(FileUploader):
    """A `FileUploader` that is not told of a folder: a file is hidden by its own name alone."""

    def __init__(
        self,
        context: UploadContext,
        file_path: str | os.PathLike[str],
        display_progress: bool = False,
    ) -> None:
        path = Path(file_path)
        super().__init__(context, path.parent, path, display_progress)


def walk_folder_and_upload_files(
    uploader_class: type[DatasetFileUploader],
    context: UploadContext,
    folder: str | os.PathLike[str],
) -> None:
    """Bring every file below `folder`; a class of your own is made for each file, in path order.

    Raises ArcsecondError as `walk_folder_and_upload` does.
    """
    if uploader_class is DatasetFileUploader:
        walk_folder_and_upload(context, folder)
        return
    if not context.is_validated:
        context.validate()
    for found in walk(Path(folder)):
        if isinstance(found, LocalFile):
            uploader_class(context, found.path).upload_file()
