"""OCPP-J framing (part 4, chapter 4): one CALL in flight each way, and every CALL of the CSMS gets exactly one answer.

Nothing the peer sends raises past `on_text`. What is not worth an answer is ignored with a note.
"""

import traceback
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError, ErrorCode
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages import ACTIONS
from chargerd.ocpp.messages.wire import Call, Wire
from chargerd.store import StoreError

ResponseT = TypeVar("ResponseT", bound=Wire)

MAX_WAITING_CALLS = 64
"""Calls that wait for the one in flight; more than these means the CSMS has stopped keeping up."""

MAX_ID_CHARACTERS = 36
MAX_DESCRIPTION_CHARACTERS = 255
"""Both part 4, 4.2."""

UNREADABLE_ID = "-1"
"""Stands for a message id that could not be read (part 4, 4.2.3)."""

DEFAULT_MESSAGE_TIMEOUT_S = 30.0
"""The suggested start (part 2, chapter 3); NetworkConnectionProfile.messageTimeout replaces it."""

_CALL, _RESULT, _ERROR = 2, 3, 4

_HEAD_CHARACTERS = 128
"""The type, the id and the action of any frame by the book stand within these."""


class FailureKind(StrEnum):
    """Why a call of ours got no usable answer."""

    OFFLINE = "offline"  # not sent, or the link went down before the answer
    TIMEOUT = "timeout"  # no answer within message_timeout_s although the link is up
    ERROR = "error"  # answered with CALLERROR
    BAD_RESPONSE = "bad response"  # answered with a payload that is not a response to this call


class CallFailure(msgspec.Struct, frozen=True):
    """How a call of ours failed. `code` and `description`: those of the CALLERROR, or of the fault in the response."""

    kind: FailureKind
    code: str = ""
    description: str = ""

    @classmethod
    def offline(cls) -> "CallFailure":
        """The failure of a call that could not reach the CSMS."""
        return cls(FailureKind.OFFLINE)

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.code, self.description) if part)


