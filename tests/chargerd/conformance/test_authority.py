"""Certificates of the test system, judged as a station judges them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.certificates import CertificateError, has_key_of, path, read_chain, read_one, why_not_root
from chargerd.conformance.authority import UNTIL, Authority, authority, key_pem, request_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, OTHER = authority("One"), authority("Other")


def test_an_authority_is_made_once() -> None:
    assert authority("One") is ONE
    assert ONE.root_sha256 == read_one(ONE.root_pem).sha256


def test_its_root_is_one_that_a_station_accepts() -> None:
    assert why_not_root(read_one(ONE.root_pem), NOW) is None


def test_a_servers_chain_leads_to_its_root_and_to_no_other() -> None:
    leaf, *between = read_chain(ONE.server("csms.test").chain_pem)
    assert leaf.common_name == "csms.test"
    assert path(leaf, between, [read_one(ONE.root_pem)], NOW)[-1].sha256 == ONE.root_sha256
    with pytest.raises(CertificateError):
        path(leaf, between, [read_one(OTHER.root_pem)], NOW)
    assert ONE.server("csms.test") is ONE.server("csms.test")
    assert "PRIVATE" not in repr(ONE.server("csms.test"))


def test_a_request_is_signed_for_its_key_and_subject() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = request_for(key, "CS-1", "Owner")
    leaf, *between = read_chain(ONE.signed(csr, until=NOW + timedelta(days=1)))
    assert (leaf.common_name, leaf.organization) == ("CS-1", "Owner")
    assert leaf.not_after_utc == NOW + timedelta(days=1)
    assert has_key_of(leaf, csr)
    assert path(leaf, between, [read_one(ONE.root_pem)], NOW)
    assert "PRIVATE KEY" in key_pem(key)


def test_a_root_that_replaces_another_is_signed_by_it() -> None:
    successor = Authority("Successor", signed_by=ONE)
    root = read_one(successor.root_pem)
    assert why_not_root(root, NOW, read_one(ONE.root_pem)) is None
    assert root.not_after_utc == UNTIL
