"""SIGKILL of the real station while its password, the CSMS's root, or its security profile is changed: it comes back
and connects with something that works. The CSMS does its part when it has the answer, and takes the old no more.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chargerd.conformance.authority import CSMS_ROOT, Authority, authority
from chargerd.conformance.case import Case
from chargerd.conformance.cases.block_b_network import NETWORK, profile, slots
from chargerd.conformance.peer import Asked, Payload
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import booted
from tests.conformance.lively import SETTINGS
from tests.conformance.processes import PASSWORD, RealSurroundings

BACK_WITHIN_S = 40.0
ON_ITS_WAY_S = 0.2
"""After this long nothing that was sent before the end can still arrive."""

SUCCESSOR = Authority("Successor of the CSO", signed_by=authority(CSMS_ROOT))
QUICK = {**SETTINGS, "OCPPCommCtrlr.NetworkProfileConnectionAttempts": "1"}


@contextmanager
def station(
    folder: Path, security_profile: int, **variables: str
) -> Iterator[tuple[RealSurroundings, StationUnderTest]]:
    """Both real processes, connected to a CSMS of this profile."""
    case = Case(case_id="", body=booted, security_profile=security_profile)
    around = RealSurroundings(case, {**QUICK, **variables}, folder)
    try:
        sut = StationUnderTest(around)
        booted(sut)
        yield around, sut
    finally:
        around.close()


def killed(around: RealSurroundings, asked: Asked, after_s: float) -> bool:
    """The station ends without a word. Whether the CSMS has heard it accept."""
    time.sleep(after_s)
    around.kill_station()
    time.sleep(ON_ITS_WAY_S)
    return asked.result is not None and accepted(asked.result)


def accepted(result: Payload) -> bool:
    results = result.get("setVariableResult")
    status = result["status"] if results is None else results[0]["attributeStatus"]
    return status in {"Accepted", "RebootRequired"}


def back(sut: StationUnderTest) -> None:
    """The station has come back to this CSMS by a new process."""
    sut.until(lambda: sut.peer.connected, "the station's return", BACK_WITHIN_S)
    sut.expect("BootNotification", within_s=BACK_WITHIN_S)


def set_variable(sut: StationUnderTest, component: str, name: str, value: str) -> Asked:
    element = {"component": {"name": component}, "variable": {"name": name}, "attributeValue": value}
    return sut.peer.ask("SetVariables", {"setVariableData": [element]})


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.05, 0.5])
def test_a_station_killed_while_its_password_changes_comes_back_with_the_one_that_is_right(
    tmp_path: Path, after_s: float
) -> None:
    with station(tmp_path, 2) as (around, sut):
        new = secrets.token_urlsafe(18)
        sut.forget()
        believed = killed(around, set_variable(sut, "SecurityCtrlr", "BasicAuthPassword", new), after_s)
        sut.peer.door.passwords = (new if believed else PASSWORD,)
        back(sut)
        assert sut.peer.shown[-1].password == (new if believed else PASSWORD)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.2])
def test_a_station_killed_while_a_root_is_replaced_trusts_the_one_that_the_csms_has(
    tmp_path: Path, after_s: float
) -> None:
    with station(tmp_path, 2, **{"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}) as (around, sut):
        request = {"certificateType": "CSMSRootCertificate", "certificate": SUCCESSOR.root_pem}
        sut.forget()
        if killed(around, sut.peer.ask("InstallCertificate", request), after_s):
            sut.peer.door.authority = SUCCESSOR
        back(sut)


@pytest.mark.parametrize("step", range(4), ids=["root", "slot", "order", "reset"])
def test_a_station_killed_on_its_way_to_a_higher_security_profile_gets_there_or_stays_where_it_was(
    tmp_path: Path, step: int
) -> None:
    with station(tmp_path, 1) as (around, sut):
        url, there = sut.another_csms(2)
        active, free = slots(sut)
        root = {"certificateType": "CSMSRootCertificate", "certificate": authority(CSMS_ROOT).root_pem}
        element = {
            "component": {"name": NETWORK},
            "variable": {"name": "NetworkConfigurationPriority"},
            "attributeValue": f"{free},{active}",
        }
        requests: tuple[tuple[str, Payload], ...] = (
            ("InstallCertificate", root),
            ("SetNetworkProfile", profile(int(free), url, 2)),
            ("SetVariables", {"setVariableData": [element]}),
            ("Reset", {"type": "OnIdle"}),
        )
        for action, payload in requests[:step]:
            assert accepted(sut.call(action, payload))
        sut.forget()
        killed(around, sut.peer.ask(*requests[step]), 0.01)
        sut.until(lambda: sut.peer.connected or there.peer.connected, "the station's return", BACK_WITHIN_S)
        if not there.peer.connected:
            back(sut)
            for action, payload in requests:
                assert accepted(sut.call(action, payload))
        back(there)
        before = len(sut.peer.attempts)
        there.go_offline()
        there.wait(4.0)
        there.go_online()
        assert len(sut.peer.attempts) == before
        assert {shown.security_profile for shown in there.peer.shown} == {2}
