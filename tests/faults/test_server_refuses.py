"""The server refuses a file, a watch, or everything, in words of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

PAGE = {"content_type": "text/html", "body": "<html><h1>Too Large</h1></html>"}


def _watched(home: Home, tmp_path: Path, *names: str) -> list[Path]:
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir()
        home.watch(folder)
    home.start()
    return folders


def _watch(home: Home, name: str) -> dict[str, Any]:
    return next(dict(one) for one in home.status()["watches"] if one["name"] == name)


def _wait_for_watch(home: Home, name: str, state: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        watch = _watch(home, name)
        return watch if watch["state"] == state else None

    return wait_until(reached, timeout_s=60, every_s=0.3, what=home.told)


def test_what_the_server_will_not_take_is_an_error_in_its_words(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A refusal of the file itself is final until somebody says otherwise; the others go on.

    1. Uploads are answered with 413 and 415 (pages of a proxy) and with 400 and 422 in JSON, each
       for ever, and one with a size that is not the file's.
    2. These five are in Error with the words, tried once; the sixth arrives.
    3. The server would take them now: a later file arrives, and nothing happens to these;
       `oort retry --all` sends them.
    """
    (folder,) = _watched(home, tmp_path, "dome")
    refusals: dict[str, tuple[dict[str, Any], str]] = {
        "413": ({"status": 413, **PAGE}, "takes no file of this size"),
        "415": ({"status": 415, **PAGE}, "415 Unsupported Media Type"),
        "400": ({"status": 400, "body": {"file": ["No picture."]}}, "file: No picture."),
        "422": ({"status": 422, "body": {"detail": "Bad header."}}, "Bad header."),
        "size": ({"truncate_size": 100}, "the server kept 100 of 11520 bytes"),
    }
    rules = [sandbox.rule(file=f"^{name}", **rule) for name, (rule, _) in refusals.items()]
    files = [make_fits(folder / f"{name}.fits", salt=n) for n, name in enumerate(refusals)]
    files.append(make_fits(folder / "good.fits", salt=9))

    home.wait_for(OK=1, Error=5)
    for name, (_, words) in refusals.items():
        row = home.row(f"{name}.fits")
        assert words in row["error"], name
        assert (row["attempts"], row["next_attempt_at"]) == (1, None), name
        assert row["substatus"] == ("name conflict" if name == "size" else "error")
    assert len(sandbox.uploads()) == 6

    for rule in rules:
        sandbox.remove(rule)
    files.append(make_fits(folder / "later.fits", salt=10))
    home.wait_for(OK=2, Error=5)
    assert len(sandbox.uploads()) == 7
    home.oort("retry", "--all")
    home.wait_for(OK=6, Skipped=1)  # of the size alone was said something wrong
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_a_quota_holds_the_watch_from_the_tenth_file_on(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Ten files refused with the same words are the watch's trouble; another watch goes on.

    1. Every file of one watch is refused with 400 "Quota exceeded."; thirteen are written.
    2. Nine are in Error, four are held with the watch; a file of another watch arrives.
    3. There is room again: the four arrive by themselves, and the nine after `oort retry --all`.
    """
    full, other = _watched(home, tmp_path, "full", "other")
    rule = sandbox.rule(file="^q", status=400, body={"detail": "Quota exceeded."})
    files = [make_fits(full / f"q{n}.fits", salt=n) for n in range(13)]

    watch = _wait_for_watch(home, "full", "held")
    assert "Quota exceeded." in watch["reason"]
    files.append(make_fits(other / "a.fits", salt=99))
    home.wait_for(OK=1, Error=9)
    held = [one for one in home.json("uploads") if one["status"] == "New"]
    assert [(one["substatus"], one["attempts"]) for one in held] == [("held", 0)] * 4
    assert _watch(home, "other")["state"] == "watching"

    sandbox.remove(rule)
    status = home.wait_for(OK=5)
    assert status["queue"]["by_status"]["Error"] == 9
    _wait_for_watch(home, "full", "watching")
    home.oort("retry", "--all")
    home.wait_for(OK=14)
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_a_refused_dataset_holds_its_watch_alone(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What the server has against one watch is no matter of the others, and passes by itself.

    1. Three watches: the first may not create its dataset (403), the uploads of the second are
       answered with 403 although the key is good, those of the third with 404.
    2. Each is held with the reason, no attempt is counted; a fourth watch goes on.
    3. The server has nothing against them any more: all arrive, without a command.
    """
    names = ["first", "second", "third", "fourth"]
    folders = _watched(home, tmp_path, *names)
    sandbox.create_dataset("second")
    sandbox.create_dataset("third")
    sandbox.create_dataset("fourth")
    detail = {"body": {"detail": "Not for you."}}
    rules = [
        sandbox.rule(method="POST", path="/datasets/$", status=403, **detail),
        sandbox.rule(file="^second", status=403, **detail),
        sandbox.rule(file="^third", status=404, **detail),
    ]
    files = [
        make_fits(folder / f"{name}.fits", salt=n)
        for n, (name, folder) in enumerate(zip(names, folders, strict=True))
    ]

    for name in names[:3]:
        watch = _wait_for_watch(home, name, "held")
        assert "Not for you." in watch["reason"], watch
    home.wait_for(OK=1)
    assert home.row("fourth.fits")["status"] == "OK"
    for name in names[:3]:
        assert home.row(f"{name}.fits")["attempts"] == 0, name
    assert home.status()["link"]["state"] == "online"

    for rule in rules:
        sandbox.remove(rule)
    home.wait_for(OK=4)
    assert arrived(sandbox.files(), files)
    for name in names:
        _wait_for_watch(home, name, "watching")


@pytest.mark.nightly
def test_a_telescope_or_a_portal_that_is_gone_holds_its_watch_alone(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A telescope, or a portal, that is not there any more is told with its name; the others go on.

    1. Three watches: one with a telescope, one for a portal, one with neither. The server answers
       for that telescope, and for that portal, with 404.
    2. Both are held in words that name what is missing, no attempt is counted and no byte sent;
       the third one's file arrives, and the link is online.
    3. Both are there again: all arrive, without a command.
    """
    telescope, portal = sandbox.telescopes()[0]["alias"], sandbox.portal
    folders = {name: tmp_path / name for name in ("telescope", "portal", "neither")}
    options = {"telescope": ("-t", telescope), "portal": ("-p", portal), "neither": ()}
    for name, folder in folders.items():
        folder.mkdir()
        home.watch(folder, *options[name])
    not_found = {"status": 404, "body": {"detail": "Not found."}}
    rules = [
        sandbox.rule(path=f"^/telescopes/{telescope}/", **not_found),
        sandbox.rule(path=f"^/{portal}/", **not_found),
    ]
    home.start()
    files = [
        make_fits(folder / f"{name}.fits", salt=n)
        for n, (name, folder) in enumerate(folders.items())
    ]

    home.wait_for(OK=1)
    for name, missing in (("telescope", telescope), ("portal", portal)):
        watch = _wait_for_watch(home, name, "held")
        assert missing in watch["reason"], watch
        assert name in watch["reason"], watch
        row = home.row(f"{name}.fits")
        assert (row["status"], row["attempts"]) == ("New", 0)
    assert [one["file"] for one in sandbox.uploads()] == ["neither.fits"]
    assert _watch(home, "neither")["state"] == "watching"
    assert home.status()["link"]["state"] == "online"

    for rule in rules:
        sandbox.remove(rule)
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    for name in folders:
        _wait_for_watch(home, name, "watching")


def test_403_to_everything_is_a_refused_key(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A key that may not even look is refused: everything is held, nothing is counted, and it passes.

    1. Everything is answered with 403; a file is written.
    2. The link is `unauthorised` and names the command; one question in `link_retry_max_s`.
    3. The server takes the key again: the file arrives without a command.
    """
    between_s = 2.0
    home.configure({"link_retry_max_s": str(between_s)})
    (folder,) = _watched(home, tmp_path, "dome")
    sandbox.rule(path="^/(?!_faults)", status=403, body={"detail": "No."})
    file = make_fits(folder / "a.fits")
    home.wait_for_link("unauthorised", "arcsecond login --api sandbox")
    assert home.row("a.fits")["attempts"] == 0
    assert home.json("status", file)["substatus"] == "held"
    sandbox.forget_requests()
    began = time.monotonic()
    wait_until(lambda: len(sandbox.requests()) >= 3, what=home.told)
    asked = len(sandbox.requests())
    assert asked <= (time.monotonic() - began) / between_s + 1
    assert sandbox.uploads() == []

    sandbox.clear()
    home.wait_for(OK=1)
    assert home.row("a.fits")["attempts"] == 1
