"""Requests to have a key signed."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.csr import csr_pem
from chargerd.identity import IdentityError
from tests.chargerd.key_stands import request

KEY = ec.generate_private_key(ec.SECP256R1())


def test_the_subject_holds_what_was_asked_for_and_nothing_empty() -> None:
    csr = x509.load_pem_x509_csr(csr_pem(request(), KEY).encode())
    assert csr.subject.rfc4514_string() == "O=Example,CN=SN-1"
    assert csr.is_signature_valid
    assert csr.public_key() == KEY.public_key()


def test_A00_FR_514_no_extended_key_usage_is_asked_for() -> None:
    assert len(x509.load_pem_x509_csr(csr_pem(request(), KEY).encode()).extensions) == 0


@pytest.mark.parametrize("changed", [{"common_name": "x" * 65}, {"country": "NLD"}, {"common_name": ""}])
def test_a_name_that_no_certificate_can_have_is_said(changed: dict[str, str]) -> None:
    with pytest.raises(IdentityError, match="no certificate can have such a name"):
        csr_pem(request(**changed), KEY)
