"""Iskra WM3M4C: the EVSE writes the head of the document, the meter adds both readings and signs at the end.

Payload and signature are read apart and joined as OCMF says; neither is changed. Addresses are those on the wire, from
EVerest RsIskraMeter (main.rs, after Iskra's manual).
"""

import json
from datetime import datetime

from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.signing_steps import SessionFailed, Steps, again, read_later, utc_offset_min

STATE, COMMAND, COMMAND_STATUS = 7000, 7051, 7052
IDLE, ACTIVE, ACTIVE_AFTER_POWER_FAILURE = 0, 1, 2
BEGIN, END_WITH_READING = 0x4200, 0x7200  # 'B', 'r'
TIME_ZONE, TIME, TIME_STATUS, SYNCHRONISED = 7053, 7054, 7071, 2
ALGORITHM, DEFAULT_ALGORITHM = 7059, 0

HEAD_LENGTH, HEAD = 7056, 7100
PAYLOAD_LENGTH, PAYLOAD, LONGEST_PAYLOAD = 7057, 7612, 1152
SIGNATURE_LENGTH, SIGNATURE, LONGEST_SIGNATURE = 7058, 8188, 128
PUBLIC_KEY, PUBLIC_KEY_WORDS = 8124, 32

AT_WORK = frozenset({0, 1, 2})
SIGNED = 15
"""Status of a command; all others are errors (table 11 of the manual)."""

POINT_ON_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What a DER key says before the two coordinates that the meter has (RFC 5480)."""


class IskraProcedure:
    """Sessions on one meter."""

    longest_text = 200

    def __init__(self, unit: ModbusUnit, evse_id: str) -> None:
        self._unit = unit
        self._evse_id = evse_id
        self._text = ""

    def begin(self, text: str, at: datetime) -> Steps[bytes | None]:
        """Time, head of the document, begin; there is no document yet."""
        if (yield from self._read(STATE)) != IDLE:
            raise SessionFailed(self._unit.device, "the meter still has a session open: end it first")
        yield
        self._text = text
        yield from self._prepare(at)
        self._unit.write_one(COMMAND, BEGIN)
        yield
        yield from self._wait_for(ACTIVE)
        return None

    def end(self, at: datetime) -> Steps[bytes | None]:
        """End with a reading, then payload and signature."""
        state = yield from self._read(STATE)
        if state == IDLE:
            raise SessionFailed(self._unit.device, "the meter has no session open")
        yield
        if state == ACTIVE_AFTER_POWER_FAILURE:  # it forgot time and head
            yield from self._prepare(at)
        self._unit.write_one(COMMAND, END_WITH_READING)
        yield
        yield from self._wait_for(IDLE)
        payload = yield from self._document_part(PAYLOAD_LENGTH, PAYLOAD, LONGEST_PAYLOAD)
        signature = yield from self._document_part(SIGNATURE_LENGTH, SIGNATURE, LONGEST_SIGNATURE)
        return b'OCMF|%b|{"SD":"%b"}' % (payload, signature.hex().upper().encode())

    def public_key(self) -> bytes:
        """The key that the meter signs with."""
        return POINT_ON_P256 + self._unit.read_text(3, PUBLIC_KEY, PUBLIC_KEY_WORDS)

    def _prepare(self, at: datetime) -> Steps[None]:
        epoch_s = int(at.timestamp())
        for address, value in (
            (TIME, epoch_s >> 16 & 0xFFFF),
            (TIME + 1, epoch_s & 0xFFFF),
            (TIME_ZONE, utc_offset_min(at)),
            (TIME_STATUS, SYNCHRONISED),
            (ALGORITHM, DEFAULT_ALGORITHM),
        ):
            yield from self._write(address, value)
        head = head_of(self._text, self._evse_id)
        yield from again(lambda: self._unit.write_text(HEAD, head, (len(head) + 1) // 2))
        yield
        yield from self._write(HEAD_LENGTH, len(head))

    def _wait_for(self, state: int) -> Steps[None]:
        """Until the meter is in that state and has signed."""
        while (yield from self._read(STATE)) != state:
            yield
        yield
        status = 0
        while status in AT_WORK:
            status = yield from self._read(COMMAND_STATUS)
            yield
        if status != SIGNED:
            raise SessionFailed(self._unit.device, f"the meter did not sign: status {status}")

    def _document_part(self, length_at: int, address: int, longest: int) -> Steps[bytes]:
        length = yield from self._read(length_at)
        yield
        if not 0 < length <= longest:
            raise SessionFailed(self._unit.device, f"a part of the meter's document has {length} bytes")
        raw = yield from read_later(self._unit, 3, address, (length + 1) // 2)
        return raw[:length]

    def _read(self, address: int) -> Steps[int]:
        return (yield from again(lambda: self._unit.read(3, address, 1)))[0]

    def _write(self, address: int, value: int) -> Steps[None]:
        yield from again(lambda: self._unit.write_one(address, value))
        yield


def head_of(text: str, evse_id: str) -> bytes:
    """What the EVSE says in the document: the user's identification and the charge point's; the meter adds the rest."""
    fields = {
        "FV": "1.0", "GI": "chargerd", "GS": "", "GV": "", "PG": "", "MV": "", "MM": "", "MS": "", "MF": "",
        "IS": True, "IF": [], "IT": "UNDEFINED", "ID": text, "CT": "EVSEID", "CI": evse_id, "RD": [],
    }  # fmt: skip
    return json.dumps(fields, separators=(",", ":")).encode()
