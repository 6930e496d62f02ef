"""What the bench has seen lately: one poller asks the rig, any number of pages draw from it."""

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any

import msgspec

from chargerd.bench.rig import Rig
from chargerd.bench.verbs import BenchError

SAMPLE_EVERY_S = 0.25
KEEP_S = 180.0
FRAMES_KEPT = 300


class Sample(msgspec.Struct, frozen=True):
    """One EVSE at one instant: amperes per phase, duty in percent. `amps` None: no meter reading."""

    at_ms: int
    limit_amps: float
    offered_amps: float
    duty_percent: float
    amps: tuple[float, ...] | None


class History:
    """The last KEEP_S seconds of samples per EVSE, the last frames, and the latest status (None: no answer, see
    `problem`).
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.status: dict[str, Any] | None = None
        self.problem = ""
        self.samples: dict[int, deque[Sample]] = {}
        self.frames: deque[dict[str, Any]] = deque(maxlen=FRAMES_KEPT)
        self._frame_seq = -1

    async def keep_watching(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def look(self) -> None:
        """Ask once. A process that restarts just now is a problem to show, not an error."""
        try:
            self.status = await self._rig.do("status", {})
            frames = (await self._rig.do("frames", {"after": self._frame_seq}))["frames"]
            self.problem = ""
        except BenchError as error:
            self.status, self.problem, self._frame_seq = None, str(error), -1
            return
        for frame in frames:
            self.frames.append(frame)
            self._frame_seq = frame["seq"]
        at_ms = int(datetime.now(UTC).timestamp() * 1000)
        for evse in self.status["evses"]:
            if evse["charging"] is not None:
                self._keep(evse["evse_id"], _sample(evse["charging"], at_ms))

    def _keep(self, evse_id: int, sample: Sample) -> None:
        samples = self.samples.setdefault(evse_id, deque())
        samples.append(sample)
        while samples[0].at_ms < sample.at_ms - KEEP_S * 1000:
            samples.popleft()


def _sample(charging: dict[str, Any], at_ms: int) -> Sample:
    meter = charging["meter"]
    return Sample(
        at_ms=at_ms,
        limit_amps=charging["limit"]["amps"],
        offered_amps=charging["offered_amps"],
        duty_percent=charging["duty_percent"] if charging["pilot_mode"] == "pwm" else 100.0,
        amps=None if meter is None else tuple(round(amps, 2) for amps in meter["amps"]),
    )
