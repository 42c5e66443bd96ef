"""The system gives fewer watches for events than there are folders, or none: scans do the work."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.linux, pytest.mark.nightly]


def limited(limit: str, most: int) -> list[str]:
    """Return a command that runs another where that limit of inotify holds (user_namespaces(7))."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare (util-linux)")
    words = [
        *(unshare, "-Ur", "sh", "-c"),
        f'echo {most} > /proc/sys/user/{limit} && exec "$@"',
        "sh",
    ]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs user namespaces")
    return words


def reason_of(home: Home) -> tuple[str, str | None]:
    (watch,) = home.status()["watches"]
    return watch["state"], watch["reason"]


@pytest.mark.parametrize(
    ("folders", "most"),
    [
        (60, 20),
        pytest.param(9_999, 2_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
def test_watches_used_up(
    home: Home, sandbox: Sandbox, tmp_path: Path, folders: int, most: int
) -> None:
    """Folders that the kernel does not watch are scanned; status says so, and what to raise.

    1. Of 61 folders the kernel watches 20. Status says "events come from 20 of 61 folders only".
       (Or of 10,000 it watches 2,000.)
    2. One file into each (of 10,000, into some 500): all arrive, some by events, the others by scans.
    3. A person reads the same words in `oort status`.
    4. Folders go until there are watches enough: the words go too, by themselves.
    """
    folder = tmp_path / "dome"
    for n in range(folders):
        (folder / str(n)).mkdir(parents=True)
    home.configure({"rescan_s": "10"})
    home.watch(folder)
    home.start(under=limited("max_inotify_watches", most))

    words = (
        f"events come from {most} of {folders + 1} folders only: raise fs.inotify.max_user_watches"
    )
    wait_until(
        lambda: reason_of(home) == ("watching", words),
        timeout_s=60,
        every_s=0.5,
        what=lambda: f"{reason_of(home)} {home.told()}",
    )
    assert words in " ".join(home.oort("status").split())
    files = [
        make_fits(folder / str(n) / f"{n}.fits", salt=n)
        for n in range(0, folders, folders // 500 or 1)
    ]
    home.wait_for(120, OK=len(files))
    assert arrived(sandbox.files(), files)

    for n in range(most * 3 // 4, folders):
        shutil.rmtree(folder / str(n))
    wait_until(
        lambda: "raise" not in (reason_of(home)[1] or ""),
        timeout_s=60,
        every_s=0.5,
        what=lambda: f"{reason_of(home)} {home.told()}",
    )


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        ("max_inotify_instances", "fs.inotify.max_user_instances"),
        ("max_inotify_watches", "fs.inotify.max_user_watches"),
    ],
)
def test_no_observer_at_all(
    home: Home, sandbox: Sandbox, tmp_path: Path, limit: str, remedy: str
) -> None:
    """Where there can be no observer the daemon starts, polls, and says why.

    1. The kernel gives no instance (or no watch) of inotify. The daemon starts; the watch is
       `polling`, and the reason names the limit to raise.
    2. Files in old and new folders arrive by polling, and the daemon keeps no more open files for
       each time that it tried.
    """
    folder = tmp_path / "dome"
    (folder / "old").mkdir(parents=True)
    home.configure({"poll_s": "1"})
    home.watch(folder)
    home.start(under=limited(limit, 0))

    wait_until(
        lambda: reason_of(home)[0] == "polling",
        timeout_s=60,
        every_s=0.5,
        what=lambda: f"{reason_of(home)} {home.told()}",
    )
    assert str(reason_of(home)[1]).endswith(f"raise {remedy}")
    files = [make_fits(folder / "old" / "a.fits", salt=1)]
    files += [make_fits(folder / "new" / "deep" / "b.fits", salt=2)]
    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert home.stop() == 0
