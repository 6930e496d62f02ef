"""A station with an in-memory CSMS on the one side and hand-made Status snapshots on the other, on a clock that a
test moves.

Nothing here decides: the CSMS answers from a table, the Status says what the test put there.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chargerd.clock import ManualClock
from chargerd.evse.types import ActiveFault, EvseOrders, EvseStatus, PilotState, Status, TokenSeen
from chargerd.limits import Limit
from chargerd.ocpp.effects import Effect, Note, SendText, SetOrders
from chargerd.ocpp.events import Event, LinkDown, LinkFailure, LinkUp, Received, StatusArrived, StatusLost
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.ocpp.station import Station
from chargerd.ocpp.vendor import Vendor
from chargerd.store import Store
from hal.types import BoardFacts, EvseFacts, MeterSample, PilotMode, Token, TokenKind

Payload = dict[str, Any]

GOOD = "04AABBCCDD"
OTHER = "04FFEEDDCC"


def board(evses: int = 1, **facts: Any) -> BoardFacts:
    """A simulated 32 A three-phase board with a lock on each EVSE."""
    one = msgspec.structs.replace(EvseFacts(max_amps=32.0, phases=3, has_lock=True), **facts)
    return BoardFacts(vendor="V", model="M", serial="S", evses=(one,) * evses, simulated=True)


class Csms:
    """Answers every call of the station at once: `answers[action]`, a payload, a function of the request, or None for
    never."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Payload]] = []
        self.tokens: dict[str, Payload] = {}
        self.answers: dict[str, Payload | Callable[[Payload], Payload] | None] = {
            "BootNotification": lambda _request: {
                "currentTime": "2026-01-01T00:00:00Z",
                "interval": 86400,
                "status": "Accepted",
            },
            "Heartbeat": {"currentTime": "2026-01-01T00:00:00Z"},
            "Authorize": lambda request: {"idTokenInfo": self.info(request["idToken"]["idToken"])},
        }

    def info(self, uid: str) -> Payload:
        """What it says about a token: Accepted unless `tokens` says otherwise."""
        return self.tokens.get(uid, {"status": "Accepted"})

    def take(self, text: str) -> str | None:
        """One frame from the station; the answer to it, None where there is none to give."""
        kind, message_id, *rest = json.loads(text)
        if kind != 2:
            return None
        action, payload = rest
        self.received.append((action, payload))
        answer = self.answers.get(action, {})
        if answer is None:
            return None
        return json.dumps([3, message_id, answer(payload) if callable(answer) else answer])


