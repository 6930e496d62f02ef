"""What can happen to any controller on a serial port, shown with one that repeats what it hears."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hal.sim.serial_peer import SerialPeer
from hal.types import DeviceMissing
from tests.hal.drivers.controllers import wait_until
from tests.hal.plants import RealWorld


class Echo:
    """`busy`: it does not listen."""

    def __init__(self) -> None:
        self.starts = 0
        self.ticks = 0
        self.busy = False
        self.peer: SerialPeer

    def power_on(self, now_mono: float) -> None:
        self.starts += 1

    def tick(self, now_mono: float) -> bool:
        self.ticks += 1
        return not self.busy

    def hear(self, data: bytes, now_mono: float) -> None:
        self.peer.say(data)


class Stand:
    def __init__(self, tmp_path: Path) -> None:
        self.world = RealWorld()
        self.evse = self.world.evse
        self.echo = Echo()
        self.port = tmp_path / "run" / "controller"
        self.peer = SerialPeer(self.evse, self.port, self.echo)
        self.echo.peer = self.peer

    def asked(self, data: bytes = b"hello!", wait_s: float = 0.3) -> bytes:
        """What comes back within some time."""
        with serial.Serial(str(self.port), 115200, timeout=wait_s) as port:
            port.write(data)
            return bytes(port.read(len(data)))


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    yield stand
    stand.peer.close()


def test_it_lives_without_being_spoken_to_and_answers_when_it_is(stand: Stand) -> None:
    wait_until(lambda: stand.echo.ticks >= 10, 2.0)
    assert stand.echo.starts == 1
    assert stand.asked() == b"hello!"


def test_a_busy_one_answers_later(stand: Stand) -> None:
    stand.echo.busy = True
    wait_until(lambda: stand.echo.ticks >= 3)
    with serial.Serial(str(stand.port), 115200, timeout=0.2) as port:
        port.write(b"hello!")
        assert port.read(6) == b""
        stand.echo.busy = False
        port.timeout = 2.0
        assert port.read(6) == b"hello!"


def test_half_of_a_message_is_its_first_half(stand: Stand) -> None:
    stand.evse.fault("controller_half_lines")
    assert stand.asked() == b"hel"
    stand.evse.clear_fault("controller_half_lines")
    assert stand.asked() == b"hello!"


def test_a_damaged_message_differs_in_one_bit(stand: Stand) -> None:
    stand.evse.fault("controller_bad_crc")
    answer = stand.asked()
    assert sum((a ^ b).bit_count() for a, b in zip(answer, b"hello!", strict=True)) == 1


def test_a_reset_happens_once(stand: Stand) -> None:
    stand.evse.fault("controller_reset")
    wait_until(lambda: stand.echo.starts == 2)
    assert "controller_reset" not in stand.evse.state().faults
    time.sleep(0.1)
    assert stand.echo.starts == 2


def test_one_that_stops_does_nothing_and_starts_anew_when_it_is_whole(stand: Stand) -> None:
    stand.evse.fault("controller_stops")
    assert stand.asked() == b""
    ticks = stand.echo.ticks
    time.sleep(0.1)
    assert stand.echo.ticks == ticks
    stand.evse.clear_fault("controller_stops")
    wait_until(lambda: stand.echo.starts == 2)
    wait_until(lambda: stand.echo.ticks > ticks)


def test_an_adapter_pulled_out_takes_its_port_with_it_while_the_controller_lives_on(stand: Stand) -> None:
    stand.evse.fault("controller_unplugged")
    wait_until(lambda: not stand.port.exists())
    ticks = stand.echo.ticks
    wait_until(lambda: stand.echo.ticks > ticks)
    stand.peer.say(b"to nobody")
    stand.evse.clear_fault("controller_unplugged")
    wait_until(stand.port.exists)
    assert stand.asked() == b"hello!"
    assert stand.echo.starts == 1


def test_nobody_who_reads_blocks_it(stand: Stand) -> None:
    for _ in range(2000):
        stand.peer.say(b"x" * 64)
    ticks = stand.echo.ticks
    wait_until(lambda: stand.echo.ticks > ticks)


def test_a_port_that_cannot_be_made_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceMissing, match="plant controller 1: cannot make"):
        SerialPeer(RealWorld().evse, tmp_path / "file" / "port", Echo())
