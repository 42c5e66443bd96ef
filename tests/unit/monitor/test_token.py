"""The token of the monitor, and the modes of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.errors import OortError
from oort.monitor.token import read_token

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "token"
    made.write_text("a-token-of-the-observatory\n")
    made.chmod(0o600)
    return made


def test_a_file_of_the_owner_alone_is_read(file: Path) -> None:
    assert read_token(file) == "a-token-of-the-observatory"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)

    with pytest.raises(OortError, match="can be read by others") as refused:
        read_token(file)

    assert refused.value.hint == f"chmod 600 {file}"
    assert "observatory" not in refused.value.message


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"two\nlines", b"\xff\xfe", b"\x07"])
def test_what_is_no_token_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(OortError, match="token"):
        read_token(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OortError, match="No such file"):
        read_token(tmp_path / "none")


def test_the_environment_gives_one_where_there_is_no_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_token(None) is None
    monkeypatch.setenv("OORT_MONITOR_TOKEN", "another-token-of-them")
    assert read_token(None) == "another-token-of-them"
    assert read_token(file) == "a-token-of-the-observatory"
    monkeypatch.setenv("OORT_MONITOR_TOKEN", "")
    with pytest.raises(OortError, match="OORT_MONITOR_TOKEN"):
        read_token(None)
