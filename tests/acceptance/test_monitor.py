"""`oort monitor` as a process: who may look, who may change, `/metrics`, `/healthz`, its end.

Each rule of security has a test that fails without it. No daemon runs but where a test needs one:
the page works without.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oort.clock import SystemClock
from oort.policy import state
from oort.queue.opening import OpenQueue
from tests.support.daemon import Home
from tests.support.files import make_fits
from tests.support.monitor import running_monitor, wait_for_open
from tests.support.rows import row_in, sqlite_at
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.monitor import Monitor
    from tests.support.sandbox import Reply

TOKEN = "the-token-of-this-observatory"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # that is what is tested
STRICT = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


@contextmanager
def observatory(folder: Path) -> Iterator[Home]:
    """Give a home without a server and without a daemon, whose queue has one file in Error."""
    with Home(folder / "observatory") as made:
        made.configure()
        watched = folder / "dome"
        watched.mkdir()
        config = made.folder / "oort" / "config.toml"
        config.write_text(f'{config.read_text()}\n[[watch]]\nname = "dome"\npath = "{watched}"\n')
        database = sqlite_at(made.folder / "oort" / "oort.db")
        opened = OpenQueue(database, host="", clock=SystemClock())
        row_in(opened, "bad<b>&.fits", state.FAILED, root=os.fsencode(watched))
        opened.close()
        yield made


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Home]:
    with observatory(tmp_path) as home:
        yield home


@pytest.fixture
def monitor(quiet: Home) -> Iterator[Monitor]:
    with running_monitor(quiet) as running:
        yield running


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Give one home to all tests that are to change nothing."""
    with observatory(tmp_path_factory.mktemp("still")) as home:
        yield home


@pytest.fixture(scope="module")
def standing(still: Home) -> Iterator[Monitor]:
    with running_monitor(still) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(still: Home) -> Iterator[Monitor]:
    with running_monitor(still, environment={"OORT_MONITOR_TOKEN": TOKEN}) as running:
        yield running


def statuses_in(home: Home) -> list[str]:
    with closing(sqlite3.connect(home.folder / "oort" / "oort.db")) as queue:
        return [row[0] for row in queue.execute("SELECT status FROM uploads ORDER BY id")]


# -- whose name -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/events", "/metrics", "/healthz", "/assets/page.js", "/x"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:5001", "10.1.2.3", None])
def test_a_wrong_host_is_refused_everywhere(standing: Monitor, path: str, host: str | None) -> None:
    reply = standing.get(path, Host=host)

    assert reply.status in (400, 403)  # HTTP/1.1 without a Host is no HTTP at all
    assert b"oort_up" not in reply.content


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:5001"])
def test_this_machine_has_several_names(standing: Monitor, host: str) -> None:
    assert standing.get("/", Host=host).status == 200


def test_a_name_may_be_added(still: Home) -> None:
    with running_monitor(still, "--allow-host", "dome.example") as monitor:
        assert monitor.get("/", Host="dome.example:80").status == 200
        assert monitor.get("/", Host="cupola.example:80").status == 403


# -- who may look -----------------------------------------------------------------------------------


def test_another_host_needs_a_token(still: Home) -> None:
    done = still.run("oort", "monitor", "--host", EVERYWHERE, "--port", "0", check=False)

    assert done.returncode == 1
    assert "Error: --host 0.0.0.0 can be reached from other machines, and needs a token" in (
        done.stderr
    )
    assert "Hint: --token-file" in done.stderr


def test_another_host_with_a_token_is_served(still: Home) -> None:
    environment = {"OORT_MONITOR_TOKEN": TOKEN}
    with running_monitor(still, "--host", EVERYWHERE, environment=environment) as monitor:
        assert monitor.get("/metrics").status == 401
        assert monitor.get("/metrics", Authorization=f"Bearer {TOKEN}").status == 200


def test_a_token_file_that_others_may_read_is_refused(still: Home, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)

    done = still.run("oort", "monitor", "--token-file", file, "--port", "0", check=False)

    assert done.returncode == 1
    assert f"Hint: chmod 600 {file}" in done.stderr
    file.chmod(0o600)
    with running_monitor(still, "--token-file", str(file)) as monitor:
        assert monitor.get("/metrics").status == 401
        assert monitor.get("/metrics", Authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize("path", ["/events", "/metrics", "/retry", "/nothing"])
def test_without_the_token_nothing_is_told(guarded: Monitor, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"oort_monitor={TOKEN}"}):
        reply = guarded.get(path, **headers)
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")
        assert reply.content == b"a token is needed\n"


