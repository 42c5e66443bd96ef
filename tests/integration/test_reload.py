"""A changed file is taken when two looks see the same; half of one is never taken."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from oort.daemon.reload import Watched
from oort.errors import QueueError
from oort.locations import write_private_file

if TYPE_CHECKING:
    from pathlib import Path


class Reader:
    """A watched file and what was taken of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.taken: list[bytes | None] = []
        self.watched = Watched(file, self.taken.append)
        self.watched.prime(file.read_bytes() if file.exists() else None)

    def look(self, times: int = 1) -> list[bytes | None]:
        for _ in range(times):
            self.watched.look()
        return self.taken


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "config.toml"
    made.write_bytes(b"workers = 1\n")
    return made


@pytest.fixture
def reader(file: Path) -> Reader:
    return Reader(file)


def test_a_file_that_stays_as_it_is_is_not_taken_again(reader: Reader) -> None:
    assert reader.look(5) == []


def test_a_changed_file_is_taken_at_the_second_look(reader: Reader) -> None:
    reader.file.write_bytes(b"workers = 2\n")

    assert reader.look() == []
    assert reader.look() == [b"workers = 2\n"]
    assert reader.look(5) == [b"workers = 2\n"]


def test_a_file_that_an_editor_writes_in_steps_is_taken_once_and_whole(reader: Reader) -> None:
    for part in (b"", b"wor", b"workers", b"workers = ", b"workers = 2\n"):
        reader.file.write_bytes(part)
        reader.look()

    assert reader.look() == [b"workers = 2\n"]


def test_a_file_that_is_replaced_in_one_step_is_taken(reader: Reader) -> None:
    write_private_file(reader.file, b"workers = 2\n")

    assert reader.look(2) == [b"workers = 2\n"]


def test_a_file_that_vanishes_for_a_moment_was_never_gone(reader: Reader) -> None:
    """Editors that remove a file and write it anew do this."""
    reader.file.unlink()
    reader.look()
    reader.file.write_bytes(b"workers = 2\n")

    assert reader.look(2) == [b"workers = 2\n"]


def test_a_file_that_is_gone_is_told_as_none(reader: Reader) -> None:
    reader.file.unlink()

    assert reader.look(3) == [None]


def test_a_file_that_cannot_be_read_for_a_while_is_taken_when_it_can(reader: Reader) -> None:
    kept = reader.file.read_bytes()
    reader.file.unlink()
    reader.file.mkdir()

    assert reader.look(4) == [None]
    stamp = reader.file.stat()
    reader.file.rmdir()
    reader.file.write_bytes(kept)
    os.utime(reader.file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert reader.look(2) == [None, kept]


def test_a_file_that_comes_later_is_taken(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "later.toml")
    assert reader.look(3) == []

    reader.file.write_bytes(b"workers = 2\n")

    assert reader.look(2) == [b"workers = 2\n"]


def test_a_file_that_was_only_touched_says_nothing_new(reader: Reader) -> None:
    reader.file.write_bytes(reader.file.read_bytes())

    assert reader.look(4) == []


def test_a_change_that_is_taken_back_between_two_looks_is_none(reader: Reader) -> None:
    before = reader.file.read_bytes()
    reader.file.write_bytes(b"workers = 2\n")
    reader.look()
    reader.file.write_bytes(before)

    assert reader.look(4) == []


def test_a_file_that_is_changed_while_it_is_taken_is_taken_again(file: Path) -> None:
    taken: list[bytes | None] = []

    def take(content: bytes | None) -> None:
        taken.append(content)
        if len(taken) == 1:
            file.write_bytes(b"workers = 3\n")

    watched = Watched(file, take)
    watched.prime(file.read_bytes())
    file.write_bytes(b"workers = 2\n")
    for _ in range(5):
        watched.look()

    assert taken == [b"workers = 2\n", b"workers = 3\n"]


def test_a_change_of_our_own_is_taken_at_once_and_only_once(reader: Reader) -> None:
    write_private_file(reader.file, b"workers = 2\n")

    reader.watched.take_now()

    assert reader.look(4) == [b"workers = 2\n"]


def test_what_could_not_be_done_is_tried_again(file: Path) -> None:
    tries: list[bytes | None] = []

    def fail_once(content: bytes | None) -> None:
        tries.append(content)
        if len(tries) == 1:
            raise QueueError("the disk is full")

    watched = Watched(file, fail_once)
    watched.prime(file.read_bytes())
    file.write_bytes(b"workers = 2\n")
    watched.look()
    with pytest.raises(QueueError):
        watched.look()
    for _ in range(5):
        watched.look()

    assert tries == [b"workers = 2\n"] * 2


def test_what_broke_off_half_way_is_undone_when_the_file_is_as_it_was(file: Path) -> None:
    tries: list[bytes | None] = []

    def fail_once(content: bytes | None) -> None:
        tries.append(content)
        if len(tries) == 1:
            raise QueueError("the disk is full")

    watched = Watched(file, fail_once)
    before = file.read_bytes()
    watched.prime(before)
    file.write_bytes(b"workers = 2\n")
    watched.look()
    with pytest.raises(QueueError):
        watched.look()
    file.write_bytes(before)
    for _ in range(5):
        watched.look()

    assert tries == [b"workers = 2\n", before]
