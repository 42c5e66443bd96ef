"""What the log says, and above all what it does not."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import resource
import select
import signal
import stat
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from arcsecond.config import KeyType, Secret, store_key
from oort import log
from oort.log_lines import Lines
from oort.remote import account
from oort.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "0b10ad00c0ffee"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logs"


@pytest.fixture
def configure(logs: Path) -> Iterator[Callable[..., io.StringIO]]:
    def start(**changes: Any) -> io.StringIO:
        stream = io.StringIO()
        log.configure(Settings(**changes), logs, [KEY], stream=stream)
        return stream

    yield start
    log.close()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_same_line_goes_to_stderr_and_into_a_private_file(
    configure: Callable[..., io.StringIO], logs: Path
) -> None:
    stream = configure()

    structlog.get_logger().info("upload.stored", path="M31/a.fits", bytes=20160)

    assert "upload.stored" in stream.getvalue()
    assert "path=M31/a.fits" in stream.getvalue()
    assert stream.getvalue() == (logs / log.FILE_NAME).read_text()
    assert 0o600 == stat.S_IMODE((logs / log.FILE_NAME).stat().st_mode)
    assert 0o700 == stat.S_IMODE(logs.stat().st_mode)
    assert "\x1b" not in stream.getvalue()


def test_json_lines_are_documents_with_utc_times(configure: Callable[..., io.StringIO]) -> None:
    stream = configure(log_format="json")
    with structlog.contextvars.bound_contextvars(upload_id=9):
        structlog.get_logger().warning("link.lost", reason="no route")
        logging.getLogger("elsewhere").warning("old %s", "style", extra={"watch": "dome"})

    first, second = lines(stream)

    assert ("link.lost", "warning", "no route", 9) == (
        first["event"],
        first["level"],
        first["reason"],
        first["upload_id"],
    )
    assert first["timestamp"].endswith("Z")
    assert ("old style", 9, "dome") == (second["event"], second["upload_id"], second["watch"])


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_key_is_in_no_line(
    configure: Callable[..., io.StringIO], logs: Path, log_format: str
) -> None:
    stream = configure(log_format=log_format)
    logger = structlog.get_logger()

    logger.info(KEY, upload_key="another", headers={"X-Authorization": "Key abc"})
    logger.info("deep", found=[{"token": "another"}, {"password": "another"}, (KEY,)])
    logger.info("bytes", name=KEY.encode())
    logging.getLogger("urllib3").error("sent X-Arcsecond-API-Authorization: Key another")
    logging.getLogger("sqlalchemy").error("postgresql+psycopg://oort:another@db/oort")
    try:
        refuse(KEY)
    except ValueError:
        logger.exception("attempt.failed")
        logging.getLogger("elsewhere").exception("failed")

    for text in (stream.getvalue(), (logs / log.FILE_NAME).read_text()):
        assert KEY not in text
        assert "another" not in text
        assert "refused ***" in text


def refuse(local_value: str) -> None:
    raise ValueError(f"refused {local_value}")


def test_a_key_that_json_would_escape_is_found_all_the_same(
    configure: Callable[..., io.StringIO],
) -> None:
    stream = configure(log_format="json")
    log.add_secrets(['so"me\nkéy'])

    structlog.get_logger().info("x", text='it is so"me\nkéy')

    assert "it is ***" == lines(stream)[0]["text"]


def test_whether_there_is_a_key_may_be_said(configure: Callable[..., io.StringIO]) -> None:
    stream = configure(log_format="json")

    structlog.get_logger().info("x", has_key=True, key=None)

    assert (True, None) == (lines(stream)[0]["has_key"], lines(stream)[0]["key"])


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_names_that_are_no_utf8_are_written(
    configure: Callable[..., io.StringIO], logs: Path, log_format: str
) -> None:
    configure(log_format=log_format)

    structlog.get_logger().info("seen", path=os.fsdecode(b"caf\xe9"), raw=b"bad\xff.fits")
    logging.getLogger("elsewhere").error("seen %s", os.fsdecode(b"caf\xe9"))

    text = (logs / log.FILE_NAME).read_text()
    assert "bad\\xff.fits" in text.replace("\\\\", "\\")
    assert 2 == text.count("caf\\udce9")


def test_a_name_cannot_forge_a_line(configure: Callable[..., io.StringIO]) -> None:
    stream = configure()

    structlog.get_logger().info("seen", path="a\n2026 [info] upload.stored\x1b[2J")

    assert 1 == stream.getvalue().count("\n")
    assert "\x1b" not in stream.getvalue()


class FullDisk(io.StringIO):
    """A stream that has no space left."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.linux
