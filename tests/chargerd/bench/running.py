"""A bench run as people run it, as a process of its own."""

import contextlib
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargerd.bench.expectations import look_at
from chargerd.ctl.asking import ask

ROOT = Path(__file__).resolve().parents[3]
UP_WITHIN_S = 40.0
STOPS_WITHIN_S = 15.0


@dataclass(frozen=True)
class Bench:
    """A bench that runs: its control socket and, if it has one, the port of its page."""

    process: subprocess.Popen[str]
    control: Path
    port: int

    def do(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Serve a verb; CtlError when it is refused."""
        return ask(self.control, verb, arguments)

    def until(self, *facts: str, within_s: float = 15.0) -> None:
        """Wait until each fact of the scenario language holds."""
        give_up_at = time.monotonic() + within_s
        for fact in facts:
            while not (look := look_at(fact, self.do("status"))).holds:
                assert time.monotonic() < give_up_at, f"{fact} did not come true, it is {look.found!r}"
                time.sleep(0.05)


@contextlib.contextmanager
def running_bench(directory: Path, *options: str, page: bool = False) -> Iterator[Bench]:
    """Start `chargerd bench` and wait until it says that it runs; stop it by SIGINT as a person would."""
    control, port = directory / "control", free_port()
    command = [sys.executable, "-m", "chargerd", "bench", "--control", str(control)]
    with (directory / "bench.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--page", str(port) if page else "none", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
    try:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(UP_WITHIN_S), "the bench says nothing"
        line = process.stdout.readline()
        assert "the bench is running" in line, (directory / "bench.log").read_text()
        yield Bench(process, control, port)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=STOPS_WITHIN_S)
        finally:
            process.kill()


def free_port() -> int:
    """A port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
