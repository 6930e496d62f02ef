import pytest

from hal.interfaces import Relays
from hal.types import HalError
from tests.contract.stands import Stand

ROLE = "relays"

FEEDBACK_S = 0.25  # contactor and feedback contact, as chargers in the field allow it

AUTONOMOUS_S = 6.0
"""A controller that acts by itself may give the vehicle as long to stop as any EVSE may (IEC 61851-1 table A.6)."""


def is_closed(stand: Stand[Relays], otherwise: bool) -> bool:
    """The feedback, or how the contacts really are, or what they should be where nobody knows."""
    closed = stand.device.read().closed
    assert (closed is not None) == stand.facts.has_feedback
    if closed is None:
        return stand.contacts_closed() if stand.contacts_closed else otherwise
    return closed


def becomes(stand: Stand[Relays], closed: bool) -> bool:
    """Whether it is so after the time of a contactor, or at last within that of a controller that acts by itself."""
    if not stand.facts.autonomous:
        stand.wait(FEEDBACK_S)
        return is_closed(stand, closed) is closed
    give_up_mono = stand.monotonic() + AUTONOMOUS_S
    while is_closed(stand, closed) is not closed and stand.monotonic() < give_up_mono:
        stand.wait(0.05)
    return is_closed(stand, closed) is closed


def let_close(stand: Stand[Relays]) -> bool:
    """Whether the contactor will close now: one that a controller switches by itself needs a vehicle and an offer."""
    if stand.offer is not None:
        stand.offer()
    return stand.offer is not None or not stand.facts.interlocked


def test_it_opens_when_told(stand: Stand[Relays]) -> None:
    stand.device.hold(False, 0.0)
    assert becomes(stand, closed=False)


@pytest.mark.parametrize("for_s", [3600.0, -1.0, float("nan"), float("inf")])
def test_opening_is_never_refused(stand: Stand[Relays], for_s: float) -> None:
    stand.device.hold(False, for_s)
    assert becomes(stand, closed=False)


def test_a_reading_is_fresh(stand: Stand[Relays]) -> None:
    before = stand.monotonic()
    assert before - stand.age_s <= stand.device.read().at_mono <= stand.monotonic()


def test_a_reading_takes_5_ms_at_most(stand: Stand[Relays]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005


@pytest.mark.energises
def test_it_closes_when_told_and_opens_when_told(stand: Stand[Relays]) -> None:
    closes = let_close(stand)
    stand.device.hold(True, 1.0)
    assert becomes(stand, closed=closes)
    stand.device.hold(True, 1.0)
    stand.device.hold(False, 0.0)
    assert becomes(stand, closed=False)


@pytest.mark.energises
def test_it_opens_by_itself_when_nobody_renews(stand: Stand[Relays]) -> None:
    closes = let_close(stand)
    stand.device.hold(True, 0.5)
    assert becomes(stand, closed=closes)
    stand.wait(0.5)
    assert becomes(stand, closed=False)


@pytest.mark.energises
def test_it_stays_closed_while_it_is_renewed(stand: Stand[Relays]) -> None:
    closes = let_close(stand)
    stand.device.hold(True, 0.5)
    assert becomes(stand, closed=closes)
    for _ in range(8):
        stand.device.hold(True, 0.5)
        stand.wait(FEEDBACK_S)
        assert is_closed(stand, otherwise=closes) is closes
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
