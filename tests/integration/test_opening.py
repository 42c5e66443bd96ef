"""A file is opened beneath its watched folder, by no link, and without ever blocking."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from oort.detect.opening import NotRegularError, OutsideRootError, open_beneath
from oort.detect.writers import has_writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "night").mkdir(parents=True)
    (root / "night" / "a.fits").write_bytes(b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_bytes(b"outside")
    return root


def content(root: Path, rel_path: bytes, *, follow_symlinks: bool = False) -> bytes:
    fd = open_beneath(root, rel_path, follow_symlinks=follow_symlinks)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def test_a_file_below_is_opened(root: Path) -> None:
    assert content(root, b"night/a.fits") == b"inside"


def test_the_root_may_be_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)

    assert content(link, b"night/a.fits") == b"inside"


@pytest.mark.parametrize(
    "path",
    [b"../outside/key", b"/etc/passwd", b"", b"night/../night/a.fits", b"night//a.fits", b"."],
)
def test_what_is_no_path_below_is_refused(root: Path, path: bytes) -> None:
    with pytest.raises(OutsideRootError):
        open_beneath(root, path)


def test_links_inside_work_and_links_outside_do_not(root: Path) -> None:
    (root / "file").symlink_to(root / "night" / "a.fits")
    (root / "folder").symlink_to("night")
    (root / "chain").symlink_to("folder")
    (root / "out").symlink_to(root.parent / "outside" / "key")
    (root / "outfolder").symlink_to(root.parent / "outside")

    assert content(root, b"file") == b"inside"
    assert content(root, b"folder/a.fits") == b"inside"
    assert content(root, b"chain/a.fits") == b"inside"
    for path in (b"out", b"outfolder/key"):
        with pytest.raises(OutsideRootError):
            open_beneath(root, path)
        assert content(root, path, follow_symlinks=True) == b"outside"


def test_what_is_not_there_is_not_found(root: Path) -> None:
    (root / "broken").symlink_to("nowhere")

    for path in (b"missing", b"missing/a", b"night/a.fits/below", b"broken"):
        with pytest.raises(FileNotFoundError):
            open_beneath(root, path)
    with pytest.raises(FileNotFoundError):
        open_beneath(root / "gone", b"a")


def test_a_link_that_leads_to_itself_ends(root: Path) -> None:
    (root / "loop").symlink_to("loop")

    with pytest.raises(OSError, match="symbolic links") as caught:
        open_beneath(root, b"loop")
    assert caught.value.errno == errno.ELOOP


def test_what_is_no_regular_file_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("fifo")
    (root / "self").symlink_to(".")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        for path in (b"fifo", b"link", b"socket", b"night", b"self"):
            with pytest.raises(NotRegularError):
                open_beneath(root, path)


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208  # no Path can list this on every system

    for path in (b"missing/a", b"night/missing", b"link/key", b"night", b"night/a.fits/x"):
        with pytest.raises((FileNotFoundError, OutsideRootError, NotRegularError)):
            open_beneath(root, path)

    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208  # as above


@pytest.fixture
def lease(root: Path) -> Iterator[tuple[Path, int]]:
    path = root / "night" / "a.fits"
    fd = open_beneath(root, b"night/a.fits")
    yield path, fd
    os.close(fd)


@pytest.mark.linux
def test_a_writer_is_noticed_while_it_has_the_file_open(lease: tuple[Path, int]) -> None:
    path, fd = lease

    assert has_writer(fd) is False
    with path.open("ab"):
        assert has_writer(fd) is True
    assert has_writer(fd) is False


@pytest.mark.linux
def test_a_writable_mapping_is_a_writer_though_its_descriptor_is_closed(
    lease: tuple[Path, int],
) -> None:
    path, fd = lease
    with path.open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)

    assert has_writer(fd) is True
    mapping.close()
    assert has_writer(fd) is False


@pytest.mark.linux
def test_readers_are_no_writers_and_no_signal_is_left(lease: tuple[Path, int]) -> None:
    path, fd = lease
    seen: list[int] = []
    before = [
        (number, signal.signal(number, lambda *a: seen.append(a[0])))
        for number in (signal.SIGIO, signal.SIGURG)
    ]
    try:
        with path.open("rb"):
            assert has_writer(fd) is False
        with path.open("r+b"):
            pass  # the lease was given back: nobody is held up, nobody is told
    finally:
        for number, handler in before:
            signal.signal(number, handler)

    assert seen == []


@pytest.mark.linux
def test_where_the_kernel_cannot_tell_the_answer_is_none() -> None:
    reader, writer = os.pipe()
    try:
        assert has_writer(reader) is None
    finally:
        os.close(reader)
        os.close(writer)
