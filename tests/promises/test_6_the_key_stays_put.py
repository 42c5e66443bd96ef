"""Promise 6: the key is in one file readable by its owner, and goes to the configured server alone."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.files import make_fits
from tests.support.raw_server import RawServer
from tests.support.wait import wait_until

if TYPE_CHECKING:
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
