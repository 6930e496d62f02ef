import pytest

from hal.interfaces import Relays
from hal.types import HalError
from tests.contract.stands import Stand

ROLE = "relays"

FEEDBACK_S = 0.25  # contactor and feedback contact, as chargers in the field allow it


def is_closed(stand: Stand[Relays], otherwise: bool) -> bool:
    """The feedback, or what it should be where there is none."""
    closed = stand.device.read().closed
    assert (closed is not None) == stand.facts.has_feedback
    return otherwise if closed is None else closed


def test_it_opens_when_told(stand: Stand[Relays]) -> None:
    stand.device.hold(False, 0.0)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=False) is False


@pytest.mark.parametrize("for_s", [3600.0, -1.0, float("nan"), float("inf")])
def test_opening_is_never_refused(stand: Stand[Relays], for_s: float) -> None:
    stand.device.hold(False, for_s)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=False) is False


def test_a_reading_is_fresh(stand: Stand[Relays]) -> None:
    before = stand.monotonic()
    assert before <= stand.device.read().at_mono <= stand.monotonic()


def test_a_reading_takes_5_ms_at_most(stand: Stand[Relays]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005


@pytest.mark.energises
def test_it_closes_when_told_and_opens_when_told(stand: Stand[Relays]) -> None:
    stand.device.hold(True, 1.0)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=True) is True
    stand.device.hold(False, 0.0)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=False) is False


@pytest.mark.energises
def test_it_opens_by_itself_when_nobody_renews(stand: Stand[Relays]) -> None:
    stand.device.hold(True, 0.5)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=True) is True
    stand.wait(0.5)
    assert is_closed(stand, otherwise=False) is False


@pytest.mark.energises
def test_it_stays_closed_while_it_is_renewed(stand: Stand[Relays]) -> None:
    for _ in range(8):
        stand.device.hold(True, 0.5)
        stand.wait(FEEDBACK_S)
        assert is_closed(stand, otherwise=True) is True
    stand.device.hold(False, 0.0)


@pytest.mark.energises
@pytest.mark.parametrize("for_s", [3600.0, -1.0, float("nan"), float("inf")])
def test_a_lease_that_is_none_is_refused_and_closes_nothing(stand: Stand[Relays], for_s: float) -> None:
    with pytest.raises(HalError):
        stand.device.hold(True, for_s)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=False) is False


@pytest.mark.energises
def test_a_lease_of_no_time_closes_nothing(stand: Stand[Relays]) -> None:
    stand.device.hold(True, 0.0)
    stand.wait(FEEDBACK_S)
    assert is_closed(stand, otherwise=False) is False
