"""Every interface of hal/interfaces.py as a window onto the plant: reads and drives it, knows nothing by itself."""

from datetime import datetime

import msgspec

from hal.iec61851 import cable_amps, check_duty
from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.slot import DeviceSlot, DriverSettings
from hal.types import (
    CableRating,
    DeviceGarbled,
    DeviceMissing,
    DeviceSilent,
    DeviceSwapped,
    EvseFacts,
    ExternalLimit,
    HalError,
    Indication,
    InputName,
    InputsReading,
    LockReading,
    MeterSample,
    PhasesReading,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    SignedKind,
    Signing,
    SigningPhase,
    Temperature,
    Token,
)

SIGNING_S = 2.0
"""What a simulated meter takes to open or to close a session."""

LONGEST_HOLD_S = 5.0
"""The simulated board's own bound on a lease: a caller that asks for an hour has not understood it."""


class Settings(DriverSettings, frozen=True):
    """A simulated device has nothing to set: the table [plant] says what there is."""


class PilotSettings(Settings, frozen=True):
    """[evse.pilot] with driver = "sim": nothing to set either."""

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """The simulated pilot can be disconnected."""
        return msgspec.structs.replace(evse, can_disconnect=True)


class MeterSettings(Settings, frozen=True, kw_only=True):
    """[evse.meter] with driver = "sim". `signs`: it signs sessions, with a signature that proves nothing."""

    signs: bool = False

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """Whether it signs."""
        return msgspec.structs.replace(evse, signs=self.signs)


class InputSettings(DriverSettings, frozen=True, kw_only=True):
    """[evse.inputs]: `lines`, which of them are fitted; all unless given."""

    lines: tuple[InputName, ...] = tuple(InputName)

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """The lines."""
        return msgspec.structs.replace(evse, inputs=self.lines)


class SimDevice:
    """Common part of the windows: which EVSE of the plant, and the name used in errors."""

    def __init__(self, evse: PlantEvse, slot: DeviceSlot) -> None:
        self._evse = evse
        self._plant = evse.plant
        self._device = slot.device

    def close(self) -> None:
        """Nothing to give back: the plant belongs to the board."""


class SimPilot(SimDevice):
    """Control pilot: the generator and the two peak detectors."""

    settings_type = PilotSettings

    def read(self) -> PilotReading:
        """The present peaks in volts."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            if Fault.STALL_PILOT in self._evse.faults:
                raise DeviceSilent(self._device, "no answer")
            high_volts, low_volts = self._evse.pilot_peaks(now_mono)
            return PilotReading(high_volts, low_volts, now_mono, self._evse.alarms())

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        """Drive the pilot; HalError for a duty that offers more than the board's rating."""
        if mode is PilotMode.PWM:
            check_duty(self._device, duty_percent, self._evse.facts.max_amps)
        with self._plant.lock:
            self._evse.catch_up()
            self._evse.drive_pilot(mode, duty_percent)


class SimRelays(SimDevice):
    """Contactor with forcibly guided feedback, and the board's dead-man."""

    def hold(self, closed: bool, for_s: float) -> None:
        """Close for at most `for_s` seconds, or open now whatever `for_s` says."""
        if closed and not 0 <= for_s <= LONGEST_HOLD_S:  # opening is never refused
            raise HalError(self._device, f"refused to hold for {for_s} s: this board holds 0 to {LONGEST_HOLD_S:g} s")
        with self._plant.lock:
            self._evse.hold_coil(closed, self._evse.catch_up(), for_s)

    def read(self) -> RelayReading:
        """The feedback contact."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            return RelayReading(self._evse.contacts_closed if self._evse.facts.has_feedback else None, now_mono)


_SILENT_METER = frozenset({Fault.STALL_METER, Fault.DELAY_METER})
_GARBLED_METER = frozenset({Fault.GARBLE_METER, Fault.MISADDRESS_METER, Fault.NAN_METER, Fault.REFUSE_METER})


class SimMeter(SimDevice):
    """The plant's meter without a wire; on the bench the same values go through hal/sim/meter_server.py instead.

    Its sessions are those of a meter with one document, at the end, that takes SIGNING_S for each step.
    """

    settings_type = MeterSettings

    def __init__(self, evse: PlantEvse, slot: DeviceSlot) -> None:
        super().__init__(evse, slot)
        self._signing = Signing()
        self._text, self._begin_wh, self._step_until_mono = "", 0.0, 0.0
        self._document: bytes | None = None

    def read(self) -> MeterSample:
        """One sample; fails as the plant's meter faults say."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            if Fault.UNPLUG_METER in self._evse.faults:
                raise DeviceMissing(self._device, "the meter's adapter is unplugged")
            if not self._evse.faults.keys().isdisjoint(_SILENT_METER):
                raise DeviceSilent(self._device, "no answer")
            if not self._evse.faults.keys().isdisjoint(_GARBLED_METER):
                raise DeviceGarbled(self._device, "the answer is none, or damaged")
            if Fault.SWAP_METER in self._evse.faults:
                raise DeviceSwapped(self._device, "another serial number answers: the meter was swapped")
            values = self._evse.meter_values(now_mono)
            return MeterSample(
                at_mono=now_mono,
                energy_wh=values.energy_wh,
                power_w=values.power_w,
                amps=values.amps,
                volts=values.volts,
                frequency_hz=values.frequency_hz or None,
                watts=values.phase_watts,
                signed=self._go_on(now_mono, values.energy_wh),
            )

    def begin(self, text: str, at: datetime) -> None:
        """Open a session."""
        if self._signing.phase is not SigningPhase.IDLE:
            raise HalError(self._device, f"a session is {self._signing.phase} already: end it first")
        self._text, self._document = text, None
        self._step(SigningPhase.BEGINNING)

    def end(self, at: datetime) -> None:
        """Close it."""
        self._step(SigningPhase.ENDING)

    def signing(self) -> Signing:
        """How far it is."""
        return self._signing

    def signed(self, kind: SignedKind) -> bytes | None:
        """The document of the end."""
        return self._document if kind is SignedKind.END else None

    def public_key(self) -> bytes:
        """A key that fits nothing."""
        return b"simulated key"

    def _step(self, phase: SigningPhase) -> None:
        with self._plant.lock:
            self._step_until_mono = self._evse.catch_up() + SIGNING_S
        self._signing = Signing(phase)

    def _go_on(self, now_mono: float, energy_wh: float) -> bytes | None:
        """The document, when it has just been made."""
        phase = self._signing.phase
        if phase not in {SigningPhase.BEGINNING, SigningPhase.ENDING} or now_mono < self._step_until_mono:
            return None
        if phase is SigningPhase.BEGINNING:
            self._signing, self._begin_wh = Signing(SigningPhase.ACTIVE), energy_wh
            return None
        self._signing = Signing()
        readings = f'{{"ID":"{self._text}","RD":[{{"RV":{self._begin_wh:.1f}}},{{"RV":{energy_wh:.1f}}}]}}'
        self._document = f'OCMF|{readings}|{{"SD":"simulated"}}'.encode()
        return self._document


