"""Files with every name that a file system takes: long ones, control characters, no UTF-8."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.files import fits_bytes
from tests.support.glance import Glance

if TYPE_CHECKING:
    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

NAMES = [
    b"plain.fits",
    b"a" * 250 + b".fits",
    "é".encode() * 125 + b".fits",
    b"\xe9toile.fits",
    b"line\nbreak.fits",
    b"line\r\nbreak.fits",
    b"single'quote.fits",
    b'double"quote.fits',
    b"back\\slash.fits",
    b"trailing blank ",
    b" leading blank.fits",
    b"-leading-dash.fits",
    b"--help",
    b"bell\x07escape\x1b[31mdelete\x7f.fits",
    b"semi;colon&amp;$(touch oops)`x`.fits",
    b"percent%22%0a{folder}.fits",
    b"[red]markup[bold].fits",
    "M 31 Ω ✨ e\u0301.fits".encode(),
    b"no ending",
    b"12345",
    b"#*?|<>:.fits",
]
"""Each ends as a name of its own at the server, whatever is left of it there."""


def _write(path: bytes, content: bytes) -> bytes:
    Path(os.fsdecode(path)).write_bytes(content)
    return path


@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_every_name_is_sent_once_and_every_command_takes_it(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Every name a file system takes is sent once, whole, and every command takes it.

    1. The daemon is paused. Files of all kinds of names appear: 255 bytes, line breaks, quotes,
       blanks at the ends, a leading dash, control characters, bytes that are no UTF-8; and one
       whose path is as long as the kernel takes.
    2. `oort skip` and `oort retry` take three of the worst as they are, and `oort status` answers.
    3. It is resumed: each is at the server once with its bytes, and its row says so.
    4. `oort uploads` writes no control character to a terminal's output, as JSON it has them all.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    look = Glance(home)
    home.oort("pause")
    raw = os.fsencode(folder) + b"/"
    contents = [fits_bytes(salt=salt) for salt in range(len(NAMES) + 1)]
    paths = [_write(raw + name, contents[salt]) for salt, name in enumerate(NAMES)]
    deep = raw
    while len(deep) < 4095 - 250 - 10:
        deep += b"d" * 200 + b"/"
    Path(os.fsdecode(deep)).mkdir(parents=True)
    paths.append(_write(deep + b"x" * (4095 - 5 - len(deep)) + b".fits", contents[-1]))
    assert len(paths[-1]) == 4095  # PATH_MAX, without the zero at its end
    look.until(lambda: [row["substatus"] for row in look.rows()] == ["held"] * len(paths))

    worst = [raw + name for name in (b"\xe9toile.fits", b"line\nbreak.fits", b"trailing blank ")]
    home.oort("skip", *worst)
    for path in worst:
        found = home.json("status", path) if path is worst[0] else look.of_path(os.fsdecode(path))
        assert (found["status"], found["substatus"]) == ("Skipped", "ignored")
    home.oort("retry", *worst)
    home.oort("resume")
    look.until_rows(OK=len(paths), New=0, Skipped=0, Error=0)

    stored = sorted(one["sha256"] for one in sandbox.files())
    assert stored == sorted(hashlib.sha256(content).hexdigest() for content in contents)
    assert len(sandbox.uploads()) == len(paths)
    for path, content in zip(paths, contents, strict=True):
        (row,) = look.rows_of(path.decode("utf-8", "backslashreplace"))
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
    table = home.oort("uploads", "--limit", "0")
    assert not [character for character in table if character < " " and character != "\n"]
    assert len(table.splitlines()) == len(paths) + 1
    assert len(home.json("uploads", "--limit", "0")) == len(paths)


@pytest.mark.nightly
def test_names_that_are_one_name_at_the_server(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Of two files whose names the server takes for one, the second is never called safe.

    1. Pairs of files with other contents lie in a folder, whose names the server makes one of: it
       cuts what stands before a backslash, undoes entities, drops what cannot be printed.
    2. One of each pair is at the server with its own bytes; the other is Error, `name conflict`.
    3. A pair of equal content is stored once: both rows are safe.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    raw = os.fsencode(folder) + b"/"
    pairs = [
        (b"cut.fits", b"a\\cut.fits"),
        (b"and&.fits", b"and&amp;.fits"),
        (b"bell.fits", b"be\x07ll.fits"),
    ]
    contents = [fits_bytes(salt=salt) for salt in range(7)]
    for number, pair in enumerate(pairs):
        for side, name in enumerate(pair):
            _write(raw + name, contents[2 * number + side])
    for name in (b"same.fits", b"b\\same.fits"):
        _write(raw + name, contents[6])
    home.watch(folder)
    home.start()
    look = Glance(home)
    look.until(lambda: sum(row["status"] in ("OK", "Error", "Skipped") for row in look.rows()) == 8)

    stored = {one["name"]: one["sha256"] for one in sandbox.files()}
    assert sorted(stored) == ["and&.fits", "bell.fits", "cut.fits", "same.fits"]
    for row in look.rows():
        path = Path(row["path"])
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        if row["status"] in ("OK", "Skipped"):
            assert content in stored.values(), row
            assert row["substatus"] in ("done", "already synced")
        else:
            assert content not in stored.values(), row
            assert row["substatus"] == "name conflict"
    assert sum(row["status"] == "Error" for row in look.rows()) == 3
