"""Events of a real folder, through the installed watchdog."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oort.detect.hints import HintKind, HintQueue
from oort.detect.watcher import Watcher
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.linux


class Seen:
    """All hints so far, by path below the root."""

    def __init__(self, root: Path) -> None:
        self.root = os.fsencode(root) + b"/"
        self.hints = HintQueue(lambda: None)
        self.kinds: dict[bytes, HintKind] = {}
        self.moved: dict[bytes, bytes] = {}

    def look(self) -> dict[bytes, HintKind]:
        for hint in self.hints.take(10_000):
            name = hint.path.removeprefix(self.root)
            self.kinds[name] = self.kinds.get(name, HintKind(0)) | hint.kind
            if hint.moved_from is not None:
                self.moved[name] = hint.moved_from.removeprefix(self.root)
        return self.kinds

    def wait_for(self, name: bytes, kind: HintKind) -> None:
        wait_until(
            lambda: kind in self.look().get(name, HintKind(0)),
            what=lambda: f"no {kind} of {name!r} in {self.kinds}",
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "old").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    return root


@pytest.fixture
def seen(root: Path) -> Seen:
    return Seen(root)


@pytest.fixture
def watcher(root: Path, seen: Seen) -> Iterator[Watcher]:
    watcher = Watcher(root, seen.hints, name="test")
    watcher.start()
    yield watcher
    watcher.stop()


@pytest.mark.usefixtures("watcher")
def test_a_file_that_is_written_is_created_and_closed(root: Path, seen: Seen) -> None:
    (root / "old" / "a.fits").write_bytes(b"x")

    seen.wait_for(b"old/a.fits", HintKind.CREATED | HintKind.CLOSED)


@pytest.mark.usefixtures("watcher")
def test_a_file_renamed_into_place_counts_as_closed_and_tells_its_old_name(
    root: Path, seen: Seen
) -> None:
    (root / "a.tmp").write_bytes(b"x")
    (root / "a.tmp").rename(root / "a.fits")

    seen.wait_for(b"a.fits", HintKind.CLOSED)
    assert seen.moved == {b"a.fits": b"a.tmp"}


@pytest.mark.usefixtures("watcher")
def test_a_file_moved_in_is_created_and_never_closed(root: Path, seen: Seen) -> None:
    outside = root.parent / "elsewhere" / "b.fits"
    outside.write_bytes(b"x")
    outside.rename(root / "b.fits")

    seen.wait_for(b"b.fits", HintKind.CREATED)
    assert HintKind.CLOSED not in seen.kinds[b"b.fits"]


@pytest.mark.usefixtures("watcher")
def test_new_and_moved_folders_are_told(root: Path, seen: Seen) -> None:
    (root / "x" / "y").mkdir(parents=True)
    (root.parent / "elsewhere" / "deep").mkdir()
    (root.parent / "elsewhere" / "deep").rename(root / "in")
    (root / "old").rename(root / "new")

    for name in (b"x", b"in", b"new"):
        seen.wait_for(name, HintKind.FOLDER)


@pytest.mark.usefixtures("watcher")
def test_names_of_any_bytes_arrive(root: Path, seen: Seen) -> None:
    for name in (b"caf\xe9.fits", b"two\nlines", b"x" * 255):
        with open(os.fsencode(root) + b"/" + name, "wb") as file:  # noqa: PTH123  # bytes
            file.write(b"x")

        seen.wait_for(name, HintKind.CLOSED)


def test_a_deleted_root_is_told_and_the_watcher_is_dead(
    root: Path, seen: Seen, watcher: Watcher
) -> None:
    assert watcher.is_alive()
    (root / "old").rmdir()
    root.rmdir()

    seen.wait_for(os.fsencode(root), HintKind.GONE)
    wait_until(lambda: not watcher.is_alive())


def test_each_dead_part_is_noticed(root: Path) -> None:
    def emitter(observer: Any) -> None:
        for one in list(observer.emitters):
            one.stop()

    def reader(observer: Any) -> None:
        observer._inotify_fd.stop()

    def dispatcher(observer: Any) -> None:
        observer.stopped_event.set()
        observer.event_queue.put_nowait(observer.stop_event)

    for kill in (emitter, reader, dispatcher):
        watcher = Watcher(root, HintQueue(lambda: None))
        watcher.start()
        try:
            assert watcher.is_alive()
            kill(watcher._observer)
            wait_until(lambda watcher=watcher: not watcher.is_alive())
        finally:
            watcher.stop()


def test_a_handler_that_fails_does_not_end_the_observer(root: Path) -> None:
    class Broken(HintQueue):
        broken = True

        def put(self, path: bytes, kind: HintKind, moved_from: bytes | None = None) -> None:
            if self.broken:
                raise RuntimeError("injected")
            super().put(path, kind, moved_from)

    hints = Broken(lambda: None)
    watcher = Watcher(root, hints)
    watcher.start()
    try:
        (root / "a").write_bytes(b"x")
        wait_until(lambda: hints.take_loss() == "an event could not be read")
        hints.broken = False
        (root / "b").write_bytes(b"x")
        wait_until(lambda: len(hints) > 0)
        assert watcher.is_alive()
    finally:
        watcher.stop()


def test_a_root_that_is_not_there_is_an_error_and_leaves_no_thread(root: Path) -> None:
    watcher = Watcher(root / "missing", HintQueue(lambda: None))

    with pytest.raises(FileNotFoundError):
        watcher.start()
    assert not watcher.is_alive()


def test_the_kernel_tells_how_many_folders_it_watches(root: Path, watcher: Watcher) -> None:
    assert watcher.watched_folders() == 2
    (root / "new").mkdir()
    wait_until(lambda: watcher.watched_folders() == 3)
    watcher.stop()
    assert watcher.watched_folders() is None


def test_the_installed_watchdog_has_the_hook_that_overflows_are_heard_by(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel's event, as the installed version hands it on; it must not be repaired there."""
    hints = HintQueue(lambda: None)
    watcher = Watcher(root, hints)
    watcher.start()
    try:
        assert watcher.hears_overflow
        reader = watcher._observer._inotify_fd
        read = reader.read_events
        from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent

        overflow = InotifyEvent(-1, InotifyConstants.IN_Q_OVERFLOW, 0, b"")
        reader.read_events = lambda: [overflow, *read()]
        with caplog.at_level(logging.WARNING, logger="watchdog"):  # which a start silences

            def loss() -> str | None:
                (root / "a").write_bytes(b"x")  # until the reader comes round to the new method
                return hints.take_loss()

            wait_until(lambda: loss() == "the kernel's queue of events ran over")
    finally:
        watcher.stop()
    assert not [record for record in caplog.records if "overflow" in record.message]


