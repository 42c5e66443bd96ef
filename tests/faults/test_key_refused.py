"""The key is refused in the middle of the night, and somebody logs in."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from arcsecond.sandbox.store import Store
from tests.support.certificates import Authority
from tests.support.files import arrived, make_fits
from tests.support.proxy import Plan, Proxy
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

NOTICED_S = 10.0
"""A login is noticed within 3 s; the rest is for a machine that is busy."""
TAKEN_S = 15.0
"""The same, and the file."""
LONGER_THAN_A_LOOK_S = 3.0
"""The server may be asked every second (`link_retry_max_s`), and the folder every other one."""


def test_key_revoked_in_mid_run(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A refused key costs no attempt; a login with a new one lets everything flow.

    1. A file is sent; the key is replaced at the server; five files are written.
    2. The link is `unauthorised`, the files are held, no attempt is counted.
    3. A login with the new key, while the daemon runs, is noticed within seconds: all arrive.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    sandbox.renew_key("upload")

    files += [make_fits(folder / f"{n}.fits", 100 * 2880, salt=n) for n in range(1, 6)]
    wait_until(
        lambda: home.status()["link"]["state"] == "unauthorised", timeout_s=30, what=home.told
    )
    waiting = home.json("status", files[-1])
    assert (waiting["substatus"], waiting["attempts"]) == ("held", 0), waiting
    home.log_in(sandbox)
    logged_in = (home.folder / "arcsecond" / "config.ini").stat().st_mtime
    online = datetime.fromisoformat(home.wait_for_link("online")["since"]).timestamp()
    assert 0 < online - logged_in < NOTICED_S

    home.wait_for(OK=6)
    assert arrived(sandbox.files(), files)
    assert {row["attempts"] for row in home.json("uploads")} == {1}


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            "refuses the key of stargazer (401 Unauthorized)",
            id="heard",
        ),
        pytest.param(b"", "refuses the key of stargazer (Invalid key.)", id="lost"),
    ],
)
def test_key_refused_early_by_an_abrupt_close_over_tls(
    home: Home, sandbox: Sandbox, tmp_path: Path, answer: bytes, words: str
) -> None:
    """A 401 before a reset, or lost in it, is a refused key, no trouble of TLS; a login mends it.

    1. A file is sent over https. The key is replaced at the server. From then on it resets the
       connection while a body is being sent, as soon as it has the head: with a 401 or without.
    2. The link is `unauthorised` and names the command; no attempt is counted. What was not heard
       is asked for.
    3. A login over https, while the daemon runs, is taken within some seconds: the file arrives.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    authority = Authority(tmp_path)
    home.configure({"ca_bundle": str(authority.bundle)})
    home.environment["REQUESTS_CA_BUNDLE"] = str(authority.bundle)
    with Proxy(sandbox.port, tls=authority.good()) as proxy:
        home.log_in(sandbox, url=proxy.url)
        home.watch(folder)
        del home.environment["REQUESTS_CA_BUNDLE"]
        home.start()
        files = [make_fits(folder / "a.fits")]
        home.wait_for(OK=1)

        sandbox.renew_key("upload")
        proxy.plan = Plan(once=b"POST /datafiles/", answers=answer, heard_s=0.2)
        proxy.cut()
        files.append(make_fits(folder / "b.fits", 3000 * 2880, salt=1))
        home.wait_for_link("unauthorised", "arcsecond login --api sandbox")
        assert home.row("b.fits")["attempts"] == 0
        causes = [one["cause"] for one in home.json("status", files[-1])["history"]]
        assert [cause for cause in causes if words in cause], causes
        assert not [one for one in sandbox.uploads() if one["file"] == "b.fits" and one["status"]]

        proxy.plan = Plan()
        home.environment["REQUESTS_CA_BUNDLE"] = str(authority.bundle)
        home.log_in(sandbox, url=proxy.url)
        since = time.monotonic()
        home.wait_for_row("b.fits", status="OK")
        assert time.monotonic() - since < TAKEN_S
    assert arrived(sandbox.files(), files)
    assert home.row("b.fits")["attempts"] == 1


def test_login_of_another_user_holds_the_watch(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A visitor's login does not fill the visitor's account.

    1. A file is sent. Somebody else's name and key are stored for the server; a file is written.
    2. The watch is held, with both names; nothing is sent.
    3. The first user logs in again: the file arrives.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    config = home.folder / "arcsecond" / "config.ini"
    before = config.read_text()
    assert sandbox.username in before
    config.write_text(before.replace(sandbox.username, "visitor"))

    wait_until(lambda: _watch(home)["state"] == "held", timeout_s=30, every_s=0.1, what=home.told)
    files.append(make_fits(folder / "b.fits", salt=1))
    home.wait_for_row("b.fits", substatus="pending")
    assert home.json("status", files[-1])["substatus"] == "held"
    said = str(_watch(home))
    assert "visitor" in said
    assert sandbox.username in said
    assert len(sandbox.uploads()) == 1
    home.log_in(sandbox)

    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_login_of_a_visitor_at_the_command_line(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The same with a visitor who has an account of the same server, and really logs in.

    1. A file is sent. A visitor types `arcsecond login` with a name and a key that the server
       takes; a file is written.
    2. The watch is held with both names, in `oort status` too; the visitor's key sends nothing.
    3. The first user logs in again: the file arrives, by that user's key.
    """
    sandbox.stop()
    store = Store(sandbox.storage)
    visitor = store.add_account("visitor", "visitor@example.org", {})
    store.close()
    sandbox.start()
    sandbox.keys |= {visitor.upload_key, visitor.access_key}
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)

    words = ("login", "--api", "sandbox", "--username", visitor.username, "--type", "upload")
    home.run("arcsecond", *words, "--key", "-", stdin=f"{visitor.upload_key}\n")
    wait_until(lambda: _watch(home)["state"] == "held", timeout_s=30, every_s=0.1, what=home.told)
    sandbox.forget_requests()
    files.append(make_fits(folder / "b.fits", salt=1))
    home.wait_for_row("b.fits", substatus="pending")
    threading.Event().wait(LONGER_THAN_A_LOOK_S)
    said = " ".join(home.oort("status").split())
    assert "visitor" in said
    assert sandbox.username in said
    assert "arcsecond login" in said
    assert not sandbox.uploads()

    home.log_in(sandbox)
    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.datasets()) == 1


def _watch(home: Home) -> dict[str, Any]:
    (watch,) = home.status()["watches"]
    return dict(watch)
