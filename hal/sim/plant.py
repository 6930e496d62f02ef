"""The one simulated world: grid, contactor, lock, cable, vehicle and meter of each EVSE as a small physical model.

`Plant.advance` moves from event to event (a lease that lapses, contacts that arrive, a ramp that ends), so the
outcome does not depend on how often it is looked at: the same seed, verbs and times give the same world. Every device
read advances it.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from hal.iec61851 import CABLE_CLASSES, NO_CABLE_OHMS, offered_amps
from hal.sim.faults import ALARMS, INPUT_FAULTS, Fault, PlantRefusal, fault_named, value_for
from hal.sim.grid import POWER_FACTOR, SOURCE_OHMS, phase_volts, power_w, ramp_wh
from hal.sim.movement import Movement
from hal.sim.pictures import EvsePlantState, MeterValues, PlantState
from hal.sim.settings import PlantSettings
from hal.sim.vehicle import Quirk, Vehicle, quirks_named
from hal.types import Alarm, EvseFacts, Indication, InputName, PilotMode, Token, TokenKind

CONTACTOR_CLOSE_S = 0.03
CONTACTOR_OPEN_S = 0.02
LOCK_S = 0.3
PHASES_S = 0.05
PILOT_NOISE_VOLTS = 0.1
GRID_NOISE_VOLTS = 1.5
PLUG_LOAD_KELVIN = 25.0
FULL_LOAD_KELVIN = 18.0  # how much warmer than its surroundings the enclosure is at the board's rating
TOKENS_KEPT = 8
LAST_LEASE_S = 1.0  # how long a contactor stays closed for a process that was killed


class Plant:
    """The world behind a simulated board. `monotonic`: the clock its devices live by, real or virtual."""

    def __init__(self, settings: PlantSettings, evses: Iterable[EvseFacts], monotonic: Callable[[], float]) -> None:
        self.settings = settings
        self.monotonic = monotonic
        self.lock = threading.RLock()  # control loop, pollers, meter servers and desk all look at the same world
        self.evses = tuple(PlantEvse(self, index + 1, facts) for index, facts in enumerate(evses))

    def advance(self, to_mono: float) -> None:
        """Let the world go on until `to_mono`; earlier than before does nothing."""
        with self.lock:
            for evse in self.evses:
                evse.advance(to_mono)

    def catch_up(self) -> float:
        """Advance to the present and return it; hold the lock when something is read or changed right after."""
        now_mono = self.monotonic()
        self.advance(now_mono)
        return now_mono

    def evse(self, evse_id: int) -> "PlantEvse":
        """EVSE `evse_id` (from 1), else PlantRefusal naming the choices."""
        if not 1 <= evse_id <= len(self.evses):
            raise PlantRefusal(f"unknown EVSE {evse_id}; this board has {_one_to(len(self.evses))}")
        return self.evses[evse_id - 1]

    def state(self) -> PlantState:
        """The plant as it is now."""
        with self.lock:
            now_mono = self.catch_up()
            return PlantState(at_mono=now_mono, evses=tuple(evse.state() for evse in self.evses))

    def restore(self, state: PlantState) -> None:
        """Go on from an earlier picture, as nobody lets go of a vehicle while a process restarts. PlantRefusal."""
        if len(state.evses) != len(self.evses):
            raise PlantRefusal(f"it is a world of {len(state.evses)} EVSE, this board has {_one_to(len(self.evses))}")
        with self.lock:
            self.catch_up()
            for evse, before in zip(self.evses, state.evses, strict=True):
                evse.restore(before)

    def noise(self, channel: int, slot: int) -> float:
        """From -1 to 1 (times the setting), by seed, channel and slot alone: the order of reads cannot matter."""
        x = (self.settings.seed * 0x9E3779B1 ^ channel * 0x85EBCA6B ^ slot * 0xC2B2AE35) & 0xFFFFFFFF
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x = ((x ^ x >> shift) * factor) & 0xFFFFFFFF
        return ((x ^ x >> 16) / 0x7FFFFFFF - 1.0) * self.settings.noise


class PlantEvse:
    """One EVSE of the plant: the verbs that people and tests use, and below them what the devices see."""

    def __init__(self, plant: Plant, evse_id: int, facts: EvseFacts) -> None:
        self.plant = plant
        self.evse_id = evse_id
        self.facts = facts
        self.faults: dict[Fault, float] = {}
        self.vehicle: Vehicle | None = None
        self.tokens: deque[Token] = deque(maxlen=TOKENS_KEPT)
        self.indication = Indication.OFF
        self.blink_code = 0
        self._lock = Movement(False)
        self.display: tuple[str, ...] = ()
        self._phases = Movement(facts.phases)
        self._cable_ohms = NO_CABLE_OHMS
        self._pilot_mode = PilotMode.STEADY_HIGH
        self._duty_percent = 100.0
        self._lease_mono = -math.inf
        self._contacts = Movement(False)
        self._glitch_until_mono = -math.inf
        self._energy_wh = plant.settings.start_wh
        self._frozen: MeterValues | None = None
        self._forgotten_wh = 0.0
        self._now_mono = plant.monotonic()
        self._s2_since_mono = self._coil_since_mono = self._pilot_since_mono = self._now_mono

    # ---- verbs: what people do ----

    def plug_in(self, cable_amps: float = 32.0, phases: int = 3, quirks: Iterable[str] = ()) -> None:
        """A vehicle that charges on `phases` phases is plugged in by a cable rated 13, 20, 32 or 63 A; a cable that
        stayed in the socket is used.
        """
        ohms = _resistor_of(cable_amps)
        if phases not in {1, 2, 3}:
            raise PlantRefusal(f"a vehicle charges with 1, 2 or 3 phases, {phases} was given")
        habits = quirks_named(quirks)
        with self.plant.lock:
            self.plant.catch_up()
            if self.vehicle is not None:
                raise PlantRefusal(f"EVSE {self.evse_id} has a vehicle already; plug it out first")
            self.vehicle = Vehicle(32.0, min(phases, self.facts.phases), habits)
            if not self.facts.tethered and self._cable_ohms == NO_CABLE_OHMS:
                self._cable_ohms = ohms

    def plug_out(self, force: bool = False) -> None:
        """The vehicle goes; PlantRefusal while the plug is locked, unless it is torn out by `force`."""
        with self.plant.lock:
            self.plant.catch_up()
            if self.vehicle is None and self._cable_ohms == NO_CABLE_OHMS:
                raise PlantRefusal(f"EVSE {self.evse_id} has no vehicle to plug out")
            if self.locked and not force:
                raise PlantRefusal(f"the plug of EVSE {self.evse_id} is locked; stop charging first, or use force")
            self.vehicle = None
            self._cable_ohms = NO_CABLE_OHMS

    def unplug_ev(self) -> None:
        """The cable is unplugged from the vehicle, which goes; its other end stays where it is."""
        self._with_vehicle()
        with self.plant.lock:
            self.plant.catch_up()
            self.vehicle = None

    def ev_ready(self) -> None:
        """The vehicle wants energy from now on."""
        self._with_vehicle().ready = True

    def ev_pause(self) -> None:
        """The vehicle wants no energy for now; it ramps down, then opens S2."""
        self._with_vehicle().ready = False

    def ev_resume(self) -> None:
        """The vehicle wants energy again."""
        self._with_vehicle().ready = True

    def ev_draw(self, amps: float, phases: int | None = None) -> None:
        """Its appetite: up to so many amps on so many phases (None: as before), as far as offered."""
        if not 0 <= amps <= 80:
            raise PlantRefusal(f"a vehicle draws 0 to 80 A, {amps:g} was given")
        if phases not in {None, 1, 2, 3}:
            raise PlantRefusal(f"a vehicle charges with 1, 2 or 3 phases, {phases} was given")
        vehicle = self._with_vehicle()
        vehicle.appetite_amps = amps
        vehicle.phases = min(phases or vehicle.phases, self.facts.phases)

    def present_token(self, uid: str, kind: TokenKind = TokenKind.ISO14443) -> None:
        """A card is held to the reader (or a code typed): 1 to 36 characters, as the reader would tell them."""
        if not 1 <= len(uid) <= 36 or not uid.isascii() or not uid.isprintable():
            raise PlantRefusal(f"a token has 1 to 36 printable characters, {len(uid)} were given")
        with self.plant.lock:
            self.tokens.append(Token(uid.upper(), kind, self.plant.catch_up()))

    def fault(self, name: str, value: float | None = None) -> None:
        """Something breaks (FAULTS tells what); raised again it takes the new value."""
        fault = fault_named(name)
        checked = value_for(fault, value)
        with self.plant.lock:
            now_mono = self.plant.catch_up()
            if fault is Fault.FREEZE_METER:
                self._frozen = self.meter_values(now_mono)
            if fault is Fault.RESTART_METER:
                self._forgotten_wh = self._energy_wh
            if fault is Fault.GLITCH:
                self._glitch_until_mono = now_mono + checked / 1000
            self.faults[fault] = checked

    def clear_fault(self, name: str) -> None:
        """It is whole again; nothing happens when it was."""
        fault = fault_named(name)
        with self.plant.lock:
            self.plant.catch_up()
            self.faults.pop(fault, None)
            if fault is Fault.FREEZE_METER:
                self._frozen = None
            if fault is Fault.RESTART_METER:
                self._forgotten_wh = 0.0

    def restore(self, before: EvsePlantState) -> None:
        """Vehicle, lock, faults and register as they were; the contacts are open, what was on its way is over."""
        faults = {fault_named(name): value for name, value in before.faults.items()}
        self.vehicle = Vehicle.restored(before) if before.plugged else None
        self._cable_ohms = before.plug_ohms
        self._lock.put(before.locked)
        self._phases.put(before.phases)
        # Nobody renewed the coil's lease, so current flowed until it lapsed: the register never runs backwards.
        self._energy_wh = max(self._energy_wh, before.energy_wh + before.vehicle_watts * LAST_LEASE_S / 3600)
        faults.pop(Fault.GLITCH, None)
        self.faults = faults
        self._forgotten_wh = self._energy_wh if Fault.RESTART_METER in faults else 0.0
        self._frozen = self.meter_values(self.plant.monotonic()) if Fault.FREEZE_METER in faults else None

    # ---- what devices drive; the caller holds the lock and has caught up ----

    def catch_up(self) -> float:
        """Advance this EVSE alone to the present and return it: EVSEs share nothing but the lock."""
        now_mono = self.plant.monotonic()
        self.advance(now_mono)
        return now_mono

    def drive_pilot(self, mode: PilotMode, duty_percent: float) -> None:
        """The pilot generator shows this from now on."""
        if (mode, duty_percent) != (self._pilot_mode, self._duty_percent):
            self._pilot_since_mono = self._now_mono
        self._pilot_mode = mode
        self._duty_percent = duty_percent

    def hold_coil(self, closed: bool, now_mono: float, for_s: float) -> None:
        """The coil is driven for `for_s` at most: the board's own dead-man, which no software can forget."""
        self._lease_mono = now_mono + for_s if closed else -math.inf
        self._set_coil(closed and for_s > 0, now_mono)

    def drive_lock(self, locked: bool, now_mono: float) -> None:
        """The lock's motor turns towards `locked`."""
        self._lock.drive(locked, now_mono + LOCK_S)

    def drive_phases(self, phases: int, now_mono: float) -> None:
        """The contactor of L2 and L3 is told to connect 1 or 3 phases."""
        self._phases.drive(phases, now_mono + PHASES_S)

    # ---- what devices see; the caller holds the lock and has caught up ----

    @property
    def contacts_closed(self) -> bool:
        """Whether the power path is closed (the feedback contact is forcibly guided: it tells the truth)."""
        if Fault.WELD_RELAY in self.faults:
            return True
        return self._contacts.at and Fault.RELAY_STUCK_OPEN not in self.faults

    @property
    def locked(self) -> bool:
        """Whether the lock holds the plug."""
        return self._lock.at

    @property
    def phases(self) -> int:
        """How many phases are connected."""
        return 1 if Fault.PHASES_DROP in self.faults else self._phases.at

    @property
    def offer_amps(self) -> float:
        """The current the vehicle reads from the pilot; 0: none."""
        if self._pilot_mode is not PilotMode.PWM or not self.faults.keys().isdisjoint(_NO_PILOT_AT_VEHICLE):
            return 0.0
        return offered_amps(self._duty_percent)

    def pilot_peaks(self, now_mono: float) -> tuple[float, float]:
        """Positive and negative peak at the EVSE in volts; on a steady pilot both are the same level."""
        slot = int(now_mono * 200)
        wobble = PILOT_NOISE_VOLTS * self.plant.noise(self.evse_id * 16, slot)
        if now_mono < self._glitch_until_mono:
            return 12.0 * self.plant.noise(self.evse_id * 16 + 1, slot), 12.0 * self.plant.noise(
                self.evse_id * 16 + 2, slot
            )
        if Fault.SHORT_PILOT in self.faults:
            return wobble, -wobble
        if Fault.PILOT_VOLTS in self.faults:
            return self.faults[Fault.PILOT_VOLTS] + wobble, -12.0 - wobble
        connected = self.vehicle is not None and Fault.CUT_PILOT not in self.faults
        high = self.vehicle.pilot_volts if self.vehicle is not None and connected else 12.0
        diode = not (self.vehicle and Quirk.NO_DIODE in self.vehicle.quirks) and Fault.NO_DIODE not in self.faults
        low = -12.0 if diode or not connected else -high
        if self._pilot_mode is PilotMode.DISCONNECTED:  # the generator sees its own open end
            return 12.0 + wobble, 12.0 + wobble
        if self._pilot_mode is PilotMode.STEADY_LOW:
            return low + wobble, low + wobble
        if self._pilot_mode is PilotMode.STEADY_HIGH:
            return high + wobble, high + wobble
        return high + wobble, low - wobble

    def alarms(self) -> tuple[Alarm, ...]:
        """What the controller behind the pilot found by itself."""
        if not self.faults:
            return ()
        return tuple(alarm for fault, alarm in ALARMS.items() if fault in self.faults)

    def cable_ohms(self) -> float:
        """The proximity resistor as read now."""
        return self.faults.get(Fault.CABLE_RESISTOR, self._cable_ohms)

    def inputs(self) -> tuple[InputName, ...]:
        """The input lines that are asserted, of those the board has."""
        if not self.faults:
            return ()
        return tuple(name for name in InputName if name in self.facts.inputs and INPUT_FAULTS[name] in self.faults)

    def plug_celsius(self, now_mono: float) -> float:
        """Temperature of the plug: as the enclosure's, warmed a little more, never below what a fault says."""
        if Fault.HOT_PLUG in self.faults:
            return self.faults[Fault.HOT_PLUG]
        return self._warmed(now_mono, PLUG_LOAD_KELVIN, 7)

    def celsius(self, now_mono: float) -> float:
        """Temperature of the enclosure: ambient, warmed by the square of the load, never below what a fault says."""
        if Fault.OVER_TEMPERATURE in self.faults:
            return self.faults[Fault.OVER_TEMPERATURE]
        return self._warmed(now_mono, FULL_LOAD_KELVIN, 3)

    def _warmed(self, now_mono: float, full_load_kelvin: float, channel: int) -> float:
        load = self._vehicle_amps() / self.facts.max_amps
        wobble = 0.1 * self.plant.noise(self.evse_id * 16 + channel, int(now_mono))
        return self.plant.settings.ambient_celsius + full_load_kelvin * load**2 + wobble

    def meter_values(self, now_mono: float) -> MeterValues:
        """What the meter shows; while frozen, what it showed then."""
        if self._frozen is not None:
            return self._frozen
        amps, volts, watts = [], [], []
        current = self._vehicle_amps()
        for phase in range(self.facts.phases):
            supply = self._supply_volts(phase)
            flowing = current if supply and phase < self._vehicle_phases() else 0.0
            flowing += self._stray_amps() if phase == 0 else 0.0
            drift = GRID_NOISE_VOLTS * self.plant.noise(self.evse_id * 16 + 4 + phase, int(now_mono)) if supply else 0.0
            amps.append(flowing)
            volts.append(max(0.0, supply + drift - SOURCE_OHMS * flowing))
            watts.append(volts[-1] * flowing * POWER_FACTOR)
        watts = [self.faults.get(Fault.DISTORT_METER, 1.0) * phase_watts for phase_watts in watts]
        frequency_hz = self.plant.settings.frequency_hz if any(volts) else 0.0
        return MeterValues(
            self._energy_wh - self._forgotten_wh, sum(watts), tuple(amps), tuple(volts), tuple(watts), frequency_hz
        )

    def state(self) -> EvsePlantState:
        """A picture of this EVSE for people and tests."""
        vehicle = self.vehicle
        return EvsePlantState(
            evse=self.evse_id,
            plugged=vehicle is not None,
            ready=vehicle is not None and vehicle.ready,
            s2_closed=vehicle is not None and vehicle.s2_closed,
            quirks=tuple(sorted(vehicle.quirks)) if vehicle else (),
            appetite_amps=vehicle.appetite_amps if vehicle else 0.0,
            vehicle_phases=vehicle.phases if vehicle else 0,
            asleep=vehicle is not None and vehicle.asleep,
            upset=vehicle is not None and vehicle.upset,
            vehicle_amps=self._vehicle_amps(),
            vehicle_watts=power_w(self._supplies(), vehicle.amps) if vehicle else 0.0,
            pilot_mode=self._pilot_mode,
            duty_percent=self._duty_percent,
            offered_amps=self.offer_amps,
            contacts_closed=self.contacts_closed,
            locked=self.locked,
            cable_ohms=self.cable_ohms(),
            plug_ohms=self._cable_ohms,
            energy_wh=self._energy_wh,
            indication=self.indication,
            blink_code=self.blink_code,
            phases=self.phases,
            display=self.display,
            s2_since_mono=self._s2_since_mono,
            coil_since_mono=self._coil_since_mono,
            pilot_since_mono=self._pilot_since_mono,
            faults={str(fault): value for fault, value in self.faults.items()},
        )

    # ---- physics ----

    def advance(self, to_mono: float) -> None:
        """Go from event to event until `to_mono`; what is due at that instant has happened afterwards."""
        now_mono = self._now_mono
        self._settle(now_mono)  # what was done to it since
        while now_mono < to_mono:
            offer_amps, powered = self.offer_amps, self._powered()
            due_mono = self._next_due_mono(now_mono, offer_amps, powered)
            until_mono = min(to_mono, max(now_mono, due_mono))
            self._flow(until_mono - now_mono, offer_amps, powered)
            now_mono = until_mono
            if now_mono >= due_mono:  # until then nothing changes by itself
                self._settle(now_mono)
        self._now_mono = now_mono

    def _settle(self, now_mono: float) -> None:
        if now_mono >= self._lease_mono:
            self._set_coil(False, now_mono)
        for movement in self._free_movements():
            movement.settle(now_mono)
        if now_mono >= self._glitch_until_mono:
            self.faults.pop(Fault.GLITCH, None)
        if self.vehicle is not None:
            asked = self.vehicle.s2_closed
            self.vehicle.settle(now_mono, self.offer_amps, self._powered(), self._pilot_at_vehicle(), self.phases)
            if self.vehicle.s2_closed is not asked:
                self._s2_since_mono = now_mono

    def _set_coil(self, energised: bool, now_mono: float) -> None:
        takes_s = CONTACTOR_CLOSE_S if energised else CONTACTOR_OPEN_S
        if self._contacts.drive(energised, now_mono + takes_s):
            self._coil_since_mono = now_mono

    def _free_movements(self) -> list[Movement[Any]]:
        """What moves in this EVSE, without what is jammed."""
        free: list[Movement[Any]] = [self._contacts]
        if Fault.LOCK_JAM not in self.faults:
            free.append(self._lock)
        if Fault.PHASES_STUCK not in self.faults:
            free.append(self._phases)
        return free

    def _next_due_mono(self, now_mono: float, offer_amps: float, powered: bool) -> float:
        lapse = self._lease_mono if self._contacts.wanted else math.inf
        glitch = self._glitch_until_mono if Fault.GLITCH in self.faults else math.inf
        vehicle = self.vehicle.next_due_mono(now_mono, offer_amps, powered) if self.vehicle else math.inf
        return min(lapse, glitch, vehicle, *(movement.due_mono for movement in self._free_movements()))

    def _flow(self, seconds: float, offer_amps: float, powered: bool) -> None:
        """The register counts what flows for so long, and the vehicle's current goes on its way."""
        if Fault.STRAY_CURRENT in self.faults:
            self._energy_wh += self._stray_amps() * self._supply_volts(0) * POWER_FACTOR * seconds / 3600
        vehicle = self.vehicle
        if vehicle is None:
            return
        start = vehicle.amps
        end = vehicle.amps_after(seconds, offer_amps, powered)
        if start or end:
            self._energy_wh += ramp_wh(self._supplies(), start, end, seconds)
        vehicle.amps = end

    def _supplies(self) -> tuple[float, ...]:
        """The voltages that reach the vehicle's charger."""
        return tuple(self._supply_volts(phase) for phase in range(self._vehicle_phases()))

    def _pilot_at_vehicle(self) -> PilotMode:
        return self._pilot_mode if self.faults.keys().isdisjoint(_NO_PILOT_AT_VEHICLE) else PilotMode.DISCONNECTED

    def _powered(self) -> bool:
        return self.contacts_closed and self._supply_volts(0) > 0  # a vehicle's charger lives on L1

    def _supply_volts(self, phase: int) -> float:
        return phase_volts(self.plant.settings, self.faults, phase)

    def _stray_amps(self) -> float:
        return self.faults.get(Fault.STRAY_CURRENT, 0.0) if self._supply_volts(0) else 0.0

    def _vehicle_phases(self) -> int:
        """How many phases reach the vehicle's charger."""
        return min(self.vehicle.phases, self.phases) if self.vehicle else 0

    def _vehicle_amps(self) -> float:
        return self.vehicle.amps if self.vehicle else 0.0

    def _with_vehicle(self) -> Vehicle:
        self.plant.catch_up()
        if self.vehicle is None:
            raise PlantRefusal(f"EVSE {self.evse_id} has no vehicle; plug one in first")
        return self.vehicle


_NO_PILOT_AT_VEHICLE = frozenset({Fault.CUT_PILOT, Fault.SHORT_PILOT})


def _one_to(count: int) -> str:
    return "EVSE 1" if count == 1 else f"EVSEs 1 to {count}"


def _resistor_of(cable_amps: float) -> float:
    for cable in CABLE_CLASSES:
        if cable.amps == cable_amps:
            return cable.nominal_ohms
    raise PlantRefusal(f"no cable is rated {cable_amps:g} A; cables have 13, 20, 32 or 63 A")
