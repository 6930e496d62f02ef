"""Whatever kills the control process, the contactor opens: here it hangs on a board of its own, which outlives it.

The process drives a contactor through a real serial line (the blueprint driver); the microcontroller at the other end,
the contactor and its dead-man are the simulated plant of this test.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chargerd.control import assert_safe_state
from chargerd.evse.types import RELAY_LEASE_S
from hal.board import BoardConfig, DeviceConfig, load_board
from hal.drivers._blueprint import Settings
from hal.sim.plant import PlantEvse
from tests.chargerd.charger import BENCH, BENCH_DUAL, ROOT, Bystander
from tests.hal.drivers.relay_board import relay_board
from tests.hal.plants import World

SLACK_S = 1.0
"""The contactor's own time, and what a busy machine needs to look at it."""

CHILD = """
import sys
from pathlib import Path
from chargerd.control import StopSignal, run_control
from tests.systemd.test_kills import with_serial_relays
run_dir = Path(sys.argv[1])
sys.exit(run_control(with_serial_relays(*sys.argv[2:]), run_dir, run_dir / "desk.sock", StopSignal()))
"""


def with_serial_relays(*ports: str) -> BoardConfig:
    """The bench board with its contactors on serial lines (no board file may mix them with a simulated pilot)."""
    config = load_board(BENCH if len(ports) == 1 else BENCH_DUAL)
    evses = []
    for evse, port in zip(config.evses, ports, strict=True):
        relays = DeviceConfig("relays", "_blueprint", Settings(port=port, timeout_ms=200))
        devices = tuple(relays if device.role == "relays" else device for device in evse.devices)
        evses.append(msgspec.structs.replace(evse, devices=devices))
    return msgspec.structs.replace(config, evses=tuple(evses))


class Contactor(World):
    """A contactor on the real clock, switched by the microcontroller at the end of the line `port`."""

    def __init__(self) -> None:
        super().__init__()
        self.line = relay_board(self)
        self.port = self.line.path

    def monotonic(self) -> float:
        return time.monotonic()

    def is_closed(self) -> bool:
        evse: PlantEvse = self.evse
        with self.plant.lock:
            self.plant.catch_up()
            return evse.contacts_closed


class Driving(Bystander):
    """A control process that drives the contactor of this test."""

    def __init__(self, run_dir: Path, contactor: Contactor) -> None:
        super().__init__(run_dir)
        self._log_path = run_dir / "control.log"
        with self._log_path.open("wb") as log:
            self.popen = subprocess.Popen([sys.executable, "-c", CHILD, run_dir, contactor.port], stderr=log, cwd=ROOT)

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def may_go_on(self) -> bool:
        return self.popen.poll() is None

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        super().close()


@pytest.fixture
def contactor() -> Iterator[Contactor]:
    contactor = Contactor()
    with contactor.line:
        yield contactor


@pytest.fixture
def driving(tmp_path: Path, contactor: Contactor) -> Iterator[Driving]:
    """Energy flows."""
    with Driving(tmp_path, contactor) as driving:
        driving.charge()
        assert contactor.is_closed()
        yield driving


def seconds_until(condition: Callable[[], bool], bound_s: float = 15.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + bound_s, "did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGABRT, signal.SIGSEGV])
def test_a_process_that_is_killed_or_hangs_loses_the_contactor_within_its_lease(
    driving: Driving, contactor: Contactor, number: signal.Signals
) -> None:
    driving.popen.send_signal(number)
    assert seconds_until(lambda: not contactor.is_closed()) <= RELAY_LEASE_S + SLACK_S


def test_the_safe_state_after_a_kill_opens_before_the_lease_ends(driving: Driving, contactor: Contactor) -> None:
    driving.popen.kill()
    driving.popen.wait()
    assert contactor.is_closed()
    assert assert_safe_state(with_serial_relays(contactor.port)) == []
    assert seconds_until(lambda: not contactor.is_closed()) < RELAY_LEASE_S * 0.8


def test_a_sigterm_in_mid_charge_opens_the_contactor_before_the_process_ends(
    driving: Driving, contactor: Contactor
) -> None:
    driving.popen.terminate()
    assert driving.popen.wait(20) == 0
    assert not contactor.is_closed()


def test_a_start_opens_a_contactor_that_somebody_left_closed(tmp_path: Path, contactor: Contactor) -> None:
    with contactor.plant.lock:
        contactor.evse.hold_coil(True, contactor.plant.catch_up(), 60.0)
    assert seconds_until(contactor.is_closed) < SLACK_S
    with Driving(tmp_path, contactor) as driving:
        driving.wait_for(lambda status: status.loop.ticks > 0)
        assert seconds_until(lambda: not contactor.is_closed()) < SLACK_S


def test_a_second_process_does_not_disturb_a_charge(driving: Driving, contactor: Contactor) -> None:
    second = subprocess.Popen([sys.executable, "-c", CHILD, driving.run_dir, contactor.port], cwd=ROOT)
    opened = 0
    while second.poll() is None:
        opened += not contactor.is_closed()
        driving.wait_for(lambda status: status.loop.ticks > 0, amps=16.0)
    assert second.returncode == 75
    assert opened == 0


def test_a_contactor_that_no_longer_answers_ends_the_process_for_a_fresh_start(tmp_path: Path) -> None:
    contactor = Contactor()
    with contactor.line:
        driving = Driving(tmp_path, contactor)
        driving.charge()
    with driving:
        assert driving.popen.wait(10) == 1
        assert re.search(r"error control: evse\[0\]\.relays: .*\(wanted \w+\); ending for a fresh start", driving.log)
        assert "no safe state: evse[0].relays:" in driving.log
    assert seconds_until(lambda: not contactor.is_closed()) <= RELAY_LEASE_S + SLACK_S


def test_an_evse_that_is_not_there_does_not_keep_the_other_one_closed(contactor: Contactor) -> None:
    with contactor.plant.lock:
        contactor.evse.hold_coil(True, contactor.plant.catch_up(), 60.0)
    assert seconds_until(contactor.is_closed) < SLACK_S
    problems = assert_safe_state(with_serial_relays("/dev/ttyNOWHERE", contactor.port))
    assert [problem.device for problem in problems] == ["evse[0].relays"]
    assert seconds_until(lambda: not contactor.is_closed()) < SLACK_S
    problems = assert_safe_state(with_serial_relays(contactor.port, "/dev/ttyNOWHERE"))
    assert [problem.device for problem in problems] == ["evse[1].relays"]
