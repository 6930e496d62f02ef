"""A limit from outside in a Modbus register: a grid operator's gateway, an energy manager, a home battery's controller.

The register is read here; chargerd listens on no network. What cannot be a limit is DeviceGarbled, and a source that is
silent leaves the EVSE with the board file's `fallback_amps`: whoever may dim a station must not lose that by a cable.
"""

import math
from typing import Annotated, Literal

import msgspec

from hal.drivers.modbus_port import ModbusPort
from hal.drivers.register_map import WORDS, Type, raw_number
from hal.slot import DeviceSlot
from hal.types import BoardError, DeviceGarbled, EvseFacts, ExternalLimit

HIGHEST_AMPS = 1000.0
"""More than this per phase is no limit of a charging station but a misread register."""

GAP_MS = 20


class Settings(ModbusPort, frozen=True, kw_only=True):
    """[evse.external_limit] with driver = "limit_modbus".

    `register`: zero-based address; `function`: 3 or 4; `type` and `word_order`: as in a register map; `scale`: makes
    the raw value A or W; `quantity`: "amps" per phase, or "watts" for the whole EVSE; `no_limit`: the raw value that
    means that nothing is limited (None: every value limits); `fallback_amps`: what is allowed while the source is
    silent.
    """

    register: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    fallback_amps: Annotated[float, msgspec.Meta(ge=0, le=80)]
    function: Literal[3, 4] = 3
    type: Literal["u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64"] = "u16"
    word_order: Literal["big", "little"] = "big"
    scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    quantity: Literal["amps", "watts"] = "amps"
    no_limit: float | None = None

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """What counts while the source is silent."""
        return msgspec.structs.replace(evse, external_fallback_amps=self.fallback_amps)

    def check(self, evse: EvseFacts) -> None:
        """One way to the source, asked often enough for a limit to arrive within a second."""
        super().check(evse)
        if self.timeout_ms > 500:
            raise BoardError("timeout_ms", f"found {self.timeout_ms}", "expected at most 500: a limit has a second")


class ModbusLimit:
    """The limit that a register tells."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._settings = settings
        self._slot = slot
        self._type: Type = settings.type
        self._unit = settings.open_unit(slot, GAP_MS)

    def read(self) -> ExternalLimit:
        """What the register allows per phase now. HalError when it cannot be had or is no limit."""
        settings = self._settings
        words = self._unit.read(settings.function, settings.register, WORDS[self._type])
        at_mono = self._slot.monotonic()
        raw = raw_number(words, self._type, settings.word_order, "none")
        if settings.no_limit is not None and raw == settings.no_limit:
            return ExternalLimit(None, at_mono)
        amps = raw * settings.scale
        if settings.quantity == "watts":
            amps /= self._slot.evse.nominal_volts * self._slot.evse.phases
        if not (math.isfinite(amps) and 0 <= amps <= HIGHEST_AMPS):
            unit = "A" if settings.quantity == "amps" else "W"
            told = f"register {settings.register} of unit {settings.unit} reads {raw * settings.scale:g} {unit}"
            raise DeviceGarbled(self._slot.device, f"{told}, which is no limit; check type, word_order and scale")
        return ExternalLimit(amps, at_mono)

    def close(self) -> None:
        """Leave the line."""
        self._unit.leave()
