"""A server that costs little: nginx reads each body to its end, throws it away, and answers.

It knows as much of Arcsecond as a client asks before, while and after it uploads. nginx with its
echo module, because whatever is written in Python would take a core of its own: then the server is
measured, not who sends. The answers can be held back (a server far away), and some be refused.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DATASET: Final = "11111111-1111-4111-8111-111111111111"
_TELESCOPE: Final = "22222222-2222-4222-8222-222222222222"
_MODULES: Final = ("ngx_http_echo_module", "ngx_http_headers_more_filter_module")
_START_S: Final = 5.0
FLUSH_S: Final = 0.1
"""So late may a line be in the log."""

_ANSWERS: Final[dict[str, tuple[int, object]]] = {
    "stored": (201, {"pk": 1, "id": 1}),
    "tagged": (200, {"pk": 1, "id": 1}),
    "busy": (503, {"detail": "Too much to do."}),
    "nothing": (200, []),
    "made": (201, {"uuid": DATASET, "name": "bench"}),
    "dataset": (200, {"uuid": DATASET, "name": "bench", "telescope": None}),
    "telescope": (200, {"uuid": _TELESCOPE, "name": "Bench", "alias": ""}),
    "good_key": (204, None),
    "root": (200, {}),
    "not_found": (404, {"detail": "Not found."}),
}
_ROUTES: Final = {  # of method and path, after the portal that may stand before it
    "POST:(/[^/]+)?/datafiles/": "stored",
    "PATCH:(/[^/]+)?/datafiles/[^/]+/": "tagged",
    "GET:(/[^/]+)?/datasets/": "nothing",
    "POST:(/[^/]+)?/datasets/": "made",
    "(GET|PATCH):(/[^/]+)?/datasets/[^/]+/": "dataset",
    "GET:(/[^/]+)?/datasets/[^/]+/datafiles/": "nothing",
    "GET:(/[^/]+)?/telescopes/[^/]+/": "telescope",
    "POST:/auth/key/verify(-organisation)?/": "good_key",
    "GET:/": "root",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the server's log; times are of the wall clock."""

    ended_at: float
    took_s: float
    """From its first byte to the last of the answer."""
    method: str
    path: str
    status: int
    bytes: int
    connection: str

    @property
    def began_at(self) -> float:
        """When its first byte was there."""
        return self.ended_at - self.took_s

    @property
    def is_upload(self) -> bool:
        """Whether a file came with it, and was taken."""
        brings = self.method == "PUT" or (
            self.method == "POST" and self.path.endswith("/datafiles/")
        )
        return brings and 200 <= self.status < 300


class SinkMissingError(Exception):
    """There is no nginx with the modules that it needs; the text says what to install."""


