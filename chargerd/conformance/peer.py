"""The test system's side of the wire: a CSMS in plain JSON, without I/O, that says what a case wants it to say.

It shares no code with the station. Whoever moves the frames calls `receive` and takes what `due` hands out.
"""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chargerd.conformance.door import Door, Shown

Payload = Mapping[str, Any]
Checker = Callable[[str, str, Payload], str | None]
"""(“request” or “response”, action, payload) -> what the schema says against it, None when it is right."""


class Refusal(msgspec.Struct, frozen=True):
    """A CALLERROR as an answer."""

    code: str
    description: str = ""


class Silence(msgspec.Struct, frozen=True):
    """No answer at all."""


class Late(msgspec.Struct, frozen=True):
    """A payload as an answer, after some seconds."""

    payload: Payload
    after_s: float


Answer = Payload | Refusal | Silence | Late | Callable[[Payload], Any]
"""What to answer: a payload, a CALLERROR, nothing, a late payload, or a function of the request that says which."""


class Heard(msgspec.Struct, kw_only=True):
    """A request of the station. `taken`: a case has looked at it."""

    action: str
    payload: Payload
    mono: float
    taken: bool = False


class Asked(msgspec.Struct, kw_only=True):
    """A request of ours and what became of it."""

    action: str
    payload: Payload
    result: Payload | None = None
    refusal: Refusal | None = None

    @property
    def done(self) -> bool:
        """It was answered."""
        return self.result is not None or self.refusal is not None


class Peer:
    """One CSMS for one station. `open`: it can be reached. `door`: whom it lets in then. `attempts`: when the station
    tried to connect, in seconds; `shown`: what it had to show for itself. `problems`: what it did against the schemas
    or the framing rules.
    """

    def __init__(self, utc: Callable[[], datetime], check: Checker = lambda _kind, _action, _payload: None) -> None:
        self.heard: list[Heard] = []
        self.problems: list[str] = []
        self.open = True
        self.door = Door()
        self.attempts: list[float] = []
        self.shown: list[Shown] = []
        self.connections = 0
        self.connected = False
        self.lock = threading.RLock()  # over a real wire another thread moves the frames
        self.utc = utc
        self._check = check
        self._standing: dict[str, Answer] = {}
        self._next: dict[str, list[Answer]] = {}
        self._open: dict[str, Asked] = {}
        self._out: list[str] = []
        self._late: list[tuple[datetime, str]] = []
        self._calls = 0

    # ------------------------------------------------------------------ what a case wants

    def answer(self, action: str, answer: Answer, times: int | None = None) -> None:
        """Answer `action` so the next `times` times, or from now on."""
        with self.lock:
            if times is None:
                self._standing[action] = answer
            else:
                self._next.setdefault(action, []).extend([answer] * times)

    def ask(self, action: str, payload: Payload) -> Asked:
        """Send a request; its fate is to be read from what is returned."""
        with self.lock:
            self._calls += 1
            asked = Asked(action=action, payload=payload)
            message_id = f"test-{self._calls}"
            self._open[message_id] = asked
            self._out.append(json.dumps([2, message_id, action, payload]))
            return asked

    def send(self, text: str) -> None:
        """Send any text as a frame."""
        with self.lock:
            self._out.append(text)

    def start_over(self) -> None:
        """The next case begins, on the same connection: nothing was heard, and nothing is to be answered specially."""
        with self.lock:
            self.heard.clear()
            self.problems.clear()
            self._standing.clear()
            self._next.clear()
            self.open = True

    # ------------------------------------------------------------------ what moves the frames

    def opened(self) -> int:
        """A connection came up; nothing of the last one is waited for. Gives its number."""
        with self.lock:
            self.connections += 1
            self.connected = True
            self._out.clear()
            self._late.clear()
            self._open.clear()
            return self.connections

    def closed(self, number: int) -> None:
        """That connection is gone; there may be a newer one already."""
        with self.lock:
            self.connected = self.connected and number != self.connections

    def due(self) -> list[str]:
        """The frames for the station, each once."""
        with self.lock:
            utc = self.utc()
            out = self._out + [text for at_utc, text in self._late if at_utc <= utc]
            self._out, self._late = [], [late for late in self._late if late[0] > utc]
            return out

    def receive(self, text: str, mono: float) -> None:
        """A frame of the station."""
        with self.lock:
            message = json.loads(text)
            if message[0] == 2:
                self._on_call(message[1], message[2], message[3], mono)
            else:
                self._on_answer(message)

    def _on_call(self, message_id: str, action: str, payload: Payload, mono: float) -> None:
        self._complain(self._check("request", action, payload))
        self.heard.append(Heard(action=action, payload=payload, mono=mono))
        waiting = self._next.get(action)
        answer = waiting.pop(0) if waiting else self._standing.get(action, lambda _request: self.usual(action))
        if callable(answer):
            answer = answer(payload)
        match answer:
            case Silence():
                pass
            case Refusal(code, description):
                self._out.append(json.dumps([4, message_id, code, description, {}]))
            case Late(late, after_s):
                text = json.dumps([3, message_id, dict(late)])
                self._late.append((self.utc() + timedelta(seconds=after_s), text))
            case _:
                self._out.append(json.dumps([3, message_id, dict(answer)]))

    def _on_answer(self, message: list[Any]) -> None:
        asked = self._open.pop(message[1], None)
        if asked is None:
            self.problems.append(f"an answer to {message[1]!r}, which is not open: {message}")
        elif message[0] == 3:
            self._complain(self._check("response", asked.action, message[2]))
            asked.result = message[2]
        else:
            asked.refusal = Refusal(message[2], message[3])

    def _complain(self, problem: str | None) -> None:
        if problem is not None:
            self.problems.append(problem)

    def usual(self, action: str) -> Payload:
        """What a friendly CSMS answers."""
        match action:
            case "BootNotification":
                return {"currentTime": stamp(self.utc()), "interval": 300, "status": "Accepted"}
            case "Heartbeat":
                return {"currentTime": stamp(self.utc())}
            case "Authorize":
                return {"idTokenInfo": {"status": "Accepted"}}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case "SignCertificate":
                return {"status": "Accepted"}
            case _:
                return {}


def stamp(utc: datetime) -> str:
    """A time as OCPP writes it."""
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
