"""How a command reaches the queue: the daemon is the only writer while it runs.

A request is a file in the control folder, written aside and renamed, so that the daemon never sees
half of one; the answer comes back the same way. Without a daemon the command takes the lock and
calls the same function (`carry_out`), so there is one meaning of `retry`, whoever carries it out.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from oort.errors import LockedError, OortError
from oort.locations import write_private_file
from oort.lock import Holder, daemon_of, holding_queue
from oort.policy.nesting import kin_of
from oort.policy.version import FileVersion, RelPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from oort.clock import Clock
    from oort.locations import Locations
    from oort.queue.store import Queue

ASK_EVERY_S: Final = 0.02
_LOOK_EVERY: Final = 25
"""So many questions apart the lock is looked at: is there still a daemon to answer?"""
_REQUEST: Final = ".request.json"
_ANSWER: Final = ".answer.json"
_CREATES: Final = frozenset({"baseline", "pause"})
"""What is worth a queue of its own where there is none yet."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a command asks of the daemon."""

    id: str
    command: str
    arguments: dict[str, Any]


def ask(
    locations: Locations,
    command: str,
    arguments: dict[str, Any],
    *,
    timeout_s: float = 30.0,
) -> dict[str, Any]:
    """Have a command carried out by the daemon, or here where none runs; return its answer.

    Raises `OortError` where it was refused, or where the daemon did not answer in time.
    """
    if daemon_of(locations.lock_file) is None:
        if command == "stop":
            return {"running": False}
        try:
            return _here(locations, command, arguments)
        except LockedError:
            if daemon_of(locations.lock_file) is None:
                raise
            # A daemon has started meanwhile: it is the one to ask.
    request = Request(secrets.token_hex(8), command, arguments)
    folder = locations.control_folder
    asked = folder / f"{request.id}{_REQUEST}"
    answered = folder / f"{request.id}{_ANSWER}"
    content = json.dumps({"command": command, "arguments": arguments}).encode()
    try:
        write_private_file(asked, content)
    except OSError as error:
        raise OortError(
            f"the daemon cannot be asked, {folder} cannot be written: {error.strerror or error}",
            hint="nothing was done; it must be writable and have space",
        ) from error
    try:
        answer = _wait_for(asked, answered, content, locations, timeout_s)
    finally:
        asked.unlink(missing_ok=True)
        answered.unlink(missing_ok=True)
    return _opened(answer)


def _wait_for(
    asked: Path, answered: Path, content: bytes, locations: Locations, timeout_s: float
) -> dict[str, Any]:
    """Wait for an answer as long as there is a daemon to give one."""
    pause = threading.Event()
    for turn in range(max(1, round(timeout_s / ASK_EVERY_S))):
        try:
            return dict(json.loads(answered.read_bytes()))
        except FileNotFoundError:
            pause.wait(ASK_EVERY_S)
        if turn % _LOOK_EVERY == _LOOK_EVERY - 1:
            # A request is taken away after its answer was written, in this order: one that is
            # neither there nor answered was tidied away by a daemon that has only just started.
            has_vanished = not asked.exists() and not answered.exists()
            if daemon_of(locations.lock_file) is None and not answered.exists():
                raise OortError(
                    "the daemon ended before it answered", hint="give the command again"
                )
            if has_vanished:
                write_private_file(asked, content)
    raise OortError(
        f"the daemon did not answer within {timeout_s:.0f} s",
        hint="`oort status` and `oort logs` tell how it is",
    )


