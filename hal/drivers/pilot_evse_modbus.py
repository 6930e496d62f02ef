"""A ready-made EVSE module on Modbus: pilot, contactor and proximity contact of one EVSE (hal/drivers/evse_modules.py).

The module acts by itself within the times of IEC 61851-1; what is read here is up to 1.5 s old, and an offer takes a
few tenths of a second to get there. It does not tell of a feedback contact: the contactor is reported as unknown.
"""

import math
from typing import Annotated, Literal

import msgspec

from hal.drivers.evse_module_link import STALE_S, ModuleLink
from hal.drivers.evse_modules import ALARMS, PHOENIX, WB_ALARMS, EvseWb, Module, Phoenix, Seen
from hal.drivers.modbus_port import ModbusAddress, ModbusPort
from hal.iec61851 import CABLE_CLASSES, NO_CABLE_OHMS, check_duty, offered_amps
from hal.slot import DeviceSlot
from hal.types import (
    Alarm,
    CableRating,
    EvseFacts,
    HalError,
    PilotMode,
    PilotReading,
    RelayReading,
    WakeUp,
)

LONGEST_HOLD_S = 5.0
ROUNDING_AMPS = 0.01
"""A duty is rounded down to hundredths of a percent, which must not cost a whole ampere."""

VOLTS = {"A": 12.0, "B": 9.0, "C": 6.0, "D": 3.0, "E": 0.0, "F": -12.0}
"""Nominal volts of the letters (IEC 61851-1 table A.4)."""

CONNECTED = frozenset("BCD")

UnitId = Annotated[int, msgspec.Meta(ge=1, le=255)]
"""An EV-...-ETH leaves the factory with 255, which a serial line has not (board-configs/README.md)."""


class LineSettings(ModbusAddress, frozen=True, kw_only=True):
    """[evse.relays] and [evse.proximity] with driver = "pilot_evse_modbus": the `port` or `host` and the `unit` of the
    pilot.
    """

    unit: UnitId = 1


class Settings(ModbusPort, frozen=True, kw_only=True):
    """[evse.pilot] with driver = "pilot_evse_modbus". `module`: which family; the rest describes the line.

    `gap_ms`: the silence that the module wants before a request.
    """

    module: Literal["evse_wb", "phoenix_ser", "phoenix_em_eth", "phoenix_ev_eth", "wallbe"]
    unit: UnitId = 1
    timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=500)] = 200
    gap_ms: Annotated[int, msgspec.Meta(ge=0, le=200)] = 100

    def alarms(self) -> tuple[Alarm, ...]:
        """Its failures, as far as the module tells them apart."""
        return WB_ALARMS if self.module == "evse_wb" else tuple(dict.fromkeys(ALARMS.values()))

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """It acts by itself, is seen late, and has neither a feedback contact to tell of nor -12 V."""
        wake_up = WakeUp.INTERRUPT if evse.wake_up is WakeUp.STATE_F else evse.wake_up
        return msgspec.structs.replace(
            evse,
            autonomous=True,
            interlocked=True,
            pilot_stale_s=STALE_S,
            has_feedback=False,
            has_state_f=False,
            wake_up=wake_up,
        )


class ModuleDevice:
    """Common part of the roles: the link they share."""

    settings_type: type[ModbusAddress] = LineSettings

    def __init__(self, settings: ModbusAddress, slot: DeviceSlot) -> None:
        self._slot = slot
        name = f"module {settings.unit} on {settings.line}"
        self._link = slot.share(name, ModuleLink, lambda: self._make(settings))
        self._link.join()

    def close(self) -> None:
        """The last of them puts the module to rest and leaves the line."""
        self._link.leave()

    def _make(self, settings: ModbusAddress) -> ModuleLink:
        why = f"no pilot at unit {settings.unit} on {settings.line}; describe [evse.pilot] with this driver too"
        raise HalError(self._slot.device, why)