def test_the_token_is_asked_for_once_and_kept_in_a_cookie(guarded: Monitor) -> None:
    asked = guarded.get("/")
    assert asked.status == 401
    assert b'name="token" type="password"' in asked.content

    reply = _log_in(guarded, TOKEN)

    assert reply.status == 204
    cookie, *attributes = reply.headers["set-cookie"].split("; ")
    assert {"httponly", "samesite=strict", "path=/"} <= {one.lower() for one in attributes}
    assert TOKEN not in cookie
    shown = guarded.get("/", Cookie=cookie)
    assert shown.status == 200
    assert b"page.js" in shown.content


def test_a_wrong_token_opens_nothing(guarded: Monitor) -> None:
    reply = _log_in(guarded, f"{TOKEN}x")

    assert reply.status == 401
    assert reply.headers["set-cookie"] is None


def test_no_other_site_may_log_a_browser_in(guarded: Monitor) -> None:
    for origin in ("http://evil.example", None):
        reply = _log_in(guarded, TOKEN, Origin=origin)
        assert (reply.status, reply.headers["set-cookie"]) == (403, None)


def _log_in(monitor: Monitor, token: str, **headers: str | None) -> Reply:
    sent: dict[str, str | None] = {
        "Origin": f"http://127.0.0.1:{monitor.port}",
        "Content-Type": "application/x-www-form-urlencoded",
        **headers,
    }
    return monitor.request("POST", "/login", sent, f"token={token}".encode())


def test_a_token_on_loopback_is_asked_for_too(guarded: Monitor) -> None:
    assert guarded.get("/metrics").status == 401


# -- who may change ---------------------------------------------------------------------------------


def test_our_own_page_may_retry_and_skip(quiet: Home, monitor: Monitor) -> None:
    retried = monitor.order("retry", {"ids": [1]})
    assert (retried.status, retried.json()) == (200, {"moved": 1, "refused": []})
    assert statuses_in(quiet) == ["New"]

    skipped = monitor.order("skip", {"ids": [1]})
    assert (skipped.status, skipped.json()["moved"]) == (200, 1)
    assert statuses_in(quiet) == ["Skipped"]


def test_every_error_may_be_retried_at_once(quiet: Home, monitor: Monitor) -> None:
    assert monitor.order("retry", {"all": True}).json()["moved"] == 1
    assert statuses_in(quiet) == ["New"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Oort_Token": None},
        {"X_Oort_Token": ""},
        {"X_Oort_Token": "wrong"},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["retry", "skip"])
