"""The root updater's socket: one request a connection, one answer, and gone when nobody asks.

systemd listens and starts it (chargerd-updater.socket). A request is one packet of JSON, with one descriptor beside it
where a bundle is to be staged; an answer is one packet of JSON. There is no network, and nothing else is read.
"""

import array
import os
import pwd
import socket
import struct
import sys
import time
from collections.abc import Callable

import msgspec

from firmware.errors import FirmwareError, Refusal
from firmware.installers.rauc import RaucUpdating
from firmware.place import Installer, Place, read_started
from firmware.rauc import Rauc
from firmware.updating import Updating
from firmware.values import Sha256Hex
from firmware.verify import Verifier

LISTEN_FD = 3
"""Where systemd puts the first socket (sd_listen_fds(3))."""

IDLE_S = 5.0
"""Then the process ends; the next request starts it again."""

REQUEST_WITHIN_S = 5.0
MAX_REQUEST_BYTES = 4096
_MAX_DESCRIPTORS = 4
_CREDENTIALS = struct.Struct("3i")


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="stage"):
    """With one descriptor of a file, which holds a bundle."""


class Activate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="activate"):
    """The bundle that was staged: the next start of the machine takes it."""

    manifest_sha256: Sha256Hex


class MarkGood(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="mark-good"):
    """What runs now has run well for long enough."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`refusal`: "" when it was done, else its name, with `why` to read. The rest tells of the bundle meant."""

    refusal: str = ""
    why: str = ""
    version: str = ""
    security_version: int = 0
    manifest_sha256: str = ""


class ActivationError(Exception):
    """Not started by systemd's socket, as it has to be."""


def inherited_listener() -> socket.socket:
    """The socket that systemd listens on for us. Raises ActivationError."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        raise ActivationError("started without its socket; systemctl start chargerd-updater.socket instead")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, LISTEN_FD)
    listener.set_inheritable(False)
    return listener


class Updater:
    """Serves one request after another on the slots of `place`. `say`: where a line for the log goes.

    `rauc`: asked where the settings name it as the installer.
    """

    def __init__(
        self,
        place: Place,
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        rauc: Rauc | None = None,
    ) -> None:
        self._place = place
        self._rauc = rauc or Rauc()
        self._say = say
        self._monotonic = monotonic

    def run(self, listener: socket.socket, idle_s: float = IDLE_S) -> None:
        """Until nobody has asked for `idle_s`."""
        listener.settimeout(idle_s)
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(REQUEST_WITHIN_S)
        files: list[int] = []
        try:
            packet, files = _received(connection)
            answer = self.answer(_peer(connection), packet, files)
            connection.send(msgspec.json.encode(answer))
        except OSError as error:
            self._say(f"updater: the connection broke ({error}), ignoring")
        finally:
            for file in files:
                os.close(file)

    def answer(self, uid: int, packet: bytes, files: list[int]) -> Answer:
        """To one request by user `uid`, who passed these descriptors."""
        try:
            self._check_peer(uid)
            request = _decode(packet)
            verifier = self._perform(request, files)
        except FirmwareError as refused:
            return self._refused(refused)
        except OSError as error:
            return self._refused(FirmwareError(Refusal.MEDIUM_FAILED, str(error)))
        manifest = verifier.manifest
        assert manifest is not None, "can't happen because every verb verifies the head at least"
        self._say(f"updater: done ({type(request).__name__}, version {manifest.version})")
        return Answer(
            version=manifest.version,
            security_version=manifest.security_version,
            manifest_sha256=verifier.manifest_sha256,
        )

    def _perform(self, request: Stage | Activate | MarkGood, files: list[int]) -> Verifier:
        wanted = 1 if isinstance(request, Stage) else 0
        if len(files) != wanted:
            raise FirmwareError(Refusal.BAD_REQUEST, f"{len(files)} descriptors, expected {wanted}")
        updating = self._updating()
        match request:
            case Stage():
                return updating.stage(files[0])
            case Activate(manifest_sha256=sha256):
                return updating.activate(sha256)
            case MarkGood():
                return updating.mark_good()

    def _updating(self) -> Updating | RaucUpdating:
        if self._place.settings.installer is Installer.RAUC:
            return RaucUpdating(self._place, self._rauc, self._monotonic)
        return Updating(self._place, read_started(self._place.settings), self._monotonic)

    def _check_peer(self, uid: int) -> None:
        if uid in (0, os.geteuid()):
            return
        for name in self._place.settings.users:
            try:
                if pwd.getpwnam(name).pw_uid == uid:
                    return
            except KeyError:
                continue  # an account of the settings that this machine does not have lets nobody in
        raise FirmwareError(Refusal.NOT_ALLOWED, f"user {uid} may not ask")

    def _refused(self, refused: FirmwareError) -> Answer:
        self._say(f"updater: refused ({refused})")
        return Answer(refusal=refused.refusal, why=refused.why)


def _decode(packet: bytes) -> Stage | Activate | MarkGood:
    try:
        return msgspec.json.decode(packet, type=Stage | Activate | MarkGood)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FirmwareError(Refusal.BAD_REQUEST, str(error)) from None


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One packet and what was passed with it. Raises OSError, also for a packet that is too long."""
    space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)
    packet, ancillary, flags, _ = connection.recvmsg(MAX_REQUEST_BYTES, space, socket.MSG_CMSG_CLOEXEC)
    files = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(data[: len(data) - len(data) % files.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for file in files:
            os.close(file)
        raise OSError("the request is too long, or has too many descriptors")
    return packet, list(files)


def _peer(connection: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def say(line: str) -> None:
    """To the journal, by way of stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
