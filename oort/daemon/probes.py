"""Tries the links that are down: one probe at a time for each, as the link's own rule says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oort.policy.link import Probe
from oort.policy.outcome import Unauthorised
from oort.remote import Ended

if TYPE_CHECKING:
    from oort.daemon.desk import Desk
    from oort.daemon.gate import Gate


class Probes:
    """Run when a link is due; does nothing while every link is online."""

    def __init__(self, gate: Gate, desk: Desk) -> None:
        self._gate = gate
        self._desk = desk
        self._is_running = False

    @property
    def is_due(self) -> bool:
        """Whether a link is to be tried, and nobody is at it."""
        return not self._is_running and bool(self._gate.due_probes())

    def run(self) -> None:
        """Try each link that is due."""
        self._is_running = True
        try:
            for api, probe in self._gate.due_probes():
                self._try(api, probe)
        finally:
            self._is_running = False

    def _try(self, api: str, probe: Probe) -> None:
        """Ask once: `GET /` where nothing answered, an authenticated GET where the key was refused."""
        remote = self._desk.remote(api)
        try:
            if probe is Probe.KEY:
                remote.check_key()
            else:
                remote.ping()
        except Ended as ended:
            reason = getattr(ended.outcome, "reason", str(ended))
            refused = isinstance(ended.outcome, Unauthorised)
            self._gate.failed(api, reason, unauthorised=refused)
        else:
            self._gate.answered(api)
            self._desk.heard_clock(remote)
        finally:
            remote.close()
