import pytest

from hal.interfaces import PhaseSwitch
from hal.types import HalError
from tests.contract.stands import Stand

ROLE = "phase_switch"

TRAVEL_S = 0.5


@pytest.mark.parametrize("phases", [1, 3])
def test_it_gets_where_it_is_set(stand: Stand[PhaseSwitch], phases: int) -> None:
    stand.device.set(phases)
    stand.wait(TRAVEL_S)
    assert stand.device.read().phases in {phases, None}
    stand.device.set(3)
    stand.wait(TRAVEL_S)


@pytest.mark.parametrize("phases", [0, 2, 4, -1])
def test_a_number_of_phases_that_it_cannot_connect_is_refused(stand: Stand[PhaseSwitch], phases: int) -> None:
    before = stand.device.read().phases
    with pytest.raises(HalError):
        stand.device.set(phases)
    stand.wait(TRAVEL_S)
    assert stand.device.read().phases == before


def test_a_reading_is_fresh(stand: Stand[PhaseSwitch]) -> None:
    before = stand.monotonic()
    assert before - stand.age_s <= stand.device.read().at_mono <= stand.monotonic()


def test_neither_call_waits(stand: Stand[PhaseSwitch]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005
    assert stand.took_s(lambda: stand.device.set(3)) <= 0.005