class ModulePilot(ModuleDevice):
    """The control pilot, which the module measures and generates by itself."""

    settings_type = Settings
    _offering = False

    def read(self) -> PilotReading:
        """Nominal volts of the letter that the module told last, with what it found by itself as alarms."""
        seen, at_mono = self._link.look()
        high_volts, low_volts = peaks(seen, self._offering)
        return PilotReading(high_volts, low_volts, at_mono, seen.alarms)

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        """Offer what this duty says as far as the module's step allows, or nothing. HalError for a mode that it has not
        and for a duty above the board's rating.
        """
        if mode not in {PilotMode.PWM, PilotMode.STEADY_HIGH}:
            raise HalError(self._slot.device, f"refused the mode '{mode}': this module has PWM and steady +12 V")
        amps = 0.0
        if mode is PilotMode.PWM:
            check_duty(self._slot.device, duty_percent, self._slot.evse.max_amps)
            amps = offered_amps(duty_percent)
            if amps == 0:
                why = f"refused a duty of {duty_percent} %: it offers no current by the pilot alone"
                raise HalError(self._slot.device, why)
            step_amps = self._link.step_amps
            amps = min(step_amps * math.floor((amps + ROUNDING_AMPS) / step_amps), self._slot.evse.max_amps)
        self._offering = amps > 0
        self._link.offer(amps)

    def _make(self, settings: ModbusAddress) -> ModuleLink:
        assert isinstance(settings, Settings), "can't happen because this role has those settings"
        unit = settings.open_unit(self._slot, settings.gap_ms)
        module: Module = EvseWb(unit) if settings.module == "evse_wb" else Phoenix(unit, PHOENIX[settings.module])
        made = ModuleLink(self._slot.device, module, unit.leave, self._slot.monotonic)
        made.start()
        return made


class ModuleRelays(ModuleDevice):
    """The contactor, which the module closes and opens by itself while current is offered."""

    def hold(self, closed: bool, for_s: float) -> None:
        """Let the contactor be closed for at most `for_s` seconds, or have it open.

        It closes when the vehicle asks and current is offered. False after True opens it under an offer too; otherwise
        an offer goes on and the module waits for the vehicle. A lost line is no error here: `read` of the pilot tells
        of it, and what is wanted is said first when the module is back.
        """
        if closed and not 0 <= for_s <= LONGEST_HOLD_S:  # opening is never refused
            why = f"refused to hold for {for_s} s: this board holds 0 to {LONGEST_HOLD_S:g} s"
            raise HalError(self._slot.device, why)
        self._link.permit(self._slot.monotonic() + for_s if closed else None)

    def read(self) -> RelayReading:
        """Never more than when the module was seen: it does not tell how the contacts are."""
        _, at_mono = self._link.look()
        return RelayReading(None, at_mono)


class ModuleProximity(ModuleDevice):
    """The proximity contact of the socket, as the module has rated it."""

    def read(self) -> CableRating:
        """The cable's class; the resistor is the nominal one of the class. No class without a plug and for a short."""
        seen, at_mono = self._link.look()
        if seen.cable_amps is None:
            return CableRating(0.0, None, at_mono)
        fitting = [cable for cable in CABLE_CLASSES if cable.amps <= seen.cable_amps]
        if not fitting:
            return CableRating(NO_CABLE_OHMS, None, at_mono)
        cable = max(fitting, key=lambda each: each.amps)
        return CableRating(cable.nominal_ohms, cable.amps, at_mono)


def peaks(seen: Seen, offering: bool) -> tuple[float, float]:
    """Positive and negative peak in nominal volts. The module tests the diode: without its complaint there is one."""
    if seen.no_diode:
        high = VOLTS[seen.letter] if seen.letter in CONNECTED else VOLTS["B"]
        return high, -high if offering else high
    high = VOLTS[seen.letter]
    return high, -12.0 if offering and high > 0 else high
