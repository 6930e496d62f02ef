from chargerd import codec
from chargerd.ocpp.messages.enums import Attribute, Data
from chargerd.ocpp.messages.provisioning import (
    NotifyReportResponse,
    ReportData,
    VariableAttribute,
    VariableCharacteristics,
)
from chargerd.ocpp.messages.types import Component, Variable
from chargerd.ocpp.reports import PART_BYTES, ReportSender, in_parts
from tests.chargerd.ocpp.peer import Peer


def rows(count: int, value: str = "x" * 100) -> list[ReportData]:
    return [
        ReportData(
            component=Component(name="Ctrlr"),
            variable=Variable(name=f"Variable{number}"),
            variable_attribute=(VariableAttribute(type=Attribute.ACTUAL, value=value),),
            variable_characteristics=VariableCharacteristics(data_type=Data.STRING, supports_monitoring=False),
        )
        for number in range(count)
    ]


def sending(count: int) -> tuple[Peer, ReportSender]:
    peer = Peer()
    peer.link_up()
    sender = ReportSender(peer.ctx)
    peer.within(lambda now: sender.start(17, rows(count), now))
    return peer, sender


def test_parts_hold_all_rows_in_order_and_none_is_too_long() -> None:
    made = rows(300)
    parts = in_parts(made)
    assert len(parts) > 5
    assert [row for part in parts for row in part] == made
    assert all(len(codec.encode(part)) <= PART_BYTES + 2 for part in parts)
    assert in_parts([]) == []


def test_a_row_that_is_too_long_alone_is_a_part_of_its_own() -> None:
    parts = in_parts([*rows(2), *rows(1, "x" * (PART_BYTES + 1)), *rows(2)])
    assert [len(part) for part in parts] == [2, 1, 2]


def test_B07_FR_10_parts_are_numbered_from_zero_and_all_but_the_last_say_that_more_comes() -> None:
    peer, sender = sending(300)
    seen = []
    while peer.frames:
        assert len(peer.frames) == 1
        frame = peer.taken()
        seen.append((frame[3]["requestId"], frame[3]["seqNo"], frame[3]["tbc"]))
        assert sender.busy
        peer.answer(frame, NotifyReportResponse())
    assert not sender.busy
    assert [number for _, number, _ in seen] == list(range(len(seen)))
    assert {request_id for request_id, _, _ in seen} == {17}
    assert [more for _, _, more in seen] == [True] * (len(seen) - 1) + [False]


def test_a_part_that_fails_ends_the_report_with_a_note_and_the_next_may_begin() -> None:
    peer, sender = sending(300)
    peer.refuse(peer.taken())
    assert not sender.busy
    assert not peer.frames
    assert any("report: 17 ended early (0 of" in note for note in peer.notes())
    peer.within(lambda now: sender.start(18, rows(1), now))
    assert peer.taken()[3]["requestId"] == 18


def test_a_lost_link_ends_the_report() -> None:
    peer, sender = sending(300)
    peer.link_down()
    assert not sender.busy
