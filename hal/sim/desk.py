"""The desk: a socket on which people and tests play the customer, the vehicle and the bad luck of a simulated board.

Newline-delimited JSON on an AF_UNIX stream socket, one reply per request: `{"verb": "plug_in", "evse": 1, "amps":
32}` gives `{"ok": true}`, anything wrong gives `{"ok": false, "error": "..."}` naming the choices. Opened only when
the caller asks.
"""

import contextlib
import os
import selectors
import socket
import struct
import threading
from pathlib import Path

import msgspec

from hal.sim.faults import FAULTS, PlantRefusal
from hal.sim.pictures import PlantState
from hal.sim.plant import Plant
from hal.sim.world_file import SAVE_EVERY_S, WorldFile
from hal.types import DeviceMissing, TokenKind

LONGEST_LINE_BYTES = 4096
MOST_CONNECTIONS = 8
SEND_TIMEOUT_S = 1.0


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="verb", tag=True):
    """Base of the requests: `verb` says which. `evse`: EVSE id from 1."""


class PlugIn(Request, frozen=True, kw_only=True, tag="plug_in"):
    """A vehicle with `phases` phases and `quirks` is plugged in with a cable rated `amps`."""

    evse: int
    amps: float = 32.0
    phases: int = 3
    quirks: tuple[str, ...] = ()


class PlugOut(Request, frozen=True, kw_only=True, tag="plug_out"):
    """The vehicle goes; `force` tears a locked plug out."""

    evse: int
    force: bool = False


class UnplugEv(Request, frozen=True, kw_only=True, tag="unplug_ev"):
    """The cable is unplugged at the vehicle and stays in the socket."""

    evse: int


class EvReady(Request, frozen=True, kw_only=True, tag="ev_ready"):
    """The vehicle wants energy."""

    evse: int


class EvPause(Request, frozen=True, kw_only=True, tag="ev_pause"):
    """The vehicle wants none for now."""

    evse: int


class EvResume(Request, frozen=True, kw_only=True, tag="ev_resume"):
    """The vehicle wants energy again."""

    evse: int


class EvDraw(Request, frozen=True, kw_only=True, tag="ev_draw"):
    """The vehicle's appetite; `phases` None: as before."""

    evse: int
    amps: float
    phases: int | None = None


class PresentToken(Request, frozen=True, kw_only=True, tag="present_token"):
    """A card is held to the reader."""

    evse: int
    uid: str
    kind: TokenKind = TokenKind.ISO14443


class RaiseFault(Request, frozen=True, kw_only=True, tag="fault"):
    """Something breaks; `value` None: the fault's default."""

    evse: int
    name: str
    value: float | None = None


class ClearFault(Request, frozen=True, kw_only=True, tag="clear_fault"):
    """It is whole again."""

    evse: int
    name: str


class ShowPlant(Request, frozen=True, kw_only=True, tag="plant"):
    """The state of the plant."""


class ShowFaults(Request, frozen=True, kw_only=True, tag="faults"):
    """The faults there are, with a line of text each."""


AnyRequest = (
    PlugIn
    | PlugOut
    | UnplugEv
    | EvReady
    | EvPause
    | EvResume
    | EvDraw
    | PresentToken
    | RaiseFault
    | ClearFault
    | ShowPlant
    | ShowFaults
)

