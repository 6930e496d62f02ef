import pytest

from hal.interfaces import Indicator
from hal.types import Indication
from tests.contract.stands import Stand

ROLE = "indicator"


@pytest.mark.parametrize("indication", list(Indication))
def test_it_shows_everything_there_is_to_show_without_delay(stand: Stand[Indicator], indication: Indication) -> None:
    assert stand.took_s(lambda: stand.device.show(indication)) <= 0.005
