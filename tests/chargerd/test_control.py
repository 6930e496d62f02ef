"""The control process: its loop on virtual time, and the real one: started, ordered, killed, stopped, misconfigured."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chargerd.channel import ControlEnd, StationEnd
from chargerd.control import (
    IDLE_PERIOD_S,
    OFFER_PERIOD_S,
    PERIOD_S,
    STOP_BOUND_S,
    ControlLoop,
    assert_safe_state,
    essentials,
    exec_mono,
    stop_pollers,
)
from chargerd.devices import OutputFailed
from chargerd.evse.types import ORDERS_LEASE_S, Orders, PilotState
from chargerd.limits import Limit
from chargerd.pace import Wake
from hal.board import load_board
from hal.types import PilotMode
from tests.chargerd.charger import BENCH, BENCH_DUAL, ROOT, Process, World, permit

SOFT_STOP_S = 6.0

# ---------------------------------------------------------------- the loop on virtual time


def test_orders_let_a_vehicle_charge_and_the_status_says_who_limits_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge(amps=10.0)
    world.run(5.0)
    status = world.status
    assert status.why_not == ()
    assert status.limit == Limit("csms", 10.0)
    assert status.offered_amps == pytest.approx(10.0, abs=0.01)
    assert status.relay_closed is True
    assert status.meter is not None
    assert status.meter.amps[0] == pytest.approx(10.0, abs=0.5)


def test_lower_orders_reach_the_pilot_in_the_next_tick(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge(amps=16.0)
    world.amps = None
    world.station.send(permit(world.now_mono, seq=999, amps=10.0))
    world.tick()
    assert world.evse.offer_amps == pytest.approx(10.0, abs=0.01)


def test_a_station_that_starts_later_gets_its_first_status_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    control = ControlEnd(tmp_path)
    loop = ControlLoop(world.board.facts, (world.unit,), control)
    for _ in range(20):
        loop.tick(world.clock.advance(PERIOD_S).mono)
    assert control.health().unsent > 1

    station = StationEnd(tmp_path)
    for _ in range(round(OFFER_PERIOD_S / PERIOD_S)):
        loop.tick(world.clock.advance(PERIOD_S).mono)

    assert station.latest_status() is not None
    station.close()
    control.close()


def test_orders_that_are_not_renewed_end_the_charge_within_lease_and_soft_stop(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge()
    world.amps = None
    began = world.now_mono
    while world.evse.contacts_closed:
        world.tick()
        assert world.now_mono < began + ORDERS_LEASE_S + SOFT_STOP_S + 0.2
    assert world.now_mono > began + ORDERS_LEASE_S - 1.0
    assert "no_orders" in world.status.why_not


def test_each_opening_of_the_contactor_is_told_once_with_its_reasons(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="control")
    world = World(tmp_path)
    world.charge()
    world.run(2.0)
    assert caplog.messages == []
    world.evse.fault("trip_rcd")
    world.run(2.0)
    assert [line for line in caplog.messages if "opens" in line] == [
        "EVSE 1: contactor opens (residual_tripped, fault:residual_ac)"
    ]


def test_stopping_takes_the_offer_back_first_and_opens_when_the_vehicle_has_stopped(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge()
    world.tick(stopping=True)
    assert world.evse.state().pilot_mode is PilotMode.STEADY_HIGH
    assert not world.loop.is_open()
    began = world.now_mono
    while not world.loop.is_open():
        world.tick(stopping=True)
    assert world.now_mono - began < SOFT_STOP_S
    assert world.evse.state().vehicle_amps == 0.0


def test_a_vehicle_that_goes_on_drawing_is_cut_off_within_the_bound_of_a_stop(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.amps = 16.0
    world.evse.plug_in(quirks=("never_stops",))
    world.evse.ev_ready()
    world.run(15.0)
    assert world.evse.contacts_closed
    began = world.now_mono
    while not world.loop.is_open():
        world.tick(stopping=True)
        assert world.now_mono - began <= STOP_BOUND_S


def test_a_stop_waits_until_the_feedback_says_open(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge()
    world.evse.ev_pause()
    world.evse.fault("weld_relay")
    world.run(SOFT_STOP_S + 1.0, stopping=True)
    assert not world.unit.relay_closed
    assert not world.loop.is_open()
    world.evse.clear_fault("weld_relay")
    world.run(0.5, stopping=True)
    assert world.loop.is_open()


@pytest.mark.parametrize("role, reason", [("pilot", "pilot_missing"), ("residual", "residual_missing")])
def test_a_safety_device_that_falls_silent_in_mid_charge_opens_the_contactor_and_is_named(
    tmp_path: Path, role: str, reason: str
) -> None:
    world = World(tmp_path, wired=role)
    world.charge()
    world.wire.cut = True
    world.run(0.5)
    assert not world.evse.contacts_closed
    assert reason in world.status.why_not
    assert world.loop.is_open()


def test_a_meter_that_falls_silent_ends_the_charge_and_one_that_returns_allows_it_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge()
    world.evse.fault("stall_meter")
    world.run(20.0)
    assert "meter_missing" in world.status.why_not
    assert not world.evse.contacts_closed
    world.evse.clear_fault("stall_meter")
    world.run(20.0)
    assert world.evse.contacts_closed


def test_a_meter_that_was_swapped_ends_the_charge_under_a_name_of_its_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge()
    world.evse.fault("swap_meter")
    world.run(20.0)
    assert [fault.code for fault in world.status.faults] == ["meter_swapped"]
    assert not world.evse.contacts_closed
    world.evse.clear_fault("swap_meter")
    world.run(40.0)
    assert world.evse.contacts_closed


def test_a_contactor_that_cannot_be_written_ends_the_loop(tmp_path: Path) -> None:
    world = World(tmp_path, wired="relays")
    world.charge()
    world.wire.cut = True
    with pytest.raises(OutputFailed):
        world.tick()
    world.clock.advance(1.1)
    assert world.board.plant is not None
    assert not world.board.plant.state().evses[0].contacts_closed  # the board's own lease


def test_a_status_goes_out_each_second_and_at_once_on_a_change(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(3.0)
    quiet = len(world.statuses)
    assert 3 <= quiet <= 16  # meter, temperature and the first readings are changes too
    world.evse.plug_in()
    began = world.now_mono
    while not world.status.ev_connected:
        world.tick()
    assert world.now_mono - began <= 0.3  # the debounce of the pilot
    assert [status.seq for status in world.statuses] == list(range(1, len(world.statuses) + 1))
    assert len({status.run_id for status in world.statuses}) == 1


def test_an_idle_status_is_never_older_than_a_second(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10.0)
    ages = [b.at_mono - a.at_mono for a, b in zip(world.statuses, world.statuses[1:], strict=False)]
    assert max(ages) <= 1.0 + 2 * PERIOD_S


def test_the_watchdog_is_earned_by_the_loop_and_a_fresh_pilot_reading(tmp_path: Path) -> None:
    world = World(tmp_path, wired="pilot")
    world.tick()
    assert world.loop.progress.owing() == frozenset()
    world.loop.progress.begin()
    world.wire.cut = True
    world.run(1.0)
    assert world.loop.progress.owing() == {"pilot"}
    world.wire.cut = False
    world.tick()
    assert world.loop.progress.owing() == frozenset()


def test_a_poller_that_ended_ends_the_loop(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.unit.pollers[0].crash = TypeError("driver bug")
    with pytest.raises(RuntimeError, match=r"evse\[0\]\.meter: the poller ended: TypeError\('driver bug'\)"):
        world.tick()


def test_pollers_that_hang_are_left_behind_within_one_bound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, wired="meter")
    hanging = threading.Event()
    world.wire.hang = hanging
    for poller in world.unit.pollers:
        poller.start()
    began = time.monotonic()
    stop_pollers((world.unit, world.unit))
    assert time.monotonic() - began < 3.0
    assert "evse[0].meter: hangs in its device, leaving it behind" in caplog.messages
    hanging.set()
    assert world.unit.pollers[0].stop()


def test_garbage_on_the_channel_is_told_once_and_changes_nothing(tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        process.wait_for(lambda status: status.loop.ticks > 5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"\xff" * 100, str(tmp_path / "control.sock"))
        ticks = process.status.loop.ticks
        process.wait_for(lambda status: status.loop.ticks > ticks + 100)
        assert process.log.count("control: 1 datagrams refused") == 1


def test_safe_state_needs_no_device_but_pilot_and_relays() -> None:
    boards = essentials(load_board(BENCH_DUAL))
    assert [[device.role for device in board.evses[0].devices] for board in boards] == [["pilot", "relays"]] * 2
    assert assert_safe_state(load_board(BENCH_DUAL)) == []


def test_the_time_of_exec_is_known() -> None:
    age_s = time.monotonic() - exec_mono()
    assert 0.0 < age_s < 3600.0


def test_the_loop_turns_slower_only_while_no_vehicle_is_there_and_every_contactor_is_open(tmp_path: Path) -> None:
    world = World(tmp_path)
    seen = []

    def look(seconds: float) -> None:
        world.run(seconds)
        seen.append(world.loop.period_s())

    look(PERIOD_S)  # the state of the pilot is not known yet
    look(3.0)
    world.evse.plug_in()
    look(3.0)
    world.evse.ev_ready()
    world.amps = 16.0
    look(15.0)
    assert world.evse.contacts_closed
    world.evse.fault("weld_relay")
    world.amps = None
    world.evse.unplug_ev()
    look(60.0)
    world.evse.clear_fault("weld_relay")
    look(3.0)
    assert seen == [PERIOD_S, IDLE_PERIOD_S, PERIOD_S, PERIOD_S, PERIOD_S, IDLE_PERIOD_S]


# ---------------------------------------------------------------- the real process


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path) as process:
        yield process


def test_the_process_publishes_obeys_orders_and_opens_when_they_lapse(process: Process) -> None:
    process.charge(amps=16.0)
    assert process.contacts_closed()
    process.wait_for(lambda status: status.evses[0].limit.amps == 10.0, amps=10.0)
    assert process.status.evses[0].offered_amps == pytest.approx(10.0, abs=0.01)
    short = Orders(seq=10_000, valid_until_mono=time.monotonic() + 1.0, evses=permit(0.0).evses)
    process.station.send(short)
    took_s = process.wait_for(lambda status: status.evses[0].relay_closed is False)
    assert took_s < 1.0 + SOFT_STOP_S + 2.0
    assert not process.contacts_closed()
    assert process.stop() == 0


def test_the_process_does_less_while_nothing_is_plugged_in(process: Process) -> None:
    def periods_per_s(amps: float | None) -> float:
        process.wait_for(lambda _: True, amps)
        first = process.status
        process.wait_for(lambda status: status.at_mono >= first.at_mono + 2.0, amps)
        last = process.status
        periods = last.loop.ticks + last.loop.missed - first.loop.ticks - first.loop.missed
        return periods / (last.at_mono - first.at_mono)

    process.wait_for(lambda status: status.evses[0].pilot_state is PilotState.A)
    assert periods_per_s(None) == pytest.approx(1.0 / IDLE_PERIOD_S, rel=0.1)
    process.charge()
    assert periods_per_s(16.0) == pytest.approx(1.0 / PERIOD_S, rel=0.1)


def test_sigterm_in_mid_charge_stops_softly_and_ends_in_the_safe_state(process: Process) -> None:
    process.charge()
    process.statuses.clear()
    began = time.monotonic()
    process.popen.send_signal(signal.SIGTERM)
    while process.popen.poll() is None:
        status = process.station.latest_status()
        if status is not None:
            process.statuses.append(status)
        assert time.monotonic() < began + 15.0
        time.sleep(0.002)
    last = process.statuses[-1].evses[0]
    assert process.popen.returncode == 0
    assert last.why_not[0] == "no_orders"
    assert last.relay_commanded is False
    assert any(s.evses[0].pilot_mode is PilotMode.STEADY_HIGH and s.evses[0].relay_commanded for s in process.statuses)
    assert "control: stopping (SIGTERM)" in process.log
    assert "contactors told to open, pilots steady" in process.log
    assert not list(process.run_dir.glob("control.sock"))


def test_a_second_sigterm_does_not_wait_for_the_vehicle(process: Process) -> None:
    process.charge()
    process.popen.send_signal(signal.SIGTERM)
    process.wait_for(lambda status: "no_orders" in status.evses[0].why_not)
    began = time.monotonic()
    assert process.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 2.0


def test_after_sigkill_in_mid_charge_it_starts_again_over_the_stale_socket(tmp_path: Path) -> None:
    with Process(tmp_path) as first:
        first.charge()
        run_id = first.status.run_id
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (tmp_path / "control.sock").exists()
    assert safe_state(BENCH).returncode == 0
    with Process(tmp_path) as second:
        second.wait_for(lambda status: status.evses[0].pilot_state == "A")
        assert second.status.run_id != run_id
        assert second.status.evses[0].relay_closed is False


def test_ready_is_told_only_after_the_safe_state_and_the_watchdog_is_fed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(str(tmp_path / "notify"))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with Process(tmp_path, env=env) as process:
            while (message := manager.recv(1000)) == b"WATCHDOG=1":
                pass
            assert message == b"READY=1\nSTATUS=Bench BENCH-0001, 1 EVSE"
            assert "safe state asserted" in process.log
            fed_at = []
            for _ in range(4):
                assert manager.recv(1000) == b"WATCHDOG=1"
                fed_at.append(time.monotonic())
            assert fed_at[-1] - fed_at[0] < 0.4 * 3
            process.popen.send_signal(signal.SIGTERM)
            while (message := manager.recv(1000)) == b"WATCHDOG=1":
                pass
            assert message == b"STOPPING=1\nSTATUS=SIGTERM"


def test_two_evses_are_stepped_by_one_loop(tmp_path: Path) -> None:
    with Process(tmp_path, board=BENCH_DUAL) as process:
        process.wait_for(lambda status: [evse.pilot_state for evse in status.evses] == ["A", "A"])
        process.desk("plug_in", evse=2)
        process.wait_for(lambda status: status.evses[1].ev_connected and not status.evses[0].ev_connected)
        process.desk("present_token", evse=2, uid="04A1")
        process.wait_for(lambda status: status.evses[1].token is not None and status.evses[1].token.token.uid == "04A1")


def test_a_log_that_nobody_reads_does_not_stall_the_loop(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    station = StationEnd(tmp_path)
    command = [sys.executable, "-m", "chargerd", "control", "--board", str(BENCH), "--run", str(tmp_path)]
    with subprocess.Popen(command, stderr=writer, cwd=ROOT) as process:
        os.close(writer)
        end = time.monotonic() + 20
        ticks = 0
        while ticks < 100 and time.monotonic() < end:
            status = station.latest_status()
            ticks = status.loop.ticks if status is not None else ticks
            time.sleep(0.01)
        process.terminate()
        assert process.wait(20) == 0
    os.close(reader)
    station.close()
    assert ticks >= 100


def test_a_second_control_process_on_the_run_directory_gives_up_and_says_why(process: Process) -> None:
    process.wait_for(lambda status: status.loop.ticks > 1)
    second = subprocess.run(
        [sys.executable, "-m", "chargerd", "control", "--board", BENCH, "--run", process.run_dir],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=30,
    )  # fmt: skip
    assert second.returncode == 75
    assert "control.sock.lock: held by another process" in second.stderr
    assert "safe state" not in second.stderr


def test_a_run_directory_that_is_not_there_is_told_after_the_safe_state(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chargerd", "control", "--board", BENCH, "--run", tmp_path / "nowhere"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=30,
    )  # fmt: skip
    assert done.returncode == 75
    assert re.search(r"(?s)safe state asserted.*nowhere/control\.sock\.lock: No such file", done.stderr)


def safe_state(board: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "chargerd", "safe-state", "--board", str(board)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)


def test_safe_state_says_what_it_did() -> None:
    done = safe_state(BENCH)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "chargerd safe-state: contactors open, pilots steady\n",
        "",
    )


def broken(change: Callable[[str], str], tmp_path: Path) -> Path:
    path = tmp_path / "board.toml"
    path.write_text(change(BENCH.read_text()))
    return path


@pytest.mark.parametrize("command", ["control", "safe-state"])
def test_a_wrong_board_file_is_exit_78_and_one_line(tmp_path: Path, command: str) -> None:
    path = broken(lambda text: text.replace("max_amps", "max_amp"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "chargerd", command, "--board", path],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=30,
    )  # fmt: skip
    assert done.returncode == 78
    assert re.fullmatch(rf"chargerd {command}: .*board\.toml: evse\[0\].*max_amps.*\n", done.stderr)


def test_a_missing_meter_does_not_keep_the_safe_state_from_being_asserted(tmp_path: Path) -> None:
    """The meter's port is not there: the board cannot be opened as a whole, its contactor can."""
    path = broken(
        lambda text: re.sub(r"(?s)\[\[plant\.meter\]\].*?\n\n", "", text).replace("{run}", str(tmp_path)), tmp_path
    )
    done = subprocess.run(
        [sys.executable, "-m", "chargerd", "control", "--board", path, "--run", tmp_path],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert "safe state asserted" in done.stderr
    assert f"{tmp_path}/meter-1" in done.stderr
    assert safe_state(path).returncode == 0


def test_the_control_process_loads_neither_ocpp_nor_tls_by_itself() -> None:
    """A board's driver may bring more (pymodbus brings asyncio); our own modules must not."""
    loaded = "import sys, chargerd.control; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = set(done.stdout.split())
    assert modules.isdisjoint({"asyncio", "ssl", "cryptography", "websockets", "sqlite3", "http", "urllib.request"})
    assert not [name for name in modules if name.startswith("chargerd.ocpp")]


def test_the_state_of_the_world_survives_encoding(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.charge()
    status = world.statuses[-1]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(status), type=type(status)) == status
    assert len(msgspec.msgpack.encode(status)) < 2000


def test_the_loop_counts_what_it_was_told(tmp_path: Path) -> None:
    loop: ControlLoop = World(tmp_path).loop
    for late_s in (0.0001, 0.0002, 0.03):
        loop.account(Wake(1.0, late_s, int(late_s / PERIOD_S)), 0.002)
    health = loop.health()
    assert health.missed == 1
    assert [health.work_max_ms, health.late_max_ms] == pytest.approx([2.0, 30.0])
    assert health.work_p99_ms == pytest.approx(2.0)
    assert health.late_p50_ms == pytest.approx(0.2, rel=0.2)
