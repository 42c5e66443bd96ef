"""The daemon of a new version is killed while it brings the queue of an older one up to date."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from alembic import command
from alembic.config import Config

from oort.queue.database import HEAD, writing_engine
from tests.support.daemon import Home
from tests.support.files import arrived, make_fits
from tests.support.queue_file import is_sound, rows_of, tables_of, take_in
from tests.support.rows import sqlite_at
from tests.support.syscalls import needs_strace, under_strace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.sandbox import Sandbox

COUNT: Final = 5
FIRST: Final = "0001"
"""The first schema that there was."""
CALLS: Final = "pwrite64,fdatasync,fsync,rename"
_CALL: Final = re.compile(r"^\d+ +(\w+)\((.*)$", re.MULTILINE)


class Moment(NamedTuple):
    """The call of that name and number by the process's first thread, and the file that it is about."""

    call: str
    number: int
    about: str


class Upgrades:
    """The same upgrade of the same queue again and again, each in a fresh home."""

    def __init__(self, sandbox: Sandbox, place: Path) -> None:
        self._sandbox = sandbox
        self._place = place
        self._folder = place / "dome"
        self._files = [make_fits(self._folder / f"{n}.fits", salt=n) for n in range(COUNT)]
        self._template = Home(place / "template")
        self._template.log_in(sandbox)
        self._template.configure()
        self._template.watch(self._folder)
        self._template.start()
        self._template.wait_for(OK=COUNT)
        assert self._template.stop() == 0
        queue = self._template.folder / "oort" / "oort.db"
        self._new = _schema_of(queue)
        self._rows = rows_of(queue)
        _put_into_the_first_schema(queue)
        self._old = _schema_of(queue)
        assert self._old[0] == FIRST
        assert self._new[0] == HEAD
        assert rows_of(queue) == self._rows
        shutil.rmtree(queue.parent / "backups")
        self._sent = len(sandbox.uploads())

    def moments(self) -> list[Moment]:
        """Watch one upgrade that nobody disturbs; return what it writes and makes last, in order."""
        log = self._place / "undisturbed.strace"
        with self._fresh("undisturbed") as home:
            home.start(under=under_strace(log, "-y", "-s", "300", "-e", f"trace={CALLS}"))
            assert home.stop() == 0
        first = log.read_text().split(maxsplit=1)[0]
        counts = dict.fromkeys(CALLS.split(","), 0)
        found = []
        for thread in _CALL.finditer(log.read_text()):
            if not thread[0].startswith(f"{first} "):
                continue
            call, arguments = thread[1], thread[2]
            counts[call] += 1
            found.append(Moment(call, counts[call], arguments))
        begin = next(n for n, one in enumerate(found) if f"before-{HEAD}" in one.about)
        end = next(n for n, one in enumerate(found) if "last-good" in one.about)
        return [one for one in found[begin:end] if "-shm>" not in one.about]

    def kill_at(self, moment: Moment) -> None:
        """Kill an upgrade in that call; see that the queue is an old one or a new one, and goes on."""
        with self._fresh(f"{moment.call}-{moment.number}") as home:
            inject = f"inject={moment.call}:signal=SIGKILL:when={moment.number}"
            log = self._place / "strace"
            home.start(wait=False, under=under_strace(log, "-e", f"trace={CALLS}", "-e", inject))
            assert home.ended(60) == -signal.SIGKILL, (moment, home.told())
            assert not home.has_told("daemon.started"), moment
            image = self._place / "image"
            image.mkdir()
            for left in (home.folder / "oort").glob("oort.db*"):
                shutil.copy(left, image)
            take_in(image / "oort.db")
            assert is_sound(image / "oort.db")
            assert _schema_of(image / "oort.db") in (self._old, self._new), moment
            assert rows_of(image / "oort.db") == self._rows, moment
            shutil.rmtree(image)
            self._goes_on(home, moment)

    def _goes_on(self, home: Home, moment: Moment) -> None:
        home.start()
        home.wait_for(OK=COUNT)
        assert not home.status()["attention"]
        assert not home.status()["daemon"]["warnings"]
        assert home.stop() == 0
        state = home.folder / "oort"
        assert _schema_of(state / "oort.db") == self._new, moment
        assert is_sound(state / "oort.db")
        kept = state / "backups" / f"before-{HEAD}-from-{FIRST}.db"
        assert _schema_of(kept) == self._old, moment
        assert rows_of(kept) == self._rows
        assert not [path for path in kept.parent.iterdir() if ".part" in path.name], moment
        assert len(self._sandbox.uploads()) == self._sent, moment
        assert arrived(self._sandbox.files(), self._files)

    def _fresh(self, name: str) -> Home:
        """Return a home with the old queue, as the daemon of the older version left it."""
        shutil.copytree(self._template.folder, self._place / name)
        return Home(self._place / name)


def _schema_of(queue: Path) -> tuple[str, dict[str, str]]:
    """Return the version that a queue says it has, and all that it is made of."""
    with closing(sqlite3.connect(f"file:{queue}?mode=ro", uri=True)) as opened:
        (version,) = opened.execute("SELECT version_num FROM alembic_version").fetchone()
        found = opened.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return str(version), dict(found.fetchall())


def _put_into_the_first_schema(queue: Path) -> None:
    """Write a queue anew as the first version of Oort would have made it."""
    old = queue.with_name("old.db")
    engine = writing_engine(sqlite_at(old))
    config = Config()
    config.set_main_option("script_location", "oort/queue/migrations")
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, FIRST)
    engine.dispose()
    with closing(sqlite3.connect(old)) as made, made:
        made.execute("ATTACH ? AS new", (str(queue),))
        for table in sorted(tables_of(old) - {"alembic_version"}):
            names = [row[1] for row in made.execute(f"PRAGMA main.table_info({table})")]
            columns = ", ".join(f'"{name}"' for name in names)
            made.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")  # noqa: S608
    take_in(old)
    old.replace(queue)


def _spread(moments: Sequence[Moment]) -> list[Moment]:
    """Return the copy's middle and its name, and every sixth of what is done to the queue itself."""
    copying = [one for one in moments if f"before-{HEAD}" in one.about]
    itself = [one for one in moments if "/oort.db" in one.about]
    assert len(copying) > 20, moments
    assert len(itself) > 10, moments
    renaming = next(one for one in copying if one.call == "rename")
    return [copying[len(copying) // 2], renaming, *itself[1::6]]


@pytest.mark.nightly
@pytest.mark.linux
@pytest.mark.parametrize(
    "every",
    [
        pytest.param(False, marks=pytest.mark.timeout(300)),
        pytest.param(True, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_killed_while_migrating(sandbox: Sandbox, tmp_path: Path, every: bool) -> None:
    """Killed half-way through an upgrade, the queue is the old one or the new one, and all goes on.

    1. A queue in the first schema knows files that are stored. A daemon of this version starts: it
       copies the queue and brings it up to date. It is killed in the middle of the copy, at its
       renaming, and between the pages of the upgrade (or at each write and each sync of them all).
    2. What is left is sound, has the old schema or the new one and nothing between, and every row.
    3. The next start ends the upgrade: the rows are as they were, the copy has the old schema,
       nothing half is left beside it, nothing is sent again, nobody has to help.
    """
    needs_strace()
    upgrades = Upgrades(sandbox, tmp_path)
    moments = upgrades.moments()
    for moment in moments if every else _spread(moments):
        upgrades.kill_at(moment)
