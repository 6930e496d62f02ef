"""A port of the plant from its other end: read and written, pulled out and put back, closed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.sim.pty_port import PtyPort
from hal.types import DeviceMissing
from tests.hal.drivers.controllers import wait_until
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import World


class Echo:
    """Says again what it hears."""

    def __init__(self, evse: PlantEvse, path: Path, unplugged: Fault | None) -> None:
        self.port = PtyPort(evse, "plant echo", path, unplugged)
        self.rounds = 0
        self.listening = True
        self.port.start(self._run, "echo")

    def _run(self) -> None:
        while (heard := self.port.wait(0.01, self.listening)) is not None:
            self.rounds += 1
            if heard:
                self.port.write(self.port.read())


@pytest.fixture
def evse() -> PlantEvse:
    return World().evse


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "port"


@pytest.fixture
def echo(evse: PlantEvse, path: Path) -> Iterator[Echo]:
    echo = Echo(evse, path, Fault.UNPLUG_METER)
    yield echo
    echo.port.close()


def asked(path: Path, data: bytes = b"hello\n\xff") -> bytes:
    with serial.Serial(str(path), 9600, timeout=0.3) as port:
        port.write(data)
        return bytes(port.read(len(data)))


def test_bytes_pass_as_they_are_from_one_client_after_another(echo: Echo, path: Path) -> None:
    assert asked(path) == asked(path) == b"hello\n\xff"


def test_what_is_said_to_one_that_does_not_listen_waits(echo: Echo, path: Path) -> None:
    echo.listening = False
    rounds = echo.rounds
    wait_until(lambda: echo.rounds > rounds + 1)
    with serial.Serial(str(path), 9600, timeout=0.1) as port:
        port.write(b"hello")
        assert port.read(5) == b""
        echo.listening = True
        port.timeout = 2.0
        assert port.read(5) == b"hello"


def test_a_port_pulled_out_is_gone_loses_what_is_said_and_works_when_it_is_back(
    echo: Echo, evse: PlantEvse, path: Path
) -> None:
    evse.fault("unplug_meter")
    wait_until(lambda: not path.is_symlink())
    rounds = echo.rounds
    wait_until(lambda: echo.rounds > rounds)
    echo.port.write(b"to nobody")
    assert echo.port.read() == b""
    evse.clear_fault("unplug_meter")
    wait_until(path.exists)
    assert asked(path) == b"hello\n\xff"


def test_a_port_whose_directory_went_is_made_anew_when_it_can_be(echo: Echo, evse: PlantEvse, path: Path) -> None:
    evse.fault("unplug_meter")
    wait_until(lambda: not path.is_symlink())
    path.parent.rmdir()
    path.parent.write_text("in the way")
    evse.clear_fault("unplug_meter")
    rounds = echo.rounds
    wait_until(lambda: echo.rounds > rounds + 1)
    path.parent.unlink()
    wait_until(path.exists)
    assert asked(path) == b"hello\n\xff"


@pytest.mark.parametrize("unplugged", [None, Fault.CONTROLLER_UNPLUGGED])
def test_the_plug_obeys_its_own_fault_only(evse: PlantEvse, path: Path, unplugged: Fault | None) -> None:
    echo = Echo(evse, path, unplugged)
    evse.fault("unplug_meter")
    rounds = echo.rounds
    wait_until(lambda: echo.rounds > rounds + 1)
    assert asked(path) == b"hello\n\xff"
    echo.port.close()


def test_a_port_that_nobody_reads_blocks_nobody(echo: Echo) -> None:
    for _ in range(2000):
        echo.port.write(b"x" * 64)
    rounds = echo.rounds
    wait_until(lambda: echo.rounds > rounds)


def test_closing_ends_the_thread_at_once_and_leaves_nothing(evse: PlantEvse, path: Path) -> None:
    before, threads = descriptors(), threading.active_count()
    port = PtyPort(evse, "plant echo", path)
    waited: list[bool | None] = []
    port.start(lambda: waited.append(port.wait()), "echo")
    assert path.is_symlink()
    port.close()
    assert not path.is_symlink()
    assert (descriptors(), threading.active_count()) == (before, threads)
    assert waited == [None]


def test_a_path_that_cannot_be_made_is_missing_and_leaves_nothing_open(evse: PlantEvse, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = descriptors()
    with pytest.raises(DeviceMissing, match=r"plant echo 1: cannot make .*file/port"):
        PtyPort(evse, "plant echo", tmp_path / "file" / "port")
    assert descriptors() == before
