"""One question to a local socket of the station or the bench, one answer; every failure is a line with its remedy."""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

RUN_DIR = Path("/run/chargerd")
DEVICE_SOCKET = RUN_DIR / "station.console"
ANSWER_WITHIN_S = 40.0


class CtlError(Exception):
    """What could not be done, in a line (or one for each thing that is wrong) with the remedy; and the exit code."""

    def __init__(self, what: str, code: int = 1) -> None:
        super().__init__(what)
        self.code = code


class NobodyListens(CtlError):
    """There is no station or bench at that socket."""


def bench_socket() -> Path:
    """Where a bench of this user listens when it was told no other place."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/chargerd-{os.getuid()}"  # noqa: S108 - a directory of our own, mode 0700
    return Path(runtime) / "chargerd-bench.sock"


def find_socket(given: Path | None) -> Path:
    """The socket named on the command line, else the station's, else that of a bench."""
    if given is not None:
        return given
    return DEVICE_SOCKET if DEVICE_SOCKET.exists() or not bench_socket().exists() else bench_socket()


def ask(path: Path, verb: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One request, one reply. Raises CtlError."""
    request = json.dumps({"verb": verb} | dict(arguments or {})).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_WITHIN_S)
            connection.connect(str(path))
            with suppress(ConnectionError):  # who may not ask is told so before the question is read
                connection.sendall(request)
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NobodyListens(
            f"{path}: nobody listens there; is the station (systemctl status chargerd) or a bench running?"
        ) from error
    except PermissionError as error:
        raise CtlError(f"{path}: not allowed; be root or a member of chargerd-read, -operator or -tech") from error
    except TimeoutError as error:
        raise CtlError(f"{path}: no answer within {ANSWER_WITHIN_S:.0f} s; is that process stopped?") from error
    except ConnectionError as error:
        raise _closed(path) from error
    except OSError as error:
        raise CtlError(f"{path}: {error.strerror or error}; name the socket of a station or bench") from error
    if not line.endswith(b"\n"):
        raise _closed(path)
    return _fields(path, line)


def _closed(path: Path) -> CtlError:
    return CtlError(f"{path}: closed without an answer; try again, perhaps others keep it busy")


def _fields(path: Path, line: bytes) -> dict[str, Any]:
    """The fields of a reply that is ok. Raises CtlError."""
    try:
        reply = json.loads(line)
        ok = reply.pop("ok")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CtlError(f"{path}: that is no answer of a station or bench; name another --socket") from error
    if not ok:
        raise CtlError(str(reply.get("error", "refused")))
    assert isinstance(reply, dict)
    return reply
