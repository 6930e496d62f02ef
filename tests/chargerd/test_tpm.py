"""The TPM by way of OpenSSL, against a software TPM."""

import ctypes
from contextlib import closing
from pathlib import Path
from socket import socket

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd import tpm
from chargerd.tpm import Provider, TpmError, answers
from tests.swtpm import Swtpm, shared_tpm, until_empty


@pytest.fixture
def provider() -> Provider:
    until_empty(shared_tpm())
    return Provider(shared_tpm())


def test_a_key_signs_and_its_public_half_agrees(provider: Provider) -> None:
    pem = provider.make_key()
    public = serialization.load_der_public_key(provider.public_key(pem))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(provider.sign(pem, b"some text"), b"some text", ec.ECDSA(hashes.SHA256()))


def test_each_key_is_a_new_one(provider: Provider) -> None:
    assert provider.make_key() != provider.make_key()


def test_no_key_takes_one_of_the_few_places_of_the_tpm_for_longer_than_its_use(provider: Provider) -> None:
    pem = provider.make_key()
    for _ in range(10):
        provider.sign(pem, b"some text")
    until_empty(shared_tpm())


@pytest.mark.parametrize(
    "pem", [b"", b"no key", b"-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_an_error_and_does_no_harm(provider: Provider, pem: bytes) -> None:
    with pytest.raises(TpmError):
        provider.sign(pem, b"some text")
    assert provider.works()
    assert provider.sign(provider.make_key(), b"some text")


def test_openssl_cannot_write_the_private_half_in_any_form_that_is_not_the_tpms(provider: Provider) -> None:
    crypto, pem = provider._crypto, provider.make_key()
    with provider._loaded(pem) as key:
        crypto.EVP_PKEY_get_bn_param.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        number = ctypes.c_void_p()
        assert crypto.EVP_PKEY_get_bn_param(key, b"priv", ctypes.byref(number)) != 1
        assert provider._pem(key).startswith(b"-----BEGIN TSS2 PRIVATE KEY-----")


def test_a_tpm_answers_or_it_does_not(tmp_path: Path) -> None:
    software = Swtpm(tmp_path)
    assert not answers(software.tcti)
    with software:
        assert answers(software.tcti)
    assert not answers("device:/dev/no-such-tpm")
    assert not answers("device:/dev/null")


def test_something_else_that_listens_there_is_no_tpm() -> None:
    with closing(socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        tpm_before, tpm.ANSWER_WITHIN_S = tpm.ANSWER_WITHIN_S, 0.1
        try:
            assert not answers(f"swtpm:host=127.0.0.1,port={listener.getsockname()[1]}")
        finally:
            tpm.ANSWER_WITHIN_S = tpm_before
