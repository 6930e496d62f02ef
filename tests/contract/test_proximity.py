from hal.iec61851 import CABLE_CLASSES
from hal.interfaces import Proximity
from tests.contract.stands import Stand

ROLE = "proximity"


def test_a_reading_is_fresh_and_its_class_is_that_of_its_resistor(stand: Stand[Proximity]) -> None:
    before = stand.monotonic()
    reading = stand.device.read()
    assert before - stand.age_s <= reading.at_mono <= stand.monotonic()
    assert 0 <= reading.ohms < 1e9  # finite: it travels as JSON
    fitting = [cable.amps for cable in CABLE_CLASSES if cable.from_ohms <= reading.ohms < cable.below_ohms]
    assert reading.amps == (fitting[0] if fitting else None)


def test_a_reading_takes_5_ms_at_most(stand: Stand[Proximity]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005
