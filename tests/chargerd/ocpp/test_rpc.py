import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.clock import Now
from chargerd.codec import ErrorCode
from chargerd.ocpp.block import Block, Handlers, Response, StationContext
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.availability import Heartbeat, HeartbeatResponse
from chargerd.ocpp.messages.data_transfer import DataTransfer, DataTransferResponse
from chargerd.ocpp.messages.enums import DataTransferStatus
from chargerd.ocpp.messages.wire import Wire
from chargerd.ocpp.rpc import MAX_WAITING_CALLS, CallFailure, CallRefused, Deferred, FailureKind
from chargerd.store import StoreError
from tests.chargerd.ocpp.peer import Peer

BEAT = {"currentTime": "2026-01-01T00:00:00Z"}


DONE = DataTransferResponse(status=DataTransferStatus.ACCEPTED)


class Echo(Block):
    """Answers DataTransfer as its vendorId tells it to."""

    def handlers(self) -> Handlers:
        return {DataTransfer: self._answer}

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self.deferred: list[Deferred] = []

    def _answer(self, request: DataTransfer, now: Now) -> Response:
        match request.vendor_id:
            case "later":
                self.deferred.append(Deferred())
                return self.deferred[-1]
            case "at once":
                settled = Deferred()
                settled.settle(DONE)
                return settled
            case "refuse":
                raise CallRefused(ErrorCode.NOT_SUPPORTED, "not here")
            case "break":
                raise ZeroDivisionError
            case "full":
                raise StoreError("state.db", "the disk is full", "free space")
            case "call":
                self.ctx.rpc.call(Heartbeat(), now, then=lambda _response, _now: None, failed=lambda _why, _now: None)
        return DONE


class Log:
    """Where the continuations of calls leave what they were told."""

    def __init__(self) -> None:
        self.answers: list[Wire] = []
        self.failures: list[CallFailure] = []

    def then(self, response: Wire, _now: Now) -> None:
        self.answers.append(response)

    def failed(self, failure: CallFailure, _now: Now) -> None:
        self.failures.append(failure)


def make_peer() -> Peer:
    def build(ctx: StationContext) -> list[Block]:
        return [Echo(ctx)]

    peer = Peer(build)
    peer.link_up()
    return peer


def call(peer: Peer, log: Log) -> None:
    peer.within(lambda now: peer.rpc.call(Heartbeat(), now, log.then, log.failed))


def echo(peer: Peer) -> Echo:
    (block,) = peer.blocks
    assert isinstance(block, Echo)
    return block


def transfer(vendor_id: str = "x") -> DataTransfer:
    return DataTransfer(vendor_id=vendor_id)


def error(frame: list[Any]) -> tuple[str, str]:
    assert frame[0] == 4
    assert len(frame) == 5
    assert frame[4] == {}
    return frame[1], frame[2]


def test_a_call_is_framed_as_the_standard_says() -> None:
    peer = make_peer()
    call(peer, Log())
    assert peer.taken() == [2, "id-1", "Heartbeat", {}]


def test_an_answer_reaches_the_caller_once() -> None:
    peer, log = make_peer(), Log()
    call(peer, log)
    frame = peer.taken()
    peer.receive([3, frame[1], BEAT])
    assert len(log.answers) == 1
    assert isinstance(log.answers[0], HeartbeatResponse)
    peer.receive([3, frame[1], BEAT])
    assert len(log.answers) == 1
    assert any("waits for none" in note for note in peer.notes(Severity.WARNING))


def test_the_second_call_waits_for_the_answer_to_the_first() -> None:
    peer, log = make_peer(), Log()
    call(peer, log)
    call(peer, log)
    first = peer.taken()
    assert not peer.frames
    assert peer.rpc.busy
    peer.receive([3, first[1], BEAT])
    second = peer.taken()
    assert second[1] != first[1]
    peer.receive([4, second[1], "InternalError", "no", {}])
    assert log.failures == [CallFailure(FailureKind.ERROR, "InternalError", "no")]
    assert not peer.rpc.busy


def test_a_call_without_answer_fails_after_the_message_timeout_and_the_next_goes_out() -> None:
    peer, log = make_peer(), Log()
    peer.rpc.message_timeout_s = 12.0
    call(peer, log)
    call(peer, log)
    late = peer.taken()
    peer.pass_time(11.9)
    assert not log.failures
    peer.pass_time(0.2)
    assert [failure.kind for failure in log.failures] == [FailureKind.TIMEOUT]
    second = peer.taken()
    peer.receive([3, late[1], BEAT])
    assert not log.answers
    peer.receive([3, second[1], BEAT])
    assert len(log.answers) == 1


