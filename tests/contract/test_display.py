import time

import pytest

from hal.interfaces import Display
from tests.contract.stands import Stand

ROLE = "display"


@pytest.mark.parametrize(
    "lines", [(), ("Available",), ("Charging", "7.4 kW  3.2 kWh", "1.50 EUR"), ("x" * 500,) * 50, ("äß€ 充电", "\n\0")]
)
def test_it_shows_whatever_lines_it_is_given_within_half_a_second(
    stand: Stand[Display], lines: tuple[str, ...]
) -> None:
    begin = time.monotonic()
    stand.device.show(lines)
    assert time.monotonic() - begin <= 0.5
