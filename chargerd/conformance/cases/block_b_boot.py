"""Block B: cold boot."""

from collections.abc import Callable

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import status


@case("TC_B_01_CS")
def tc_b_01(sut: StationUnderTest) -> None:
    """A cold boot that is accepted: the station tells what it is, then the state of every connector, and keeps the
    interval of the CSMS.
    """
    sut.power_on()
    told = {"reason": {"PowerUp", "ApplicationReset"}, "chargingStation.model": ..., "chargingStation.vendorName": ...}
    sut.expect("BootNotification", told, within_s=30.0)
    for evse in range(1, sut.evses + 1):
        status(sut, "Available", evse)
    sut.expect_nothing("BootNotification")


@case("TC_B_02_CS")
def tc_b_02(sut: StationUnderTest) -> None:
    """Pending: the station waits as long as it is told before it boots again, and answers meanwhile."""
    interval_s = 3
    sut.answer("BootNotification", pending(sut, interval_s), 1)
    sut.power_on()
    sut.expect("BootNotification", within_s=30.0)
    began = sut.now()
    sut.get_variable("OCPPCommCtrlr", "HeartbeatInterval")
    sut.expect("BootNotification")
    assert sut.now() - began >= interval_s - 0.5
    booted_after_all(sut)


def pending(sut: StationUnderTest, interval_s: int) -> Callable[[Payload], Payload]:
    """Not yet: ask again after `interval_s`."""
    return lambda _boot: {**sut.peer.usual("BootNotification"), "status": "Pending", "interval": interval_s}


def booted_after_all(sut: StationUnderTest) -> None:
    """The state of every connector is told."""
    for evse in range(1, sut.evses + 1):
        status(sut, "Available", evse)
