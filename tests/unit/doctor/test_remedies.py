"""A remedy is pasted into a shell: every name in it means itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from oort.doctor import remedies
from oort.errors import SettingsError


@pytest.mark.parametrize(
    "name",
    [
        b"plain",
        b"two words",
        b"it's",
        b'"$HOME"',
        b"bad\xff.fits",
        b"new\nline",
        b"-rf",
        b"\\x41\xfe",
    ],
)
def test_a_shell_reads_back_every_name(name: bytes) -> None:
    words = remedies.quoted(name)

    told = subprocess.run(
        ["bash", "-c", f"for name in {words}; do printf '%s' \"$name\"; done"],
        capture_output=True,
        check=True,
    )

    assert told.stdout == name
    assert words.isprintable()


def test_a_file_is_opened_at_the_line_that_is_wrong() -> None:
    error = SettingsError("/home/a b/config.toml:12: settle_s must be a number")

    assert remedies.edit(error, Path("/home/a b/config.toml")) == (
        "${EDITOR:-vi} +12 '/home/a b/config.toml'"
    )


def test_the_command_of_a_hint_is_found() -> None:
    assert remedies.told_in("Log in first: `arcsecond login --api x`.") == "arcsecond login --api x"
    assert remedies.told_in("see `proxy`") is None
    assert remedies.told_in(None) is None


def test_many_names_are_cut_short() -> None:
    assert remedies.joined(["a", "b"]) == "a, b"
    assert remedies.joined("abcde") == "a, b, c and 2 more"


def test_the_mount_of_a_place_is_found(tmp_path: Path) -> None:
    assert os.path.ismount(remedies.mount_of(tmp_path))
