"""Block A: the password, and the way up to a higher security profile."""

import secrets

from chargerd.conformance.authority import CSMS_ROOT
from chargerd.conformance.case import case
from chargerd.conformance.cases.block_b_network import NETWORK, first_on_the_list, installed, profile, reset, slots
from chargerd.conformance.door import Shown
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted, boots

SECURITY = "SecurityCtrlr"
STAYS_AWAY_S = 15.0
"""Long enough for several attempts."""

AT_ONCE = {"OCPPCommCtrlr.RetryBackOffWaitMinimum": "1", "OCPPCommCtrlr.RetryBackOffRandomRange": "0"}


@case("TC_A_01_CS")
def tc_a_01(sut: StationUnderTest) -> None:
    """The station comes in with its identity and password as HTTP Basic authentication."""
    booted(sut)
    came = sut.peer.shown[-1]
    if came.user != came.identity:
        raise CaseFailed(f"the user name is {came.user!r}, the path ends in {came.identity!r}")
    if not 16 <= len(came.password) <= 64 or not came.password.isprintable():
        raise CaseFailed("the password has not 16 to 64 characters, or others than those of a text")
    if sut.peer.door.passwords is not None and came.password not in sut.peer.door.passwords:
        raise CaseFailed("the password is not the one that was configured")


@case("TC_A_09_CS", settings=AT_ONCE)
def tc_a_09(sut: StationUnderTest) -> None:
    """A new password is accepted, and the station comes back with it."""
    booted(sut)
    old = sut.peer.shown[-1].password
    takes_password(sut, secrets.token_urlsafe(18))
    takes_password(sut, old)


@case("TC_A_10_CS", settings=AT_ONCE)
def tc_a_10(sut: StationUnderTest) -> None:
    """A password that is too short is refused, and the station comes back with the old one."""
    booted(sut)
    old = sut.peer.shown[-1].password
    element = {"component": {"name": SECURITY}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": "x" * 15}
    sut.call_gives("SetVariables", {"setVariableData": [element]}, {"setVariableResult.0.attributeStatus": "Rejected"})
    sut.go_offline()
    sut.go_online()
    if came_back(sut).password != old:
        raise CaseFailed("the station came back with another password")


@case("TC_A_19_CS", settings=AT_ONCE, security_profile=1)
def tc_a_19(sut: StationUnderTest) -> None:
    """With a root installed the station goes up to security profile 2, forgets the lower one and never goes back."""
    booted(sut)
    active, _free = slots(sut)
    installed(sut, CSMS_ROOT)
    url, there = sut.another_csms(2)
    first_on_the_list(sut, url, security_profile=2)
    reset(sut)
    boots(there)
    if (found := there.get_variable(SECURITY, "SecurityProfile")) != "2":
        raise CaseFailed(f"SecurityProfile is {found}")
    if active in (order := there.get_variable(NETWORK, "NetworkConfigurationPriority")).split(","):
        raise CaseFailed(f"slot {active} is still on the list: {order}")
    before = len(sut.peer.attempts)
    there.go_offline()
    there.wait(STAYS_AWAY_S)
    if len(sut.peer.attempts) > before:
        raise CaseFailed("the station went back to security profile 1")
    there.go_online()


@case("TC_A_20_CS", security_profile=1)
def tc_a_20(sut: StationUnderTest) -> None:
    """Without a root of the CSMS there is no way up to security profile 2."""
    booted(sut)
    url, _there = sut.another_csms(2)
    refuses_first_place(sut, url, security_profile=2)


@case("TC_A_21_CS", security_profile=2)
def tc_a_21(sut: StationUnderTest) -> None:
    """Without a certificate of the station there is no way up to security profile 3."""
    booted(sut)
    url, _there = sut.another_csms(3)
    refuses_first_place(sut, url, security_profile=3)


@case("TC_A_22_CS", security_profile=2)
def tc_a_22(sut: StationUnderTest) -> None:
    """There is no way down from security profile 2 to 1."""
    booted(sut)
    url, _there = sut.another_csms(1)
    _active, free = slots(sut)
    sut.call_gives("SetNetworkProfile", profile(int(free), url), {"status": "Rejected"})


def takes_password(sut: StationUnderTest, password: str) -> None:
    """The station takes a new password and comes back with it; from then on it is the only one that is right."""
    connections = sut.peer.connections
    if sut.peer.door.passwords is not None:
        sut.peer.door.passwords = (password,)
    sut.set_variable(SECURITY, "BasicAuthPassword", password)
    sut.until(lambda: sut.peer.connections > connections and sut.peer.connected, "the station with its new password")
    if came_back(sut).password != password:
        raise CaseFailed("the station came back with another password")


def came_back(sut: StationUnderTest) -> Shown:
    """What the station has shown last; it is connected."""
    sut.until(lambda: sut.peer.connected, "a connection")
    return sut.peer.shown[-1]


def refuses_first_place(sut: StationUnderTest, url: str, security_profile: int) -> None:
    """The profile may be kept or not; that it comes first is refused."""
    active, free = slots(sut)
    sut.call("SetNetworkProfile", profile(int(free), url, security_profile))
    element = {
        "component": {"name": NETWORK},
        "variable": {"name": "NetworkConfigurationPriority"},
        "attributeValue": f"{free},{active}",
    }
    sut.call_gives("SetVariables", {"setVariableData": [element]}, {"setVariableResult.0.attributeStatus": "Rejected"})
