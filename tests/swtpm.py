"""A software TPM for tests: the real swtpm in a directory of its own, on ports that are free."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

READY_WITHIN_S = 10.0


def command(state: Path, port: int) -> list[str]:
    """What starts swtpm at `port`, and its control channel at the next. `state`: absolute, for it goes to / first."""
    return [
        shutil.which("swtpm") or "/usr/bin/swtpm",
        "socket",
        "--tpm2",
        *("--tpmstate", f"dir={state}"),
        *("--server", f"type=tcp,port={port},bindaddr=127.0.0.1"),
        *("--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1"),
        *("--flags", "not-need-init,startup-clear"),
    ]


class Swtpm:
    """swtpm, started. `tcti` is what the settings call it. Start it before anything is connected to it."""

    def __init__(self, directory: Path) -> None:
        self._state = directory.absolute() / "tpm"
        self._state.mkdir(exist_ok=True)
        self.port = _free_port()
        self.tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """The same TPM each time: what is in its directory makes it."""
        assert self._process is None, "can't happen because a test stops it before it starts it again"
        self._process = subprocess.Popen(
            command(self._state, self.port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until:
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), 1.0)):
                return
            time.sleep(0.01)
        raise AssertionError(f"swtpm did not start within {READY_WITHIN_S} s")

    def stop(self) -> None:
        """It is gone, as a chip that lost its supply."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It answers nothing until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """See `hang`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "can't happen because a test hangs only what runs"
        os.kill(self._process.pid, number)


def _free_port() -> int:
    """A port with a free one after it: the TCTI looks for the control channel there."""
    for _ in range(100):
        with closing(socket.socket()) as one, closing(socket.socket()) as other:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            with suppress(OSError):
                other.bind(("127.0.0.1", port + 1))
                return port
    raise AssertionError("no two free ports beside each other")


def free_places(tcti: str) -> str:
    """What the kernel's resource manager does when a process ends: the keys that it left leave the TPM; `tcti`."""
    for handle in _transient_handles(tcti):
        _command(tcti, bytes.fromhex("8001 0000000e 00000165") + handle)
    return tcti


def places_taken(tcti: str) -> int:
    """How many keys are in it now (of the three that it has places for)."""
    return len(_transient_handles(tcti))


def _transient_handles(tcti: str) -> list[bytes]:
    """TPM2_GetCapability of the handles of transient objects (TPM 2.0 part 3, 30.2)."""
    answer = _command(tcti, bytes.fromhex("8001 00000016 0000017a 00000001 80000000 00000010"))
    count = int.from_bytes(answer[15:19], "big")
    return [answer[19 + 4 * i : 23 + 4 * i] for i in range(count)]


def _command(tcti: str, command: bytes) -> bytes:
    port = int(tcti.rpartition("=")[2])
    with closing(socket.create_connection(("127.0.0.1", port), 5.0)) as connection:
        connection.sendall(command)
        answer = connection.recv(4096)
    assert answer[6:10] == bytes(4), answer.hex()
    return answer


def until_empty(tcti: str) -> None:
    """Wait until every key whose context is gone has left the TPM."""
    until = time.monotonic() + 5.0
    while places_taken(tcti):
        assert time.monotonic() < until, "a key stays in the TPM"
        time.sleep(0.01)


@cache
def shared_tpm() -> str:
    """The TCTI of the one TPM of this process, which ends with it: OpenSSL's provider connects once and for all, so
    what stops or hangs a TPM needs a process of its own.
    """
    folder = TemporaryDirectory()
    tpm = Swtpm(Path(folder.name))
    tpm.start()
    atexit.register(folder.cleanup)
    atexit.register(tpm.stop)
    return tpm.tcti
