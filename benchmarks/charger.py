"""Both processes as on the device, on a simulated board, and what the kernel says they cost."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self, TypeVar

import msgspec

BOARDS = Path(__file__).resolve().parents[1] / "board-configs"
FIFO_PRIORITY = 40
"""As systemd/chargerd-control.service has it."""

WITHIN_S = 20.0
STOP_WITHIN_S = 10.0

T = TypeVar("T")


class Line(msgspec.Struct, frozen=True):
    """A line of a process's log and when it came."""

    at_mono: float
    text: str


class Memory(msgspec.Struct, frozen=True):
    """In MB (10^6 bytes). `pss`: shared pages count in parts; `rss`: in full in each process that has them."""

    pss: float
    rss: float


class Charger:
    """The control and the station process, started at `started_mono`; a context manager, which stops them."""

    def __init__(self, board: str, url: str, *, realtime: bool = False, state: Path | None = None) -> None:
        """`realtime`: the control process is given its scheduling class from outside, as PID 1 does by its unit.
        `state`: a state directory to go on with; None: a new one.
        """
        self.run_dir = Path(tempfile.mkdtemp(prefix="chargerd-benchmark-"))
        self.log: dict[str, list[Line]] = {"control": [], "station": []}
        self._write_settings(url, state)
        python = [sys.executable, "-m", "chargerd"]
        class_of = ["chrt", "--fifo", str(FIFO_PRIORITY)] if realtime else []
        run, desk, config = str(self.run_dir), str(self.run_dir / "desk"), str(self.run_dir / "chargerd.toml")
        self.started_mono = time.monotonic()
        self._processes = {
            "control": self._start(
                [*class_of, *python, "control", "--board", str(BOARDS / board), "--run", run, "--desk", desk]
            ),
            "station": self._start([*python, "station", "--config", config]),
        }
        self._readers = [
            threading.Thread(target=_collect, args=(process.stderr, self.log[name]), daemon=True)
            for name, process in self._processes.items()
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
        for reader in self._readers:
            reader.join()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    # ------------------------------------------------------------------ what it says and does

    def ask(self, verb: str, **arguments: Any) -> Mapping[str, Any]:
        """One verb to the simulated plant."""
        return _ask(self.run_dir / "desk", {"verb": verb} | arguments)

    def report(self) -> Mapping[str, Any]:
        """What `chargerctl status` shows."""
        return _ask(self.run_dir / "station.console", {"verb": "status"})

    def line(self, process: str, text: str) -> Line:
        """The first line of the log that holds `text`, waited for."""
        return self.wait_for(
            lambda: next((line for line in self.log[process] if text in line.text), None), f"{process}: {text}"
        )

    def wait_for(self, look: Callable[[], T | None], what: str) -> T:
        """What `look` returns when it is no longer None or False."""
        give_up_mono = time.monotonic() + WITHIN_S
        while time.monotonic() < give_up_mono:
            if found := look():
                return found
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise SystemExit(f"the {name} process ended:\n" + "\n".join(line.text for line in self.log[name]))
            time.sleep(0.005)
        raise SystemExit(f"waited {WITHIN_S:.0f} s in vain for {what}")

    def charge(self, evses: int) -> None:
        """Plug in, tap a card, ask for energy on each EVSE; returns when all of them deliver."""
        self.wait_for((self.run_dir / "desk").exists, "the desk")
        for evse in range(1, evses + 1):
            self.ask("plug_in", evse=evse)
            self.ask("ev_ready", evse=evse)
            self.wait_for(lambda evse=evse: self._evse(evse)["connector_status"] == "Occupied", "the plug")  # type: ignore[misc]
            self.ask("present_token", evse=evse, uid=f"04A1B2C{evse}")
            self.wait_for(lambda evse=evse: self._charges(evse), f"energy on EVSE {evse}")  # type: ignore[misc]

    def _charges(self, evse: int) -> bool:
        transaction = self._evse(evse)["transaction"]
        return transaction is not None and transaction["charging_state"] == "Charging"

    def _evse(self, evse: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.report()["evses"][evse - 1]
        return found

    # ------------------------------------------------------------------ what it costs

    def memory(self, process: str) -> Memory:
        """What the process keeps in memory now."""
        sizes = {}
        for line in Path(f"/proc/{self._processes[process].pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, size = line.partition(":")
            sizes[name] = int(size.split()[0]) * 1024 / 1e6
        return Memory(sizes["Pss"], sizes["Rss"])

    def cpu_s(self, process: str) -> float:
        """Processor seconds of all its threads so far, to the nanosecond the scheduler counts in."""
        threads = Path(f"/proc/{self._processes[process].pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def cpu_percent(self, for_s: float) -> dict[str, float]:
        """Per cent of one core over the next `for_s` seconds, of each process."""
        before = {name: self.cpu_s(name) for name in self._processes}
        began_mono = time.monotonic()
        time.sleep(for_s)
        took_s = time.monotonic() - began_mono
        return {name: (self.cpu_s(name) - before[name]) / took_s * 100 for name in before}

    # ------------------------------------------------------------------ starting

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(self.run_dir), "PYTHONUNBUFFERED": "1"}
        environment.pop("NOTIFY_SOCKET", None)
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def _write_settings(self, url: str, state: Path | None) -> None:
        if state is None:
            state = self.run_dir / "state"
            state.mkdir()
        (self.run_dir / "csms-password").write_text("benchmark-password")
        (self.run_dir / "chargerd.toml").write_text(
            f'[csms]\nurl = "{url}"\nsecurity_profile = 1\ntrusted_network = true\n'
            f'[station]\nidentity = "BENCHMARK"\nstate_dir = "{state}"\nrun_dir = "{self.run_dir}"\n'
        )


def _collect(stream: IO[str] | None, lines: list[Line]) -> None:
    assert stream is not None
    for text in stream:
        lines.append(Line(time.monotonic(), text.rstrip()))  # noqa: PERF401  each with its own moment


def _ask(path: Path, request: Mapping[str, Any]) -> Mapping[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10.0)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as replies:
            reply: Mapping[str, Any] = json.loads(replies.readline())
    if not reply["ok"]:
        raise SystemExit(f"{request}: {reply['error']}")
    return reply
