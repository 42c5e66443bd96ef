"""Changing config.toml without losing what people wrote."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from oort import settings
from oort.errors import SettingsError
from oort.values import Watch

DOME = Watch("dome", Path("/data/dome"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oort" / "config.toml"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_the_first_edit_makes_a_private_file(path: Path) -> None:
    settings.set_value(path, "workers", "8")

    assert "workers = 8\n" == path.read_text()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)


def test_comments_order_and_layout_stay(path: Path) -> None:
    write(
        path,
        '# ours\nworkers = 2   # two\n\n# later\npoll_s = 5\n\n[[watch]] # dome\nname="a"\npath="/a"\n',
    )

    settings.set_value(path, "workers", "auto")
    settings.set_value(path, "settle_s", "0.5")

    assert path.read_text() == (
        '# ours\nworkers = "auto"   # two\n\n# later\npoll_s = 5\nsettle_s = 0.5\n\n'
        '[[watch]] # dome\nname="a"\npath="/a"\n'
    )


def test_an_empty_value_puts_the_default_back(path: Path) -> None:
    settings.set_value(path, "workers", "8")

    assert "default" == settings.set_value(path, "workers", "").source("workers")
    assert "" == path.read_text()


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("workers", "99", 'workers must be "auto" or 1 to 64, not 99'),
        ("workers", "nan", "workers must be"),
        ("settle_s", "soon", 'settle_s must be 0.1 to 3600, not "soon"'),
        ("settle_s", "inf", "settle_s must be 0.1 to 3600"),
        ("retry_max_s", "1", "retry_base_s (5) must not exceed retry_max_s (1)"),
        ("watch", "x", 'unknown setting "watch"'),
        ("wrkers", "3", 'unknown setting "wrkers"'),
    ],
)
def test_what_is_not_allowed_is_refused_and_nothing_is_written(
    path: Path, key: str, text: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.set_value(path, key, text)

    assert words in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("text", ["workers = ", "workers = 99\n", "wrong = 1\n"])
def test_a_broken_file_is_refused_and_left_as_it_is(path: Path, text: str) -> None:
    write(path, text)

    with pytest.raises(SettingsError, match=r"config.toml:1: "):
        settings.set_value(path, "poll_s", "5")

    assert text == path.read_text()


def test_a_watch_is_added_with_what_differs_from_the_defaults(path: Path) -> None:
    settings.set_value(path, "workers", "8")
    other = Watch("b", Path("/b"), dataset="{night}", tags=("x", 'y"z'), raw=False, settle_s=3.0)

    settings.add_watch(path, DOME)
    found = settings.add_watch(path, other)

    assert (DOME, other) == found.watches == settings.load(path).watches
    assert path.read_text() == (
        "workers = 8\n\n"
        '[[watch]]\nname = "dome"\npath = "/data/dome"\ndataset = "{folder}"\n\n'
        '[[watch]]\nname = "b"\npath = "/b"\ndataset = "{night}"\ntags = ["x", "y\\"z"]\n'
        "raw = false\nsettle_s = 3.0\n"
    )


def test_a_folder_whose_name_is_no_utf8_can_be_watched(path: Path) -> None:
    watch = Watch("b", Path(os.fsdecode(b"/data/caf\xe9 100%")))

    settings.add_watch(path, watch)

    assert (watch,) == settings.load(path).watches


def test_a_watch_of_that_name_or_folder_is_refused(path: Path) -> None:
    settings.add_watch(path, DOME)
    before = path.read_text()

    with pytest.raises(SettingsError, match=r"the name .dome. is taken"):
        settings.add_watch(path, Watch("dome", Path("/other")))
    with pytest.raises(SettingsError, match="is watched already"):
        settings.add_watch(path, Watch("other", Path("/data/dome")))

    assert before == path.read_text()


def test_changing_a_watch_touches_only_what_was_given(path: Path) -> None:
    write(path, '[[watch]]\nname = "a"\npath = "/a"\n# why\ntelescope = "t"\nportal = "p"\n')

    found = settings.change_watch(path, "a", {"telescope": "u", "portal": None, "tags": ("x",)})

    assert (Watch("a", Path("/a"), telescope="u", tags=("x",)),) == found.watches
    assert '# why\ntelescope = "u"\n' in path.read_text()


def test_a_watch_can_be_taken_out_and_put_in_again(path: Path) -> None:
    write(
        path,
        'poll_s = 5\n\n[[watch]]\nname = "a"\npath = "/a"\n[[watch]]\nname = "b"\npath = "/b"\n',
    )

    assert ["b"] == [watch.name for watch in settings.remove_watch(path, "a").watches]
    assert () == settings.remove_watch(path, "b").watches
    assert (DOME,) == settings.add_watch(path, DOME).watches
    assert 5.0 == settings.load(path).poll_s


def test_a_watch_that_is_not_there_cannot_be_changed_or_removed(path: Path) -> None:
    with pytest.raises(SettingsError, match="no watch named"):
        settings.remove_watch(path, "a")
    with pytest.raises(SettingsError, match="no watch named"):
        settings.change_watch(path, "a", {"raw": False})


def test_watches_written_on_one_line_can_be_edited_too(path: Path) -> None:
    write(path, 'watch = [{name = "a", path = "/a"}]\n')

    settings.add_watch(path, DOME)
    settings.change_watch(path, "a", {"tags": ("x",)})

    assert (Watch("a", Path("/a"), tags=("x",)), DOME) == settings.load(path).watches


def test_two_that_edit_at_once_do_not_lose_each_others_change(path: Path) -> None:
    keys = ["workers", "poll_s", "settle_s", "max_attempts", "stop_grace_s", "lease_s"]
    failures: list[BaseException] = []

    def edit(key: str) -> None:
        try:
            settings.set_value(path, key, "7")
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=edit, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    assert sorted(keys) == sorted(settings.load(path).sources)


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "oort").write_text("")

    with pytest.raises(SettingsError, match=r"Not a directory|File exists"):
        settings.set_value(tmp_path / "oort" / "config.toml", "poll_s", "5")
