"""The published clients: how each is installed, and how it is told what to do.

What is here is what their `--help` says and what they were seen to do; nothing of their code.
"""

from __future__ import annotations

from dataclasses import dataclass

LOGIN = "login"
ASKED = "login, asked"
PROFILE = "profile"
DATASETS = "datasets"
TELESCOPES = "telescopes"
NEW = "new dataset"
EXISTING = "existing dataset"
TELESCOPE = "its telescope"
PORTAL = "portal"
TAGS = "tags"
AGAIN = "again"
PAGES = "pages"
CONFIG_HERE = "config.ini read"
CONFIG_THERE = "and kept"

ACTIONS = {
    LOGIN: "registers the sandbox, logs in, and has the key stored",
    ASKED: "does so when it is left to ask for everything",
    PROFILE: "shows the profile, with the portal",
    DATASETS: "lists the datasets",
    TELESCOPES: "lists the telescopes, the account's and the portal's",
    NEW: "uploads a folder to a dataset that it creates",
    EXISTING: "adds a folder to a dataset that is there",
    TELESCOPE: "attaches a new dataset to the telescope that it was given",
    PORTAL: "uploads to a dataset of a portal",
    TAGS: "its tags arrive with the file",
    AGAIN: "sends the same folder again: says so, and nothing is stored twice or changed",
    PAGES: "does the same where the server answers listings in pages of one",
    CONFIG_HERE: "with the `config.ini` that it left, this client uploads without a login",
    CONFIG_THERE: "after this client stored a key in it, that client goes on, and its entries stay",
}
"""What is measured, by the name of its column, and what a `yes` there means."""


@dataclass(frozen=True)
class Server:
    """What a client has to be told of a sandbox."""

    url: str
    username: str
    upload_key: str
    access_key: str


@dataclass(frozen=True)
class Upload:
    """A folder to upload, and where to."""

    folder: str
    dataset: str
    telescope: str
    portal: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Client:
    """A published client; its methods return the arguments of its command."""

    name: str
    requirements: tuple[str, ...]
    program: str = "arcsecond"
    python: tuple[int, int] = (3, 11)
    """The oldest Python that it asks for; installed on an older one all the same."""
    upload_command: str = "upload-data"
    api: str = "box"
    lacks: frozenset[str] = frozenset()
    """What it has no command for."""
    says_again: str = "skipped: 2, failed: 0"
    """What it says of a folder that is there already."""

    @property
    def folder(self) -> str:
        """The name of its virtual environment."""
        return self.name.replace(" ", "-")

    def register(self, server: Server) -> list[list[str]]:
        """Make the server known."""
        return [["api", self.api, server.url]]

    def log_in(self, server: Server) -> list[str]:
        """Log in with the upload key."""
        words = ["login", "--username", server.username, "--type", "upload"]
        return [*words, "--key", server.upload_key, *self._api()]

    def log_in_asked(self, server: Server) -> tuple[list[str], list[str]]:
        """Log in with nothing said; return the command, and the answers to what it asks."""
        return ["login", *self._api()], [server.username, "upload", server.upload_key]

    def profile(self) -> list[str]:
        """Show the profile."""
        return ["me", *self._api()]

    def datasets(self) -> list[str]:
        """List the datasets."""
        return ["datasets", *self._api()]

    def telescopes(self, portal: str | None = None) -> list[str]:
        """List the telescopes."""
        return ["telescopes", *self._portal(portal), *self._api()]

    def upload(self, upload: Upload) -> list[str]:
        """Upload a folder."""
        words = [self.upload_command, upload.folder, "-d", upload.dataset, "-t", upload.telescope]
        tags = ["--tags", upload.tag] if upload.tag else []
        return [*words, *tags, *self._portal(upload.portal), *self._api()]

    def dataset_of(self, upload: Upload) -> str:
        """Return the name of the dataset that an upload goes to."""
        return upload.dataset

    def tag_of(self, upload: Upload, server: Server) -> str:
        """Return a tag that a file of that upload must have."""
        del server
        assert upload.tag is not None
        return upload.tag

    def _api(self) -> list[str]:
        return ["--api", self.api]

    def _portal(self, portal: str | None) -> list[str]:
        return ["-p", portal] if portal else []


class TagsByItself(Client):
    """A client whose tags cannot be chosen: it tells who uploaded, and from where."""

    def upload(self, upload: Upload) -> list[str]:
        """Upload a folder."""
        plain = Upload(upload.folder, upload.dataset, upload.telescope, upload.portal)
        return super().upload(plain)

    def tag_of(self, upload: Upload, server: Server) -> str:
        """Return a tag that a file of that upload must have."""
        del upload
        return f"{self.program}|uploader|{server.username}"


class ChoosesServer(Client):
    """A client that has a current server in place of `--api`."""

    def register(self, server: Server) -> list[list[str]]:
        """Make the server known, and the current one."""
        return [["api", "add", self.api, server.url], ["api", "use", self.api]]

    def _api(self) -> list[str]:
        return []


class OortCloud(TagsByItself):
    """The first upload daemon: logs in with a password, and names datasets after their folders."""

    def log_in(self, server: Server) -> list[str]:
        """Log in with the password, which the sandbox takes the access key for."""
        words = ["login", "--username", server.username, "--password", server.access_key]
        return [*words, *self._api()]

    def log_in_asked(self, server: Server) -> tuple[list[str], list[str]]:
        """Log in with nothing said; return the command, and the answers to what it asks."""
        return ["login", *self._api()], [server.username, server.access_key]

    def upload(self, upload: Upload) -> list[str]:
        """Upload a folder."""
        words = ["upload", upload.folder, "-t", upload.telescope]
        return [*words, *self._portal(upload.portal), *self._api()]

    def dataset_of(self, upload: Upload) -> str:
        """Return the name of the dataset that an upload goes to."""
        return upload.folder.rsplit("/", 1)[-1]

    def _portal(self, portal: str | None) -> list[str]:
        return ["-o", portal] if portal else []


CLIENTS = (
    # Alone it takes the newest arcsecond, with which it does not start: 2.0.4 is the last it can use.
    # 'dev' is the one name at which it does not wait six seconds before it uploads.
    OortCloud(
        "oort-cloud 1.13.1",
        ("oort-cloud==1.13.1", "arcsecond==2.0.4"),
        program="oort",
        api="dev",
        lacks=frozenset({PROFILE, DATASETS}),
        says_again="No new file paths to upload",
    ),
    TagsByItself(
        "arcsecond 3.2.0",
        ("arcsecond==3.2.0",),
        upload_command="upload",
        lacks=frozenset({TELESCOPES}),
    ),
    Client("arcsecond 3.11.0", ("arcsecond==3.11.0",)),
    Client("arcsecond 3.14.1", ("arcsecond==3.14.1",)),
    ChoosesServer(
        "arcsecond 4.5.0",
        ("arcsecond==4.5.0",),
        python=(3, 12),
        upload_command="upload",
        lacks=frozenset({PROFILE}),
    ),
)
