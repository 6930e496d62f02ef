import os
import time
from pathlib import Path

import pytest

from hal.board import load_board, open_board
from hal.sim.pn532 import HELD_S, Pn532Chip, Pn532Server
from hal.sim.settings import PEERS, PlantPeer
from hal.types import DeviceMissing, TokenKind
from tests.hal.boards import bench_tables, write
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import World

ACK = bytes.fromhex("0000FF00FF00")
SAM = bytes.fromhex("0000FF05FBD4140114010200")
LIST = bytes.fromhex("0000FF04FCD44A0100E100")
FIELD_ON, FIELD_OFF = bytes.fromhex("0000FF04FCD4320101F800"), bytes.fromhex("0000FF04FCD4320100F900")
ONE_RETRY = bytes.fromhex("0000FF06FAD43205FF0101F400")
NO_CARD = bytes.fromhex("0000FF03FDD54B00E000")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def chip(world: World) -> Pn532Chip:
    """Awake, set up, its field on."""
    chip = Pn532Chip(world.evse)
    chip.wake()
    for frame in (SAM, ONE_RETRY, FIELD_ON):
        assert chip.take(frame)[0] == ACK
    return chip


def uid_seen(chip: Pn532Chip) -> str | None:
    _, answer = chip.take(LIST)
    return None if answer == NO_CARD else answer[13 : 13 + answer[12]].hex().upper()


def test_it_sleeps_until_it_is_woken_and_set_to_normal_mode(world: World) -> None:
    chip = Pn532Chip(world.evse)
    assert chip.take(SAM) == []
    chip.wake()
    assert chip.take(LIST) == []
    assert chip.take(SAM) == [ACK, bytes.fromhex("0000FF02FED5151600")]


def test_a_card_is_seen_while_it_is_held(world: World, chip: Pn532Chip) -> None:
    world.evse.present_token("04A1B2C3D4E5F6")
    assert uid_seen(chip) == "04A1B2C3D4E5F6"
    chip.take(FIELD_OFF + FIELD_ON)
    assert uid_seen(chip) == "04A1B2C3D4E5F6"
    world.wait(HELD_S)
    chip.take(FIELD_OFF + FIELD_ON)
    assert uid_seen(chip) is None


def test_the_next_card_comes_after_a_pause(world: World, chip: Pn532Chip) -> None:
    world.evse.present_token("A1B2C3D4")
    world.evse.present_token("B1B2C3D4")
    assert uid_seen(chip) == "A1B2C3D4"
    world.wait(HELD_S)
    assert uid_seen(chip) is None
    world.wait(HELD_S)
    assert uid_seen(chip) == "B1B2C3D4"


def test_a_card_that_was_read_is_deaf_until_the_field_was_off(world: World, chip: Pn532Chip) -> None:
    world.evse.present_token("A1B2C3D4")
    assert uid_seen(chip) == "A1B2C3D4"
    assert uid_seen(chip) is None
    chip.take(FIELD_OFF + FIELD_ON)
    assert uid_seen(chip) == "A1B2C3D4"


def test_a_card_is_selected_further_unless_that_is_switched_off(world: World, chip: Pn532Chip) -> None:
    world.evse.present_token("A1B2C3D4")
    _, further = chip.take(LIST)
    assert chip.take(bytes.fromhex("0000FF03FDD412041600")) == [ACK, bytes.fromhex("0000FF02FED5131800")]
    chip.take(FIELD_OFF + FIELD_ON)
    _, identified = chip.take(LIST)
    assert (identified[13:17], identified[18:]) == (further[13:17], b"\x00")
    assert further[17:].startswith(bytes.fromhex("067577810280"))


def test_without_a_field_no_card_is_seen(world: World, chip: Pn532Chip) -> None:
    world.evse.present_token("A1B2C3D4")
    chip.take(FIELD_OFF)
    assert uid_seen(chip) is None


def test_it_looks_without_end_unless_it_is_told_otherwise(world: World) -> None:
    chip = Pn532Chip(world.evse)
    chip.wake()
    chip.take(SAM + FIELD_ON)
    assert chip.take(LIST) == [ACK]


def test_a_code_typed_elsewhere_is_no_card(world: World, chip: Pn532Chip) -> None:
    world.evse.present_token("1234", TokenKind.KEY_CODE)
    world.evse.present_token("NOHEX")
    world.evse.present_token("A1B2C3")
    world.evse.present_token("A1B2C3D4")
    assert uid_seen(chip) == "A1B2C3D4"


def test_a_frozen_reader_says_nothing(world: World, chip: Pn532Chip) -> None:
    world.evse.fault("freeze_reader")
    assert chip.take(LIST) == []


def test_an_unknown_command_is_a_syntax_error(chip: Pn532Chip) -> None:
    assert chip.take(bytes.fromhex("0000FF02FED460CC00")) == [ACK, bytes.fromhex("0000FF01FF7F8100")]


def test_noise_is_no_command_and_is_not_kept(world: World, chip: Pn532Chip) -> None:
    for _ in range(100):
        assert chip.take(b"\x00\xff\x01\x02" * 50) == []
    assert chip.take(LIST) == [ACK, NO_CARD]


def test_power_that_was_lost_takes_everything_that_was_set(chip: Pn532Chip) -> None:
    chip.lose_power()
    assert chip.take(LIST) == []
    assert not chip.field_on


def test_the_server_is_a_peer_of_boards(world: World, tmp_path: Path) -> None:
    assert PEERS["pn532"] == "hal.sim.pn532:Pn532Server"
    before = descriptors()
    path = tmp_path / "deep" / "reader"
    server = Pn532Server(world.evse, PlantPeer(evse=1, kind="pn532", port=str(path)), path)
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.write(port, b"\x55\x55" + bytes(14) + SAM)
    received, until = b"", time.monotonic() + 5
    while len(received) < 15 and time.monotonic() < until:
        try:
            received += os.read(port, 100)
        except BlockingIOError:
            time.sleep(0.01)
    os.close(port)
    assert received == ACK + bytes.fromhex("0000FF02FED5151600")
    server.close()
    assert not path.is_symlink()
    assert descriptors() == before


def test_on_a_simulated_board_the_real_driver_reads_its_cards(tmp_path: Path) -> None:
    tables = bench_tables()
    tables["plant"] = {"peer": [{"evse": 1, "kind": "pn532", "port": "{run}/reader"}]}
    tables["evse"][0]["reader"] = {"driver": "reader_pn532", "port": "{run}/reader"}
    board = open_board(load_board(write(tmp_path / "board.toml", tables)), run_dir=tmp_path)
    assert board.plant is not None
    reader = board.evses[0].reader
    assert reader is not None
    board.plant.evses[0].present_token("04A1B2C3D4E5F6")
    token = reader.read()
    board.close()
    assert token is not None
    assert token.uid == "04A1B2C3D4E5F6"


def test_a_path_that_cannot_be_made_is_missing_and_leaves_nothing_open(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = descriptors()
    path = tmp_path / "file" / "reader"
    with pytest.raises(DeviceMissing, match=r"plant reader 1: cannot make .*file/reader"):
        Pn532Server(world.evse, PlantPeer(evse=1, kind="pn532", port=str(path)), path)
    assert descriptors() == before
