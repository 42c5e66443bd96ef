"""Promise 6: the key is in one file readable by its owner, and goes to the configured server alone."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.files import make_fits
from tests.support.raw_server import RawServer
from tests.support.wait import wait_until

if TYPE_CHECKING:
    import subprocess

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def test_the_key_is_nowhere_but_in_its_file(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Home, logs, database, process list, environment and all output with -v hold no key."""
    key = sandbox.upload_key.encode()
    folder = tmp_path / "dome"
    make_fits(folder / "a.fits")
    home.oort("config", "set", "log_level", "debug")
    home.watch(folder)
    home.start()
    assert home.daemon is not None
    process = Path("/proc") / str(home.daemon.pid)
    seen = [(process / "cmdline").read_bytes(), (process / "environ").read_bytes()]
    home.wait_for(OK=1)
    for words in (
        ("oort", "status", "--json"),
        ("oort", "status"),
        ("oort", "config"),
        ("oort", "logs"),
        ("arcsecond", "api"),
        ("arcsecond", "me", "--api", "sandbox", "-v"),
        ("arcsecond", "datasets", "--api", "sandbox", "-v"),
        ("arcsecond", "telescopes", "--api", "sandbox", "-v", "--debug"),
    ):
        done = home.run(*words, check=False)
        seen += [done.stdout.encode(), done.stderr.encode()]
    home.stop()

    holders = [
        path for path in home.folder.rglob("*") if path.is_file() and key in path.read_bytes()
    ]

    assert [path.name for path in holders] == ["config.ini"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(holders[0].parent.stat().st_mode) == 0o700
    assert not [words for words in seen if key in words]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_trouble_brings_the_key_out(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever goes wrong, no log, queue, copy, control file or message has the key.

    1. At the level debug a server repeats the key in its answers: in a refusal, in a page of an
       error, and in what is no JSON.
    2. The queue is deleted under the daemon, which ends, and starts again.
    3. The key is withdrawn: the daemon and commands with `-v` and `--debug` are refused.
    4. A server that is not there, and an order that nobody can carry out, are complained of.
    """
    key = sandbox.upload_key.encode()
    home.configure({"log_level": "debug"})
    folder = tmp_path / "dome"
    words = f"who sent X-Arcsecond-API-Authorization: Key {key.decode()} ?"
    sandbox.rule(method="POST", file="refused", status=400, body={"detail": words})
    sandbox.rule(method="POST", file="page", status=500, body=words, content_type="text/html")
    sandbox.rule(method="POST", file="odd", status=200, body=words)
    for number, name in enumerate(("good", "refused", "page", "odd")):
        make_fits(folder / f"{name}.fits", salt=number)
    home.watch(folder)
    seen = [home.run("oort", "watch", folder, "--debug", "-v", check=False)]
    home.start()
    home.wait_for(OK=1, Error=1)
    home.oort("pause")
    home.oort("resume")
    (home.folder / "oort" / "control" / "0.request.json").write_text('{"command": "fly"}')
    seen += _asked(home, folder)
    (home.folder / "oort" / "oort.db").unlink()
    make_fits(folder / "afterwards.fits", salt=9)
    assert home.ended(60) == 1
    sandbox.clear()
    home.start()
    sandbox.renew_key("upload")
    make_fits(folder / "withdrawn.fits", salt=10)
    wait_until(
        lambda: home.status()["link"]["state"] == "unauthorised",
        timeout_s=60,
        every_s=0.5,
        what=home.told,
    )
    seen += _asked(home, folder)
    home.stop()
    sandbox.stop()
    seen += [home.run("arcsecond", "me", "--api", "sandbox", "-v", "--debug", check=False)]

    holders = [
        path.name for path in home.folder.rglob("*") if path.is_file() and key in path.read_bytes()
    ]

    assert holders == ["config.ini"]
    assert not [done.args for done in seen if key.decode() in done.stdout + done.stderr]


def _asked(home: Home, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Return what the commands say, with all they have to say."""
    return [
        home.run(*words, check=False)
        for words in (
            ("oort", "status", "--json", "--debug"),
            ("oort", "uploads", "--json"),
            ("oort", "status", folder / "refused.fits"),
            ("arcsecond", "datasets", "--api", "sandbox", "-v", "--debug"),
            ("arcsecond", "upload", folder / "good.fits", "--api", "sandbox", "-v", "--debug"),
        )
    ]


def test_everything_of_ours_is_for_its_owner_alone(home: Home, tmp_path: Path) -> None:
    """Configuration, database and logs are 0600 in 0700 folders."""
    folder = tmp_path / "dome"
    make_fits(folder / "a.fits")
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)

    ours = [home.folder / "oort", home.folder / "arcsecond"]
    open_to_others = [
        path
        for top in ours
        for path in [top, *top.rglob("*")]
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]

    assert open_to_others == []


def test_the_key_goes_to_the_configured_server_alone(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Wherever the server redirects to, nobody there hears of the key: nobody there is asked."""
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    with RawServer(lambda connection: connection.read_head()) as elsewhere:
        for n, status in enumerate((301, 302, 303, 307, 308)):
            location = {"Location": f"{elsewhere.url}/datafiles/"}
            sandbox.rule(path="/", status=status, headers=location, times=3, skip=3 * n)
        make_fits(folder / "a.fits")
        home.start()
        wait_until(
            lambda: "API address" in str(home.json("status", folder / "a.fits")),
            timeout_s=40,
            every_s=0.5,
            what=home.told,
        )
        sandbox.clear()
        home.wait_for(OK=1)
        assert elsewhere.accepted == 0
