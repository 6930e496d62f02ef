"""What meters have in their registers in a known situation, written down apart from the maps: address -> bytes.

Three phases: 230.1, 231.2 and 232.3 V, 10.1, 11.2 and 12.3 A (32-bit floats and the coarser registers as near as they
come), and an import that needs more than 16 bits. A register that is not listed reads 0.
"""

import itertools
import struct
from collections.abc import Collection
from dataclasses import dataclass, field

from hal.sim.meter_server import crc
from tests.hal.drivers.ports import Port, frames_of


@dataclass(frozen=True)
class Golden:
    """The bytes, and the sample that they are."""

    registers: dict[int, bytes]
    energy_wh: float
    power_w: float
    volts: tuple[float, ...] = (230.1, 231.2, 232.3)
    amps: tuple[float, ...] = (10.1, 11.2, 12.3)
    frequency_hz: float | None = None
    unit: int = 1
    serial_number: str | None = None
    words: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        words = {}
        for address, raw in self.registers.items():
            each = struct.unpack(f">{len(raw) // 2}H", raw)
            words.update(dict(enumerate(each, start=address)))
        object.__setattr__(self, "words", words)


def holding(golden: Golden, functions: tuple[int, ...], lost: Collection[int] = ()) -> Port:
    """A device that has these registers, and 0 in all others. `lost`: numbers of the requests it does not hear."""
    numbers = itertools.count(1)

    def answers(request: bytes) -> bytes:
        if next(numbers) in lost:
            return b""
        unit, function, address, count = struct.unpack(">BBHH", request[:6])
        if unit != 1 or function not in functions:
            return b""
        words = [golden.words.get(each, 0) for each in range(address, address + count)]
        body = struct.pack(f">BBB{count}H", unit, function, 2 * count, *words)
        return body + crc(body)

    return Port(frames_of(answers))


def f32(*values: float) -> bytes:
    return struct.pack(f">{len(values)}f", *values)


def f64(value: float) -> bytes:
    return struct.pack(">d", value)


