"""Carlo Gavazzi EM580: identification and time are written, then 'B' begins a session and 'E' ends it.

The one document, with both readings, is there after the end, and stays in the meter until it was read and confirmed.
Addresses are those on the wire, from EVerest CarloGavazzi_EM580 (helper.hpp): 300001 less than the maker's numbers.
"""

from datetime import datetime

from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.signing_steps import SessionFailed, Steps, again, read_later, utc_offset_min

IDENTIFICATION = 0x7000
"""Status (assigned), level, four flags, type; the user's identification and the charge point's follow."""

ASSIGNED, NO_LEVEL, NO_FLAGS, TYPE_UNDEFINED = 1, 0, (0, 0, 0, 0), 2
USER, USER_WORDS = 0x7007, 20
POINT_TYPE, POINT_TYPE_EVSE_ID, POINT, POINT_WORDS = 0x701B, 0, 0x701C, 20
TIME_ZONE, TIME, MODALITY = 0x7031, 0x7032, 0x7036
CHARGING = 0
COMMAND, BEGIN, END = 0x7040, ord("B"), ord("E")
TARIFF_TEXT = 0x6900

STATE, SIZE, FILE, LONGEST_FILE_WORDS = 0x7100, 0x7101, 0x7110, 2031
NOT_READY, READY, CORRUPTED = 0, 2, 3

PUBLIC_KEY_TYPE, PUBLIC_KEY_DER = 0x24FF, 0x2600
DER_WORDS = {0: 46, 1: 62}
"""Type of the signature (256 or 384 bits) -> registers of the key."""


class Em580Procedure:
    """Sessions on one meter."""

    longest_text = 2 * USER_WORDS - 1

    def __init__(self, unit: ModbusUnit, evse_id: str) -> None:
        self._unit = unit
        self._evse_id = evse_id

    def begin(self, text: str, at: datetime) -> Steps[bytes | None]:
        """Time, identification, 'B'; there is no document yet."""
        if (yield from self._state()) != NOT_READY:
            raise SessionFailed(
                self._unit.device, "the meter still has the document of an earlier session: end it first"
            )
        yield
        yield from self._write(TIME, _low_word_first(int(at.timestamp())))
        yield from self._write(TIME_ZONE, [utc_offset_min(at)])
        yield from self._write(IDENTIFICATION, [ASSIGNED, NO_LEVEL, *NO_FLAGS, TYPE_UNDEFINED])
        yield from again(lambda: self._unit.write_text(USER, text.encode(), USER_WORDS))
        yield
        yield from self._write(POINT_TYPE, [POINT_TYPE_EVSE_ID])
        yield from again(lambda: self._unit.write_text(POINT, self._evse_id.encode(), POINT_WORDS))
        yield
        yield from self._write(TARIFF_TEXT, [0])
        yield from self._write(MODALITY, [CHARGING])
        self._unit.write(COMMAND, [BEGIN])
        yield
        if (yield from self._state()) == CORRUPTED:
            raise SessionFailed(self._unit.device, "the meter calls its document corrupted")
        return None

    def end(self, at: datetime) -> Steps[bytes | None]:
        """'E' where the document is not there already, then the document, then the confirmation that it was read."""
        if (yield from self._state()) != READY:
            self._unit.write(COMMAND, [END])
            yield
            yield from self._wait_until_ready()
        words = (yield from again(lambda: self._unit.read(4, SIZE, 1)))[0]
        if not 0 < words <= LONGEST_FILE_WORDS:
            raise SessionFailed(self._unit.device, f"the meter's document has {words} registers")
        yield
        raw = yield from read_later(self._unit, 4, FILE, words)
        yield from self._write(STATE, [NOT_READY])
        return raw.rstrip(b"\0")

    def public_key(self) -> bytes:
        """The key that the meter signs with."""
        kind = self._unit.read(4, PUBLIC_KEY_TYPE, 1)[0]
        if kind not in DER_WORDS:
            raise SessionFailed(self._unit.device, "the meter has no key: it was not made for signing")
        raw = self._unit.read_text(4, PUBLIC_KEY_DER, DER_WORDS[kind])
        return raw[: 2 + raw[1]]  # DER: a tag, a length, so many bytes

    def _wait_until_ready(self) -> Steps[None]:
        while True:
            state = yield from self._state()
            if state == READY:
                return
            if state == CORRUPTED:
                raise SessionFailed(self._unit.device, "the meter calls its document corrupted")
            yield

    def _state(self) -> Steps[int]:
        return (yield from again(lambda: self._unit.read(4, STATE, 1)))[0]

    def _write(self, address: int, words: list[int]) -> Steps[None]:
        yield from again(lambda: self._unit.write(address, words))
        yield


def _low_word_first(seconds: int) -> list[int]:
    return [seconds >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
