import pytest

from chargerd.clock import ManualClock
from chargerd.evse.types import Status
from chargerd.ocpp.vendor import UnknownMessage, Vendor
from hal.types import BoardFacts


def test_an_extension_that_overrides_nothing_knows_nothing_and_does_nothing() -> None:
    vendor, now = Vendor(), ManualClock().now()
    with pytest.raises(UnknownMessage):
        vendor.answer("anything", None, now)
    sent: list[object] = []

    def send(message_id: str | None, data: object = None) -> bool:
        sent.append((message_id, data))
        return True

    board = BoardFacts(vendor="", model="", serial="", evses=())
    vendor.watch(Status(run_id="r", seq=1, at_mono=0.0, board=board, evses=()), send, now)
    vendor.answered("anything", None, now)
    assert not sent