VERBS = tuple(str(kind.__struct_config__.tag) for kind in AnyRequest.__args__)


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to one request. `plant` and `faults`: what was asked for."""

    ok: bool
    error: str | None = None
    plant: PlantState | None = None
    faults: dict[str, str] | None = None


class _Verb(msgspec.Struct, frozen=True):
    """A request seen only for its verb, to tell people what they mistyped."""

    verb: str


def obey(plant: Plant, line: bytes) -> Reply:
    """Do what one line asks of the plant; never raises for anything a line can hold."""
    try:
        return _perform(plant, _REQUEST.decode(line))
    except PlantRefusal as error:
        return Reply(ok=False, error=str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Reply(ok=False, error=_what_is_wrong(line, error))


class Desk:
    """Serves the socket at `path` in a thread until it is closed; only the user who runs the board may connect."""

    def __init__(self, plant: Plant, path: Path) -> None:
        self._plant = plant
        self._path = path
        self._world = WorldFile(plant, path)
        self._world.restore()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            self._server.bind(str(path))
            path.chmod(0o600)
        except OSError as error:
            self._server.close()
            raise DeviceMissing("desk", f"cannot make the socket {path} ({error.strerror or error})") from error
        self._server.listen(MOST_CONNECTIONS)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._buffers: dict[socket.socket, bytes] = {}
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and every connection, and remove the socket."""
        os.close(self._wake_write)
        self._thread.join()
        for connection in list(self._buffers):
            self._drop(connection)
        self._save()
        self._selector.close()
        self._server.close()
        os.close(self._wake_read)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(SAVE_EVERY_S if self._world.is_kept else None):
                if key.fd == self._wake_read:
                    return
                if key.fileobj is self._server:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._serve(key.fileobj)
            self._save()

    def _answer(self, line: bytes) -> Reply:
        reply = obey(self._plant, line)
        self._save()
        return reply

    def _save(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not cost the bench its desk
            self._world.save()

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        connection.settimeout(SEND_TIMEOUT_S)
        if _user_of(connection) not in {0, os.getuid()}:
            _send(connection, Reply(ok=False, error="the desk is for the user who runs the board"))
            connection.close()
            return
        if len(self._buffers) >= MOST_CONNECTIONS:
            _send(connection, Reply(ok=False, error=f"the desk serves {MOST_CONNECTIONS} connections at a time"))
            connection.close()
            return
        self._buffers[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _serve(self, connection: socket.socket) -> None:
        try:
            received = connection.recv(LONGEST_LINE_BYTES)
        except OSError:
            received = b""
        *lines, rest = (self._buffers[connection] + received).split(b"\n")
        alive = bool(received) and all(_send(connection, self._answer(line)) for line in lines if line.strip())
        if len(rest) > LONGEST_LINE_BYTES:
            _send(connection, Reply(ok=False, error=f"a line may have {LONGEST_LINE_BYTES} bytes"))
            alive = False
        self._buffers[connection] = rest
        if not alive:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._buffers[connection]
        connection.close()


def _user_of(connection: socket.socket) -> int:
    """The uid that the kernel vouches for."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(credentials)[1]
    return uid


_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

_REQUEST: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)


def _perform(plant: Plant, request: AnyRequest) -> Reply:
    if isinstance(request, ShowPlant):
        return Reply(ok=True, plant=plant.state())
    if isinstance(request, ShowFaults):
        return Reply(ok=True, faults={str(name): verb.told for name, verb in FAULTS.items()})
    evse = plant.evse(request.evse)
    match request:
        case PlugIn():
            evse.plug_in(request.amps, request.phases, request.quirks)
        case PlugOut():
            evse.plug_out(request.force)
        case UnplugEv():
            evse.unplug_ev()
        case EvReady():
            evse.ev_ready()
        case EvPause():
            evse.ev_pause()
        case EvResume():
            evse.ev_resume()
        case EvDraw():
            evse.ev_draw(request.amps, request.phases)
        case PresentToken():
            evse.present_token(request.uid, request.kind)
        case RaiseFault():
            evse.fault(request.name, request.value)
        case ClearFault():
            evse.clear_fault(request.name)
    return Reply(ok=True)


def _what_is_wrong(line: bytes, error: Exception) -> str:
    try:
        verb = msgspec.json.decode(line, type=_Verb).verb
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f'expected {{"verb": "...", ...}}, one JSON object a line; verbs: {", ".join(VERBS)}'
    if verb not in VERBS:
        return f"unknown verb '{verb}'; verbs: {', '.join(VERBS)}"
    kind = next(kind for kind in AnyRequest.__args__ if kind.__struct_config__.tag == verb)
    return f"{verb}: {error}; keys: {', '.join(kind.__struct_fields__) or 'none'}"


def _send(connection: socket.socket, reply: Reply) -> bool:
    """Whether the reply went out; a peer that does not read is dropped."""
    try:
        connection.sendall(msgspec.json.encode(reply) + b"\n")
    except OSError:
        return False
    return True
