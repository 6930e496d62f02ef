"""A CSMS in memory for the world simulator: late, forgetful and sometimes wrong, but it never forgets what it was told.

It shares no code with the station: frames are plain JSON here.
"""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chargerd.conformance.door import Door
from chargerd.ocpp.effects import OpenLink

TOKENS = {"04A1B2C3": "Accepted", "04DEADBE": "Blocked", "0411223344": "Accepted"}
"""What the CSMS thinks of the cards of this world."""

GARBAGE_IDS = frozenset({"-1", "g", "x"})
"""Ids of what `garbage` sends, and the one for an id that cannot be read (part 4, 4.2.3)."""


@dataclass
class Habits:
    """How it behaves. `mute`: chance of no answer, `error`: of a CALLERROR, `double`: of answering twice; `late_s`:
    most delay.
    """

    mute: float = 0.0
    error: float = 0.0
    double: float = 0.0
    late_s: float = 0.3


@dataclass
class SimCsms:
    """One CSMS. `told`: every TransactionEvent in order of arrival. `sends`: frames on their way to the station as
    (due, text).
    """

    rng: random.Random
    habits: Habits = field(default_factory=Habits)
    told: list[dict[str, Any]] = field(default_factory=list)
    sends: list[tuple[float, str]] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)
    open_calls: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    answers: list[tuple[str, dict[str, Any], Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    boots: int = 0
    _calls: int = 0

    def door(self, _order: OpenLink) -> Door | None:
        """Whoever comes."""
        return Door()

    def connected(self) -> None:
        """A new connection: what was on its way on the old one is lost, and so are answers to what we asked there."""
        self.disconnected()

    def disconnected(self) -> None:
        """The connection is gone, and what was on its way with it."""
        self.sends.clear()
        self.open_calls.clear()

    def receive(self, text: str, mono: float, utc: datetime) -> None:
        """A frame of the station arrived."""
        message = json.loads(text)
        if message[0] == 2:
            self._on_call(message[1], message[2], message[3], mono, utc)
        else:
            self._on_answer(message)

    def call(self, action: str, payload: dict[str, Any], mono: float) -> None:
        """Send a request to the station."""
        self._calls += 1
        message_id = f"csms-{self._calls}"
        self.open_calls[message_id] = (action, payload)
        self.sends.append(
            (mono + self.rng.uniform(0, self.habits.late_s), json.dumps([2, message_id, action, payload]))
        )

    def garbage(self, mono: float) -> None:
        """Send something that is no OCPP, or an answer nobody asked for."""
        text = self.rng.choice(
            [
                "",
                "{",
                "[]",
                "[2]",
                '[3,"nobody",{}]',
                '[4,"nobody","GenericError","",{}]',
                '[9,"x",{}]',
                "null",
                '[2,"g","Nonsense",{}]',
            ]
        )
        self.sends.append((mono, text))

    def due(self, mono: float) -> list[str]:
        """Frames that arrive at the station now."""
        ready = [text for at, text in self.sends if at <= mono]
        self.sends = [(at, text) for at, text in self.sends if at > mono]
        return ready

    def _on_answer(self, message: list[Any]) -> None:
        message_id = message[1]
        if message_id in GARBAGE_IDS:
            return
        asked = self.open_calls.pop(message_id, None)
        if asked is None:
            self.problems.append(f"the station answered {message_id!r}, which is not open: {message}")
        else:
            self.answers.append((*asked, message))

    def _on_call(self, message_id: str, action: str, payload: dict[str, Any], mono: float, utc: datetime) -> None:
        if self.boots == 0 and action != "BootNotification":
            self.problems.append(f"{action} before the first BootNotification")
        if action == "TransactionEvent":
            self.told.append(payload)
        roll = self.rng.random()
        if roll < self.habits.mute and action != "BootNotification":
            return
        if roll < self.habits.mute + self.habits.error and action not in {"BootNotification", "TransactionEvent"}:
            self._answer([4, message_id, "InternalError", "one of those days", {}], mono)
            return
        answer = [3, message_id, self._response(action, payload, utc)]
        self._answer(answer, mono)
        if self.rng.random() < self.habits.double:
            self._answer(answer, mono)

    def _answer(self, message: list[Any], mono: float) -> None:
        self.sends.append((mono + self.rng.uniform(0, self.habits.late_s), json.dumps(message)))

    def _response(self, action: str, payload: dict[str, Any], utc: datetime) -> dict[str, Any]:
        match action:
            case "BootNotification":
                self.boots += 1
                return {"currentTime": _stamp(utc), "interval": 60, "status": "Accepted"}
            case "Heartbeat":
                return {"currentTime": _stamp(utc)}
            case "Authorize":
                return {"idTokenInfo": {"status": verdict(payload["idToken"])}}
            case "TransactionEvent" if "idToken" in payload:
                return {"idTokenInfo": {"status": verdict(payload["idToken"])}}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case _:
                return {}


def verdict(token: dict[str, Any]) -> str:
    """What the CSMS says to a token."""
    return "Accepted" if token["type"] == "Central" else TOKENS.get(token["idToken"], "Unknown")


def _stamp(utc: datetime) -> str:
    return utc.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
