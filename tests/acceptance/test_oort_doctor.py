"""`oort doctor`: each trouble is provoked for real, found by name, and has a command that mends it.

1. A home that is well, with a running daemon: nothing but `ok`.
2. Nothing is created, and nothing is changed.
3. This home: config.toml, its user, rights, disk, queue, copies.
4. What runs: the daemon, its service, its limits.
5. Keys, server, clock.
6. Each watch: its folder, its neighbours, where it sends to.
7. What the commands mend, they mend.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oort.clock import SystemClock
from oort.locations import make_private_folder
from oort.queue import care
from oort.queue.opening import OpenQueue
from tests.support import mounted
from tests.support.certificates import Authority
from tests.support.daemon import Home
from tests.support.doctor import ask, mend
from tests.support.files import make_fits
from tests.support.proxy import Proxy
from tests.support.rows import sqlite_at
from tests.support.small_disk import small_disk
from tests.support.user_manager import can_be_had, user_manager
from tests.support.wall_clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.sandbox import Sandbox

_NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dome"
    (made / "M31").mkdir(parents=True)
    return made


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """Give one sandbox to all tests, which forgets what it was told to do."""
    shared_sandbox.clear()
    return shared_sandbox


@pytest.fixture
def watched(home: Home, folder: Path) -> Home:
    """Give a home that watches `folder` as `dome`, without a daemon."""
    add_watch(home, "dome", folder, username="stargazer")
    return home


def add_watch(home: Home, name: str, folder: Path, **values: str) -> None:
    """Write a watch into config.toml, as somebody with an editor does."""
    file = home.folder / "oort" / "config.toml"
    told = {"name": name, "path": str(folder), "dataset": "{folder}", "api": "sandbox", **values}
    lines = [f"{key} = {json.dumps(value)}" for key, value in told.items()]
    file.write_text("\n".join([file.read_text(), "[[watch]]", *lines, ""]))


def run_once(home: Home) -> Path:
    """Have a queue as a daemon leaves it, with a copy of it; return its file."""
    state = home.folder / "oort"
    OpenQueue(sqlite_at(state / "oort.db"), host="", clock=SystemClock()).close()
    make_private_folder(state / "backups")
    care.make_copy(state / "oort.db", state / "backups", SystemClock().now())
    return state / "oort.db"


def edit_config(home: Home, old: str, new: str) -> None:
    file = home.folder / "oort" / "config.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def all_below(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and time of change of all that lies there."""
    return {
        str(path): (status.st_mode, status.st_size, status.st_mtime_ns)
        for path in (folder, *folder.rglob("*"))
        for status in [path.lstat()]
    }


# -- 1, 2 -----------------------------------------------------------------------------------------


def test_a_home_that_is_well_is_ok_throughout(watched: Home, folder: Path) -> None:
    make_fits(folder / "M31" / "a.fits")
    watched.start()
    watched.wait_for(OK=1)

    found = ask(watched)

    assert found.troubles == []
    assert found.code == 0
    names = [finding["check"] for finding in found.findings]
    assert names == [
        *("config", "user", "permissions", "disk", "database", "backups", "daemon", "service"),
        *("limits", "events", "keys", "server sandbox", "key sandbox", "clock"),
        *("watch dome", "target dome", "night"),
    ]


def test_nothing_is_created_where_there_is_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "nobody")

    found = ask(home)

    assert list(home.folder.iterdir()) == []
    found.one("config", "warning")
    found.one("keys", "problem")
    found.one("daemon", "problem")
    found.one("database", "warning")


def test_names_that_are_no_utf_8_are_shown_with_escapes(tmp_path: Path) -> None:
    home = Home(tmp_path / os.fsdecode(b"caf\xe9"))
    (home.folder / "oort").mkdir(0o755)

    trouble = ask(home).one("permissions", "warning")

    assert "caf\\xe9/oort: open to others" in trouble["text"]
    mend(home, trouble)
    assert ask(home).is_ok("permissions")


