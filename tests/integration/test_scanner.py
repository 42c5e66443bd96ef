"""The walk over a real folder: what it finds, what it leaves out, what it survives."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from oort.detect.bounds import NOT_REGULAR, OF_ANOTHER_WATCH, OWN, Bounds, Folder, Glances
from oort.detect.scanner import Scan
from oort.policy.paths import EMPTY, OUTSIDE, Judgement, Rules, Verdict
from oort.values import FileVersion, RelPath


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    return root


def write(path: Path, content: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(scan: Scan) -> list[bytes]:
    return sorted(found.rel_path for batch in scan for found in batch)


def real(path: Path) -> bytes:
    return os.path.realpath(os.fsencode(path))


def test_it_finds_every_file_with_its_version(root: Path) -> None:
    one = write(root / "one.fits", b"12345")
    write(root / "night" / "deep" / "two.fits")
    scan = Scan(Bounds(root))

    found = {version.rel_path: version for batch in scan for version in batch}

    assert sorted(found) == [b"night/deep/two.fits", b"one.fits"]
    assert found[RelPath(b"one.fits")] == FileVersion.of(RelPath(b"one.fits"), one.stat())
    assert (scan.files, scan.folders, scan.unreadable, scan.start_error) == (2, 3, [], None)


def test_it_counts_what_it_leaves_out(root: Path) -> None:
    write(root / "a.fits")
    write(root / ".hidden.fits")
    write(root / ".cache" / "x.fits")
    write(root / "a.fits.part")
    write(root / "flat.fits")
    write(root / "empty.fits", b"")
    (root / "out.fits").symlink_to(write(root.parent / "elsewhere.fits"))
    scan = Scan(Bounds(root, Rules(exclude=["flat*"])))

    assert names(scan) == [b"a.fits"]
    assert scan.left_out == {
        Verdict.HIDDEN: 2,
        Verdict.EXCLUDED: 2,
        Verdict.EMPTY: 1,
        Verdict.OUTSIDE: 1,
    }


@pytest.mark.linux
def test_names_of_any_bytes_are_found(root: Path) -> None:
    wanted = [b"caf\xe9.fits", b"two\nlines", b"quote'\".fits", b"x" * 255, b"\xff\xfe/\x01"]
    for name in wanted:
        path = os.path.join(os.fsencode(root), name)  # noqa: PTH118  # a name of bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120  # bytes
        with open(path, "wb") as file:  # noqa: PTH123  # bytes
            file.write(b"data")

    assert names(Scan(Bounds(root))) == sorted(wanted)


def test_a_link_to_a_file_of_the_folder_counts_as_a_file_of_its_name(root: Path) -> None:
    target = write(root / "night" / "a.fits", b"12345")
    (root / "link.fits").symlink_to(target)
    (root / "broken.fits").symlink_to(root / "nowhere")
    scan = Scan(Bounds(root))

    found = {version.rel_path: version for batch in scan for version in batch}

    assert sorted(found) == [b"link.fits", b"night/a.fits"]
    assert found[RelPath(b"link.fits")].size == 5
    assert found[RelPath(b"link.fits")].inode == target.stat().st_ino


def test_a_link_to_a_folder_of_the_same_ground_gives_no_second_name(root: Path) -> None:
    write(root / "2026-11-22" / "a.fits")
    (root / "latest").symlink_to("2026-11-22")
    (root / "loop").symlink_to(root)

    assert names(Scan(Bounds(root))) == [b"2026-11-22/a.fits"]


@pytest.mark.parametrize("start", [b"loop", b"latest", b"loop/2026-11-22", b"loop/latest"])
def test_a_scan_that_starts_at_a_link_gives_no_second_name_either(root: Path, start: bytes) -> None:
    write(root / "2026-11-22" / "a.fits")
    (root / "latest").symlink_to("2026-11-22")
    (root / "loop").symlink_to(root)

    scan = Scan(Bounds(root), start=start)

    assert names(scan) == []
    assert scan.start_error is None


def test_a_link_to_a_folder_where_no_walk_would_come_is_walked(root: Path) -> None:
    """Otherwise its files, visible under a plain name, would be lost."""
    write(root / ".store" / "22" / "a.fits")
    (root / ".store" / "again").symlink_to(root / ".store")
    (root / "night").symlink_to(root / ".store")

    assert names(Scan(Bounds(root))) == [b"night/22/a.fits"]


def test_links_that_lead_outside_are_followed_only_when_asked(root: Path) -> None:
    outside = root.parent / "outside"
    write(outside / "a.fits")
    write(outside / "deep" / "b.fits")
    (outside / "back").symlink_to(outside)
    (root / "z").symlink_to(outside)
    (root / "y").symlink_to(outside)
    (root / "single.fits").symlink_to(outside / "a.fits")

    shut, open_ = Scan(Bounds(root)), Scan(Bounds(root, follow_symlinks=True))

    assert names(shut) == []
    assert shut.left_out == {Verdict.OUTSIDE: 3}
    assert names(open_) == [b"single.fits", b"y/a.fits", b"y/deep/b.fits"]
    assert (open_.folders, open_.linked_folders) == (1, 2)


def test_the_watched_folder_may_be_a_link_itself(root: Path) -> None:
    write(root / "a.fits")
    link = root.parent / "link"
    link.symlink_to(root)

    assert names(Scan(Bounds(link))) == [b"a.fits"]


def test_only_regular_files_are_found_and_nothing_is_opened(root: Path) -> None:
    os.mkfifo(root / "fifo.fits")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.fits"))
        (root / "link.fits").symlink_to(root / "fifo.fits")
        scan = Scan(Bounds(root))

        assert names(scan) == []
    assert scan.unreadable == []


def test_own_files_and_inner_watches_are_not_walked(root: Path) -> None:
    write(root / "a.fits")
    write(root / "home" / "oort.db")
    write(root / "home" / "oort.log")
    write(root / "home" / "config" / "config.ini")
    write(root / "inner" / "b.fits")
    (root / "link.fits").symlink_to(root / "home" / "config" / "config.ini")
    (root / "key.fits").symlink_to(root / "home" / "oort.db")
    (root / "b.fits").symlink_to(root / "inner" / "b.fits")
    bounds = Bounds(
        root,
        never=frozenset({real(root / "home" / "oort.db"), real(root / "home" / "config")}),
        inner=frozenset({real(root / "inner"), real(root)}),
    )
    scan = Scan(bounds)

    assert names(scan) == [b"a.fits", b"home/oort.log"]
    assert scan.left_out == {Verdict.EXCLUDED: 4}


def test_a_root_inside_our_own_folders_gives_nothing(root: Path) -> None:
    write(root / "a" / "key.ini")
    bounds = Bounds(root / "a", never=frozenset({real(root)}))

    assert names(Scan(bounds)) == []


def test_one_folder_of_the_tree_can_be_scanned_alone(root: Path) -> None:
    write(root / "night" / "deep" / "a.fits")
    write(root / "other" / "b.fits")

    assert names(Scan(Bounds(root), start=b"night")) == [b"night/deep/a.fits"]
    assert names(Scan(Bounds(root, Rules(exclude=["night/"])), start=b"night/deep")) == []
    gone = Scan(Bounds(root), start=b"vanished")
    assert names(gone) == []
    assert isinstance(gone.start_error, FileNotFoundError)


def test_it_pauses_also_where_nothing_is_found(root: Path) -> None:
    for n in range(25):
        write(root / f"{n}.tmp")
    batches = list(Scan(Bounds(root), slice_=10))

    assert [len(batch) for batch in batches] == [0, 0]


def test_files_may_vanish_while_it_walks(root: Path) -> None:
    for n in range(20):
        write(root / f"{n:02}" / "a.fits")
    scan = Scan(Bounds(root), slice_=1)
    walk = iter(scan)
    next(walk)
    for n in range(20):
        (root / f"{n:02}" / "a.fits").unlink()
        (root / f"{n:02}").rmdir()

    assert sum(len(batch) for batch in walk) == 0
    assert scan.unreadable == []


def test_a_root_that_is_not_there_is_told(root: Path) -> None:
    scan = Scan(Bounds(root / "missing"))

    assert names(scan) == []
    assert isinstance(scan.start_error, FileNotFoundError)


def test_a_tree_deeper_than_any_recursion_is_walked(root: Path) -> None:
    folders = [str(root)]
    for _ in range(1500):
        folders.append(folders[-1] + "/d")
        os.mkdir(folders[-1])  # noqa: PTH102  # a Path of such depth is slow
    file = write(Path(folders[-1]) / "a.fits")

    (found,) = names(Scan(Bounds(root)))

    assert found.count(b"/") == 1500
    file.unlink()
    for folder in reversed(folders):  # pytest would remove it by recursion
        os.rmdir(folder)  # noqa: PTH106  # as above


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_found(root: Path) -> None:
    write(root / "a.fits")
    write(root / "shut" / "b.fits")
    (root / "shut").chmod(0)
    try:
        scan = Scan(Bounds(root))
        assert names(scan) == [b"a.fits"]
        assert scan.unreadable == [(b"shut", "Permission denied")]
    finally:
        (root / "shut").chmod(stat.S_IRWXU)


@pytest.mark.linux
def test_what_lies_too_deep_for_a_path_is_told_and_the_rest_is_found(root: Path) -> None:
    write(root / "a.fits")
    folder = os.open(root, os.O_RDONLY)
    for _ in range(25):  # of 200 characters each: no path reaches the last ones
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    scan = Scan(Bounds(root))

    assert names(scan) == [b"a.fits"]
    assert [reason for _, reason in scan.unreadable] == ["File name too long"]


def test_a_look_at_one_path_says_what_the_walk_does_with_it(root: Path) -> None:
    version = write(root / "night" / "a.fits", b"12345").stat()
    write(root / "empty.fits", b"")
    write(root / ".hidden" / "a.fits")
    write(root / "own" / "oort.db")
    write(root / "inner" / "b.fits")
    (root / "out.fits").symlink_to(write(root.parent / "elsewhere.fits"))
    (root / "in.fits").symlink_to(root / "night" / "a.fits")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo.fits")
    bounds = Bounds(
        root,
        Rules(exclude=["*.log"]),
        never=frozenset({real(root / "own")}),
        inner=frozenset({real(root / "inner")}),
    )
    expected: dict[bytes, FileVersion | Folder | Judgement | None] = {
        b"night/a.fits": FileVersion.of(RelPath(b"night/a.fits"), version),
        b"in.fits": FileVersion.of(RelPath(b"in.fits"), version),
        b"night": Folder(b"night"),
        b"empty.fits": EMPTY,
        b".hidden": Judgement(Verdict.HIDDEN, "hidden: `.hidden` starts with a dot"),
        b".hidden/a.fits": Judgement(Verdict.HIDDEN, "hidden: `.hidden` starts with a dot"),
        b"own/oort.db": OWN,
        b"inner/b.fits": OF_ANOTHER_WATCH,
        b"out.fits": OUTSIDE,
        b"fifo.fits": NOT_REGULAR,
        b"nothing.fits": None,
        b"night/a.fits/below": None,
        b"loop": None,
    }

    assert {path: bounds.look_at(RelPath(path)) for path in expected} == expected
    glances = Glances()
    for _ in range(2):  # a folder is resolved once: the second look knows it
        assert {path: glances.look_at(bounds, RelPath(path)) for path in expected} == expected


def test_a_folder_that_is_a_link_now_is_seen_as_one_from_the_next_step_on(root: Path) -> None:
    inside = FileVersion.of(RelPath(b"night/a.fits"), write(root / "night" / "a.fits").stat())
    write(root.parent / "elsewhere" / "a.fits")
    bounds, glances = Bounds(root), Glances()
    assert glances.look_at(bounds, RelPath(b"night/a.fits")) == inside
    (root / "night").rename(root.parent / "night")
    (root / "night").symlink_to(root.parent / "elsewhere")

    glances.begin()

    assert glances.look_at(bounds, RelPath(b"night/a.fits")) == OUTSIDE


def test_the_folder_that_changed_last_is_walked_first(root: Path) -> None:
    for day in range(1, 6):
        write(root / f"night{day}" / "a.fits")
    for day in range(1, 6):
        os.utime(root / f"night{day}", ns=(0, 10**18 + (day % 3) * 10**9 + day))

    found = [one.rel_path for batch in Scan(Bounds(root), slice_=1) for one in batch]

    assert found == [b"night%d/a.fits" % day for day in (5, 2, 4, 1, 3)]
