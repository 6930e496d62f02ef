"""What the tests of the control process share: a simulated board on virtual time, and the real process."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from chargerd.channel import MemoryStationEnd, StationEnd, memory_pair
from chargerd.clock import ManualClock
from chargerd.control import PERIOD_S, ControlLoop
from chargerd.devices import EvseUnit
from chargerd.evse.types import ORDERS_LEASE_S, EvseOrders, EvseStatus, Orders, Status
from chargerd.limits import Limit
from hal.board import Board, load_board, open_board
from hal.sim.plant import PlantEvse
from hal.types import DeviceSilent

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "board-configs" / "bench.toml"
BENCH_DUAL = ROOT / "board-configs" / "bench-dual.toml"

ALL_SIMULATED = """
[board]
vendor = "Example"
model = "Memory"
serial = "MEM-1"
relay_deadman = "simulated"
[plant]
[[evse]]
max_amps = 32
phases = 3
connector = "sType2"
""" + "\n".join(
    f'{role} = {{ driver = "sim" }}'
    for role in (
        "pilot", "relays", "meter", "proximity", "lock", "residual", "thermometer", "plug_thermometer", "phase_switch",
        "inputs", "external_limit", "indicator", "display", "reader"
    )
)  # fmt: skip


def permit(now_mono: float, seq: int = 1, amps: float = 16.0, evses: int = 1) -> Orders:
    """Orders that let every EVSE charge with `amps` for a whole lease."""
    each = EvseOrders(permit=True, limits=(Limit("csms", amps),))
    return Orders(seq=seq, valid_until_mono=now_mono + ORDERS_LEASE_S, evses=(each,) * evses)


class Wire:
    """The wire to a simulated device: cut, every call fails; hung, it waits. `used`: the calls that came through."""

    def __init__(self, device: Any, used: list[str] | None = None) -> None:
        self.cut = False
        self.hang: threading.Event | None = None
        self._device = device
        self._used = [] if used is None else used

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            if self.hang is not None:
                self.hang.wait(30)
            if self.cut:
                raise DeviceSilent("evse[0].wire", "no answer")
            self._used.append(f"{type(self._device).__name__}.{name}")
            return getattr(self._device, name)(*values)

        return call


class World:
    """Loop, board and the station's end of the channel on one virtual clock; pollers are read each second by hand."""

    def __init__(self, tmp_path: Path, wired: str = "") -> None:
        """`wired`: the role of the device that is reached through `wire`, which can be cut."""
        path = tmp_path / "board.toml"
        path.write_text(ALL_SIMULATED)
        self.clock = ManualClock()
        self.board: Board = open_board(load_board(path), monotonic=self.clock.monotonic)
        assert self.board.plant is not None
        self.evse: PlantEvse = self.board.plant.evse(1)
        control, station = memory_pair()
        self.station: MemoryStationEnd = station
        devices = self.board.evses[0]
        self.wire = Wire(getattr(devices, wired)) if wired else Wire(None)
        devices = dataclasses.replace(devices, **({wired: self.wire} if wired else {}))
        self.unit = EvseUnit(1, devices)
        self.loop = ControlLoop(self.board.facts, (self.unit,), control)
        self.statuses: list[Status] = []
        self.amps: float | None = None
        self._due_mono = self.clock.monotonic()
        self._seq = 0

    @property
    def now_mono(self) -> float:
        return self.clock.monotonic()

    @property
    def status(self) -> EvseStatus:
        """The last one published."""
        return self.statuses[-1].evses[0]

    def tick(self, stopping: bool = False) -> None:
        """20 ms pass; Orders come each second while `amps` is set."""
        now = self.clock.advance(PERIOD_S)
        if now.mono >= self._due_mono:
            self._due_mono += 1.0
            for poller in self.unit.pollers:
                poller.poll_once()
            if self.amps is not None:
                self._seq += 1
                self.station.send(permit(now.mono, self._seq, self.amps))
        self.loop.tick(now.mono, stopping)
        status = self.station.latest_status()
        if status is not None:
            self.statuses.append(status)

    def run(self, seconds: float, stopping: bool = False) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            self.tick(stopping)

    def charge(self, amps: float = 16.0) -> None:
        """Until energy flows."""
        self.amps = amps
        self.evse.plug_in()
        self.evse.ev_ready()
        self.run(15.0)
        assert self.evse.contacts_closed, self.status.why_not


class Bystander:
    """A running control process seen as the station sees it (in its place), with the desk of the simulated plant."""

    def __init__(self, run_dir: Path, trusted_uids: frozenset[int] | None = None) -> None:
        self.run_dir = run_dir
        self.station = StationEnd(run_dir, trusted_uids)
        self.statuses: list[Status] = []
        self._seq = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def status(self) -> Status:
        return self.statuses[-1]

    @property
    def log(self) -> str:
        return ""

    def may_go_on(self) -> bool:
        """Whether waiting makes sense."""
        return True

    def desk(self, verb: str, **values: object) -> Any:
        """One request to the plant; its reply, which must be ok."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as desk:
            desk.settimeout(10)
            desk.connect(str(self.run_dir / "desk.sock"))
            desk.sendall(msgspec.json.encode({"verb": verb, **values}) + b"\n")
            with desk.makefile("rb") as replies:
                reply = msgspec.json.decode(replies.readline())
        assert reply["ok"], reply
        return reply

    def contacts_closed(self) -> bool:
        return bool(self.desk("plant")["plant"]["evses"][0]["contacts_closed"])

    def wait_for(self, wanted: Callable[[Status], bool], amps: float | None = None, bound_s: float = 30.0) -> float:
        """Until a Status is as `wanted`, giving Orders for `amps` (None: none) meanwhile; the seconds it took."""
        began = time.monotonic()
        due = began
        while time.monotonic() < began + bound_s:
            assert self.may_go_on(), self.log
            if amps is not None and time.monotonic() >= due:
                due += 1.0
                self._seq += 1
                self.station.send(permit(time.monotonic(), self._seq, amps))
            status = self.station.latest_status()
            if status is not None:
                self.statuses.append(status)
                if wanted(status):
                    return time.monotonic() - began
            time.sleep(0.005)
        raise AssertionError(f"not within {bound_s} s; last status: {self.statuses[-1:]}; log:\n{self.log}")

    def charge(self, amps: float = 16.0) -> None:
        """Until energy flows."""
        self.wait_for(lambda status: not status.evses[0].ev_connected)
        self.desk("plug_in", evse=1)
        self.desk("ev_ready", evse=1)
        self.wait_for(lambda status: status.evses[0].relay_closed is True, amps)

    def close(self) -> None:
        self.station.close()


class Process(Bystander):
    """`chargerd control`, started here, on a simulated board."""

    def __init__(self, run_dir: Path, board: Path = BENCH, env: dict[str, str] | None = None) -> None:
        super().__init__(run_dir)
        self._log_path = run_dir / "control.log"
        desk = run_dir / "desk.sock"
        with self._log_path.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "chargerd", "control", "--board", board, "--run", run_dir, "--desk", desk],
                stderr=log,
                cwd=ROOT,
                env=os.environ | (env or {}),
            )

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def may_go_on(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM, bound_s: float = 30.0) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(bound_s)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        super().close()
