"""What a process has given up, tried in one of its own; and the filter's program, run on other machines' calls."""

import errno
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chargerd import hardening
from chargerd.hardening import CALLS, Calls, filter_code, give_up_programs_and_listeners

TRY = """
import ctypes, json, os, resource, socket, subprocess, sys, threading
from chargerd.hardening import *

def outcome(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return 0

def started():
    return outcome(lambda: subprocess.run([sys.executable, "-c", ""]))

def listening(family, address):
    with socket.socket(family) as server:
        return outcome(lambda: (server.bind(address), server.listen()))

def all_of_it(folder, name):
    told = {}
    told["program"] = started()
    told["shell"] = os.system("true")
    told["replaced"] = outcome(lambda: os.execv("/bin/true", ["true"])) if name == "after" else None
    told["inet"] = listening(socket.AF_INET, ("127.0.0.1", 0))
    told["inet6"] = listening(socket.AF_INET6, ("::1", 0))
    told["unix"] = listening(socket.AF_UNIX, f"{folder}/{name}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        told["datagrams"] = outcome(lambda: datagrams.bind(("127.0.0.1", 0)))
    told["io_uring"] = ctypes.CDLL(None, use_errno=True).syscall(425, 1, ctypes.create_string_buffer(120)) < 0
    return told

folder = sys.argv[1]
begin_privately()
server = socket.socket(socket.AF_INET)
server.bind(("127.0.0.1", 0))
server.listen()
before = all_of_it(folder, "before")
wait, seen = threading.Event(), []
thread = threading.Thread(target=lambda: (wait.wait(10), seen.append(started())))
thread.start()
given_up = give_up_programs_and_listeners()
wait.set()
thread.join()
open(f"{folder}/file", "w").close()
with socket.socket() as client:
    client.connect(server.getsockname())
print(json.dumps({
    "given_up": given_up,
    "before": before,
    "after": all_of_it(folder, "after"),
    "thread": seen,
    "mode": os.stat(f"{folder}/file").st_mode & 0o777,
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3),
    "names": socket.getaddrinfo("localhost", 80)[0][4][0],
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("given-up")
    done = subprocess.run([sys.executable, "-c", TRY, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_process_that_gave_up_programs_and_listeners_starts_and_offers_nothing(told: Any) -> None:
    assert told["given_up"] is True
    for what in ("program", "replaced", "inet", "inet6", "unix", "datagrams"):
        assert told["after"][what] == errno.EPERM, what
    assert told["after"]["shell"] != 0
    assert told["after"]["io_uring"]
    assert told["thread"] == [errno.EPERM]  # a thread that was there before has given up as well


def test_before_it_could_do_all_that_and_afterwards_it_still_does_its_work(told: Any) -> None:
    for what in ("program", "shell", "inet", "unix", "datagrams"):
        assert told["before"][what] == 0, what
    assert told["names"] in {"127.0.0.1", "::1"}


def test_from_the_start_nothing_is_dumped_and_files_are_for_their_user_alone(told: Any) -> None:
    assert told["core"] == [0, 0]
    assert told["dumpable"] == 0
    assert told["mode"] == 0o600


def test_a_kernel_that_cannot_is_told_of_and_the_process_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hardening, "CALLS", {})
    assert give_up_programs_and_listeners() is False
    assert "cannot be given up" in caplog.messages[0]
    assert caplog.messages[0].endswith(", ignoring")


# ---------------------------------------------------------------- the program of the filter


def verdict(code: bytes, audit: int, number: int) -> int:
    """What the kernel would do with a call, by running `code` as it does."""
    data = struct.pack("=II", number, audit)
    program = list(struct.iter_unpack("=HBBI", code))
    at, value = 0, 0
    while True:
        kind, then, otherwise, operand = program[at]
        at += 1
        match kind:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                at += then if value == operand else otherwise
            case 0x35:
                at += then if value >= operand else otherwise
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"no such instruction: {kind:#x}")


ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


@pytest.mark.parametrize("calls", CALLS.values(), ids=[f"{name} {size * 8}" for name, size in CALLS])
def test_the_filter_refuses_what_was_given_up_and_passes_everything_else(calls: Calls) -> None:
    code = filter_code(calls)
    refused = {number for number in range(600) if verdict(code, calls.audit, number) == REFUSE}
    assert refused == {calls.execve, calls.execveat, calls.bind, calls.listen, calls.io_uring_setup}
    assert verdict(code, calls.audit, 0) == ALLOW


def test_calls_of_another_kind_of_machine_are_no_way_round() -> None:
    code = filter_code(CALLS["x86_64", 8])
    for number in range(600):
        assert verdict(code, 0x40000003, number) == REFUSE  # i386 on the same kernel
        assert verdict(code, CALLS["x86_64", 8].audit, 0x40000000 + number) == REFUSE  # x32


@pytest.mark.parametrize(
    "header, machine",
    [
        ("asm-generic/unistd.h", "aarch64"),
        ("asm-generic/unistd.h", "riscv64"),
        ("x86_64-linux-gnu/asm/unistd_64.h", "x86_64"),
    ],
)
def test_the_numbers_are_those_of_the_headers_where_a_machine_has_them(header: str, machine: str) -> None:
    path = Path("/usr/include", header)
    lines = path.read_text().splitlines() if path.exists() else []
    numbers = dict(line.split()[1:3] for line in lines if line.startswith("#define __NR_"))
    calls = CALLS[machine, 8]
    for name in ("execve", "execveat", "bind", "listen", "seccomp", "io_uring_setup"):
        assert int(numbers.get(f"__NR_{name}", getattr(calls, name))) == getattr(calls, name)
