"""One station by itself: its store is a file on a disk, time is virtual, CSMS and control process are in memory.

For what a clock on the wall would make long: days of charging pass in seconds, and each write is a real one.
"""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from chargerd.clock import ManualClock
from chargerd.evse.types import EvseStatus, PilotState, Status, TokenSeen
from chargerd.limits import Limit
from chargerd.ocpp.effects import SendText
from chargerd.ocpp.events import Event, LinkDown, LinkFailure, LinkUp, Received, StatusArrived
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.ocpp.station import Station
from chargerd.store import Store
from hal.types import BoardFacts, EvseFacts, MeterSample, PilotMode, Token, TokenKind

AMPS = 16.0
WATTS = 3 * 230.0 * AMPS
BOARD = BoardFacts(
    vendor="V", model="M", serial="S", evses=(EvseFacts(max_amps=32.0, phases=3, has_lock=True),), simulated=True
)


class Alone:
    """`events`: the TransactionEvents that have arrived at the CSMS. `cpu_s`: what the station itself has taken."""

    def __init__(self, state: str, **settings: str) -> None:
        """`state`: where the store's file is. `settings`: variables, with `__` in place of the point."""
        self.clock = ManualClock(synced=True)
        self.store = Store(state)
        self.events: list[dict[str, Any]] = []
        self.cpu_s = 0.0
        self._seq = itertools.count(1)
        self._ids = itertools.count(1)
        self._evse = EvseStatus(evse_id=1, pilot_state=PilotState.A)
        self._energy_wh = 0.0
        config = StationConfig(
            identity="ALONE",
            board=BOARD,
            firmware_version="1.0",
            network=NetworkSlot(url="ws://csms.invalid", security_profile=1),
            password="0123456789abcdef",
            overrides={name.replace("__", "."): value for name, value in settings.items()},
        )
        self._station = Station(
            config, self.store, self.clock.now(), new_id=lambda: f"id-{next(self._ids)}", random=lambda: 0.5
        )
        self._perform()
        self._show()

    @property
    def waiting(self) -> int:
        """Messages in the queue."""
        return self._station.ctx.outbox.pending()

    def link_up(self) -> None:
        self.feed(LinkUp(1))

    def link_down(self) -> None:
        self.feed(LinkDown(1, LinkFailure.UNREACHABLE, "cut"))

    def begin_charging(self) -> None:
        """A card and a car."""
        number = self._evse.plug_count + 1
        self._show(token=TokenSeen(Token("04AABBCCDD", TokenKind.ISO14443, self.clock.monotonic()), number))
        self._show(pilot_state=PilotState.B, ev_connected=True, plug_count=number)
        self._show(pilot_mode=PilotMode.PWM, offered_amps=AMPS, limit=Limit("board", AMPS))
        self._show(pilot_state=PilotState.C, relay_commanded=True, relay_closed=True, energy_on_count=number)

    def charge(self, seconds: int) -> None:
        """Energy flows; the meter is read and a Status comes once a second."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self._energy_wh += WATTS / 3600.0
            meter = MeterSample(
                self.clock.monotonic(), self._energy_wh, WATTS, (AMPS,) * 3, (230.0,) * 3, frequency_hz=50.0
            )
            self._show(meter=meter)
            self._on_time()

    def end_charging(self) -> None:
        """The car leaves."""
        self._show(pilot_state=PilotState.B, relay_commanded=False, relay_closed=False)
        self._show(pilot_state=PilotState.A, ev_connected=False, pilot_mode=PilotMode.STEADY_HIGH, offered_amps=0.0)

    # ------------------------------------------------------------------ the shell of it

    def feed(self, event: Event) -> None:
        """Something happens to the station; the CSMS answers at once, and so on until both are silent."""
        self._work(lambda: self._station.feed(event, self.clock.now()))
        self._perform()

    def _on_time(self) -> None:
        deadline = self._station.next_deadline()
        if deadline is not None and deadline <= self.clock.monotonic():
            self._work(lambda: self._station.on_time(self.clock.now()))
            self._perform()

    def _perform(self) -> None:
        while effects := self._station.effects():
            for effect in effects:
                if isinstance(effect, SendText) and (answer := self._answer(effect.text)) is not None:
                    text = answer
                    self._work(lambda text=text: self._station.feed(Received(text), self.clock.now()))  # type: ignore[misc]

    def _work(self, work: Callable[[], None]) -> None:
        began_s = time.process_time()
        work()
        self.cpu_s += time.process_time() - began_s

    def _show(self, **fields: Any) -> None:
        self._evse = msgspec.structs.replace(self._evse, **fields)
        status = Status(
            run_id="run", seq=next(self._seq), at_mono=self.clock.monotonic(), board=BOARD, evses=(self._evse,)
        )
        self.feed(StatusArrived(status))

    def _answer(self, text: str) -> str | None:
        frame = json.loads(text)
        if frame[0] != 2:
            return None
        _, message_id, action, payload = frame
        answer: dict[str, Any] = {}
        if action == "TransactionEvent":
            self.events.append(payload)
        elif action == "Authorize":
            answer = {"idTokenInfo": {"status": "Accepted"}}
        elif action in {"BootNotification", "Heartbeat"}:
            answer = {"currentTime": self.clock.now().utc.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if action == "BootNotification":
            answer |= {"interval": 86400, "status": "Accepted"}
        return json.dumps([3, message_id, answer])
