"""Block G: what is in service, and what state each connector is in."""

from chargerd.conformance.case import case
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import (
    booted,
    boots,
    change_availability,
    charging,
    connected,
    status,
    stopped_locally,
    unavailable,
)


@case("TC_G_01_CS")
def tc_g_01(sut: StationUnderTest) -> None:
    """A vehicle is plugged in: Available becomes Occupied."""
    booted(sut)
    connected(sut)


@case("TC_G_02_CS")
def tc_g_02(sut: StationUnderTest) -> None:
    """The vehicle leaves: Occupied becomes Available."""
    booted(sut)
    connected(sut)
    sut.plug_out()
    status(sut, "Available")


@case("TC_G_03_CS")
def tc_g_03(sut: StationUnderTest) -> None:
    """An EVSE is put out of service: its connector becomes Unavailable, and no other does."""
    booted(sut)
    sut.forget()
    unavailable(sut, 1)
    sut.expect_nothing("StatusNotification", {"connectorStatus": "Unavailable", "evseId": 2}, for_s=1.0)


@case("TC_G_04_CS")
def tc_g_04(sut: StationUnderTest) -> None:
    """An EVSE is put into service again: its connector becomes Available."""
    booted(sut)
    unavailable(sut, 1)
    change_availability(sut, "Operative", 1)
    status(sut, "Available")


@case("TC_G_05_CS")
def tc_g_05(sut: StationUnderTest) -> None:
    """The station is put out of service: every connector becomes Unavailable."""
    booted(sut)
    unavailable(sut, None)


@case("TC_G_06_CS")
def tc_g_06(sut: StationUnderTest) -> None:
    """The station is put into service again: every connector becomes Available."""
    booted(sut)
    unavailable(sut, None)
    change_availability(sut, "Operative", None)
    for evse in range(1, sut.evses + 1):
        status(sut, "Available", evse)


@case("TC_G_07_CS")
def tc_g_07(sut: StationUnderTest) -> None:
    """A connector is put out of service: it becomes Unavailable."""
    booted(sut)
    unavailable(sut, 1, connector=1)


@case("TC_G_08_CS")
def tc_g_08(sut: StationUnderTest) -> None:
    """A connector is put into service again: it becomes Available."""
    booted(sut)
    unavailable(sut, 1, connector=1)
    change_availability(sut, "Operative", 1, 1)
    status(sut, "Available")


@case("TC_G_09_CS")
def tc_g_09(sut: StationUnderTest) -> None:
    """An EVSE that is in service is put into service: Accepted, and nothing changes."""
    changes_nothing(sut, "Operative", 1)


@case("TC_G_10_CS")
def tc_g_10(sut: StationUnderTest) -> None:
    """An EVSE that is out of service is put out of service: Accepted, and nothing changes."""
    changes_nothing(sut, "Inoperative", 1)


@case("TC_G_11_CS")
def tc_g_11(sut: StationUnderTest) -> None:
    """An EVSE is put out of service during a transaction: Scheduled, and done when it has ended."""
    out_of_service_after_the_transaction(sut, 1)


@case("TC_G_12_CS")
def tc_g_12(sut: StationUnderTest) -> None:
    """A station that is in service is put into service: Accepted, and nothing changes."""
    changes_nothing(sut, "Operative", None)


@case("TC_G_13_CS")
def tc_g_13(sut: StationUnderTest) -> None:
    """A station that is out of service is put out of service: Accepted, and nothing changes."""
    changes_nothing(sut, "Inoperative", None)


@case("TC_G_14_CS")
def tc_g_14(sut: StationUnderTest) -> None:
    """The station is put out of service during a transaction: Scheduled; the free EVSEs leave at once, the other when
    its transaction has ended.
    """
    out_of_service_after_the_transaction(sut, None)


@case("TC_G_15_CS")
def tc_g_15(sut: StationUnderTest) -> None:
    """A connector that is in service is put into service: Accepted, and nothing changes."""
    changes_nothing(sut, "Operative", 1, 1)


@case("TC_G_16_CS")
def tc_g_16(sut: StationUnderTest) -> None:
    """A connector that is out of service is put out of service: Accepted, and nothing changes."""
    changes_nothing(sut, "Inoperative", 1, 1)


@case("TC_G_17_CS")
def tc_g_17(sut: StationUnderTest) -> None:
    """A connector is put out of service during a transaction: Scheduled, and done when it has ended."""
    out_of_service_after_the_transaction(sut, 1, 1)


@case("TC_G_18_CS")
def tc_g_18(sut: StationUnderTest) -> None:
    """An EVSE that was put out of service still is after a power cut."""
    outlives_a_power_cut(sut, 1)


@case("TC_G_19_CS")
def tc_g_19(sut: StationUnderTest) -> None:
    """A connector that was put out of service still is after a power cut."""
    outlives_a_power_cut(sut, 1, 1)


@case("TC_G_21_CS")
def tc_g_21(sut: StationUnderTest) -> None:
    """A station that was put out of service still is after a power cut."""
    outlives_a_power_cut(sut, None)


def changes_nothing(sut: StationUnderTest, to: str, evse: int | None, connector: int | None = None) -> None:
    """What is `to` already is set so once more."""
    booted(sut)
    if to == "Inoperative":
        unavailable(sut, evse, connector)
    sut.wait(0.5)
    sut.forget()
    change_availability(sut, to, evse, connector)
    sut.expect_nothing("StatusNotification", for_s=1.0)


def out_of_service_after_the_transaction(sut: StationUnderTest, evse: int | None, connector: int | None = None) -> None:
    """Inoperative while EVSE 1 charges."""
    booted(sut)
    charging(sut)
    sut.forget()
    change_availability(sut, "Inoperative", evse, connector, answer="Scheduled")
    if evse is None:
        for each in range(2, sut.evses + 1):
            status(sut, "Unavailable", each)
    unavailable_1 = {"connectorStatus": "Unavailable", "evseId": 1}
    sut.expect_nothing("StatusNotification", unavailable_1)
    stopped_locally(sut)
    status(sut, "Unavailable")


def outlives_a_power_cut(sut: StationUnderTest, evse: int | None, connector: int | None = None) -> None:
    """Inoperative, then the mains fail."""
    booted(sut)
    unavailable(sut, evse, connector)
    sut.wait(0.5)
    sut.forget()
    sut.power_cycle()
    unavailable_ones = range(1, sut.evses + 1) if evse is None else (evse,)
    boots(sut, states=dict.fromkeys(unavailable_ones, "Unavailable"))
