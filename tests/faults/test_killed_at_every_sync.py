"""The daemon is killed wherever it makes something last."""

from __future__ import annotations

import shutil
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from oort.queue.models import METADATA
from tests.support.daemon import Home
from tests.support.files import arrived, make_fits
from tests.support.queue_file import is_sound, rows_of, tables_of, take_in
from tests.support.syscalls import delayed_syncs, killed_at_sync, needs_strace
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sandbox import Sandbox

COUNT: Final = 3
FEW: Final = ((5, False), (16, False), (24, True), (31, False))
"""Some of the moments, from the first table to the end in order, for every day's run."""
MOST: Final = 200
TABLES: Final = {*METADATA.tables, "alembic_version"}


class Rounds:
    """The same small life of a daemon again and again, each in a fresh home with a fresh folder."""

    def __init__(self, sandbox: Sandbox, place: Path) -> None:
        self._sandbox = sandbox
        self._place = place
        self._template = Home(place / "template")
        self._template.log_in(sandbox)
        self._template.configure()
        (place / "dome").mkdir()
        self._template.watch(place / "dome")

    def play(self, number: int, *, before: bool) -> bool:
        """Kill a first life in its sync of that number; see that the next one mends everything.

        False where the life came to its end in order before.
        """
        name = f"{'before' if before else 'after'}{number}"
        home_folder = self._place / f"home-{name}"
        shutil.copytree(self._template.folder, home_folder)
        config = home_folder / "oort" / "config.toml"
        config.write_text(config.read_text().replace("dome", name))
        files = [make_fits(self._place / name / f"{name}-{n}.fits", salt=n) for n in range(COUNT)]
        with Home(home_folder) as home:
            log = self._place / f"{name}.strace"
            home.start(wait=False, under=delayed_syncs(log, before=before))
            with _ended_when_safe(home):
                was_killed = killed_at_sync(home, log, number)
            if was_killed:
                self._has_all_tables_or_none(home)
                self._live_again(home)
            assert self._is_whole(home, name, files), f"{name}: {home.told()}"
        shutil.rmtree(home_folder)
        return was_killed

    def _has_all_tables_or_none(self, home: Home) -> None:
        """The schema is made in one step, of which a kill leaves nothing, or all."""
        image = self._place / "image"
        image.mkdir()
        for left in (home.folder / "oort").glob("oort.db*"):
            shutil.copy(left, image)
        if (image / "oort.db").exists():
            take_in(image / "oort.db")
            assert tables_of(image / "oort.db") in (set(), TABLES)
        shutil.rmtree(image)

    def _live_again(self, home: Home) -> None:
        home.start()
        wait_until(lambda: _are_safe(home), timeout_s=60, every_s=0.1, what=home.told)
        assert not home.status()["attention"]
        assert home.stop() == 0

    def _is_whole(self, home: Home, name: str, files: list[Path]) -> bool:
        stored = [file for file in self._sandbox.files() if file["name"].startswith(f"{name}-")]
        return (
            arrived(stored, files)
            and [one["name"] for one in self._sandbox.datasets()].count(name) == 1
            and is_sound(home.folder / "oort" / "oort.db")
        )


def _are_safe(home: Home) -> bool:
    rows = rows_of(home.folder / "oort" / "oort.db")
    return len(rows) == COUNT and all(row.is_safe for row in rows)


@contextmanager
def _ended_when_safe(home: Home) -> Iterator[None]:
    """Have the daemon end in order when all is done: its end has syncs of its own."""
    over = threading.Event()
    daemon = home.daemon
    assert daemon is not None

    def end() -> None:
        while not over.wait(0.05):
            if _are_safe(home):
                daemon.send_signal(signal.SIGTERM)
                return

    thread = threading.Thread(target=end, name="ends the daemon")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.linux
@pytest.mark.timeout(400)
def test_killed_at_some_syncs_of_a_small_life(sandbox: Sandbox, tmp_path: Path) -> None:
    """Killed while it makes something last, at moments spread over its life, nothing is lost or doubled.

    1. A daemon starts in a fresh home, finds three files, creates their dataset, sends and tags
       them, and ends in order. It is killed in one of its syncs, before or after it was done.
    2. The next daemon brings every file to OK: each is at the server once, in one dataset, whole.
    3. The same with other syncs, each in a fresh home.
    """
    needs_strace()
    rounds = Rounds(sandbox, tmp_path)
    killed = [rounds.play(number, before=before) for number, before in FEW]
    assert all(killed[:3]), "a life has more syncs than that"


@pytest.mark.soak
@pytest.mark.linux
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("before", [True, False])
def test_killed_at_every_sync_of_a_small_life(
    sandbox: Sandbox, tmp_path: Path, before: bool
) -> None:
    """As above, at every one of its syncs, until a life comes to its end without being killed.

    1. A fresh daemon with three files is killed in its first sync; the next daemon mends it.
    2. Another fresh one in its second sync, and so on, until one ends in order before it is killed.
    """
    needs_strace()
    rounds = Rounds(sandbox, tmp_path)
    last = next(number for number in range(1, MOST) if not rounds.play(number, before=before))
    assert last > 25, "a life has more syncs than that"
