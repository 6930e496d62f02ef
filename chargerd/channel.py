"""Orders and Status between the two processes: complete snapshots as AF_UNIX datagrams, latest wins, never blocking.

Each side binds its own socket in the run directory and sends to the other's path, so either may start, stop or die in
any order. What is too big, not decodable or from a stranger is counted and dropped without an exception: the other
side's next snapshot is at most a second away.
"""

import fcntl
import os
import pwd
import select
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from chargerd.evse.types import Orders, Status

CONTROL_SOCKET = "control.sock"
STATION_SOCKET = "station.sock"

MAX_BYTES = 128 * 1024
"""Largest snapshot sent or accepted. A Status of two EVSEs with every text filled is about 3 KiB."""

MAX_DRAIN = 64
"""Datagrams taken in one call at most, so that a flood costs the control loop a bounded time."""

MAX_LOCK_TRIES = 10

SERVICE_USERS = ("chargerd", "chargerd-control")
"""The accounts of the two services (systemd/chargerd.sysusers); beside them only root and our own user are heard."""

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size)  # room for credentials only: a passed descriptor does not fit

Snapshot = TypeVar("Snapshot", Orders, Status)

_encoder = msgspec.msgpack.Encoder()
_orders_decoder = msgspec.msgpack.Decoder(Orders)
_status_decoder = msgspec.msgpack.Decoder(Status)


class ChannelError(Exception):
    """The run directory cannot be used. Says which path, what happened and what to do."""


class ChannelBusy(ChannelError):
    """Another living process has this end of the run directory."""


class ChannelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since start: snapshots taken, datagrams dropped (stranger, too big, garbage), snapshots nobody took."""

    received: int = 0
    refused: int = 0
    unsent: int = 0


class ControlChannel(Protocol):
    """The control process's end."""

    def latest_orders(self) -> Orders | None:
        """The newest Orders that arrived since the last call; None: none did."""
        ...

    def publish(self, status: Status) -> bool:
        """Send; False: nobody took it, which is no reason to stop."""
        ...

    def health(self) -> ChannelHealth:
        """The counts so far."""
        ...

    def close(self) -> None:
        """Let go of the sockets; harmless when done twice."""
        ...


class StationChannel(Protocol):
    """The station process's end."""

    def latest_status(self) -> Status | None:
        """The newest Status that arrived since the last call; None: none did."""
        ...

    def send(self, orders: Orders) -> bool:
        """Send; False: nobody took them, they are renewed each second anyway."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when a Status waits."""
        ...

    def health(self) -> ChannelHealth:
        """The counts so far."""
        ...

    def close(self) -> None:
        """Let go of the sockets; harmless when done twice."""
        ...


class ControlEnd:
    """`ControlChannel` over the run directory. Raises ChannelError: directory unusable, or another one runs."""

    def __init__(self, run_dir: Path, trusted_uids: frozenset[int] | None = None) -> None:
        self._port = _Port(run_dir, CONTROL_SOCKET, STATION_SOCKET, trusted_uids)

    def latest_orders(self) -> Orders | None:
        """See ControlChannel."""
        orders: Orders | None = None
        for datagram in self._port.waiting():
            newer = _decode(_orders_decoder, datagram)
            self._port.count(newer is not None)
            orders = newer or orders
        return orders

    def publish(self, status: Status) -> bool:
        """See ControlChannel."""
        return self._port.send(_encoder.encode(status))

    def health(self) -> ChannelHealth:
        """See ControlChannel."""
        return self._port.health

    def close(self) -> None:
        """See ControlChannel."""
        self._port.close()


class StationEnd:
    """`StationChannel` over the run directory. Raises ChannelError: directory unusable, or another one runs."""

    def __init__(self, run_dir: Path, trusted_uids: frozenset[int] | None = None) -> None:
        self._port = _Port(run_dir, STATION_SOCKET, CONTROL_SOCKET, trusted_uids)

    def latest_status(self) -> Status | None:
        """See StationChannel."""
        status: Status | None = None
        for datagram in self._port.waiting():
            newer = _decode(_status_decoder, datagram)
            self._port.count(newer is not None)
            status = newer or status
        return status

    def send(self, orders: Orders) -> bool:
        """See StationChannel."""
        return self._port.send(_encoder.encode(orders))

    def fileno(self) -> int:
        """See StationChannel."""
        return self._port.socket.fileno()

    def health(self) -> ChannelHealth:
        """See StationChannel."""
        return self._port.health

    def close(self) -> None:
        """See StationChannel."""
        self._port.close()


