"""Requests to have a key signed."""

import copy

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from chargerd.csr import Signer, csr_pem, new_file_key
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


def test_a_key_that_is_a_file_comes_with_its_request() -> None:
    pem, csr = new_file_key(request())
    key = serialization.load_pem_private_key(pem, None)
    assert x509.load_pem_x509_csr(csr.encode()).public_key() == key.public_key()


def test_a_key_elsewhere_signs_and_gives_nothing_else_away() -> None:
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signer = Signer(spki, lambda text: KEY.sign(text, ec.ECDSA(hashes.SHA256())))
    csr = x509.load_pem_x509_csr(csr_pem(request(), signer).encode())
    assert csr.is_signature_valid
    assert csr.public_key() == KEY.public_key()
    assert (signer.key_size, signer.curve.name) == (256, "secp256r1")
    assert copy.deepcopy(copy.copy(signer)) is signer
    with pytest.raises(NotImplementedError, match="give its keys away"):
        signer.private_numbers()
    with pytest.raises(NotImplementedError, match="give its keys away"):
        signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(NotImplementedError, match="only signs"):
        signer.exchange(ec.ECDH(), KEY.public_key())
