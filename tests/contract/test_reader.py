import time

from hal.interfaces import TokenReader
from tests.contract.stands import Stand

ROLE = "reader"


def test_without_a_card_it_says_so_within_half_a_second(stand: Stand[TokenReader]) -> None:
    begin = time.monotonic()
    assert stand.device.read() is None
    assert time.monotonic() - begin <= 0.6