def test_a_lost_link_fails_the_call_in_flight_and_those_waiting() -> None:
    peer, log = make_peer(), Log()
    call(peer, log)
    call(peer, log)
    peer.link_down()
    assert log.failures == [CallFailure.offline()] * 2
    call(peer, log)
    assert len(log.failures) == 3
    assert peer.rpc.next_deadline() is None


def test_more_calls_than_can_wait_fail_at_once() -> None:
    peer, log = make_peer(), Log()
    for _ in range(MAX_WAITING_CALLS + 2):
        call(peer, log)
    assert log.failures == [CallFailure.offline()]


def test_an_answer_that_is_no_answer_to_this_call_is_a_failure() -> None:
    peer, log = make_peer(), Log()
    call(peer, log)
    peer.receive([3, peer.taken()[1], {"currentTime": "noon"}])
    assert [failure.kind for failure in log.failures] == [FailureKind.BAD_RESPONSE]
    call(peer, log)
    peer.receive([3, peer.taken()[1], BEAT, "more"])
    assert [failure.kind for failure in log.failures] == [FailureKind.BAD_RESPONSE] * 2


def test_idleness_is_told_when_the_last_call_is_done_and_not_before() -> None:
    peer, log = make_peer(), Log()
    moments: list[int] = []
    peer.rpc.on_idle = lambda _now: moments.append(len(log.answers))
    call(peer, log)
    call(peer, log)
    for _ in range(2):
        peer.receive([3, peer.taken()[1], BEAT])
    assert moments == [2]


def test_the_moment_of_the_last_call_is_known() -> None:
    peer = make_peer()
    assert peer.rpc.last_sent_mono is None
    peer.pass_time(5.0)
    call(peer, Log())
    sent_at = peer.now.mono
    peer.pass_time(1.0)
    assert peer.rpc.last_sent_mono == sent_at


def test_a_request_is_answered_under_its_own_id() -> None:
    assert make_peer().ask(transfer(), "some id") == [3, "some id", {"status": "Accepted"}]


@pytest.mark.parametrize("action", ["DataTransfer", "Reset", "NoSuchAction"])
@pytest.mark.parametrize("message_id", ["a", '"', '\\"', 'x"DataTransfer', 'x"a"Reset', "[", "é\\", "null", "i" * 36])
def test_a_frame_means_the_same_however_it_is_written(action: str, message_id: str) -> None:
    frame = [2, message_id, action, {"vendorId": "x", "data": ["]", {"1.0": 1.0}]}]
    compact = json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
    texts = [compact, json.dumps(frame, indent=1), compact.replace("[2,", "[2.0,", 1), f" {compact} "]
    answers = []
    for text in texts:
        peer = make_peer()
        peer.receive(text)
        answers.append(peer.taken())
        assert not peer.frames
    assert answers == [answers[0]] * len(texts)
    assert answers[0][1] == message_id
    assert answers[0][0] == (3 if action == "DataTransfer" else 4)


@pytest.mark.parametrize("form", ["[3,{},{}]", " [ 3.0 , {} , {} ] "])
def test_an_answer_means_the_same_however_it_is_written(form: str) -> None:
    peer, log = make_peer(), Log()
    call(peer, log)
    peer.receive(
        form.replace("{}", "{0}", 1).replace("{}", "{1}").format(json.dumps(peer.taken()[1]), json.dumps(BEAT))
    )
    assert len(log.answers) == 1


def test_the_same_id_twice_is_answered_twice() -> None:
    peer = make_peer()
    assert peer.ask(transfer(), "same") == peer.ask(transfer(), "same")


def test_the_answer_leaves_before_what_its_handler_sent() -> None:
    peer = make_peer()
    peer.receive([2, "a", "DataTransfer", {"vendorId": "call"}])
    assert [frame[0] for frame in peer.frames] == [3, 2]


def test_a_deferred_answer_is_given_once_when_it_is_settled() -> None:
    peer = make_peer()
    peer.receive([2, "a", "DataTransfer", {"vendorId": "later"}])
    peer.receive([2, "b", "DataTransfer", {"vendorId": "at once"}])
    assert peer.taken() == [3, "b", {"status": "Accepted"}]
    assert not peer.frames
    (deferred,) = echo(peer).deferred
    peer.within(lambda _now: deferred.settle(DONE))
    assert peer.taken() == [3, "a", {"status": "Accepted"}]
    with pytest.raises(AssertionError, match="one answer"):
        deferred.settle(DONE)


