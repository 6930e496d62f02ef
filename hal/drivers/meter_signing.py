"""Energy meter that signs what a session took (OCMF): a Modbus meter, and a procedure that opens and closes sessions.

How each meter does it is in hal/drivers/signing_<meter>.py, as generators that do a few requests between two yields.
`read` measures first and then goes a few steps, so the current is known each second while the meter computes. What
comes out is handed on byte for byte: nothing here reads a document.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from hal.drivers import meter_modbus
from hal.drivers.meter_modbus import ModbusMeter
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.signing_bsm import BsmProcedure
from hal.drivers.signing_em580 import Em580Procedure
from hal.drivers.signing_iskra import IskraProcedure
from hal.drivers.signing_steps import Procedure, Steps
from hal.slot import DeviceSlot
from hal.types import EvseFacts, HalError, MeterSample, SignedKind, Signing, SigningPhase

STEPS_EACH_READING = 3
"""Each is a request or two, and the next reading has to come in time."""

LONGEST_PHASE_S = 30.0
"""Signing takes a meter up to 15 s, and a document up to 17 requests to read."""


class Settings(meter_modbus.Settings, frozen=True, kw_only=True):
    """[evse.meter] with driver = "meter_signing": the keys of "meter_modbus", and a map of a meter that signs.

    `evse_id`: identification of the charge point, which the meter signs with the readings.
    """

    map: Literal["bauer_bsm_ws36a", "carlo_gavazzi_em580", "iskra_wm3m4"]
    evse_id: Annotated[str, msgspec.Meta(max_length=37, pattern=r"^[A-Za-z0-9*._-]*$")] = ""

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """The meter signs."""
        return msgspec.structs.replace(evse, signs=True)


class SigningModbusMeter(ModbusMeter):
    """The signing meter of one EVSE."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        super().__init__(settings, slot)
        self._procedure = _procedure_of(settings, self._unit)
        self._signing = Signing()
        self._documents: dict[SignedKind, bytes] = {}
        self._steps: tuple[SignedKind, Steps[bytes | None]] | None = None
        self._give_up_mono = 0.0

    def read(self) -> MeterSample:
        """One sample; with the document that was finished since the last one."""
        if self._steps is not None and self._slot.monotonic() > self._give_up_mono:
            self._fail(f"no signature within {LONGEST_PHASE_S:g} s")
        sample = super().read()
        document = self._go_on()
        return sample if document is None else msgspec.structs.replace(sample, signed=document)

    def begin(self, text: str, at: datetime) -> None:
        """Open a session at the next readings."""
        if self._signing.phase not in {SigningPhase.IDLE, SigningPhase.FAILED}:
            raise HalError(self._slot.device, f"a session is {self._signing.phase} already: end it first")
        most = self._procedure.longest_text
        if not 1 <= len(text) <= most or not text.isascii() or not text.isprintable() or set(text) & set('|"\\'):
            raise HalError(
                self._slot.device, f'the meter signs 1 to {most} printable ASCII characters, none of them | " or \\'
            )
        self._documents = {}
        self._start(SigningPhase.BEGINNING, SignedKind.BEGIN, self._procedure.begin(text, at))

    def end(self, at: datetime) -> None:
        """Close the session at the next readings."""
        if self._signing.phase in {SigningPhase.BEGINNING, SigningPhase.ENDING}:
            raise HalError(self._slot.device, f"the session is {self._signing.phase}: wait for that")
        self._start(SigningPhase.ENDING, SignedKind.END, self._procedure.end(at))

    def signing(self) -> Signing:
        """How far the session is."""
        return self._signing

    def signed(self, kind: SignedKind) -> bytes | None:
        """The session's document, or None."""
        return self._documents.get(kind)

    def public_key(self) -> bytes:
        """Read from the meter."""
        return self._procedure.public_key()

    def _start(self, phase: SigningPhase, kind: SignedKind, steps: Steps[bytes | None]) -> None:
        self._signing = Signing(phase)
        self._steps = kind, steps
        self._give_up_mono = self._slot.monotonic() + LONGEST_PHASE_S

    def _go_on(self) -> bytes | None:
        """A few steps; the document when they were the last ones."""
        if self._steps is None:
            return None
        kind, steps = self._steps
        self._is_in_step = False  # an answer to a step may yet be on its way
        try:
            for _ in range(STEPS_EACH_READING):
                next(steps)
        except StopIteration as last:
            document: bytes | None = last.value
        except HalError as error:
            self._fail(error.why)
            return None
        else:
            return None
        self._steps = None
        self._signing = Signing(SigningPhase.ACTIVE if kind is SignedKind.BEGIN else SigningPhase.IDLE)
        if document is not None:
            self._documents[kind] = document
        return document

    def _fail(self, why: str) -> None:
        self._signing, self._steps = Signing(SigningPhase.FAILED, why), None


def _procedure_of(settings: Settings, unit: ModbusUnit) -> Procedure:
    match settings.map:
        case "bauer_bsm_ws36a":
            return BsmProcedure(unit, settings.evse_id)
        case "carlo_gavazzi_em580":
            return Em580Procedure(unit, settings.evse_id)
        case "iskra_wm3m4":
            return IskraProcedure(unit, settings.evse_id)