def test_nobody_else_may_change_anything(
    still: Home, standing: Monitor, command: str, headers: dict[str, str | None]
) -> None:
    assert standing.order(command, {"ids": [1]}, **headers).status == 403
    assert statuses_in(still) == ["Error"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("command", ["retry", "skip"])
def test_only_a_post_changes_anything(
    still: Home, standing: Monitor, command: str, method: str
) -> None:
    headers = {
        "Origin": f"http://127.0.0.1:{standing.port}",
        "X-Oort-Token": standing.page_token(),
    }
    reply = standing.request(method, f"/{command}", headers, b'{"ids": [1]}')

    assert reply.status == 405
    assert statuses_in(still) == ["Error"]


def test_a_read_only_page_takes_no_post(still: Home) -> None:
    with running_monitor(still, "--read-only") as monitor:
        with monitor.listening() as events:
            hello = events.next("hello")
        assert (hello["read_only"], hello["token"]) == (True, None)
        for path in ("/retry", "/skip", "/", "/events", "/metrics", "/nothing"):
            headers = {"Origin": f"http://127.0.0.1:{monitor.port}", "X-Oort-Token": "t"}
            assert monitor.request("POST", path, headers, b'{"ids": [1]}').status == 405
    assert statuses_in(still) == ["Error"]


def test_each_process_gives_its_pages_another_token(still: Home, standing: Monitor) -> None:
    with running_monitor(still) as another:
        assert len({standing.page_token(), standing.page_token(), another.page_token()}) == 2


@pytest.mark.parametrize(
    "what",
    [
        None,
        [],
        {},
        {"ids": []},
        {"ids": "1"},
        {"ids": [True]},
        {"ids": [1.0]},
        {"ids": ["1"]},
        {"ids": [1], "all": True},
        {"ids": [1], "paths": ["/etc/passwd"]},
        {"ids": [1], "force": "yes"},
        {"ids": list(range(1001))},
    ],
    ids=lambda what: str(what)[:40],
)
def test_what_is_no_order_is_refused(still: Home, standing: Monitor, what: Any) -> None:
    assert standing.order("retry", what).status == 400
    assert statuses_in(still) == ["Error"]


@pytest.mark.parametrize("what", [{"all": True}, {"ids": [1], "force": True}], ids=str)
def test_skipping_is_done_one_by_one(still: Home, standing: Monitor, what: Any) -> None:
    assert standing.order("skip", what).status == 400
    assert statuses_in(still) == ["Error"]


def test_a_body_that_is_too_large_is_refused(standing: Monitor) -> None:
    assert standing.order("retry", {"ids": [1], "force": "x" * 70_000}).status == 413


def test_an_order_that_is_refused_says_why(standing: Monitor) -> None:
    reply = standing.order("retry", {"ids": [7]})

    assert (reply.status, reply.json()) == (
        200,
        {"moved": 0, "refused": ["7: there is no such upload"]},
    )


# -- what every answer carries ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/assets/page.css", "/nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(standing: Monitor, path: str) -> None:
    headers = standing.get(path).headers

    assert {name: headers[name] for name in STRICT} == STRICT
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["server"] is None
    assert headers["access-control-allow-origin"] is None


def test_a_refusal_carries_them_too(standing: Monitor) -> None:
    headers = standing.get("/", Host="evil.example").headers
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/%2e%2e/app.py",
        "/assets/..%2fapp.py",
        "/assets/index.html",
        "/assets/",
        "/assets/none.js",
        "/docs",
    ],
)
def test_nothing_but_the_pages_own_files_is_served(standing: Monitor, path: str) -> None:
    assert standing.get(path).status == 404


def test_the_files_of_the_page_have_their_types(standing: Monitor) -> None:
    for name, kind in {
        "page.js": "text/javascript",
        "page.css": "text/css",
        "icon.svg": "image/svg+xml",
    }.items():
        assert standing.get(f"/assets/{name}").headers["content-type"].startswith(kind)


def test_no_answer_has_a_key(home: Home, tmp_path: Path) -> None:
    """`Home` looks into every file it has; here it is what goes over the wire."""
    home.watch(make_fits(tmp_path / "dome" / "a.fits").parent)
    keys = {key.encode() for sandbox in home._logged_in_at for key in sandbox.keys}
    with running_monitor(home) as monitor:
        answers = [monitor.get(path).content for path in ("/", "/metrics", "/healthz")]
        with monitor.listening() as events:
            answers.append(str([events.next("hello"), events.next("page")]).encode())

    assert keys
    assert not [key for key in keys if any(key in answer for answer in answers)]


# -- numbers ----------------------------------------------------------------------------------------


def values_of(monitor: Monitor) -> dict[tuple[str, ...], float]:
    text = monitor.get("/metrics").content.decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_read_by_prometheus_and_name_no_file(standing: Monitor) -> None:
    reply = standing.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"bad<b>&.fits" not in reply.content

    values = values_of(standing)
    assert (values["oort_up",], values["oort_files", "Error"]) == (0, 1)
    assert values["oort_watch_up", "dome"] == 1


def _of_no_daemon(values: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float] | None:
    return None if values["oort_up",] else values


def test_counters_go_on_after_a_kill_and_after_a_restart(home: Home, tmp_path: Path) -> None:
    folder = make_fits(tmp_path / "dome" / "0.fits").parent
    home.watch(folder, "--name", "dome")
    with running_monitor(home) as monitor:
        seen = []
        for turn, end in enumerate([home.kill, home.stop, home.stop]):
            make_fits(folder / f"{turn}.fits", salt=turn)
            home.start()
            home.wait_for(OK=turn + 1)
            wait_until(lambda n=turn: values_of(monitor)["oort_uploaded_files_total",] == n + 1)
            seen.append(values_of(monitor))
            end()
            after = wait_until(lambda: _of_no_daemon(values_of(monitor)))
            assert after["oort_uploaded_bytes_total",] == seen[-1]["oort_uploaded_bytes_total",]

    counters = [
        name for name in seen[0] if name[0].endswith(("_total", "_bucket", "_count", "_sum"))
    ]
    for earlier, later in itertools.pairwise(seen):
        assert [name for name in counters if later[name] < earlier[name]] == []
    assert seen[-1]["oort_attempts_total", "stored"] == 3
    assert seen[-1]["oort_upload_seconds_count",] == 3
    assert seen[-1]["oort_up",] == 1