class MemoryControlEnd:
    """`ControlChannel` without a kernel in between; made by `memory_pair`."""

    def __init__(self, down: "_Slot", up: "_Slot") -> None:
        self._down = down
        self._up = up

    def latest_orders(self) -> Orders | None:
        """See ControlChannel."""
        datagram = self._down.take()
        return None if datagram is None else _decode(_orders_decoder, datagram)

    def publish(self, status: Status) -> bool:
        """See ControlChannel."""
        return self._up.put(_encoder.encode(status))

    def health(self) -> ChannelHealth:
        """See ControlChannel."""
        return ChannelHealth(received=self._down.taken, unsent=self._up.refused)

    def close(self) -> None:
        """See ControlChannel."""
        self._down.close()


class MemoryStationEnd:
    """`StationChannel` without a kernel in between; made by `memory_pair`."""

    def __init__(self, down: "_Slot", up: "_Slot") -> None:
        self._down = down
        self._up = up

    def latest_status(self) -> Status | None:
        """See StationChannel."""
        datagram = self._up.take()
        return None if datagram is None else _decode(_status_decoder, datagram)

    def send(self, orders: Orders) -> bool:
        """See StationChannel."""
        return self._down.put(_encoder.encode(orders))

    def fileno(self) -> int:
        """See StationChannel."""
        return self._up.fileno()

    def health(self) -> ChannelHealth:
        """See StationChannel."""
        return ChannelHealth(received=self._up.taken, unsent=self._down.refused)

    def close(self) -> None:
        """See StationChannel."""
        self._up.close()


def memory_pair() -> tuple[MemoryControlEnd, MemoryStationEnd]:
    """Both ends of a channel inside one process, for tests and the simulator; the encoding is the same."""
    down, up = _Slot(), _Slot()
    return MemoryControlEnd(down, up), MemoryStationEnd(down, up)


def service_uids() -> frozenset[int]:
    """Whom a process listens to: itself, root and the two services' accounts where they exist."""
    uids = {0, os.getuid()}
    for name in SERVICE_USERS:
        try:
            uids.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    return frozenset(uids)


@contextmanager
def control_kept_out(run_dir: Path) -> Iterator[None]:
    """Nobody else has the devices meanwhile: no control process runs in `run_dir`, and none can start.

    ChannelBusy when one runs, ChannelError when the directory cannot be used.
    """
    path = run_dir / f"{CONTROL_SOCKET}.lock"
    lock = _lock(path)
    with suppress(PermissionError):
        os.fchmod(lock, 0o660)  # left behind by a kill it must not keep the control process out, which has another user
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