class Sink:
    """Runs from `with` to its end on a free port of the loopback; `folder` holds its log."""

    def __init__(self, folder: Path, *, delay_s: float = 0.0, refused: float = 0.0) -> None:
        """Hold each answer back by `delay_s`; answer 503 to so large a part of the uploads."""
        self._folder = folder
        self._delay_s = delay_s
        self._refused = refused
        self._log = folder / "access.log"
        self._configuration = folder / "nginx.conf"
        self.port = _free_port()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Sink:
        nginx, modules = _nginx()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log.touch()
        self._configuration.write_text(self._configured(modules))
        # Freed buffers of large bodies stay with the process: no page faults for each body.
        keep = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}
        subprocess.run(
            [nginx, "-c", self._configuration, "-p", self._folder],
            check=True,
            env=os.environ | keep,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        pid = int((self._folder / "nginx.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        while (self._folder / "nginx.pid").exists():
            time.sleep(0.02)

    # -- what came -------------------------------------------------------------------------------

    def mark(self) -> int:
        """Return a place in the log, to ask for what came later."""
        time.sleep(1.5 * FLUSH_S)
        return self._log.stat().st_size

    def requests(self, mark: int) -> list[Request]:
        """Return all that came since the mark, but for the last tenth of a second."""
        return list(self._read(mark))

    def uploads(self, mark: int) -> list[Request]:
        """Return the files that came since the mark, in the order in which they were answered."""
        return [request for request in self._read(mark) if request.is_upload]

    def wait_for(self, files: int, mark: int, *, timeout_s: float) -> list[Request]:
        """Wait until so many files have come since the mark. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        counted, offset = 0, mark
        while (
            True
        ):  # counts what is new only: to read all of it each time would cost what it measures
            with self._log.open("rb") as log:
                log.seek(offset)
                news = log.read().rpartition(b"\n")[0]
            offset += len(news) + 1 if news else 0
            counted += sum(
                request.is_upload
                for line in news.splitlines()
                if (request := _parse(line)) is not None
            )
            if counted >= files:
                return self.uploads(mark)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{counted} of {files} files came within {timeout_s:.0f} s")
            time.sleep(FLUSH_S)

    def _read(self, mark: int) -> Iterator[Request]:
        with self._log.open("rb") as log:
            log.seek(mark)
            whole = log.read().rpartition(b"\n")[0]
        for line in whole.splitlines():
            request = _parse(line)
            if request is not None:
                yield request

    # -- its configuration -----------------------------------------------------------------------

    def _configured(self, modules: list[Path]) -> str:
        loads = "".join(f"load_module {module};\n" for module in modules)
        user = f"user {getpass.getuser()};" if os.getuid() == 0 else ""
        routes = "\n".join(f'"~^{route}$" {action};' for route, action in _ROUTES.items())
        refused = f"{100 * self._refused:g}% unlucky;" if self._refused else ""
        locations = "\n".join(self._location(action) for action in _ANSWERS)
        held_back = f"echo_sleep {self._delay_s:.3f};" if self._delay_s else ""
        places = "".join(
            f"{name}_temp_path {self._folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""
{loads}
{user}
worker_processes 1;
daemon on;
pid {self._folder}/nginx.pid;
error_log {self._folder}/error.log warn;
events {{ worker_connections 2048; multi_accept on; }}
http {{
  log_format bench '$msec $request_time $request_method $uri_asked $status $request_length $connection';
  access_log {self._log} bench buffer=256k flush={1000 * FLUSH_S:.0f}ms;
  {places}
  client_max_body_size 0;
  client_body_buffer_size 512m;
  client_body_timeout 600s;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  tcp_nodelay on;
  server_tokens off;
  default_type application/json;
  map_hash_bucket_size 256;
  map $request_uri $uri_asked {{ "~^(?<before>[^ ?]*)" $before; default "-"; }}
  map "$request_method:$uri" $action {{
    default not_found;
    {routes}
  }}
  split_clients $request_id $luck {{ {refused} * lucky; }}
  map "$action:$luck" $answer {{ "stored:unlucky" busy; default $action; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=1024;
    location / {{ rewrite ^ /_/$answer last; }}
    {locations}
    location /null/ {{
      if ($request_method = HEAD) {{ return 404; }}
      if ($request_method = GET) {{ return 404; }}
      more_set_headers 'Content-Length: 0' 'ETag: "00000000000000000000000000000000"';
      echo_read_request_body; {held_back} echo_status 200; echo -n '';
    }}
  }}
}}
"""

    def _location(self, action: str) -> str:
        status, document = _ANSWERS[action]
        text = "" if document is None else json.dumps(document, separators=(",", ":"))
        held_back = f"echo_sleep {self._delay_s:.3f};" if self._delay_s else ""
        length = f"more_set_headers 'Content-Length: {len(text)}';" if text else ""
        return f"""    location = /_/{action} {{
      internal; {length}
      echo_read_request_body; {held_back} echo_status {status}; echo -n '{text}';
    }}"""


def missing() -> str | None:
    """Return what has to be installed for the sink to run; None where it is there."""
    try:
        _nginx()
    except SinkMissingError as error:
        return str(error)
    return None


def version() -> str:
    """Return which nginx it is."""
    nginx, _ = _nginx()
    told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    return told.strip().rpartition("/")[2]


def _nginx() -> tuple[str, list[Path]]:
    nginx = shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
    if nginx is None:
        raise SinkMissingError("nginx is not installed (Debian: nginx-light)")
    told = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr
    place = re.search(r"--modules-path=(\S+)", told)
    modules = [Path(place[1] if place else "", f"{name}.so") for name in _MODULES]
    if not all(module.exists() for module in modules):
        raise SinkMissingError(
            "nginx has no echo or headers-more module"
            " (Debian: nginx-light libnginx-mod-http-headers-more-filter)"
        )
    return nginx, modules


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _parse(line: bytes) -> Request | None:
    words = line.decode(errors="replace").split(" ")
    with contextlib.suppress(ValueError, IndexError):
        return Request(
            ended_at=float(words[0]),
            took_s=float(words[1]),
            method=words[2],
            path=words[3],
            status=int(words[4]),
            bytes=int(words[5]),
            connection=words[6],
        )
    return None