def test_nothing_is_changed_in_a_home_that_was_used(watched: Home, folder: Path) -> None:
    make_fits(folder / "stopped.fits")
    watched.start()
    watched.wait_for(OK=1)
    watched.stop()
    before = all_below(watched.folder) | all_below(folder)

    ask(watched)

    assert all_below(watched.folder) | all_below(folder) == before


def test_a_killed_daemons_queue_is_not_touched(watched: Home, folder: Path) -> None:
    make_fits(folder / "killed.fits")
    watched.start()
    watched.wait_for(OK=1)
    watched.kill()
    before = all_below(watched.folder)

    found = ask(watched)

    after = all_below(watched.folder)
    assert after.keys() == before.keys()
    # Every reader has SQLite look at the index of the log anew; nothing of a row is in there.
    assert [name for name in after if after[name] != before[name]] in (
        [],
        [str(watched.folder / "oort" / "oort.db-shm")],
    )
    assert found.is_ok("database")


# -- 3: this home ---------------------------------------------------------------------------------


def test_a_broken_config_is_named_by_its_line(watched: Home) -> None:
    edit_config(watched, "settle_s", "settle_seconds")

    found = ask(watched)

    trouble = found.one("config", "problem")
    assert 'config.toml:1: unknown key "settle_seconds"' in trouble["text"]
    assert trouble["remedy"].startswith("${EDITOR:-vi} +1 ")


def test_a_database_variable_that_is_no_url(watched: Home) -> None:
    found = ask(watched, environment={"OORT_DATABASE_URL": "nonsense"})

    assert found.one("config", "problem")["remedy"] == "unset OORT_DATABASE_URL"


def test_a_home_without_a_watch(home: Home) -> None:
    assert ask(home).one("config", "warning")["remedy"] == "oort watch FOLDER"


def test_files_that_are_open_to_others_are_closed_by_the_remedy(watched: Home) -> None:
    run_once(watched)
    (watched.folder / "oort" / "oort.db").chmod(0o644)
    (watched.folder / "oort" / "config.toml").chmod(0o640)

    trouble = ask(watched).one("permissions", "warning")
    assert "oort.db" in trouble["text"]
    assert "config.toml" in trouble["text"]
    mend(watched, trouble)

    assert ask(watched).is_ok("permissions")


def test_a_read_only_disk(watched: Home) -> None:
    run_once(watched)
    with small_disk(watched.folder / "oort", mb=1100) as disk:
        disk.read_only()
        trouble = ask(watched).one("permissions", "problem")

    assert "is read-only" in trouble["text"]
    assert trouble["remedy"] == f"sudo mount -o remount,rw {watched.folder / 'oort'}"


def test_a_file_of_somebody_else_in_our_folder(watched: Home) -> None:
    file = run_once(watched)
    _require_root()
    os.chown(file, _NOBODY, _NOBODY)

    trouble = ask(watched).one("permissions", "problem")

    assert trouble["remedy"] == f"sudo chown root {file}"


def test_folders_that_cannot_be_written(open_home: Home) -> None:
    state = open_home.folder / "oort"
    state.chmod(0o500)

    trouble = ask(open_home, under=_as_nobody(open_home)).one("permissions", "problem")

    assert trouble["remedy"] == f"chmod u+rwX {state}"


def test_another_user_than_the_queues(watched: Home) -> None:
    run_once(watched)
    _require_root()
    subprocess.run(["chown", "-R", f"{_NOBODY}", watched.folder / "oort"], check=True)

    trouble = ask(watched).one("user", "warning")

    assert trouble["remedy"].startswith("sudo -u nobody env ")
    assert trouble["remedy"].endswith(" oort doctor")


def test_root_by_sudo(home: Home) -> None:
    _require_root()

    trouble = ask(home, environment={"SUDO_USER": "acq"}).one("user", "warning")

    assert trouble["remedy"].startswith("sudo -u acq ")


@pytest.mark.parametrize(("mb", "state"), [(100, "problem"), (500, "warning")])
def test_little_space_on_the_disk(home: Home, mb: int, state: str) -> None:
    with small_disk(home.folder / "oort", mb=mb):
        trouble = ask(home).one("disk", state)

    assert " MB are free" in trouble["text"]
    assert str(home.folder / "oort") in trouble["remedy"]


