"""The channel between the processes over real sockets: order of starts, strangers, garbage, floods; its memory twin."""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargerd.channel import (
    CONTROL_SOCKET,
    MAX_BYTES,
    MAX_DRAIN,
    STATION_SOCKET,
    ChannelBusy,
    ChannelError,
    ControlChannel,
    ControlEnd,
    StationChannel,
    StationEnd,
    control_kept_out,
    memory_pair,
    service_uids,
)
from chargerd.evse.types import ActiveFault, EvseOrders, EvseStatus, Orders, Status
from chargerd.limits import Limit
from hal.types import BoardFacts, EvseFacts, MeterSample
from tests.chargerd.callers import open_folder

FACTS = BoardFacts(vendor="Example", model="M", serial="1", evses=(EvseFacts(max_amps=32.0, phases=3),), simulated=True)


def some_orders(seq: int = 1) -> Orders:
    return Orders(seq=seq, valid_until_mono=50.0, evses=(EvseOrders(permit=True, limits=(Limit("csms", 10.0),)),))


def some_status(seq: int = 1) -> Status:
    meter = MeterSample(12.5, 1234.0, 2300.0, (10.0,), (230.0,), signed=b"\x00OCMF|\xff")
    return Status(run_id="ab12", seq=seq, at_mono=13.0, board=FACTS, evses=(EvseStatus(evse_id=1, meter=meter),))


Ends = tuple[ControlChannel, StationChannel]


def socket_pair(run_dir: Path) -> Ends:
    return ControlEnd(run_dir), StationEnd(run_dir)


def in_memory_pair(_run_dir: Path) -> Ends:
    return memory_pair()


@pytest.fixture(params=[socket_pair, in_memory_pair], ids=["sockets", "memory"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ends]:
    make: Callable[[Path], Ends] = request.param
    control, station = make(tmp_path)
    yield control, station
    control.close()
    station.close()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlEnd]:
    end = ControlEnd(tmp_path)
    yield end
    end.close()


def send_raw(run_dir: Path, datagram: bytes, to: str = CONTROL_SOCKET) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, str(run_dir / to))


def test_both_snapshots_arrive_whole(ends: Ends) -> None:
    control, station = ends
    assert station.send(some_orders())
    assert control.publish(some_status())
    assert control.latest_orders() == some_orders()
    assert station.latest_status() == some_status()


def test_a_snapshot_is_taken_once_and_nothing_new_is_none(ends: Ends) -> None:
    control, station = ends
    assert control.latest_orders() is None
    station.send(some_orders())
    assert control.latest_orders() is not None
    assert control.latest_orders() is None
    assert station.latest_status() is None


def test_the_latest_of_several_wins(ends: Ends) -> None:
    control, station = ends
    for seq in range(1, 6):
        station.send(some_orders(seq))
        control.publish(some_status(seq))
    assert control.latest_orders() == some_orders(5)
    assert station.latest_status() == some_status(5)


def test_the_station_descriptor_is_readable_exactly_while_a_status_waits(ends: Ends) -> None:
    control, station = ends

    def readable() -> bool:
        return bool(select.select([station.fileno()], [], [], 0)[0])

    assert not readable()
    control.publish(some_status())
    assert readable()
    station.latest_status()
    assert not readable()


def test_an_oversized_snapshot_is_not_sent_and_counted(ends: Ends) -> None:
    control, station = ends
    fault = ActiveFault("x", 1.0, "d" * MAX_BYTES)
    assert not control.publish(msgspec.structs.replace(some_status(), evses=(EvseStatus(evse_id=1, faults=(fault,)),)))
    assert control.health().unsent == 1
    assert station.latest_status() is None


def test_sending_to_a_closed_end_is_counted_and_never_raises(ends: Ends) -> None:
    control, station = ends
    station.close()
    station.close()
    assert not control.publish(some_status())
    assert control.health().unsent == 1


