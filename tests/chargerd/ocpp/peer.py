"""A station of some blocks only, with an in-memory CSMS at the other end. Routes events as the station does."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from chargerd import codec
from chargerd.clock import ManualClock, Now
from chargerd.codec import ErrorCode
from chargerd.ocpp.block import Block, Response, StationContext
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.credentials import Credentials
from chargerd.ocpp.effects import Effect, Note, SendText, Severity
from chargerd.ocpp.events import LinkDown, LinkFailure, LinkUp
from chargerd.ocpp.messages.wire import Call, Wire
from chargerd.ocpp.network import Network
from chargerd.ocpp.news import ClockSet, News, Registration, RegistrationChanged
from chargerd.ocpp.outbox import Outbox
from chargerd.ocpp.rpc import CallRefused, Rpc
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.ocpp.variables import Variables
from chargerd.store import Store
from hal.types import BoardFacts, EvseFacts

PASSWORD = "a-password-of-24-chars-x"


def config(evse_count: int = 2, **changes: Any) -> StationConfig:
    evses = tuple(EvseFacts(max_amps=32.0, phases=3) for _ in range(evse_count))
    board = BoardFacts(vendor="Maker", model="Model", serial="SN-1", evses=evses, simulated=True)
    settings: dict[str, Any] = {
        "identity": "CS 1",
        "board": board,
        "firmware_version": "1.0",
        "network": NetworkSlot(url="ws://csms.example/ocpp", security_profile=1, message_timeout_s=30),
        "password": PASSWORD,
    }
    return StationConfig(**(settings | changes))


def network_of(ctx: StationContext) -> tuple[Credentials, Network]:
    """The two blocks that connect, on what the store holds."""
    credentials = Credentials(ctx)
    return credentials, Network(ctx, credentials, CertificateBook(ctx))


class Peer:
    """A station with the blocks of `build(ctx)`; `frames` are those it sent and nobody has taken."""

    def __init__(
        self,
        build: Callable[[StationContext], Sequence[Block]] = lambda _ctx: (),
        *,
        settings: StationConfig | None = None,
        store: Store | None = None,
        clock: ManualClock | None = None,
        random: float = 0.0,
    ) -> None:
        self.clock = clock or ManualClock()
        self.store = store or Store(":memory:")
        self.effects: list[Effect] = []
        self.frames: list[list[Any]] = []
        self.news: list[News] = []
        self.config = settings or config()
        ids = itertools.count(1)
        self.rpc = Rpc(
            send=lambda text: self.ctx.do(SendText(text)),
            dispatch=self._dispatch,
            mark=lambda: self.ctx.effect_mark,
            reply=lambda mark, text: self.ctx.insert_effect(mark, SendText(text)),
            new_id=lambda: f"id-{next(ids)}",
            note=lambda severity, text: self.ctx.do(Note(severity, text)),
        )
        variables = Variables(self.store, len(self.config.board.evses), self.config.overrides)
        self.outbox = Outbox(self.store, self.rpc, variables, lambda severity, text: self.ctx.do(Note(severity, text)))
        self.ctx = StationContext(
            config=self.config,
            store=self.store,
            variables=variables,
            rpc=self.rpc,
            outbox=self.outbox,
            new_id=lambda: f"new-{next(ids)}",
            random=lambda: random,
        )
        self.blocks = tuple(build(self.ctx))
        for block in self.blocks:
            variables.declare(block.variables(), block.readers(), block.checks(), block.attributes())
        variables.finish()
        self.handlers = {action: handler for block in self.blocks for action, handler in block.handlers().items()}
        self.outbox.set_answers({action: tell for block in self.blocks for action, tell in block.answers().items()})
        self.within(self._start)

    @property
    def now(self) -> Now:
        return self.clock.now()

    def within(self, act: Callable[[Now], object]) -> None:
        """One event: a transaction, then its news, then its effects."""
        with self.store.transaction():
            act(self.now)
            while news := self.ctx.drain_news():
                for item in news:
                    self._deliver(item)
        for effect in self.ctx.drain_effects():
            self.effects.append(effect)
            if isinstance(effect, SendText):
                self.frames.append(json.loads(effect.text))

    def _start(self, now: Now) -> None:
        for block in self.blocks:
            block.on_start(now)

    def _deliver(self, item: News) -> None:
        self.news.append(item)
        for block in self.blocks:
            block.on_news(item, self.now)
        if isinstance(item, RegistrationChanged) and self.ctx.online:
            self.outbox.on_online(self.now)

    def _dispatch(self, request: Call[Any], now: Now) -> Response:
        if self.ctx.registration is Registration.REJECTED:
            raise CallRefused(ErrorCode.SECURITY_ERROR, "rejected")
        handler = self.handlers.get(type(request))
        if handler is None:
            raise CallRefused(ErrorCode.NOT_IMPLEMENTED, "no handler")
        return handler(request, now)

    # ------------------------------------------------------------------ what happens to the station

    def link_up(self, slot: int = 1, root_sha256: str = "") -> None:
        def act(now: Now) -> None:
            self.ctx.link_up = True
            self.rpc.on_link_up(now)
            for block in self.blocks:
                if isinstance(block, Network):
                    block.link_opened(LinkUp(slot, root_sha256), now)
            for block in self.blocks:
                block.on_link_up(now)
            if self.ctx.online:
                self.outbox.on_online(now)

        self.within(act)

    def link_down(self, failure: LinkFailure = LinkFailure.UNREACHABLE, why: str = "gone", slot: int = 1) -> None:
        def act(now: Now) -> None:
            was_up, self.ctx.link_up = self.ctx.link_up, False
            self.rpc.on_link_down(now)
            for block in self.blocks:
                if isinstance(block, Network):
                    block.link_closed(LinkDown(slot, failure, why), now)
            if was_up:
                self.outbox.on_link_down(now)
                for block in self.blocks:
                    block.on_link_down(now)

        self.within(act)

    def accept(self) -> None:
        """As if a BootNotification had been accepted."""
        self.ctx.registration = Registration.ACCEPTED
        self.ctx.publish(RegistrationChanged(Registration.ACCEPTED))
        self.within(lambda _now: None)

    def receive(self, frame: object) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self.within(lambda now: self.rpc.on_text(text, now))

    def ask(self, request: Call[Any], message_id: str = "csms-1") -> list[Any]:
        """The CSMS calls; the station's reply, which must be the first frame it caused."""
        before = len(self.frames)
        self.receive([2, message_id, request.action, json.loads(codec.encode(request))])
        reply = self.frames.pop(before)
        assert reply[1] == message_id
        return reply

    def asked(self, request: Call[Any]) -> Any:
        """The station's response to a request of the CSMS, typed."""
        reply = self.ask(request)
        assert reply[0] == 3, reply
        return codec.decode(type(request).response(), json.dumps(reply[2]))

    def taken(self) -> list[Any]:
        """The oldest frame of the station that nobody has taken."""
        return self.frames.pop(0)

    def answer(self, frame: list[Any], response: Wire) -> None:
        self.receive([3, frame[1], json.loads(codec.encode(response))])

    def refuse(self, frame: list[Any], code: str = "InternalError") -> None:
        self.receive([4, frame[1], code, "", {}])

    def step_clock(self, by_s: float) -> None:
        self.ctx.publish(ClockSet(by_s))
        self.within(lambda _now: None)

    def deadlines(self) -> list[float]:
        found = [self.rpc.next_deadline(), self.outbox.next_deadline(), *(b.next_deadline() for b in self.blocks)]
        return [deadline for deadline in found if deadline is not None]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, calling on_time at each deadline on the way."""
        end = self.clock.monotonic() + seconds
        while (due := min(self.deadlines(), default=end)) < end:
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
            self._on_time()
            assert due not in self.deadlines(), "a deadline that has passed is still there"
        self.clock.advance(end - self.clock.monotonic())
        self._on_time()

    def _on_time(self) -> None:
        def act(now: Now) -> None:
            self.rpc.on_time(now)
            for block in self.blocks:
                block.on_time(now)
            self.outbox.on_time(now)

        self.within(act)

    # ------------------------------------------------------------------ what came out

    def took(self, kind: type[Effect]) -> list[Any]:
        """All effects of one kind so far; they are gone afterwards."""
        found = [effect for effect in self.effects if isinstance(effect, kind)]
        self.effects = [effect for effect in self.effects if not isinstance(effect, kind)]
        return found

    def notes(self, severity: Severity | None = None) -> list[str]:
        notes = [effect for effect in self.effects if isinstance(effect, Note)]
        return [note.text for note in notes if severity in {None, note.severity}]
