"""How a night is played: how many exposures, how fast, and at which of them something breaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Script:
    """How the night is played; all times in seconds."""

    exposures: int
    every_s: float
    """Pause between two exposures."""
    pause_s: float
    """Pause between two pieces of a file that is written slowly."""
    outage_s: float
    restart_after_s: float
    link_bytes_per_s: int
    """How fast the server reads one upload: a link on which something can break midway."""
    patience_s: float
    """How long the last file may take after the camera has finished."""
    width: int = 1280
    height: int = 960

    @property
    def cut_at(self) -> int:
        """The exposure at which the link is cut."""
        return max(1, self.exposures // 3)

    @property
    def killed_at(self) -> int:
        """The exposure in whose upload the daemon is killed."""
        return max(1, self.exposures * 2 // 3)

    @property
    def killed_after_bytes(self) -> int:
        """How much of that upload arrives before: a quarter of an uncompressed frame."""
        return self.width * self.height // 2

    @property
    def limit_s(self) -> float:
        """More than any step of the night can take, on a machine that is busy with other things."""
        return 120.0 + 10.0 * self.exposures

    @property
    def calibration_at(self) -> int:
        """The exposure after which the calibration frames are moved in."""
        return max(1, self.exposures // 2)


def script(exposures: int | None = None, *, fast: bool = False) -> Script:
    """Return the default night, or the fast one, of so many exposures."""
    if fast:
        return Script(
            exposures=exposures or 6,
            every_s=0.4,
            pause_s=0.1,
            outage_s=3.0,
            restart_after_s=0.5,
            link_bytes_per_s=4_000_000,
            patience_s=60.0,
        )
    return Script(
        exposures=exposures or 12,
        every_s=1.5,
        pause_s=0.4,
        outage_s=8.0,
        restart_after_s=3.0,
        link_bytes_per_s=2_000_000,
        patience_s=90.0,
    )
