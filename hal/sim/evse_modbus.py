"""EVSE modules of the plant: a small state machine of their own, and Modbus RTU on a pseudo-terminal.

They do what the real ones do where a driver can tell: close by themselves for a vehicle that asks while current is
offered, test its diode, open when it leaves, and go on offering when nobody speaks to them. They share no code with the
driver, so the two check each other. `ModuleBook` answers requests for anybody who brings them, over a wire or not.
"""

import math
import struct
from pathlib import Path
from typing import Protocol

from hal.iec61851 import NO_CABLE_OHMS, cable_amps
from hal.sim.faults import Fault
from hal.sim.meter_server import crc
from hal.sim.plant import PlantEvse
from hal.sim.serial_peer import WATCHDOG_S, SerialPeer
from hal.sim.settings import PlantPeer
from hal.types import PilotMode

LEVELS = ((10.5, "A"), (7.5, "B"), (4.5, "C"), (1.5, "D"), (-1.5, "E"))
SETTLE_S = 0.1
"""A new level has to last this long, but for an unplugged vehicle, which is believed at once."""

STOP_S = 3.0
"""How long a vehicle may take to stop by itself when the offer has ended."""

WELD_S = 0.5
LEAST_AMPS = 6.0
FRAME_S = 0.05
"""Bytes that have not become a request by then are forgotten."""

READ_COILS, READ_INPUTS, READ_HOLDING, READ_REGISTERS, WRITE_COIL, WRITE_ONE, WRITE_MANY = 1, 2, 3, 4, 5, 6, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
ON = 0xFF00


class Charging:
    """What all modules do with pilot and contactor. Whoever calls holds the plant's lock and has caught up.

    `letter`: the state believed. `pwm`: the oscillator runs. `no_diode`, `residual`, `welded`: what was found; the
    first two are forgotten when the vehicle has gone.
    """

    def __init__(self, evse: PlantEvse) -> None:
        self.evse = evse
        self.power_on(0.0)

    def power_on(self, now_mono: float) -> None:
        """Begin from nothing: contactor open, +12 V."""
        self.letter = self._seen = "A"
        self._seen_mono = now_mono
        self.pwm = self.closed = False
        self.no_diode = self.residual = self.welded = False
        self._ending_mono = -math.inf
        self._opened_mono = now_mono
        self.evse.hold_coil(False, now_mono, 0.0)
        self.evse.drive_pilot(PilotMode.STEADY_HIGH, 100.0)

    @property
    def failed(self) -> bool:
        """Something stands against charging."""
        return self.no_diode or self.residual or self.welded

    def tick(self, now_mono: float, amps: float, cut: bool) -> None:
        """Offer `amps` as far as the cable allows (below 6 A: nothing); `cut`: open at once."""
        high, low = self.evse.pilot_peaks(now_mono)
        self._follow(next((letter for level, letter in LEVELS if high >= level), "F"), now_mono)
        self._judge(low, now_mono)
        offers = amps >= LEAST_AMPS and not self.failed and not cut
        if offers:
            self.evse.drive_pilot(PilotMode.PWM, _duty_of(amps))
        elif self.pwm:
            self._ending_mono = now_mono
            self.evse.drive_pilot(PilotMode.STEADY_HIGH, 100.0)
        self.pwm = offers
        self._switch(offers, cut, now_mono)

    def _switch(self, offers: bool, cut: bool, now_mono: float) -> None:
        asks = self.letter == "C" or (self.letter == "D" and self.evse.facts.ventilated)
        ending = now_mono - self._ending_mono < STOP_S
        if asks and not cut and not self.failed and (offers or (self.closed and ending)):
            self.closed = True
            self.evse.hold_coil(True, now_mono, WATCHDOG_S)
        elif self.closed:
            self.closed = False
            self._opened_mono = now_mono
            self.evse.hold_coil(False, now_mono, 0.0)

    def _follow(self, seen: str, now_mono: float) -> None:
        if seen != self._seen:
            self._seen, self._seen_mono = seen, now_mono
        if seen == "A" or now_mono - self._seen_mono >= SETTLE_S:
            self.letter = seen

    def _judge(self, low_volts: float, now_mono: float) -> None:
        faults = self.evse.faults
        if self.letter == "A":
            self.no_diode = self.residual = False
        elif self.pwm and self.letter in {"B", "C", "D"} and low_volts > -10.0:
            self.no_diode = True
        if Fault.TRIP_RCD in faults or Fault.TRIP_RCD_DC in faults:
            self.residual = True
        self.welded = not self.closed and self.evse.contacts_closed and now_mono - self._opened_mono > WELD_S

    def cable(self) -> int:
        """What the plug's resistor allows, in whole amps; 0: no plug, -1: a short."""
        ohms = self.evse.cable_ohms()
        if ohms >= NO_CABLE_OHMS:
            return 0
        return round(cable_amps(ohms) or -1.0)


