"""The plant's meter as a SunSpec device: the chain of models, written down here apart from the driver's own table."""

import math
import struct

from hal.sim.meter_book import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, Refusal, numbers_of, words_of
from hal.sim.pictures import MeterValues

BASE = 40000
COMMON_LENGTH, INTEGER_LENGTH, FLOAT_LENGTH = 66, 105, 124
VENDOR_MODEL, VENDOR_LENGTH = 64001, 8  # a model of the maker's own, as chains have them: to be walked over
NOT_IMPLEMENTED = 0x8000
LONGEST_READ = 125

# Scale factors of the integer models: value = register x 10 to the power of it.
AMPS_SF, VOLTS_SF, HERTZ_SF, WATTS_SF, ENERGY_SF = -2, -1, -2, 1, -1


class SunspecBook:
    """The registers of a meter of model 201 to 204 (integers) or 211 to 214 (floats), from `base` on."""

    def __init__(self, model: int = 203, base: int = BASE) -> None:
        self._model = model
        self._base = base

    def read(self, function: int, address: int, count: int, values: MeterValues, serial: int) -> list[int]:
        """Holding registers of the chain."""
        if function != 3:
            raise Refusal(ILLEGAL_FUNCTION)
        chain = self._chain(values, serial)
        start = address - self._base
        if start < 0 or start + count > len(chain) or not 1 <= count <= LONGEST_READ:
            raise Refusal(ILLEGAL_ADDRESS)
        return chain[start : start + count]

    def write(self, address: int, words: list[int]) -> None:
        """Nothing can be written."""
        raise Refusal(ILLEGAL_FUNCTION)

    def _chain(self, values: MeterValues, serial: int) -> list[int]:
        meter = _floats(values) if self._model > 210 else _integers(values)
        common = (
            _text("chargerd", 16) + _text("plant meter", 16) + _text("", 8) + _text("1", 8) + _text(f"{serial}", 16)
        )
        return [
            *words_of(b"SunS"),
            *(1, COMMON_LENGTH, *common, 1, NOT_IMPLEMENTED),
            *(VENDOR_MODEL, VENDOR_LENGTH, *[0] * VENDOR_LENGTH),
            *(self._model, len(meter), *meter),
            *(0xFFFF, 0),
        ]


def _integers(values: MeterValues) -> list[int]:
    """The body of models 201 to 204 (offsets from the id, which is two words before the body)."""
    body = [NOT_IMPLEMENTED] * INTEGER_LENGTH

    def put(offset: int, number: float, sf: int) -> None:
        body[offset - 2] = NOT_IMPLEMENTED if math.isnan(number) else math.floor(number / 10.0**sf) & 0xFFFF

    for phase, (amps, volts, watts) in enumerate(zip(values.amps, values.volts, values.phase_watts, strict=True)):
        put(3 + phase, amps, AMPS_SF)
        put(8 + phase, volts, VOLTS_SF)
        put(19 + phase, watts, WATTS_SF)
    put(16, values.frequency_hz, HERTZ_SF)
    put(18, values.power_w, WATTS_SF)
    for offset, sf in ((6, AMPS_SF), (15, VOLTS_SF), (17, HERTZ_SF), (22, WATTS_SF), (54, ENERGY_SF)):
        body[offset - 2] = sf & 0xFFFF
    for offset, wh in ((38, 0.0), (46, values.energy_wh)):
        whole = 0xFFFFFFFF if math.isnan(wh) else math.floor(wh / 10.0**ENERGY_SF) % 2**32
        body[offset - 2 : offset] = words_of(whole.to_bytes(4, "big"))
    return body


def _floats(values: MeterValues) -> list[int]:
    """The body of models 211 to 214; what is not measured is NaN."""
    body = words_of(struct.pack(">f", math.nan)) * (FLOAT_LENGTH // 2)
    numbers = numbers_of(values)
    offsets = {"frequency": 26, "power": 28, "export": 60, "import": 68}
    offsets |= {
        f"{name}_l{n + 1}": at + 2 * n
        for name, at in (("current", 4), ("voltage", 12), ("power", 30))
        for n in range(3)
    }
    for name, offset in offsets.items():
        body[offset - 2 : offset] = words_of(struct.pack(">f", numbers.get(name, math.nan)))
    return body


def _text(text: str, words: int) -> list[int]:
    return words_of(text.encode().ljust(2 * words, b"\0"))
