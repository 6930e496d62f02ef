"""A walk through a whole board: on the plant's time, and as a technician has it, in a terminal of its own."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd.channel import ChannelBusy, ControlEnd
from chargerd.ctl.bring_up import STEPS, keep_still, open_what_is_there
from chargerd.ctl.bring_up_acts import Place, Result, Script, Step, Wait, ok
from chargerd.ctl.terminal import Ended, Reply
from hal.board import BACKENDS, load_board
from hal.board_file import DeviceConfig
from hal.drivers._blueprint import Settings
from hal.sim.devices import SimPilot, SimRelays
from hal.types import DeviceSilent, PilotMode, PilotReading
from tests.chargerd.ctl.walking import Person, all_devices, full_world, walk_of
from tests.hal.boards import BENCH, BOARD_CONFIGS, bench_tables, write

ROOT = Path(__file__).resolve().parents[3]
ALL = frozenset(STEPS)


def results(person_walk: Any) -> dict[str, Result]:
    return {f"{entry.role} {entry.step}": entry.outcome.result for entry in person_walk.entries}


# ---- the walk ----


def test_there_is_something_to_try_for_every_role() -> None:
    assert set(STEPS) == set(BACKENDS)
    assert all(STEPS.values())


def test_what_protects_is_tried_before_the_contactor_closes() -> None:
    order = list(STEPS)
    assert max(order.index(role) for role in ("pilot", "inputs", "residual", "lock")) < order.index("relays")


def test_a_whole_board_is_walked_through_and_every_step_noted() -> None:
    world = full_world()
    config = load_board(BENCH)
    walk = walk_of(world, Person(world, otherwise=Reply.SKIP))
    walk.walk(config, ALL)
    noted = results(walk)
    assert set(noted) == {"board safe state at the start"} | {
        f"{role} {step.name}" for role, steps in STEPS.items() for step in steps
    }
    assert Result.FAILED not in noted.values()


def test_only_some_roles_are_walked_when_asked() -> None:
    world = full_world()
    walk = walk_of(world, Person(world))
    walk.walk(load_board(BENCH), frozenset({"thermometer", "lock"}))
    assert list(results(walk)) == ["board safe state at the start", "thermometer reading", "lock movement"]


def test_a_device_that_is_not_fitted_is_no_step(tmp_path: Path) -> None:
    world = full_world()
    person = Person(world, otherwise=Reply.SKIP)
    walk = walk_of(world, person, all_devices(world, meter=None, reader=None))
    walk.walk(load_board(BENCH), ALL)
    assert not any(entry.role in {"meter", "reader"} for entry in walk.entries)


# ---- the safe state ----


def leaves_it_closed(place: Place) -> Script:
    place.devices.pilot.set(PilotMode.PWM, 20.0)
    place.devices.relays.hold(True, 5.0)
    yield Wait(0.2)
    return ok()


def test_the_board_is_safe_after_each_step() -> None:
    world = full_world()
    steps = {"pilot": (Step("leaves it closed", leaves_it_closed),)}
    walk_of(world, Person(world), steps=steps).walk(load_board(BENCH), frozenset({"pilot"}))
    world.wait(0.1)
    assert (world.closed(), world.peaks()) == (False, (12.0, 12.0))


def test_who_ends_it_in_the_middle_leaves_it_safe_and_knows_how_far_it_came() -> None:
    world = full_world()
    walk = walk_of(world, Person(world, {"Mains voltage": None}))
    with pytest.raises(Ended, match="ended by q"):
        walk.walk(load_board(BENCH), frozenset({"relays", "reader"}))
    last = walk.entries[-1]
    assert (last.step, last.outcome.result, last.outcome.note) == ("close and open", Result.SKIPPED, "not finished")
    world.wait(0.1)
    assert world.closed() is False


class Stubborn(SimRelays):
    """Says no when it is told to open, from the second time on."""

    told = 0

    def hold(self, closed: bool, for_s: float) -> None:
        self.told += 1
        if not closed and self.told > 1:
            raise DeviceSilent("evse[0].relays", "no answer")
        super().hold(closed, for_s)


def test_a_step_after_which_there_is_no_safe_state_has_failed() -> None:
    world = full_world()
    relays = Stubborn(world.evse, world.slot("relays"))
    walk = walk_of(world, Person(world), all_devices(world, relays=relays))
    walk.walk(load_board(BENCH), frozenset({"thermometer"}))
    entry = walk.entries[-1]
    assert (entry.step, entry.outcome.result) == ("reading", Result.FAILED)
    assert entry.outcome.note == "no safe state: evse[0].relays: no answer"


def test_a_device_that_fails_fails_its_step_and_not_the_walk() -> None:
    world = full_world()
    world.evse.fault("freeze_reader")
    walk = walk_of(world, Person(world))
    walk.walk(load_board(BENCH), frozenset({"reader"}))
    assert walk.entries[-1].outcome.note == "evse[0].reader: no answer"


class Counting(SimPilot):
    reads: list[float]

    def read(self) -> PilotReading:
        reading = super().read()
        self.reads.append(reading.at_mono)
        return reading


def test_while_a_person_works_the_controller_hears_from_us() -> None:
    """A controller that is not asked for some seconds must take the computer for hung."""
    world = full_world()
    pilot = Counting(world.evse, world.slot("pilot"))
    pilot.reads = []
    walk = walk_of(world, Person(world), all_devices(world, pilot=pilot))
    walk.walk(load_board(BENCH), frozenset({"reader"}))
    assert len(pilot.reads) >= 290  # 30 s without a card


def test_keeping_still_stops_every_thread_of_this_process() -> None:
    beats: list[float] = []
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.01):
            beats.append(time.monotonic())

    thread = threading.Thread(target=beat)
    thread.start()
    time.sleep(0.1)
    keep_still(0.5)
    time.sleep(0.1)
    stop.set()
    thread.join()
    assert max(later - earlier for earlier, later in pairwise(beats)) >= 0.45


# ---- opening ----


def test_what_cannot_be_opened_is_left_out_and_told(tmp_path: Path) -> None:
    tables = bench_tables()
    tables["evse"][0] |= {
        "meter": {"driver": "meter_modbus", "map": "eastron_sdm630", "port": str(tmp_path / "nix")},
        "reader": {"driver": "sim"},
    }
    board, missing = open_what_is_there(load_board(write(tmp_path / "board.toml", tables)), None)
    assert board is not None
    assert (board.evses[0].meter, board.evses[0].reader is not None) == (None, True)
    assert [(entry.evse_id, entry.role, entry.step) for entry in missing] == [(1, "meter", "opening")]
    assert "nix is not there; plug the adapter in" in missing[0].outcome.note
    board.close()


def test_without_a_contactor_nothing_is_tried(tmp_path: Path) -> None:
    config = load_board(BENCH)
    evse = config.evses[0]
    relays = DeviceConfig("relays", "_blueprint", Settings(port=str(tmp_path / "nix")))
    others = tuple(device for device in evse.devices if device.role != "relays")
    evse = msgspec.structs.replace(evse, devices=(*others, relays))
    board, missing = open_what_is_there(msgspec.structs.replace(config, evses=(evse,)), None)
    assert board is None
    assert [entry.role for entry in missing] == ["relays"]


# ---- as a technician has it ----


class Technician:
    """`chargerctl board bring-up` on the bench board, in a terminal of its own; `desk` is the plant's socket."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.screen = ""
        self._terminal = terminal

    def sees(self, text: str, within_s: float = 20.0) -> None:
        """Wait until the text stands there, below what was seen before."""
        end_mono = time.monotonic() + within_s
        while text not in self.screen:
            left_s = end_mono - time.monotonic()
            assert left_s > 0, f"{text!r} does not come; the screen: {self.screen}"
            if select.select([self._terminal], [], [], left_s)[0]:
                self.screen += os.read(self._terminal, 4096).decode()
        self.screen = self.screen.partition(text)[2]

    def press(self, key: str) -> None:
        os.write(self._terminal, key.encode())

    def does(self, **request: Any) -> None:
        """Something in the plant, by the desk."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as desk:
            desk.connect(str(self.folder / "desk"))
            desk.sendall(json.dumps(request).encode() + b"\n")
            assert json.loads(desk.recv(65536))["ok"]

    def hang_up(self) -> None:
        os.close(self._terminal)
        self._terminal = -1

    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return document

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self._terminal >= 0:
            os.close(self._terminal)


@contextmanager
def technician(folder: Path, *options: str, board: Path = BENCH) -> Iterator[Technician]:
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "chargerd.ctl", "board", "bring-up", str(board), "--run", str(folder), *options]
    command += ["--desk", str(folder / "desk"), "--report", str(folder / "report")]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"},
    )
    os.close(terminal)
    person = Technician(process, controller, folder)
    try:
        yield person
    finally:
        person.close()


def test_a_technician_is_led_through_lock_and_card_reader(tmp_path: Path) -> None:
    with technician(tmp_path, "--only", "lock", "--only", "reader") as person:
        person.sees("chargerd Bench, BENCH-0001  SIMULATED")
        person.sees("socket lock, movement")
        person.sees("fingers away. Go on? [y n s q] ")
        person.press("y")
        person.sees("locked after")
        person.sees("Have you a card?")
        person.press("y")
        person.sees("Hold it to the reader")
        person.does(verb="present_token", evse=1, uid="04A1B2C3")
        person.sees("Seen: 04…C3")
        person.does(verb="present_token", evse=1, uid="04A1B2C3")
        person.sees("4 ok, 0 failed, 0 skipped")
        person.sees(f"report: {tmp_path}/report.md and {tmp_path}/report.json")
        assert person.process.wait(10) == 0
    report = person.report()
    assert (report["serial"], report["ended"], len(report["entries"])) == ("BENCH-0001", "", 4)
    assert "04A1B2C3" not in (tmp_path / "report.md").read_text() + (tmp_path / "report.json").read_text()


def test_no_control_process_starts_while_a_board_is_brought_up(tmp_path: Path) -> None:
    with technician(tmp_path, "--only", "lock") as person:
        person.sees("Go on?")
        with pytest.raises(ChannelBusy):
            ControlEnd(tmp_path)
        person.press("q")
        person.sees("ended by q")
        assert person.process.wait(10) == 1
    ControlEnd(tmp_path).close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_contactor_is_closed_opens_it_and_the_report_says_so(
    tmp_path: Path, number: signal.Signals
) -> None:
    with technician(tmp_path, "--only", "relays") as person:
        person.sees("nobody touching it? [y n s q] ")
        person.press("s")
        person.sees("nobody touching it? [y n s q] ")
        person.press("y")
        end_mono = time.monotonic() + 10
        while not closed(person):
            assert time.monotonic() < end_mono
        person.process.send_signal(number)
        assert person.process.wait(10) == 1
    report = person.report()
    assert report["ended"] == f"ended by {number.name}"
    assert [entry["outcome"]["result"] for entry in report["entries"]] == ["ok", "skipped", "skipped", "ok"]
    assert report["entries"][-1]["step"] == "safe state at the end"


def closed(person: Technician) -> bool:
    """Whether the plant's contactor is closed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as desk:
        desk.connect(str(person.folder / "desk"))
        desk.sendall(b'{"verb": "plant"}\n')
        told: bool = json.loads(desk.recv(65536))["plant"]["evses"][0]["contacts_closed"]
        return told


