"""A broken config.toml is no reason for `oort status` to say nothing."""

from __future__ import annotations

import pytest

from oort import settings
from oort.errors import SettingsError
from oort.locations import locate, write_private_file


def test_what_the_daemon_took_last_stands_in_for_a_broken_file() -> None:
    here = locate()
    write_private_file(here.config_file, b"workers = 8\n")
    settings.keep_as_good(here, here.config_file.read_bytes())
    write_private_file(here.config_file, b"workers = 99\n")

    assert 8 == settings.load_last_good(here).workers


def test_a_good_file_wins_over_what_was_taken() -> None:
    here = locate()
    settings.keep_as_good(here, b"workers = 8\n")
    write_private_file(here.config_file, b"workers = 9\n")

    assert 9 == settings.load_last_good(here).workers


def test_where_no_daemon_took_one_the_error_stays() -> None:
    here = locate()
    write_private_file(here.config_file, b"workers = 99\n")

    with pytest.raises(SettingsError, match=r"config.toml:1: workers must be"):
        settings.load_last_good(here)
