"""One run of one contender: a folder of files, from the program's start to the last answer.

The daemon's time begins with `oort start` and ends when the server has answered the last file:
start, scan, queue, hash and history are in it. A run counts only where each file came once, and
where the queue says that it did.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Final

from benchmarks import vitals
from benchmarks.home import QUICK_SETTLE, Home

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.corpus import Corpus
    from benchmarks.peers import Peer
    from benchmarks.sink import Sink

Reading = dict[str, float]
"""What one run measured: `wall_s`, `cpu_s`, `rss_mib`, `requests`, `connections`."""

_TIMEOUT_S: Final = 600.0


class RunInvalidError(Exception):
    """A run that did not bring each file exactly once; the text says what came."""


def by_daemon(
    corpus: Corpus,
    sink: Sink,
    place: Path,
    build: Path,
    settings: Mapping[str, str] = {},
    *,
    url: str | None = None,
) -> Reading:
    """Have a new daemon find and send the files; `url` where something stands before the sink."""
    with Home(place, build) as home:
        home.log_in(url or sink.url)
        home.set({**QUICK_SETTLE, **settings})
        home.watch(corpus.folder)
        mark = sink.mark()
        began_at = time.time()
        pid = home.start()
        with vitals.PeakMemory(pid) as memory:
            uploads = sink.wait_for(corpus.files, mark, timeout_s=_TIMEOUT_S)
            cpu_s = vitals.ticks_s(pid)
        home.wait_for_ok(corpus.files)
        reading = _reading(corpus, sink, mark, uploads[-1].ended_at - began_at)
    return reading | {"cpu_s": cpu_s, "rss_mib": memory.mib}


def by_peer(corpus: Corpus, sink: Sink, place: Path, peer: Peer) -> Reading:
    """Have another tool send the files."""
    place.mkdir(parents=True, exist_ok=True)
    command = peer.command(sink.url, corpus.folder, place)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(place),
        "PYTHONPATH": os.getcwd(),  # noqa: PTH109  # of `python -m benchmarks.plain_requests`
    }
    mark = sink.mark()
    began_at = time.time()
    tool = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with vitals.PeakMemory(tool.pid) as memory:
        _, status, usage = os.wait4(tool.pid, 0)
        wall_s = time.time() - began_at
    tool.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(place, ignore_errors=True)
    if tool.returncode:
        raise RunInvalidError(f"{peer.name} ended with {tool.returncode}")
    sink.wait_for(corpus.files, mark, timeout_s=5.0)
    cpu_s = usage.ru_utime + usage.ru_stime
    return _reading(corpus, sink, mark, wall_s) | {"cpu_s": cpu_s, "rss_mib": memory.mib}


def _reading(corpus: Corpus, sink: Sink, mark: int, wall_s: float) -> Reading:
    uploads, requests = sink.uploads(mark), sink.requests(mark)
    brought = sum(request.bytes for request in uploads)
    if len(uploads) != corpus.files or brought < corpus.bytes:
        raise RunInvalidError(
            f"{len(uploads)} of {corpus.files} files, {brought} of {corpus.bytes} bytes"
        )
    return {
        "wall_s": wall_s,
        "requests": len(requests),
        "connections": len({request.connection for request in requests}),
    }
