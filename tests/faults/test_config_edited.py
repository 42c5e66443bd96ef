"""config.toml is edited by hand while the daemon runs: in steps, wrongly, a watch at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import tomlkit

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tomlkit.items import AoT, Table

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

LONGER_THAN_A_RESCAN_S = 3.0
"""So long nothing is to become of a file: the folders are scanned every two seconds."""


def config_of(home: Home) -> Path:
    return home.folder / "oort" / "config.toml"


def edit(home: Home, change: Callable[[tomlkit.TOMLDocument], None]) -> None:
    """Change config.toml as an editor does: all of it, in place."""
    document = tomlkit.parse(config_of(home).read_text())
    change(document)
    taken = _count(home, b"config.taken")
    config_of(home).write_text(tomlkit.dumps(document))
    wait_until(lambda: _count(home, b"config.taken") > taken, timeout_s=30, what=home.told)


def _count(home: Home, words: bytes) -> int:
    return home.log_file.read_bytes().count(words)


def warnings_of(home: Home) -> list[str]:
    found: list[str] = home.status()["daemon"]["warnings"]
    return found


@pytest.mark.nightly
def test_half_written_and_invalid_config(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What is no valid config.toml changes nothing, and is told until it is mended.

    1. An editor writes the file in ten steps over four seconds: nothing of that is taken or warned
       of, and the whole file is taken once.
    2. A typing error stands in it: the last good settings are in force, files go on arriving, and
       status warns with file, line and key. Other commands still work.
    3. Another error: the warning is another one. It is emptied to nothing but a word: the same.
    4. It is mended: the warning goes, and what was changed in it holds.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    files = [make_fits(folder / "a.fits", salt=1)]
    home.wait_for(OK=1)
    good = config_of(home).read_text()

    whole = good.replace("[[watch]]", "max_attempts = 4\n\n[[watch]]", 1)
    with config_of(home).open("w") as file:
        for n in range(10):
            file.write(whole[len(whole) * n // 10 : len(whole) * (n + 1) // 10])
            file.flush()
            threading.Event().wait(0.4)
    wait_until(lambda: _count(home, b"config.taken") == 1, timeout_s=30, what=home.told)
    assert _count(home, b"config.invalid") == 0
    assert warnings_of(home) == []

    good = config_of(home).read_text()
    config_of(home).write_text(good + 'colour = "red"\n')
    wait_until(lambda: warnings_of(home), timeout_s=30, every_s=0.2, what=home.told)
    (words,) = warnings_of(home)
    line = good.count("\n") + 1
    assert f'{config_of(home)}:{line}: unknown key "colour"' in words
    assert "the last good settings are in force" in words
    assert "the last good settings are in force" in " ".join(home.oort("status").split())
    files.append(make_fits(folder / "b.fits", salt=2))
    home.wait_for(OK=2)

    for broken in (good + "\n[[watch\n", "workers"):
        config_of(home).write_text(broken)
        before = words
        wait_until(
            lambda before=before: warnings_of(home) not in ([], [before]),  # type: ignore[misc]
            timeout_s=30,
            every_s=0.2,
            what=home.told,
        )
        (words,) = warnings_of(home)
    files.append(make_fits(folder / "c.fits", salt=3))
    home.wait_for(OK=3)

    config_of(home).write_text(good.replace("max_attempts = 4", "max_attempts = 6"))
    wait_until(lambda: not warnings_of(home), timeout_s=30, every_s=0.2, what=home.told)
    assert home.json("config")["max_attempts"]["value"] == 6
    files.append(make_fits(folder / "d.fits", salt=4))
    home.wait_for(OK=4)
    assert arrived(sandbox.files(), files)


def written(name: str, folder: Path) -> Table:
    """Return a watch as somebody writes it."""
    table = tomlkit.table()
    for key, value in {"name": name, "path": str(folder), "api": "sandbox"}.items():
        table[key] = value
    return table


@pytest.mark.nightly
def test_watch_added_and_changed_by_hand(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A watch is written into the file, and changed there: files follow what it says.

    1. With the daemon running and nothing watched, a watch is written into config.toml: what lies
       in its folder arrives.
    2. Its dataset and its rules are changed: new files follow them.
    3. Its folder is changed to another one: what lies there arrives, and what comes then; the folder
       that it was is not looked at any more.
    """
    folder, other = tmp_path / "dome", tmp_path / "other"
    files = [make_fits(folder / "a.fits", salt=1)]
    home.start()
    edit(home, lambda document: document.__setitem__("watch", aot(written("dome", folder))))
    home.wait_for(OK=1)

    def change(key: str, value: object) -> None:
        edit(home, lambda document: document["watch"][0].__setitem__(key, value))  # type: ignore[index,union-attr]

    change("dataset", "by hand")
    change("exclude", ["*.log"])
    left_out = make_fits(folder / "b.log", salt=2)
    files.append(make_fits(folder / "b.fits", salt=3))
    home.wait_for(OK=2)
    assert home.json("status", files[-1])["dataset"] == "by hand"
    assert home.json("status", left_out)["substatus"] == "ignored"

    files.append(make_fits(other / "c.fits", salt=4))
    change("path", str(other))
    make_fits(folder / "late.fits", salt=5)
    home.wait_for(OK=3)
    files.append(make_fits(other / "d.fits", salt=6))
    home.wait_for(OK=4)
    assert arrived(sandbox.files(), files)
    assert home.status()["queue"]["by_status"]["Error"] == 0


