"""The server of the night: `arcsecond sandbox` as its own process, and its fault switchboard.

The switchboard is plain HTTP on loopback (docs/sandbox.md), asked with the standard library.
"""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from oort.demo.proof import Copy, sha256_of
from oort.errors import OortError

if TYPE_CHECKING:
    import subprocess
    from threading import Event

    from oort.demo.processes import Processes

_START_LIMIT_S: Final = 30.0
_ANSWER_LIMIT_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.05


class Server:
    """The running sandbox: where it listens, who may come, and what it has."""

    def __init__(self, process: subprocess.Popen[bytes], about: dict[str, str]) -> None:
        self._process = process
        self.url = about["url"]
        self.username = about["username"]
        self.upload_key = about["upload_key"]
        self._files = Path(about["storage"]) / "files"
        self._host = urlsplit(self.url).netloc

    def rule(self, **rule: object) -> int:
        """Add a rule to the switchboard and return its id; raises OortError for a wrong one."""
        return int(self._ask("POST", "/_faults/", rule)["id"])

    def applied(self, rule: int) -> bool:
        """Tell whether a rule has done what it is for."""
        rules = self._ask("GET", "/_faults/")["rules"]
        return any(known["id"] == rule and known["applied"] for known in rules)

    def cut_link(self, for_s: float) -> None:
        """Refuse connections for some seconds, and reset those that there are."""
        self._ask("POST", "/_faults/", {"refuse": True, "for_s": for_s, "cut": True})

    def listens(self) -> bool:
        """Tell whether it answers now."""
        try:
            self._ask("GET", "/_faults/")
        except OSError:
            return False
        return True

    def in_hand(self) -> list[str]:
        """Return the names of the files whose bytes are coming in now."""
        return [
            seen["file"]
            for seen in self._ask("GET", "/_faults/requests/")
            if seen["file"]
            and seen["bytes_received"]
            and not seen["body_complete"]
            and not seen["done"]
        ]

    def stored(self) -> int:
        """Return how many files it says to have."""
        return len(self._ask("GET", "/_faults/files/"))

    def copies(self) -> list[Copy]:
        """Return what it has, each file's bytes hashed as they lie in its storage.

        A record whose file is not there is none.
        """
        found = []
        for record in self._ask("GET", "/_faults/files/"):
            path = self._files / record["dataset_uuid"] / record["name"]
            if path.exists():
                told = path.stat()
                at = datetime.fromtimestamp(told.st_mtime, UTC)
                found.append(Copy(record["name"], told.st_size, sha256_of(path), at))
        return found

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection(self._host, timeout=_ANSWER_LIMIT_S)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            words = said.decode("utf-8", "replace")
            raise OortError(f"the sandbox refuses {method} {path}: {answer.status} {words}")
        return json.loads(said)


def start(processes: Processes, home: Path, stop: Event) -> Server:
    """Start a sandbox below `home` and return it once it listens; raises OortError."""
    output = home / "server.log"
    process = processes.start(
        "arcsecond.sandbox",
        *("--port", "0", "--storage", str(home / "server"), "--faults", "--json"),
        output=output,
    )
    for _ in range(int(_START_LIMIT_S / _LOOK_EVERY_S)):
        line, ended, _ = output.read_text(encoding="utf-8").partition("\n")
        if ended and line.startswith("{"):
            return Server(process, json.loads(line))
        if process.poll() is not None or stop.wait(_LOOK_EVERY_S):
            break
    said = output.read_text(encoding="utf-8").strip()
    raise OortError(f"the sandbox did not start: {said or 'it said nothing'}")
