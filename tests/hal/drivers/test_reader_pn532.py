import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hal.drivers.pn532_wires import I2C_ADDRESS
from hal.drivers.reader_pn532 import REOPEN_AFTER, Pn532Reader, Settings
from hal.sim.pn532 import HELD_S, Pn532Chip, Pn532Server
from hal.sim.settings import PlantPeer
from hal.types import BoardError, DeviceGarbled, DeviceMissing, DeviceSilent, HalError, TokenKind
from tests.hal.drivers.i2c_bus import Bus
from tests.hal.drivers.pn532_far_ends import I2cChip, SpiChip
from tests.hal.drivers.ports import Port, descriptors
from tests.hal.plants import World

ACK = bytes.fromhex("0000FF00FF00")
UID = "04A1B2C3D4E5F6"
PATIENCE = 4.0
"""The chip behind the UART answers from a thread; a machine under test may not run it for a while."""


def serve(world: World, path: Path) -> Pn532Server:
    return Pn532Server(world.evse, PlantPeer(evse=1, kind="pn532", port=str(path)), path)


@dataclass
class Desk:
    """A reader, the world its cards come from, and the chip between."""

    world: World
    reader: Pn532Reader
    chip: Pn532Chip
    patience: float = 1.0

    def polls(self, count: int) -> list[str]:
        """The cards of so many polls, 0.2 s apart."""
        found = []
        for _ in range(count):
            if (token := self.reader.read()) is not None:
                found.append(token.uid)
            self.world.wait(0.2)
        return found


