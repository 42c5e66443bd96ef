"""The installed `arcsecond upload` as a process, against a sandbox as another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.config import ArcsecondConfig, drop_keys, list_apis
from tests.support.client import API, log_in, paths_of, stored, write_files
from tests.support.terminal import at_a_terminal
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.sandbox import Sandbox

ARCSECOND = str(Path(sys.executable).with_name("arcsecond"))
UPLOADS = {"method": "POST", "path": "/datafiles/"}


@pytest.fixture
def account(sandbox: Sandbox) -> Sandbox:
    """A sandbox that the command is logged in to."""
    log_in(sandbox)
    return sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(
        tmp_path / "M31",
        {
            "a.fits": os.urandom(200_000),
            "L/b.fits": "b",
            "L/c d.fits": "cc",
            ".DS_Store": "x",
            ".git/config": "x",
            "empty.fits": "",
        },
    )


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [ARCSECOND, "upload", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def upload(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command without a terminal; neither key may show, and no traceback."""
    done = subprocess.run(
        [ARCSECOND, "upload", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=110,
        start_new_session=True,
        check=False,
    )
    shown = done.stdout + done.stderr
    config = ArcsecondConfig("cloud" if API not in {api.name for api in list_apis()} else API)
    for key in (config.upload_key, config.access_key):
        assert key is None or key.reveal() not in shown
    assert "Traceback" not in shown
    return done


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("Error: ")]


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the table at the end: how many files had which outcome."""
    _, _, table = done.stdout.partition("status")
    rows = (line.rsplit(maxsplit=1) for line in table.partition("\n\n")[0].splitlines()[1:])
    return {" ".join(words.split()): int(count) for words, count in rows}


def test_a_folder_arrives_and_the_outcomes_are_counted(account: Sandbox, folder: Path) -> None:
    done = upload(folder, "-d", "M31", "-y")
    assert (done.returncode, done.stderr) == (0, "")
    assert counts(done) == {
        "OK done": 3,
        "Skipped skipped (empty file)": 1,
        "Skipped skipped (hidden file)": 2,
    }
    assert stored(account, "M31") == {"a.fits": 200_000, "b.fits": 1, "c d.fits": 2}


def test_the_summary_says_what_will_be_done(account: Sandbox, folder: Path) -> None:
    telescope = account.telescopes(account.portal)[0]
    done = upload(
        *(folder, "-d", "M31", "-p", account.portal, "-t", telescope["uuid"]),
        *("--tags", "m31,season 2", "--no-raw", "--bwlimit", "100k"),
        stdin="n\n",
    )
    assert done.returncode == 1
    for words in (
        account.username,
        account.url,
        account.portal,
        "M31 (new",
        telescope["name"],
        str(folder),
        "3 files, 195.3 KB",
        "2 hidden, 1 empty",
        "not raw, tagged m31, season 2",
        "100.0 KB/s: about 2 s",
    ):
        assert words in done.stdout


@pytest.mark.parametrize("stdin", ["", "n\n", "\n"])
def test_a_question_that_is_not_answered_with_yes_changes_nothing(
    account: Sandbox, folder: Path, stdin: str
) -> None:
    done = upload(folder, "-d", "M31", stdin=stdin)
    assert done.returncode == 1
    assert errors(done) == []
    assert "Upload? [y/N]" in done.stderr
    assert paths_of(account, "POST") == ["/auth/key/verify/"]


def test_yes_is_an_answer(account: Sandbox, folder: Path) -> None:
    assert upload(folder, "-d", "M31", stdin="y\n").returncode == 0
    assert len(stored(account)) == 3


def test_running_again_sends_only_what_is_missing(account: Sandbox, folder: Path) -> None:
    upload(folder, "-d", "M31", "-y")
    write_files(folder, {"new.fits": "new"})
    account.forget_requests()
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 0
    assert "M31 (existing, 3 files" in done.stdout
    assert "To send        1 file, 3 bytes" in done.stdout
    assert counts(done)["OK done"] == 1
    assert counts(done)["Skipped already synced"] == 3
    assert len(account.uploads()) == 1


def test_a_file_that_the_server_renamed_is_found_and_the_summary_says_so(
    account: Sandbox, folder: Path
) -> None:
    account.rule(**UPLOADS, rename="underscores")
    first = upload(folder, "-d", "M31", "-y")
    assert "L/c d.fits: there as 'c_d.fits'" in first.stdout
    again = upload(folder, "-d", "M31", "-y")
    assert again.returncode == 0
    assert "found by SHA-256: L/c d.fits as c_d.fits" in again.stdout
    assert counts(again)["Skipped already synced"] == 3
    assert len(stored(account)) == 3


def test_two_files_of_one_name_are_told_with_the_reason(account: Sandbox, folder: Path) -> None:
    write_files(folder, {"R/b.fits": "other", "S/b.fits": "b"})
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 1
    assert counts(done)["Error name conflict"] == 1
    assert counts(done)["Skipped already synced"] == 1
    assert "  R/b.fits: name conflict: another file of that name comes first: L/b.fits" in (
        done.stdout.splitlines()
    )
    assert errors(done) == ["Error: 1 of 5 files did not arrive"]
    assert "Hint: Rename" in done.stderr
    assert stored(account)["b.fits"] == 1


def test_many_failures_are_all_listed_and_then_counted_by_reason(
    account: Sandbox, tmp_path: Path
) -> None:
    twice = {f"{side}/{n:02}.fits": side for side in "LR" for n in range(25)}
    folder = write_files(tmp_path / "M31", {**twice, "bad.fits": "x"})
    account.rule(**UPLOADS, file="bad.fits", status=400, body={"file": ["This is no FITS file."]})
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 1
    assert sum(": name conflict: another file" in line for line in done.stdout.splitlines()) == 25
    *_, words, most, other = done.stdout.splitlines()
    assert words == "26 files failed:"
    assert most == "  25 files: name conflict"
    assert other.startswith("  1 file: ")
    assert "This is no FITS file." in other


def test_a_failed_file_is_listed_with_the_servers_words(account: Sandbox, folder: Path) -> None:
    account.rule(**UPLOADS, file="b.fits", status=400, body={"file": ["This is no FITS file."]})
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 1
    assert counts(done)["Error error"] == 1
    assert "  L/b.fits: " in done.stdout
    assert "This is no FITS file." in done.stdout
    assert len(stored(account)) == 2


def test_a_lost_answer_and_a_busy_server_leave_one_copy_of_each(
    account: Sandbox, folder: Path
) -> None:
    account.rule(**UPLOADS, file="a.fits", drop=True, when="after", times=1)
    account.rule(**UPLOADS, file="b.fits", status=503, times=1)
    page = "<html><title>502 Bad Gateway</title></html>"
    account.rule(
        **UPLOADS, file="c d.fits", status=502, body=page, content_type="text/html", times=1
    )
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 0, done.stdout
    assert stored(account) == {"a.fits": 200_000, "b.fits": 1, "c d.fits": 2}


def test_a_dead_server_is_one_line(account: Sandbox, folder: Path) -> None:
    account.stop()
    done = upload(folder, "-d", "M31", "-y")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(errors(done)) == 1
    assert "could not be reached" in done.stderr


def test_without_a_key_the_error_names_the_login(account: Sandbox, folder: Path) -> None:
    drop_keys(API)
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 1
    assert len(errors(done)) == 1
    assert "arcsecond login" in done.stderr
    assert account.requests() == []


def test_a_key_that_is_revoked_before_is_one_line(account: Sandbox, folder: Path) -> None:
    account.renew_key("upload")
    done = upload(folder, "-d", "M31", "-y")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(errors(done)) == 1
    assert "arcsecond login" in done.stderr


def test_a_key_that_is_revoked_meanwhile_ends_the_run(account: Sandbox, folder: Path) -> None:
    account.rule(**UPLOADS, status=401, body={"detail": "Invalid key."})
    done = upload(folder, "-d", "M31", "-y", "--workers", "1")
    assert done.returncode == 1
    assert counts(done)["Error error"] == 1
    assert counts(done)["New pending"] == 2
    assert len(errors(done)) == 1
    assert "arcsecond login" in done.stderr
    assert len(account.uploads()) == 1


def test_html_from_a_log_in_page_of_the_network_is_no_answer(
    account: Sandbox, folder: Path
) -> None:
    account.rule(path="/", status=200, body="<html>Welcome!</html>", content_type="text/html")
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 1
    assert len(errors(done)) == 1
    assert "<html" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--workers", "0"],
        ["--workers", "many"],
        ["--bwlimit", "fast"],
        ["-t", ""],
        ["-p", " "],
        ["--no-such-option"],
        ["extra"],
    ],
)
def test_wrong_usage_is_exit_2(folder: Path, options: Sequence[str]) -> None:
    done = upload(folder, "-d", "M31", *options)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_folder_that_is_not_there_or_is_a_file_is_exit_2(folder: Path) -> None:
    assert upload(folder / "nowhere", "-d", "M31").returncode == 2
    assert upload(folder / "a.fits", "-d", "M31").returncode == 2


def test_without_a_dataset_and_without_a_terminal_it_is_exit_2(
    account: Sandbox, folder: Path
) -> None:
    done = upload(folder, "-y", stdin="M31\n")
    assert done.returncode == 2
    assert "--dataset" in done.stderr
    assert account.requests() == []


def test_a_folder_with_nothing_to_send_is_done_and_creates_nothing(
    account: Sandbox, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "nothing", {".hidden": "x", "empty": ""})
    done = upload(folder, "-d", "M31")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("Nothing to upload: ")
    assert paths_of(account, "POST") == ["/auth/key/verify/"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["-t", "no-such"], "`arcsecond telescopes -p {portal}`"),
        (["-d", "00000000-0000-4000-8000-000000000000"], "`arcsecond datasets -p {portal}`"),
        (["-p", "no-such"], "`arcsecond me`"),
    ],
)
def test_what_is_not_there_is_told_with_the_command_that_lists_what_is(
    account: Sandbox, folder: Path, options: list[str], hint: str
) -> None:
    done = upload(folder, "-d", "M31", "-p", account.portal, *options)
    assert done.returncode == 1
    assert hint.format(portal=account.portal) in done.stderr.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_a_failure(account: Sandbox, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "M31", {"closed/a.fits": "x"})
    (folder / "closed").chmod(0)
    try:
        done = upload(folder, "-d", "M31")
    finally:
        (folder / "closed").chmod(0o700)
    assert done.returncode == 1
    assert "  closed: cannot be read: Permission denied" in done.stdout
    assert account.uploads() == []


def test_verbose_tells_what_is_asked_and_never_the_key(account: Sandbox, folder: Path) -> None:
    done = upload(folder, "-d", "M31", "-y", "-v")
    assert done.returncode == 0
    assert f"> POST {account.url}/datafiles/" in done.stderr
    assert "< 201 Created" in done.stderr
    assert "L/c d.fits: OK done" in done.stderr.splitlines()


def test_another_api_is_chosen_by_option_or_by_environment(
    account: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCSECOND_API", "nowhere")
    assert "'nowhere'" in upload(folder, "-d", "M31", "-y").stderr
    assert upload(folder, "-d", "M31", "-y", "--api", API).returncode == 0
    assert len(stored(account)) == 3


def test_tags_and_the_raw_flag_go_along(account: Sandbox, folder: Path) -> None:
    assert upload(folder, "-d", "M31", "-y", "--tags", "a, b", "--no-raw").returncode == 0
    for there in account.files():
        assert there["is_raw"] is False
        assert there["tags"][1:] == ["a", "b"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_cleanly_and_what_was_sent_is_counted(
    account: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    folder = write_files(
        tmp_path / "M31", {"0.fits": "small", "1.fits": os.urandom(20_000_000), "2.fits": "later"}
    )
    account.rule(**UPLOADS, file="1.fits", read_bytes_per_s=1000)
    process = start(folder, "-d", "M31", "-y", "--workers", "1")
    wait_until(lambda: account.files() and len(account.uploads()) == 2)
    process.send_signal(number)
    shown, complaints = process.communicate(timeout=60)
    done = subprocess.CompletedProcess(process.args, process.returncode, shown, complaints)
    assert done.returncode == 1
    assert counts(done) == {"OK done": 1, "New pending": 2}
    assert errors(done) == ["Error: stopped: 2 of 3 files did not arrive"]
    assert "Hint: Run the same command again" in done.stderr
    assert "Sent before it was stopped:\n  0.fits\n" in done.stdout
    account.clear()
    assert stored(account) == {"0.fits": 5}
    assert upload(folder, "-d", "M31", "-y").returncode == 0
    assert len(stored(account)) == 3


def test_a_kill_and_a_second_run_leave_one_copy_of_each(account: Sandbox, folder: Path) -> None:
    write_files(folder, {"a.fits": os.urandom(20_000_000)})
    account.rule(**UPLOADS, file="a.fits", read_bytes_per_s=1000)
    process = start(folder, "-d", "M31", "-y")
    wait_until(lambda: len(account.files()) == 2)
    process.kill()
    process.communicate(timeout=60)
    account.clear()
    done = upload(folder, "-d", "M31", "-y")
    assert done.returncode == 0
    assert counts(done)["OK done"] == 1
    assert stored(account) == {"a.fits": 20_000_000, "b.fits": 1, "c d.fits": 2}


def test_the_dataset_is_asked_for_at_a_terminal_and_a_bar_is_shown(
    account: Sandbox, folder: Path
) -> None:
    code, shown = at_a_terminal(
        [ARCSECOND, "upload", str(folder)], [("Dataset [M31]: ", ""), ("Upload? [y/N]: ", "y")]
    )
    assert code == 0, shown
    assert len(stored(account, "M31")) == 3
    assert "OK" in shown
