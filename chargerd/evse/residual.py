"""The residual current monitor: tested before it is relied upon, and after a trip not tried again at once.

No energy flows before the monitor has passed its own test since the vehicle was plugged in. While a test runs its trip
lines are expected to move, and only then.
"""

import math
from collections.abc import Collection

from chargerd.evse.situation import FEEDBACK_STALE_S, residual_of
from chargerd.evse.types import SelfTest
from hal.types import Alarm, ResidualReading

ANSWER_S = 5.0
"""A test takes up to a second (hal/interfaces.py); unanswered for this long it has failed."""

SETTLE_S = 1.0
"""So long after a test its trip lines may still fall back."""

RETEST_S = 60.0
"""A failed test is repeated at this pace while the contactor is open."""

IDLE_TEST_S = 24 * 3600.0
"""Without any session the monitor is tested once a day."""

DC_RETRY_S = 300.0
DC_RETRIES = 3
"""Smooth DC often passes with the state of the vehicle, so it is tried again: after 5 minutes, as in the field, at most
three times while it stays plugged in. AC of 30 mA is a danger to people, and is not."""


class ResidualWatch:
    """Follows one residual current monitor (`fitted` False: there is none; a controller may still raise alarms). Its
    word is believed for `stale_s`.

    `silent`: nothing fresh was read of it. `ready`: it passed its test and may be relied upon. `failed`: the last test
    was not passed. `tested_mono`: when it passed last. `test_seq`: the test that is wanted. `tripped`: what it says
    now; `ac`, `dc`, `dc_again`: what that amounts to, tests apart.
    """

    def __init__(self, fitted: bool, stale_s: float = FEEDBACK_STALE_S) -> None:
        self.silent = True
        self.ready = not fitted
        self.failed = False
        self.tested_mono: float | None = None
        self.test_seq = 0
        self.tripped = False
        self.ac = False
        self.dc = False
        self.dc_again = False
        self._fitted = fitted
        self._stale_s = stale_s
        self._connected = False
        self._asked_mono: float | None = None
        self._ended_mono = -math.inf
        self._dc_trips = 0
        self._dc_seen_mono = -math.inf

    def update(
        self, reading: ResidualReading | None, alarms: Collection[Alarm], connected: bool, now_mono: float
    ) -> None:
        """Take the latest reading (None: there was none) and judge the trip lines. `connected`: a vehicle is there."""
        fresh = residual_of(reading, now_mono, self._stale_s)
        self.silent = fresh is None
        ac = Alarm.RESIDUAL_AC in alarms or (fresh is not None and fresh.tripped_ac)
        dc = Alarm.RESIDUAL_DC in alarms or (fresh is not None and fresh.tripped_dc)
        self.tripped = ac or dc
        expected = self._asked_mono is not None or now_mono - self._ended_mono < SETTLE_S
        self.ac = ac and not expected
        self._follow_dc(dc and not expected, connected, now_mono)

    def _follow_dc(self, dc: bool, connected: bool, now_mono: float) -> None:
        if not connected:
            self._dc_trips, self._dc_seen_mono = 0, -math.inf
        holds = now_mono - self._dc_seen_mono < DC_RETRY_S
        if dc:
            # A line that chatters is one trip: only what comes after the wait is another.
            self._dc_trips += not holds
            self._dc_seen_mono = now_mono
        self.dc_again = self._dc_trips > DC_RETRIES
        self.dc = (dc or holds) and not self.dc_again

    def test(self, answer: SelfTest | None, connected: bool, idle: bool, now_mono: float) -> None:
        """Decide on the next test and take the answer of the last, after `update`. `idle`: the contactor is open and
        nothing is offered."""
        if not self._fitted:
            return
        if connected is not self._connected:
            self._connected = connected
            self.ready = False
        if self._asked_mono is not None:
            self._take(answer, now_mono)
        elif idle and not self.silent and not self.tripped and now_mono - self._ended_mono >= self._pause_s():
            self.test_seq += 1
            self._asked_mono = now_mono
            self.ready = False

    def resume(self, now_mono: float) -> None:
        """The loop stood still until now, and nobody listened: a test under way gets its time to be answered again."""
        if self._asked_mono is not None:
            self._asked_mono = now_mono

    def _pause_s(self) -> float:
        """How long to wait after the last test."""
        if self.failed:
            return RETEST_S
        return SETTLE_S if self._connected and not self.ready else IDLE_TEST_S

    def _take(self, answer: SelfTest | None, now_mono: float) -> None:
        assert self._asked_mono is not None, "can't happen because update() asks first"
        answered = answer is not None and answer.seq == self.test_seq
        if not answered and now_mono - self._asked_mono < ANSWER_S:
            return
        self._asked_mono, self._ended_mono = None, now_mono
        self.ready = answer is not None and answered and answer.passed
        self.failed = not self.ready
        if self.ready:
            self.tested_mono = now_mono
