"""What a published client can do with the sandbox: run as a process, and believed by what arrived."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.compat import published
from tests.compat.published import Server, Upload
from tests.support.sandbox import running_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.compat.published import Client
    from tests.support.sandbox import Sandbox

_COMMAND_S = 120
_PRESS_ENTER = "\n" * 10
_TAG = "night-7"
_OURS = Path(__file__).parents[2]
_NIGHT = {"a.fits": os.urandom(300_000), "b b.fits": b"0123456789" * 777}


class Observer:
    """Somebody with a published client in a home of their own, and a sandbox to use it with."""

    def __init__(self, client: Client, program: Path, sandbox: Sandbox, folder: Path) -> None:
        self.client = client
        self.sandbox = sandbox
        self.server = Server(sandbox.url, sandbox.username, sandbox.upload_key, sandbox.access_key)
        self.home = folder / "observer"
        self.home.mkdir(parents=True)
        self.config = self.home / ".config" / "arcsecond" / "config.ini"
        self.transcript: list[str] = []
        self._program = program

    def another(self) -> Observer:
        """Return somebody with the same client and sandbox, and a home of their own."""
        other = Observer(self.client, self._program, self.sandbox, self.home / "another")
        other.transcript = self.transcript
        return other

    def use(self, *arguments: str, answers: str = _PRESS_ENTER) -> str | None:
        """Run the published client; return what it said, None where it failed."""
        return self._run([str(self._program), *arguments], answers)

    def use_ours(self, *arguments: str) -> str | None:
        """Run this project's client in the same home."""
        return self._run([sys.executable, "-m", "arcsecond", *arguments])

    def _run(self, argv: list[str], answers: str = _PRESS_ENTER) -> str | None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        if argv[0] == sys.executable:
            environment["PYTHONPATH"] = str(_OURS)
        done = subprocess.run(
            argv,
            check=False,
            input=answers,
            start_new_session=True,  # away from a terminal that could be asked in place of stdin
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.home,
            env=environment,
            timeout=_COMMAND_S,
        )
        self.transcript.append(f"$ {' '.join(argv)}\n{done.stdout}[exit {done.returncode}]")
        return done.stdout if done.returncode == 0 else None

    def upload(self, upload: Upload) -> str | None:
        """Upload a folder with the published client."""
        return self.use(*self.client.upload(upload))

    def folder(self, name: str, files: Mapping[str, bytes]) -> str:
        """Write files into a folder of the home; return its path."""
        path = self.home / name
        path.mkdir()
        for file, content in files.items():
            (path / file).write_bytes(content)
        return str(path)

    def telescope(self, portal: str | None = None) -> str:
        """Return the UUID of the last telescope of the account, or of a portal."""
        return str(self.sandbox.telescopes(portal)[-1]["uuid"])

    def dataset(self, name: str, portal: str | None = None) -> dict[str, Any]:
        """Return the one dataset of that name; an empty one where there is none, or a second."""
        path = f"/{portal}/datasets/" if portal else "/datasets/"
        found = self.sandbox.get(f"{path}?name={name}").json()
        named = found["results"] if isinstance(found, dict) else found
        return dict(named[0]) if len(named) == 1 else {}

    def arrived(self, name: str, files: Mapping[str, bytes], portal: str | None = None) -> bool:
        """Tell whether the dataset of that name has these files, byte for byte, and no others."""
        uuid = self.dataset(name, portal).get("uuid")
        stored = [file for file in self.sandbox.files() if file["dataset_uuid"] == uuid]
        folder = self.sandbox.storage / "files" / str(uuid)
        return (
            sorted(file["name"] for file in stored) == sorted(files)
            and all(file["portal"] == portal for file in stored)
            and all((folder / file).read_bytes() == content for file, content in files.items())
        )


def measure(
    client: Client, program: Path, folder: Path
) -> tuple[dict[str, bool | None], list[str]]:
    """Return what the client can do, by action, and what was said on the way."""
    with running_sandbox(folder / "sandbox") as sandbox:
        observer = Observer(client, program, sandbox, folder)
        results = {
            action: None if action in client.lacks else _MEASURES[action](observer)
            for action in published.ACTIONS
            if action != published.PAGES
        }
    (folder / "paged").mkdir()
    with running_sandbox(folder / "paged" / "sandbox", page_size=1) as sandbox:
        second = Observer(client, program, sandbox, folder / "paged")
        results[published.PAGES] = all(
            _MEASURES[action](second)
            for action in published.ACTIONS
            if action in _IN_PAGES and action not in client.lacks
        )
    return results, observer.transcript + second.transcript


def _log_in(observer: Observer) -> bool:
    for words in observer.client.register(observer.server):
        observer.use(*words)
    observer.use(*observer.client.log_in(observer.server))
    return _is_logged_in(observer)


def _log_in_asked(observer: Observer) -> bool:
    other = observer.another()
    for words in other.client.register(other.server):
        other.use(*words)
    words, answers = other.client.log_in_asked(other.server)
    other.use(*words, answers="\n".join([*answers, ""]))
    return _is_logged_in(other)


def _is_logged_in(observer: Observer) -> bool:
    stored = _entries(observer).get(observer.client.api, {})
    return (stored.get("username"), stored.get("upload_key")) == (
        observer.server.username,
        observer.server.upload_key,
    )


