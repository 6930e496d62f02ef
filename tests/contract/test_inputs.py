from hal.interfaces import Inputs
from hal.types import InputName
from tests.contract.stands import Stand

ROLE = "inputs"


def test_at_rest_nothing_is_asserted(stand: Stand[Inputs]) -> None:
    before = stand.monotonic()
    reading = stand.device.read()
    assert before <= reading.at_mono <= stand.monotonic()
    assert reading.asserted == ()


def test_only_lines_that_are_fitted_are_told_of(stand: Stand[Inputs]) -> None:
    assert stand.facts.inputs
    assert set(stand.facts.inputs) <= set(InputName)
    assert set(stand.device.read().asserted) <= set(stand.facts.inputs)


def test_a_reading_takes_5_ms_at_most(stand: Stand[Inputs]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005
