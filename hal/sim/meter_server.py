"""The plant's meter as a Modbus RTU device on a pseudo-terminal: on the bench the real driver reads real frames.

Function codes 3 and 4, exception answers, CRC and silence as on the wire; the meter faults act here, on the bytes.
One thread per meter, asleep until a request comes. Why not pymodbus' own server: docs/adr/0010-plant-meter-server.md.
"""

import contextlib
import math
import os
import select
import struct
import threading
import tty
from pathlib import Path

from hal.drivers.register_map import WORDS, Point, RegisterMap, load_map
from hal.sim.faults import Fault
from hal.sim.pictures import MeterValues
from hal.sim.plant import PlantEvse
from hal.types import DeviceMissing

SILENCE_S = 0.02  # more than 3.5 characters at any speed a pseudo-terminal plays at
CHECK_FAULTS_S = 0.2
REQUEST_BYTES = 8
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
FORMATS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}


class MeterServer:
    """Serves one EVSE's meter at `path` (a link to the pseudo-terminal) until it is closed."""

    def __init__(self, evse: PlantEvse, map_name: str, unit: int, path: Path) -> None:
        self._evse = evse
        self._map = load_map(map_name)
        self._unit = unit
        self._path = path
        self._pty: tuple[int, int] | None = None
        self._plug_in()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"meter-{evse.evse_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and take the port away."""
        os.close(self._wake_write)
        self._thread.join()
        self._pull_out()
        os.close(self._wake_read)

    # ---- the port ----

    def _plug_in(self) -> None:
        """A pseudo-terminal appears; its slave side stays open here, or the master would fail between clients."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._pty = (master, slave)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._path.symlink_to(os.ttyname(slave))
        except OSError as error:
            self._pull_out()
            raise DeviceMissing(
                f"plant meter {self._evse.evse_id}", f"cannot make {self._path} ({error.strerror})"
            ) from error

    def _pull_out(self) -> None:
        if self._pty is None:
            return
        for side in self._pty:
            os.close(side)
        self._pty = None
        if self._path.is_symlink():
            self._path.unlink()

    # ---- the thread ----

    def _run(self) -> None:
        received = b""
        while True:
            self._obey_plug()
            master = [self._pty[0]] if self._pty is not None else []
            ready, _, _ = select.select([*master, self._wake_read], [], [], SILENCE_S if received else CHECK_FAULTS_S)
            if self._wake_read in ready:
                return
            if not ready:
                received = b""  # silence ends a frame; what has not become a request was noise
                continue
            received += _read(master[0])
            answer = self._answer(received[:REQUEST_BYTES])
            if answer is not None:
                _write(master[0], answer)
            if len(received) >= REQUEST_BYTES:
                received = b""

    def _obey_plug(self) -> None:
        unplugged = Fault.UNPLUG_METER in self._evse.faults
        if unplugged and self._pty is not None:
            self._pull_out()
        elif not unplugged and self._pty is None:
            with contextlib.suppress(DeviceMissing):  # the run directory is gone: the port stays away, tried again soon
                self._plug_in()

    def _answer(self, request: bytes) -> bytes | None:
        """The frame to send, after the faults had their way; None for no answer."""
        if len(request) < REQUEST_BYTES or crc(request[:-2]) != request[-2:] or request[0] != self._unit:
            return None
        with self._evse.plant.lock:
            now_mono = self._evse.catch_up()
            faults = set(self._evse.faults)
            values = self._evse.meter_values(now_mono)
        if Fault.STALL_METER in faults:
            return None
        body = self._unit.to_bytes(1, "big") + respond(self._map, values, request[1:-2])
        frame = body + crc(body)
        return _damaged(frame) if Fault.GARBLE_METER in faults else frame


def respond(registers: RegisterMap, values: MeterValues, request: bytes) -> bytes:
    """The answer to a request (function code, address, count) without unit id and CRC: registers, or an exception."""
    function, address, count = struct.unpack(">BHH", request)
    if function != registers.function:
        return bytes((function | 0x80, ILLEGAL_FUNCTION))
    if not 1 <= count <= registers.max_regs:
        return bytes((function | 0x80, ILLEGAL_VALUE))
    words = encode_registers(registers, values)
    if address < min(words) or address + count - 1 > max(words):
        return bytes((function | 0x80, ILLEGAL_ADDRESS))
    block = (words.get(each, 0) for each in range(address, address + count))
    return struct.pack(f">BB{count}H", function, 2 * count, *block)


def encode_registers(registers: RegisterMap, values: MeterValues) -> dict[int, int]:
    """Every register of the map, address -> word; what the map has and the EVSE has not reads 0."""
    numbers = {"import": values.energy_wh, "export": 0.0, "power": values.power_w, "frequency": values.frequency_hz}
    for quantity, phases in (("voltage", values.volts), ("current", values.amps), ("power", values.phase_watts)):
        numbers |= {f"{quantity}_l{phase}": value for phase, value in enumerate(phases, start=1)}
    words: dict[int, int] = {}
    for name, point in registers.points.named().items():
        words |= _words_of(point, numbers.get(name, 0.0), registers.word_order)
    return words


def crc(frame: bytes) -> bytes:
    """CRC-16 of Modbus, low byte first as it is sent."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def _words_of(point: Point, value: float, word_order: str) -> dict[int, int]:
    raw = value / point.scale
    packed = struct.pack(f">{FORMATS[point.type]}", raw if point.type[0] == "f" else math.floor(raw))
    words = list(struct.unpack(f">{WORDS[point.type]}H", packed))
    if word_order == "little":
        words.reverse()
    return dict(enumerate(words, start=point.address))


def _damaged(frame: bytes) -> bytes:
    """Every fifth byte flipped, as a line without termination does it."""
    return bytes(byte ^ 0x55 if index % 5 == 4 else byte for index, byte in enumerate(frame))


def _read(master: int) -> bytes:
    try:
        return os.read(master, 256)
    except BlockingIOError:
        return b""


def _write(master: int, frame: bytes) -> None:
    try:
        os.write(master, frame)
    except BlockingIOError:
        return  # nobody reads the port: its buffer is full, and a wire would have lost the bytes too