def _profile(observer: Observer) -> bool:
    said = observer.use(*observer.client.profile()) or ""
    return observer.server.username in said and "rehearsal" in said


def _datasets(observer: Observer) -> bool:
    made = [observer.sandbox.create_dataset(name) for name in ("first", "second")]
    said = observer.use(*observer.client.datasets()) or ""
    return all(uuid in said for uuid in made)


def _telescopes(observer: Observer) -> bool:
    return all(
        str(telescope["uuid"]) in (observer.use(*observer.client.telescopes(portal)) or "")
        for portal in (None, "rehearsal")
        for telescope in observer.sandbox.telescopes(portal)
    )


def _new_dataset(observer: Observer) -> bool:
    upload = Upload(observer.folder("new", _NIGHT), "new", observer.telescope())
    return observer.upload(upload) is not None and observer.arrived("new", _NIGHT)


def _existing_dataset(observer: Observer) -> bool:
    """Add to a dataset, by its UUID where the client takes one, then by its name."""
    here = Upload(observer.folder("here", {"1.fits": b"one"}), "here", observer.telescope())
    if isinstance(observer.client, published.OortCloud):
        observer.upload(here)
    else:
        uuid = observer.sandbox.create_dataset("here", telescope=here.telescope)
        observer.upload(Upload(here.folder, uuid, here.telescope))
    first = observer.arrived("here", {"1.fits": b"one"})
    (observer.home / "here" / "2.fits").write_bytes(b"two")
    observer.upload(here)
    return first and observer.arrived("here", {"1.fits": b"one", "2.fits": b"two"})


def _telescope(observer: Observer) -> bool:
    telescope = observer.telescope()
    observer.upload(Upload(observer.folder("seen", {"1.fits": b"1"}), "seen", telescope))
    return observer.dataset("seen").get("telescope") == telescope


def _portal(observer: Observer) -> bool:
    telescope = observer.telescope("rehearsal")
    night = observer.folder("shared", _NIGHT)
    observer.upload(Upload(night, "shared", telescope, "rehearsal"))
    return observer.arrived("shared", _NIGHT, "rehearsal") and not observer.dataset("shared")


def _tags(observer: Observer) -> bool:
    folder = observer.folder("tagged", {"1.fits": b"1"})
    upload = Upload(folder, "tagged", observer.telescope(), tag=_TAG)
    observer.upload(upload)
    tagged = [file["tags"] for file in observer.sandbox.files() if file["dataset"] == "tagged"]
    return [observer.client.tag_of(upload, observer.server) in tags for tags in tagged] == [True]


def _again(observer: Observer) -> bool:
    upload = Upload(observer.folder("twice", _NIGHT), "twice", observer.telescope())
    observer.upload(upload)
    before = observer.sandbox.files()
    said = observer.upload(upload) or ""
    return (
        observer.client.says_again in said
        and observer.arrived("twice", _NIGHT)
        and observer.sandbox.files() == before
    )


def _config_here(observer: Observer) -> bool:
    """Show the profile and upload with this project's client, which nobody logged in."""
    api = (
        []
        if isinstance(observer.client, published.ChoosesServer)
        else ["--api", observer.client.api]
    )
    me = observer.use_ours("me", *api, "--json") or "{}"
    night = observer.folder("ours", _NIGHT)
    observer.use_ours("upload", night, "-d", "ours", "--yes", *api)
    profile = json.loads(me[me.index("{") :])  # a warning of the file's mode may come first
    return profile.get("username") == observer.server.username and observer.arrived("ours", _NIGHT)


def _config_there(observer: Observer) -> bool:
    """Log in with this project's client, then upload with the published one again."""
    before = _entries(observer)
    login = ["login", "--username", observer.server.username, "--access_key"]
    observer.use_ours(*login, observer.server.access_key, "--api", observer.client.api)
    after = _entries(observer)
    kept = all(after.get(name, {}).items() >= entries.items() for name, entries in before.items())
    added = after[observer.client.api].get("access_key") == observer.server.access_key
    upload = Upload(observer.folder("later", _NIGHT), "later", observer.telescope())
    observer.upload(upload)
    return kept and added and observer.arrived("later", _NIGHT)


def _entries(observer: Observer) -> dict[str, dict[str, str]]:
    """Return what config.ini holds, by section."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(observer.config, encoding="utf-8")
    return {name: dict(parser[name]) for name in parser.sections()}


_MEASURES: dict[str, Callable[[Observer], bool]] = {
    published.LOGIN: _log_in,
    published.ASKED: _log_in_asked,
    published.PROFILE: _profile,
    published.DATASETS: _datasets,
    published.TELESCOPES: _telescopes,
    published.NEW: _new_dataset,
    published.EXISTING: _existing_dataset,
    published.TELESCOPE: _telescope,
    published.PORTAL: _portal,
    published.TAGS: _tags,
    published.AGAIN: _again,
    published.CONFIG_HERE: _config_here,
    published.CONFIG_THERE: _config_there,
}
_IN_PAGES = (
    published.LOGIN,
    published.DATASETS,
    published.TELESCOPES,
    published.NEW,
    published.EXISTING,
    published.PORTAL,
    published.AGAIN,
)