def u16(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def i16(*values: int) -> bytes:
    return struct.pack(f">{len(values)}h", *values)


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def i32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def low_first(*values: int) -> bytes:
    """32 bits with a sign, least significant register first."""
    return b"".join(struct.pack(">Hh", value & 0xFFFF, value >> 16) for value in values)


V, A = (230.1, 231.2, 232.3), (10.1, 11.2, 12.3)
EASTRON = {
    0x0000: f32(*V),
    0x0006: f32(*A),
    0x000C: f32(2301.5, 2567.25, 2834.75),
    0x0034: f32(7703.5),
    0x0046: f32(49.98),
    0x0048: f32(1234.5),
    0x004A: f32(1.5),
}
EASTRON_1P = {
    0x0000: f32(230.1),
    0x0006: f32(10.1),
    0x000C: f32(2301.5),
    0x0046: f32(49.98),
    0x0048: f32(1234.5),
}
GAVAZZI = {
    0x0000: low_first(2301, 2312, 2323),
    0x000C: low_first(10100, 11200, 12300),
    0x0012: low_first(23015, 25672, 28347),
    0x0028: low_first(77035),
    0x0033: u16(500),
}

GOLDEN = {
    "eastron_sdm630": Golden(
        {**EASTRON, 0xFC00: u32(19041234)}, 1234500, 7703.5, frequency_hz=49.98, serial_number="19041234"
    ),
    "eastron_sdm72d_m_v2": Golden(EASTRON, 1234500, 7703.5, frequency_hz=49.98, serial_number="0"),
    "eastron_sdm120": Golden(EASTRON_1P, 1234500, 2301.5, (230.1,), (10.1,), 49.98),
    "eastron_sdm230": Golden(EASTRON_1P, 1234500, 2301.5, (230.1,), (10.1,), 49.98),
    "abb_b23": Golden(
        {
            0x5B00: u32(2301, 2312, 2323),
            0x5B0C: u32(1010, 1120, 1230),
            0x5B14: i32(770350, 230150, 256725, 283475),
            0x5B2C: u16(4998),
            0x5000: u64(7_000_000_123),
            0x8900: u32(1234567),
        },
        70_000_001_230, 7703.5, frequency_hz=49.98, serial_number="1234567",
    ),
    "carlo_gavazzi_em340": Golden(
        {**GAVAZZI, 0x0034: low_first(123_456), 0x5000: b"KX0480001002C\0"},
        12_345_600, 7703.5, frequency_hz=50.0, serial_number="KX0480001002C",
    ),
    "carlo_gavazzi_em580": Golden(
        {**GAVAZZI, 0x0500: u16(0xE240, 0x0001, 0x0001, 0x0000), 0x5000: b"EM58012345\0\0\0\0"},
        2**32 + 123_456, 7703.5, frequency_hz=50.0, serial_number="EM58012345",
    ),
    "schneider_iem3155": Golden(
        {
            0x0BB7: f32(*A),
            0x0BD3: f32(*V),
            0x0BED: f32(2.3015, 2.56725, 2.83475, 7.7035),
            0x0C83: struct.pack(">q", 5_000_000_123),
        },
        5_000_000_123, 7703.5,
    ),
    "janitza_umg": Golden(
        {
            19000: f32(*V),
            19012: f32(*A),
            19020: f32(2301.5, 2567.25, 2834.75, 7703.5),
            19050: f32(49.98),
            19068: f32(1_234_500.0),
        },
        1_234_500, 7703.5, frequency_hz=49.98,
    ),
    "janitza_b23": Golden(
        {
            0x4A38: f32(*V),
            0x4A44: f32(*A),
            0x4A4C: f32(2301.5, 2567.25, 2834.75),
            0x4A52: f32(7703.5),
            0x4A6A: f32(49.98),
            0x4A7C: f32(1_234_500.0),
        },
        1_234_500, 7703.5, frequency_hz=49.98,
    ),
    "phoenix_eem350": Golden(
        {
            0x0000: low_first(2301, 2312, 2323),
            0x000C: low_first(10100, 11200, 12300),
            0x0028: low_first(77035),
            0x003E: low_first(123_456),
        },
        12_345_600, 7703.5,
    ),
    "finder_7e78": Golden(
        {0x1000: f32(*V), 0x100E: f32(*A), 0x1026: f32(7703.5), 0x1106: f32(1_234_500.0)}, 1_234_500, 7703.5
    ),
    "lovato_dmg610": Golden(
        {
            0x0001: u32(23010, 23120, 23230),
            0x0007: u32(101_000, 112_000, 123_000),
            0x0013: i32(230150, 256725, 283475),
            0x0039: i32(770350),
            0x1B1F: u64(7_000_000_123),
        },
        70_000_001_230, 7703.5,
    ),
    "siemens_7kt166x": Golden(
        {1: u32(23010, 23120, 23230), 7: u32(101_000, 112_000, 123_000), 57: i32(770350), 6687: u32(3_000_000_123)},
        3_000_000_123, 7703.5,
    ),
    "siemens_pac2200": Golden(
        {1: f32(*V), 13: f32(*A), 25: f32(2301.5, 2567.25, 2834.75), 65: f32(7703.5), 801: f64(98_765_432_101.5)},
        98_765_432_101.5, 7703.5,
    ),
    "inepro_pro380": Golden(
        {
            0x5002: f32(*V, 49.98),
            0x500C: f32(*A),
            0x5012: f32(7.7035, 2.3015, 2.56725, 2.83475),
            0x600C: f32(1234.5),
        },
        1_234_500, 7703.5, frequency_hz=49.98,
    ),
    "dzg_dvh4013": Golden(
        {
            0x0000: u32(77045, 10),
            0x0004: u32(23010, 23120, 23230),
            0x000A: u32(10100, 11200, 12300),
            0x0012: u32(49980),
            0x4000: u32(3_000_000_123),
        },
        3_000_000_123, 7703.5, frequency_hz=49.98,
    ),
    "chint_dtsu666": Golden(
        {
            0x2006: f32(2301.0, 2312.0, 2323.0),
            0x200C: f32(10100.0, 11200.0, 12300.0),
            0x2012: f32(77035.0, 23015.0, 25672.5, 28347.5),
            0x2044: f32(4998.0),
            0x101E: f32(1234.5),
        },
        1_234_500, 7703.5, frequency_hz=49.98,
    ),
    "orno_we516": Golden(
        {
            0x000E: f32(*V, 49.98),
            0x0016: f32(*A),
            0x001C: f32(7.7035, 2.3015, 2.56725, 2.83475),
            0x0108: f32(1234.5),
        },
        1_234_500, 7703.5, frequency_hz=49.98,
    ),
    "orno_we514": Golden(
        {0x0130: u16(4998, 23010), 0x0139: u32(10100), 0x0140: u32(2301), 0xA000: u32(123_456)},
        1_234_560, 2301, (230.1,), (10.1,), 49.98,
    ),
    "saia_ale3": Golden(
        {27: u32(123_456), 35: u16(230, 101, 230), 40: u16(231, 112, 257), 45: u16(232, 123, 283), 50: u16(770)},
        1_234_560, 7700, (230.0, 231.0, 232.0),
    ),
    "iskra_wm3m4": Golden(
        {
            9: b"IM123456",
            105: bytes.fromhex("fe 00 1386"),  # 4998 x 10^-2
            107: bytes.fromhex("ff 00 08fd  ff 00 0908  ff 00 0913"),  # 2301, 2312, 2323 x 10^-1
            126: bytes.fromhex("fd 00 2774  fd 00 2bc0  fd 00 300c"),  # 10100, 11200, 12300 x 10^-3
            140: bytes.fromhex("ff 01 2ceb"),  # 77035 x 10^-1
            142: bytes.fromhex("00 00 08fd  00 00 0a07  00 00 0b13"),
            414: i16(1),
            418: i32(123_456),
        },
        1_234_560, 7703.5, frequency_hz=49.98, serial_number="IM123456",
    ),
    "bauer_bsm_ws36a": Golden(
        {
            40052: b"001BZR1521070006",
            40093: i16(1010, 1120, 1230, -2),
            40098: i16(2301, 2312, 2323),
            40105: i16(-1),
            40106: i16(4998, -2),
            40108: i16(7704, 2302, 2567, 2835, 0),
            40136: u32(123_456),
            40144: i16(1),
        },
        1_234_560, 7704, frequency_hz=49.98, serial_number="001BZR1521070006",
    ),
}  # fmt: skip
"""Map -> what is on the wire. Maps that no EVSE may use have their vectors in test_register_map.py."""
