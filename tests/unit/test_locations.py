"""Where things are kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from oort import locations


def test_everything_lies_in_oort_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "elsewhere"
    monkeypatch.setenv("OORT_HOME", str(home))

    found = locations.locate()

    assert home / "config.toml" == found.config_file
    assert home / "oort.db" == found.database
    assert home / "oort.lock" == found.lock_file
    assert home / "control" == found.control_folder
    assert home / "logs" == found.logs_folder
    assert home / "backups" == found.backups_folder
    assert not home.exists()


@pytest.mark.linux
def test_without_it_the_platform_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OORT_HOME")

    found = locations.locate()

    assert Path.home() / ".config/oort/config.toml" == found.config_file
    assert Path.home() / ".local/state/oort/oort.db" == found.database
    assert not list(Path.home().iterdir())


def test_a_private_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = locations.make_private_folder(tmp_path / "a" / "b")

    assert [0o700, 0o700] == [mode(folder), mode(folder.parent)]


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)

    locations.make_private_folder(folder)

    assert 0o700 == mode(folder)


def test_the_users_home_is_left_as_it_is() -> None:
    Path.home().chmod(0o755)

    locations.make_private_folder(Path.home())

    assert 0o755 == mode(Path.home())


def test_a_private_file_replaces_what_was_there_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    locations.write_private_file(path, b"one")
    path.chmod(0o644)

    locations.write_private_file(path, b"two")

    assert b"two" == path.read_bytes()
    assert 0o600 == mode(path)
    assert [path] == list(path.parent.iterdir())


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "config.toml"
    locations.write_private_file(real, b"one")
    link = tmp_path / "config.toml"
    link.symlink_to(real)

    locations.write_private_file(link, b"two")

    assert link.is_symlink()
    assert b"two" == real.read_bytes()


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()

    with pytest.raises(OSError, match="directory"):
        locations.write_private_file(tmp_path / "file", b"x")

    assert [tmp_path / "home", tmp_path / "file"] == sorted(tmp_path.iterdir(), reverse=True)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
def test_all_that_is_ours_is_made_private_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "oort"
    here = locations.Locations(home, home)
    ours = [
        here.config_file,
        here.database.with_name("oort.db.damaged-20261123T050000Z"),
        here.backups_folder / "oort-20261123T050000Z.db",
        here.logs_folder / "oort.log.1",
    ]
    image, linked = home / "m31.fits", home / "images" / "linked.toml"
    for path in [*ours, image, linked]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o644)
    here.last_good_config.symlink_to(linked)
    here.logs_folder.chmod(0o755)

    locations.make_all_private(here)

    assert {mode(path) for path in ours} == {0o600}
    assert mode(here.logs_folder) == 0o700
    assert {mode(image), mode(linked)} == {0o644}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_lies_beside_a_queue_that_a_link_leads_to_is_our_own(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    queue = tmp_path / "images" / "queue.db"
    home = locations.Locations(tmp_path / "state", tmp_path / "state")
    home.state_folder.mkdir()
    home.database.symlink_to(queue)

    own = home.own_places(None, tmp_path / "config.ini")

    for name in ("queue.db", "queue.db.lock", "queue.db-wal", "queue.db-shm", "queue.db-journal"):
        assert os.fsencode(queue.with_name(name)) in own