def test_a_deferred_answer_does_not_outlive_its_connection() -> None:
    peer = make_peer()
    peer.receive([2, "a", "DataTransfer", {"vendorId": "later"}])
    peer.receive([2, "b", "DataTransfer", {"vendorId": "later"}])
    first, second = echo(peer).deferred
    peer.link_down()
    peer.within(lambda _now: first.settle(DONE))
    peer.link_up()
    peer.within(lambda _now: second.settle(DONE))
    assert not peer.frames


def test_an_answer_is_given_while_a_call_of_ours_is_in_flight() -> None:
    peer = make_peer()
    call(peer, Log())
    peer.taken()
    assert peer.ask(transfer())[0] == 3


@pytest.mark.parametrize(
    "frame, expected",
    [
        ([2, "a", "NoSuchAction", {}], ("a", "NotImplemented")),
        ([2, "a", "Reset", {"type": "OnIdle"}], ("a", "NotImplemented")),
        ([2, "a", "DataTransfer", {"vendorId": "refuse"}], ("a", "NotSupported")),
        ([2, "a", "DataTransfer", {"vendorId": "break"}], ("a", "InternalError")),
        ([2, "a", "DataTransfer", {}], ("a", "OccurrenceConstraintViolation")),
        ([2, "a", "DataTransfer", {"vendorId": 1}], ("a", "TypeConstraintViolation")),
        ([2, "a", "DataTransfer", {"vendorId": "v" * 256}], ("a", "PropertyConstraintViolation")),
        ([2, "a", "DataTransfer", []], ("a", "TypeConstraintViolation")),
        ([2, "a", "DataTransfer"], ("a", "RpcFrameworkError")),
        ([2, "a", 7, {}], ("a", "RpcFrameworkError")),
        ([2, "", "DataTransfer", {}], ("-1", "RpcFrameworkError")),
        ([2, 5, "DataTransfer", {}], ("-1", "RpcFrameworkError")),
        ([2, "i" * 37, "DataTransfer", {}], ("-1", "RpcFrameworkError")),
        ([9, "a", "DataTransfer", {}], ("a", "MessageTypeNotSupported")),
        (["2", "a", "DataTransfer", {}], ("a", "RpcFrameworkError")),
        ([], ("-1", "RpcFrameworkError")),
        ("{}", ("-1", "RpcFrameworkError")),
        ("", ("-1", "RpcFrameworkError")),
        ("[2,", ("-1", "RpcFrameworkError")),
        ("[" * 10_000, ("-1", "RpcFrameworkError")),
        ('["' + "x" * 70_000 + '"]', ("-1", "RpcFrameworkError")),
    ],
)
def test_what_cannot_be_answered_gets_one_call_error(frame: object, expected: tuple[str, str]) -> None:
    peer = make_peer()
    peer.receive(frame)
    assert error(peer.taken()) == expected
    assert not peer.frames


def test_the_description_of_a_call_error_names_the_place_and_is_short() -> None:
    peer = make_peer()
    peer.receive([2, "a", "Reset", {"type": "Sometimes" * 100}])
    description = peer.taken()[3]
    assert description.startswith("$.type: ")
    assert len(description) <= 255


def test_a_handler_that_breaks_leaves_an_error_in_the_log_and_the_station_alive() -> None:
    peer = make_peer()
    peer.receive([2, "a", "DataTransfer", {"vendorId": "break"}])
    assert any("DataTransfer" in note for note in peer.notes(Severity.ERROR))
    assert error(peer.taken()) == ("a", "InternalError")
    assert peer.ask(transfer(), "b")[0] == 3


def test_a_station_that_cannot_remember_does_not_go_on() -> None:
    peer = make_peer()
    with pytest.raises(StoreError, match="disk is full"):
        peer.receive([2, "a", "DataTransfer", {"vendorId": "full"}])


@pytest.mark.parametrize("frame", [[3, "zz", {}], [3, "id-1"], [4, "zz", "InternalError", "", {}], [4], [3]])
def test_answers_to_nothing_are_ignored_with_a_note(frame: list[Any]) -> None:
    peer = make_peer()
    peer.receive(frame)
    assert not peer.frames
    assert peer.notes(Severity.WARNING)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=200) | json_values.map(json.dumps) | st.lists(json_values, max_size=5).map(json.dumps))
def test_no_text_does_more_than_cause_one_call_error(text: str) -> None:
    peer = make_peer()
    peer.receive(text)
    assert len(peer.frames) <= 1
    for frame in peer.frames:
        assert error(frame)[1] in set(ErrorCode)
