"""A Yeti power board (EVerest) on a serial port: pilot, contactor and everything else that the board measures.

The board has safety functions of its own and decides fast; chargerd decides whether. What it tells is the same for all
roles and comes over one link (hal/drivers/yeti_link.py).
"""

import math
from typing import Any

import msgspec

from hal.drivers import yeti
from hal.drivers.serial_link import check_same_evse
from hal.drivers.yeti import CpState, ErrorFlags, LockState, PowerMeter, PpState
from hal.drivers.yeti_link import METER_STALE_S, PILOT_STALE_S, START_BOUND_S, YetiLink
from hal.iec61851 import NO_CABLE_OHMS, cable_amps, check_duty
from hal.slot import DeviceSlot, DriverSettings
from hal.types import (
    Alarm,
    CableRating,
    DeviceGarbled,
    DeviceSilent,
    EvseFacts,
    HalError,
    LockReading,
    MeterSample,
    PhasesReading,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    Temperature,
)

LONGEST_HOLD_S = 5.0

LEAST_DUTY, MOST_DUTY = 3.0, 97.0
"""Percent. Outside of this a duty says that charging is not allowed (IEC 61851-1 table A.8), and 0 is -12 V here."""

VOLTS = {CpState.A: 12.0, CpState.B: 9.0, CpState.C: 6.0, CpState.D: 3.0, CpState.E: 0.0, CpState.F: -12.0}

CABLE_OHMS = {
    PpState.NO_CABLE: NO_CABLE_OHMS,
    PpState.A13: 1500.0,
    PpState.A20: 680.0,
    PpState.A32: 220.0,
    PpState.A70: 100.0,
    PpState.FAULT: 0.0,
}
"""The nominal resistor of each class that the board tells."""

ALARMS = (
    ("rcd_triggered", Alarm.RESIDUAL_AC),
    ("rcd_selftest_failed", Alarm.RESIDUAL_TEST),
    ("connector_lock_failed", Alarm.LOCK),
    ("cp_signal_fault", Alarm.INTERNAL),
    ("over_current", Alarm.OVER_CURRENT),
)
"""Error flags as alarms. The diode and ventilation are told by the pilot's levels."""


class Settings(DriverSettings, frozen=True, kw_only=True):
    """driver = "pilot_yeti": the `port` of the board, the same for every role."""

    port: str

    def bus(self) -> tuple[str, str] | None:
        """The roles of one board share its port; nothing else may."""
        return self.port, "pilot_yeti"


class PilotSettings(Settings, frozen=True, kw_only=True):
    """[evse.pilot] with driver = "pilot_yeti"."""

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """The board tells changes only, and closes for nobody but a vehicle that asks."""
        return msgspec.structs.replace(evse, interlocked=True, pilot_stale_s=PILOT_STALE_S)

    def alarms(self) -> tuple[Alarm, ...]:
        """Its error flags."""
        return tuple(alarm for _, alarm in ALARMS)

    def claims(self) -> tuple[str, ...]:
        """One pilot for each board."""
        return (f"the pilot on {self.port}",)


class YetiDevice:
    """Common part of the roles: the link they share."""

    settings_type: type[Settings] = Settings

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        self._yeti = slot.share(f"yeti {settings.port}", YetiLink, lambda: self._make(settings))
        check_same_evse(self._yeti.device, slot.device)
        self._yeti.link.join()

    def close(self) -> None:
        """The last of them opens the contactor and gives the port back."""
        self._yeti.link.leave()

    def _make(self, settings: Settings) -> YetiLink:
        raise HalError(
            self._slot.device, f"no pilot on {settings.port}; describe [evse.pilot] with driver = 'pilot_yeti' too"
        )


class YetiPilot(YetiDevice):
    """The control pilot: the board measures it, we say what it shows."""

    settings_type = PilotSettings

    def read(self) -> PilotReading:
        """Nominal volts of the state that the board told, with what it found by itself as alarms."""
        self._yeti.touch()
        told, at_mono = self._yeti.told()
        assert told.state is not None, "can't happen because told() raises then"
        high_volts = VOLTS[told.state]
        oscillating = self._yeti.mode is PilotMode.PWM and told.state in (CpState.A, CpState.B, CpState.C, CpState.D)
        low_volts = -12.0 if oscillating else high_volts
        if told.flags.diode_fault:
            low_volts = -high_volts
        return PilotReading(high_volts, low_volts, at_mono, _alarms(told.flags))

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        """Drive the pilot. HalError for a duty that offers more than the rating, and for a mode there is not."""
        hundredths = yeti.STEADY_HIGH
        if mode is PilotMode.PWM:
            check_duty(self._slot.device, duty_percent, self._slot.evse.max_amps)
            if not LEAST_DUTY <= duty_percent <= MOST_DUTY:
                raise HalError(self._slot.device, f"refused a duty of {duty_percent} %: it forbids charging")
            hundredths = math.floor(duty_percent * 100 + 1e-6)
        elif mode is PilotMode.STEADY_LOW:
            hundredths = yeti.STATE_F
        elif mode is PilotMode.DISCONNECTED:
            raise HalError(self._slot.device, "refused to disconnect the pilot: this board cannot")
        self._yeti.show(mode, hundredths)

    def _make(self, settings: Settings) -> YetiLink:
        made = YetiLink(self._slot.device, settings.port, self._slot.evse, self._slot.monotonic)
        made.link.start(START_BOUND_S)
        return made