def damage(file: Path) -> None:
    """Overwrite all pages but the first."""
    with file.open("r+b") as written:
        written.seek(4096)
        written.write(b"\x5a" * (file.stat().st_size - 4096))


def test_a_damaged_queue_is_set_aside_by_the_remedy(watched: Home) -> None:
    file = run_once(watched)
    damage(file)

    trouble = ask(watched).one("database", "problem")

    assert "is damaged" in trouble["text"]
    assert trouble["remedy"] == f"touch {file}.suspect && oort start"


def test_a_queue_of_another_schema(watched: Home) -> None:
    file = run_once(watched)
    for schema, remedy in (("0001", "oort start"), ("0999", "pip install --upgrade arcsecond")):
        with closing(sqlite3.connect(file)) as queue, queue:
            queue.execute("UPDATE alembic_version SET version_num = ?", (schema,))

        trouble = ask(watched).one("database", "problem")

        assert f"schema {schema}" in trouble["text"]
        assert trouble["remedy"] == remedy


def test_a_file_that_is_no_queue(watched: Home) -> None:
    file = watched.folder / "oort" / "oort.db"
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE songs (name TEXT)")

    trouble = ask(watched).one("database", "problem")

    assert "is no queue of oort's" in trouble["text"]
    assert trouble["remedy"].startswith(f"mv {file} ")


def test_a_queue_that_was_deleted(watched: Home) -> None:
    file = run_once(watched)
    file.unlink()

    assert "is gone" in ask(watched).one("database", "problem")["text"]


def test_a_queue_on_a_network_share(watched: Home, tmp_path: Path) -> None:
    run_once(watched)
    state = watched.folder / "oort"
    state.rename(tmp_path / "served")
    with mounted.share(tmp_path / "served", state):
        trouble = ask(watched).one("database", "problem")

    assert "is on a network file system" in trouble["text"]
    assert trouble["remedy"].startswith("oort config set database sqlite:///")


def test_a_database_server_that_is_away(watched: Home) -> None:
    watched.configure({"database": "postgresql+psycopg://oort:secret@127.0.0.1:9/oort"})

    trouble = ask(watched).one("database", "problem")

    assert "cannot be opened" in trouble["text"]
    assert "secret" not in trouble["text"]
    assert ask(watched).is_ok("backups")


def test_a_log_of_the_queue_that_has_grown(watched: Home) -> None:
    file = run_once(watched)
    file.with_name("oort.db-shm").touch(0o600)
    log = file.with_name("oort.db-wal")
    log.touch(0o600)
    os.truncate(log, 300 * 1024**2)  # sparse: what counts is its length

    trouble = ask(watched).one("database", "warning")

    assert "has grown to 300 MB" in trouble["text"]


def test_copies_of_the_queue_that_are_old_or_no_good(watched: Home) -> None:
    run_once(watched)
    (copy,) = (watched.folder / "oort" / "backups").glob("oort-*.db")
    assert ask(watched).is_ok("backups")
    long_ago = copy.stat().st_mtime - 3 * 86_400
    os.utime(copy, (long_ago, long_ago))

    assert "is 3 days old" in ask(watched).one("backups", "warning")["text"]
    damage(copy)
    trouble = ask(watched).one("backups", "warning")

    assert "no copy of the queue" in trouble["text"]
    assert trouble["remedy"] == "oort start"


# -- 4: what runs ---------------------------------------------------------------------------------


def test_no_daemon(watched: Home) -> None:
    assert ask(watched).one("daemon", "problem")["remedy"] == "oort start"


def test_a_daemon_of_another_version(watched: Home) -> None:
    watched.start()
    lock = watched.folder / "oort" / "oort.lock"
    told = json.loads(lock.read_text())
    lock.write_text(json.dumps(told | {"version": "0.0.1"}))

    trouble = ask(watched).one("daemon", "warning")

    assert "runs as version 0.0.1" in trouble["text"]
    assert trouble["remedy"] == "oort stop && oort start"


