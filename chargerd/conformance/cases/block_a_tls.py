"""Block A: TLS with a CSMS that can be trusted, and what becomes of one that cannot (A00)."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chargerd.conformance.authority import OTHER_ROOT, authority
from chargerd.conformance.case import case
from chargerd.conformance.door import Shown
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import STARTED_UP, booted

WAIT_S = 1
QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": str(WAIT_S),
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}
"""Every attempt comes after the same short wait."""

PAIRS = (
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"AES128-GCM-SHA256", "AES256-GCM-SHA384"},
)
"""Both suites of one of these pairs have to be offered (A00.FR.319, A00.FR.422)."""

FLAWS: tuple[dict[str, Any], ...] = (
    {"authority": authority(OTHER_ROOT)},
    {"until": datetime(2021, 1, 1, tzinfo=UTC)},
    {"since": datetime(2048, 1, 1, tzinfo=UTC)},
    {"named": "another.test"},
)
"""Certificates that are signed by somebody else, have expired, are not valid yet, and are for another host."""


@case("TC_A_04_CS", security_profile=2)
def tc_a_04(sut: StationUnderTest) -> None:
    """A CSMS with a valid certificate: TLS that is new and strong enough, and then the password."""
    booted(sut)
    shown = sut.peer.shown[-1]
    check_tls(shown)
    if not shown.password or shown.user != shown.identity:
        raise CaseFailed(f"user {shown.user!r} of station {shown.identity!r} came without a password")


@case("TC_A_05_CS", security_profile=2, own_tls=True, settings=QUICK)
def tc_a_05(sut: StationUnderTest) -> None:
    """A CSMS whose certificate is not valid: the station leaves as often as it comes, and tells once when back."""
    booted(sut)
    sut.go_offline()
    took_s = back_after(sut)
    for flaw in FLAWS:
        good = sut.peer.door
        lets_nobody_in(sut, msgspec.structs.replace(good, **flaw), 2 * took_s)
        sut.peer.door = good
        back_after(sut)
        sut.expect("SecurityEventNotification", {"type": "InvalidCsmsCertificate"})
        sut.expect_nothing("SecurityEventNotification", {"type": "InvalidCsmsCertificate"}, for_s=0.5)


@case("TC_A_06_CS", security_profile=2, own_tls=True, settings=QUICK)
def tc_a_06(sut: StationUnderTest) -> None:
    """A CSMS with nothing newer than TLS 1.1: the station leaves, and tells when it is back."""
    booted(sut)
    sut.expect("SecurityEventNotification", {"type": STARTED_UP})
    good = sut.peer.door
    lets_nobody_in(sut, msgspec.structs.replace(good, newest_tls="TLSv1.1"), 3.0 * WAIT_S)
    sut.peer.door = good
    back_after(sut)
    sut.expect("SecurityEventNotification", {"type": "InvalidTLSVersion"})


@case("TC_A_07_CS", security_profile=3)
def tc_a_07(sut: StationUnderTest) -> None:
    """A station with a client certificate: strong enough, and of its own serial number."""
    booted(sut)
    shown = sut.peer.shown[-1]
    check_tls(shown)
    boot = sut.last("BootNotification") or {}
    certificate = x509.load_pem_x509_certificate(shown.client_pem.encode())
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    serial = boot.get("chargingStation", {}).get("serialNumber")
    if serial is None or [serial] != [name.value for name in names]:
        raise CaseFailed(f"the certificate is of {names}, the serial number is {serial}")
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=bits) if bits >= 2048:
            pass
        case ec.EllipticCurvePublicKey(key_size=bits) if bits >= 224:
            pass
        case key:
            raise CaseFailed(f"the key is too weak: {key}")
    if shown.password:
        raise CaseFailed("a password came along")


def check_tls(shown: Shown) -> None:
    """What was offered and agreed is new and strong enough."""
    if shown.tls not in {"TLSv1.2", "TLSv1.3"}:
        raise CaseFailed(f"{shown.tls} was agreed")
    if not any(pair <= set(shown.suites) for pair in PAIRS):
        raise CaseFailed(f"neither pair of cipher suites is offered: {shown.suites}")


def lets_nobody_in(sut: StationUnderTest, door: Any, for_s: float) -> None:
    """The connection is cut, and this is the only way back in for so long; the station must not take it."""
    number = sut.peer.connections
    sut.peer.door = door
    sut.go_offline()
    sut.forget()
    tried = len(sut.peer.attempts)
    sut.peer.open = True
    sut.wait(for_s)
    sut.attempted(tried + 2)
    if sut.peer.connections != number:
        raise CaseFailed("the station came in")


def back_after(sut: StationUnderTest) -> float:
    """The network is mended; how long it took until the station was back, in seconds."""
    began = sut.now()
    sut.peer.open = True
    sut.until(lambda: sut.peer.connected, "the station's return", 60.0)
    return sut.now() - began
