import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hal.drivers._blueprint import LONGEST_HOLD_S, SerialRelays, Settings
from hal.sim.plant import CONTACTOR_CLOSE_S, CONTACTOR_OPEN_S
from hal.slot import DeviceSlot
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, EvseFacts, HalError
from tests.hal.drivers.ports import Port, descriptors, lines_of
from tests.hal.drivers.relay_board import relay_board
from tests.hal.plants import World


def settings(port: str) -> Settings:
    """A machine under test may be slower than the control loop allows: with a long timeout the wire decides."""
    return Settings(port=port, timeout_ms=200)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def relays(world: World) -> Iterator[SerialRelays]:
    """The driver, with the microcontroller that switches the plant's contactor at the far end."""
    with relay_board(world) as port:
        driver = SerialRelays(settings(port.path), world.slot("relays"))
        yield driver
        driver.close()


def number_of(line: str) -> int:
    return int(line.partition(" ")[0])


def broken(answers: Callable[[str], str]) -> HalError:
    """How the driver fails at a board whose first answer is right and whose later ones are these."""
    first = [True]

    def answer(line: str) -> str:
        if first:
            first.clear()
            return f"{number_of(line)} OK\n"
        return answers(line)

    with Port(lines_of(answer)) as port:
        driver = SerialRelays(settings(port.path), World().slot("relays"))
        with pytest.raises(HalError) as caught:
            driver.read()
        driver.close()
    return caught.value


def test_it_closes_and_opens_the_contactor(world: World, relays: SerialRelays) -> None:
    assert relays.read().closed is False
    relays.hold(True, 1.0)
    world.wait(CONTACTOR_CLOSE_S)
    assert relays.read().closed is True
    relays.hold(False, 0.0)
    world.wait(CONTACTOR_OPEN_S)
    assert relays.read().closed is False


def test_the_board_opens_by_itself_when_the_lease_ends(world: World, relays: SerialRelays) -> None:
    relays.hold(True, 0.5)
    world.wait(0.5 + CONTACTOR_OPEN_S)
    assert relays.read().closed is False


def test_a_reading_is_stamped_when_the_answer_was_complete(world: World, relays: SerialRelays) -> None:
    assert relays.read().at_mono == world.mono


def test_opening_the_driver_opens_the_contactor(world: World) -> None:
    world.relays.hold(True, 5.0)
    world.wait(CONTACTOR_CLOSE_S)
    with relay_board(world) as port:
        driver = SerialRelays(settings(port.path), world.slot("relays"))
        world.wait(CONTACTOR_OPEN_S)
        assert driver.read().closed is False
        driver.close()


@pytest.mark.parametrize("for_s", [-1.0, LONGEST_HOLD_S + 0.1, float("nan"), float("inf")])
def test_a_lease_without_end_is_refused(relays: SerialRelays, for_s: float) -> None:
    with pytest.raises(HalError, match="refused to hold"):
        relays.hold(True, for_s)


def test_a_board_that_refuses_is_quoted() -> None:
    with Port(lines_of(lambda line: f"{number_of(line)} NO estop pressed\n")) as port:
        for _ in range(2):  # the port is exclusive: the second try shows that the first gave it back
            with pytest.raises(HalError, match=r"evse\[0\].relays: the board refused to open: NO estop pressed"):
                SerialRelays(settings(port.path), World().slot("relays"))


def test_a_board_that_is_silent_is_told_within_its_time() -> None:
    with Port(lines_of(lambda _: "")) as port:
        begin = time.monotonic()
        with pytest.raises(DeviceSilent, match=r"no answer on /dev/pts/\d+ within 200 ms"):
            SerialRelays(settings(port.path), World().slot("relays"))
        assert time.monotonic() - begin < 1.0


@pytest.mark.parametrize(
    "answers",
    [
        lambda line: f"{number_of(line)} MAYBE\n",
        lambda line: f"{(number_of(line) + 255) % 256} OPEN\n",
        lambda line: f"{number_of(line)} OPEN",
        lambda _: "\n",
        lambda _: "OPEN\n",
        lambda _: "x" * 500,
        lambda _: "\x00\x7f\n",
    ],
    ids=["word", "number of the last", "cut", "empty", "no number", "endless", "noise"],
)
def test_an_answer_that_is_none_is_garbled(answers: Callable[[str], str]) -> None:
    assert isinstance(broken(answers), DeviceGarbled)


def test_a_port_that_is_not_there_is_missing_with_its_path_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"evse\[0\].relays: .*/nowhere is not there; plug it in, or mend 'port'"):
        SerialRelays(Settings(port=str(tmp_path / "nowhere")), World().slot("relays"))


def test_a_port_that_vanishes_is_missing_and_works_again_when_it_is_back(world: World, tmp_path: Path) -> None:
    link = tmp_path / "board"
    with relay_board(world) as port:
        link.symlink_to(port.path)
        driver = SerialRelays(settings(str(link)), world.slot("relays"))
    link.unlink()
    for call in (driver.read, driver.read, lambda: driver.hold(True, 1.0)):
        with pytest.raises(DeviceMissing, match="cannot be used"):
            call()
    with relay_board(world) as port:
        link.symlink_to(port.path)
        assert driver.read().closed is False
    driver.close()


def test_no_descriptor_is_left_behind(world: World) -> None:
    with relay_board(world) as port:
        before = descriptors()
        for _ in range(3):
            SerialRelays(settings(port.path), world.slot("relays")).close()
        assert descriptors() == before


def test_a_board_without_feedback_contact_says_so() -> None:
    facts = EvseFacts(max_amps=32, phases=3, has_feedback=False)
    world = World(facts)
    with relay_board(world) as port:
        driver = SerialRelays(settings(port.path), DeviceSlot("evse[0].relays", facts, world.monotonic))
        assert driver.read().closed is None
        driver.close()


def test_the_port_is_claimed() -> None:
    assert settings("/dev/ttyACM0").claims() == ("/dev/ttyACM0",)
