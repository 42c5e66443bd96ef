"""The installed `arcsecond` command as a process: questions, exit codes, and how quick it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.cli.main import COMMANDS
from arcsecond.config import ArcsecondConfig, Secret, add_api, config_file
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.terminal import at_a_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCSECOND = str(Path(sys.executable).with_name("arcsecond"))


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "storage") as sandbox:
        yield sandbox


@pytest.fixture
def server(shared_sandbox: Sandbox) -> Sandbox:
    """A sandbox that is registered as `box`."""
    add_api("box", shared_sandbox.url)
    return shared_sandbox


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command without a terminal, in a session of its own: no question goes to /dev/tty."""
    return subprocess.run(
        [ARCSECOND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )


def test_a_key_in_the_place_of_its_type_is_not_repeated(server: Sandbox) -> None:
    """What the terminal itself shows of what is typed is all there is."""
    code, shown = at_a_terminal(
        [ARCSECOND, "login", "--api", "box"],
        [
            ("Username: ", server.username),
            ("Type of key (upload, access) [upload]: ", server.upload_key),
            ("Error: answer upload or access", "Upload"),
            ("Upload key: ", server.upload_key),
        ],
    )

    assert code == 0, shown
    assert shown.count(server.upload_key) == 1


def test_login_asks_for_what_is_missing_and_hides_the_key(server: Sandbox) -> None:
    code, shown = at_a_terminal(
        [ARCSECOND, "login", "--api", "box"],
        [
            ("Username: ", server.username),
            ("Type of key (upload, access) [upload]: ", ""),
            ("Upload key: ", server.upload_key),
        ],
    )

    assert code == 0, shown
    assert server.upload_key not in shown
    assert ArcsecondConfig("box").upload_key == Secret(server.upload_key)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("stdin", ["", "somebody\n", "somebody\naccess\n"])
def test_the_end_of_input_at_a_question_changes_nothing(stdin: str) -> None:
    before = config_file().read_bytes()

    done = run("login", "--api", "box", stdin=stdin)

    assert done.returncode == 1
    assert "Error:" not in done.stderr
    assert "Traceback" not in done.stderr
    assert config_file().read_bytes() == before


def test_who_stops_reading_gets_no_complaint() -> None:
    process = subprocess.Popen(
        [ARCSECOND, "api"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    complaints = process.stderr.read()
    process.stderr.close()

    assert process.wait() == 1
    assert complaints == ""


def test_version_and_help_end_with_0() -> None:
    assert run("--version").stdout.startswith("arcsecond, version ")
    assert run("-V").stdout == run("--version").stdout
    assert run("-h").stdout == run("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_debug(command: str) -> None:
    done = run(command, "--help")

    assert done.returncode == 0, done.stderr
    assert "--debug" in done.stdout
    assert run(command, "-h").stdout == done.stdout


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that are loaded after `code` ran in a fresh interpreter."""
    report = "\nimport sys; print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


SLOW = {"requests", "urllib3", "starlette", "uvicorn", "rich", "jinja2"}


def test_importing_the_package_is_quick_and_touches_no_file() -> None:
    """Each of these costs 30 to 100 ms; a script that uploads nothing does not pay for them."""
    loaded = modules_after("import arcsecond; arcsecond.__all__; dir(arcsecond)")

    assert not loaded & {*SLOW, "click", "sqlalchemy", "logging", "typing", "dataclasses"}
    assert not config_file().parent.exists()


def test_importing_the_package_says_nothing_and_opens_its_own_code_alone() -> None:
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda name, what: name == 'open' and opened.append(str(what[0])))\n"
        "import arcsecond\n"
        "opened, before = [], opened\n"
        "print(*before, sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )

    others = [path for path in done.stdout.splitlines() if not path.endswith((".py", ".pyc"))]
    assert done.stdout
    assert others == []
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["-h"], ["--version"], ["api"], ["login", "-h"]])
def test_what_talks_to_no_server_loads_no_http(arguments: list[str]) -> None:
    loaded = modules_after(f"from arcsecond.cli.main import main; main({arguments!r})")

    assert "click" in loaded
    assert not loaded & SLOW
