"""Block M towards vehicles: the station's V2G certificate and its status (A02, M03, M06), and certificates that they
have installed through the station (M01, M02).
"""

import base64

from chargerd.conformance.authority import OCSP_URL, authority, hash_data, why_not_request
from chargerd.conformance.case import case
from chargerd.conformance.cases.block_m_roots import CHAIN, MO, V2G, install, installed
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted, connected

SECC = "DE-TST-S-0001"
SECC_NAMES = {
    "ISO15118Ctrlr.SeccId": SECC,
    "ISO15118Ctrlr.CountryName": "NL",
    "ISO15118Ctrlr.OrganizationName": "CSO",
}
V2G_ROOT, MO_ROOT = "V2G", "MO"
EMAID = "DETSTC123456789"

EXI = base64.b64encode(b"what the vehicle asks").decode()
REPLY = base64.b64encode(b"what it is told").decode()


def vehicle_roots(sut: StationUnderTest) -> None:
    """The roots are installed in which the station's and the vehicles' certificates end."""
    install(sut, V2G, authority(V2G_ROOT).root_pem)
    install(sut, MO, authority(MO_ROOT).root_pem)


def renewed_v2g(sut: StationUnderTest) -> str:
    """The station gets a V2G certificate, by trigger; its chain."""
    sut.call_gives("TriggerMessage", {"requestedMessage": "SignV2GCertificate"}, {"status": "Accepted"})
    request = sut.expect("SignCertificate", {"certificateType": "V2GCertificate"})
    if problem := why_not_request(request["csr"]):
        raise CaseFailed(f"csr: {problem}")
    chain = authority(V2G_ROOT).signed(request["csr"])
    sut.call_gives(
        "CertificateSigned", {"certificateChain": chain, "certificateType": "V2GCertificate"}, {"status": "Accepted"}
    )
    return chain


def with_v2g(sut: StationUnderTest) -> str:
    """Booted, with all that a vehicle is shown; the station's chain."""
    booted(sut)
    vehicle_roots(sut)
    return renewed_v2g(sut)


def split(chain: str) -> list[str]:
    """The certificates of a chain."""
    end = "-----END CERTIFICATE-----\n"
    return [f"{each}{end}" for each in chain.split(end) if each.strip()]


@case("TC_A_12_CS", settings=SECC_NAMES)
def tc_a_12(sut: StationUnderTest) -> None:
    """A triggered renewal ends in a new V2G certificate."""
    with_v2g(sut)


@case("TC_M_15_CS", settings=SECC_NAMES)
def tc_m_15(sut: StationUnderTest) -> None:
    """The V2G certificate is listed with what signed it as its child, and without the root."""
    leaf, below = split(with_v2g(sut))
    expected = {
        "certificateType": CHAIN,
        "certificateHashData": hash_data(leaf, below),
        "childCertificateHashData": [hash_data(below, authority(V2G_ROOT).root_pem)],
    }
    if expected not in (found := installed(sut, CHAIN)):
        raise CaseFailed(f"{expected} is not among {found}")


@case("TC_M_24_CS", settings=SECC_NAMES)
def tc_m_24(sut: StationUnderTest) -> None:
    """The status of the V2G certificate and of what signed it is asked for."""
    booted(sut)
    sut.answer("GetCertificateStatus", {"status": "Accepted", "ocspResult": "QUFB"})
    asks_both(sut)


@case("TC_M_25_CS", settings=SECC_NAMES)
def tc_m_25(sut: StationUnderTest) -> None:
    """A status that the CSMS could not get changes nothing: the station goes on."""
    booted(sut)
    sut.answer("GetCertificateStatus", {"status": "Failed"})
    asks_both(sut)
    installed(sut, CHAIN)


def asks_both(sut: StationUnderTest) -> None:
    """The station gets a V2G certificate, and asks for its status and for that of what signed it."""
    vehicle_roots(sut)
    leaf, below = split(renewed_v2g(sut))
    asks_status(sut, leaf, below)
    asks_status(sut, below, authority(V2G_ROOT).root_pem)


def asks_status(sut: StationUnderTest, certificate: str, issuer: str) -> None:
    """The station asks for the status of this certificate."""
    named = {f"ocspRequestData.{field}": value for field, value in hash_data(certificate, issuer).items()}
    sut.expect("GetCertificateStatus", named | {"ocspRequestData.responderURL": OCSP_URL})


def wants(sut: StationUnderTest, action: str, status: str) -> None:
    """A vehicle asks for a contract certificate; the CSMS is asked, and answers so."""
    booted(sut)
    vehicle_roots(sut)
    connected(sut)
    sut.answer("Get15118EVCertificate", {"status": status, "exiResponse": REPLY if status == "Accepted" else ""})
    sut.want_certificate(action, EXI)
    sut.expect("Get15118EVCertificate", {"action": action, "exiRequest": EXI, "iso15118SchemaVersion": ...})


def goes_on(sut: StationUnderTest) -> None:
    """With its new certificate the vehicle is authorized."""
    sut.answer("Authorize", {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"})
    sut.show_contract(authority(MO_ROOT).contract(EMAID))
    sut.expect("Authorize", {"idToken.idToken": EMAID, "idToken.type": "eMAID"})


@case("TC_M_26_CS")
def tc_m_26(sut: StationUnderTest) -> None:
    """A vehicle that wants its first contract certificate gets it from the CSMS, and is authorized with it."""
    wants(sut, "Install", "Accepted")
    goes_on(sut)


@case("TC_M_27_CS")
def tc_m_27(sut: StationUnderTest) -> None:
    """A first contract certificate that could not be had authorizes nobody."""
    wants(sut, "Install", "Failed")
    sut.expect_nothing("Authorize")


@case("TC_M_28_CS")
def tc_m_28(sut: StationUnderTest) -> None:
    """A vehicle that wants a newer contract certificate gets it from the CSMS, and is authorized with it."""
    wants(sut, "Update", "Accepted")
    goes_on(sut)


@case("TC_M_29_CS")
def tc_m_29(sut: StationUnderTest) -> None:
    """A newer contract certificate that could not be had authorizes nobody."""
    wants(sut, "Update", "Failed")
    sut.expect_nothing("Authorize")
