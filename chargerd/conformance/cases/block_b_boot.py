"""Block B: cold boot in all its outcomes, and what is told after an outage."""

from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import BOOT_WITHIN_S, STARTED_UP, booted, report, status

INTERVAL_S = 4


@case("TC_B_01_CS")
def tc_b_01(sut: StationUnderTest) -> None:
    """A cold boot that is accepted: the station tells what it is, the state of every connector, and that it started."""
    sut.power_on()
    told = {"reason": {"PowerUp", "ApplicationReset"}, "chargingStation.model": ..., "chargingStation.vendorName": ...}
    sut.expect("BootNotification", told, within_s=BOOT_WITHIN_S)
    every_connector_told(sut)
    sut.expect("SecurityEventNotification", {"type": STARTED_UP})
    sut.expect_nothing("BootNotification")


@case("TC_B_02_CS")
def tc_b_02(sut: StationUnderTest) -> None:
    """Pending: the station answers configuration and reports, starts nothing, sends nothing by itself, and boots again
    when it is triggered.
    """
    answered_first(sut, "Pending", interval_s=300)
    sut.power_on()
    sut.expect("BootNotification", within_s=BOOT_WITHIN_S)
    sut.set_variable("OCPPCommCtrlr", "OfflineThreshold", "300")
    sut.get_variable("OCPPCommCtrlr", "OfflineThreshold")
    sut.call_gives("GetBaseReport", {"requestId": 21, "reportBase": "FullInventory"}, {"status": "Accepted"})
    report(sut, 21)
    start = {"idToken": {"idToken": "04A1B2C3", "type": "ISO14443"}, "remoteStartId": 1, "evseId": 1}
    sut.call_gives("RequestStartTransaction", start, {"status": "Rejected"})
    for action in ("StatusNotification", "Heartbeat", "SecurityEventNotification", "BootNotification"):
        sut.expect_nothing(action, for_s=0.5)
    trigger = {"requestedMessage": "BootNotification"}
    sut.call_gives("TriggerMessage", trigger, {"status": "Accepted"})
    sut.expect("BootNotification", {"reason": "Triggered"})
    every_connector_told(sut)
    sut.call_gives("TriggerMessage", trigger, {"status": "Rejected"})


@case("TC_B_03_CS")
def tc_b_03(sut: StationUnderTest) -> None:
    """Rejected: not a word for the interval that the CSMS named, then the station boots again."""
    answered_first(sut, "Rejected", INTERVAL_S)
    sut.power_on()
    sut.expect("BootNotification", within_s=BOOT_WITHIN_S)
    refused_at = sut.now()
    sut.expect("BootNotification", within_s=INTERVAL_S + 10.0)
    if sut.now() - refused_at < INTERVAL_S - 0.5:
        raise CaseFailed(f"booted again {sut.now() - refused_at:.1f} s after a refusal for {INTERVAL_S} s")
    with sut.peer.lock:
        between = [each.action for each in sut.peer.heard[: first_of(sut, "BootNotification", 2)]]
    if set(between) != {"BootNotification"}:
        raise CaseFailed(f"sent while it was rejected: {between}")
    every_connector_told(sut)


@case("TC_B_30_CS")
def tc_b_30(sut: StationUnderTest) -> None:
    """While its boot is rejected, the station refuses whatever the CSMS asks with a SecurityError."""
    answered_first(sut, "Rejected", interval_s=300)
    sut.power_on()
    sut.expect("BootNotification", within_s=BOOT_WITHIN_S)
    refusal = sut.call_refused("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    if refusal.code != "SecurityError":
        raise CaseFailed(f"refused with {refusal}")
    sut.expect_nothing("NotifyReport", for_s=1.0)


@case("TC_B_51_CS", settings={"OCPPCommCtrlr.OfflineThreshold": "2"})
def tc_b_51(sut: StationUnderTest) -> None:
    """After an outage longer than OfflineThreshold the state of every connector is told, and nothing of it before."""
    booted(sut)
    offline_with_a_plug(sut, for_s=4.0)
    for evse in range(1, sut.evses + 1):
        status(sut, "Occupied" if evse == 1 else "Available", evse)
    sut.expect_nothing("BootNotification", for_s=1.0)


@case("TC_B_52_CS", settings={"OCPPCommCtrlr.OfflineThreshold": "60"}, evses=2)
def tc_b_52(sut: StationUnderTest) -> None:
    """After a shorter outage only the connector whose state has changed is told."""
    booted(sut)
    offline_with_a_plug(sut, for_s=2.0)
    status(sut, "Occupied", 1)
    sut.expect_nothing("StatusNotification", {"evseId": 2})


def answered_first(sut: StationUnderTest, how: str, interval_s: int) -> None:
    """The first BootNotification is answered so, the others as usual."""

    def answer(_boot: Any) -> dict[str, Any]:
        return {**sut.peer.usual("BootNotification"), "status": how, "interval": interval_s}

    sut.answer("BootNotification", answer, 1)


def first_of(sut: StationUnderTest, action: str, number: int) -> int:
    """How many messages came until and with the message of this `number` that is an `action`."""
    places = [place for place, each in enumerate(sut.peer.heard, 1) if each.action == action]
    return places[number - 1]


def every_connector_told(sut: StationUnderTest, state: str = "Available") -> None:
    """The state of every connector is told."""
    for evse in range(1, sut.evses + 1):
        status(sut, state, evse)


def offline_with_a_plug(sut: StationUnderTest, for_s: float) -> None:
    """The network is gone for a while, and a vehicle is plugged in meanwhile at EVSE 1."""
    sut.wait(1.0)  # the last answers reach the station
    sut.forget()
    sut.go_offline()
    sut.plug_in(1)
    sut.wait(for_s)
    sut.go_online()
