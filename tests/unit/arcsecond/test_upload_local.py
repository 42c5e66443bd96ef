"""Which of a folder's entries are files to send, and in which order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from arcsecond.config import config_file
from arcsecond.upload.local import LeftOut, LocalFile, Reason, look_at, walk
from tests.support.client import raw_name, write_files

if TYPE_CHECKING:
    from pathlib import Path


def kept(root: Path) -> list[str]:
    return [str(found) for found in walk(root) if isinstance(found, LocalFile)]


def left_out(root: Path) -> dict[str, Reason]:
    return {str(found): found.reason for found in walk(root) if isinstance(found, LeftOut)}


def test_files_come_in_the_byte_order_of_their_paths(tmp_path: Path) -> None:
    names = ["b/z.fits", "a.fits", "a/2.fits", "a/1.fits", "b.fits", "a-b/c.fits", "Z.fits"]
    root = write_files(tmp_path / "data", dict.fromkeys(names, "x"))
    assert kept(root) == sorted(names)


def test_hidden_and_empty_files_are_left_out_with_their_reason(tmp_path: Path) -> None:
    root = write_files(
        tmp_path / "data",
        {"a.fits": "x", ".b.fits": "x", "sub/.c": "x", ".git/config": "x", "sub/empty": ""},
    )
    assert kept(root) == ["a.fits"]
    assert left_out(root) == {
        ".b.fits": Reason.HIDDEN,
        ".git": Reason.HIDDEN,
        "sub/.c": Reason.HIDDEN,
        "sub/empty": Reason.EMPTY,
    }


def test_hidden_means_below_the_folder_that_was_given(tmp_path: Path) -> None:
    root = write_files(tmp_path / ".cache" / "data", {"a.fits": "x"})
    assert kept(root) == ["a.fits"]


def test_a_link_inside_counts_as_its_own_name_and_one_that_leads_outside_is_left_out(
    tmp_path: Path,
) -> None:
    write_files(tmp_path / "elsewhere", {"secret": "x"})
    root = write_files(tmp_path / "data", {"a.fits": "xx", "sub/b.fits": "x"})
    (root / "link.fits").symlink_to("a.fits")
    (root / "out.fits").symlink_to(tmp_path / "elsewhere" / "secret")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "nowhere").symlink_to("missing")
    assert kept(root) == ["a.fits", "link.fits", "sub/b.fits"]
    assert left_out(root) == {
        "out.fits": Reason.OUTSIDE,
        "folder": Reason.OUTSIDE,
        "nowhere": Reason.SPECIAL,
    }


def test_a_root_that_is_a_link_is_walked(tmp_path: Path) -> None:
    root = write_files(tmp_path / "data", {"a.fits": "x"})
    (root / "b.fits").symlink_to("a.fits")
    (tmp_path / "link").symlink_to(root)
    assert kept(tmp_path / "link") == ["a.fits", "b.fits"]


def test_a_folder_with_a_sibling_of_a_longer_name_does_not_contain_it(tmp_path: Path) -> None:
    write_files(tmp_path / "data2", {"b.fits": "x"})
    root = write_files(tmp_path / "data", {"a.fits": "x"})
    (root / "b.fits").symlink_to(tmp_path / "data2" / "b.fits")
    assert left_out(root) == {"b.fits": Reason.OUTSIDE}


@pytest.mark.linux
def test_a_pipe_is_left_out_and_never_opened(tmp_path: Path) -> None:
    root = write_files(tmp_path / "data", {})
    os.mkfifo(root / "pipe")
    assert left_out(root) == {"pipe": Reason.SPECIAL}


@pytest.mark.linux
def test_a_name_that_is_no_utf8_is_shown_with_escapes(tmp_path: Path) -> None:
    root = write_files(tmp_path / "data", {raw_name(b"bad\xff.fits"): "x"})
    assert kept(root) == ["bad\\xff.fits"]
    (found,) = walk(root)
    assert isinstance(found, LocalFile)
    assert found.raw_name == b"bad\xff.fits"


def test_the_clients_own_keys_are_never_a_file_to_send() -> None:
    folder = config_file().parent
    write_files(folder, {"config.ini": "keys", "config.ini~": "old keys", "data.fits": "x"})
    (folder / "link.fits").symlink_to("config.ini")
    os.link(folder / "config.ini", folder / "hard.fits")
    assert kept(folder) == ["data.fits"]
    assert left_out(folder.parent) == {
        "arcsecond/config.ini": Reason.OWN,
        "arcsecond/config.ini~": Reason.OWN,
        "arcsecond/hard.fits": Reason.OWN,
        "arcsecond/link.fits": Reason.OWN,
    }


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    root = write_files(tmp_path / "data", {"closed/a.fits": "x", "open.fits": "x"})
    (root / "closed").chmod(0)
    try:
        assert kept(root) == ["open.fits"]
        assert left_out(root) == {"closed": Reason.UNREADABLE}
    finally:
        (root / "closed").chmod(0o700)


def test_one_path_is_judged_as_the_walk_judges_it(tmp_path: Path) -> None:
    root = write_files(
        tmp_path / "data", {"a.fits": "x", "sub/.hid/b.fits": "x", "empty": "", "sub/c.fits": "x"}
    )
    expected = {
        "a.fits": None,
        "sub/.hid/b.fits": Reason.HIDDEN,
        "empty": Reason.EMPTY,
        "sub": Reason.FOLDER,
        "missing": Reason.GONE,
        "sub/c.fits": None,
        ".": Reason.FOLDER,
    }
    for name, reason in expected.items():
        found = look_at(root, root / name)
        assert (found.reason if isinstance(found, LeftOut) else None) is reason, name


def test_a_path_outside_the_root_is_none(tmp_path: Path) -> None:
    root = write_files(tmp_path / "data", {"a.fits": "x"})
    assert look_at(root, tmp_path / "elsewhere" / "a.fits") is None
    assert look_at(root, root / ".." / "b.fits") is None