class ModuleBook(Protocol):
    """The registers of a module, and its program."""

    def power_on(self, now_mono: float) -> None:
        """Begin from nothing."""
        ...

    def tick(self, now_mono: float) -> None:
        """One round of its program."""
        ...

    def read(self, function: int) -> dict[int, int]:
        """The registers or coils that this function reads, address -> value."""
        ...

    def write(self, function: int, address: int, value: int) -> bool:
        """Take a value; False: there is no such register, or none of that value."""
        ...


class EvseWb:
    """An EVSE-WB of firmware 18. What outlives its power: `boot_amps` and `options`. `firmware`: which one it tells."""

    def __init__(self, evse: PlantEvse, firmware: int = 18) -> None:
        self.charging = Charging(evse)
        self.firmware = firmware
        self.boot_amps = 0
        self.options = 0x80 | 0x20 if firmware >= 17 else 0x20  # hundredths of an ampere; forgets RCD errors
        self.raw_amps = self.off = 0

    @property
    def step_amps(self) -> float:
        """The unit of its currents."""
        return 0.01 if self.options & 0x80 and self.firmware >= 17 else 1.0

    def power_on(self, now_mono: float) -> None:
        """It begins to offer what is set for the start."""
        self.raw_amps = round(self.boot_amps / self.step_amps)
        self.off = 0
        self.charging.power_on(now_mono)

    def tick(self, now_mono: float) -> None:
        """One round of its program."""
        self.charging.tick(now_mono, self._offered_amps(), bool(self.off & 1))

    def read(self, function: int) -> dict[int, int]:
        """Holding registers only."""
        if function != READ_HOLDING:
            return {}
        charging, step = self.charging, self.step_amps
        states = {"A": 1, "B": 2, "C": 3, "D": 4}
        state = 5 if charging.no_diode or charging.residual else states.get(charging.letter, 5)
        status = int(charging.closed) | charging.no_diode << 1 | charging.residual << 5
        words = {
            1000: self.raw_amps,
            1001: round(self._offered_amps() / step) if charging.pwm else 0,
            1002: state,
            1003: max(0, charging.cable()),
            1004: self.off,
            1005: self.firmware,
            1006: 2 if charging.pwm else 3 if self.off & 1 else 1,
            2000: self.boot_amps,
            2005: self.options,
        }
        return words | {1007: status} if self.firmware >= 12 else words

    def write(self, function: int, address: int, value: int) -> bool:
        """1000, 1004 and 2000, by function 16 or 6."""
        if function not in {WRITE_ONE, WRITE_MANY}:
            return False
        if address == 1000 and value * self.step_amps <= 80:
            self.raw_amps = value
        elif address == 1004:
            self.off = value
        elif address == 2000 and value <= 80:
            self.boot_amps = value
        else:
            return False
        return True

    def _offered_amps(self) -> float:
        cable = self.charging.cable()
        amps = self.raw_amps * self.step_amps
        return min(amps, cable) if cable > 0 else amps


class PhoenixSer:
    """An EV-CC-AC1-M3-CBC-SER. What outlives its power: `release`, what decides about charging (3: the coil)."""

    def __init__(self, evse: PlantEvse) -> None:
        self.charging = Charging(evse)
        self.release = 3
        self.enabled = False
        self.amps = 6

    def power_on(self, now_mono: float) -> None:
        """Without an offer."""
        self.enabled = False
        self.amps = 6
        self.charging.power_on(now_mono)

    def tick(self, now_mono: float) -> None:
        """One round of its program."""
        self.charging.tick(now_mono, self._offered_amps(), cut=False)

    def read(self, function: int) -> dict[int, int]:
        """Holding registers, and the coil."""
        if function == READ_COILS:
            return {20000: int(self.enabled)}
        if function != READ_HOLDING:
            return {}
        charging = self.charging
        letter = charging.letter if not charging.failed else "F"
        digit = ("2" if charging.pwm else "1") if letter in "ABCD" else "0"
        errors = charging.welded << 11 | charging.no_diode << 12 | charging.residual << 14
        offered = math.floor(self._offered_amps()) if charging.pwm else 0
        return {
            4000: self.release,
            22000: self.amps,
            24000: int.from_bytes(f"{letter}{digit}".encode(), "big"),
            24001: charging.cable() & 0xFFFF,
            24002: round(_duty_of(offered)) if offered else 0,
            24003: offered,
            24025: errors,
        }

    def write(self, function: int, address: int, value: int) -> bool:
        """The coil, the current and the release."""
        if function == WRITE_COIL and address == 20000:
            self.enabled = value == ON
        elif function == WRITE_ONE and address == 22000 and 6 <= value <= 63:
            self.amps = value
        elif function == WRITE_ONE and address == 4000 and value <= 3:
            self.release = value
        else:
            return False
        return True

    def _offered_amps(self) -> float:
        allowed = self.enabled if self.release == 3 else self.release == 0
        cable = self.charging.cable()
        if not allowed or cable < 0:
            return 0.0
        return float(min(self.amps, cable) if cable else self.amps)


