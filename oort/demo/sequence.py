"""The imaging sequence: a thread that takes one exposure after the other and waits for nobody."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from oort.demo.camera import plan
from oort.errors import OortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.demo.camera import Camera, Exposure
    from oort.demo.script import Script


class Sequence(threading.Thread):
    """Runs a script's exposures through a camera until they are done or `stop` is set.

    `taken` is the number of the exposure that was begun last. Written by this thread alone.
    """

    def __init__(
        self,
        script: Script,
        camera: Camera,
        *,
        stop: threading.Event,
        announce: Callable[[Exposure], None],
    ) -> None:
        super().__init__(name="demo-sequence")
        self.taken = 0
        self._script = script
        self._camera = camera
        self._over = stop
        self._announce = announce
        self._error: Exception | None = None

    def run(self) -> None:
        """Take the exposures; what goes wrong is kept for `check`."""
        try:
            for exposure in plan(self._script.exposures):
                if self._over.is_set():
                    return
                self._expose(exposure)
        except Exception as error:  # noqa: BLE001  # whatever it is, the night's thread must tell
            self._error = error

    def check(self) -> None:
        """Raise OortError if the camera has failed."""
        if self._error is not None:
            raise OortError(f"the camera failed: {self._error}") from self._error

    def _expose(self, exposure: Exposure) -> None:
        self._announce(exposure)
        self.taken = exposure.number
        self._camera.take(exposure)
        if exposure.number == self._script.calibration_at:
            self._camera.move_in_calibration()
        self._over.wait(self._script.every_s)
