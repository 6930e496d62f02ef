"""Block M: roots that the CSMS installs, lists and deletes (M03, M04, M05)."""

from typing import Any

from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, Authority, authority, hash_data
from chargerd.conformance.case import case
from chargerd.conformance.cases.block_a_renewal import asks, signed
from chargerd.conformance.cases.block_b_network import AT_ONCE, first_on_the_list, reset
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted, boots, rebooted

CSMS, MANUFACTURER = "CSMSRootCertificate", "ManufacturerRootCertificate"
V2G, MO, CHAIN = "V2GRootCertificate", "MORootCertificate", "V2GCertificateChain"

CHECKED = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}

BROKEN = "-----BEGIN CERTIFICATE-----\nTm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


def install(sut: StationUnderTest, kind: str, pem: str, status: str = "Accepted") -> None:
    """The CSMS has a root installed."""
    sut.call_gives("InstallCertificate", {"certificateType": kind, "certificate": pem}, {"status": status})


def installed(sut: StationUnderTest, *kinds: str) -> list[dict[str, Any]]:
    """What is installed of these kinds (none: of all), which must be something."""
    wanted = {"certificateType": list(kinds)} if kinds else {}
    answer = sut.call_gives("GetInstalledCertificateIds", wanted, {"status": "Accepted"})
    found: list[dict[str, Any]] = answer["certificateHashDataChain"]
    if strange := [each for each in found if kinds and each["certificateType"] not in kinds]:
        raise CaseFailed(f"asked for {', '.join(kinds)}, and {strange} came")
    return found


def of_root(root: Authority, signed_by: Authority | None = None) -> dict[str, str]:
    """The hash data of a root; `signed_by`: by the root of whom, None: by itself."""
    return hash_data(root.root_pem, (signed_by or root).root_pem)


def lists(sut: StationUnderTest, kind: str, named: dict[str, str], *, among: bool = True) -> None:
    """Of this kind, this certificate is listed; or, with `among` False, it is not."""
    answer = sut.call("GetInstalledCertificateIds", {"certificateType": [kind]})
    found = [each["certificateHashData"] for each in answer.get("certificateHashDataChain", [])]
    if (named in found) is not among:
        raise CaseFailed(f"{kind}: {named} is {'not ' if among else ''}among {found}")


def installs_and_lists(sut: StationUnderTest, *kinds: str) -> None:
    """One root of each kind is installed, and listed by what its hashes are."""
    for kind in kinds:
        install(sut, kind, authority(OTHER_ROOT).root_pem)
        lists(sut, kind, of_root(authority(OTHER_ROOT)))


@case("TC_M_01_CS")
def tc_m_01(sut: StationUnderTest) -> None:
    """A root of the CSMS is installed and listed."""
    booted(sut)
    installs_and_lists(sut, CSMS)


@case("TC_M_02_CS")
def tc_m_02(sut: StationUnderTest) -> None:
    """A root of the manufacturer is installed and listed."""
    booted(sut)
    installs_and_lists(sut, MANUFACTURER)


@case("TC_M_03_CS")
def tc_m_03(sut: StationUnderTest) -> None:
    """A V2G root is installed and listed."""
    booted(sut)
    installs_and_lists(sut, V2G)


@case("TC_M_04_CS")
def tc_m_04(sut: StationUnderTest) -> None:
    """A root of a mobility operator is installed and listed."""
    booted(sut)
    installs_and_lists(sut, MO)


@case("TC_M_07_CS")
def tc_m_07(sut: StationUnderTest) -> None:
    """What is no certificate, or none that may be a root, is rejected and not listed; what was there stays."""
    booted(sut)
    install(sut, CSMS, authority(CSMS_ROOT).root_pem)
    chain = authority(OTHER_ROOT).server("csms.test").chain_pem
    leaf = f"{chain.partition('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n"
    for pem in (BROKEN, leaf):
        install(sut, CSMS, pem, "Rejected")
    if len(found := installed(sut, CSMS)) != 1:
        raise CaseFailed(f"{len(found)} roots of the CSMS are installed, and one was accepted")


@case("TC_M_09_CS", settings=CHECKED, security_profile=2)
def tc_m_09(sut: StationUnderTest) -> None:
    """With the additional check, a root that the old one has not signed is rejected; the old one stays alone."""
    booted(sut)
    install(sut, CSMS, authority(OTHER_ROOT).root_pem, "Rejected")
    found = [each["certificateHashData"] for each in installed(sut, CSMS)]
    if found != [of_root(authority(CSMS_ROOT))]:
        raise CaseFailed(f"expected the old root alone, and {found} is there")


@case("TC_M_12_CS")
def tc_m_12(sut: StationUnderTest) -> None:
    """Roots of the CSMS are listed."""
    booted(sut)
    installs_and_lists(sut, CSMS)
    installed(sut, CSMS)


@case("TC_M_13_CS")
def tc_m_13(sut: StationUnderTest) -> None:
    """Roots of the manufacturer are listed."""
    booted(sut)
    installs_and_lists(sut, MANUFACTURER)
    installed(sut, MANUFACTURER)


