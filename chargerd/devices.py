"""The devices of one EVSE as the control loop sees them: Readings in, Outputs out, a device error is a missing value.

Fast devices are read in the loop itself, slow ones by pollers. The one failure that is not a value is a contactor that
cannot be written (OutputFailed): nothing that is decided here would reach it.
"""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from chargerd.evse.types import Outputs, Readings
from chargerd.poll import (
    LIMIT_PERIOD_S,
    METER_PERIOD_S,
    READER_PERIOD_S,
    THERMOMETER_PERIOD_S,
    MeterSessions,
    Poller,
    Presentations,
    SelfTester,
    Writer,
)
from hal.board import EvseDevices
from hal.interfaces import SigningMeter
from hal.types import (
    CableRating,
    HalError,
    InputsReading,
    LockReading,
    PhasesReading,
    PilotReading,
    RelayReading,
    ResidualReading,
)

TROUBLE_LOG_PERIOD_S = 10.0
"""A device that fails and works in turns gets one line in this time."""

log = logging.getLogger("devices")

T = TypeVar("T")


class OutputFailed(Exception):
    """A contactor could not be written: only the board opens it now, and a fresh start is the one cure left to try."""


class Device(Generic[T]):
    """A device that is fast enough for the loop: a failed call is None, told in the log when it begins and ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._told = False
        self._told_mono = float("-inf")

    def ask(self, call: Callable[[], T], now_mono: float) -> T | None:
        """The answer of `call`, or None when the device failed."""
        try:
            answer = call()
        except HalError as error:
            self._on_failure(error, now_mono)
            return None
        if self._failures:
            if self._told:
                log.warning("%s: works again after %d failures", self._name, self._failures)
            self._failures, self._told = 0, False
        return answer

    def _on_failure(self, error: HalError, now_mono: float) -> None:
        self._failures += 1
        if not self._told and now_mono - self._told_mono >= TROUBLE_LOG_PERIOD_S:
            log.warning("%s", error)
            self._told, self._told_mono = True, now_mono


class EvseUnit:
    """All devices of one EVSE.

    `relay_closed`: what the contactor was told last; `contacts_closed`: what its feedback said last (None: nothing).
    `pilot_at_mono`: when the pilot was measured last. `pollers`: those of the slow devices that are fitted.
    """

    def __init__(self, evse_id: int, devices: EvseDevices) -> None:
        self.evse_id = evse_id
        self.relay_closed = False
        self.contacts_closed: bool | None = None
        self.pilot_at_mono = float("-inf")
        self._devices = devices
        self._pilot_obeys = True
        name = f"evse[{evse_id - 1}]"
        self._pilot = Device[PilotReading](f"{name}.pilot")
        self._pilot_output = Device[bool](f"{name}.pilot output")
        self._relays = Device[RelayReading](f"{name}.relays")
        self._proximity = Device[CableRating](f"{name}.proximity")
        self._lock = Device[LockReading](f"{name}.lock")
        self._lock_output = Device[None](f"{name}.lock output")
        self._residual = Device[ResidualReading](f"{name}.residual")
        self._indicator = Device[None](f"{name}.indicator")
        self._phases = Device[PhasesReading](f"{name}.phase_switch")
        self._phases_output = Device[None](f"{name}.phase_switch output")
        self._inputs = Device[InputsReading](f"{name}.inputs")
        meter, reader, thermometer = devices.meter, devices.reader, devices.thermometer
        self._sessions = MeterSessions(meter) if isinstance(meter, SigningMeter) else None
        read_meter = self._sessions.read if self._sessions else meter.read if meter else None
        self._meter = Poller(f"{name}.meter", read_meter, METER_PERIOD_S) if read_meter else None
        self._reader = Poller(f"{name}.reader", Presentations(reader).read, READER_PERIOD_S) if reader else None
        self._thermometer = (
            Poller(f"{name}.thermometer", thermometer.read, THERMOMETER_PERIOD_S) if thermometer else None
        )
        plug, limit, display, residual = (
            devices.plug_thermometer,
            devices.external_limit,
            devices.display,
            devices.residual,
        )
        self._plug = Poller(f"{name}.plug_thermometer", plug.read, THERMOMETER_PERIOD_S) if plug else None
        self._limit = Poller(f"{name}.external_limit", limit.read, LIMIT_PERIOD_S) if limit else None
        self._display = Writer[tuple[str, ...]](f"{name}.display", display.show, ()) if display else None
        self._tester = SelfTester(residual, f"{name}.residual self-test") if residual else None
        self.pollers = self._fitted_pollers()

    def _fitted_pollers(self) -> list[Poller[Any]]:
        fitted: tuple[Poller[Any] | None, ...] = (
            self._meter,
            self._reader,
            self._thermometer,
            self._plug,
            self._limit,
            self._display.poller if self._display else None,
            self._tester.poller if self._tester else None,
        )
        return [poller for poller in fitted if poller is not None]

    def read(self, now_mono: float) -> Readings:
        """What every device says now, or said last, for the slow ones."""
        devices = self._devices
        proximity, lock, residual = devices.proximity, devices.lock, devices.residual
        switch, inputs = devices.phase_switch, devices.inputs
        pilot = self._pilot.ask(devices.pilot.read, now_mono)
        if pilot is not None:
            self.pilot_at_mono = max(self.pilot_at_mono, pilot.at_mono)
        relay = self._relays.ask(devices.relays.read, now_mono)
        self.contacts_closed = None if relay is None else relay.closed
        return Readings(
            # A pilot that does not do as it is told is as good as none, however well it reads.
            pilot=pilot if self._pilot_obeys else None,
            relay=relay,
            meter=self._meter.latest if self._meter else None,
            meter_swapped=self._meter.polled.swapped if self._meter else "",
            cable=self._proximity.ask(proximity.read, now_mono) if proximity else None,
            lock=self._lock.ask(lock.read, now_mono) if lock else None,
            residual=self._residual.ask(residual.read, now_mono) if residual else None,
            temperature=self._thermometer.latest if self._thermometer else None,
            plug_temperature=self._plug.latest if self._plug else None,
            phases=self._phases.ask(switch.read, now_mono) if switch else None,
            inputs=self._inputs.ask(inputs.read, now_mono) if inputs else None,
            external_limit=self._limit.latest if self._limit else None,
            self_test=self._tester.poller.latest if self._tester else None,
            token=self._reader.latest if self._reader else None,
            session=self._sessions.session if self._sessions else None,
        )

    def write(self, outputs: Outputs, now_mono: float) -> None:
        """Put everything out, opening before and closing after the pilot is set. Raises OutputFailed."""
        lock, indicator, switch = self._devices.lock, self._devices.indicator, self._devices.phase_switch
        if not outputs.relay_closed:
            self._hold(False, 0.0)
        self._pilot_obeys = self._pilot_output.ask(lambda: self._set_pilot(outputs), now_mono) is True
        if outputs.relay_closed and self._pilot_obeys:
            self._hold(True, outputs.relay_hold_s)
        elif outputs.relay_closed:
            self._hold(False, 0.0)
        if lock is not None:
            self._lock_output.ask(lambda: lock.set(outputs.locked), now_mono)
        if indicator is not None:
            self._indicator.ask(lambda: indicator.show(outputs.indication, outputs.blink_code), now_mono)
        if switch is not None:
            self._phases_output.ask(lambda: switch.set(outputs.phases), now_mono)
        if self._display is not None:
            self._display.want(outputs.message)
        if self._tester is not None:
            self._tester.want(outputs.self_test_seq)
        if self._sessions is not None:
            self._sessions.want(outputs.sign_for)

    def _set_pilot(self, outputs: Outputs) -> bool:
        self._devices.pilot.set(outputs.pilot_mode, outputs.duty_percent)
        return True

    def _hold(self, closed: bool, for_s: float) -> None:
        try:
            self._devices.relays.hold(closed, for_s)
        except HalError as e:
            raise OutputFailed(f"{e} (wanted {'closed' if closed else 'open'})") from e
        self.relay_closed = closed
