"""The updater of the bench as a process of its own, on a socket that it is given."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

from chargerd.bench.machine import Machine
from chargerd.updater_client import UpdaterClient


def test_it_serves_the_socket_that_it_is_given_and_ends(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", "1.0.0")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(machine.socket))
        listener.listen()
        number = listener.fileno()
        command = [sys.executable, "-m", "chargerd.bench.updater", str(number), str(machine.settings_file)]
        with subprocess.Popen(command, pass_fds=(number,), stderr=subprocess.PIPE) as process:
            answer = asyncio.run(UpdaterClient(machine.socket).mark_good())
            assert answer.version == "1.0.0"
            assert process.wait(20.0) == 0