class CallRefused(Exception):
    """Raised by a handler: the request is answered with CALLERROR instead of a response."""

    def __init__(self, code: ErrorCode, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class Deferred:
    """Returned by a handler whose answer takes time; whoever made it settles it, exactly once and in the end always.

    An answer that comes after the connection on which the question came is dropped.
    """

    def __init__(self) -> None:
        self._answer: Callable[[Wire], None] | None = None
        self._early: Wire | None = None
        self._is_settled = False

    def settle(self, response: Wire) -> None:
        """Answer the request now."""
        assert not self._is_settled, "can't settle twice: a CALL has one answer"
        self._is_settled = True
        if self._answer is None:
            self._early = response
        else:
            self._answer(response)

    def deliver_by(self, answer: Callable[[Wire], None]) -> None:
        """For Rpc: where the answer goes, now or when it is settled."""
        self._answer = answer
        if self._early is not None:
            answer(self._early)


class _Waiting(msgspec.Struct, frozen=True):
    """A call of ours that is to be sent, or is in flight."""

    request: Call[Any]
    then: Callable[[Any, Now], None]
    failed: Callable[[CallFailure, Now], None]


class _InFlight(msgspec.Struct, frozen=True):
    message_id: str
    call: _Waiting
    deadline_mono: float


class Rpc:
    """Both directions of one connection, whichever socket carries it."""

    def __init__(
        self,
        *,
        send: Callable[[str], None],
        dispatch: Callable[[Call[Any], Now], Wire | Deferred],
        mark: Callable[[], int],
        reply: Callable[[int, str], None],
        new_id: Callable[[], str],
        note: Callable[[Severity, str], None],
    ) -> None:
        """`send` puts a text on the wire; `reply` places one before everything that was sent since `mark` was taken.

        `dispatch` answers a request of the CSMS, now or later, or raises CallRefused. `new_id`: 36 characters or
        less, never repeated.
        """
        self.message_timeout_s = DEFAULT_MESSAGE_TIMEOUT_S
        self.on_idle: Callable[[Now], None] = _nobody_waits
        """Called when the last call of ours has been dealt with and none waits (the outbox takes its turn)."""
        self.on_invalid: Callable[[str, Now], None] = _nobody_counts
        """Called with what it was for each frame of the CSMS that is not as OCPP has it."""
        self.last_sent_mono: float | None = None
        """When a call of ours last left (G02.FR.05)."""
        self._send = send
        self._dispatch = dispatch
        self._mark = mark
        self._reply = reply
        self._new_id = new_id
        self._note = note
        self._link_up = False
        self._connections = 0
        self._waiting: deque[_Waiting] = deque()
        self._in_flight: _InFlight | None = None

    @property
    def busy(self) -> bool:
        """A call of ours is in flight or waiting."""
        return self._in_flight is not None or bool(self._waiting)

    def call(
        self,
        request: Call[ResponseT],
        now: Now,
        then: Callable[[ResponseT, Now], None],
        failed: Callable[[CallFailure, Now], None],
    ) -> None:
        """Send `request` when its turn comes (part 2, 3 FR.01); exactly one of `then` and `failed` follows."""
        if not self._link_up:
            failed(CallFailure.offline(), now)
        elif len(self._waiting) >= MAX_WAITING_CALLS:
            self._note(Severity.WARNING, f"rpc: {len(self._waiting)} calls wait already, {request.action} not sent")
            failed(CallFailure.offline(), now)
        else:
            self._waiting.append(_Waiting(request, then, failed))
            self._send_next(now)

    def on_link_up(self, _now: Now) -> None:
        """A connection begins; nothing is left of the one before."""
        assert not self.busy, "can't be busy: on_link_down came before and failed every call"
        self._link_up = True
        self._connections += 1

    def on_link_down(self, now: Now) -> None:
        """The connection ended: every call in flight or waiting fails with OFFLINE."""
        self._link_up = False
        calls = [self._in_flight.call] if self._in_flight is not None else []
        calls += self._waiting
        self._in_flight = None
        self._waiting.clear()
        for call in calls:
            call.failed(CallFailure.offline(), now)

    def next_deadline(self) -> float | None:
        """When the call in flight times out."""
        return None if self._in_flight is None else self._in_flight.deadline_mono

    def on_time(self, now: Now) -> None:
        """Give up the call in flight if its answer is overdue."""
        if self._in_flight is not None and now.mono >= self._in_flight.deadline_mono:
            call = self._in_flight.call
            self._note(Severity.WARNING, f"rpc: no answer to {call.request.action} in {self.message_timeout_s:g} s")
            self._settle(lambda: call.failed(CallFailure(FailureKind.TIMEOUT), now), now)

    def on_text(self, text: str, now: Now) -> None:
        """A frame from the CSMS."""
        frame = self._read_at_once(text)
        if isinstance(frame, _CallFrame):
            self._answer(frame.message_id, frame.request, now)
        elif frame is None:
            self._read_in_parts(text, now)
        elif (call := self._answered(frame.message_id, "result")) is not None:
            self._settle(lambda: call.then(frame.response, now), now)

    def _read_at_once(self, text: str) -> "_CallFrame | _ResultFrame | None":
        """The whole frame in one decoding, as what its head says it is; None if it is not that."""
        head = text[:_HEAD_CHARACTERS].split('"', 4)
        kind: type[_CallFrame | _ResultFrame]
        if len(head) == 5 and (action := ACTIONS.get(head[3])) is not None:
            kind = _call_frame(action)
        elif self._in_flight is not None:
            kind = _result_frame(self._in_flight.call.request.response())  # type: ignore[arg-type]  # types are hashable
        else:
            return None
        try:
            return codec.decode(kind, text)
        except CodecError:
            return None

    def _read_in_parts(self, text: str, now: Now) -> None:
        """A frame with a fault, which the answer is to name, or a rare one."""
        try:
            parts = codec.decode(list[msgspec.Raw], text)
        except CodecError as error:
            why = f"not a message: {error}"
            self._answer_invalid("no message", UNREADABLE_ID, ErrorCode.RPC_FRAMEWORK_ERROR, why, now)
            return
        kind = _decoded_or_none(int, parts, 0)
        message_id = _decoded_or_none(str, parts, 1)
        readable_id = message_id if message_id and len(message_id) <= MAX_ID_CHARACTERS else UNREADABLE_ID
        if kind is None:
            why = "the first element must be a message type number"
            self._answer_invalid("no message", readable_id, ErrorCode.RPC_FRAMEWORK_ERROR, why, now)
        elif kind == _CALL:
            self._on_call(readable_id, parts, now)
        elif kind == _RESULT:
            self._on_result(readable_id, parts, now)
        elif kind == _ERROR:
            self._on_error(readable_id, parts, now)
        else:
            why = f"message type {kind} is not known"
            self._answer_invalid("no message", readable_id, ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, why, now)

    # ------------------------------------------------------------------ calls of the CSMS

    def _on_call(self, message_id: str, parts: list[msgspec.Raw], now: Now) -> None:
        action = _decoded_or_none(str, parts, 2)
        if message_id == UNREADABLE_ID or len(parts) != 4 or action is None:
            why = f'a CALL is [2, "id of 1 to {MAX_ID_CHARACTERS} characters", "Action", {{payload}}]'
            self._answer_invalid("no CALL", message_id, ErrorCode.RPC_FRAMEWORK_ERROR, why, now)
            return
        try:
            request = _request(action, parts[3])
        except CallRefused as refusal:
            self._answer_invalid("unknown action", message_id, refusal.code, refusal.why, now)
        except CodecError as error:
            self._answer_invalid(action, message_id, error.code, str(error), now)
        else:
            self._answer(message_id, request, now)

    def _answer(self, message_id: str, request: Call[Any], now: Now) -> None:
        mark = self._mark()
        try:
            response = self._dispatch(request, now)
        except CallRefused as refusal:
            self._answer_error(mark, message_id, refusal.code, refusal.why)
        except StoreError:
            raise  # a station that cannot remember must not go on
        except Exception as error:  # noqa: BLE001
            # The one place where a fault of ours must not cost a charging session: the peer gets its answer, the log
            # the trace.
            lines = "".join(traceback.format_exception(error)).splitlines()
            trace = " | ".join(line.strip() for line in lines if line.strip(" ^~"))
            self._note(Severity.ERROR, f"rpc: {request.action} failed ({trace})")
            self._answer_error(mark, message_id, ErrorCode.INTERNAL_ERROR, f"{request.action} failed in the station")
        else:
            if isinstance(response, Deferred):
                connection = self._connections
                response.deliver_by(lambda settled: self._answer_later(connection, message_id, settled))
            else:
                self._answer_with(mark, message_id, response)

    def _answer_with(self, mark: int, message_id: str, response: Wire) -> None:
        try:
            text = _text([_RESULT, message_id, response])
        except CodecError as error:
            self._answer_error(mark, message_id, error.code, str(error))
        else:
            self._reply(mark, text)

    def _answer_later(self, connection: int, message_id: str, response: Wire) -> None:
        if self._link_up and connection == self._connections:
            self._answer_with(self._mark(), message_id, response)

    def _answer_invalid(self, what: str, message_id: str, code: ErrorCode, why: str, now: Now) -> None:
        """`what`: in words of ours, for the peer's go into no security log."""
        self._answer_error(self._mark(), message_id, code, why)
        self.on_invalid(f"{what}: {code}", now)

    def _answer_error(self, mark: int, message_id: str, code: ErrorCode, why: str) -> None:
        description = why[:MAX_DESCRIPTION_CHARACTERS]
        self._note(Severity.WARNING, f"rpc: refused message {message_id} ({code}: {description})")
        self._reply(mark, _text([_ERROR, message_id, code, description, {}]))

    # ------------------------------------------------------------------ answers to ours

    def _on_result(self, message_id: str, parts: list[msgspec.Raw], now: Now) -> None:
        call = self._answered(message_id, "result")
        if call is None:
            return
        try:
            response = codec.decode(call.request.response(), parts[2] if len(parts) == 3 else b"")
        except CodecError as error:
            failure = CallFailure(FailureKind.BAD_RESPONSE, error.code, str(error))
            self._note(Severity.WARNING, f"rpc: unusable answer to {call.request.action} ({failure})")
            self.on_invalid(f"answer to {call.request.action}: {error.code}", now)
            self._settle(lambda: call.failed(failure, now), now)
            return
        self._settle(lambda: call.then(response, now), now)

    def _on_error(self, message_id: str, parts: list[msgspec.Raw], now: Now) -> None:
        call = self._answered(message_id, "error")
        if call is None:
            return
        code = _decoded_or_none(str, parts, 2) or ErrorCode.GENERIC_ERROR
        description = _decoded_or_none(str, parts, 3) or ""
        failure = CallFailure(FailureKind.ERROR, code[:MAX_ID_CHARACTERS], description[:MAX_DESCRIPTION_CHARACTERS])
        self._note(Severity.WARNING, f"rpc: {call.request.action} was answered with {failure}")
        self._settle(lambda: call.failed(failure, now), now)

    def _answered(self, message_id: str, what: str) -> _Waiting | None:
        """The call this answer belongs to; None (and a note) for a second answer, a late or an unasked one."""
        if self._in_flight is None or self._in_flight.message_id != message_id:
            self._note(Severity.WARNING, f"rpc: {what} for {message_id}, which waits for none, ignoring")
            return None
        return self._in_flight.call

    def _settle(self, tell: Callable[[], None], now: Now) -> None:
        self._in_flight = None
        # The next call may go first only after this one's owner has had its say (and perhaps its own next call).
        tell()
        self._send_next(now)
        if not self.busy:
            self.on_idle(now)

    def _send_next(self, now: Now) -> None:
        while self._link_up and self._in_flight is None and self._waiting:
            call = self._waiting.popleft()
            message_id = self._new_id()
            try:
                text = _text([_CALL, message_id, call.request.action, call.request])
            except CodecError as error:
                self._note(Severity.ERROR, f"rpc: {call.request.action} cannot be sent ({error})")
                call.failed(CallFailure(FailureKind.ERROR, error.code, str(error)), now)
                continue
            self._in_flight = _InFlight(message_id, call, now.mono + self.message_timeout_s)
            self.last_sent_mono = now.mono
            self._send(text)


_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]


