"""A home with a daemon as a process of its own: started, asked, stopped, killed, started again.

with home_with(sandbox, tmp_path) as home:
    home.watch(folder)
    home.start()
    home.wait_for(OK=3)
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import tomlkit

from arcsecond.config import KeyType, Secret, add_api, store_key
from tests.support.queue_file import note_of, uploads_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.sandbox import Sandbox

QUICK = {
    "settle_s": "0.3",
    "rescan_s": "2",
    "retry_base_s": "0.2",
    "retry_max_s": "1",
    "link_retry_max_s": "1",
    "stop_grace_s": "2",
}
"""Settings that make a test quick; what is tested is the same."""

_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_MOST_SEARCHED: Final = 50 * 1024**2


class Home:
    """One home folder, and the daemon that may run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "OORT_HOME": str(folder / "oort"),
            "ARCSECOND_CONFIG_DIR": str(folder / "arcsecond"),
            "PYTHONUNBUFFERED": "1",
        }
        self.daemon: subprocess.Popen[bytes] | None = None
        self._told_before = 0
        self._logged_in_at: list[Sandbox] = []
        self._told_a_key: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    # -- commands --------------------------------------------------------------------------------

    def run(
        self, *words: str | os.PathLike[str] | bytes, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `oort` or `arcsecond` (the first word) with the rest, and return what it said."""
        module, *rest = words
        done = subprocess.run(
            [sys.executable, "-m", str(module), *rest],
            env=self.environment,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            input=stdin if stdin is not None else "",
            timeout=90,
            check=False,
        )
        if self._has_a_key((done.stdout + done.stderr).encode(errors="surrogateescape")):
            self._told_a_key.append(f"what {words} said")
        if check and done.returncode != 0:
            raise AssertionError(
                f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def oort(self, *words: str | os.PathLike[str] | bytes) -> str:
        """Run an `oort` command that is to succeed; return its stdout."""
        return self.run("oort", *words).stdout

    def json(self, *words: str | os.PathLike[str] | bytes) -> Any:
        """Run an `oort` command with `--json`; return the document."""
        return json.loads(self.oort(*words, "--json"))

    def know(self, sandbox: Sandbox, *, api: str = "sandbox") -> None:
        """Have a config.ini as after `arcsecond login`, without a process of its own: see `configure`."""
        self._logged_in_at.append(sandbox)
        with pytest.MonkeyPatch.context() as context:
            context.setenv("ARCSECOND_CONFIG_DIR", self.environment["ARCSECOND_CONFIG_DIR"])
            add_api(api, sandbox.url)
            store_key(
                api,
                username=sandbox.username,
                key_type=KeyType.UPLOAD,
                key=Secret(sandbox.upload_key),
            )

    def log_in(self, sandbox: Sandbox, *, api: str = "sandbox", url: str | None = None) -> None:
        """Register the sandbox (or what stands before it) as a server and store its upload key."""
        self._logged_in_at.append(sandbox)
        self.run("arcsecond", "api", api, url or sandbox.url)
        self.run(
            "arcsecond",
            "login",
            "--api",
            api,
            "--username",
            sandbox.username,
            "--type",
            "upload",
            "--key",
            "-",
            stdin=sandbox.upload_key + "\n",
        )

    def readdress(self, url: str) -> None:
        """Write another address of the sandbox's into config.ini, keys kept, as with an editor."""
        file = self.folder / "arcsecond" / "config.ini"
        text = re.sub(r"(?m)^api_server = .*$", f"api_server = {url}", file.read_text())
        if url.startswith("http://") and "127.0.0.1" not in url:
            text = text.replace(f"api_server = {url}", f"api_server = {url}\nallow_http = yes")
        file.write_text(text)

    def configure(self, values: Mapping[str, str] = QUICK) -> None:
        """Write plain settings into config.toml, as somebody with an editor does.

        By hand and not by `oort config set`, which is tested elsewhere: a process for each setting
        of each test is minutes of a test run.
        """
        file = self.folder / "oort" / "config.toml"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        document = tomlkit.parse(file.read_text() if file.exists() else "")
        for key, value in values.items():
            document[key] = json.loads(value) if _NUMBER.fullmatch(value) else value
        aside = file.with_suffix(".new")
        aside.write_text(tomlkit.dumps(document))
        aside.chmod(0o600)
        aside.replace(file)

    def watch(self, folder: Path, *options: str, api: str = "sandbox") -> None:
        """Watch a folder, without a question."""
        self.oort("watch", folder, "--api", api, "-y", *options)

    # -- the daemon ------------------------------------------------------------------------------

    @property
    def log_file(self) -> Path:
        """What the daemon says on stderr, all lives of it."""
        return self.folder / "daemon.stderr"

    def start(self, *, wait: bool = True, under: Sequence[str] = ()) -> None:
        """Start the daemon, run by another program (`under`) where there is one; return when it runs."""
        self._told_before = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as stderr:
            self.daemon = subprocess.Popen(
                [*under, sys.executable, "-m", "oort", "start"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        if wait:
            self.wait_for_start()

    def wait_for_start(self) -> None:
        """Return when the daemon says that it runs."""
        wait_until(self._runs, timeout_s=40, what=self.told)

    def _runs(self) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.daemon.returncode}: {self.told()}")
        return self.has_told("daemon.started")

    def has_told(self, event: str) -> bool:
        """Tell whether the daemon that was started last has said that."""
        return event.encode() in self.log_file.read_bytes()[self._told_before :]

    def cpu_s(self) -> float:
        """Return the processor time that the daemon has used so far, in seconds (proc_pid_stat(5))."""
        assert self.daemon is not None
        fields = Path(f"/proc/{self.daemon.pid}/stat").read_bytes().rpartition(b") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def becomes_idle(self, *, window_s: float = 2.0, timeout_s: float = 30.0) -> None:
        """Wait until the daemon uses less than 5 % of a core over so many seconds."""
        used: list[float] = []

        def is_idle() -> bool:
            before = self.cpu_s()
            time.sleep(window_s)
            used.append(self.cpu_s() - before)
            return used[-1] < 0.05 * window_s

        wait_until(is_idle, timeout_s=timeout_s, what=lambda: f"CPU: {used}\n{self.told()}")

    def told(self) -> str:
        """Return the end of what the daemon said."""
        return self.log_file.read_text(errors="replace")[-6000:]

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        assert self.daemon is not None
        self.daemon.send_signal(number)

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        self.signal(signal.SIGKILL)
        self.ended()

    def ended(self, timeout_s: float = 30.0) -> int:
        """Wait until the daemon has ended; return its exit code."""
        assert self.daemon is not None
        code = self.daemon.wait(timeout_s)
        self.daemon = None
        return code

    def stop(self) -> int:
        """End the daemon with SIGTERM; return its exit code."""
        if self.daemon is None:
            return 0
        self.signal(signal.SIGTERM)
        return self.ended()

    def close(self) -> None:
        """End the daemon, whatever state it is in."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait(30)

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *trouble: object) -> None:
        """End the daemon; whatever was done, the key is in config.ini alone, and no command told it."""
        self.close()
        if not any(trouble):
            strays = self.strays_of_the_key()
            assert not strays, f"a key is, or was told, where it may not be: {strays}"

    # -- its key ---------------------------------------------------------------------------------

    def strays_of_the_key(self) -> list[str]:
        """Return where a key is or was told, besides config.ini: files of this home, and commands."""
        kept = self.folder / "arcsecond" / "config.ini"
        found = list(self._told_a_key)
        for place, _, names in os.walk(self.folder):
            for file in (Path(place, name) for name in names):
                with contextlib.suppress(OSError):  # it has just gone, or is out of reach
                    seen = file.lstat()
                    searched = stat.S_ISREG(seen.st_mode) and seen.st_size <= _MOST_SEARCHED
                    if searched and file != kept and self._has_a_key(file.read_bytes()):
                        found.append(str(file))
        return found

    def _has_a_key(self, content: bytes) -> bool:
        keys = {key for sandbox in self._logged_in_at for key in sandbox.keys}
        return any(key.encode() in content for key in keys)

    # -- what became of it -----------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return `oort status --json`."""
        document: dict[str, Any] = self.json("status")
        return document

    def wait_for(self, timeout_s: float = 60.0, **by_status: int) -> dict[str, Any]:
        """Wait until so many rows are in each status named (`OK=3`); return the status document."""
        latest: dict[str, Any] = {}

        def reached() -> bool:
            counts = self._counts()
            if any(counts.get(status, 0) < count for status, count in by_status.items()):
                return False  # a look into the file costs a hundredth of a command
            latest.update(self.status())
            found = latest["queue"]["by_status"]
            return all(found[status] >= count for status, count in by_status.items())

        wait_until(
            reached,
            timeout_s=timeout_s,
            every_s=0.1,
            what=lambda: f"{self._counts()} {self.json('status')['attention']}\n{self.told()}",
        )
        return latest

    def link(self) -> dict[str, Any]:
        """Return what the daemon noted of its one link, as `oort status` shows it, in a moment."""
        noted = note_of(self.folder / "oort" / "oort.db", "links") or [{"state": "unknown"}]
        link: dict[str, Any] = noted[0]
        return link

    def wait_for_link(self, state: str, words: str = "") -> dict[str, Any]:
        """Wait until the link is in that state, with those words in its reason; return it."""

        def reached() -> dict[str, Any] | None:
            link = self.link()
            return link if link["state"] == state and words in (link["reason"] or "") else None

        return wait_until(
            reached,
            timeout_s=60,
            every_s=0.1,
            what=lambda: f"no {state} link {words!r}: {self.link()}\n{self.told()}",
        )

    def row(self, path: str) -> dict[str, Any]:
        """Return the columns of a file's row in the queue, by its path below the watched folder."""
        return uploads_of(self.folder / "oort" / "oort.db").get(path, {"substatus": None})

    def wait_for_row(self, path: str, **values: Any) -> dict[str, Any]:
        """Wait until a file's row has these values; return it."""

        def reached() -> dict[str, Any] | None:
            row = self.row(path)
            return row if values.items() <= row.items() else None

        return wait_until(
            reached,
            timeout_s=60,
            every_s=0.1,
            what=lambda: f"{path} is not {values}: {self.row(path)}\n{self.told()}",
        )

    def _counts(self) -> dict[str, int]:
        """Return how many rows the queue's file has in each status."""
        file = self.folder / "oort" / "oort.db"
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(
                sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)
            ) as queue,
        ):
            return dict(queue.execute("SELECT status, count(*) FROM uploads GROUP BY status"))
        return {}