def test_a_full_disk_never_reaches_the_caller(logs: Path) -> None:
    logs.mkdir(parents=True)
    (logs / log.FILE_NAME).symlink_to("/dev/full")
    log.configure(Settings(), logs, stream=FullDisk())

    structlog.get_logger().info("upload.stored")
    logging.getLogger("elsewhere").error("failed")
    log.close()

    assert (logs / log.FILE_NAME).is_symlink()


def test_a_file_that_was_deleted_is_made_anew(
    configure: Callable[..., io.StringIO], logs: Path
) -> None:
    configure()
    structlog.get_logger().info("before")
    (logs / log.FILE_NAME).unlink()
    structlog.get_logger().info("after")
    logs.joinpath(log.FILE_NAME).rename(logs / "kept")
    (logs / "kept").unlink()
    logs.rmdir()
    structlog.get_logger().info("at last")

    assert "at last" in (logs / log.FILE_NAME).read_text()


def test_a_file_that_others_could_read_is_made_private(
    configure: Callable[..., io.StringIO], logs: Path
) -> None:
    logs.mkdir(parents=True)
    (logs / log.FILE_NAME).touch()
    (logs / log.FILE_NAME).chmod(0o644)

    configure()
    structlog.get_logger().info("x")

    assert 0o600 == stat.S_IMODE((logs / log.FILE_NAME).stat().st_mode)


