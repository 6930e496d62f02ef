import pytest

from hal.interfaces import Indicator
from hal.types import Indication
from tests.contract.stands import Stand

ROLE = "indicator"


@pytest.mark.parametrize("indication", list(Indication))
def test_it_shows_everything_there_is_to_show_without_delay(stand: Stand[Indicator], indication: Indication) -> None:
    assert stand.took_s(lambda: stand.device.show(indication)) <= 0.005


def test_a_fault_is_shown_with_its_number(stand: Stand[Indicator]) -> None:
    for code in range(20):
        stand.device.show(Indication.FAULTED, code)
        stand.wait(0.1)