def test_an_overflow_of_its_own_end_is_no_loss(root: Path) -> None:
    """Taking away more watches than the kernel keeps events for lets its queue run over."""
    from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent

    hints = HintQueue(lambda: None)
    watcher = Watcher(root, hints)
    watcher.start()
    reader = watcher._observer._inotify_fd
    watcher.stop()

    reader.handle_event(InotifyEvent(-1, InotifyConstants.IN_Q_OVERFLOW, 0, b""))

    assert hints.take_loss() is None


def test_a_real_overflow_is_heard_once_and_costs_nothing_afterwards(root: Path) -> None:
    """More events than the kernel keeps, while nobody can read them.

    1. 2,000 folders are watched. 2. The reader is held up. 3. 20,000 files appear. 4. The reader
    goes on. Then the loss is told, the watcher is idle, and a new one sees what comes.
    """
    for n in range(2000):
        (root / f"{n}").mkdir()
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    hints = HintQueue(lambda: None, paths_most=100_000)
    watcher = Watcher(root, hints)
    watcher.start()
    gate = threading.Event()
    try:
        reader = watcher._observer._inotify_fd
        read = reader.read_events
        reader.read_events = lambda: (gate.wait(60), read())[1]
        (root / "first").write_bytes(b"x")  # the reader comes to the gate with this one
        for n in range(most // 2 + 2000):
            (root / f"f{n}").write_bytes(b"x")
        gate.set()

        wait_until(lambda: hints.take_loss() == "the kernel's queue of events ran over")
        assert watcher.is_alive()
        fresh = Watcher(root, hints)
        fresh.start()
        watcher.stop()
        hints.clear()
        try:
            (root / "after").write_bytes(b"x")
            wait_until(lambda: any(b"after" in hint.path for hint in hints.take(10)))
            assert hints.take_loss() is None
        finally:
            fresh.stop()
    finally:
        gate.set()
        watcher.stop()
