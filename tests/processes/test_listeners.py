"""The device listens on no network socket, at no time of its life (bug classes 1 and 6): looked at from outside."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes.charge import Charger, charger

LISTENS = "0A"  # TCP_LISTEN, as /proc/net/tcp writes it
NO_PEER = {"00000000:0000", "0" * 32 + ":0000"}
EVERY_S = 0.002


def open_doors(pid: int) -> set[str]:
    """The network sockets of a process at which a stranger is heard: TCP that listens, UDP and raw with no peer."""
    descriptors = Path(f"/proc/{pid}/fd")
    ours = {str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()}
    found = set()
    for name in ("tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6"):
        table = Path(f"/proc/{pid}/net/{name}")
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            local, peer, state, inode = (row.split()[column] for column in (1, 2, 3, 9))
            is_door = state == LISTENS if name.startswith("tcp") else peer in NO_PEER
            if is_door and f"socket:[{inode}]" in ours:
                found.add(f"{name} {local}")
    return found


def family(pid: int) -> set[int]:
    """The process and whatever it has started."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= family(int(child))
    return found


def is_ours(pid: int) -> bool:
    """Whether it has become what it was started for."""
    return b"\0-m\0chargerd\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


class Watch:
    """Looks at the processes of a bench again and again. `doors`: what was ever open; `looks`: at whom how often."""

    def __init__(self) -> None:
        self.doors: set[str] = set()
        self.looks: dict[int, int] = {}
        self.kept_out: set[int] = set()
        self._over = threading.Event()
        self._own = os.getpid()

    def run(self) -> None:
        while not self._over.wait(EVERY_S):
            for pid in self._watched():
                try:
                    if not is_ours(pid):  # still a copy of this test, which serves the CSMS
                        continue
                    self.doors |= {f"{pid}: {door}" for door in open_doors(pid)}
                except PermissionError:  # only root may look into a process that is closed to its own user
                    self.kept_out.add(pid)
                except (FileNotFoundError, ProcessLookupError):
                    continue
                self.looks[pid] = self.looks.get(pid, 0) + 1

    def stop(self) -> None:
        self._over.set()

    def _watched(self) -> set[int]:
        try:
            return family(self._own) - {self._own}
        except (FileNotFoundError, ProcessLookupError):
            return set()


@contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()


def fields_of(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def core_limits(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4:6] for line in lines if line.startswith("Max core"))


def test_neither_process_has_a_door_to_the_network_from_its_start_to_its_end() -> None:
    pids: set[int] = set()

    async def a_day(station: Charger) -> None:
        pids.update(station.rig.pid(process) for process in ("control", "station"))
        await station.charge()
        await station.until_seen(lambda: len(station.events()) >= 3)
        station.rig.kill("station")
        await station.until_seen(lambda: station.rig.pid("station") not in pids)
        pids.add(station.rig.pid("station"))
        await station.until(lambda status: status["link"]["registration"] == "Accepted")
        await station.do("remote_stop")
        await station.until(lambda status: not status["evses"][0]["transaction"])

    async def story() -> None:
        async with charger() as station:
            await a_day(station)

    with watching() as watch:
        asyncio.run(story())
    assert watch.doors == set()
    assert pids <= watch.looks.keys() | watch.kept_out
    if os.geteuid() == 0:
        assert min(watch.looks[pid] for pid in pids) > 10
    else:
        assert watch.kept_out  # which is as it should be: not even their own user looks into them


def test_the_watch_notices_a_door() -> None:
    opens = (
        "import socket, sys, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
        "u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", opens], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = open_doors(process.pid)
        process.kill()
    assert sorted(door.split()[0] for door in found) == ["tcp", "udp"]


def test_both_processes_have_given_up_programs_listeners_core_dumps_and_new_privileges() -> None:
    async def story() -> None:
        async with charger() as station:
            for process in ("control", "station"):
                pid = station.rig.pid(process)
                fields = fields_of(pid)
                assert (fields["Seccomp"], fields["NoNewPrivs"], fields["Umask"]) == ("2", "1", "0077"), process
                assert core_limits(pid) == ["0", "0"]
                assert station.log.having(process, "starting programs and listening are given up")

    asyncio.run(story())
