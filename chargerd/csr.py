"""Requests to have a key signed (RFC 2986), the same whoever holds the key. Loaded when a key is made, with 8 MB of
library that a station never spends whose key does not change.
"""

from collections.abc import Callable
from typing import Any, NoReturn, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chargerd.identity import IdentityError
from chargerd.ocpp.effects import MakeKey


def csr_pem(request: MakeKey, key: ec.EllipticCurvePrivateKey) -> str:
    """The request, signed by its own key with ECDSA and SHA-256. The subject is what `request` says (A00.FR.511).
    Raises IdentityError: a name that no certificate can have.
    """
    names = [(NameOID.COMMON_NAME, request.common_name), (NameOID.ORGANIZATION_NAME, request.organization)]
    names += [(NameOID.COUNTRY_NAME, request.country)] if request.country else []
    names += [(NameOID.DOMAIN_COMPONENT, request.domain_component)] if request.domain_component else []
    try:
        subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names])
    except ValueError as error:
        raise IdentityError(f"no certificate can have such a name ({error}); correct it and ask again") from error
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def new_file_key(request: MakeKey) -> tuple[bytes, str]:
    """A new P-256 key as PEM, and its request. Raises IdentityError as `csr_pem` does."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form), csr_pem(request, key)


class Signer(ec.EllipticCurvePrivateKey):
    """A key that only signs, for the builder of signing requests."""

    def __init__(self, public_der: bytes, sign: Callable[[bytes], bytes]) -> None:
        """`public_der`: the public half, SubjectPublicKeyInfo. `sign`: ECDSA with SHA-256 over a text, DER."""
        public = serialization.load_der_public_key(public_der)
        assert isinstance(public, ec.EllipticCurvePublicKey), "can't happen because the provider made a P-256 key"
        self._public = public
        self._sign = sign

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """What is signed is always the data itself, with SHA-256."""
        assert isinstance(signature_algorithm.algorithm, hashes.SHA256), "can't happen: csr.py asks for SHA-256"
        return self._sign(bytes(data))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise NotImplementedError("this key only signs")

    def private_numbers(self) -> NoReturn:
        raise NotImplementedError("the TPM does not give its keys away")

    def private_bytes(self, *_form: object, **_more: object) -> NoReturn:
        raise NotImplementedError("the TPM does not give its keys away")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self