@case("TC_M_14_CS")
def tc_m_14(sut: StationUnderTest) -> None:
    """V2G roots are listed."""
    booted(sut)
    installs_and_lists(sut, V2G)
    installed(sut, V2G)


@case("TC_M_16_CS")
def tc_m_16(sut: StationUnderTest) -> None:
    """Roots of mobility operators are listed."""
    booted(sut)
    installs_and_lists(sut, MO)
    installed(sut, MO)


@case("TC_M_17_CS")
def tc_m_17(sut: StationUnderTest) -> None:
    """Two kinds are listed by one request, and no other."""
    booted(sut)
    installs_and_lists(sut, CSMS, MANUFACTURER, MO)
    kinds = {each["certificateType"] for each in installed(sut, CSMS, MANUFACTURER)}
    if kinds != {CSMS, MANUFACTURER}:
        raise CaseFailed(f"listed are {kinds}")


@case("TC_M_18_CS")
def tc_m_18(sut: StationUnderTest) -> None:
    """A request that names no kind lists everything."""
    booted(sut)
    installs_and_lists(sut, CSMS, MANUFACTURER)
    found = [(each["certificateType"], each["certificateHashData"]) for each in installed(sut)]
    named = of_root(authority(OTHER_ROOT))
    if missing := [kind for kind in (CSMS, MANUFACTURER) if (kind, named) not in found]:
        raise CaseFailed(f"{missing} is not among {found}")


@case("TC_M_19_CS")
def tc_m_19(sut: StationUnderTest) -> None:
    """Of a kind of which nothing is installed nothing is found."""
    booted(sut)
    wanted = {"status": "NotFound", "certificateHashDataChain": None}
    sut.call_gives("GetInstalledCertificateIds", {"certificateType": [MO]}, wanted)


@case("TC_M_20_CS", security_profile=2)
def tc_m_20(sut: StationUnderTest) -> None:
    """A root is deleted, and not listed any more."""
    booted(sut)
    installs_and_lists(sut, CSMS)
    named = of_root(authority(OTHER_ROOT))
    sut.call_gives("DeleteCertificate", {"certificateHashData": named}, {"status": "Accepted"})
    lists(sut, CSMS, named, among=False)


@case("TC_M_22_CS")
def tc_m_22(sut: StationUnderTest) -> None:
    """A certificate that is not installed cannot be deleted."""
    booted(sut)
    installs_and_lists(sut, CSMS)
    named = of_root(authority(CSMS_ROOT))
    sut.call_gives("DeleteCertificate", {"certificateHashData": named}, {"status": "NotFound"})


@case("TC_M_23_CS", security_profile=3)
def tc_m_23(sut: StationUnderTest) -> None:
    """The certificate with which the station connects cannot be deleted."""
    booted(sut)
    connections = sut.peer.connections
    chain = authority(CSMS_ROOT).signed(asks(sut)["csr"])
    signed(sut, chain, "Accepted")
    sut.until(lambda: sut.peer.connections > connections and sut.peer.connected, "the new certificate in use")
    leaf, _, above = chain.partition("-----END CERTIFICATE-----\n")
    named = hash_data(f"{leaf}-----END CERTIFICATE-----\n", above)
    sut.call_gives("DeleteCertificate", {"certificateHashData": named}, {"status": {"Failed", "NotFound"}})


@case("TC_M_30_CS", settings=CHECKED, security_profile=2)
def tc_m_30(sut: StationUnderTest) -> None:
    """Once the station has connected by a new root that the old one signed, the old one is gone."""
    booted(sut)
    old = authority(CSMS_ROOT)
    new = Authority("New CSO", signed_by=old)
    install(sut, CSMS, new.root_pem)
    lists(sut, CSMS, of_root(old))
    sut.peer.door.authority = new
    rebooted(sut, "OnIdle")
    lists(sut, CSMS, of_root(new, old))
    lists(sut, CSMS, of_root(old), among=False)


@case("TC_M_31_CS", settings=CHECKED, security_profile=2)
def tc_m_31(sut: StationUnderTest) -> None:
    """While the CSMS goes on showing what the old root verifies, the station comes in by that, and both stay."""
    booted(sut)
    old = authority(CSMS_ROOT)
    new = Authority("New CSO", signed_by=old)
    install(sut, CSMS, new.root_pem)
    rebooted(sut, "OnIdle")
    lists(sut, CSMS, of_root(old))
    lists(sut, CSMS, of_root(new, old))


@case(
    "TC_B_47_CS",
    settings=CHECKED | AT_ONCE | {"OCPPCommCtrlr.NetworkProfileConnectionAttempts": "1"},
    security_profile=2,
)
def tc_b_47(sut: StationUnderTest) -> None:
    """Another CSMS is verified by the new root alone; the way back from it leads over the old root."""
    booted(sut)
    old = authority(CSMS_ROOT)
    install(sut, CSMS, Authority("New CSO", signed_by=old).root_pem)
    url, there = sut.another_csms(2, CSMS_ROOT)
    before = there.peer.connections
    first_on_the_list(sut, url, security_profile=2)
    reset(sut)
    there.attempted(1)
    boots(sut)
    if there.peer.connections != before:
        raise CaseFailed("connected to a CSMS that only the old root verifies")
    lists(sut, CSMS, of_root(old))