def test_either_side_may_start_first_and_be_restarted(tmp_path: Path) -> None:
    control = ControlEnd(tmp_path)
    assert not control.publish(some_status())
    station = StationEnd(tmp_path)
    assert control.publish(some_status(2))
    assert station.latest_status() == some_status(2)
    control.close()
    assert not station.send(some_orders())
    control = ControlEnd(tmp_path)
    assert station.send(some_orders(3))
    assert control.latest_orders() == some_orders(3)
    station.close()
    station = StationEnd(tmp_path)
    assert control.publish(some_status(4))
    assert station.latest_status() == some_status(4)
    control.close()
    station.close()
    assert not list(tmp_path.iterdir())


def test_a_socket_left_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    killed = "import os, sys, pathlib, signal; from chargerd.channel import ControlEnd\n"
    killed += "end = ControlEnd(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert (tmp_path / CONTROL_SOCKET).is_socket()
    station = StationEnd(tmp_path)
    assert not station.send(some_orders())
    control = ControlEnd(tmp_path)
    assert station.send(some_orders())
    assert control.latest_orders() == some_orders()
    control.close()
    station.close()


def test_a_second_control_process_is_refused_and_told_what_to_do(tmp_path: Path, control: ControlEnd) -> None:
    with pytest.raises(ChannelError, match=r"control\.sock\.lock: held by another process; stop that one"):
        ControlEnd(tmp_path)
    send_raw(tmp_path, msgspec.msgpack.encode(some_orders()))
    assert control.latest_orders() == some_orders()


def test_nobody_takes_the_devices_from_a_control_process_nor_it_from_them(tmp_path: Path) -> None:
    control = ControlEnd(tmp_path)
    with pytest.raises(ChannelBusy, match="held by another process"), control_kept_out(tmp_path):
        pass
    control.close()
    with control_kept_out(tmp_path), pytest.raises(ChannelBusy, match="held by another process"):
        ControlEnd(tmp_path)
    ControlEnd(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_left_behind_may_be_taken_by_the_group(tmp_path: Path) -> None:
    with control_kept_out(tmp_path):
        assert (tmp_path / f"{CONTROL_SOCKET}.lock").stat().st_mode & 0o777 == 0o660


def test_a_missing_run_directory_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match=r"nowhere/control\.sock\.lock: No such file or directory; its dir"):
        ControlEnd(tmp_path / "nowhere")


