"""What config.toml says, and how it says that something is wrong."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from oort import settings
from oort.errors import SettingsError
from oort.locations import locate
from oort.values import Watch

WATCH = '[[watch]]\nname = "dome"\npath = "/data/dome"\n'


def parse(text: str, **environment: str) -> settings.Settings:
    return settings.parse(text.encode(), Path("/x/config.toml"), environment)


def error_of(text: str, **environment: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse(text, **environment)
    return caught.value


def test_a_missing_file_means_the_defaults_and_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    found = settings.load(path, {})

    assert settings.Settings() == found
    assert not path.exists()


def test_what_the_file_says_is_taken() -> None:
    found = parse(
        """
        workers = 8
        settle_s = 3
        proxy = ""
        [[watch]]
        name = "dome"
        path = "/data/./dome"
        tags = ["a", "b|c"]
        settle_s = 0.5
        dataset = "0B10AD00-0000-4000-8000-00000000000A"
        telescope = ""
        raw = false
        """
    )

    assert 8 == found.workers
    assert 3.0 == found.settle_s
    assert found.proxy is None
    assert found.watches == (
        Watch(
            "dome",
            Path("/data/dome"),
            tags=("a", "b|c"),
            settle_s=0.5,
            dataset="0B10AD00-0000-4000-8000-00000000000A",
            raw=False,
        ),
    )
    assert found.watch("dome") is found.watches[0]
    assert found.watch("other") is None


def test_a_default_that_somebody_wrote_counts_as_set() -> None:
    found = parse("settle_s = 2.0\n" + WATCH)

    assert found.is_set("settle_s")
    assert "config.toml" == found.source("settle_s")
    assert (2.0, True) == found.settle_of(found.watches[0])
    assert "default" == found.source("poll_s")
    assert not found.is_set("poll_s")
    assert (2.0, False) == parse(WATCH).settle_of(found.watches[0])
    assert (7.0, True) == found.settle_of(parse(WATCH + "settle_s = 7").watches[0])


def test_a_tilde_is_the_home_folder() -> None:
    found = parse('ca_bundle = "~/ca.pem"\n[[watch]]\nname = "a"\npath = "~/data"')

    assert str(Path.home() / "ca.pem") == found.ca_bundle
    assert Path.home() / "data" == found.watches[0].path


def test_a_windows_editor_may_have_saved_it(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbfworkers = 3\r\npoll_s = 5\r\n")

    assert (3, 5.0) == (settings.load(path).workers, settings.load(path).poll_s)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("workers = 99", 1, 'workers must be "auto" or 1 to 64, not 99'),
        ("workers = true", 1, 'workers must be "auto" or 1 to 64, not true'),
        ("workers = 0", 1, "not 0"),
        ("workers = 2.0", 1, "not 2.0"),
        ('\n# two\nworkers = "many"', 3, '"auto" or 1 to 64, not "many"'),
        ("settle_s = nan", 1, "settle_s must be 0.1 to 3600, not NaN"),
        ("settle_s = inf", 1, "settle_s must be 0.1 to 3600"),
        ("settle_s = 0.05", 1, "settle_s must be 0.1 to 3600, not 0.05"),
        ("settle_s = false", 1, "settle_s must be 0.1 to 3600, not false"),
        ('settle_s = "2"', 1, "settle_s must be 0.1 to 3600"),
        ("max_attempts = 1000001", 1, "max_attempts must be 1 to 1000000"),
        ("retry_base_s = 3000", 1, "retry_base_s (3000) must not exceed retry_max_s (1800)"),
        ("workers = 1\nretry_max_s = 1", 2, "retry_base_s (5) must not exceed retry_max_s (1)"),
        ('log_level = "loud"', 1, '"debug" or "info" or "warning"'),
        ('bwlimit = "fast"', 1, "bwlimit must be"),
        ("bwlimit = 512", 1, "bwlimit must be"),
        ('host = ""', 1, "host must be 1 to 64 characters"),
        (f'host = "{"x" * 65}"', 1, "host must be 1 to 64 characters"),
        ('host = "a\\nb"', 1, "host must be 1 to 64 characters"),
        ('database = "mysql://x"', 1, "database must be"),
        ('database = "sqlite:///oort.db"', 1, "absolute"),
        ('database = "sqlite:///:memory:"', 1, "absolute"),
        ('proxy = "proxy:3128"', 1, "proxy must be a URL"),
        ('proxy = "http://h:99999"', 1, "proxy must be a URL"),
        ('heartbeat_url = "ftp://x"', 1, "heartbeat_url must be a URL"),
        ('ca_bundle = "ca.pem"', 1, "ca_bundle must be"),
        ("nonsense", 1, "this is not TOML"),
        ("workers = 1\nworkers = 2", 2, "this is not TOML"),
        ("\n\nworkers = [", 3, "this is not TOML"),
        ("workers = " + "1" * 5000, 1, "this is not TOML"),
        ("x = 1", 1, 'unknown key "x"'),
        ("[watch]\nname = 'a'", 1, "[[watch]]"),
        ("watch = 3", 1, "[[watch]]"),
        ('[[watch]]\nname = "a"', 1, "must have a path"),
        ('\n[[watch]]\npath = "/a"', 2, "must have a name"),
        (WATCH + "\n" + WATCH.replace("/data/dome", "/b"), 6, 'the name "dome" is taken'),
        (WATCH + "\n" + WATCH.replace('"dome"', '"b"'), 7, "/data/dome is watched already"),
        (WATCH + 'settle_s = "1"', 4, "settle_s must be 0.1 to 3600"),
        (WATCH + "tags = [\n1,\n]", 4, "tags must be"),
        (WATCH + 'tags = ["a,b"]', 4, "without commas"),
        (WATCH + 'tags = ["oort|origin|x"]', 4, "none beginning with oort|"),
        (WATCH + 'tags = "a"', 4, "tags must be"),
        (WATCH + 'dataset = "{dome}"', 4, "unknown field {dome}"),
        (WATCH + 'dataset = "{night"', 4, "unbalanced braces"),
        (WATCH + "raw = 1", 4, "raw must be true or false, not 1"),
        (WATCH + "follow = true", 4, 'unknown key "follow" in [[watch]]'),
        (WATCH.replace("/data", "data"), 3, "path must be an absolute path"),
        (WATCH.replace("/data", "~nobody-at-all"), 3, "path must be an absolute path"),
        ('watch = [\n{name = "a", path = "b"}]', 1, "path must be an absolute path"),
        (WATCH + "[watch.deep]\nx = 1", 4, 'unknown key "deep"'),
        ('"workers" = 99', 1, "workers must be"),
        ('a = """\nworkers = 1\n"""', 1, 'unknown key "a"'),
        ('proxy = """\\\n   """\nworkers = 99', 3, "workers must be"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_range(text: str, line: int, words: str) -> None:
    message = str(error_of(text))

    assert message.startswith(f"/x/config.toml:{line}: ")
    assert words in message
    assert "\n" not in message


def test_a_key_that_is_nearly_right_is_named() -> None:
    assert 'Did you mean "workers"?' == error_of("wokers = 1").hint
    assert 'Did you mean "telescope"?' == error_of(WATCH + 'telescop = "x"').hint


def test_a_key_in_the_wrong_part_is_told_where_it_belongs() -> None:
    assert "above the first [[watch]]" in str(error_of(WATCH + "workers = 3").hint)
    assert "below a line [[watch]]" in str(error_of('dataset = "x"').hint)


def test_what_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"# fine\nhost = 'caf\xe9'\n")

    with pytest.raises(SettingsError, match=rf"{re.escape(str(path))}:2: this is not UTF-8"):
        settings.load(path)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory"):
        settings.load(tmp_path)


def test_the_environment_names_the_database() -> None:
    url = "postgresql+psycopg://oort:geheim@db/oort"

    found = parse('database = "sqlite:////tmp/x.db"', OORT_DATABASE_URL=url)

    assert url == found.database
    assert "environment" == found.source("database")
    assert "OORT_DATABASE_URL must be" in str(error_of("", OORT_DATABASE_URL="mysql://x"))


def test_the_queue_is_in_the_state_folder_unless_told_otherwise() -> None:
    locations = locate()

    assert f"sqlite:///{locations.database}" == parse("").database_url(locations)
    assert "sqlite:////x" == parse('database = "sqlite:////x"').database_url(locations)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://oort:geheim@db/oort",
        "postgresql+psycopg://oort:geh@geheim@db/oort",
        "postgresql+psycopg://oort:geh:geheim/@db/oort",
        "postgresql+psycopg://:geheim@db/oort",
        "postgresql+psycopg:///oort?host=/run&password=geheim",
        "http://me:geheim@proxy:3128",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    assert "geheim" not in settings.redact_url(url)
    assert "geheim" not in str(error_of(f'database = "x{url}"'))
    if url.startswith("postgresql"):
        assert "geheim" not in repr(parse(f'database = "{url}"'))
    else:
        assert "geheim" not in repr(parse(f'proxy = "{url}"'))


def test_the_table_of_watch_keys_is_the_watch() -> None:
    assert [entry.name for entry in fields(Watch)] == list(settings.WATCH_FIELDS)


@pytest.mark.parametrize("key", settings.FIELDS)
def test_every_default_is_allowed(key: str) -> None:
    field = settings.FIELDS[key]

    assert field.default is None or field.rule.accept(field.default) == field.default
    assert field.default is not None or field.default_words
    assert field.about.endswith(".")
