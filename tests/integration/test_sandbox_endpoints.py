"""Every endpoint of the sandbox with every method: what it answers, and in which shape.

TABLE is what is known of the real server: methods and shapes from its own description of its API
as it was published in early 2023, the two statuses (with the access key, with the upload key) from
what published clients depend on. A route that the sandbox has and the table has not fails, too.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from arcsecond.sandbox.app import SandboxApp
from tests.support.sandbox import Reply, Sandbox, form, running_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES = {
    "Server": {"name"},
    "Token": {"token"},
    "ApiKey": {"api_key"},
    "UploadKey": {"upload_key"},
    "Profile": {"pk", "username", "first_name", "last_name", "membership_date", "memberships"},
    "Organisation": {"pk", "name", "acronym", "subdomain", "date_created", "telescopes"},
    "Member": {"pk", "role", "date_joined", "organisation", "username", "email", "title"},
    "Dataset": {
        "uuid",
        "name",
        "description",
        "is_public",
        "telescope",
        "tags",
        "creation_date",
        "last_update",
        "data_files_count",
        "data_files_volume",
    },
    "DataFile": {"pk", "name", "size", "dataset", "file", "is_fits", "is_xisf", "tags", "is_raw"},
    "Telescope": {"uuid", "name", "alias", "acronym", "observing_site", "coordinates", "images"},
    "Site": {"uuid", "name", "nickname", "coordinates", "telescopes", "images"},
    "NightLog": {"uuid", "date", "journal", "telescope", "observations", "calibrations"},
    "Observation": {"uuid", "name", "notes", "start", "duration", "night_log", "target_name"},
    "Calibration": {"uuid", "name", "notes", "start", "duration", "night_log", "type"},
    "Target": {"pk", "object", "identifier", "name", "type", "mode"},
    "TargetList": {"uuid", "name", "description", "tags", "targets", "is_public", "last_update"},
    "DataPackage": {"uuid", "name", "description", "datasets", "is_public", "creation_date"},
    "Camera": {"uuid", "name"},
}

TABLE = """
GET     /                                              200 200 Server
POST    /auth/token/                                   200 200 Token
POST    /auth/key/verify/                              204 204 -
POST    /auth/key/verify-organisation/                 204 204 -
GET     /profiles/                                     200 200 [Profile]
GET     /profiles/{username}/                          200 200 Profile
GET     /profiles/{username}/apikey/                   200 403 ApiKey
GET     /profiles/{username}/uploadkey/                200 403 UploadKey
GET     /organisations/                                200 200 [Organisation]
GET     /organisations/{portal}/                       200 200 Organisation
GET     /{portal}/members/                             200 403 [Member]
POST    /{portal}/members/                             400 403 -
GET     /{portal}/members/{member}/                    200 403 Member
PUT     /{portal}/members/{member}/                    200 403 Member
PATCH   /{portal}/members/{member}/                    200 403 Member
DELETE  /{portal}/members/{member}/                    204 403 -
GET     [/{portal}]/datasets/                          200 200 [Dataset]
POST    [/{portal}]/datasets/                          201 201 Dataset
GET     [/{portal}]/datasets/{dataset}/                200 200 Dataset
PUT     [/{portal}]/datasets/{dataset}/                200 200 Dataset
PATCH   [/{portal}]/datasets/{dataset}/                200 200 Dataset
DELETE  [/{portal}]/datasets/{dataset}/                204 403 -
GET     [/{portal}]/datafiles/                         200 200 [DataFile]
POST    [/{portal}]/datafiles/                         201 201 DataFile
GET     [/{portal}]/datafiles/{file}/                  200 200 DataFile
PUT     [/{portal}]/datafiles/{file}/                  200 200 DataFile
PATCH   [/{portal}]/datafiles/{file}/                  200 200 DataFile
DELETE  [/{portal}]/datafiles/{file}/                  204 403 -
GET     [/{portal}]/datafiles/a.fits/                  200 200 DataFile
GET     [/{portal}]/datafiles/{file}/download/         200 200 bytes
GET     [/{portal}]/datasets/{dataset}/datafiles/      200 200 [DataFile]
POST    [/{portal}]/datasets/{dataset}/datafiles/      201 201 DataFile
GET     [/{portal}]/datasets/{dataset}/datafiles/a.fits/    200 200 DataFile
PUT     [/{portal}]/datasets/{dataset}/datafiles/a.fits/    200 200 DataFile
PATCH   [/{portal}]/datasets/{dataset}/datafiles/a.fits/    200 200 DataFile
DELETE  [/{portal}]/datasets/{dataset}/datafiles/a.fits/    204 403 -
GET     [/{portal}]/datasets/{dataset}/datafiles/{file}/    200 200 DataFile
PATCH   [/{portal}]/datasets/{dataset}/datafiles/{file}/    200 200 DataFile
GET     [/{portal}]/telescopes/                        200 200 [Telescope]
POST    [/{portal}]/telescopes/                        201 201 Telescope
GET     [/{portal}]/telescopes/{telescope}/            200 200 Telescope
PUT     [/{portal}]/telescopes/{telescope}/            200 200 Telescope
PATCH   [/{portal}]/telescopes/{telescope}/            200 200 Telescope
DELETE  /telescopes/{telescope}/                       204 403 -
DELETE  /{portal}/telescopes/{telescope}/              405 403 -
GET     [/{portal}]/observingsites/                    200 200 [Site]
POST    [/{portal}]/observingsites/                    201 403 Site
GET     [/{portal}]/observingsites/{site}/             200 200 Site
PUT     [/{portal}]/observingsites/{site}/             200 403 Site
PATCH   [/{portal}]/observingsites/{site}/             200 403 Site
DELETE  [/{portal}]/observingsites/{site}/             405 403 -
GET     /observingsites/{site}/telescopes/             200 200 [Telescope]
POST    /observingsites/{site}/telescopes/             201 201 Telescope
GET     [/{portal}]/nightlogs/                         200 200 [NightLog]
POST    [/{portal}]/nightlogs/                         201 403 NightLog
GET     [/{portal}]/nightlogs/{night_log}/             200 200 NightLog
PUT     [/{portal}]/nightlogs/{night_log}/             200 403 NightLog
PATCH   [/{portal}]/nightlogs/{night_log}/             200 403 NightLog
DELETE  [/{portal}]/nightlogs/{night_log}/             204 403 -
GET     /nightlogs/{night_log}/observations/           200 200 [Observation]
POST    /nightlogs/{night_log}/observations/           201 403 Observation
GET     /nightlogs/{night_log}/calibrations/           200 200 [Calibration]
POST    /nightlogs/{night_log}/calibrations/           201 403 Calibration
GET     [/{portal}]/observations/                      200 200 [Observation]
POST    /observations/                                 201 403 Observation
POST    /{portal}/observations/                        405 403 -
GET     /observations/{observation}/                   200 200 Observation
PUT     /observations/{observation}/                   200 403 Observation
PATCH   /observations/{observation}/                   200 403 Observation
DELETE  /observations/{observation}/                   204 403 -
GET     /{portal}/observations/nonsense/               404 404 -
GET     [/{portal}]/calibrations/                      200 200 [Calibration]
POST    /calibrations/                                 201 403 Calibration
POST    /{portal}/calibrations/                        405 403 -
GET     /calibrations/{calibration}/                   200 200 Calibration
PUT     /calibrations/{calibration}/                   200 403 Calibration
PATCH   /calibrations/{calibration}/                   200 403 Calibration
DELETE  /calibrations/{calibration}/                   204 403 -
GET     /{portal}/calibrations/nonsense/               404 404 -
GET     [/{portal}]/targets/                           200 200 [Target]
POST    [/{portal}]/targets/                           201 403 Target
GET     [/{portal}]/targets/{target}/                  200 200 Target
PUT     [/{portal}]/targets/{target}/                  200 403 Target
PATCH   [/{portal}]/targets/{target}/                  200 403 Target
DELETE  [/{portal}]/targets/{target}/                  204 403 -
GET     [/{portal}]/targetlists/                       200 200 [TargetList]
POST    [/{portal}]/targetlists/                       201 403 TargetList
GET     [/{portal}]/targetlists/{target_list}/         200 200 TargetList
PUT     [/{portal}]/targetlists/{target_list}/         200 403 TargetList
PATCH   [/{portal}]/targetlists/{target_list}/         200 403 TargetList
DELETE  [/{portal}]/targetlists/{target_list}/         204 403 -
GET     [/{portal}]/datapackages/                      200 200 [DataPackage]
POST    [/{portal}]/datapackages/                      201 403 DataPackage
GET     [/{portal}]/datapackages/{data_package}/       200 200 DataPackage
PUT     [/{portal}]/datapackages/{data_package}/       200 403 DataPackage
PATCH   [/{portal}]/datapackages/{data_package}/       200 403 DataPackage
DELETE  [/{portal}]/datapackages/{data_package}/       204 403 -
GET     [/{portal}]/allskycameras/                     200 200 [Camera]
POST    [/{portal}]/allskycameras/                     201 403 Camera
GET     [/{portal}]/allskycameras/{camera}/            200 200 Camera
PUT     [/{portal}]/allskycameras/{camera}/            200 403 Camera
PATCH   [/{portal}]/allskycameras/{camera}/            200 403 Camera
DELETE  [/{portal}]/allskycameras/{camera}/            204 403 -
"""


@dataclass(frozen=True)
class Row:
    """One endpoint with one method."""

    method: str
    path: str
    status: int
    with_upload_key: int
    shape: str

    @property
    def prefix(self) -> str:
        return "/{portal}" if self.path.startswith("/{portal}/") else ""


def rows() -> Iterator[Row]:
    for line in TABLE.split("\n"):
        if line:
            method, path, status, with_upload_key, shape = line.split()
            for prefix in ("", "/{portal}") if path.startswith("[") else ("",):
                full = path.replace("[/{portal}]", prefix)
                yield Row(method, full, int(status), int(with_upload_key), shape)


ROWS = list(rows())
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "storage") as running:
        yield running


def posted(sandbox: Sandbox, path: str, value: dict[str, Any], ident: str = "uuid") -> str:
    reply = sandbox.send("POST", path, value)
    assert reply.status == 201, reply
    return str(reply.json()[ident])


class Made(dict[str, str]):
    """What the braces of a path mean: made when a path names it, a new one for each test."""

    def __init__(self, sandbox: Sandbox, prefix: str) -> None:
        super().__init__(username=sandbox.username, portal="rehearsal")
        self._sandbox = sandbox
        self._prefix = prefix.format_map(self)

    def __missing__(self, name: str) -> str:
        self[name] = made = self._makers()[name]()
        return made

    def _makers(self) -> dict[str, Callable[[], str]]:
        sandbox, prefix = self._sandbox, self._prefix
        return {
            "member": lambda: str(sandbox.get("/rehearsal/members/").json()[0]["pk"]),
            "site": lambda: str(sandbox.telescopes()[0]["observing_site"]),
            "dataset": lambda: posted(sandbox, f"{prefix}/datasets/", {"name": "M31"}),
            "file": self._file,
            "telescope": lambda: posted(sandbox, f"{prefix}/telescopes/", self.body("telescopes")),
            "night_log": lambda: posted(sandbox, f"{prefix}/nightlogs/", self.body("nightlogs")),
            "observation": lambda: posted(sandbox, "/observations/", self.body("observations")),
            "calibration": lambda: posted(sandbox, "/calibrations/", self.body("calibrations")),
            "target": lambda: posted(sandbox, f"{prefix}/targets/", {"name": "M31"}, "pk"),
            "target_list": lambda: posted(sandbox, f"{prefix}/targetlists/", {"name": "t"}),
            "data_package": lambda: posted(sandbox, f"{prefix}/datapackages/", {"name": "p"}),
            "camera": lambda: posted(sandbox, f"{prefix}/allskycameras/", {"name": "roof"}),
        }

    def _file(self) -> str:
        portal = "rehearsal" if self._prefix else None
        reply = self._sandbox.upload(self["dataset"], "a.fits", b"content", portal=portal)
        assert reply.status == 201, reply
        return str(reply.json()["pk"])

    def body(self, resource: str) -> dict[str, Any]:
        """Return what a POST or PUT of that resource must hold."""
        sandbox = self._sandbox
        if resource in ("observations", "calibrations"):
            return {"night_log": self["night_log"]}
        return {
            "token": {"username": sandbox.username, "password": sandbox.access_key},
            "verify": {"username": sandbox.username, "key": sandbox.upload_key},
            "verify-organisation": {
                "username": sandbox.username,
                "key": sandbox.upload_key,
                "organisation": "rehearsal",
            },
            "members": {"username": sandbox.username, "role": "admin"},
            "telescopes": {"name": "Dobson", "observing_site": self["site"]},
            "observingsites": {"name": "hill", "coordinates": {}},
            "nightlogs": {"date": "2026-11-23"},
        }.get(resource, {"name": "name"})


def ask(sandbox: Sandbox, row: Row, made: Made, key: str) -> Reply:
    """Send what the row says, with a body that the endpoint takes."""
    if "a.fits" in row.path:
        assert made["file"]
    path = row.path.format_map(made)
    words = [word for word in row.path.split("/") if word and "{" not in word and word != "a.fits"]
    resource = words[-1] if words else ""
    if resource == "datafiles" and row.method in ("POST", "PUT"):
        body, content_type = form(
            [("dataset", made["dataset"]), ("file", (f"{next(_NUMBERS)}.fits", b"new content"))]
        )
        return sandbox.request(
            row.method, path, body=body, headers={"Content-Type": content_type}, key=key
        )
    if row.method in ("POST", "PUT"):
        return sandbox.send(row.method, path, made.body(resource), key=key)
    if row.method == "PATCH":
        return sandbox.send("PATCH", path, {}, key=key)
    return sandbox.request(row.method, path, key=key)


def check_shape(reply: Reply, shape: str) -> None:
    if shape == "bytes":
        assert reply.content == b"content"
        return
    if reply.status == 204:
        assert reply.content == b""
        return
    answer = reply.json()
    if reply.status >= 400:
        assert all(isinstance(name, str) for name in answer)
        assert answer
        return
    listed = shape.startswith("[")
    objects = answer if listed else [answer]
    assert isinstance(objects, list)
    for one in objects:
        assert SHAPES[shape.strip("[]")] <= one.keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_an_endpoint_answers_as_the_table_says(server: Sandbox, row: Row) -> None:
    made = Made(server, row.prefix)
    if row.method == "DELETE" and "members" in row.path:
        server.add_portal("rehearsal", role="owner")
    try:
        # The upload key first: what it may not do leaves the object for the access key.
        replies = [
            ask(server, row, made if key == server.access_key else Made(server, row.prefix), key)
            for key in (server.upload_key, server.access_key)
        ]
    finally:
        server.add_portal("rehearsal", role="admin")
    assert [reply.status for reply in replies] == [row.with_upload_key, row.status]
    check_shape(replies[1], row.shape)


def test_every_route_is_in_the_table() -> None:
    def plain(path: str) -> str:
        return "/".join(
            "{}" if "{" in word or word in ("a.fits", "nonsense") else word
            for word in path.split("/")
        )

    listed = {
        (row.method, plain(row.path.removeprefix("/{portal}")), bool(row.prefix))
        for row in ROWS
        if row.status != 405
    }
    there = {
        (method, route.path, portal)
        for route in SandboxApp.routes
        for method in route.views
        for portal in (False, True)
        if (route.portal if portal else route.personal)
    }
    assert listed == there
