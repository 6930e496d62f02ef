import time

from hal.interfaces import LimitSource
from tests.contract.stands import Stand

ROLE = "external_limit"


def test_a_limit_is_fresh_and_possible(stand: Stand[LimitSource]) -> None:
    before = stand.monotonic()
    reading = stand.device.read()
    assert before <= reading.at_mono <= stand.monotonic()
    assert reading.amps is None or 0 <= reading.amps <= 1000


def test_a_reading_takes_a_second_at_most(stand: Stand[LimitSource]) -> None:
    begin = time.monotonic()
    stand.device.read()
    assert time.monotonic() - begin <= 1.0
