"""A residual current monitor with trip outputs and a test input on GPIO lines (IEC 62955, IEC 61851-1 clause 8.5).

A trip that lasts less than a tick is not missed. The test is the monitor's own: its input is driven until the trips
that belong to it are seen, and they must be gone again after it.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

from hal.drivers.gpio_lines import GpioSettings, InputTable, Lines, OutputTable
from hal.slot import DeviceSlot
from hal.types import BoardError, EvseFacts, ResidualReading

TEST_S = 0.9
"""Trip and release together; the interface allows a second."""

LOOK_S = 0.005

Trip = Literal["ac", "dc"]


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.residual] with driver = "residual_gpio". `test_trips`: what its test makes trip; empty: all fitted."""

    test: OutputTable
    trip_dc: InputTable | None = None
    trip_ac: InputTable | None = None
    test_trips: tuple[Trip, ...] = ()

    def trips(self) -> dict[Trip, InputTable]:
        """The trip lines that are fitted."""
        lines: dict[Trip, InputTable | None] = {"ac": self.trip_ac, "dc": self.trip_dc}
        return {trip: table for trip, table in lines.items() if table is not None}

    def check(self, evse: EvseFacts) -> None:
        """At least one trip line; every trip whose broken wire would look safe, and every test that cannot be seen."""
        super().check(evse)
        trips = self.trips()
        if not trips:
            raise BoardError("driver", "no trip line", "give trip_dc or trip_ac")
        for trip, table in trips.items():
            if table.broken_is_active is False:
                remedy = "pull the line to its active level, and let the monitor hold it inactive"
                raise BoardError(f"trip_{trip}", "a broken wire would read as not tripped", remedy)
        for trip in self.test_trips:
            if trip not in trips:
                raise BoardError("test_trips", f"found '{trip}', for which there is no line", f"give trip_{trip}")


class GpioResidual:
    """The monitor of one EVSE; read by the control loop while its test runs in another thread."""

    def __init__(self, settings: Settings, slot: DeviceSlot, sleep: Callable[[float], None] = time.sleep) -> None:
        self._slot = slot
        self._sleep = sleep
        self._guard = threading.Lock()
        self._seen: set[Trip] = set()
        with Lines(slot) as lines:
            self._trips = {trip: lines.input(table, pulses=True) for trip, table in settings.trips().items()}
            self._test = lines.output(settings.test)
            self._lines = lines.keep()
        self._tested = settings.test_trips or tuple(self._trips)

    def read(self) -> ResidualReading:
        """The trip lines; they move while the test runs. DeviceMissing when a line is gone."""
        with self._guard:
            tripped = self._look()
            return ResidualReading("ac" in tripped, "dc" in tripped, self._slot.monotonic())

    def self_test(self) -> bool:
        """True when everything that should trip did and let go again, within a second; False when it did not, or has
        tripped already. DeviceMissing when a line is gone.
        """
        looks = round(TEST_S / LOOK_S)
        with self._guard:
            if self._look():
                return False
            self._seen = set()
        try:
            with self._guard:
                self._test.set(True)
            while looks and not self._seen.issuperset(self._tested):
                looks -= 1
                self._look_soon()
        finally:
            with self._guard:
                self._test.set(False)
        while looks and self._look_soon():
            looks -= 1
        return looks > 0

    def close(self) -> None:
        """The test ends, and the lines are given back."""
        with self._guard:
            self._lines.close()

    def _look_soon(self) -> set[Trip]:
        self._sleep(LOOK_S)
        with self._guard:
            return self._look()

    def _look(self) -> set[Trip]:
        """What tripped since the last look, noted for the test: the other thread's look may have seen it."""
        tripped = {trip for trip, line in self._trips.items() if line.is_active()}
        self._seen |= tripped
        return tripped
