"""What state a connector is in, and what the CSMS has been told of it."""

import pytest

from chargerd.clock import ManualClock, Now
from chargerd.ocpp.connector_states import ConnectorState, ConnectorStates, summary
from chargerd.ocpp.messages.enums import ConnectorStatus

CLOCK = ManualClock()
NOON, LATER, LAST = CLOCK.now(), CLOCK.advance(60.0), CLOCK.advance(60.0)
AVAILABLE, OCCUPIED = ConnectorStatus.AVAILABLE, ConnectorStatus.OCCUPIED


def since(status: ConnectorStatus, now: Now) -> ConnectorState:
    return ConnectorState(status, now.utc, now.mono)


def told() -> ConnectorStates:
    """EVSE 1 Available and EVSE 2 Occupied since noon, and the CSMS knows."""
    states = ConnectorStates()
    states.enter(1, AVAILABLE, NOON)
    states.enter(2, OCCUPIED, NOON)
    assert states.untold(NOON) == [(1, since(AVAILABLE, NOON)), (2, since(OCCUPIED, NOON))]
    return states


def test_a_state_is_untold_once_and_keeps_the_time_of_its_begin() -> None:
    states = told()
    states.enter(1, AVAILABLE, LATER)
    assert states.untold(LATER) == []
    states.enter(1, OCCUPIED, LATER)
    states.enter(1, OCCUPIED, LAST)
    assert states.untold(LATER) == [(1, since(OCCUPIED, LATER))]
    assert states.status(1) is OCCUPIED


def test_before_its_first_state_a_connector_is_unavailable() -> None:
    assert ConnectorStates().status(1) is ConnectorStatus.UNAVAILABLE


def test_a_state_that_came_and_went_untold_is_not_worth_telling() -> None:
    states = told()
    states.enter(1, OCCUPIED, LATER)
    states.enter(1, AVAILABLE, LATER)
    assert states.untold(LATER) == []


def test_what_was_lost_on_the_way_is_untold_again() -> None:
    states = told()
    states.was_lost(1, AVAILABLE)
    assert states.untold(LATER) == [(1, since(AVAILABLE, NOON))]


def test_what_was_lost_of_an_earlier_state_does_not_matter() -> None:
    states = told()
    states.was_lost(1, OCCUPIED)
    assert states.untold(LATER) == []


def test_everything_can_be_told_anew_as_it_is_now() -> None:
    states = told()
    states.forget_told(LATER)
    assert states.untold(LATER) == [
        (1, ConnectorState(AVAILABLE, LATER.utc, NOON.mono)),
        (2, ConnectorState(OCCUPIED, LATER.utc, NOON.mono)),
    ]


def test_a_state_that_has_to_settle_first_is_told_when_it_has() -> None:
    states = told()
    assert states.next_deadline(60.0) is None
    states.enter(1, OCCUPIED, LATER)
    assert states.untold(LATER, 60.0) == []
    assert states.next_deadline(60.0) == LAST.mono
    assert states.untold(LAST, 60.0) == [(1, since(OCCUPIED, LATER))]
    assert states.next_deadline(60.0) is None


def test_the_first_state_of_all_need_not_settle() -> None:
    states = ConnectorStates()
    states.enter(1, AVAILABLE, NOON)
    assert states.untold(NOON, 60.0) == [(1, since(AVAILABLE, NOON))]


@pytest.mark.parametrize(
    "parts,whole",
    [
        ((OCCUPIED, AVAILABLE), AVAILABLE),
        ((ConnectorStatus.FAULTED, OCCUPIED), OCCUPIED),
        ((ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE), ConnectorStatus.UNAVAILABLE),
        ((ConnectorStatus.FAULTED,), ConnectorStatus.FAULTED),
        ((ConnectorStatus.RESERVED, ConnectorStatus.UNAVAILABLE), ConnectorStatus.RESERVED),
    ],
)
def test_a_whole_is_as_useful_as_its_best_part(parts: tuple[ConnectorStatus, ...], whole: ConnectorStatus) -> None:
    assert summary(parts) is whole
