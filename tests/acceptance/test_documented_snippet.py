"""The Python code of Arcsecond's documentation, as it stands there, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.client import log_in, stored, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

DOCUMENTED = """\
from pathlib import Path
from arcsecond import ArcsecondConfig, UploadContext, FileUploader, walk_folder_and_upload

config = ArcsecondConfig() # it will read your config file.
context = UploadContext(config, 
                        dataset_uuid_or_name="<dataset uuid or name>", 
                        telescope_uuid="<telescope uuid or None>", 
                        org_subdomain="<portal subdomain or None>")
context.validate() # important step to perform before uploading.

# For uploading, there are two possibilities:

# 1. provide a folder, and let Arcsecond walk accross its content:
walk_folder_and_upload(context, "/folder/path/")

# 2. do it manually (no check for hidden files, and no estimation of sizes etc). 
root_path = Path('/folder/path')
for file_path in root_path.glob('**/*'):
    uploader = FileUploader(context, root_path, file_path, display_progress=True)
    status, substatus, error = uploader.upload_file()
"""  # noqa: W291  # word for word

SHOWN = "    print(file_path.name, status, substatus, error, sep=' | ')\n"

LATER = """\
from arcsecond import ArcsecondConfig, DatasetFileUploader, DatasetUploadContext, walk_folder_and_upload_files

context = DatasetUploadContext(ArcsecondConfig(), input_dataset_uuid_or_name="night 1",
                               input_telescope_uuid=None, org_subdomain=None,
                               is_raw_data=True, custom_tags="a,b")
context.validate()
walk_folder_and_upload_files(DatasetFileUploader, context, "/folder/path/")
print(DatasetFileUploader(context, "/folder/path/a.fits", display_progress=True).upload_file(is_raw=True, tags=["c"]))
"""


def snippet(code: str, folder: Path, **named: str | None) -> str:
    """Return documented code with its placeholders filled in; None loses its quotes."""
    code = code.replace("/folder/path", str(folder))
    for placeholder, value in named.items():
        text = f'"<{placeholder.replace("_", " ")}>"'
        assert text in code
        code = code.replace(text, repr(value))
    return code


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def filled(folder: Path, *, portal: str | None = None, telescope: str | None = None) -> str:
    return snippet(
        DOCUMENTED + SHOWN,
        folder,
        dataset_uuid_or_name="night 1",
        telescope_uuid_or_None=telescope,
        portal_subdomain_or_None=portal,
    )


def test_the_documented_code_works_as_it_stands(sandbox: Sandbox, tmp_path: Path) -> None:
    log_in(sandbox)
    folder = write_files(tmp_path / "data", {"a.fits": "aaa", "sub/b.fits": "bb", ".hid": "x"})
    done = run(filled(folder))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == [
        ".hid | Skipped | skipped (hidden file) | None",
        "a.fits | Skipped | already synced | None",
        "b.fits | Skipped | already synced | None",
        "sub | Skipped | ignored | None",
    ]
    assert stored(sandbox, "night 1") == {"a.fits": 3, "b.fits": 2}
    assert len(sandbox.uploads()) == 2


def test_the_documented_code_works_in_a_portal_with_a_telescope(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    log_in(sandbox)
    folder = write_files(tmp_path / "data", {"a.fits": "aaa"})
    telescope = sandbox.telescopes(sandbox.portal)[0]["uuid"]
    done = run(filled(folder, portal=sandbox.portal, telescope=telescope))
    assert done.returncode == 0, done.stderr
    (there,) = sandbox.files()
    assert there["portal"] == sandbox.portal
    shown = sandbox.get(f"/{sandbox.portal}/datasets/{there['dataset_uuid']}/").json()
    assert shown["telescope"] == telescope


def test_the_loop_alone_uploads_and_tells_of_trouble_without_raising(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    log_in(sandbox)
    folder = write_files(tmp_path / "data", {"a.fits": "aaa", "b.fits": "bb"})
    code = "\n".join(
        line for line in filled(folder).splitlines() if not line.startswith("walk_folder")
    )
    sandbox.rule(
        method="POST", path="/datafiles/", file="b.fits", status=400, body={"file": ["No"]}
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    shown = sorted(done.stdout.splitlines())
    assert shown[0] == "a.fits | OK | done | None"
    assert shown[1].startswith("b.fits | Error | error | ")
    assert stored(sandbox) == {"a.fits": 3}


def test_the_later_names_work(sandbox: Sandbox, tmp_path: Path) -> None:
    log_in(sandbox)
    folder = write_files(tmp_path / "data", {"a.fits": "aaa", "sub/b.fits": "bb"})
    done = run(snippet(LATER, folder))
    assert done.returncode == 0, done.stderr
    assert "already synced" in done.stdout
    assert stored(sandbox, "night 1") == {"a.fits": 3, "b.fits": 2}
    assert all(there["tags"][1:] == ["a", "b"] for there in sandbox.files())


def test_what_is_wrong_is_an_arcsecond_error(sandbox: Sandbox, tmp_path: Path) -> None:
    log_in(sandbox)
    code = filled(tmp_path, portal="nowhere")
    guarded = "from arcsecond import ArcsecondError\ntry:\n" + "".join(
        f"    {line}\n" for line in code.splitlines()
    )
    done = run(guarded + "except ArcsecondError as error:\n    print(error.status, error)\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "404 there is no portal 'nowhere'\n"
