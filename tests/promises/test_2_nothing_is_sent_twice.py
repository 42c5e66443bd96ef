"""Promise 2: a lost answer, a lost database, a restart are settled by asking the server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

POST: Final = {"method": "POST", "path": "/datafiles/$"}
LOST: Final[dict[str, dict[str, Any]]] = {
    "the connection is reset": {"drop": True, "when": "after"},
    "a proxy gives up waiting": {"status": 504, "stored": True, "content_type": "text/html"},
    "a proxy answers for a server that went away": {"status": 502, "stored": True},
    "the answer is empty": {"status": 204, "stored": True},
    "the answer names no file": {"omit": ["pk", "id"]},
    "the answer is a page": {"status": 200, "stored": True, "content_type": "text/html"},
}


def _sent(sandbox: Sandbox) -> Counter[str]:
    """Return how often each file's bytes went to the server."""
    return Counter(one["file"] for one in sandbox.uploads() if one["bytes_received"] > 0)


def test_a_lost_answer_is_settled_by_asking(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever becomes of the answer, a file that the server stored is sent once."""
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    for n, rule in enumerate(LOST.values()):
        sandbox.rule(**POST, **rule, file=f"^{n}_", times=2)

    files = [make_fits(folder / f"{n}_{k}.fits", salt=10 * n + k) for n in range(6) for k in (0, 1)]

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert set(_sent(sandbox).values()) == {1}


@pytest.mark.parametrize("known", ["nothing", "what was known before the last files"])
def test_a_lost_database_is_settled_by_asking(
    home: Home, sandbox: Sandbox, tmp_path: Path, known: str
) -> None:
    """A queue that knows nothing, or too little, sends nothing that the server has."""
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"night {n % 3}" / f"{n}.fits", salt=n) for n in range(20)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=20)
    assert home.stop() == 0
    queue = home.folder / "oort" / "oort.db"
    earlier = queue.read_bytes()
    home.start()
    files += [make_fits(folder / "night 3" / f"{n}.fits", salt=n) for n in range(20, 25)]
    home.wait_for(OK=25)
    home.kill()
    for left in [*queue.parent.glob("oort.db*"), *queue.parent.glob("backups/*")]:
        left.unlink()
    if known != "nothing":
        queue.write_bytes(earlier)

    home.start()

    def is_safe() -> bool:
        found = home.status()["queue"]
        return bool(found["safe"] == len(files) and not found["pending_files"])

    wait_until(is_safe, timeout_s=40, every_s=0.1, what=home.told)
    assert arrived(sandbox.files(), files)
    assert set(_sent(sandbox).values()) == {1}


def test_a_restart_is_settled_by_asking(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Killed in the middle of a body, and after the storing, again and again: one copy of each file."""
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", 20 * 2880, salt=n) for n in range(12)]
    home.configure({"workers": "1"})
    home.watch(folder)
    stored_before_the_kill = []
    for n in range(6):
        home.start(wait=False)
        assert home.daemon is not None
        moment = {"when": "after"} if n % 2 else {"after_bytes": 10_000}
        sandbox.rule(**POST, **moment, kill_pid=home.daemon.pid, times=1)
        assert home.ended(60) == -9
        sandbox.clear()
        if n % 2:
            stored_before_the_kill.append(sandbox.files()[-1]["name"])
    home.start()

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    # A body that was being stored when the daemon was killed may be offered again; it is refused.
    assert len([one for one in sandbox.uploads() if one["status"] == 201]) <= len(files)
    # What was stored for certain is not even offered.
    offered = Counter(one["file"] for one in sandbox.uploads() if one["body_complete"])
    assert len(set(stored_before_the_kill)) == 3
    assert [offered[name] for name in stored_before_the_kill] == [1, 1, 1]