def test_a_daemon_in_the_foreground_beside_a_service(watched: Home) -> None:
    watched.run("oort", "service", "install", check=False)  # no manager: the file is written
    watched.start()

    found = ask(watched)

    assert found.one("daemon", "warning")["remedy"] == "oort stop && oort service start"
    assert "does not answer" in found.one("service", "warning")["text"]


@pytest.mark.linux
@pytest.mark.slow
def test_a_service_that_is_not_well(watched: Home, tmp_path: Path) -> None:
    if not can_be_had():
        pytest.skip("needs root, systemd and dbus-daemon")
    with user_manager(watched.environment, tmp_path / "systemd.log") as manager:

        def oort(*words: str) -> str:
            return manager.run([sys.executable, "-m", "oort", *words], check=False).stdout

        def troubles_of(check: str) -> list[dict[str, Any]]:
            found = json.loads(oort("doctor", "--json"))
            return [one for one in found if one["check"] == check and one["remedy"]]

        oort("service", "install")
        stopped, lingering = troubles_of("service")
        assert (stopped["state"], stopped["remedy"]) == ("problem", "oort service start")
        assert "inactive" in stopped["text"]
        assert lingering["remedy"] == "loginctl enable-linger root"
        assert lingering["state"] == "warning"
        (daemon,) = troubles_of("daemon")
        assert daemon["remedy"] == "oort service start"

        manager.run(["systemctl", "--user", "disable", "oort"])
        _, disabled, _ = troubles_of("service")
        assert (disabled["state"], disabled["remedy"]) == ("warning", "oort service install")

        unit = watched.folder / ".config" / "systemd" / "user" / "oort.service"
        text = unit.read_text().replace("Restart=on-failure", "Restart=no")
        unit.write_text(text.replace("ExecStart=", "ExecStart=/bin/false "))
        manager.run(["systemctl", "--user", "daemon-reload"])
        oort("service", "start")
        failed, *_ = troubles_of("service")
        assert (failed["state"], failed["remedy"]) == ("problem", "oort service start")
        assert "has failed" in failed["text"]


@pytest.mark.linux
def test_a_limit_of_open_files(watched: Home) -> None:
    trouble = ask(watched, under=["prlimit", "--nofile=200:"]).one("limits", "warning")

    assert "may open 200 files" in trouble["text"]
    assert trouble["remedy"] == "ulimit -n 1024 && oort start"


@pytest.mark.linux
@pytest.mark.parametrize(
    ("limit", "value", "setting"),
    [
        ("max_inotify_watches", 10, "user.max_inotify_watches=524288"),
        ("max_inotify_instances", 0, "user.max_inotify_instances=1024"),
    ],
)
def test_limits_of_events(
    watched: Home, folder: Path, limit: str, value: int, setting: str
) -> None:
    for number in range(30):
        (folder / str(number)).mkdir()
    shell = f'echo {value} > /proc/sys/user/{limit} && exec "$0" "$@"'
    may = subprocess.run(["unshare", "-Ur", "true"], check=False)
    if may.returncode:
        pytest.skip("no user namespaces here")

    trouble = ask(watched, under=["unshare", "-Ur", "sh", "-c", shell]).one("events", "warning")

    assert trouble["remedy"].startswith(f"echo {setting} | sudo tee -a /etc/sysctl.d/")
    assert ask(watched).is_ok("events")


# -- 5: keys, server, clock -----------------------------------------------------------------------


def test_no_config_ini(watched: Home) -> None:
    (watched.folder / "arcsecond" / "config.ini").unlink()

    found = ask(watched)

    assert found.one("keys", "problem")["remedy"] == "arcsecond login --api sandbox"
    assert found.one("server sandbox", "problem")["remedy"] == "arcsecond api add sandbox URL"


def test_a_broken_config_ini(watched: Home) -> None:
    file = watched.folder / "arcsecond" / "config.ini"
    file.write_text("[cloud]\nnonsense\n")

    trouble = ask(watched).one("keys", "problem")

    assert trouble["remedy"] == f"${{EDITOR:-vi}} +2 {file}"