class SimProximity(SimDevice):
    """Proximity contact of the socket."""

    def read(self) -> CableRating:
        """The present resistor and its class."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            ohms = self._evse.cable_ohms()
            return CableRating(ohms, cable_amps(ohms), now_mono)


class SimLock(SimDevice):
    """Motor lock of the socket with feedback."""

    def set(self, locked: bool) -> None:
        """Turn towards `locked`; the feedback follows some tenths of a second later."""
        with self._plant.lock:
            self._evse.drive_lock(locked, self._evse.catch_up())

    def read(self) -> LockReading:
        """The feedback contact."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            return LockReading(self._evse.locked, now_mono)


class SimResidual(SimDevice):
    """Residual current monitor with the two trip outputs."""

    def read(self) -> ResidualReading:
        """The trip inputs."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            faults = self._evse.faults
            if Fault.STALL_RCD in faults:
                raise DeviceSilent(self._device, "no answer")
            return ResidualReading(Fault.TRIP_RCD in faults, Fault.TRIP_RCD_DC in faults, now_mono)

    def self_test(self) -> bool:
        """True unless the fault says the test fails."""
        with self._plant.lock:
            self._evse.catch_up()
            return Fault.RCD_TEST_FAILS not in self._evse.faults


class SimThermometer(SimDevice):
    """Temperature of the enclosure."""

    def read(self) -> Temperature:
        """The present temperature."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            return Temperature(self._evse.celsius(now_mono), now_mono)


class SimPlugThermometer(SimDevice):
    """Temperature of the plug."""

    def read(self) -> Temperature:
        """The present temperature."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            return Temperature(self._evse.plug_celsius(now_mono), now_mono)


class SimPhaseSwitch(SimDevice):
    """Contactor of L2 and L3 with feedback."""

    def set(self, phases: int) -> None:
        """Connect 1 or 3 phases; the feedback follows some hundredths of a second later."""
        if phases not in {1, 3}:
            raise HalError(self._device, f"refused to connect {phases} phases: 1 or 3")
        with self._plant.lock:
            self._evse.drive_phases(phases, self._evse.catch_up())

    def read(self) -> PhasesReading:
        """The feedback contact."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            return PhasesReading(self._evse.phases, now_mono)


class SimInputs(SimDevice):
    """The input lines."""

    settings_type = InputSettings

    def read(self) -> InputsReading:
        """Those that are asserted."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            return InputsReading(self._evse.inputs(), now_mono)


class SimLimitSource(SimDevice):
    """The grid operator's signal."""

    def read(self) -> ExternalLimit:
        """What it allows now."""
        with self._plant.lock:
            now_mono = self._evse.catch_up()
            if Fault.STALL_EXTERNAL in self._evse.faults:
                raise DeviceSilent(self._device, "no answer")
            return ExternalLimit(self._evse.faults.get(Fault.EXTERNAL_LIMIT), now_mono)


class SimDisplay(SimDevice):
    """Text surface: the plant remembers what it shows."""

    def show(self, lines: tuple[str, ...]) -> None:
        """Show it until told otherwise."""
        with self._plant.lock:
            self._evse.display = lines


class SimIndicator(SimDevice):
    """Lights: the plant remembers what they show."""

    def show(self, indication: Indication, code: int = 0) -> None:
        """Show it until told otherwise."""
        with self._plant.lock:
            self._evse.indication, self._evse.blink_code = indication, code


class SimReader(SimDevice):
    """Token reader, fed by `present_token`."""

    def read(self) -> Token | None:
        """The oldest token not yet read, or None; returns at once."""
        with self._plant.lock:
            if Fault.FREEZE_READER in self._evse.faults:
                raise DeviceSilent(self._device, "no answer")
            return self._evse.tokens.popleft() if self._evse.tokens else None
