"""The closing table is honest: it finds what is missing, torn, doubled, touched or made up."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from oort.demo.camera import Way, Written
from oort.demo.proof import Copy, Finding, Proof, prove

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CONTENT = b"SIMPLE  =                    T"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def written(path: Path, content: bytes = CONTENT) -> Written:
    """Write a file as the camera does, and return its account."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Written(path, Way.AT_ONCE, len(content), digest(content), NOW)


def copy(name: str, content: bytes = CONTENT, *, after_s: float = 3.5) -> Copy:
    """Return what the server has."""
    return Copy(name, len(content), digest(content), NOW + timedelta(seconds=after_s))


def only_finding(proof: Proof) -> Finding:
    (line,) = proof.lines
    return line.finding


def test_a_file_that_is_there_once_with_its_hash_is_safe(tmp_path: Path) -> None:
    proof = prove(tmp_path, [written(tmp_path / "M31" / "a.fits")], [copy("a.fits")])

    (line,) = proof.lines
    assert line.finding is Finding.SAFE
    assert (line.path, line.size) == ("M31/a.fits", len(CONTENT))
    assert line.disk_sha256 == line.server_sha256 == digest(CONTENT)
    assert line.to_cloud_s == pytest.approx(3.5)
    assert proof.is_complete
    assert proof.verdict.startswith("All 1 files are at the server, once each")


def test_a_file_that_the_server_does_not_have_is_missing(tmp_path: Path) -> None:
    proof = prove(tmp_path, [written(tmp_path / "a.fits")], [])

    assert only_finding(proof) is Finding.MISSING
    assert not proof.is_complete
    assert "a.fits: missing" in proof.verdict


def test_a_torn_copy_differs(tmp_path: Path) -> None:
    proof = prove(tmp_path, [written(tmp_path / "a.fits")], [copy("a.fits", CONTENT[:10])])

    assert only_finding(proof) is Finding.DIFFERS
    assert proof.lines[0].server_sha256 == digest(CONTENT[:10])
    assert proof.lines[0].to_cloud_s is None


def test_a_file_that_was_stored_twice_is_not_safe(tmp_path: Path) -> None:
    copies = [copy("a.fits"), copy("a_Xy12.fits")]

    assert only_finding(prove(tmp_path, [written(tmp_path / "a.fits")], copies)) is Finding.DOUBLE


def test_a_copy_under_another_name_is_recognised_by_its_hash(tmp_path: Path) -> None:
    proof = prove(tmp_path, [written(tmp_path / "two words.fits")], [copy("two_words.fits")])

    assert only_finding(proof) is Finding.SAFE


def test_a_file_that_was_touched_on_the_disk_is_found(tmp_path: Path) -> None:
    account = written(tmp_path / "a.fits")
    account.path.write_bytes(b"something else")

    assert only_finding(prove(tmp_path, [account], [copy("a.fits")])) is Finding.TOUCHED


def test_a_file_that_vanished_from_the_disk_is_found(tmp_path: Path) -> None:
    account = written(tmp_path / "a.fits")
    account.path.unlink()

    assert prove(tmp_path, [account], [copy("a.fits")]).lines[0].finding is Finding.LOST


def test_a_copy_of_nothing_that_was_written_is_found(tmp_path: Path) -> None:
    copies = [copy("a.fits"), copy("b.fits", b"from nowhere")]

    proof = prove(tmp_path, [written(tmp_path / "a.fits")], copies)

    assert [line.finding for line in proof.lines] == [Finding.SAFE, Finding.UNKNOWN]
    assert not proof.is_complete


def test_a_file_that_the_camera_did_not_report_must_arrive_as_well(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("seeing 1.2 arcsec")

    assert only_finding(prove(tmp_path, [], [])) is Finding.MISSING


def test_a_night_without_a_file_proves_nothing(tmp_path: Path) -> None:
    proof = prove(tmp_path, [], [])

    assert not proof.is_complete
    assert proof.verdict == "No file was written: nothing is proven."
    assert proof.times == ""


def test_the_times_are_told_by_median_and_worst(tmp_path: Path) -> None:
    contents = [b"one", b"two", b"three"]
    accounts = [written(tmp_path / f"{n}.fits", c) for n, c in enumerate(contents)]
    copies = [copy(f"{n}.fits", c, after_s=1.0 + n) for n, c in enumerate(contents)]

    assert prove(tmp_path, accounts, copies).times == ("time to cloud: median 2.0 s, longest 3.0 s")