def test_keys_that_others_may_read_are_closed_by_the_remedy(watched: Home) -> None:
    file = watched.folder / "arcsecond" / "config.ini"
    file.chmod(0o644)

    trouble = ask(watched).one("keys", "problem")
    mend(watched, trouble)

    assert trouble["remedy"] == f"chmod 600 {file}"
    assert ask(watched).is_ok("keys")


def test_no_key(watched: Home) -> None:
    watched.run("arcsecond", "logout", "--api", "sandbox")

    found = ask(watched)

    assert found.one("key sandbox", "problem")["remedy"] == "arcsecond login --api sandbox"
    assert found.is_ok("server sandbox")


def test_a_key_that_is_refused(watched: Home, sandbox: Sandbox) -> None:
    sandbox.renew_key("upload")

    trouble = ask(watched).one("key sandbox", "problem")

    assert f"refuses the key of {sandbox.username}" in trouble["text"]
    assert trouble["remedy"] == f"arcsecond login --api sandbox --username {sandbox.username}"


def test_a_key_of_another_user_than_the_watch_names(watched: Home) -> None:
    edit_config(watched, 'username = "stargazer"', 'username = "visitor"')

    trouble = ask(watched).one("key sandbox", "problem")

    assert 'the watch "dome" sends for visitor' in trouble["text"]
    assert trouble["remedy"] == "arcsecond login --api sandbox --username visitor"


def test_a_server_that_is_not_registered(watched: Home) -> None:
    edit_config(watched, 'api = "sandbox"', 'api = "elsewhere"')

    trouble = ask(watched).one("server elsewhere", "problem")

    assert "no API server is known as 'elsewhere'" in trouble["text"]
    assert trouble["remedy"] == "arcsecond api add elsewhere URL"


def test_a_server_that_refuses_connections(watched: Home, sandbox: Sandbox) -> None:
    sandbox.refuse()

    found = ask(watched)

    assert "Connection refused" in found.one("server sandbox", "problem")["text"]
    assert found.is_ok("key sandbox")
    assert [one for one in found.findings if one["check"] == "target dome"] == []


def test_a_server_that_says_nothing(watched: Home, sandbox: Sandbox) -> None:
    with Proxy(sandbox.port) as proxy:
        watched.readdress(proxy.url)
        proxy.freeze()
        trouble = ask(watched).one("server sandbox", "problem")

    assert "within 5 s" in trouble["text"]


def test_a_name_that_no_server_has(watched: Home) -> None:
    watched.readdress("https://no-such-host.invalid")

    assert "no such host" in ask(watched).one("server sandbox", "problem")["text"]


def test_a_proxy_that_is_away(watched: Home) -> None:
    watched.readdress("https://no-such-host.invalid")
    watched.configure({"proxy": "http://127.0.0.1:9"})

    trouble = ask(watched).one("server sandbox", "problem")

    assert "the proxy: Connection refused" in trouble["text"]
    assert trouble["remedy"] == "oort config set proxy http://HOST:PORT"


@pytest.mark.parametrize(
    ("kind", "words", "remedy"),
    [
        ("of_nobody_known", "is not trusted", "oort config set ca_bundle FILE"),
        ("expired", "has expired", "sudo timedatectl set-ntp true"),
        ("not_yet_valid", "is not yet valid", "sudo timedatectl set-ntp true"),
        ("of_another_host", "of another host", "arcsecond api add sandbox URL"),
    ],
)
def test_certificates(watched: Home, sandbox: Sandbox, kind: str, words: str, remedy: str) -> None:
    authority = Authority(watched.folder)
    watched.configure({"ca_bundle": str(authority.bundle)})
    with Proxy(sandbox.port, tls=getattr(authority, kind)()) as proxy:
        watched.readdress(proxy.url)
        trouble = ask(watched).one("server sandbox", "problem")

    assert words in trouble["text"]
    assert trouble["remedy"] == remedy


def test_a_server_without_tls(watched: Home, sandbox: Sandbox) -> None:
    watched.readdress(sandbox.url.replace("http://", "https://"))

    trouble = ask(watched).one("server sandbox", "problem")

    assert trouble["remedy"] == "arcsecond api add sandbox URL"


