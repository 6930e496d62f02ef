"""Bauer BSM-WS36A: a signed snapshot marks the start of a session, another its end; each has its own OCMF document.

The snapshots "start" and "end" are used, which leave the meter's own contactor output alone. Addresses are those on the
wire, from the vendor's table in chargeITmobility bsm-python (bsm-ws36a-modbus-registers.csv).
"""

from datetime import datetime

from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.signing_steps import SessionFailed, Steps, again, read_later, utc_offset_min

EPOCH, EPOCH_WORDS = 40260, 2
META, META1_WORDS, META2_WORDS = 40279, 70, 50  # the user's identification, the charge point's
PUBLIC_KEY_BYTES, PUBLIC_KEY = 40450, 40451

START_STATUS, START_DOCUMENT = 41286, 43294
END_STATUS, END_DOCUMENT = 41540, 43794
"""Status of the snapshot; status of its OCMF document, which is followed by the text."""

TEXT_WORDS = 496
VALID, UPDATING = 0, 2
WHY = {
    1: "it was never made",
    3: "of an error in the meter",
    4: "the meter's enable signal is missing",
    5: "the feedback of the meter's contactor is wrong",
}

CLOCK_DRIFT_S = 30
"""A clock that is off by less is left alone: the meter wears out when it is set more often than once a day."""


class BsmProcedure:
    """Snapshots on one meter."""

    longest_text = 2 * META1_WORDS - 1

    def __init__(self, unit: ModbusUnit, evse_id: str) -> None:
        self._unit = unit
        self._evse_id = evse_id

    def begin(self, text: str, at: datetime) -> Steps[bytes | None]:
        """Clock, identification, start snapshot."""
        yield from self._set_clock(at)
        meta = text.encode().ljust(2 * META1_WORDS, b"\0") + self._evse_id.encode()
        yield from again(lambda: self._unit.write_text(META, meta, META1_WORDS + META2_WORDS))
        yield
        return (yield from self._snapshot(START_STATUS, START_DOCUMENT))

    def end(self, at: datetime) -> Steps[bytes | None]:
        """End snapshot."""
        yield from self._set_clock(at)
        return (yield from self._snapshot(END_STATUS, END_DOCUMENT))

    def public_key(self) -> bytes:
        """The key that the meter signs with."""
        length = self._unit.read(3, PUBLIC_KEY_BYTES, 1)[0]
        return self._unit.read_text(3, PUBLIC_KEY, (length + 1) // 2)[:length]

    def _set_clock(self, at: datetime) -> Steps[None]:
        epoch_s = int(at.timestamp())
        high, low = yield from again(lambda: self._unit.read(3, EPOCH, EPOCH_WORDS))
        yield
        if abs((high << 16 | low) - epoch_s) > CLOCK_DRIFT_S:
            words = [epoch_s >> 16 & 0xFFFF, epoch_s & 0xFFFF, utc_offset_min(at)]
            yield from again(lambda: self._unit.write(EPOCH, words))
            yield

    def _snapshot(self, status: int, document: int) -> Steps[bytes]:
        self._unit.write(status, [UPDATING])
        yield
        found = UPDATING
        while found == UPDATING:
            found = (yield from again(lambda: self._unit.read(3, status, 1)))[0]
            yield
        if found == VALID:
            found = (yield from again(lambda: self._unit.read(3, document, 1)))[0]
        if found != VALID:
            why = WHY.get(found, f"of an unknown reason ({found})")
            raise SessionFailed(self._unit.device, f"the meter made no snapshot because {why}")
        yield
        raw = yield from read_later(self._unit, 3, document + 1, TEXT_WORDS)
        return raw.split(b"\0")[0]