def test_of_two_that_start_and_stop_all_the_time_never_both_have_the_directory(tmp_path: Path) -> None:
    holding, most, opened = 0, 0, 0

    def start_and_stop() -> None:
        nonlocal holding, most, opened
        mine = 0
        while mine < 300:
            try:
                end = ControlEnd(tmp_path)
            except ChannelError:
                continue  # the other one has it: it lets go soon
            holding += 1
            most = max(most, holding)
            mine += 1
            opened += 1
            holding -= 1
            end.close()

    threads = [threading.Thread(target=start_and_stop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert opened == 600
    assert not list(tmp_path.iterdir())


def test_a_path_too_long_for_a_socket_is_named_and_leaves_no_lock(tmp_path: Path) -> None:
    run_dir = tmp_path / ("d" * 100)
    run_dir.mkdir()
    for _ in range(2):
        with pytest.raises(ChannelError, match="its path short"):
            ControlEnd(run_dir)


def test_the_socket_is_open_to_owner_and_group_only(tmp_path: Path, control: ControlEnd) -> None:
    assert (tmp_path / CONTROL_SOCKET).stat().st_mode & 0o777 == 0o660
    assert control.health().received == 0


def test_orders_of_a_stranger_are_dropped_and_counted(tmp_path: Path) -> None:
    control = ControlEnd(tmp_path, trusted_uids=frozenset({os.getuid() + 12345}))
    send_raw(tmp_path, msgspec.msgpack.encode(some_orders()))
    assert control.latest_orders() is None
    assert control.health().refused == 1
    control.close()


def test_orders_of_another_user_are_dropped_whatever_the_socket_lets_in() -> None:
    send = (
        "import os, socket, sys\n"
        "os.geteuid() or (os.setgroups([]), os.setgid(61000), os.setuid(61000))\n"
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.stdin.buffer.read(), sys.argv[1])"
    )
    with open_folder() as folder:
        control = ControlEnd(folder, trusted_uids=frozenset({0}))
        (folder / CONTROL_SOCKET).chmod(0o666)
        orders = msgspec.msgpack.encode(some_orders())
        subprocess.run([sys.executable, "-c", send, folder / CONTROL_SOCKET], input=orders, check=True)
        assert control.latest_orders() is None
        assert control.health().refused == 1
        control.close()


def test_root_and_the_own_user_are_trusted() -> None:
    assert {0, os.getuid()} <= service_uids()


def test_garbage_before_and_after_good_orders_does_no_harm(tmp_path: Path, control: ControlEnd) -> None:
    send_raw(tmp_path, b"")
    send_raw(tmp_path, b"\xc1" * 100)
    send_raw(tmp_path, msgspec.msgpack.encode(some_orders(7)))
    send_raw(tmp_path, msgspec.msgpack.encode({"seq": "seven"}))
    send_raw(tmp_path, b"\x91" * 60_000)
    assert control.latest_orders() == some_orders(7)
    health = control.health()
    assert (health.received, health.refused) == (1, 4)


def test_a_datagram_above_the_cap_is_dropped_unread(tmp_path: Path, control: ControlEnd) -> None:
    send_raw(tmp_path, msgspec.msgpack.encode(some_orders()) + b"\x00" * MAX_BYTES)
    assert control.latest_orders() is None
    assert control.health().refused == 1


def test_a_descriptor_passed_along_is_not_received(tmp_path: Path, control: ControlEnd) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(tmp_path / CONTROL_SOCKET))
        socket.send_fds(sender, [msgspec.msgpack.encode(some_orders())], [reader])
    os.close(reader)
    os.close(writer)
    control.latest_orders()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_flood_costs_a_bounded_number_of_datagrams_per_call(tmp_path: Path, control: ControlEnd) -> None:
    """The queue of the kernel is short (net.unix.max_dgram_qlen), so the flood is fed by a thread of its own."""
    flood = "import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1])\n"
    flood += "for _ in range(1000): s.send(b'x')"
    with subprocess.Popen([sys.executable, "-c", flood, str(tmp_path / CONTROL_SOCKET)]) as process:
        end = time.monotonic() + 20
        most = seen = 0
        while control.health().refused < 1000 and time.monotonic() < end:
            control.latest_orders()
            most = max(most, control.health().refused - seen)
            seen = control.health().refused
        assert process.wait() == 0
    assert seen == 1000
    assert most <= MAX_DRAIN


def test_a_peer_that_hangs_with_a_full_queue_never_blocks_the_sender(tmp_path: Path, control: ControlEnd) -> None:
    station = StationEnd(tmp_path)
    began = time.monotonic()
    sent = sum(control.publish(some_status(seq)) for seq in range(1, 2001))
    assert time.monotonic() - began < 5.0
    assert 0 < sent < 2000
    assert control.health().unsent == 2000 - sent
    while station.latest_status() is not None:
        pass
    assert control.publish(some_status(3000))
    assert station.latest_status() == some_status(3000)
    station.close()


def test_the_station_refuses_garbage_too(tmp_path: Path) -> None:
    station = StationEnd(tmp_path)
    send_raw(tmp_path, b"\x81\xa4sloo", STATION_SOCKET)
    assert station.latest_status() is None
    assert station.health().refused == 1
    station.close()


GOOD = msgspec.msgpack.encode(some_orders())


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(min_size=1, max_size=400),
        st.builds(lambda at, dirt: GOOD[:at] + dirt + GOOD[at:], st.integers(0, len(GOOD)), st.binary(max_size=6)),
        st.integers(1, 60_000).map(lambda depth: b"\x82\xa1x" + b"\x91" * depth),
    )
)
def test_whatever_bytes_arrive_the_control_end_answers_with_orders_or_none(datagram: bytes) -> None:
    control, station = memory_pair()
    station._down.put(datagram)  # the pair's own wire, below the encoder
    orders = control.latest_orders()
    assert orders is None or isinstance(orders, Orders)
