"""What the bench has seen lately: one poller asks the rig, any number of pages draw from it."""

import asyncio
import itertools
from collections import deque
from datetime import UTC, datetime
from typing import Any

import msgspec

from chargerd.bench.frames import FrameReader, FrameView
from chargerd.bench.verbs import BenchError, ServesVerbs

SAMPLE_EVERY_S = 0.25
KEEP_S = 180.0
FRAMES_KEPT = 100


class Sample(msgspec.Struct, frozen=True):
    """One EVSE at one instant: amperes per phase, duty in percent. None: not known, its process was silent."""

    at_ms: int
    limit_amps: float | None = None
    offered_amps: float | None = None
    duty_percent: float | None = None
    amps: tuple[float, ...] | None = None


class History:
    """The last KEEP_S seconds of samples per EVSE, the last frames, and the latest status (None: no answer, see
    `problem`). `frame_count`: how many frames there have been, so that a page knows which are new to it.
    """

    def __init__(self, rig: ServesVerbs) -> None:
        self._rig = rig
        self.status: dict[str, Any] | None = None
        self.problem = ""
        self.samples: dict[int, deque[Sample]] = {}
        self.frames: deque[FrameView] = deque(maxlen=FRAMES_KEPT)
        self.frame_count = 0
        self._reader = FrameReader()
        self._frame_seq = -1

    async def keep_watching(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def look(self) -> None:
        """Ask once. A process that restarts just now is a problem to show, not an error."""
        at_ms = int(datetime.now(UTC).timestamp() * 1000)
        try:
            self.status = await self._rig.do("status", {})
            frames = (await self._rig.do("frames", {"after": self._frame_seq}))["frames"]
        except BenchError as error:
            # A new station process counts its frames from the start.
            self.status, self.problem, self._frame_seq = None, str(error), -1
            for evse_id in self.samples:
                self._keep(evse_id, Sample(at_ms))
            return
        self.problem = "the control process is silent" if self.status["control_run_id"] is None else ""
        for frame in frames:
            self._frame_seq = frame["seq"]
            self.frames.append(self._reader.read(frame))
            self.frame_count += 1
        for evse in self.status["evses"]:
            self._keep(evse["evse_id"], _sample(evse["charging"], at_ms))

    def frames_after(self, count: int) -> list[FrameView]:
        """The frames that came after the first `count`, as far as they are kept."""
        new = min(self.frame_count - count, len(self.frames))
        return list(itertools.islice(self.frames, len(self.frames) - new, None))

    def _keep(self, evse_id: int, sample: Sample) -> None:
        samples = self.samples.setdefault(evse_id, deque())
        samples.append(sample)
        while samples[0].at_ms < sample.at_ms - KEEP_S * 1000:
            samples.popleft()


def _sample(charging: dict[str, Any] | None, at_ms: int) -> Sample:
    if charging is None:
        return Sample(at_ms)
    meter = charging["meter"]
    return Sample(
        at_ms=at_ms,
        limit_amps=charging["limit"]["amps"],
        offered_amps=charging["offered_amps"],
        duty_percent=charging["duty_percent"] if charging["pilot_mode"] == "pwm" else 100.0,
        amps=None if meter is None else tuple(round(amps, 2) for amps in meter["amps"]),
    )