class _CallFrame(msgspec.Struct, frozen=True, array_like=True, tag=_CALL, forbid_unknown_fields=True):
    message_id: _Id
    action: str
    request: Any


class _ResultFrame(msgspec.Struct, frozen=True, array_like=True, tag=_RESULT, forbid_unknown_fields=True):
    message_id: _Id
    response: Any


@cache
def _call_frame(request: type[Call[Any]]) -> type[_CallFrame]:
    """The frame of one action and no other: an id may be written so that the head looks like another's."""
    fields: list[tuple[str, Any]] = [("action", Literal[request.action]), ("request", request)]
    frame: Any = msgspec.defstruct("CallFrame", fields, bases=(_CallFrame,), frozen=True)
    return frame  # type: ignore[no-any-return]


@cache
def _result_frame(response: type[Wire]) -> type[_ResultFrame]:
    frame: type[Any] = msgspec.defstruct("ResultFrame", [("response", response)], bases=(_ResultFrame,), frozen=True)
    return frame


def _text(frame: list[Any]) -> str:
    return codec.encode(frame).decode()


def _request(action: str, payload: msgspec.Raw) -> Call[Any]:
    """Raises CallRefused for an action nobody knows, CodecError for a payload that does not fit it."""
    kind = ACTIONS.get(action)
    if kind is None:
        raise CallRefused(ErrorCode.NOT_IMPLEMENTED, "no such action in OCPP 2.0.1")
    return codec.decode(kind, payload)


T = TypeVar("T")


def _decoded_or_none(kind: type[T], parts: list[msgspec.Raw], index: int) -> T | None:
    try:
        return codec.decode(kind, parts[index]) if index < len(parts) else None
    except CodecError:
        return None


def _nobody_waits(_now: Now) -> None:
    pass


def _nobody_counts(_what: str, _now: Now) -> None:
    pass
