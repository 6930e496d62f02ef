"""A Yeti power board of the plant: it obeys what it is told, decides fast what is dangerous, and tells every change.

Its side of the wire (COBS, CRC, protobuf) is written apart from the driver's, so the two check each other. Without the
host's signs of life for 5 s it opens and shows +12 V, as firmware for a real product has to.
"""

import math
import struct
from collections.abc import Callable
from pathlib import Path

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.sim.serial_peer import WATCHDOG_S, SerialPeer
from hal.sim.settings import PlantPeer
from hal.types import PilotMode

A, B, C, D, E, F = range(6)
NO_CABLE, PP_FAULT = 0, 5
UNDEFINED, UNLOCKED, LOCKED = range(3)
BY_USER, BY_WATCHDOG = range(2)

SOFTWARE = b"2.2"
BOOT_S = 0.2
DEAD_MAN_S = 5.0
PERIOD_S = 1.0
SETTLE_S = 0.03
"""A level between two states is passed on the way, not reported."""

LOCK_MOVES_S = 0.1
LEVELS = ((10.5, A), (7.5, B), (4.5, C), (1.5, D), (-1.5, E))
CABLES = ((60.0, PP_FAULT), (150.0, 4), (330.0, 3), (1000.0, 2), (2700.0, 1), (4500.0, PP_FAULT))

VARINT, BYTES, FIXED32 = 0, 2, 5


