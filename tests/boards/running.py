"""A board of board-configs run by the real control loop in real time, with a vehicle at its plant."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chargerd.channel import MemoryStationEnd, memory_pair
from chargerd.control import PERIOD_S, ControlLoop, stop_pollers
from chargerd.devices import EvseUnit
from chargerd.evse.types import EvseStatus, Status
from chargerd.pace import Pacer
from hal.board import Board, load_board, open_board
from hal.sim.plant import PlantEvse
from tests.chargerd.charger import permit


class Charger:
    """Loop, board and the station's end of the channel. `amps`: what the orders allow; None: there are none."""

    def __init__(self, board: Board) -> None:
        assert board.plant is not None
        self.board = board
        self.evse: PlantEvse = board.plant.evse(1)
        self.amps: float | None = None
        self.statuses: list[Status] = []
        self.took_s: list[float] = []
        control, station = memory_pair()
        self._station: MemoryStationEnd = station
        self._unit = EvseUnit(1, board.evses[0])
        self._loop = ControlLoop(board.facts, (self._unit,), control)
        self._pacer = Pacer(PERIOD_S)
        self._seq = 0
        self._due_mono = 0.0

    @property
    def status(self) -> EvseStatus:
        """The last one published."""
        return self.statuses[-1].evses[0]

    def start(self) -> None:
        for poller in self._unit.pollers:
            poller.start()

    def stop(self) -> None:
        stop_pollers((self._unit,))
        self.board.safe_state()

    def tick(self) -> None:
        """Wait for the next tick and do it; orders are renewed each second while there are any."""
        now_mono = self._pacer.wait().at_mono
        if self.amps is not None and now_mono >= self._due_mono:
            self.order(self.amps)
        begin = time.monotonic()
        self._loop.tick(now_mono)
        self.took_s.append(time.monotonic() - begin)
        status = self._station.latest_status()
        if status is not None:
            self.statuses.append(status)

    def order(self, amps: float) -> None:
        """From now on the station allows so much."""
        now_mono = time.monotonic()
        self.amps = amps
        self._seq += 1
        self._due_mono = now_mono + 1.0
        self._station.send(permit(now_mono, self._seq, amps))

    def run(self, seconds: float) -> None:
        give_up_mono = time.monotonic() + seconds
        while time.monotonic() < give_up_mono:
            self.tick()

    def until(self, condition: Callable[[], bool], bound_s: float) -> float:
        """Run until something is so; the seconds it took."""
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < bound_s, f"not within {bound_s} s; last status: {self.statuses[-1:]}"
            self.tick()
        return time.monotonic() - begin

    def vehicle_amps(self) -> float:
        return self.evse.state().vehicle_amps

    def closed(self) -> bool:
        return self.evse.state().contacts_closed

    def charge(self, amps: float, bound_s: float = 20.0) -> None:
        """Plug in, ask, allow; until the vehicle takes what is allowed."""
        self.run(0.5)
        self.evse.plug_in()
        self.order(amps)
        self.evse.ev_ready()
        self.until(lambda: self.vehicle_amps() > amps - 0.6, bound_s)

    def story(self, step_amps: float) -> None:
        """Charge with 13 A, then 10 A, then stop. `step_amps`: how far below the offer of this board may stay."""
        self.charge(13.0)
        self.run(1.0)  # the last of its ramp
        assert self.closed()
        assert 13.0 - step_amps <= self.vehicle_amps() <= 13.05
        assert self.status.relay_commanded
        self.order(10.0)
        assert self.until(lambda: self.evse.offer_amps <= 10.0, 1.5) < 1.0  # the bound of an external limit
        assert self.evse.offer_amps > 10.0 - step_amps
        self.until(lambda: self.vehicle_amps() <= 10.05, 5.0)  # a vehicle has 5 s (IEC 61851-1 table A.6)
        self.amps = None
        self._station.send(permit(time.monotonic(), self._seq + 1, 0.0))
        self._seq += 1
        self.until(lambda: not self.closed(), 12.0)
        assert self.vehicle_amps() == 0.0
        assert self.evse.offer_amps == 0.0


@contextlib.contextmanager
def running(path: Path, run_dir: Path) -> Iterator[Charger]:
    """The board of a file, until the test is over; it is left safe."""
    board = open_board(load_board(path), run_dir=run_dir)
    charger = Charger(board)
    try:
        charger.start()
        yield charger
    finally:
        charger.stop()
        board.close()