class YetiRelays(YetiDevice):
    """The contactor with its feedback; the board closes it for a vehicle that asks."""

    def hold(self, closed: bool, for_s: float) -> None:
        """Let the board close for at most `for_s` seconds, or have it open at once.

        A lost link is no error here: `read` tells of it, and the order is said first when the board is back.
        """
        if closed and not 0 <= for_s <= LONGEST_HOLD_S:  # opening is never refused
            raise HalError(
                self._slot.device, f"refused to hold for {for_s} s: this board holds 0 to {LONGEST_HOLD_S:g} s"
            )
        self._yeti.permit(self._slot.monotonic() + for_s if closed else -math.inf)

    def read(self) -> RelayReading:
        """What the board tells of its contacts."""
        self._yeti.touch()
        told, at_mono = self._yeti.told()
        return RelayReading(told.closed if self._slot.evse.has_feedback else None, at_mono)


class YetiResidual(YetiDevice):
    """The board's residual current monitor; it does not tell AC from DC, so a trip counts as the graver one, AC."""

    def read(self) -> ResidualReading:
        """Whether it has tripped."""
        told, at_mono = self._yeti.told()
        return ResidualReading(told.flags.rcd_triggered, False, at_mono)

    def self_test(self) -> bool:
        """False when the board's own test failed; it tests by its own rules, not on demand."""
        told, _ = self._yeti.told()
        return not told.flags.rcd_selftest_failed


class YetiProximity(YetiDevice):
    """The proximity contact, told as a class."""

    def read(self) -> CableRating:
        """The nominal resistor of the class."""
        told, at_mono = self._yeti.told()
        ohms = CABLE_OHMS[told.cable]
        return CableRating(ohms, cable_amps(ohms), at_mono)


class YetiLock(YetiDevice):
    """The motor lock."""

    _wanted = False

    def set(self, locked: bool) -> None:
        """Drive it towards `locked`."""
        self._wanted = locked
        self._yeti.lock(locked)

    def read(self) -> LockReading:
        """Where it is; between its ends it is not where it is driven to."""
        told, at_mono = self._yeti.told()
        between = told.lock is LockState.UNDEFINED
        return LockReading(not self._wanted if between else told.lock is LockState.LOCKED, at_mono)


class YetiPhaseSwitch(YetiDevice):
    """Three phases or one, from the next closing on. The board does not tell which it has."""

    def set(self, phases: int) -> None:
        """Connect 1 or 3 phases. HalError for any other number."""
        if phases not in {1, 3}:
            raise HalError(self._slot.device, f"refused to connect {phases} phases: 1 or 3")
        self._yeti.connect_phases(phases == 3)

    def read(self) -> PhasesReading:
        """None: no feedback."""
        _, at_mono = self._yeti.told()
        return PhasesReading(None, at_mono)


class YetiMeter(YetiDevice):
    """The board's own meter, for supervision. Its register may begin at 0 whenever the board starts."""

    oldest_s = METER_STALE_S
    """The board sends a sample once a second by itself; what is read is the last one."""

    def read(self) -> MeterSample:
        """The last sample. HalError when there is none of the last 3 s, or an impossible one."""
        meter, at_mono = _measured(self._yeti, self._slot.device)
        phases = self._slot.evse.phases
        sample = MeterSample(
            at_mono=at_mono,
            energy_wh=meter.energy_wh,
            power_w=sum(meter.watts[:phases]),
            amps=meter.amps[:phases],
            volts=meter.volts[:phases],
            frequency_hz=meter.frequency_hz or None,
            watts=meter.watts[:phases],
        )
        if not any(sample.volts) or sample.energy_wh < 0 or not all(0 <= volts <= 300 for volts in sample.volts):
            raise DeviceGarbled(self._slot.device, f"the board's meter shows {sample.volts} V, {sample.energy_wh} Wh")
        return sample


class YetiThermometer(YetiDevice):
    """The warmest of the temperatures that the board's meter tells: L1, L2, L3 and N."""

    oldest_s = METER_STALE_S

    def read(self) -> Temperature:
        """The last one told. HalError when the board has none."""
        meter, at_mono = _measured(self._yeti, self._slot.device)
        if not any(meter.celsius):  # protobuf leaves out what is 0, so a sensor that is not fitted reads as 0
            raise HalError(self._slot.device, "the board tells no temperature; remove this device")
        return Temperature(max(meter.celsius), at_mono)


def _measured(link: YetiLink, device: str) -> tuple[PowerMeter, float]:
    told, now_mono = link.told()
    if told.meter is None or now_mono - told.meter_mono > METER_STALE_S:
        raise DeviceSilent(device, f"the board's meter has told nothing for {METER_STALE_S:g} s")
    return told.meter, told.meter_mono


def _alarms(flags: ErrorFlags) -> tuple[Alarm, ...]:
    values: dict[str, Any] = msgspec.structs.asdict(flags)
    return tuple(alarm for name, alarm in ALARMS if values[name])
