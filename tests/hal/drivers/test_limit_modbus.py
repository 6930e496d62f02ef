"""A limit in a register, read from a real Modbus TCP server."""

import struct
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hal.drivers.limit_modbus import ModbusLimit, Settings
from hal.types import BoardError, DeviceGarbled, DeviceMissing, DeviceSilent, EvseFacts
from tests.hal.drivers.registers import UNIT, Registers
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture
def source() -> Iterator[Registers]:
    with Registers() as source:
        yield source


def settings(source: Registers, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "tcp_port": source.port,
        "unit": UNIT,
        "register": 40,
        "fallback_amps": 6.0,
    }
    return Settings(**given | changes)


def limit(source: Registers, **changes: Any) -> ModbusLimit:
    return ModbusLimit(settings(source, **changes), World().slot("external_limit"))


def amps(source: Registers, **changes: Any) -> float | None:
    device = limit(source, **changes)
    try:
        return device.read().amps
    finally:
        device.close()


def test_amps_are_read_as_they_stand_with_their_scale(source: Registers) -> None:
    source.words = {40: 160}
    assert amps(source, scale=0.1) == pytest.approx(16.0)


def test_watts_are_shared_by_all_phases(source: Registers) -> None:
    source.words = {40: 4200}
    assert amps(source, quantity="watts") == pytest.approx(4200 / 690)


def test_a_float_of_either_word_order_is_read(source: Registers) -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", 13.5))
    source.words = {40: high, 41: low}
    assert amps(source, type="f32") == 13.5
    source.words = {40: low, 41: high}
    assert amps(source, type="f32", word_order="little") == 13.5


def test_the_agreed_value_means_that_nothing_is_limited(source: Registers) -> None:
    source.words = {40: 0xFFFF}
    assert amps(source, no_limit=0xFFFF) is None
    source.words = {40: 0}
    assert amps(source, no_limit=0xFFFF) == 0.0


@pytest.mark.parametrize(
    "words, changes",
    [
        ({40: 0xFFFF}, {}),
        ({40: 0xFFFF}, {"type": "i16"}),
        ({40: 0x7FC0}, {"type": "f32"}),
        ({40: 0x7F80}, {"type": "f32"}),
    ],
)
def test_what_cannot_be_a_limit_is_garbled_and_names_what_to_check(
    source: Registers, words: dict[int, int], changes: dict[str, Any]
) -> None:
    source.words = words
    with pytest.raises(
        DeviceGarbled, match=r"register 40 of unit 5 reads .* no limit; check type, word_order and scale"
    ):
        amps(source, **changes)


def test_a_source_that_falls_silent_is_no_limit_and_no_freedom_and_is_heard_again(source: Registers) -> None:
    source.words = {40: 10}
    device = limit(source, timeout_ms=200)
    assert device.read().amps == 10
    source.silent = True
    with pytest.raises(DeviceSilent, match="unit 5"):
        device.read()
    source.silent = False
    assert device.read().amps == 10
    device.close()


def test_a_source_that_is_not_there_is_missing() -> None:
    with Registers() as gone:
        wanted = settings(gone)
    device = ModbusLimit(wanted, World().slot("external_limit"))
    with pytest.raises(DeviceMissing, match=r"127\.0\.0\.1"):
        device.read()
    device.close()


def test_a_serial_port_that_is_not_there_is_missing() -> None:
    wanted = Settings(port="/dev/nowhere", register=40, fallback_amps=6.0)
    with pytest.raises(DeviceMissing, match=r"/dev/nowhere is not there; plug the adapter in"):
        ModbusLimit(wanted, World().slot("external_limit"))


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"port": "/dev/ttyS0"}, "^port: found both"),
        ({"timeout_ms": 600}, "^timeout_ms: found 600; expected at most 500"),
    ],
)
def test_settings_that_cannot_serve_are_refused(source: Registers, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BoardError, match=said):
        settings(source, **changes).check(FACTS)


def test_the_fallback_goes_into_the_facts(source: Registers) -> None:
    assert settings(source).amend(FACTS) == msgspec.structs.replace(FACTS, external_fallback_amps=6.0)