@pytest.fixture(params=["uart", "i2c", "spi"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Each way to the chip."""
    world = World()
    slot = world.slot("reader")
    chip = Pn532Chip(world.evse)
    if request.param == "uart":
        server = serve(world, tmp_path / "reader")
        reader = Pn532Reader(Settings(port=str(tmp_path / "reader")), slot, patience=PATIENCE)
        yield Desk(world, reader, server.chip, PATIENCE)
        reader.close()
        server.close()
        return
    if request.param == "i2c":
        bus = Bus(tmp_path)
        bus.devices[I2C_ADDRESS] = I2cChip(chip)
        reader = Pn532Reader(Settings(i2c=bus.path), slot, kernel=bus.kernel)
    else:
        far = SpiChip(chip, tmp_path)
        reader = Pn532Reader(Settings(spi=far.path), slot, kernel=far.kernel)
    yield Desk(world, reader, chip)
    reader.close()


@pytest.mark.parametrize("uid", ["04A1B2C3", UID, "04A1B2C3D4E5F60708AB"], ids=["4", "7", "10"])
def test_a_card_is_read_whatever_the_length_of_its_uid(desk: Desk, uid: str) -> None:
    desk.world.evse.present_token(uid)
    token = desk.reader.read()
    assert token is not None
    assert (token.uid, token.kind, token.at_mono) == (uid, TokenKind.ISO14443, desk.world.mono)


def test_a_card_that_is_held_is_one_token(desk: Desk) -> None:
    desk.world.evse.present_token(UID)
    assert desk.polls(10) == [UID]


def test_a_card_taken_away_and_shown_again_is_a_new_token(desk: Desk) -> None:
    desk.world.evse.present_token(UID)
    desk.world.evse.present_token(UID)
    assert desk.polls(20) == [UID, UID]


def test_two_people_are_two_tokens(desk: Desk) -> None:
    desk.world.evse.present_token(UID)
    desk.world.evse.present_token("B1B2B3B4")
    assert desk.polls(20) == [UID, "B1B2B3B4"]


def test_a_random_uid_is_no_token(desk: Desk) -> None:
    desk.world.evse.present_token("08B2B3B4")
    assert desk.polls(10) == []


def test_between_polls_the_field_is_off(desk: Desk) -> None:
    desk.world.evse.present_token(UID)
    desk.reader.read()
    assert not desk.chip.field_on


def test_a_card_is_identified_only(desk: Desk) -> None:
    desk.reader.read()
    assert not desk.chip.selects_further


def test_the_chip_is_not_asked_more_often_than_five_times_a_second(desk: Desk) -> None:
    assert desk.reader.read() is None
    desk.world.evse.present_token(UID)
    desk.world.wait(0.1)
    assert desk.reader.read() is None
    desk.world.wait(0.1)
    assert desk.reader.read() is not None


def test_a_silent_chip_is_told_in_time_and_works_again(desk: Desk) -> None:
    desk.reader.read()
    desk.world.evse.fault("freeze_reader")
    for _ in range(REOPEN_AFTER + 1):
        desk.world.wait(0.2)
        begin = time.monotonic()
        with pytest.raises(DeviceSilent, match=r"evse\[0\].reader: no PN532 answers on .*; is it powered"):
            desk.reader.read()
        assert time.monotonic() - begin <= 0.5 * desk.patience
    desk.world.evse.clear_fault("freeze_reader")
    desk.world.wait(0.2)
    desk.world.evse.present_token(UID)
    assert desk.polls(5) == [UID]


def test_a_chip_that_lost_its_power_is_set_up_again(desk: Desk) -> None:
    desk.polls(2)
    desk.chip.lose_power()
    with pytest.raises(DeviceSilent):
        desk.polls(1)
    desk.world.wait(0.2)
    desk.world.evse.present_token(UID)
    assert desk.polls(10) == [UID]


def test_a_card_held_while_the_chip_fails_is_not_presented_anew(desk: Desk) -> None:
    desk.world.evse.present_token(UID)
    assert desk.polls(1) == [UID]
    desk.chip.lose_power()
    with pytest.raises(DeviceSilent):
        desk.reader.read()
    desk.world.wait(0.2)
    assert desk.polls(2) == []


def test_a_reader_that_sends_the_last_byte_first_is_turned_round(tmp_path: Path) -> None:
    world = World()
    server = serve(world, tmp_path / "reader")
    reader = Pn532Reader(
        Settings(port=str(tmp_path / "reader"), byte_order="reversed"), world.slot("reader"), patience=PATIENCE
    )
    world.evse.present_token("C3B2A104")
    token = reader.read()
    assert token is not None
    assert token.uid == "04A1B2C3"
    reader.close()
    server.close()


# ---- what goes wrong ----


def commands_of(answer: Callable[[bytes], bytes]) -> Callable[[bytes], tuple[bytes, int]]:
    """A far end that gets each command whole, with what was sent before it."""

    def take(received: bytes) -> tuple[bytes, int]:
        body = received.find(b"\xd4")
        end = body + received[body - 2] + 2
        return (answer(received[:end]), end) if body >= 0 and end <= len(received) else (b"", 0)

    return take


def broken(answer: Callable[[bytes], bytes]) -> HalError:
    """How the driver fails at a far end that gives these bytes for each command."""
    with Port(commands_of(answer)) as port:
        reader = Pn532Reader(Settings(port=port.path), World().slot("reader"))
        begin = time.monotonic()
        with pytest.raises(HalError) as caught:
            reader.read()
        assert time.monotonic() - begin <= 0.5
        reader.close()
    return caught.value


def framed(body: bytes) -> bytes:
    length = len(body)
    return b"\x00\x00\xff" + bytes((length, -length % 256)) + body + bytes((-sum(body) % 256, 0))


def code_of(request: bytes) -> int:
    return request[request.find(b"\xd4") + 1]


@pytest.mark.parametrize(
    "answer, kind",
    [
        (lambda _: b"", DeviceSilent),
        (lambda _: ACK, DeviceSilent),
        (lambda request: framed(bytes((0xD5, code_of(request) + 1))), DeviceSilent),
        (lambda request: ACK + framed(bytes((0xD5, 0x99))), DeviceSilent),
        (lambda request: ACK + framed(bytes((0xD5, code_of(request) + 1, 7)))[:-3], DeviceSilent),
        (lambda request: ACK + framed(bytes((0xD5, code_of(request) + 1)))[:-2] + b"\x77\x00", DeviceGarbled),
        (lambda _: ACK + bytes.fromhex("0000FF01FF7F8100"), DeviceGarbled),
        (lambda request: ACK + framed(bytes((0xD5, code_of(request) + 1, 0x07))), DeviceGarbled),
        (lambda request: request, DeviceSilent),
        (lambda _: b"login: " * 20, DeviceSilent),
    ],
    ids=[
        "nothing", "no answer", "no acknowledgement", "another answer", "half an answer", "checksum", "refusal",
        "another chip", "echo", "a console",
    ],
)  # fmt: skip
def test_a_far_end_that_is_no_pn532_is_told(answer: Callable[[bytes], bytes], kind: type[HalError]) -> None:
    assert isinstance(broken(answer), kind)


@pytest.mark.parametrize(
    "target", ["0101000408", "0101000408050405A1B2C3", "02010004080405A1B2C3", "01010004080405A1B2"]
)
def test_a_card_that_cannot_be_is_garbled_without_a_word_of_its_uid(target: str) -> None:
    answers = {0x02: bytes.fromhex("32010607"), 0x4A: bytes.fromhex(target)}

    def answer(request: bytes) -> bytes:
        code = code_of(request)
        return ACK + framed(bytes((0xD5, code + 1)) + answers.get(code, b""))

    error = broken(answer)
    assert isinstance(error, DeviceGarbled)
    assert "A1B2" not in str(error).upper()


def test_an_adapter_pulled_out_and_put_back_works_again(tmp_path: Path) -> None:
    world, path = World(), tmp_path / "reader"
    server = serve(world, path)
    reader = Pn532Reader(Settings(port=str(path)), world.slot("reader"), patience=PATIENCE)
    desk = Desk(world, reader, server.chip)
    desk.polls(2)
    server.close()
    for _ in range(3):
        with pytest.raises(DeviceMissing, match="cannot be used"):
            desk.polls(1)
        world.wait(0.2)
    server = serve(world, path)
    world.evse.present_token(UID)
    assert desk.polls(5) == [UID]
    reader.close()
    server.close()


def test_a_port_that_stays_silent_is_opened_anew_for_what_came_back_under_its_name(tmp_path: Path) -> None:
    world, path = World(), tmp_path / "reader"
    with Port(lambda received: (b"", len(received))) as dead:
        path.symlink_to(dead.path)
        desk = Desk(world, Pn532Reader(Settings(port=str(path)), world.slot("reader")), Pn532Chip(world.evse))
        for failure in range(REOPEN_AFTER):
            with pytest.raises(DeviceSilent):
                desk.polls(1)
            world.wait(0.2)
            if failure == 0:
                path.unlink()
                server = serve(world, path)
        world.evse.present_token(UID)
        assert desk.polls(1) == [UID]
        desk.reader.close()
        server.close()


def test_a_port_that_is_not_there_is_missing_with_its_path_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"evse\[0\].reader: .*/nowhere is not there; plug the reader in"):
        Pn532Reader(Settings(port=str(tmp_path / "nowhere")), World().slot("reader"))


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    world = World()
    server = serve(world, tmp_path / "reader")
    before = descriptors()
    for _ in range(3):
        reader = Pn532Reader(Settings(port=str(tmp_path / "reader")), world.slot("reader"))
        reader.read()
        reader.close()
    assert descriptors() == before
    server.close()


# ---- settings ----


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(port="/dev/ttyUSB0", i2c="/dev/i2c-1"), Settings(i2c="/dev/i2c-1", spi="/dev/s")]
)
def test_there_is_one_way_to_the_chip(settings: Settings) -> None:
    with pytest.raises(BoardError, match="give the one that the chip is wired to"):
        settings.check(World().evse.facts)


@pytest.mark.parametrize(
    "settings, claim",
    [
        (Settings(port="/dev/ttyUSB0"), "/dev/ttyUSB0"),
        (Settings(i2c="/dev/i2c-1"), "address 0x24 on /dev/i2c-1"),
        (Settings(spi="/dev/spidev0.0"), "/dev/spidev0.0"),
    ],
)
def test_it_claims_what_it_is_wired_to(settings: Settings, claim: str) -> None:
    settings.check(World().evse.facts)
    assert settings.claims() == (claim,)


def test_held_cards_are_seen_by_several_polls() -> None:
    """Else the tests of a held card would show nothing."""
    assert HELD_S > 3 * 0.2