def test_the_page_of_a_hotel(watched: Home, sandbox: Sandbox) -> None:
    sandbox.rule(status=200, body="<html>Welcome to the hotel.</html>", content_type="text/html")

    trouble = ask(watched).one("server sandbox", "problem")

    assert trouble["remedy"] == f"python3 -m webbrowser {sandbox.url}"


def test_a_redirect_leads_to_the_right_address(watched: Home, sandbox: Sandbox) -> None:
    sandbox.rule(status=302, headers={"Location": "https://api.elsewhere.org/x/"})

    trouble = ask(watched).one("server sandbox", "problem")

    assert "redirects to api.elsewhere.org" in trouble["text"]
    assert trouble["remedy"] == "arcsecond api add sandbox https://api.elsewhere.org"


def test_a_server_in_trouble_is_a_warning(watched: Home, sandbox: Sandbox) -> None:
    sandbox.rule(status=503)

    assert "is in trouble" in ask(watched).one("server sandbox", "warning")["text"]


@pytest.mark.linux
@pytest.mark.parametrize(
    ("by", "state", "words"),
    [
        (timedelta(minutes=10), "warning", "10 minutes ahead of"),
        (timedelta(days=-400), "problem", "400 days behind"),
    ],
)
def test_a_clock_that_is_wrong(
    watched: Home, tmp_path: Path, by: timedelta, state: str, words: str
) -> None:
    clock = WallClock(tmp_path)
    clock.step(by)

    trouble = ask(watched, environment=clock.environment).one("clock", state)

    assert words in trouble["text"]
    assert trouble["remedy"] == "sudo timedatectl set-ntp true"


# -- 6: each watch --------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_made_by_the_remedy(watched: Home, folder: Path) -> None:
    shutil.rmtree(folder)

    trouble = ask(watched).one("watch dome", "problem")
    mend(watched, trouble)

    assert trouble["remedy"] == f"mkdir -p {folder}"
    assert ask(watched).is_ok("watch dome")


def test_a_disk_that_is_not_plugged_in(home: Home) -> None:
    add_watch(home, "usb", Path("/media/nobody/images"))

    trouble = ask(home).one("watch usb", "problem")

    assert "not plugged in" in trouble["text"]
    assert trouble["remedy"].startswith("lsblk ")


