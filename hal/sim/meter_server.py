"""The plant's meter as a Modbus RTU device on a pseudo-terminal: on the bench the real driver reads real frames.

Reads, writes, exception answers, CRC and silence as on the wire; the meter faults act here, on the bytes.
One thread per meter, asleep until a request comes. Why not pymodbus' own server: docs/adr/0010-plant-meter-server.md.
"""

import math
import struct
import time
from collections import deque
from pathlib import Path

import msgspec

from hal.drivers.register_map import SUNSPEC, load_map
from hal.sim.faults import Fault
from hal.sim.meter_book import FIRST_SERIAL_NUMBER, ILLEGAL_FUNCTION, ILLEGAL_VALUE, SWAPPED, Book, MapBook, Refusal
from hal.sim.pictures import MeterValues
from hal.sim.plant import PlantEvse
from hal.sim.pty_port import PtyPort
from hal.sim.sunspec_book import SunspecBook

SILENCE_S = 0.02  # more than 3.5 characters at any speed a pseudo-terminal plays at
CHECK_FAULTS_S = 0.2
REQUEST_BYTES = 8
READS, WRITE_ONE, WRITE_MANY = (3, 4), 6, 16
WRITE_HEAD_BYTES = 7
LONGEST_WRITE = 123
ANSWERS_ON_THE_WAY = 16


class MeterServer:
    """Serves one EVSE's meter at `path` (a link to the pseudo-terminal) until it is closed."""

    def __init__(self, evse: PlantEvse, map_name: str, unit: int, path: Path, book: Book | None = None) -> None:
        """`book`: what it holds, where it is more than the registers of the map."""
        self._evse = evse
        self._book = book or (SunspecBook() if map_name == SUNSPEC else MapBook(load_map(map_name)))
        self._late: deque[tuple[float, bytes]] = deque(maxlen=ANSWERS_ON_THE_WAY)
        self._unit = unit
        self._port = PtyPort(evse, "plant meter", path, Fault.UNPLUG_METER)
        self._port.start(self._run, "meter")

    def close(self) -> None:
        """Stop the thread and take the port away."""
        self._port.close()

    def _run(self) -> None:
        received = b""
        while True:
            heard = self._port.wait(self._wait_s(received))
            if heard is None:
                return
            self._send_what_is_due()
            if not heard:
                received = b""  # silence ends a frame; what has not become a request was noise
                continue
            received += self._port.read()
            size = _request_bytes(received)
            if len(received) >= size:
                self._take(received[:size])
                received = b""
                self._send_what_is_due()

    def _wait_s(self, received: bytes) -> float:
        wait_s = SILENCE_S if received else CHECK_FAULTS_S
        return min(wait_s, max(0.0, self._late[0][0] - time.monotonic())) if self._late else wait_s

    def _send_what_is_due(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, frame = self._late.popleft()
            self._port.write(frame)

    def _take(self, request: bytes) -> None:
        answer = self._answer(request)
        if answer is not None:
            delay_s = self._evse.faults.get(Fault.DELAY_METER, 0.0) / 1000
            self._late.append((time.monotonic() + delay_s, answer))

    def _answer(self, request: bytes) -> bytes | None:
        """The frame to send, after the faults had their way; None for no answer."""
        if crc(request[:-2]) != request[-2:] or request[0] != self._unit:
            return None
        with self._evse.plant.lock:
            now_mono = self._evse.catch_up()
            faults = dict(self._evse.faults)
            values = self._evse.meter_values(now_mono)
        if Fault.STALL_METER in faults:
            return None
        if Fault.NAN_METER in faults:
            values = _without_numbers(values)
        serial = FIRST_SERIAL_NUMBER + self._evse.evse_id + (SWAPPED if Fault.SWAP_METER in faults else 0)
        if Fault.REFUSE_METER in faults:
            answer = bytes((request[1] | 0x80, round(faults[Fault.REFUSE_METER])))
        else:
            answer = respond(self._book, values, serial, request[1:-2])
        unit = self._unit + 1 if Fault.MISADDRESS_METER in faults else self._unit
        body = unit.to_bytes(1, "big") + answer
        frame = body + crc(body)
        return _damaged(frame) if Fault.GARBLE_METER in faults else frame


def respond(book: Book, values: MeterValues, serial: int, request: bytes) -> bytes:
    """The answer to a request without unit id and CRC (function code, address, ...): words, an echo or an exception."""
    function, address, count = struct.unpack(">BHH", request[:5])
    try:
        if function in READS:
            words = book.read(function, address, count, values, serial)
            return struct.pack(f">BB{len(words)}H", function, 2 * len(words), *words)
        if function == WRITE_ONE:
            book.write(address, [count])
        elif function == WRITE_MANY:
            if not 1 <= count <= LONGEST_WRITE or len(request) != WRITE_HEAD_BYTES - 1 + 2 * count:
                raise Refusal(ILLEGAL_VALUE)
            book.write(address, list(struct.unpack(f">{count}H", request[WRITE_HEAD_BYTES - 1 :])))
        else:
            raise Refusal(ILLEGAL_FUNCTION)
    except Refusal as refusal:
        return bytes((function | 0x80, refusal.code))
    return request[:5]


def crc(frame: bytes) -> bytes:
    """CRC-16 of Modbus, low byte first as it is sent."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def _request_bytes(received: bytes) -> int:
    """How long the request is that begins like this."""
    if len(received) >= WRITE_HEAD_BYTES and received[1] == WRITE_MANY:
        return WRITE_HEAD_BYTES + received[WRITE_HEAD_BYTES - 1] + 2
    return max(REQUEST_BYTES, WRITE_HEAD_BYTES)


def _without_numbers(values: MeterValues) -> MeterValues:
    """Nothing is measured: every value is the mark for "there is none"."""
    none = tuple(math.nan for _ in values.volts)
    return msgspec.structs.replace(
        values, energy_wh=math.nan, power_w=math.nan, amps=none, volts=none, phase_watts=none, frequency_hz=math.nan
    )


def _damaged(frame: bytes) -> bytes:
    """Every fifth byte flipped, as a line without termination does it."""
    return bytes(byte ^ 0x55 if index % 5 == 4 else byte for index, byte in enumerate(frame))
