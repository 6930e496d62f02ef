"""What state a connector is in, and what the CSMS has been told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from chargerd.ocpp.connector_states import ConnectorState, ConnectorStates, summary
from chargerd.ocpp.messages.enums import ConnectorStatus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
AVAILABLE, OCCUPIED = ConnectorStatus.AVAILABLE, ConnectorStatus.OCCUPIED


def told() -> ConnectorStates:
    """EVSE 1 Available and EVSE 2 Occupied since noon, and the CSMS knows."""
    states = ConnectorStates()
    states.enter(1, AVAILABLE, NOON)
    states.enter(2, OCCUPIED, NOON)
    assert states.untold() == [(1, ConnectorState(AVAILABLE, NOON)), (2, ConnectorState(OCCUPIED, NOON))]
    return states


def test_a_state_is_untold_once_and_keeps_the_time_of_its_begin() -> None:
    states = told()
    states.enter(1, AVAILABLE, LATER)
    assert states.untold() == []
    states.enter(1, OCCUPIED, LATER)
    states.enter(1, OCCUPIED, LATER + timedelta(minutes=1))
    assert states.untold() == [(1, ConnectorState(OCCUPIED, LATER))]
    assert states.status(1) is OCCUPIED


def test_before_its_first_state_a_connector_is_unavailable() -> None:
    assert ConnectorStates().status(1) is ConnectorStatus.UNAVAILABLE


def test_a_state_that_came_and_went_untold_is_not_worth_telling() -> None:
    states = told()
    states.enter(1, OCCUPIED, LATER)
    states.enter(1, AVAILABLE, LATER)
    assert states.untold() == []


def test_what_was_lost_on_the_way_is_untold_again() -> None:
    states = told()
    states.was_lost(1, AVAILABLE)
    assert states.untold() == [(1, ConnectorState(AVAILABLE, NOON))]


def test_what_was_lost_of_an_earlier_state_does_not_matter() -> None:
    states = told()
    states.was_lost(1, OCCUPIED)
    assert states.untold() == []


def test_everything_can_be_told_anew_as_it_is_now() -> None:
    states = told()
    states.forget_told(LATER)
    assert states.untold() == [(1, ConnectorState(AVAILABLE, LATER)), (2, ConnectorState(OCCUPIED, LATER))]


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