class ModulePeer(SerialPeer):
    """A module behind a pseudo-terminal."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path, book: ModuleBook) -> None:
        self.book = book
        super().__init__(evse, path, _OnWire(self, book, peer.unit))


class EvseWbPeer(ModulePeer):
    """An EVSE-WB."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path) -> None:
        super().__init__(evse, peer, path, EvseWb(evse))


class PhoenixSerPeer(ModulePeer):
    """A serial module of Phoenix Contact."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path) -> None:
        super().__init__(evse, peer, path, PhoenixSer(evse))


class _OnWire:
    """Frames of Modbus RTU for one unit."""

    def __init__(self, wire: SerialPeer, book: ModuleBook, unit: int) -> None:
        self._wire = wire
        self._book = book
        self._unit = unit
        self._received = b""
        self._received_mono = -math.inf

    def power_on(self, now_mono: float) -> None:
        self._received = b""
        self._book.power_on(now_mono)

    def tick(self, now_mono: float) -> bool:
        self._book.tick(now_mono)
        return True

    def hear(self, data: bytes, now_mono: float) -> None:
        if now_mono - self._received_mono > FRAME_S:
            self._received = b""
        self._received += data
        self._received_mono = now_mono
        size = request_bytes(self._received)
        if len(self._received) < size:
            return
        frame, self._received = self._received[:size], b""
        if frame[0] == self._unit and crc(frame[:-2]) == frame[-2:]:
            self._book.tick(now_mono)
            body = frame[:1] + answer(self._book, frame[1:-2])
            self._book.tick(now_mono)
            self._wire.say(body + crc(body))


def request_bytes(received: bytes) -> int:
    """How long the request will be that begins so."""
    if len(received) >= 7 and received[1] == WRITE_MANY:
        return 9 + received[6]
    return 8


def answer(book: ModuleBook, request: bytes) -> bytes:
    """The answer to a request (function, address, number, ...) without unit and CRC: values, or an exception."""
    function, address, number = struct.unpack(">BHH", request[:5])
    if function in {READ_COILS, READ_INPUTS, READ_HOLDING, READ_REGISTERS}:
        held = book.read(function)
        if not held:
            return bytes((function | 0x80, ILLEGAL_FUNCTION))
        wanted = range(address, address + number)
        if not number or any(each not in held for each in wanted):
            return bytes((function | 0x80, ILLEGAL_ADDRESS))
        values = [held[each] for each in wanted]
        if function in {READ_COILS, READ_INPUTS}:
            bits = sum(value << index for index, value in enumerate(values))
            return bytes((function, (number + 7) // 8)) + bits.to_bytes((number + 7) // 8, "little")
        return struct.pack(f">BB{number}H", function, 2 * number, *values)
    if function in {WRITE_COIL, WRITE_ONE}:
        taken = book.write(function, address, number)
    elif function == WRITE_MANY:
        values = list(struct.unpack(f">{number}H", request[6 : 6 + 2 * number]))
        taken = all(book.write(function, address + index, value) for index, value in enumerate(values))
    else:
        return bytes((function | 0x80, ILLEGAL_FUNCTION))
    return request[:5] if taken else bytes((function | 0x80, ILLEGAL_VALUE))


def _duty_of(amps: float) -> float:
    """IEC 61851-1 table A.7, rounded down."""
    percent = amps / 0.6 if amps <= 51 else amps / 2.5 + 64
    return math.floor(percent * 100 + 1e-6) / 100
