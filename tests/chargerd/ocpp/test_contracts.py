"""What a contract certificate is worth by what is installed."""

from datetime import timedelta

import pytest

from chargerd.certificates import CertificateError, hash_data
from chargerd.ocpp.certificate_book import CertificateBook, root_row
from chargerd.ocpp.contracts import MAX_STATUS_REQUESTS, Contract, read_contract
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.messages.enums import IdTokenEnum
from chargerd.ocpp.messages.types import IdToken
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.ocpp.vehicles import CHAIN, CONTRACT, EMAID, MO_ROOT, MO_SUB, URL
from tests.chargerd.pki import NOON, Pair, made, root, sub


def book(kind: Kind = Kind.MO_ROOT_CERTIFICATE, *roots: Pair) -> CertificateBook:
    found = Rig().station.certificate_book
    for each in roots:
        found.put(root_row(kind, each.read))
    return found


def read(chain: str = CHAIN, emaid: str = "", *, roots: tuple[Pair, ...] = (MO_ROOT,)) -> Contract:
    return read_contract(chain, emaid, book(Kind.MO_ROOT_CERTIFICATE, *roots), NOON)


def test_C07_FR_08_a_chain_that_ends_in_an_installed_root_is_valid() -> None:
    contract = read()
    assert contract.is_valid
    assert contract.token == IdToken(id_token=EMAID, type=IdTokenEnum.EMAID)
    assert contract.chain_pem == CHAIN


def test_C07_FR_02_the_leaf_and_each_sub_ca_are_named_with_where_to_ask_about_them() -> None:
    asked = read().status_requests
    expected = [hash_data(CONTRACT.read, MO_SUB.read), hash_data(MO_SUB.read, MO_ROOT.read)]
    assert [(each.serial_number, each.issuer_key_hash, each.responder_url) for each in asked] == [
        (each.serial_number, each.issuer_key_hash, URL) for each in expected
    ]


def test_C07_FR_02_no_more_are_named_than_fit_and_none_that_says_not_where() -> None:
    chain = [MO_ROOT]
    for number in range(4):
        chain.append(sub(f"Sub {number}", chain[-1], ocsp_url=URL))
    long = made(EMAID, chain[-1], ocsp_url=URL).pem + "".join(pair.pem for pair in reversed(chain[1:]))
    assert len(read(long).status_requests) == MAX_STATUS_REQUESTS
    mute = made(EMAID, MO_SUB)
    assert [each.serial_number for each in read(mute.pem + MO_SUB.pem).status_requests] == [MO_SUB.read.serial_number]


def test_a_v2g_root_may_be_the_root_of_a_contract_and_others_may_not() -> None:
    for kind in Kind:
        if kind is Kind.V2G_CERTIFICATE_CHAIN:
            continue
        contract = read_contract(CHAIN, "", book(kind, MO_ROOT), NOON)
        assert contract.is_valid == (kind in {Kind.MO_ROOT_CERTIFICATE, Kind.V2G_ROOT_CERTIFICATE})


@pytest.mark.parametrize("roots", [(), (root("Other root"),)])
def test_C07_FR_06_without_its_root_it_is_neither_valid_nor_wrong(roots: tuple[Pair, ...]) -> None:
    contract = read(CHAIN + MO_ROOT.pem, roots=roots)
    assert not contract.is_valid
    assert contract.chain_pem == CHAIN  # up to and without the root
    assert contract.status_requests == ()


@pytest.mark.parametrize(
    "chain, reason",
    [
        ("", "not a certificate in PEM"),
        (MO_SUB.pem, "certificate authority"),
        (made(EMAID, MO_SUB, until=NOON - timedelta(seconds=1)).pem + MO_SUB.pem, "expired"),
        (made(EMAID, MO_SUB, since=NOON + timedelta(seconds=1)).pem + MO_SUB.pem, "not valid before"),
        (made(EMAID, Pair(MO_SUB.x509, root("X").key)).pem + MO_SUB.pem, "MO sub: its key is not the one"),
        (made(EMAID, MO_SUB, usage=["key_agreement"]).pem + MO_SUB.pem, "not for signatures"),
        (made("x" * 37, MO_SUB).pem + MO_SUB.pem, "names no eMAID"),
    ],
)
def test_what_is_found_wrong_is_refused_whatever_others_may_say(chain: str, reason: str) -> None:
    for roots in ((MO_ROOT,), ()):
        with pytest.raises(CertificateError, match=reason):
            read(chain, roots=roots)


def test_the_emaid_is_that_of_the_certificate_with_or_without_separators() -> None:
    for emaid in ("", EMAID, EMAID.lower(), "DE-ABC-C12345678-9"):
        assert read(emaid=emaid).token.id_token == EMAID
    with pytest.raises(CertificateError, match="for another eMAID than DEABCC000"):
        read(emaid="DEABCC000000000")