def test_a_share_that_does_not_answer_hides_nothing_else(
    watched: Home, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "guider"
    other.mkdir()
    add_watch(watched, "guider", other)
    served = tmp_path / "served"
    folder.rename(served)
    with mounted.share(served, folder) as share:
        assert "gives no events" in _text(ask(watched).findings, "watch dome")
        share.stall()
        try:
            found = ask(watched, under=["env"])
        finally:
            share.go_on()

    assert "does not answer" in found.one("watch dome", "problem")["text"]
    assert found.is_ok("watch guider")
    assert found.is_ok("events")


def test_folders_that_cannot_be_read(open_home: Home) -> None:
    root = open_home.folder / "images"
    (root / "M31").mkdir(parents=True)
    add_watch(open_home, "images", root)
    as_nobody = _as_nobody(open_home)
    (root / "M31").chmod(0o000)

    trouble = ask(open_home, under=as_nobody).one("watch images", "warning")
    assert trouble["remedy"] == f"chmod u+rX {root / 'M31'}"
    root.chmod(0o000)
    trouble = ask(open_home, under=as_nobody).one("watch images", "problem")
    assert trouble["remedy"] == f"chmod u+rX {root}"
    mend(open_home, trouble)
    os.chown(root / "M31", 0, 0)

    trouble = ask(open_home, under=as_nobody).one("watch images", "warning")

    assert trouble["remedy"] == f"sudo setfacl -R -m u:nobody:rX {root}"


def test_two_watches_of_one_dataset(watched: Home, tmp_path: Path) -> None:
    (tmp_path / "b" / "dome").mkdir(parents=True)
    add_watch(watched, "second", tmp_path / "b" / "dome")

    found = ask(watched)
    trouble = found.one("watch second", "warning")

    assert found.is_ok("watch dome")
    assert 'the watch "dome" fills the same dataset' in trouble["text"]
    assert trouble["remedy"] == f"oort watch {tmp_path / 'b' / 'dome'} -d '{{watch}}/{{folder}}'"


def test_nested_watches_of_one_dataset(watched: Home, folder: Path) -> None:
    edit_config(watched, 'dataset = "{folder}"', 'dataset = "Nights"')
    add_watch(watched, "M31", folder / "M31", dataset="Nights")

    assert "contains this folder" in ask(watched).one("watch M31", "warning")["text"]


def test_one_folder_that_is_watched_twice(watched: Home, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    add_watch(watched, "again", tmp_path / "link")

    assert ask(watched).one("watch again", "warning")["remedy"] == "oort unwatch again"


def test_a_role_that_may_not_upload(watched: Home, sandbox: Sandbox, folder: Path) -> None:
    sandbox.add_portal("domeclub", "guest")
    edit_config(watched, 'api = "sandbox"', 'api = "sandbox"\nportal = "domeclub"')

    trouble = ask(watched).one("target dome", "problem")

    assert "which may not upload" in trouble["text"]
    assert trouble["remedy"] == f"oort watch {folder} -p PORTAL"


@pytest.mark.parametrize(
    ("line", "words", "option"),
    [
        ('portal = "nowhere"', "there is no portal nowhere", "-p PORTAL"),
        ('telescope = "nowhere"', "there is no telescope nowhere", "-t TELESCOPE"),
    ],
)
def test_a_portal_or_telescope_that_does_not_exist(
    watched: Home, folder: Path, line: str, words: str, option: str
) -> None:
    edit_config(watched, 'api = "sandbox"', f'api = "sandbox"\n{line}')

    trouble = ask(watched).one("target dome", "problem")

    assert words in trouble["text"]
    assert trouble["remedy"] == f"oort watch {folder} {option}"


def test_a_dataset_that_does_not_exist(watched: Home) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    edit_config(watched, 'dataset = "{folder}"', f'dataset = "{nowhere}"')

    assert f"no dataset {nowhere}" in ask(watched).one("target dome", "problem")["text"]


# -- words ----------------------------------------------------------------------------------------


def test_the_words_name_the_remedy_and_end_with_a_verdict(watched: Home) -> None:
    done = watched.run("oort", "doctor", check=False)

    assert done.returncode == 1
    assert done.stderr == ""
    *_, problem, remedy, empty, verdict = done.stdout.splitlines()
    assert problem.startswith("problem  daemon ")
    assert remedy.strip() == "oort start"
    assert empty == ""
    assert verdict == "1 problem and 1 warning; 15 checks found nothing."
    assert "\x1b" not in done.stdout


def test_verbose_shows_what_the_server_was_asked(watched: Home, sandbox: Sandbox) -> None:
    done = watched.run("oort", "doctor", "-v", check=False)

    assert f"> GET {sandbox.url}/profiles/{sandbox.username}/" in done.stderr
    assert sandbox.upload_key not in done.stderr


# -- other users ----------------------------------------------------------------------------------


@pytest.fixture
def open_home(sandbox: Sandbox) -> Any:
    """Give a home that every user may enter, which those of pytest are not."""
    import tempfile

    place = Path(tempfile.mkdtemp(prefix="oort-test-"))
    place.chmod(0o755)
    with Home(place / "observatory") as made:
        made.know(sandbox)
        made.configure()
        yield made
    subprocess.run(["chmod", "-R", "u+rwX", place], check=True)
    shutil.rmtree(place)


def _as_nobody(home: Home) -> Sequence[str]:
    """Hand a home to a user who is not root; return what starts a program as that user."""
    _require_root()
    as_nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    done = subprocess.run([*as_nobody, sys.executable, "-c", "import oort"], check=False)
    if done.returncode:
        pytest.skip("needs setpriv, and Python where another user may read it")
    subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", home.folder], check=True)
    return as_nobody


def _require_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


def _text(findings: list[dict[str, Any]], check: str) -> str:
    return " ".join(one["text"] for one in findings if one["check"] == check)
