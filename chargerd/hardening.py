"""What a process gives up for the rest of its life, so that whoever takes it over from outside finds little to use.

The unit's sandbox (systemd/) cannot take away what the start itself needs: to be executed, and to listen on a local
socket. So the process gives these up once it runs, by a seccomp filter that nothing can take off again (ADR 96).
"""

import ctypes
import errno
import logging
import os
import resource
import struct

import msgspec

PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1
"""linux/prctl.h, linux/seccomp.h: the filter is for all threads at once."""

PRIVATE_UMASK = 0o077

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
_AT_NUMBER, _AT_MACHINE = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000  # the third ABI of x86-64 has all calls once more, from here on

log = logging.getLogger("hardening")


class Calls(msgspec.Struct, frozen=True):
    """Numbers of system calls on one kind of machine. `audit`: how the kernel names it (linux/audit.h)."""

    audit: int
    seccomp: int
    execve: int
    execveat: int
    bind: int
    listen: int
    io_uring_setup: int = 425  # it could do the others' work past the filter

    @property
    def given_up(self) -> tuple[int, ...]:
        """The calls that a running process of ours has no use for."""
        return self.execve, self.execveat, self.bind, self.listen, self.io_uring_setup


CALLS = {
    ("x86_64", 8): Calls(0xC000003E, seccomp=317, execve=59, execveat=322, bind=49, listen=50),
    ("aarch64", 8): Calls(0xC00000B7, seccomp=277, execve=221, execveat=281, bind=200, listen=201),
    ("riscv64", 8): Calls(0xC00000F3, seccomp=277, execve=221, execveat=281, bind=200, listen=201),
    ("armv7l", 4): Calls(0x40000028, seccomp=383, execve=11, execveat=387, bind=282, listen=284),
    ("aarch64", 4): Calls(0x40000028, seccomp=383, execve=11, execveat=387, bind=282, listen=284),
}
"""(machine, bytes of a pointer in this process) -> its calls."""


def begin_privately() -> None:
    """First thing in a process: no core dump, no look into its memory by its own user's other processes, and files
    that only its user can read.
    """
    os.umask(PRIVATE_UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)


def give_up_programs_and_listeners() -> bool:
    """From here on this process starts no program and makes no socket that others could reach. False: the kernel
    cannot do that, and a line in the log says so; the process goes on with the sandbox of its unit.
    """
    why = _filter_calls()
    if why is None:
        log.info("starting programs and listening are given up")
    else:
        log.warning("starting programs and listening cannot be given up (%s), ignoring", why)
    return why is None


def _filter_calls() -> str | None:
    """Load the filter; why not, where it cannot be."""
    calls = CALLS.get((os.uname().machine, struct.calcsize("P")))
    if calls is None:
        return f"the calls of {os.uname().machine} are not known here"
    if (number := _prctl(PR_SET_NO_NEW_PRIVS, 1)) != 0:
        return os.strerror(number)
    code = filter_code(calls)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))  # struct sock_fprog
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(calls.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program) != 0:
        return os.strerror(ctypes.get_errno())
    return None


def filter_code(calls: Calls) -> bytes:
    """The BPF program: another machine's calls and those given up are refused (EPERM), all others pass."""
    refused = [(_JUMP_IF_AT_LEAST, _X32)] if calls.audit == CALLS["x86_64", 8].audit else []
    refused += [(_JUMP_IF_EQUAL, number) for number in calls.given_up]
    last = len(refused) + 1  # instructions from the first of `refused` to the refusal at the end
    code = [
        _instruction(_LOAD, _AT_MACHINE),
        _instruction(_JUMP_IF_EQUAL, calls.audit, otherwise=last + 1),
        _instruction(_LOAD, _AT_NUMBER),
        *(_instruction(kind, number, then=last - 1 - place) for place, (kind, number) in enumerate(refused)),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _REFUSE),
    ]
    return b"".join(code)


def _instruction(kind: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """struct sock_filter: `then` and `otherwise` say how many instructions a jump leaves out."""
    return struct.pack("=HBBI", kind, then, otherwise, value)


def _prctl(option: int, value: int) -> int:
    """0, or the error number."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.prctl(option, value, 0, 0, 0) == 0 else ctypes.get_errno()
