"""What plain `requests` reaches: threads that post files, without a queue, a hash or a check.

    python -m benchmarks.plain_requests URL FOLDER THREADS

A peer of the benchmarks: the bar for what the daemon does in the same language with the same
library. Exits with 1 where a file was not taken.
"""

from __future__ import annotations

import os
import queue
import secrets
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.sink import DATASET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO


class Body:
    """A multipart form with a file, read as it goes out."""

    def __init__(self, file: FileIO, name: str) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="dataset"\r\n\r\n{DATASET}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._file = file
        self._length = len(self._head) + os.fstat(file.fileno()).st_size + len(self._tail)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Never used: `requests` wants it of a body that it streams."""
        return iter(())

    def read(self, count: int) -> bytes:
        """Return the next bytes; nothing at the end."""
        head, self._head = self._head, b""
        piece = head + (self._file.read(count - len(head)) or b"")
        if not piece:
            piece, self._tail = self._tail, b""
        return piece


def post_all(url: str, files: queue.SimpleQueue[Path], refused: list[Path]) -> None:
    with requests.Session() as session:
        while True:
            try:
                path = files.get_nowait()
            except queue.Empty:
                return
            with path.open("rb", buffering=0) as file:
                body = Body(file, path.name)
                answer = session.post(
                    url,
                    data=body,
                    headers={
                        "Content-Type": body.content_type,
                        "X-Arcsecond-API-Authorization": "Key bench",
                    },
                    timeout=60,
                )
            if not answer.ok:
                refused.append(path)


def main() -> None:
    server, folder, threads = sys.argv[1:]
    files: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for place, _, names in os.walk(folder):
        for name in names:
            files.put(Path(place, name))
    refused: list[Path] = []
    crew = [
        threading.Thread(target=post_all, args=(f"{server}/datafiles/", files, refused))
        for _ in range(int(threads))
    ]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    sys.exit(bool(refused))


if __name__ == "__main__":
    main()