def _opened(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise OortError(str(answer["error"]), hint=answer.get("hint"))
    return answer


def requests_in(folder: Path) -> Iterator[Request]:
    """Yield the requests that wait, oldest first; what is no request is put out of the way."""
    for name in _waiting(folder):
        try:
            content = json.loads((folder / name).read_bytes())
            request = Request(
                name.removesuffix(_REQUEST), str(content["command"]), dict(content["arguments"])
            )
        except FileNotFoundError:
            continue  # whoever asked gave up
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log().warning("control.refused", file=name, reason=repr(error))
            with suppress(OSError):
                (folder / name).unlink()
            continue
        yield request


def _waiting(folder: Path) -> list[str]:
    """Return the names of the requests, oldest first."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_REQUEST):
                    with suppress(FileNotFoundError):  # whoever asked gave up
                        found.append((entry.stat().st_mtime_ns, entry.name))
    except FileNotFoundError:
        return []  # nobody ever asked
    return [name for _, name in sorted(found)]


def answer(folder: Path, request: Request, content: dict[str, Any]) -> None:
    """Hand an answer back and take the request away, in this order: none is done twice."""
    asked = folder / f"{request.id}{_REQUEST}"
    if not asked.exists():
        return
    try:
        write_private_file(folder / f"{request.id}{_ANSWER}", json.dumps(content).encode())
    except OSError as error:  # a full disk: what was asked is done, and is not to be done again
        _log().warning("control.not_answered", command=request.command, reason=str(error))
    asked.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove answers that nobody fetched, and requests of before; who still waits asks anew."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name.endswith((_REQUEST, _ANSWER)):
                with suppress(OSError):
                    path.unlink()


def respond(carry_out: Callable[[Request], dict[str, Any]], request: Request) -> dict[str, Any]:
    """Return what carrying out a request gives, or its error in words."""
    try:
        return carry_out(request)
    except OortError as error:
        return {"error": error.message, "hint": error.hint}
    except Exception as error:  # noqa: BLE001  # the dispatcher must outlive any request
        # A request that nobody can carry out would else be taken again and again.
        _log().exception("control.failed", command=request.command)
        return {"error": f"{request.command} failed: {type(error).__name__}: {error}"}


def carry_out(
    queue: Queue, clock: Clock, command: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Do to the queue what a command asks; the daemon's own commands are not among them."""
    from oort.queue import orders

    now = clock.now()
    match command:
        case "retry":
            which, force = _which(arguments), bool(arguments.get("force"))
            told = queue.change(lambda c: orders.retry(c, queue.host, which, now, force=force))
        case "skip":
            which = _which(arguments)
            told = queue.change(lambda c: orders.skip(c, queue.host, which, now))
        case "unwatch":
            watch = str(arguments["watch"])
            told = queue.change(lambda c: orders.let_go(c, queue.host, watch, now))
        case "verify":
            ids = [int(one) for one in arguments["ids"]]
            told = queue.change(lambda c: orders.send_again(c, queue.host, ids, now))
            watch = str(arguments["watch"])
            told.look_again += [(watch, os.fsencode(path)) for path in arguments["paths"]]
        case "baseline":
            return {"recorded": _baseline(queue, arguments)}
        case "pause" | "resume":
            queue.memory.note("paused", True if command == "pause" else None).result()
            return {"paused": command == "pause"}
        case _:
            raise OortError(f"there is no command {command!r} for the queue")
    return {
        "moved": told.moved,
        "refused": told.refused,
        "look_again": [[watch, os.fsdecode(path)] for watch, path in told.look_again],
    }


def looks(done: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Return the (watch, path) of the files that detection must look at after an order."""
    return [(watch, os.fsencode(path)) for watch, path in done.get("look_again", [])]


def _which(arguments: dict[str, Any]) -> Any:
    from oort.queue.orders import Which

    return Which(
        paths=tuple(os.fsencode(path) for path in arguments.get("paths", ())),
        ids=tuple(int(one) for one in arguments.get("ids", ())),
        every_error=bool(arguments.get("all")),
    )


def _baseline(queue: Queue, arguments: dict[str, Any]) -> int:
    """Record what lay in a folder; paths travel as text with surrogates (`os.fsdecode`)."""
    from oort.detect.mounts import real_of

    files = [
        FileVersion(RelPath(os.fsencode(path)), size, mtime_ns, inode)
        for path, size, mtime_ns, inode in arguments["files"]
    ]
    watch, root = str(arguments["watch"]), os.fsencode(arguments["root"])
    folders = [(name, folder) for name, folder in queue.memory.folders() if name != watch]
    kin = kin_of(real_of(root), [(name, real_of(folder)) for name, folder in folders])
    return queue.memory.baseline(watch, root, files, kin)


def _here(locations: Locations, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carry a command out in this process, under the daemon's lock."""
    from oort.clock import SystemClock
    from oort.queue.database import Database
    from oort.queue.opening import OpenQueue, queue_host, require_no_copy
    from oort.settings import load

    settings = load(locations.config_file)
    database = Database.at(settings.database_url(locations))
    if not database.exists:
        require_no_copy(database, locations.backups_folder)
    if not database.exists and command not in _CREATES:
        if command == "resume":
            return {"paused": False}
        return {"moved": 0, "refused": ["there is no queue yet: the daemon has never run"]}
    clock = SystemClock()
    with holding_queue(locations, database.file, Holder(os.getpid(), command)):
        host = queue_host(database, settings.host)
        opened = OpenQueue(database, host=host, clock=clock, may_migrate=not database.exists)
        try:
            return carry_out(opened.queue, clock, command, arguments)
        finally:
            opened.close()


def _log() -> Any:
    """Return the daemon's log; commands, which need none, start sooner without it."""
    import structlog

    return structlog.get_logger("oort.control")
