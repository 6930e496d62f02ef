"""Block B: network profiles, moving to another CSMS and back, and the pace of attempts to connect."""

from chargerd.conformance.authority import OTHER_ROOT, authority
from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted, boots

NETWORK = "OCPPCommCtrlr"
WAIT_S = 2
AT_ONCE = {"OCPPCommCtrlr.RetryBackOffWaitMinimum": str(WAIT_S), "OCPPCommCtrlr.RetryBackOffRandomRange": "0"}


@case("TC_B_43_CS")
def tc_b_43(sut: StationUnderTest) -> None:
    """A network profile for a slot that does not exist is refused."""
    booted(sut)
    url, _there = sut.another_csms()
    sut.call_gives("SetNetworkProfile", profile(999, url), {"status": "Rejected"})


@case("TC_B_45_CS")
def tc_b_45(sut: StationUnderTest) -> None:
    """With another slot first on the list, the station moves there with the next reset."""
    booted(sut)
    moves_after_a_reset(sut, *sut.another_csms())


@case("TC_B_46_CS", settings={"OCPPCommCtrlr.NetworkProfileConnectionAttempts": "2"})
def tc_b_46(sut: StationUnderTest) -> None:
    """The first slot cannot be reached: after its attempts the next one is used."""
    booted(sut)
    there, before = first_slot_unreachable(sut, attempts=2)
    back_at = sut.attempted(before + 1)
    if any(mono > back_at for mono in there.peer.attempts) or len(there.peer.attempts) != 2:
        raise CaseFailed(f"attempts on the first slot: {there.peer.attempts}, then on the second at {back_at}")
    boots(sut)


@case("TC_B_49_CS", settings=AT_ONCE | {"OCPPCommCtrlr.NetworkProfileConnectionAttempts": "1"})
def tc_b_49(sut: StationUnderTest) -> None:
    """No slot can be reached: the station goes back to the one that worked last, and tries it again after its wait."""
    booted(sut)
    _there, before = first_slot_unreachable(sut, attempts=1)
    sut.peer.open = False
    refused_at = sut.attempted(before + 1)
    sut.peer.open = True
    again_at = sut.attempted(before + 2)
    if again_at - refused_at < WAIT_S - 0.1:
        raise CaseFailed(f"tried again after {again_at - refused_at:.2f} s, {WAIT_S} s is the least")
    boots(sut)


@case("TC_B_50_CS", security_profile=2)
def tc_b_50(sut: StationUnderTest) -> None:
    """A CSMS that another root has signed for: with that root installed the station moves there."""
    booted(sut)
    installed(sut, OTHER_ROOT)
    moves_after_a_reset(sut, *sut.another_csms(2, OTHER_ROOT), security_profile=2)


@case("TC_B_57_CS", settings=AT_ONCE | {"OCPPCommCtrlr.RetryBackOffRepeatTimes": "2"})
def tc_b_57(sut: StationUnderTest) -> None:
    """After a lost connection the station waits its minimum, after a failed attempt twice as long; a connection brings
    the wait back to the minimum.
    """
    booted(sut)
    sut.wait(0.5)
    number = len(sut.peer.attempts)
    lost_at = lost(sut)
    sut.peer.open = True
    check_wait(sut.attempted(number + 1) - lost_at, WAIT_S)
    sut.until(lambda: sut.peer.connected, "the connection")
    lost_at = lost(sut)
    refused_at = sut.attempted(number + 2)
    check_wait(refused_at - lost_at, WAIT_S)
    sut.peer.open = True
    check_wait(sut.attempted(number + 3) - refused_at, 2 * WAIT_S)
    sut.until(lambda: sut.peer.connected, "the connection")


def lost(sut: StationUnderTest) -> float:
    """The connection breaks, and for now there is none to be had. When that was."""
    began = sut.now()
    sut.go_offline()
    return began


def check_wait(waited_s: float, least_s: float) -> None:
    """So long at least; what a connection itself takes may come on top."""
    if not least_s - 0.1 <= waited_s <= least_s + 2.0:
        raise CaseFailed(f"waited {waited_s:.2f} s, expected {least_s} s")


def installed(sut: StationUnderTest, root: str) -> None:
    """The root of this authority is one by which a CSMS is verified."""
    request = {"certificateType": "CSMSRootCertificate", "certificate": authority(root).root_pem}
    sut.call_gives("InstallCertificate", request, {"status": "Accepted"})


def profile(slot: int, url: str, security_profile: int = 1) -> Payload:
    """A SetNetworkProfile request."""
    connection = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": security_profile,
        "ocppInterface": "Wired0",
    }
    return {"configurationSlot": slot, "connectionData": connection}


def slots(sut: StationUnderTest) -> tuple[str, str]:
    """The slot in use, and one that is not."""
    active = sut.get_variable(NETWORK, "ActiveNetworkProfile")
    return active, "2" if active == "1" else "1"


def first_on_the_list(sut: StationUnderTest, url: str, security_profile: int = 1) -> None:
    """A slot that is not in use is filled with this address and put before the one in use."""
    active, slot = slots(sut)
    sut.call_gives("SetNetworkProfile", profile(int(slot), url, security_profile), {"status": "Accepted"})
    sut.set_variable(NETWORK, "NetworkConfigurationPriority", f"{slot},{active}")


def first_slot_unreachable(sut: StationUnderTest, attempts: int) -> tuple[StationUnderTest, int]:
    """The station restarts with a CSMS first on its list that is out of reach, and has tried it so often. That one, and
    how often the station had tried this one before.
    """
    url, there = sut.another_csms()
    there.peer.open = False
    before = len(sut.peer.attempts)
    first_on_the_list(sut, url)
    reset(sut)
    there.attempted(attempts)
    return there, before


def reset(sut: StationUnderTest) -> None:
    """The station restarts, idle as it is."""
    sut.forget()
    sut.call_gives("Reset", {"type": "OnIdle"}, {"status": "Accepted"})


def moves_after_a_reset(sut: StationUnderTest, url: str, there: StationUnderTest, security_profile: int = 1) -> None:
    """The station leaves this CSMS for the other, and stays there."""
    first_on_the_list(sut, url, security_profile)
    reset(sut)
    boots(there)
    if sut.peer.connected:
        raise CaseFailed("connected to both at a time")  # B10.FR.06
    sut.expect_nothing("BootNotification", for_s=1.0)