def test_a_pipe_that_nobody_reads_holds_up_nothing(logs: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        log.configure(Settings(), logs, stream=stream)
        for number in range(3000):
            structlog.get_logger().info("upload.stored", number=number, text="x" * 100)
        assert len((logs / log.FILE_NAME).read_text().splitlines()) == 3000
        log.close()

        said = b""
        while select.select([reader], [], [], 0.5)[0]:  # frees the thread that was left behind
            said += os.read(reader, 65_536)
    os.close(reader)
    assert b"number=0 " in said


def test_a_pipe_has_every_line_when_the_log_is_closed(logs: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        log.configure(Settings(), logs, stream=stream)
        for number in range(100):
            structlog.get_logger().info("upload.stored", number=number)
        log.close()
        said = os.read(reader, 65_536)
    os.close(reader)

    assert len(said.splitlines()) == 100


def test_a_folder_that_cannot_be_made_leaves_stderr(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stream = io.StringIO()

    log.configure(Settings(), tmp_path / "file" / "logs", stream=stream)
    structlog.get_logger().info("daemon.started")
    log.close()

    assert "daemon.started" in stream.getvalue()


def test_warnings_are_logged_and_the_longest_are_cut(
    configure: Callable[..., io.StringIO],
) -> None:
    stream = configure(log_format="json")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("x" * 1_000_000, stacklevel=1)

    assert "RuntimeWarning" in stream.getvalue() or "UserWarning" in stream.getvalue()
    assert 11_000 > len(stream.getvalue())


@pytest.mark.parametrize(("level", "events"), [("debug", 3), ("info", 2), ("warning", 1)])
def test_the_level_leaves_out_what_is_below(
    configure: Callable[..., io.StringIO], level: str, events: int
) -> None:
    stream = configure(log_level=level)

    structlog.get_logger().debug("one")
    structlog.get_logger().info("two")
    structlog.get_logger().warning("three")
    logging.getLogger("urllib3.connectionpool").info("too talkative")

    assert events == stream.getvalue().count("\n")


def test_it_may_be_configured_again_and_closed(
    configure: Callable[..., io.StringIO], logs: Path
) -> None:
    first = configure()
    second = configure(log_format="json")

    structlog.get_logger().info("x")
    log.close()

    assert "" == first.getvalue()
    assert 1 == len(lines(second))
    assert 1 == len((logs / log.FILE_NAME).read_text().splitlines())


def test_a_key_that_was_read_before_stays_hidden(configure: Callable[..., io.StringIO]) -> None:
    log.add_secrets(["read-before"])
    configure()
    stream = configure()

    structlog.get_logger().info("it is read-before")

    assert "it is ***" in stream.getvalue()


def test_a_key_that_the_daemon_reads_is_hidden_from_then_on(
    configure: Callable[..., io.StringIO],
) -> None:
    key = "5f5898f2c7f6640e7a101e398069e0352f84727f"
    store_key("cloud", username="me", key_type=KeyType.UPLOAD, key=Secret(key))
    stream = configure()

    account("cloud")
    structlog.get_logger().info("it slipped out", line=f"here: {key}")

    assert "here: ***" in stream.getvalue()


def test_the_journal_is_told_how_grave_a_line_is(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        log.configure(Settings(), logs, stream=stream)
        structlog.get_logger().info("all.well")
        structlog.get_logger().warning("not.so.well")
        structlog.get_logger().error("all.wrong", exc_info=OSError("it broke"), text="a\nb")
        log.close()
        stream.seek(0)
        first, second, *rest = stream.read().splitlines()

    assert first.startswith("<6>")
    assert second.startswith("<4>")
    assert rest
    assert all(line.startswith("<3>") for line in rest)
    assert "<6>" not in (logs / log.FILE_NAME).read_text()


def test_under_launchd_the_file_is_enough(
    configure: Callable[..., io.StringIO], logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPC_SERVICE_NAME", "io.arcsecond.oort")
    stream = configure()

    structlog.get_logger().info("x")

    assert "" == stream.getvalue()
    assert (logs / log.FILE_NAME).read_text()


def test_handlers_that_show_a_line_alike_share_it() -> None:
    rendered: list[logging.LogRecord] = []

    def render(record: logging.LogRecord) -> str:
        rendered.append(record)
        return f"line {len(rendered)}"

    file, stderr, terminal = Lines(render), Lines(render), Lines(lambda _record: "in colours")
    record = logging.LogRecord("oort", logging.INFO, "", 0, {"event": "x"}, None, None)

    assert ["line 1", "line 1", "in colours"] == [
        each.format(record) for each in (file, stderr, terminal)
    ]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_of_an_error_that_is_handed_in_is_written(
    configure: Callable[..., io.StringIO], log_format: str
) -> None:
    stream = configure(log_format=log_format)
    error = ValueError("no such night")

    structlog.get_logger().error("config.not_taken", exc_info=error)
    structlog.get_logger().info("without", exc_info=None)

    assert 1 == stream.getvalue().count("ValueError")
    assert "no such night" in stream.getvalue()


def test_a_terminal_gets_colours_and_the_file_none(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    log.configure(Settings(), logs, [KEY], stream=stream)

    structlog.get_logger().info("seen", path="a\n2026", text=f"it is {KEY}")
    log.close()

    assert "\x1b[" in stream.getvalue()
    assert KEY not in stream.getvalue()
    assert "\x1b" not in (logs / log.FILE_NAME).read_text()


@pytest.mark.linux
def test_what_a_full_disk_took_of_a_line_is_taken_back(
    configure: Callable[..., io.StringIO], logs: Path
) -> None:
    configure()
    structlog.get_logger().info("before")
    size = (logs / log.FILE_NAME).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
        structlog.get_logger().info("half", text="x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert size == (logs / log.FILE_NAME).stat().st_size

    structlog.get_logger().info("after")

    assert ["before", "after"] == [
        line.split()[-1] for line in (logs / log.FILE_NAME).read_text().splitlines()
    ]


def test_a_full_log_is_set_aside(configure: Callable[..., io.StringIO], logs: Path) -> None:
    configure()
    for _ in range(1200):
        structlog.get_logger().info("x" * 9_990)

    found = sorted(path.name for path in logs.iterdir())

    assert [log.FILE_NAME, f"{log.FILE_NAME}.1"] == found
    assert all(0o600 == stat.S_IMODE(path.stat().st_mode) for path in logs.iterdir())
