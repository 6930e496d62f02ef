import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.reader_hid import HidReader, Settings
from hal.types import BoardError, DeviceGarbled, DeviceMissing, HalError, Token, TokenKind
from tests.hal.drivers.input_device import InputDevice
from tests.hal.plants import World


@pytest.fixture
def device(tmp_path: Path) -> Iterator[InputDevice]:
    device = InputDevice(tmp_path / "event3")
    yield device
    if device.path.is_symlink():
        device.pull_out()


@pytest.fixture
def world() -> World:
    return World()


def reader_of(device: InputDevice, world: World, **settings: Any) -> HidReader:
    values = {"path": str(device.path), "format": "decimal", **settings}
    reader = HidReader(Settings(**values), world.slot("reader"), kernel=device.kernel)
    assert reader.read() is None
    return reader


def next_token(reader: HidReader) -> Token | None:
    """The next token, which the kernel may take a moment to bring."""
    until = time.monotonic() + 1
    while (token := reader.read()) is None and time.monotonic() < until:
        time.sleep(0.01)
    return token


def typed(device: InputDevice, world: World, text: str, **settings: Any) -> Token | None:
    reader = reader_of(device, world, **settings)
    device.type(text + "\n")
    token = next_token(reader)
    reader.close()
    return token


@pytest.mark.parametrize(
    "text, uid, settings",
    [
        ("0077705923", "04A1B2C3", {}),
        ("77705923", "04A1B2C3", {}),
        ("3283263748", "04A1B2C3", {"byte_order": "reversed"}),
        ("1303689068602870", "04A1B2C3D4E5F6", {}),
        ("04A1B2C3", "04A1B2C3", {"format": "hex"}),
        ("C3B2A104", "04A1B2C3", {"format": "hex", "byte_order": "reversed"}),
        ("04A1B2C3D4E5F6", "04A1B2C3D4E5F6", {"format": "hex"}),
        ("04A1B2C3D4E5F60708AB", "04A1B2C3D4E5F60708AB", {"format": "hex"}),
        ("E004010012345678", "E004010012345678", {"format": "hex", "kind": "ISO15693"}),
        ("16142028064219747960", "E004010012345678", {"kind": "ISO15693"}),
        ("65793", "010101", {"kind": "Local"}),
        ("12345", "12345", {"kind": "Local", "format": "text"}),
        ("4711", "4711", {"kind": "KeyCode", "format": "text"}),
    ],
)
def test_a_reader_writes_a_card_in_its_own_way(
    device: InputDevice, world: World, text: str, uid: str, settings: dict[str, str]
) -> None:
    expected = TokenKind(settings.get("kind", "ISO14443"))
    assert typed(device, world, text, **settings) == Token(uid, expected, world.mono)


def test_a_random_uid_is_no_token(device: InputDevice, world: World) -> None:
    assert typed(device, world, "08A1B2C3", format="hex") is None


@pytest.mark.parametrize(
    "text, settings",
    [
        ("04A1B2C3", {}),
        ("04A1B2C", {"format": "hex"}),
        ("04A1B2C3D4", {"format": "hex"}),
        ("04G1B2C3", {"format": "hex"}),
        ("47-11", {"format": "text", "kind": "KeyCode"}),
        ("1" * 40, {"format": "text", "kind": "KeyCode"}),
        ("9" * 30, {}),
    ],
)
def test_what_is_no_identifier_is_garbled_without_a_word_of_it(
    device: InputDevice, world: World, text: str, settings: dict[str, str]
) -> None:
    with pytest.raises(DeviceGarbled) as caught:
        typed(device, world, text, **settings)
    assert not any(text[start : start + 3] in str(caught.value) for start in range(len(text) - 2))


def test_after_a_garbled_line_the_next_card_is_read(device: InputDevice, world: World) -> None:
    reader = reader_of(device, world, format="hex")
    device.type("04A1\n04A1B2C3\n")
    with pytest.raises(DeviceGarbled, match="read an identifier of 2 bytes"):
        next_token(reader)
    token = next_token(reader)
    assert token is not None
    assert token.uid == "04A1B2C3"
    reader.close()


def test_a_reader_that_repeats_a_card_presents_it_once(device: InputDevice, world: World) -> None:
    reader = reader_of(device, world, format="hex")
    device.type("04A1B2C3\n")
    assert next_token(reader) is not None
    device.type("04A1B2C3\n")
    assert next_token(reader) is None
    world.wait(1.0)
    reader.read()
    world.wait(1.0)
    device.type("04A1B2C3\n")
    assert next_token(reader) is not None
    reader.close()


def test_a_person_may_take_seconds_for_a_code(device: InputDevice, world: World) -> None:
    reader = reader_of(device, world, format="text", kind="KeyCode")
    for key in "47":
        device.type(key)
        time.sleep(0.05)  # on its way through the kernel
        reader.read()
        world.wait(5.0)
    device.type("11\n")
    token = next_token(reader)
    assert token is not None
    assert token.uid == "4711"
    reader.close()


def test_a_reader_answers_at_once(device: InputDevice, world: World) -> None:
    reader = reader_of(device, world)
    begin = time.monotonic()
    assert reader.read() is None
    assert time.monotonic() - begin < 0.25
    reader.close()


def test_a_reader_that_is_not_there_is_missing(tmp_path: Path, world: World) -> None:
    with pytest.raises(DeviceMissing, match="/event9 is not there; plug the reader in, or mend 'path'"):
        HidReader(Settings(path=str(tmp_path / "event9"), format="hex"), world.slot("reader"))
    with pytest.raises(DeviceMissing, match="no keyboard 08ff:0009"):
        HidReader(Settings(vendor=0x08FF, product=9, format="hex"), world.slot("reader"), inputs=tmp_path)


def test_a_reader_pulled_out_and_put_back_works_again(device: InputDevice, world: World) -> None:
    reader = reader_of(device, world, format="hex")
    device.pull_out()
    for _ in range(3):
        with pytest.raises(HalError):
            reader.read()
    device.plug_in()
    assert reader.read() is None
    device.type("04A1B2C3\n")
    assert next_token(reader) is not None
    reader.close()


# ---- settings ----


@pytest.mark.parametrize(
    "values, key",
    [
        ({}, "path"),
        ({"path": "/dev/input/event0", "vendor": 1, "product": 2}, "path"),
        ({"vendor": 1}, "path"),
        ({"path": "/dev/input/event0", "product": 1}, "path"),
        ({"path": "/x", "kind": "KeyCode"}, "format"),
        ({"path": "/x", "format": "text"}, "format"),
    ],
)
def test_settings_that_say_too_much_or_too_little_are_refused(values: dict[str, Any], key: str) -> None:
    with pytest.raises(BoardError) as caught:
        Settings(**{"format": "hex", **values}).check(World().evse.facts)
    assert caught.value.place == key


def test_it_claims_its_device() -> None:
    by_path = Settings(path="/dev/input/by-id/usb-x", format="hex")
    by_identity = Settings(vendor=0xFFFF, product=0x35, format="text", kind="KeyCode")
    for settings in (by_path, by_identity):
        settings.check(World().evse.facts)
        assert settings.nodes() == ("char-input",)
    assert by_path.claims() == ("/dev/input/by-id/usb-x",)
    assert by_identity.claims() == ("keyboard ffff:0035",)