class _Slot:
    """One direction of the in-memory pair: room for the latest snapshot."""

    def __init__(self) -> None:
        self.taken = 0
        self.refused = 0
        self._datagram: bytes | None = None
        self._wake: int | None = None
        self._closed = False

    def put(self, datagram: bytes) -> bool:
        if self._closed or len(datagram) > MAX_BYTES:
            self.refused += 1
            return False
        self._datagram = datagram
        if self._wake is not None:
            os.eventfd_write(self._wake, 1)
        return True

    def take(self) -> bytes | None:
        datagram, self._datagram = self._datagram, None
        if datagram is not None:
            self.taken += 1
            if self._wake is not None:
                os.eventfd_read(self._wake)
        return datagram

    def fileno(self) -> int:
        if self._wake is None:
            self._wake = os.eventfd(0 if self._datagram is None else 1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self._wake

    def close(self) -> None:
        self._closed = True
        if self._wake is not None:
            os.close(self._wake)
            self._wake = None


class _Port:
    """One bound datagram socket, the path of the other one, and who may speak to us."""

    def __init__(self, run_dir: Path, own: str, peer: str, trusted_uids: frozenset[int] | None) -> None:
        self._own = run_dir / own
        self._peer = str(run_dir / peer)
        self._trusted_uids = service_uids() if trusted_uids is None else trusted_uids
        self._closed = False
        self.health = ChannelHealth()
        self._lock_path = run_dir / f"{own}.lock"
        self._lock = _lock(self._lock_path)
        try:
            self.socket = _bind(self._own)
        except BaseException:
            self._unlock()
            raise
        self._poll = select.poll()
        self._poll.register(self.socket, select.POLLIN)

    def waiting(self) -> list[bytes]:
        """Every datagram that waits, oldest first, MAX_DRAIN at most, without the oversized and those of strangers."""
        datagrams: list[bytes] = []
        for _ in range(MAX_DRAIN):
            if not self._poll.poll(0):  # to ask costs the loop a third of being refused
                break
            try:
                datagram, ancillary, flags, _sender = self.socket.recvmsg(MAX_BYTES, _ANCILLARY_BYTES)
            except OSError:  # nothing waits after all; a socket that is broken for good shows as orders that lapse
                break
            if flags & socket.MSG_TRUNC or _sender_uid(ancillary) not in self._trusted_uids:
                self.count(accepted=False)
                continue
            datagrams.append(datagram)
        return datagrams

    def send(self, datagram: bytes) -> bool:
        if len(datagram) <= MAX_BYTES:
            try:
                self.socket.sendto(datagram, self._peer)
            except OSError:  # the other side is not there (yet), hangs with a full queue, or is being replaced
                pass
            else:
                return True
        self.health = msgspec.structs.replace(self.health, unsent=self.health.unsent + 1)
        return False

    def count(self, accepted: bool) -> None:
        old = self.health
        if accepted:
            self.health = msgspec.structs.replace(old, received=old.received + 1)
        else:
            self.health = msgspec.structs.replace(old, refused=old.refused + 1)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._own.unlink(missing_ok=True)
        self.socket.close()
        self._unlock()

    def _unlock(self) -> None:
        """Leave nothing behind that a later start under another user could not open."""
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)


def _decode(decoder: "msgspec.msgpack.Decoder[Snapshot]", datagram: bytes) -> Snapshot | None:
    try:
        return decoder.decode(datagram)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _sender_uid(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The uid the kernel vouches for; None: it gave none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(data) == _CREDENTIALS.size:
            uid: int = _CREDENTIALS.unpack(data)[1]
            return uid
    return None


def _lock(path: Path) -> int:
    """Hold `path` for as long as we live: two processes that both believe they are the control must not happen."""
    for _ in range(MAX_LOCK_TRIES):
        try:
            lock = _open_lock(path)
        except FileNotFoundError as e:
            if path.parent.is_dir():
                continue  # its holder removed it between our two calls
            raise ChannelError(f"{path}: {e.strerror}; its directory must be there and writable for us") from e
        except OSError as e:
            raise ChannelError(
                f"{path}: {e.strerror}; its directory must be there and writable for us, the file not another user's"
            ) from e
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(lock)
            raise ChannelBusy(f"{path}: held by another process; stop that one or use another run directory") from e
        if _is_still_there(path, lock):
            return lock
        os.close(lock)  # its holder removed it between our two calls: what we hold is nobody's lock any more
    raise ChannelError(f"{path}: comes and goes; another process starts and ends all the time, stop that one first")


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        # In a sticky directory even root may not create over a file of another user; to open it is another matter.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _is_still_there(path: Path, lock: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def _bind(path: Path) -> socket.socket:
    """Bind over whatever an earlier process left; the caller holds the lock, so nobody listens there."""
    try:
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as e:
        raise ChannelError(f"{path}: cannot be replaced ({e.strerror}); remove it as root") from e
    port = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        port.bind(str(path))
        path.chmod(0o660)  # the other service's user writes through the group of the run directory
    except OSError as e:
        port.close()
        raise ChannelError(f"{path}: {e.strerror or e}; the run directory must be writable, its path short") from e
    return port
