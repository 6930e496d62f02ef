"""An OpenEVSE controller on a serial port (RAPI): pilot, contactor, residual current sensor and thermometer.

The controller has safety functions of its own and closes its contactor by itself for a vehicle that asks while current
is offered. What chargerd does is to offer or not, and to judge what it is told. There is no meter role on purpose: the
controller's volts are an assumption and its energy is computed from them.
"""

import math
from typing import Annotated

import msgspec

from hal.drivers.rapi import ALARMS, State
from hal.drivers.rapi_link import STALE_S, START_BOUND_S, TEMPERATURE_PERIOD_S, RapiLink, Supervised
from hal.drivers.serial_link import check_same_evse
from hal.iec61851 import check_duty, offered_amps
from hal.slot import DeviceSlot, DriverSettings
from hal.types import (
    Alarm,
    BoardError,
    EvseFacts,
    HalError,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    Temperature,
    WakeUp,
)

LONGEST_HOLD_S = 5.0
ROUNDING_AMPS = 0.01
"""A duty is rounded down to hundredths of a percent, which must not cost a whole ampere."""


class PortSettings(DriverSettings, frozen=True, kw_only=True):
    """[evse.relays], [evse.residual] and [evse.thermometer] with driver = "pilot_rapi": the `port` of the pilot."""

    port: str

    def bus(self) -> tuple[str, str] | None:
        """The roles of one controller share its port; nothing else may."""
        return self.port, "pilot_rapi"


class Settings(PortSettings, frozen=True, kw_only=True):
    """[evse.pilot] with driver = "pilot_rapi". `heartbeat_s`: after so long without chargerd the controller offers no
    more than `fallback_amps`.
    """

    fallback_amps: Annotated[int, msgspec.Meta(ge=6, le=80)]
    heartbeat_s: Annotated[int, msgspec.Meta(ge=3, le=60)] = 10

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """It acts by itself, and is blind for some 1.5 s before each closing."""
        return msgspec.structs.replace(
            evse, autonomous=True, interlocked=True, has_state_f=False, pilot_stale_s=STALE_S
        )

    def check(self, evse: EvseFacts) -> None:
        """The fallback lies within the rating, and nobody wants a state F that the driver does not have."""
        if evse.wake_up is WakeUp.STATE_F:
            raise BoardError(
                "wake_up", "'state_f' needs -12 V on the pilot", "use 'interrupt' or 'off' with pilot_rapi"
            )
        if self.fallback_amps > evse.max_amps:
            problem = f"{self.fallback_amps} A is more than max_amps ({evse.max_amps:g} A)"
            raise BoardError("fallback_amps", problem, "give at most max_amps; 6 is the least there is")

    def alarms(self) -> tuple[Alarm, ...]:
        """Its error states, and that it missed our heartbeat."""
        return (*dict.fromkeys(ALARMS.values()), Alarm.HEARTBEAT_MISSED)

    def claims(self) -> tuple[str, ...]:
        """One pilot for each controller."""
        return (f"the pilot on {self.port}",)


class RapiDevice:
    """Common part of the roles: the link they share."""

    settings_type: type[PortSettings] = PortSettings

    def __init__(self, settings: PortSettings, slot: DeviceSlot) -> None:
        self._slot = slot
        self._rapi = slot.share(f"rapi {settings.port}", RapiLink, lambda: self._make(settings))
        check_same_evse(self._rapi.device, slot.device)
        self._rapi.link.join()

    def close(self) -> None:
        """The last of them puts the controller to rest and gives the port back."""
        self._rapi.link.leave()

    def _make(self, settings: PortSettings) -> RapiLink:
        raise HalError(
            self._slot.device, f"no pilot on {settings.port}; describe [evse.pilot] with driver = 'pilot_rapi' too"
        )


class RapiPilot(RapiDevice):
    """The control pilot, which the controller measures and generates by itself."""

    settings_type = Settings

    def read(self) -> PilotReading:
        """Nominal volts of the state that the controller told last, with what it found by itself as alarms."""
        self._rapi.touch()
        condition, at_mono = self._rapi.condition()
        high_volts, low_volts = condition.peaks(self._rapi.offers)
        return PilotReading(high_volts, low_volts, at_mono, (*condition.alarms(), *self._rapi.alarms()))

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        """Offer the whole amperes below this duty, or nothing. HalError for a mode or current it does not have."""
        if mode not in {PilotMode.PWM, PilotMode.STEADY_HIGH}:
            raise HalError(self._slot.device, f"refused the mode '{mode}': this controller has PWM and steady +12 V")
        amps = 0
        if mode is PilotMode.PWM:
            check_duty(self._slot.device, duty_percent, self._slot.evse.max_amps)
            amps = math.floor(offered_amps(duty_percent) + ROUNDING_AMPS)
            if amps == 0:
                raise HalError(
                    self._slot.device, f"refused a duty of {duty_percent} %: it offers no current by the pilot alone"
                )
        self._rapi.offer(amps)

    def _make(self, settings: PortSettings) -> RapiLink:
        assert isinstance(settings, Settings), "can't happen because this role has those settings"
        supervised = Supervised(heartbeat_s=settings.heartbeat_s, fallback_amps=settings.fallback_amps)
        made = RapiLink(self._slot.device, settings.port, self._slot.evse, supervised, self._slot.monotonic)
        made.link.start(START_BOUND_S)
        return made


class RapiRelays(RapiDevice):
    """The contactor, which the controller closes and opens by itself while current is offered."""

    def hold(self, closed: bool, for_s: float) -> None:
        """Let the contactor be closed for at most `for_s` seconds, or have it open.

        It closes when the vehicle asks and current is offered. False opens it under load when nothing is offered any
        more, or when it was permitted until now; otherwise the offer goes on and waits for the vehicle. A lost link is
        no error here: `read` tells of it, and the order is said first when the controller is back.
        """
        if closed and not 0 <= for_s <= LONGEST_HOLD_S:  # opening is never refused
            raise HalError(
                self._slot.device, f"refused to hold for {for_s} s: this board holds 0 to {LONGEST_HOLD_S:g} s"
            )
        self._rapi.permit(self._slot.monotonic() + for_s if closed else None)

    def read(self) -> RelayReading:
        """Whether the power path is closed as the controller sees it, which checks its contacts itself."""
        self._rapi.touch()
        condition, at_mono = self._rapi.condition()
        return RelayReading(condition.closed if self._slot.evse.has_feedback else None, at_mono)


class RapiResidual(RapiDevice):
    """The controller's residual current sensor: 20 mA AC. It does not see smooth DC."""

    def read(self) -> ResidualReading:
        """Whether it has tripped."""
        condition, at_mono = self._rapi.condition()
        return ResidualReading(condition.state is State.GFCI_TRIPPED, False, at_mono)

    def self_test(self) -> bool:
        """False when the controller's own test failed; it tests at its start and before each closing, not on demand."""
        condition, _ = self._rapi.condition()
        return condition.state is not State.GFI_TEST_FAILED


class RapiThermometer(RapiDevice):
    """The warmest of the controller's temperature sensors."""

    oldest_s = 2 * TEMPERATURE_PERIOD_S

    def read(self) -> Temperature:
        """The temperature told last."""
        celsius, at_mono = self._rapi.celsius()
        return Temperature(celsius, at_mono)