class Rig:
    """A station under test. Verbs say what happens to it; `sent`, `events`, `orders` and `notes` what it did."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        store: Store | None = None,
        facts: BoardFacts | None = None,
        clock: ManualClock | None = None,
        boot_reason: str = "PowerUp",
        run_id: str = "run-1",
        online: bool = True,
        first_id: int = 1,
        vendors: Sequence[Vendor] = (),
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """`changes`: to the configuration of the station."""
        self.clock = clock or ManualClock()
        self.store = store or Store(":memory:")
        self.csms = Csms()
        self.board = facts or board()
        self.frames: list[str] = []
        self.effects: list[Effect] = []
        self.all_orders: list[tuple[EvseOrders, ...]] = []
        self.evses = [
            EvseStatus(evse_id=number + 1, pilot_state=PilotState.A) for number in range(len(self.board.evses))
        ]
        self.run_id = run_id
        self._seq = itertools.count(1)
        self._ids = itertools.count(first_id)
        config = StationConfig(
            identity="CS-1",
            board=self.board,
            firmware_version="1.0",
            network=NetworkSlot(url="ws://csms.invalid", security_profile=1),
            password="0123456789abcdef",
            boot_reason=boot_reason,
            overrides=settings or {},
        )
        config = msgspec.structs.replace(config, **changes or {})
        self.station = Station(
            config,
            self.store,
            self.clock.now(),
            new_id=lambda: f"id-{next(self._ids)}",
            random=lambda: 0.5,
            vendors=vendors,
        )
        self._drain()
        if online:
            self.link_up()

    # ------------------------------------------------------------------ what happens

    def feed(self, event: Event) -> None:
        """Hand an event to the station and deal with everything that follows from it."""
        self.station.feed(event, self.clock.now())
        self._drain()

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the station whenever it wants to be woken."""
        end = self.clock.monotonic() + seconds
        while (deadline := self.station.next_deadline()) is not None and deadline <= end:
            self.clock.advance(max(0.0, deadline - self.clock.monotonic()))
            self.station.on_time(self.clock.now())
            self._drain()
        self.clock.advance(end - self.clock.monotonic())

    def run(self, seconds: int, amps: float = 0.0, evse_id: int = 1) -> None:
        """Let time pass with a meter that is read each second while `amps` flow on three phases."""
        for _ in range(seconds):
            self.advance(1.0)
            sample = self.evses[evse_id - 1].meter
            self.meter((0.0 if sample is None else sample.energy_wh) + amps * 690.0 / 3600.0, amps, evse_id)

    def link_up(self) -> None:
        """The WebSocket opens."""
        self.feed(LinkUp(1))

    def link_down(self) -> None:
        """The WebSocket ends."""
        self.feed(LinkDown(1, LinkFailure.UNREACHABLE, "cut by the test"))

    def call(self, action: str, **payload: Any) -> Payload:
        """The CSMS calls; the payload of the response. A CALLERROR comes as {"errorCode": ...}."""
        answer = self.ask(action, **payload)()
        assert answer is not None, f"{action} was not answered"
        return answer

    def ask(self, action: str, **payload: Any) -> Callable[[], Payload | None]:
        """The CSMS calls; what `call` returns, once it is there. None: it is still to come."""
        message_id = f"csms-{next(self._ids)}"
        before = len(self.frames)
        self.feed(Received(json.dumps([2, message_id, action, payload])))

        def answer() -> Payload | None:
            found = [rest for kind, answered, *rest in map(json.loads, self.frames[before:]) if answered == message_id]
            assert len(found) <= 1, f"{action} was answered twice"
            for rest in found:
                return {"errorCode": rest[0], "errorDescription": rest[1]} if len(rest) == 3 else dict(rest[0])
            return None

        return answer

    def status(self, evse_id: int = 1, **fields: Any) -> None:
        """The control process publishes a snapshot with these fields of one EVSE changed."""
        self.evses[evse_id - 1] = msgspec.structs.replace(self.evses[evse_id - 1], **fields)
        self.feed(StatusArrived(self.snapshot()))

    def snapshot(self) -> Status:
        """All EVSEs as they stand."""
        return Status(
            run_id=self.run_id,
            seq=next(self._seq),
            at_mono=self.clock.monotonic(),
            board=self.board,
            evses=tuple(self.evses),
        )

    def status_lost(self) -> None:
        """The control process falls silent."""
        self.feed(StatusLost())

    def control_restarts(self, run_id: str) -> None:
        """A new control process: it knows nothing yet, not even the pilot."""
        self.run_id = run_id
        self.evses = [EvseStatus(evse_id=evse.evse_id) for evse in self.evses]
        self.status()

    def plug_in(self, evse_id: int = 1) -> None:
        """A vehicle is plugged in and does not ask for energy yet."""
        count = self.evses[evse_id - 1].plug_count + 1
        self.status(evse_id, pilot_state=PilotState.B, ev_connected=True, plug_count=count)

    def unplug(self, evse_id: int = 1) -> None:
        """The vehicle leaves."""
        self.status(evse_id, pilot_state=PilotState.A, ev_connected=False, **_NO_OFFER, **_OPEN)

    def offer(self, amps: float = 16.0, evse_id: int = 1) -> None:
        """The pilot offers current."""
        self.status(evse_id, pilot_mode=PilotMode.PWM, offered_amps=amps, limit=Limit("board", amps))

    def charge(self, evse_id: int = 1) -> None:
        """The pilot offers current, the vehicle takes it and the contactor closes."""
        count = self.evses[evse_id - 1].energy_on_count + 1
        self.offer(evse_id=evse_id)
        self.status(evse_id, pilot_state=PilotState.C, relay_commanded=True, relay_closed=True, energy_on_count=count)

    def ev_pauses(self, evse_id: int = 1) -> None:
        """The vehicle goes back to B while current is offered."""
        self.status(evse_id, pilot_state=PilotState.B, **_OPEN)

    def evse_pauses(self, evse_id: int = 1) -> None:
        """The offer ends, then the contactor opens."""
        self.status(evse_id, **_NO_OFFER)
        self.status(evse_id, pilot_state=PilotState.B, **_OPEN)

    def tap(self, uid: str = GOOD, evse_id: int = 1, kind: TokenKind = TokenKind.ISO14443) -> None:
        """A token is presented."""
        seen = self.evses[evse_id - 1].token
        token = TokenSeen(Token(uid, kind, self.clock.monotonic()), 1 if seen is None else seen.seq + 1)
        self.status(evse_id, token=token)

    def meter(self, energy_wh: float, amps: float = 0.0, evse_id: int = 1) -> None:
        """The meter is read."""
        sample = MeterSample(
            self.clock.monotonic(), energy_wh, amps * 690.0, (amps,) * 3, (230.0,) * 3, frequency_hz=50.0
        )
        self.status(evse_id, meter=sample)

    def fault(self, *codes: str, evse_id: int = 1) -> None:
        """Exactly these faults stand, and the contactor is open while one does."""
        standing = tuple(ActiveFault(code, self.clock.monotonic()) for code in codes)
        self.status(evse_id, faults=standing, **(_OPEN if codes else {}), **(_NO_OFFER if codes else {}))

    # ------------------------------------------------------------------ what the station did

    def sent(self, action: str) -> list[Payload]:
        """The payloads of all calls of this action so far, oldest first."""
        return [payload for name, payload in self.csms.received if name == action]

    def events(self) -> list[Payload]:
        """All TransactionEvents that reached the CSMS."""
        return self.sent("TransactionEvent")

    def story(self) -> list[str]:
        """All TransactionEvents, each as "eventType triggerReason chargingState [stoppedReason]"."""
        return [told(event) for event in self.events()]

    def orders(self, evse_id: int = 1) -> EvseOrders:
        """What the control process was last told for this EVSE."""
        return self.all_orders[-1][evse_id - 1]

    def notes(self) -> list[str]:
        """Every line for the log."""
        return [effect.text for effect in self.effects if isinstance(effect, Note)]

    def _drain(self) -> None:
        """Perform the effects, as the shell would, until none is left."""
        while effects := self.station.effects():
            self.effects += effects
            for effect in effects:
                if isinstance(effect, SetOrders):
                    self.all_orders.append(effect.orders.evses)
                elif isinstance(effect, SendText):
                    self.frames.append(effect.text)
            for answer in self._answers(effects):
                self.station.feed(Received(answer), self.clock.now())

    def _answers(self, effects: Iterable[Effect]) -> list[str]:
        taken = [self.csms.take(effect.text) for effect in effects if isinstance(effect, SendText)]
        return [answer for answer in taken if answer is not None]


_OPEN: dict[str, Any] = {"relay_commanded": False, "relay_closed": False}
_NO_OFFER: dict[str, Any] = {"pilot_mode": PilotMode.STEADY_HIGH, "offered_amps": 0.0}


def told(event: Payload) -> str:
    """One TransactionEvent in a line."""
    info = event["transactionInfo"]
    parts = (event["eventType"], event["triggerReason"], info.get("chargingState"), info.get("stoppedReason"))
    return " ".join(part for part in parts if part)


def tx_settings(start: str, stop: str, **more: str) -> dict[str, str]:
    """Settings with these start and stop points."""
    return {"TxCtrlr.TxStartPoint": start, "TxCtrlr.TxStopPoint": stop, **{f"TxCtrlr.{k}": v for k, v in more.items()}}
