"""The ground under a watched folder: same, replaced, missing; local or shared."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from oort.detect import mounts
from oort.detect.mounts import (
    RootIdentity,
    RootState,
    ask_disk,
    is_network,
    look_at_root,
    real_of,
)


def identity(path: Path) -> RootIdentity:
    return RootIdentity(path.stat().st_dev, path.stat().st_ino)


OTHER = RootIdentity(1, 1)


def test_a_folder_is_present_at_first_sight_and_as_long_as_it_is_the_same(tmp_path: Path) -> None:
    first = look_at_root(tmp_path / "home")

    assert first.state is RootState.PRESENT
    assert first.identity == identity(tmp_path / "home")
    assert look_at_root(tmp_path / "home", first.identity).is_healthy


def test_a_folder_that_was_emptied_is_still_the_same(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.fits").write_bytes(b"x")
    before = look_at_root(root).identity
    (root / "a.fits").unlink()

    assert look_at_root(root, before).state is RootState.PRESENT


def test_an_empty_folder_of_another_identity_is_a_disk_that_is_not_mounted(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / ".keep").write_bytes(b"x")
    (root / "lost+found").mkdir()

    look = look_at_root(root, OTHER)

    assert look.state is RootState.MISSING
    assert look.reason.endswith("is empty and not the folder that it was: is its disk mounted?")


def test_a_folder_of_another_identity_that_holds_files_is_taken_over(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.fits").write_bytes(b"x")

    look = look_at_root(root, OTHER)

    assert (look.state, look.identity) == (RootState.REPLACED, identity(root))
    assert not look.is_healthy


def test_what_is_not_there_or_no_folder_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")

    assert look_at_root(tmp_path / "gone").reason == f"{tmp_path / 'gone'} is not there"
    assert look_at_root(tmp_path / "file").reason == f"{tmp_path / 'file'} is no folder"


@pytest.mark.linux
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ext4", False),
        ("fuseblk", False),
        ("nfs4", True),
        ("cifs", True),
        ("smb3", True),
        ("fuse.sshfs", True),
        ("fuse", True),
        ("9p", True),
    ],
)
def test_network_file_systems_are_known_by_their_type(
    kind: str, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "mountinfo"
    place = str(tmp_path / "a b").encode().replace(b" ", b"\\040")
    table.write_bytes(
        b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        b"40 22 0:50 / " + place + b" rw shared:1 - xfs first rw\n"
        b"41 40 0:51 / " + place + b" rw shared:2 master:3 - " + kind.encode() + b" host:/x rw\n"
        b"nonsense\n"
    )
    monkeypatch.setattr(mounts, "_MOUNTINFO", table)

    assert is_network(tmp_path / "a b" / "deep") is expected
    assert is_network(tmp_path / "a") is False


@pytest.mark.linux
def test_the_type_of_a_real_file_system_is_found() -> None:
    assert mounts.file_system_type(Path("/proc")) == "proc"


def test_a_disk_that_does_not_answer_holds_nobody(tmp_path: Path) -> None:
    answers = threading.Event()
    try:
        assert ask_disk(answers.wait, patience_s=0.01) is None
        assert ask_disk(tmp_path.is_dir, patience_s=20) is True
    finally:
        answers.set()


def test_the_real_path_is_the_one_without_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert real_of(tmp_path / "link" / "a") == os.fsencode(tmp_path.resolve() / "real" / "a")


def test_a_question_that_fails_is_no_answer() -> None:
    def fail() -> bool:
        raise OSError

    assert ask_disk(fail, patience_s=20) is None