@pytest.mark.nightly
def test_watch_disabled_and_taken_out_by_hand(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A watch that is disabled, or not in the file any more, keeps its rows; they wait.

    1. A file waits while the daemon is paused; its watch is disabled: the file is held, "its watch
       is disabled", and files that come are not looked at. Enabled again, both arrive.
    2. It is taken out of the file (no `oort unwatch`) while a file waits: that one is held, "its
       watch is gone from config.toml", also after a restart. It is written back: the file arrives.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    edit_now = config_of(home)
    edit_now.write_text(
        edit_now.read_text() + f"\n[[watch]]\n{written('dome', folder).as_string()}"
    )
    home.start()

    files = [_waits(home, folder / "a.fits", 1)]
    edit(home, lambda document: document["watch"][0].__setitem__("enabled", False))  # type: ignore[index,union-attr]
    home.oort("resume")
    files.append(make_fits(folder / "b.fits", salt=2))
    threading.Event().wait(LONGER_THAN_A_RESCAN_S)
    assert _held(home, files[0]) == "its watch is disabled"
    assert home.status()["queue"]["by_status"]["New"] == 1
    edit(home, lambda document: document["watch"][0].__setitem__("enabled", True))  # type: ignore[index,union-attr]
    home.wait_for(OK=2)

    files.append(_waits(home, folder / "c.fits", 3))
    edit(home, lambda document: document.pop("watch"))
    home.oort("resume")
    assert home.stop() == 0
    home.start()
    assert _held(home, files[-1]) == "its watch is gone from config.toml"
    assert home.status()["queue"]["by_status"]["New"] == 1
    edit(home, lambda document: document.__setitem__("watch", aot(written("dome", folder))))
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)


def _waits(home: Home, path: Path, salt: int) -> Path:
    """Pause the daemon, write a file, and wait until it is in the queue."""
    home.oort("pause")
    make_fits(path, salt=salt)
    home.wait_for(New=1)
    return path


def _held(home: Home, path: Path) -> str:
    told = home.json("status", path)
    assert told["substatus"] == "held"
    return str(told["error"])


def aot(*tables: Table) -> AoT:
    """Return an array of tables."""
    array = tomlkit.aot()
    for table in tables:
        array.append(table)
    return array


@pytest.mark.nightly
def test_settings_edited_by_hand(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """The number of workers, the bandwidth and the quiet time hold as soon as they are written.

    1. With one worker and an answer that takes a second, six files are sent one after another.
    2. `workers = 6`: several at a time. `bwlimit = "200k"` slows a file of 1.4 MB down.
    3. `settle_s = 3600`: a new file settles. `settle_s = 0.3`: it goes.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"workers": "1"})
    home.watch(folder)
    home.start()
    slow = sandbox.rule(method="POST", path="/datafiles/", delay_s=1)
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(3)]
    assert _most_at_once(home, sandbox, 3) == 1

    edit(home, lambda document: document.__setitem__("workers", 6))
    files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(3, 15)]
    assert _most_at_once(home, sandbox, 15) > 2
    sandbox.remove(slow)

    edit(home, lambda document: document.__setitem__("bwlimit", "200k"))
    began = time.monotonic()
    files.append(make_fits(folder / "large.fits", 500 * 2880, salt=99))
    home.wait_for(OK=16)
    assert time.monotonic() - began > 3  # 1.4 MB
    edit(home, lambda document: document.__setitem__("bwlimit", "off"))

    edit(home, lambda document: document.__setitem__("settle_s", 3600))
    files.append(make_fits(folder / "still.fits", salt=100))
    home.wait_for(OK=16, New=1)
    threading.Event().wait(LONGER_THAN_A_RESCAN_S)
    assert home.json("status", files[-1])["substatus"] == "settling..."
    edit(home, lambda document: document.__setitem__("settle_s", 0.3))
    home.wait_for(OK=17)
    assert arrived(sandbox.files(), files)


def _most_at_once(home: Home, sandbox: Sandbox, count: int) -> int:
    """Wait until so many files are stored; return how many the server had in hand at a time."""
    most = 0

    def all_stored() -> bool:
        nonlocal most
        most = max(most, sum(not request["done"] for request in sandbox.uploads()))
        return len(sandbox.files()) >= count

    wait_until(all_stored, timeout_s=60, every_s=0.1, what=home.told)
    home.wait_for(OK=count)
    return most


@pytest.mark.nightly
def test_edited_more_often_than_a_file_settles(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An editor, or a program, that writes config.toml all the time holds up no file.

    1. A file must be quiet for ten seconds. As soon as the daemon has taken a change of config.toml
       it is changed again, ten times: a tag of the watch, and a setting that concerns no file.
    2. The file arrives while that goes on.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"settle_s": "10"})
    home.watch(folder)
    home.start()
    file = make_fits(folder / "a.fits")
    turns = 0
    while not sandbox.uploads() and turns < 10:
        turns += 1

        def change(document: tomlkit.TOMLDocument, turn: int = turns) -> None:
            document["watch"][0]["tags"] = [f"turn {turn}"]
            document["poll_s"] = 10 + turn

        edit(home, change)

    assert 1 < turns < 10, home.told()
    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [file])