class YetiPeer(SerialPeer):
    """The board of one EVSE behind its port."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path) -> None:
        self.controller = YetiBoard(evse, self.say)
        super().__init__(evse, path, self.controller)


class YetiBoard:
    """The firmware. `most_amps`, `most_phases`: what it says of its hardware."""

    def __init__(self, evse: PlantEvse, say: Callable[[bytes], None]) -> None:
        self.evse = evse
        self.most_amps = evse.facts.max_amps
        self.most_phases = evse.facts.phases
        self.least_phases = 1
        self._say = say

    # ---- its life ----

    def power_on(self, now_mono: float) -> None:
        """Contactor open, +12 V, nothing allowed; soon it says that it has started."""
        self.allowed = False
        self.duty = 10_000
        self.closed = False
        self.rcd_tripped = self.test_failed = self.diode_failed = False
        self._boot_until_mono: float | None = now_mono + BOOT_S
        self.host_mono = now_mono
        self._period_due_mono = now_mono
        self._state = self._seen = A
        self._seen_mono = now_mono
        self._lock_until_mono = -math.inf
        self._three = self.evse.facts.phases == 3
        self._told: dict[int, bytes] = {}
        self._buffer = b""
        self.evse.drive_pilot(PilotMode.STEADY_HIGH, 100.0)
        self.evse.hold_coil(False, now_mono, 0.0)

    def tick(self, now_mono: float) -> bool:
        """One round of its main loop."""
        if self._boot_until_mono is not None:
            if now_mono < self._boot_until_mono:
                return False
            self._boot_until_mono = None
            self._period_due_mono = now_mono
            self._send(_varint_field(101, BY_USER))
        if now_mono - self.host_mono > DEAD_MAN_S:
            self.allowed = False
            self._drive(10_000)
        self._look(now_mono)
        self._decide(now_mono)
        self._tell_changes(now_mono)
        if now_mono >= self._period_due_mono:
            self._period_due_mono = now_mono + PERIOD_S
            self._send(_bytes_field(3, self._keep_alive(now_mono)))
            self._send(_bytes_field(108, self._power_meter(now_mono)))
            self._send(_bytes_field(105, _varint_field(1, 12_000)))
        return True

    def _look(self, now_mono: float) -> None:
        high, low = self.evse.pilot_peaks(now_mono)
        seen = next((state for least, state in LEVELS if high >= least), F)
        if seen != self._seen:
            self._seen, self._seen_mono = seen, now_mono
        if seen != self._state and now_mono - self._seen_mono >= SETTLE_S:
            self._state = seen
            if seen == A:
                self.diode_failed = self.test_failed = False
                self.rcd_tripped = Fault.TRIP_RCD in self.evse.faults
        oscillating = 0 < self.duty < 10_000
        self.diode_failed |= oscillating and seen in (B, C, D) and low > -10.0
        self.rcd_tripped |= bool({Fault.TRIP_RCD, Fault.TRIP_RCD_DC} & self.evse.faults.keys())

    def _decide(self, now_mono: float) -> None:
        """Closed is what is allowed, asked for and without danger; a soft stop (no oscillator, still C) may go on."""
        asked = self._state == C or (self._state == D and self.evse.facts.ventilated)
        failed = self.rcd_tripped or self.test_failed or self.diode_failed or Fault.CONTROLLER_FAULT in self.evse.faults
        oscillating = 0 < self.duty < 10_000
        wanted = self.allowed and asked and not failed and (oscillating or self.closed)
        if wanted and not self.closed and Fault.RCD_TEST_FAILS in self.evse.faults:
            self.test_failed, wanted = True, False
        if not self.closed and not wanted:
            self.evse.drive_phases(3 if self._three else 1, now_mono)
        self.closed = wanted
        self.evse.hold_coil(wanted, now_mono, WATCHDOG_S)

    # ---- what it tells ----

    def _tell_changes(self, now_mono: float) -> None:
        flags = (
            self.diode_failed,
            self.test_failed,
            self.rcd_tripped,
            self._state == D and not self.evse.facts.ventilated,
            False,
            self._state == E or Fault.CONTROLLER_FAULT in self.evse.faults,
            False,
        )
        present = {
            102: _varint_field(102, self._state),
            103: _varint_field(103, self.evse.contacts_closed),
            104: _bytes_field(104, b"".join(_varint_field(i, 1) for i, on in enumerate(flags, 1) if on)),
            106: _varint_field(106, self._cable()),
            107: _varint_field(107, self._lock(now_mono)),
        }
        for number, message in present.items():
            if self._told.get(number) != message:
                self._told[number] = message
                self._send(message)

    def _cable(self) -> int:
        ohms = self.evse.cable_ohms()
        return next((found for below, found in CABLES if ohms < below), NO_CABLE)

    def _lock(self, now_mono: float) -> int:
        if now_mono < self._lock_until_mono:
            return UNDEFINED
        return LOCKED if self.evse.locked else UNLOCKED

    def _keep_alive(self, now_mono: float) -> bytes:
        return b"".join(
            (
                _varint_field(1, int(now_mono)),
                _varint_field(3, 1),
                _bytes_field(6, SOFTWARE),
                _float_field(7, self.most_amps),
                _float_field(8, 6.0),
                _varint_field(9, self.most_phases),
                _varint_field(10, self.least_phases),
            )
        )

    def _power_meter(self, now_mono: float) -> bytes:
        values = self.evse.meter_values(now_mono)
        celsius = self.evse.celsius(now_mono)
        fields = [_varint_field(1, int(now_mono)), _float_field(12, values.energy_wh)]
        for first, numbers in ((2, values.volts), (5, values.amps), (17, values.phase_watts)):
            fields += [_float_field(first + index, number) for index, number in enumerate(numbers)]
        fields += [_float_field(13 + index, celsius) for index in range(len(values.volts))]
        fields.append(_float_field(20, values.frequency_hz))
        return b"".join(fields)

    def _send(self, message: bytes) -> None:
        self._say(_frame(message))

    # ---- what it is told ----

    def hear(self, data: bytes, now_mono: float) -> None:
        """Frame by frame; what does not check out is dropped."""
        *packets, self._buffer = (self._buffer + data).split(b"\0")
        self._buffer = self._buffer[-256:]
        for packet in packets:
            message = _unframe(packet)
            if message is not None and self._boot_until_mono is None:  # told to start anew, it loses what follows
                self._obey(message, now_mono)
        if self._boot_until_mono is not None:
            return
        self._decide(now_mono)
        self._tell_changes(now_mono)

    def _obey(self, message: bytes, now_mono: float) -> None:
        key, rest = _read_varint(message)
        value = 0 if key & 7 == BYTES else _read_varint(rest)[0]
        match key >> 3:
            case 100:
                self.host_mono = now_mono
            case 102:
                if bool(value) != self.evse.locked:
                    self._lock_until_mono = now_mono + LOCK_MOVES_S
                self.evse.drive_lock(bool(value), now_mono)
            case 103:
                self._drive(value)
            case 104:
                self.allowed = bool(value)
            case 105:
                self.power_on(now_mono)
            case 106:
                self._three = bool(value)

    def _drive(self, duty: int) -> None:
        self.duty = duty
        if duty == 0:
            self.evse.drive_pilot(PilotMode.STEADY_LOW, 0.0)
        elif duty >= 10_000:
            self.evse.drive_pilot(PilotMode.STEADY_HIGH, 100.0)
        else:
            self.evse.drive_pilot(PilotMode.PWM, duty / 100)


# ---- its side of the wire ----


def _frame(message: bytes) -> bytes:
    plain = message + _crc(message)
    encoded = bytearray()
    start = 0
    while start <= len(plain):
        end = plain.find(b"\0", start)
        end = len(plain) if end < 0 else end
        assert end - start < 254, "can't happen because no message is that long without a zero"
        encoded += bytes((end - start + 1,)) + plain[start:end]
        start = end + 1
    return bytes(encoded) + b"\0"


def _unframe(packet: bytes) -> bytes | None:
    plain = bytearray()
    while packet:
        distance = packet[0]
        plain += packet[1:distance] + b"\0"
        packet = packet[distance:]
    message, crc = bytes(plain[:-5]), bytes(plain[-5:-1])
    return message if message and _crc(message) == crc else None


def _crc(message: bytes) -> bytes:
    value = 0xFFFFFFFF
    for byte in message:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return struct.pack("<I", value)


def _varint(value: int) -> bytes:
    rest = value >> 7
    return bytes((value & 0x7F | 0x80,)) + _varint(rest) if rest else bytes((value,))


def _read_varint(data: bytes) -> tuple[int, bytes]:
    """The number and what follows it; bytes that end too early make it 0."""
    value = 0
    for index, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, data[index + 1 :]
    return 0, b""


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3 | VARINT) + _varint(int(value))


def _float_field(number: int, value: float) -> bytes:
    return _varint(number << 3 | FIXED32) + struct.pack("<f", value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value
