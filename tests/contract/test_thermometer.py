from hal.interfaces import Thermometer
from tests.contract.stands import Stand

ROLE = "thermometer"


def test_a_reading_is_fresh_and_possible(stand: Stand[Thermometer]) -> None:
    before = stand.monotonic()
    reading = stand.device.read()
    assert before - stand.age_s <= reading.at_mono <= stand.monotonic()
    assert -40 <= reading.celsius <= 100
