"""The server has a file of that name: the same one, another one, or a part of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import arrived, fits_bytes, make_fits, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

SIZE = 4 * 2880
OTHER = fits_bytes(SIZE, salt=999)
"""Of the same size as every local file, with other content."""


def _rows(home: Home) -> dict[str, dict[str, Any]]:
    """Return the rows by the file's name."""
    return {row["path"].rpartition("/")[2]: row for row in home.json("uploads", "--limit", "0")}


class _Namesakes:
    """Local files, and what the server has of the same names."""

    def __init__(self, sandbox: Sandbox, folder: Path, dataset: str) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.dataset = dataset
        self.proven: set[str] = set()
        self.unproven: set[str] = set()
        self.conflicts: dict[str, str] = {}
        """Why each is another file, as its error is to say."""

    def local(self, name: str) -> tuple[bytes, str]:
        """Write a file; return its content and its hash tag."""
        path = make_fits(self.folder / name, size=SIZE, salt=sum(name.encode()))
        return path.read_bytes(), f"arcsecond|sha256|{sha256_of(path)}"

    def equal(self, name: str, tags: Callable[[str], Sequence[str]]) -> None:
        """Have the server know the same file, by its hash tag among others."""
        content, tag = self.local(name)
        self.sandbox.upload(self.dataset, name, content, tags=tags(tag))
        self.proven.add(name)

    def alike(self, name: str, tags: Callable[[str], Sequence[str]], *, torn: bool = False) -> None:
        """Have the server know a file of that name and size, and no hash of it."""
        content, tag = self.local(name)
        if torn:
            content = content[: SIZE // 2] + bytes(SIZE // 2)
        self.sandbox.upload(self.dataset, name, content, tags=tags(tag))
        self.unproven.add(name)

    def another(self, name: str, why: str, content: bytes, *tags: str) -> None:
        """Have the server know another file."""
        self.local(name)
        self.sandbox.upload(self.dataset, name, content, tags=tags)
        self.conflicts[name] = why

    def record(self, name: str, why: str, size: int | None) -> None:
        """Have the server know a record of the right hash that has no bytes."""
        _content, tag = self.local(name)
        self.sandbox.add_records(self.dataset, [{"name": name, "size": size, "tags": [tag]}])
        self.conflicts[name] = why


def test_namesakes_of_every_kind(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever has the file's name at the server, nothing is called safe by mistake or sent over it.

    1. The dataset has, before the daemon knows of anything: files with an equal hash tag (first,
       last, percent-encoded); of equal size with a hash tag that was cut, with none, with our own
       marks alone, and torn but as long; with another hash, or what is left of one; of another PC
       and another folder; an earlier version and a torn copy; records without bytes.
    2. The first scan asks for all of them and sends none. Equal hashes are `already synced`; where
       only name and size speak, that is counted apart, in the JSON and in words; everything else
       is Error `name conflict` with its reason.
    """
    folder = tmp_path / "dome"
    ours = f"oort|origin|{home.oort('config', 'get', 'host').split()[-1]}"
    made = _Namesakes(sandbox, folder, sandbox.create_dataset("M31"))
    made.equal("hash_first.fits", lambda tag: [tag, "M31", "oort|origin|elsewhere"])
    made.equal("hash_last.fits", lambda tag: ["oort|folder|other", "z", tag])
    made.equal("encoded.fits", lambda tag: [tag.replace("|", "%7C"), "oort%7Corigin%7Celsewhere"])
    made.alike("no_tag.fits", lambda _: ["M31"])
    made.alike("torn_but_as_long.fits", lambda _: [], torn=True)
    made.alike("own_marks.fits", lambda _: ["oort|folder|dome", ours])
    made.alike("cut_hash.fits", lambda tag: [tag[:50]])
    made.another("other_hash.fits", "SHA-256", OTHER, f"arcsecond|sha256|{'b' * 64}")
    made.another("other_cut_hash.fits", "SHA-256", OTHER, f"arcsecond|sha256|{'b' * 40}")
    made.another("other_pc.fits", "another origin: dome-2", OTHER, "M31", "oort|origin|dome-2")
    made.another("other_folder.fits", "another folder: a, b", OTHER, ours, "oort|folder|a%2C b")
    made.another("earlier.fits", f"{SIZE - 2880} bytes", fits_bytes(SIZE - 2880))
    made.another("torn.fits", f"{SIZE // 2} bytes", OTHER[: SIZE // 2])
    made.record("empty_record.fits", "0 bytes", 0)
    made.record("null_record.fits", "no file in it", None)
    before = sandbox.files()
    sandbox.forget_requests()

    home.watch(folder, "-d", "M31")
    home.start()
    safe = len(made.proven) + len(made.unproven)
    status = home.wait_for(Skipped=safe, Error=len(made.conflicts))

    assert sandbox.uploads() == []
    assert sandbox.files() == before
    rows = _rows(home)
    for name in made.proven | made.unproven:
        assert rows[name]["substatus"] == "already synced", rows[name]
        assert rows[name]["unproven"] == (name in made.unproven), rows[name]
    for name, why in made.conflicts.items():
        assert rows[name]["substatus"] == "name conflict", rows[name]
        assert why in rows[name]["error"], rows[name]
        assert "rename" in rows[name]["error"]
    assert (status["queue"]["safe"], status["queue"]["unproven"]) == (safe, len(made.unproven))
    assert {one["path"].rpartition("/")[2] for one in status["attention"]} == set(made.conflicts)
    home.oort("skip", *(folder / name for name in made.conflicts))
    assert f"{len(made.unproven)} by name and size alone, without a hash" in home.oort("status")


def test_namesakes_that_come_after_the_first_scan(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that is new here, and that somebody else has just sent, is told the same by its refusal.

    1. The first scan finds an empty folder. Somebody else sends two files: one with its hash tag,
       one without.
    2. The same two are written here. Nobody asks for them before they are sent, once each; the
       server says that they exist. Both are `already synced`, the second by name and size alone.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    dataset = sandbox.create_dataset("M31")
    home.watch(folder, "-d", "M31")
    home.start()
    make_fits(folder / "first.fits")
    home.wait_for(OK=1)
    twin = make_fits(tmp_path / "elsewhere" / "twin.fits", salt=1)
    alike = make_fits(tmp_path / "elsewhere" / "alike.fits", salt=2)
    tag = f"arcsecond|sha256|{sha256_of(twin)}"
    sandbox.upload(dataset, twin.name, twin.read_bytes(), tags=["M31", tag])
    sandbox.upload(dataset, alike.name, alike.read_bytes(), tags=["M31"])
    stored = sandbox.files()
    sandbox.forget_requests()
    for file in (twin, alike):
        file.rename(folder / file.name)

    status = home.wait_for(Skipped=2)
    rows = _rows(home)
    assert {rows[name]["substatus"] for name in ("twin.fits", "alike.fits")} == {"already synced"}
    assert (rows["twin.fits"]["unproven"], rows["alike.fits"]["unproven"]) == (False, True)
    assert status["queue"]["unproven"] == 1
    for name in ("twin.fits", "alike.fits"):
        asked = [
            one["method"] for one in sandbox.requests() if name in (one["file"] or one["path"])
        ]
        assert asked[0] == "POST"
        assert asked.count("POST") == 1
    assert sandbox.files() == stored


def test_two_local_files_of_one_name(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Of two local files of one name for one dataset the second is told apart before a byte goes out.

    1. Three folders below a watch hold a file of the same name: the first, the same content again,
       and another content. The first is sent; the equal one is `already synced`; the other is
       Error `name conflict` with its remedy, and no byte of it goes out.
    2. The other file is renamed, as its error says: its row follows, and it is sent.
    3. A conflict with a namesake at the server ends when that is deleted there and the file is
       retried.
    """
    folder = tmp_path / "dome"
    first = make_fits(folder / "a" / "flat.fits", salt=1)
    home.watch(folder, "-d", "M31")
    home.start()
    home.wait_for(OK=1)
    equal = make_fits(folder / "b" / "flat.fits", salt=1)
    other = make_fits(folder / "c" / "flat.fits", salt=2)
    stranger = make_fits(folder / "d" / "dark.fits", salt=3)
    status = home.wait_for(OK=2, Skipped=1, Error=1)

    rows = {row["path"]: row for row in home.json("uploads")}
    assert rows[str(equal)]["substatus"] == "already synced"
    assert not rows[str(equal)]["unproven"]
    told = rows[str(other)]
    assert told["substatus"] == "name conflict"
    assert str(first) in told["error"]
    assert "{folder}" in told["error"]
    assert sorted(request["file"] for request in sandbox.uploads()) == ["dark.fits", "flat.fits"]
    assert arrived(sandbox.files(), [first, stranger])
    assert status["queue"]["unproven"] == 0

    renamed = other.rename(other.with_name("flat 2.fits"))
    home.wait_for(OK=3)
    assert home.status()["attention"] == []
    assert arrived(sandbox.files(), [first, stranger, renamed])

    (uuid,) = {file["dataset_uuid"] for file in sandbox.files()}
    sandbox.upload(uuid, "bias.fits", b"of somebody else")
    bias = make_fits(folder / "bias.fits", salt=4)
    home.wait_for(Error=1)
    theirs = sandbox.files()[-1]["pk"]
    assert sandbox.request("DELETE", f"/datafiles/{theirs}/").status == 204
    home.oort("retry", bias)
    home.wait_for(OK=4)
    assert arrived(sandbox.files(), [first, stranger, renamed, bias])


@pytest.mark.parametrize("how", ["suffix", pytest.param("underscores", marks=pytest.mark.soak)])
def test_stored_under_another_name(home: Home, sandbox: Sandbox, tmp_path: Path, how: str) -> None:
    """What the server keeps under another name is found there again, also when the queue is lost.

    1. The server gives every file another name, all but the first: it is noted, and shown. One
       answer is lost: the file is found by its hash, not sent again.
    2. The queue is deleted. Started again, the daemon finds every file by its hash.
    """
    folder = tmp_path / "dome"
    make_fits(folder / "plain.fits", salt=0)
    home.watch(folder, "-d", "M31")
    home.start()
    home.wait_for(OK=1)
    sandbox.rule(method="POST", path="/datafiles/$", rename=how)
    name = "M31_{}.fits" if how == "suffix" else "M 31 {}.fits"
    files = [make_fits(folder / name.format(n), salt=n) for n in range(1, 4)]
    home.wait_for(OK=4)
    sandbox.rule(method="POST", path="/datafiles/$", drop=True, when="after", times=1)
    files.append(make_fits(folder / name.format(4), salt=4))
    home.wait_for(OK=5)
    stored = {file["sha256"]: file["name"] for file in sandbox.files()}
    for file in files[-2:]:
        (*_, last) = home.json("status", file)["history"]
        assert stored[sha256_of(file)] != file.name
        assert f"stored as {stored[sha256_of(file)]}" in last["cause"]
    assert home.stop() == 0
    for left in (home.folder / "oort").glob("oort.db*"):
        left.unlink()

    home.start()
    home.wait_for(Skipped=5)
    assert len(sandbox.uploads()) == len(sandbox.files()) == 5
    assert home.status()["queue"]["unproven"] == 0