def test_health_follows_the_rules_of_the_check_and_says_nothing(home: Home, tmp_path: Path) -> None:
    home.watch(make_fits(tmp_path / "dome" / "a.fits").parent)
    environment = {"OORT_MONITOR_TOKEN": TOKEN}
    with running_monitor(home, environment=environment) as monitor:
        reply = monitor.get("/healthz")
        assert (reply.status, reply.content) == (503, b"")  # no daemon: `oort check` says 2
        home.start()
        wait_until(lambda: monitor.get("/healthz").status == 200)
        home.oort("pause")
        assert monitor.get("/healthz").status == 200  # a warning is no 503
        home.stop()
        wait_until(lambda: monitor.get("/healthz").status == 503)


@pytest.mark.parametrize("start", [0, 4096])
def test_a_queue_that_cannot_be_read_is_unhealthy_and_has_no_numbers(
    quiet: Home, start: int
) -> None:
    """No database at all; or one whose damage only a question finds."""
    file = quiet.folder / "oort" / "oort.db"
    with file.open("r+b") as raw:
        raw.seek(start)
        raw.write(b"no database " * (file.stat().st_size // 12))
    with running_monitor(quiet) as monitor:
        assert monitor.get("/healthz").status == 503
        assert monitor.get("/metrics").status == 503
        with monitor.listening() as events:
            page = events.next("page")
            events.next("beat")
        assert page["verdict"]["text"] == "The queue cannot be read"
        assert page["trouble"]
        assert "SELECT" not in page["trouble"]


# -- its life ---------------------------------------------------------------------------------------


def test_without_a_queue_it_works_and_makes_none(tmp_path: Path) -> None:
    with Home(tmp_path / "new") as home, running_monitor(home) as monitor:
        with monitor.listening() as events:
            page = events.next("page")
        assert page["verdict"]["text"] == "The daemon is not running"
        assert monitor.get("/metrics").status == 200
        assert not (home.folder / "oort").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked_also_while_pages_are_open(monitor: Monitor, number: int) -> None:
    with monitor.listening() as events:
        events.next("page")
        assert monitor.stop(number) == 0
    assert monitor.complaints() == ""


def test_a_port_that_is_taken_is_said(still: Home, standing: Monitor) -> None:
    done = still.run("oort", "monitor", "--port", str(standing.port), check=False)

    assert done.returncode == 1
    assert f"Error: 127.0.0.1 port {standing.port} cannot be used" in done.stderr
    assert "Hint: give another one with --port" in done.stderr


def test_a_host_that_is_none_of_ours_is_said(still: Home) -> None:
    done = still.run("oort", "monitor", "--host", "no.such.host.invalid", check=False)

    assert done.returncode == 1
    assert "Error: --host no.such.host.invalid is no host of this machine" in done.stderr


def test_it_listens_on_loopback_alone(standing: Monitor) -> None:
    found = {
        address[4][0]
        for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        if not str(address[4][0]).startswith("127.")
    }
    for address in found:
        with closing(socket.socket()) as probe:
            probe.settimeout(2)
            assert probe.connect_ex((str(address), standing.port)) != 0


@pytest.mark.linux
def test_the_queue_is_open_only_while_somebody_looks(monitor: Monitor) -> None:
    with monitor.listening() as events:
        events.next("page")
    wait_for_open(monitor.pid, "oort.db", is_open=False)


def test_one_that_was_retried_is_told_to_every_page(monitor: Monitor) -> None:
    with monitor.listening() as one, monitor.listening() as another:
        for events in (one, another):
            assert [row["id"] for row in events.next("page")["status"]["attention"]] == [1]
        monitor.order("retry", {"ids": [1]})
        for events in (one, another):
            page = events.wait_for(lambda page: not page["status"]["attention"])
            assert page["status"]["queue"]["pending_files"] == 1
