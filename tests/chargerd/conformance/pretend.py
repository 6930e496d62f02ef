"""Surroundings with a station that does what a test tells it to: it answers by a table, and says what it is given to
say at its time. Time passes only when somebody waits.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chargerd.conformance.files import Files
from chargerd.conformance.peer import Peer
from chargerd.conformance.station import Offer

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


class Pretend:
    """`answers`: action -> payload, or an error's code. `acts`: the verbs somebody did; `busy`: so often it cannot be
    done yet. `reconnects`: as soon as the CSMS can be reached.
    """

    evses = 1

    def __init__(self, answers: Mapping[str, Any] | None = None, peer: Peer | None = None) -> None:
        self.mono = 0.0
        self.peer = peer or Peer(lambda: MIDNIGHT + timedelta(seconds=self.mono))
        self.answers = dict(answers or {})
        self.acts: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[tuple[str, Any]] = []
        self.busy = 0
        self.reconnects = True
        self._to_say: list[tuple[float, str, Mapping[str, Any]]] = []
        self.peer.opened()

    def say(self, action: str, payload: Mapping[str, Any], in_s: float = 0.0) -> None:
        """The station sends a request."""
        self._to_say.append((self.mono + in_s, action, payload))
        self._move()

    def now_mono(self) -> float:
        return self.mono

    def wait(self, seconds: float) -> None:
        self.mono += seconds
        if self.reconnects and self.peer.open and not self.peer.connected:
            self.peer.opened()
        elif self.peer.connected and not self.peer.open:
            self.peer.closed(self.peer.connections)
        self._move()

    def act(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        if self.busy:
            self.busy -= 1
            return "it is locked"
        self.acts.append((verb, dict(arguments)))
        return None

    def power_on(self) -> None:
        self.acts.append(("power_on", {}))

    def power_cycle(self, off_s: float) -> None:
        self.acts.append(("power_cycle", {"off_s": off_s}))

    def another_csms(self, _security_profile: int, _root: str) -> tuple[str, Peer]:
        return "ws://other.test/ocpp", Peer(self.peer.utc)

    def file_server(self) -> tuple[str, Files]:
        return "http://files.test", Files()

    def firmware(self, kind: str) -> tuple[Offer, Files]:
        return Offer(f"http://files.test/{kind}", "certificate", "signature"), Files()

    def _move(self) -> None:
        for text in self.peer.due():
            message = json.loads(text)
            if message[0] == 2:
                self._answer(*message[1:])
        due = [each for each in self._to_say if each[0] <= self.mono]
        self._to_say = [each for each in self._to_say if each[0] > self.mono]
        for _at, action, payload in due:
            self.peer.receive(json.dumps([2, f"own-{action}-{self.mono}", action, payload]), self.mono)

    def _answer(self, message_id: str, action: str, payload: Mapping[str, Any]) -> None:
        self.asked.append((action, payload))
        answer = self.answers.get(action)
        if isinstance(answer, str):
            self.peer.receive(json.dumps([4, message_id, answer, "", {}]), self.mono)
        elif answer is not None:
            self.peer.receive(json.dumps([3, message_id, answer]), self.mono)
