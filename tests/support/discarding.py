"""An Arcsecond that keeps no file: what is uploaded is counted and thrown away, the rest a sandbox answers.

    with Discarding(sandbox.url) as server:
        log_in(sandbox, at=server.url)

`listing` is answered for the files of any dataset, if it is given.
`python -m tests.support.discarding URL [SECONDS]` runs one as a process, which takes so long for
each answer.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

_HEAD_BYTES: Final = 4096
_PIECE_BYTES: Final = 1024 * 1024


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behind: str, answers_after_s: float, listing: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.listing = listing
        self.behind = urlsplit(behind).netloc
        self.answers_after_s = answers_after_s
        self.lock = threading.Lock()
        self.sizes: list[int] = []
        """Bytes of each file, in the order in which they came."""
        self.at_once = self.most_at_once = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        if self.path == "/datafiles/":
            self._discard()
        else:
            self._pass_on()

    def do_GET(self) -> None:
        listing = self.server.listing
        if listing is not None and re.match(r"/datasets/[^/]+/datafiles/(\?|$)", self.path):
            self._answer(200, listing)
        else:
            self._pass_on()

    def do_PATCH(self) -> None:
        self._pass_on()

    def _discard(self) -> None:
        left = int(self.headers["Content-Length"])
        head = self.rfile.read(min(left, _HEAD_BYTES))
        left -= len(head)
        tail = head
        while left:
            piece = self.rfile.read(min(left, _PIECE_BYTES))
            if not piece:
                return
            left -= len(piece)
            tail = (tail + piece)[-_HEAD_BYTES:] if len(piece) < _HEAD_BYTES else piece
        boundary = head[: head.index(b"\r\n")]
        before_file = head.index(b"\r\n\r\n", head.index(b"filename=")) + 4
        behind_file = len(tail) - tail.rindex(b"\r\n" + boundary, 0, tail.rindex(boundary))
        size = int(self.headers["Content-Length"]) - before_file - behind_file
        name = re.search(rb'filename="([^"]*)"', head)
        dataset = re.search(rb'name="dataset"\r\n\r\n([^\r]*)', head)
        tags = re.search(rb'name="tags"\r\n\r\n([^\r]*)', tail)
        assert name
        assert dataset
        assert tags
        with self.server.lock:
            self.server.sizes.append(size)
            number = len(self.server.sizes)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        time.sleep(self.server.answers_after_s)
        with self.server.lock:
            self.server.at_once -= 1
        document = {
            "id": number,
            "name": name[1].decode(),
            "dataset": dataset[1].decode(),
            "size": size,
            "tags": tags[1].decode().split(","),
        }
        self._answer(201, json.dumps(document).encode())

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(self.server.behind)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        answer = connection.getresponse()
        self._answer(answer.status, answer.read())
        connection.close()

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Discarding:
    """The server in a thread of its own; `sizes` has the bytes of each file that came."""

    def __init__(
        self, behind: str, *, answers_after_s: float = 0.0, listing: bytes | None = None
    ) -> None:
        self._server = _Server(behind, answers_after_s, listing)
        self._thread = threading.Thread(target=self._server.serve_forever, name="discarding")
        self.sizes = self._server.sizes
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def most_at_once(self) -> int:
        """How many files waited for their answer at one time."""
        return self._server.most_at_once

    def __enter__(self) -> Discarding:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


if __name__ == "__main__":
    with Discarding(sys.argv[1], answers_after_s=float((*sys.argv[2:], "0")[0])) as running:
        print(running.url, flush=True)
        sys.stdin.read()
