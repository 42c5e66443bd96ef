"""The commands that reach a running daemon, and the files it takes while it runs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def watched(home: Home, tmp_path: Path) -> Path:
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    return folder


def test_a_second_daemon_refuses(home: Home, tmp_path: Path) -> None:
    watched(home, tmp_path)
    assert home.daemon is not None

    done = home.run("oort", "start", check=False)

    assert done.returncode == 1
    assert str(home.daemon.pid) in done.stderr
    assert home.status()["daemon"]["pid"] == home.daemon.pid


def test_stop_ends_it_in_order(home: Home, tmp_path: Path) -> None:
    watched(home, tmp_path)

    home.oort("stop")

    assert home.ended() == 0
    assert not home.status()["daemon"]["running"]
    assert home.run("oort", "stop").returncode == 0


def test_sigint_ends_it_in_order(home: Home, tmp_path: Path) -> None:
    watched(home, tmp_path)

    home.signal(signal.SIGINT)

    assert home.ended() == 0


def test_a_pause_holds_files_and_outlives_a_restart(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = watched(home, tmp_path)
    home.oort("pause")
    path = make_fits(folder / "a.fits")
    home.wait_for(New=1)
    wait_until(lambda: home.json("status", path)["substatus"] == "held", what=home.told)
    home.stop()
    home.start()
    status = home.status()
    assert status["daemon"]["paused"]
    assert sandbox.files() == []

    assert "Resumed: what waits is sent." in home.oort("resume")

    home.wait_for(OK=1)


def test_a_pause_that_ends_without_a_daemon_says_who_is_missing(home: Home) -> None:
    home.oort("pause")

    assert "`oort start` sends what waits" in home.oort("resume")


def test_retry_and_skip_of_a_refused_file(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    sandbox.rule(method="POST", path="/datafiles/", status=415, body={"file": ["no such type"]})
    first, second = make_fits(folder / "a.fits"), make_fits(folder / "b.fits", salt=1)
    home.wait_for(Error=2)
    row = home.json("status", first)
    assert "no such type" in row["error"]
    assert row["attempts"] == 1
    sandbox.clear()

    home.oort("retry", first)
    home.oort("skip", second)

    home.wait_for(OK=1, Skipped=1)
    assert home.json("status", second)["substatus"] == "ignored"
    assert arrived(sandbox.files(), [first])


def test_retry_of_a_stored_file_is_refused(home: Home, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    path = make_fits(folder / "a.fits")
    home.wait_for(OK=1)

    done = home.run("oort", "retry", path, check=False)

    assert done.returncode == 1
    assert "stored" in done.stderr


def test_orders_work_without_a_daemon(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    sandbox.rule(method="POST", path="/datafiles/", status=413, times=1)
    path = make_fits(folder / "a.fits")
    home.wait_for(Error=1)
    home.stop()

    home.oort("retry", "--all")
    home.start()

    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [path])


def test_a_watch_that_is_added_while_it_runs_is_taken(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    watched(home, tmp_path)
    other = tmp_path / "other dome"
    path = make_fits(other / "c.fits")

    home.watch(other, "-d", "by hand")

    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [path])
    assert home.json("status", path)["dataset"] == "by hand"


def test_an_invalid_config_keeps_the_last_good_one(home: Home, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    config = home.folder / "oort" / "config.toml"
    good = config.read_text()

    config.write_text(good + "\nnonsense = 1\n")

    wait_until(
        lambda: b"config.invalid" in home.log_file.read_bytes(), timeout_s=15, what=home.told
    )
    make_fits(folder / "a.fits")
    config.write_text(good)
    home.wait_for(OK=1)
    wait_until(lambda: home.status()["daemon"]["warnings"] == [], timeout_s=15, what=home.told)


def test_unwatch_puts_waiting_files_aside_and_keeps_history(home: Home, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    sent = make_fits(folder / "a.fits")
    home.wait_for(OK=1)
    home.oort("pause")
    waiting = make_fits(folder / "b.fits", salt=1)
    home.wait_for(New=1)

    home.oort("unwatch", folder, "-y")

    home.wait_for(OK=1, Skipped=1)
    assert home.json("status", sent)["status"] == "OK"
    assert home.json("status", waiting)["substatus"] == "ignored"
    assert home.json("folders") == []


def test_new_only_leaves_what_lies_there(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "dome"
    old = make_fits(folder / "old.fits")
    home.watch(folder, "--new-only")
    new = make_fits(folder / "new.fits", salt=1)

    home.start()

    home.wait_for(OK=1, Skipped=1)
    assert arrived(sandbox.files(), [new])
    assert home.json("status", old)["substatus"] == "ignored"


def test_status_answers_for_files_that_are_left_out(home: Home, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    hidden = make_fits(folder / ".cache" / "a.fits")
    excluded = make_fits(folder / "a.tmp")
    empty = folder / "empty.fits"
    empty.touch()

    found = {path: home.json("status", path) for path in (hidden, excluded, empty)}

    assert {path.name: row["substatus"] for path, row in found.items()} == {
        "a.fits": "skipped (hidden file)",
        "a.tmp": "ignored",
        "empty.fits": "skipped (empty file)",
    }
    assert {row["id"] for row in found.values()} == {None}
    assert home.run("oort", "status", tmp_path / "nowhere.fits", check=False).returncode == 1


def test_a_revoked_key_holds_everything_until_a_login(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = watched(home, tmp_path)
    sandbox.renew_key("upload")
    path = make_fits(folder / "a.fits")
    wait_until(
        lambda: home.status()["link"]["state"] == "unauthorised", timeout_s=30, what=home.told
    )
    assert home.json("status", path)["attempts"] == 0

    home.log_in(sandbox)

    home.wait_for(OK=1)


def test_a_stored_file_that_changed_since_is_not_called_safe(home: Home, tmp_path: Path) -> None:
    folder = watched(home, tmp_path)
    path = make_fits(folder / "a.fits")
    home.wait_for(OK=1)
    assert home.json("status", path)["error"] is None
    home.stop()

    make_fits(path, salt=1)

    assert "changed since it was stored" in home.json("status", path)["error"]
    assert "stored and confirmed" not in home.oort("status", path)


def test_a_login_with_the_same_key_tries_an_unauthorised_link_at_once(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    home.configure({"link_retry_max_s": "600"})
    folder = watched(home, tmp_path)
    refusal = sandbox.rule(status=401, path="/")
    make_fits(folder / "a.fits")
    wait_until(
        lambda: home.status()["link"]["state"] == "unauthorised", timeout_s=30, what=home.told
    )
    sandbox.remove(refusal)

    home.log_in(sandbox)

    home.wait_for(OK=1, timeout_s=20)
