"""The property list of launchd/: it is one, and each key has the type of launchd.plist(5)."""

from __future__ import annotations

import plistlib

from oort.service.files import template
from oort.service.installation import Installation
from oort.service.launchd import LABEL, filled_in

_TYPES: dict[str, type] = {
    "Label": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "Umask": int,
    "UserName": str,
}
_INSTALLATION = Installation(
    command=("/Users/acq/oort & co/bin/oort", "start"),
    stop_timeout_s=70,
    environment={"OORT_HOME": "/Volumes/data/<oort>"},
)


def test_the_file_of_the_checkout_has_known_keys_of_the_right_types() -> None:
    job = plistlib.loads(template(f"launchd/{LABEL}.plist").encode())
    assert {key: type(value) for key, value in job.items()} == {key: _TYPES[key] for key in job}
    assert job["Label"] == LABEL
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["Umask"] == 0o077


def test_it_is_filled_in_for_one_user() -> None:
    job = filled_in(template(f"launchd/{LABEL}.plist"), _INSTALLATION, None)
    assert plistlib.loads(plistlib.dumps(job)) == job
    assert job["ProgramArguments"] == ["/Users/acq/oort & co/bin/oort", "start"]
    assert job["ExitTimeOut"] == 70
    assert job["EnvironmentVariables"] == {
        "OORT_SERVICE": "launchd-user",
        "OORT_HOME": "/Volumes/data/<oort>",
    }
    assert "UserName" not in job


def test_one_of_the_whole_machine_says_as_whom_it_runs() -> None:
    job = filled_in(template(f"launchd/{LABEL}.plist"), _INSTALLATION, "acq")
    assert job["UserName"] == "acq"
    assert job["EnvironmentVariables"]["OORT_SERVICE"] == "launchd-system:oort@acq"
    assert {key: type(value) for key, value in job.items()} == {key: _TYPES[key] for key in job}
