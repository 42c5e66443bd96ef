"""What is filled into the units of systemd/."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from oort.errors import OortError
from oort.service.files import template
from oort.service.installation import Installation
from oort.service.systemd import Systemd, drop_in, filled_in

if TYPE_CHECKING:
    from pathlib import Path

_AWKWARD = Installation(
    command=("/opt/my 100% tools/$HOME/bin/oort", "start", "$5"),
    stop_timeout_s=70,
    environment={"OORT_HOME": '/data/the "best" 50%'},
)


def test_the_units_command_and_times_are_this_installations() -> None:
    unit = filled_in(template("systemd/oort.service"), _AWKWARD)
    assert 'ExecStart="/opt/my 100%% tools/$HOME/bin/oort" start "$$5"\n' in unit
    assert "TimeoutStopSec=70\n" in unit
    assert r'Environment="OORT_HOME=/data/the \"best\" 50%%"' in unit


@pytest.mark.linux
def test_systemd_reads_awkward_words_as_they_are(tmp_path: Path) -> None:
    program = tmp_path / "a 100% $odd" / "oort"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installation = Installation(command=(str(program), "start"), stop_timeout_s=15)
    unit = tmp_path / "oort.service"
    unit.write_text(filled_in(template("systemd/oort.service"), installation))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")  # it would name a command that is not there


def test_the_drop_in_lets_another_home_be_written() -> None:
    text = drop_in(_AWKWARD)
    assert text.index("ExecStart=\n") < text.index('ExecStart="/opt')
    assert r'ReadWritePaths=-"/data/the \"best\" 50%%"' in text
    plain = drop_in(Installation(command=("/usr/bin/oort", "start"), stop_timeout_s=15))
    assert "ReadWritePaths" not in plain


def test_an_instance_is_named_after_its_user() -> None:
    assert Systemd(system=True, user="night-watch").unit == "oort@night-watch.service"
    assert Systemd(system=False, user="night-watch").unit == "oort.service"
    with pytest.raises(OortError, match="account"):
        Systemd(system=True, user="OBS\\\\acq")
