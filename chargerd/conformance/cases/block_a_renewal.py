"""Block A: the station's certificate is renewed because the CSMS triggers it, and what goes wrong on the way."""

from itertools import pairwise

from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, authority, why_not_request
from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted

USE = "ChargingStationCertificate"
WAIT_S = 2


@case("TC_A_11_CS", security_profile=3)
def tc_a_11(sut: StationUnderTest) -> None:
    """A triggered renewal ends in a new certificate, and the station connects with it."""
    booted(sut)
    request = asks(sut)
    chain = authority(CSMS_ROOT).signed(request["csr"])
    connections = sut.peer.connections
    signed(sut, chain, "Accepted")
    sut.until(
        lambda: sut.peer.connections > connections and sut.peer.connected, "a connection with the new certificate"
    )
    if not chain.startswith(sut.peer.shown[-1].client_pem.strip()):
        raise CaseFailed(f"connected with another certificate: {sut.peer.shown[-1].client_pem}")


@case("TC_A_14_CS", security_profile=3)
def tc_a_14(sut: StationUnderTest) -> None:
    """A certificate of a strange hierarchy is refused, which is a security event, and the connection stays."""
    booted(sut)
    request = asks(sut)
    connections = sut.peer.connections
    signed(sut, authority(OTHER_ROOT).signed(request["csr"]), "Rejected")
    sut.expect("SecurityEventNotification", {"type": "InvalidChargingStationCertificate"})
    if sut.peer.connections != connections:
        raise CaseFailed("the station connected anew with a certificate that it refused")


@case("TC_A_15_CS", security_profile=3)
def tc_a_15(sut: StationUnderTest) -> None:
    """A CSMS that rejects the request is not asked again, and nothing else changes."""
    booted(sut)
    sut.answer("SignCertificate", {"status": "Rejected"}, 1)
    asks(sut)
    sut.expect_nothing("SignCertificate")
    sut.call("GetVariables", {"getVariableData": [{"component": {"name": "C"}, "variable": {"name": "V"}}]})


@case("TC_A_23_CS", security_profile=3)
def tc_a_23(sut: StationUnderTest) -> None:
    """Without a certificate the CSMS is asked again after its wait, then after twice that; the certificate for the
    first request is accepted even then.
    """
    booted(sut)
    sut.set_variable("SecurityCtrlr", "CertSigningWaitMinimum", str(WAIT_S))
    sut.set_variable("SecurityCtrlr", "CertSigningRepeatTimes", "1")
    first = asks(sut)
    for _ in range(2):
        check_csr(sut.expect("SignCertificate", {"certificateType": USE}, within_s=4 * WAIT_S))
    with sut.peer.lock:
        at = [heard.mono for heard in sut.peer.heard if heard.action == "SignCertificate"]
    waits = [later - sooner for sooner, later in pairwise(at)]
    if len(waits) != 2 or waits[0] < WAIT_S - 0.1 or waits[1] < 2 * WAIT_S - 0.1:
        raise CaseFailed(f"asked again after {waits} s, {WAIT_S} and {2 * WAIT_S} s are the least")
    signed(sut, authority(CSMS_ROOT).signed(first["csr"]), "Accepted")


def asks(sut: StationUnderTest) -> Payload:
    """The CSMS triggers, the station asks; its SignCertificate."""
    sut.forget()
    sut.call_gives("TriggerMessage", {"requestedMessage": f"Sign{USE}"}, {"status": "Accepted"})
    request = sut.expect("SignCertificate", {"certificateType": USE})
    check_csr(request)
    return request


def check_csr(request: Payload) -> None:
    """The request is one for an elliptic key of at least 224 bits, or RSA of at least 2048."""
    if problem := why_not_request(request["csr"]):
        raise CaseFailed(f"csr: {problem}")


def signed(sut: StationUnderTest, chain: str, status: str) -> None:
    """The CSMS brings the certificate; what the station says to it."""
    sut.call_gives("CertificateSigned", {"certificateChain": chain, "certificateType": USE}, {"status": status})
