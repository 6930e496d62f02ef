from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.ocpp.certificate_book import CertificateBook, root_row
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.signed_chains import CLOCK_TOLERANCE, ChainRefused, checked_path, read_chain
from chargerd.ocpp.signing_requests import SigningRequest, Subject
from tests.chargerd.ocpp.peer import Peer
from tests.chargerd.ocpp.renewing import CSO, CSO_SUB, V2G
from tests.chargerd.pki import NOON, Pair, ec_key, made, rsa_key

STATION = Use.CHARGING_STATION_CERTIFICATE


def book() -> CertificateBook:
    book = CertificateBook(Peer().ctx)
    book.put(root_row(Kind.CSMS_ROOT_CERTIFICATE, CSO.read))
    book.put(root_row(Kind.V2G_ROOT_CERTIFICATE, V2G.read))
    return book


def request(use: Use = STATION) -> SigningRequest:
    subject = Subject(common_name="SN-1", organization="O")
    return SigningRequest(request_id="1", use=use, subject=subject, triggered=True, begun_utc=NOON)


def leaf(issuer: Pair = CSO_SUB, **changes: Any) -> Pair:
    return made("SN-1", issuer, **({"organization": "O"} | changes))


def why_not(*chain: Pair, use: Use = STATION) -> str | None:
    try:
        checked_path(tuple(pair.read for pair in chain), request(use), None, book(), NOON)
    except ChainRefused as refused:
        return str(refused)
    return None


def test_the_path_goes_from_the_station_to_the_root() -> None:
    path = checked_path((leaf().read, CSO_SUB.read), request(), STATION, book(), NOON)
    assert [each.subject for each in path] == [
        "CN=SN-1,O=O",
        CSO_SUB.read.subject,
        CSO.read.subject,
    ]


@pytest.mark.parametrize("key", [rsa_key(1024), ec_key(9, ec.SECP192R1)], ids=["RSA", "EC"])
def test_A00_FR_502_A00_FR_503_a_weak_key_is_refused(key: Any) -> None:
    assert "a key of this kind or length is not accepted" in (why_not(leaf(key=key), CSO_SUB) or "")


def test_A00_FR_509_A00_FR_511_the_certificate_names_who_asked() -> None:
    assert why_not(leaf(organization="Thief"), CSO_SUB) == "issued to organization Thief rather than O"
    assert why_not(made("SN-2", CSO_SUB, organization="O"), CSO_SUB) == "issued to SN-2 rather than SN-1"


def test_each_use_has_its_own_hierarchy() -> None:
    assert why_not(leaf(), CSO_SUB) is None
    assert why_not(leaf(V2G)) == f"no certificate of {V2G.read.subject} is known"
    assert why_not(leaf(V2G), use=Use.V2G_CERTIFICATE) is None
    assert why_not(leaf(), CSO_SUB, use=Use.V2G_CERTIFICATE) is not None


def test_vehicles_want_a_key_on_an_elliptic_curve() -> None:
    assert "elliptic" in (why_not(leaf(V2G, key=rsa_key(2048)), use=Use.V2G_CERTIFICATE) or "")


def test_the_tolerance_of_clocks_has_an_end() -> None:
    assert why_not(leaf(since=NOON + CLOCK_TOLERANCE), CSO_SUB) is None
    assert "not valid before" in (why_not(leaf(since=NOON + CLOCK_TOLERANCE * 1.1), CSO_SUB) or "")


def test_A02_FR_16_the_limit_of_a_chain_is_exact() -> None:
    pem = leaf().pem
    assert len(read_chain(pem, len(pem))) == 1
    with pytest.raises(ChainRefused, match=r"MaxCertificateChainSize is \d+") as refused:
        read_chain(pem, len(pem) - 1)
    assert refused.value.reason_code == "TooLargeElement"
