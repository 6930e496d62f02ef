import pytest

from hal.interfaces import Lock
from tests.contract.stands import Stand

ROLE = "lock"

TRAVEL_S = 3.0


@pytest.mark.parametrize("locked", [True, False])
def test_it_gets_where_it_is_driven(stand: Stand[Lock], locked: bool) -> None:
    stand.device.set(locked)
    stand.wait(TRAVEL_S)
    assert stand.device.read().locked in {locked, None}
    stand.device.set(False)
    stand.wait(TRAVEL_S)


def test_driving_it_does_not_wait_for_it(stand: Stand[Lock]) -> None:
    assert stand.took_s(lambda: stand.device.set(False)) <= 0.005


def test_a_reading_is_fresh(stand: Stand[Lock]) -> None:
    before = stand.monotonic()
    assert before - stand.age_s <= stand.device.read().at_mono <= stand.monotonic()
