"""`arcsecond datasets` and its like against a sandbox: listed, read, created, changed, deleted."""

from __future__ import annotations

import json
import unicodedata
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.sandbox import Sandbox, running_sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Command


def test_the_datasets_are_listed_with_their_identifiers(
    logged_in: Sandbox, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "A dataset with a rather long name, as they are when people describe their nights"
    uuid = logged_in.create_dataset(name)
    monkeypatch.setenv("COLUMNS", "80")

    assert arcsecond("datasets", "--filter", f"name={name}") == 0

    title, line = arcsecond.out.splitlines()
    assert title.startswith("UUID")
    assert line.startswith(uuid)
    assert len(line) <= 80

    (listed,) = arcsecond.json("datasets", "--filter", f"name={name}")  # type: ignore[misc]
    assert listed["uuid"] == uuid
    assert listed["name"] == name


def test_all_pages_are_followed(tmp_path: Path, arcsecond: Command) -> None:
    with running_sandbox(tmp_path / "paged", page_size=2) as paged:
        arcsecond("api", "add", "paged", paged.url)
        code = arcsecond(
            *("login", "--api", "paged", "-u", paged.username, "--upload_key", "-"),
            stdin=paged.upload_key,
        )
        assert code == 0
        names = {f"night {number}" for number in range(5)}
        for name in names:
            paged.create_dataset(name)

        listed = arcsecond.json("datasets", "--api", "paged")

        assert {one["name"] for one in listed} == names  # type: ignore[attr-defined]  # a list


def test_a_portal_has_its_own_telescopes(logged_in: Sandbox, arcsecond: Command) -> None:
    mine = arcsecond.json("telescopes")
    portals = arcsecond.json("telescopes", "-p", logged_in.portal)

    assert (len(mine), len(portals)) == (2, 1)  # type: ignore[arg-type]  # lists
    assert portals[0] not in mine  # type: ignore[index,operator]  # lists


def test_a_dataset_is_created_read_changed_and_deleted(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    created = arcsecond.json("datasets", "create", "name=M31", 'tags:=["a"]')
    assert isinstance(created, dict)
    uuid = created["uuid"]
    assert created["name"] == "M31"

    assert arcsecond("datasets", "update", uuid, "name=M 31") == 0, arcsecond.err
    assert arcsecond("datasets", "read", uuid) == 0
    assert "M 31" in arcsecond.out

    assert arcsecond("datasets", "delete", uuid, stdin="n\n") == 1
    assert arcsecond("datasets", "delete", uuid, stdin="") == 1
    assert arcsecond("datasets", "read", uuid) == 0
    assert arcsecond("datasets", "delete", uuid, "-y") == 0, arcsecond.err
    assert arcsecond("datasets", "read", uuid) == 1
    assert arcsecond.err.startswith(f"Error: datasets/{uuid}: ")
    assert logged_in.username


@pytest.mark.parametrize(
    "arguments",
    [
        ("datasets", "--filter", "name"),
        ("datasets", "create", "name"),
        ("datasets", "create", "tags:=["),
        ("datasets", "create"),
        ("datasets", "read"),
        ("datasets", "unknown"),
        ("datasets", "--filter", "a=b", "read", "x"),
        ("unknown",),
        ("datasets", "--unknown"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], arcsecond: Command) -> None:
    assert arcsecond(*arguments) == 2
    assert "Error: " in arcsecond.err
    assert arcsecond.out == ""


def test_an_upload_key_may_not_delete_and_is_told_so(server: Sandbox, arcsecond: Command) -> None:
    arcsecond("login", "-u", server.username, "--upload_key", "-", stdin=server.upload_key)
    uuid = server.create_dataset("kept")

    assert arcsecond("datasets", "delete", uuid, "-y") == 1

    assert "Hint: An upload key may only read and upload" in arcsecond.err


# --- what may be said, and where ----------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("--api", "box", "-p", "P", "--json", "telescopes"),
        ("telescopes", "--api", "box", "-p", "P", "--json"),
        ("telescopes", "-p", "P", "list", "--json"),
        ("telescopes", "list", "--portal", "P", "--json"),
        ("--json", "-p", "elsewhere", "telescopes", "list", "-p", "P"),
    ],
)
def test_options_stand_before_or_behind_the_names_of_commands(
    arguments: tuple[str, ...], logged_in: Sandbox, arcsecond: Command
) -> None:
    assert arcsecond(*(logged_in.portal if a == "P" else a for a in arguments)) == 0, arcsecond.err

    assert len(json.loads(arcsecond.out)) == 1


@pytest.mark.parametrize("option", [("--json",), ("-p", "dome"), ("--api", "box")])
def test_an_option_before_a_command_that_has_it_not_is_refused(
    option: tuple[str, ...], arcsecond: Command
) -> None:
    command = "sandbox" if option == ("--api", "box") else "logout"

    assert arcsecond(*option, command) == 2
    assert f"`arcsecond {command}` has no --" in arcsecond.err


def test_filters_may_be_repeated_and_stand_on_either_side_of_list(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    logged_in.create_dataset("one")
    logged_in.forget_requests()

    arcsecond("datasets", "--filter", "name=one", "list", "--filter", "a=1", "--filter", "a=2")

    (request,) = logged_in.requests("GET", "/datasets/")
    assert request["query"] == "name=one&a=1&a=2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("datasets", "create", "a=1", "a=2"), "a is given twice"),
        (("datasets", "create", "a=1", "a:=2"), "a is given twice"),
        (("datasets", "create", "a:=NaN"), "what follows a:= is no JSON"),
        (("datasets", "create", "a:=words"), "a=TEXT"),
        (("datasets", "create", "a:=" + "[" * 100_000), "no JSON"),
        (("datasets", "create", "a=bad\udcff"), r"bad\xff is no UTF-8 text"),
        (("datasets", "create", "bad\udcff=a"), r"bad\xff is no UTF-8 text"),
        (("datasets", "create", "bad\udcff:=1"), r"bad\xff: is no UTF-8 text"),
        (("datasets", "read", "bad\udcff"), r"bad\xff is no UTF-8 text"),
        (("datasets", "--filter", "name=bad\udcff"), r"bad\xff is no UTF-8 text"),
        (("datasets", "-p", "bad\udcff"), r"bad\xff is no UTF-8 text"),
        (("datasets", "-p", ""), "it is empty"),
        (("datasets", "--api", " "), "it is empty"),
        (("members",), "say which with -p SUBDOMAIN"),
        (("datsets",), "Did you mean datasets?"),
        (("dataset",), "Did you mean datasets"),
        (("datasets", "raed", "x"), "Did you mean read?"),
        (("zzz",), "No such command 'zzz'.\n"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    arguments: tuple[str, ...], words: str, logged_in: Sandbox, arcsecond: Command
) -> None:
    logged_in.forget_requests()

    assert arcsecond(*arguments) == 2

    assert words in arcsecond.err
    assert "Traceback" not in arcsecond.err
    assert logged_in.requests() == []


def test_deleting_names_what_it_is_and_what_is_in_it(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    uuid = logged_in.create_dataset("M31 of last night")
    logged_in.upload(uuid, "a.fits", b"SIMPLE")

    assert arcsecond("datasets", "delete", uuid, stdin="n\n") == 1

    assert f"Delete M31 of last night ({uuid}) and its 1 data file of the datasets at" in (
        arcsecond.err
    )
    assert logged_in.requests("DELETE") == []


def test_what_is_not_there_is_not_asked_about_but_told_where_to_look(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    for verb in ("read", "delete"):
        assert arcsecond("datasets", verb, "nowhere", "-p", logged_in.portal, stdin="y\n") == 1
        assert arcsecond.err == (
            f"Error: {logged_in.portal}/datasets/nowhere: Not found.\n"
            f"Hint: `arcsecond datasets -p {logged_in.portal}` lists what there is in this portal.\n"
        )


@pytest.mark.usefixtures("logged_in")
def test_a_portal_that_is_not_there_is_told_where_to_look(arcsecond: Command) -> None:
    for arguments in (("datasets",), ("datasets", "create", "name=M31")):
        assert arcsecond(*arguments, "-p", "nowhere") == 1
        assert arcsecond.err == (
            "Error: nowhere/datasets: Not found.\n"
            "Hint: Is that a portal's subdomain? `arcsecond me` lists yours.\n"
        )


# --- tables -------------------------------------------------------------------------------------


def columns_of(line: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


NIGHTS = {
    "M 31": (0, 0, "2026-11-23T05:41:07.123456Z"),
    "東京天文台の銀河観測データセット２０２６年十一月": (12, 13_824_000_000, None),
    "A dataset with a rather long name, as they are when people describe their nights": (
        1024,
        None,
        "2026-11-23T23:59:59+14:00",
    ),
}
"""Names, with files, bytes and the time of the last change as a server may tell them."""


@pytest.mark.parametrize("width", [80, 120])
def test_a_listing_fits_the_terminal_whatever_is_in_it(
    width: int, logged_in: Sandbox, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        {
            "uuid": str(uuid.uuid4()),
            "name": name,
            "data_files_count": files,
            "data_files_volume": volume,
            "last_update": changed,
        }
        for name, (files, volume, changed) in NIGHTS.items()
    ]
    logged_in.rule(method="GET", path="/datasets/", status=200, body=json.dumps(found))
    monkeypatch.setenv("COLUMNS", str(width))

    assert arcsecond("datasets") == 0, arcsecond.err

    title, *lines = arcsecond.out.splitlines()
    assert title.split()[:4] == ["UUID", "NAME", "FILES", "VOLUME"]
    assert [line[:36] for line in lines] == [one["uuid"] for one in found]
    assert max(map(columns_of, lines)) <= width
    assert lines[0][36:].split()[:3] == ["M", "31", "0"]
    assert "12.9 GB" in lines[1]
    assert "…" in lines[2]
    assert lines[2].split("1024")[1].split()[0] == "-"
    assert ("CHANGED (UTC)" in title) == (width == 120)
    if width == 120:
        assert lines[0].endswith("2026-11-23 05:41")
        assert lines[1].endswith("-")
        assert lines[2].endswith("2026-11-23 09:59")


def test_whatever_json_a_server_lists_is_shown(logged_in: Sandbox, arcsecond: Command) -> None:
    odd = [
        {"uuid": 1, "name": {"a": [1]}, "data_files_count": {"b": None}},
        {"name": ["c"], "data_files_volume": "12", "last_update": "0001-01-01T00:00:00+14:00"},
        {"uuid": "u\x1b[31m", "name": "x\ud800\n", "data_files_volume": 1e300, "last_update": 7},
        "words",
        None,
    ]
    logged_in.rule(method="GET", path="/datasets/", status=200, body=json.dumps(odd))

    assert arcsecond("datasets") == 0, arcsecond.err

    lines = arcsecond.out.splitlines()
    assert len(lines) == 1 + 3
    assert '{"a": [1]}' in lines[1]
    assert '{"b": null}' in lines[1]
    assert lines[2].startswith("- ")
    assert lines[2].endswith("0001-01-01T00:00:00+14:00")
    assert "u\\x1b[31m  x\\ud800\\n" in lines[3]


def test_an_object_has_its_volume_in_both_ways(logged_in: Sandbox, arcsecond: Command) -> None:
    uuid = logged_in.create_dataset("M31")
    logged_in.upload(uuid, "a.fits", bytes(3000))

    assert arcsecond("datasets", "read", uuid) == 0
    assert "data_files_volume  3000 (2.9 KB)\n" in arcsecond.out
    assert "data_files_count   1\n" in arcsecond.out


def test_a_night_log_is_shown_with_its_identifier_first(
    logged_in: Sandbox, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    log = arcsecond.json("nightlogs", "create", "date=2026-11-23")
    assert isinstance(log, dict)
    arcsecond(
        *("observations", "create", f"night_log={log['uuid']}", "name=a rather long name of it"),
        *("target_name=NGC 7000", "start=2026-11-23T20:01:00Z", "duration:=3600"),
    )

    assert arcsecond("nightlogs", "read", log["uuid"]) == 0
    assert arcsecond.out.split()[:2] == ["uuid", log["uuid"]]
    assert arcsecond("observations") == 0
    assert "2026-11-23 20:01    3600 s" in arcsecond.out
    assert logged_in.username


def test_an_empty_listing_says_so(logged_in: Sandbox, arcsecond: Command) -> None:
    assert arcsecond("datapackages") == 0
    assert (arcsecond.out, arcsecond.err) == ("", "There are no data packages.\n")

    assert arcsecond("datapackages", "--filter", "name=a") == 0
    assert arcsecond.err == "There are no data packages for this filter.\n"

    assert arcsecond.json("datapackages") == []
    assert logged_in.username


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_bare_array_is_printed_as_it_comes(
    options: tuple[str, ...], logged_in: Sandbox, arcsecond: Command
) -> None:
    """It is broken far behind its beginning, which has been printed."""
    found = [{"uuid": f"{number:036}", "name": f"night {number}"} for number in range(20_000)]
    broken = json.dumps(found)[:-1] + ", <html>"
    logged_in.rule(method="GET", path="/datasets/", status=200, body=broken)

    assert arcsecond("datasets", *options) == 1
    assert "night 19999" in arcsecond.out
    assert arcsecond.err.startswith("Error: datasets: what answered does not look like Arcsecond")


def test_each_page_is_printed_when_it_comes(tmp_path: Path, arcsecond: Command) -> None:
    """The third page of a listing is an error: the two before it have been printed."""
    with running_sandbox(tmp_path / "paged", page_size=2) as paged:
        arcsecond("api", "add", "paged", paged.url)
        arcsecond(
            *("login", "--api", "paged", "-u", paged.username, "--upload_key", "-"),
            stdin=paged.upload_key,
        )
        for number in range(6):
            paged.create_dataset(f"night {number}")
        paged.rule(method="GET", path="/datasets/", skip=2, times=9, status=502, body="<h1>x</h1>")

        assert arcsecond("datasets", "--api", "paged") == 1
        assert [f"night {number}" in arcsecond.out for number in range(6)] == 4 * [True] + 2 * [
            False
        ]
        assert arcsecond.err.startswith("Error: datasets: 502 Bad Gateway: ")

        paged.clear()
        paged.rule(method="GET", path="/datasets/", skip=2, times=9, status=502, body="<h1>x</h1>")
        assert arcsecond("datasets", "--api", "paged", "--json") == 1
        assert "night 3" in arcsecond.out
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(arcsecond.out)
