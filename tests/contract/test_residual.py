import time

from hal.interfaces import ResidualCurrent
from tests.contract.stands import Stand

ROLE = "residual"


def test_at_rest_nothing_has_tripped(stand: Stand[ResidualCurrent]) -> None:
    before = stand.monotonic()
    reading = stand.device.read()
    assert before - stand.age_s <= reading.at_mono <= stand.monotonic()
    assert (reading.tripped_ac, reading.tripped_dc) == (False, False)


def test_its_own_test_passes_within_a_second_and_leaves_nothing_tripped(stand: Stand[ResidualCurrent]) -> None:
    begin = time.monotonic()
    assert stand.device.self_test() is True
    assert time.monotonic() - begin <= 1.0
    reading = stand.device.read()
    assert (reading.tripped_ac, reading.tripped_dc) == (False, False)


def test_a_reading_takes_5_ms_at_most(stand: Stand[ResidualCurrent]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005