def test_a_terminal_that_is_closed_ends_it_in_the_safe_state(tmp_path: Path) -> None:
    with technician(tmp_path, "--only", "lock") as person:
        person.sees("Go on?")
        person.hang_up()
        assert person.process.wait(10) == 1
    report = person.report()
    assert report["ended"] == "the terminal is gone"
    assert report["entries"][-1]["outcome"]["result"] == "ok"


@pytest.mark.parametrize("name", ["rapi", "yeti"])
def test_a_controller_with_a_mind_of_its_own_is_tried_with_a_vehicle_simulator(tmp_path: Path, name: str) -> None:
    board = BOARD_CONFIGS / f"bench-{name}.toml"
    with technician(tmp_path, "--only", "pilot", "--only", "relays", board=board) as person:
        for question in ("oscilloscope or pilot tester", "vehicle simulator to plug in"):
            person.sees(question)
            person.sees("[y n s q] ")
            person.press("n")
        person.sees("It closes for nobody but a vehicle")
        person.does(verb="plug_in", evse=1)
        person.does(verb="ev_ready", evse=1)
        person.sees("nobody touching it? [y n s q] ")
        person.press("y")
        person.sees("closed after")
        person.sees("nobody touching it? [y n s q] ")
        person.press("s")
        person.sees("safe state at the end ok")
        assert person.process.wait(20) == 0
