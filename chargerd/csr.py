"""Requests to have a key signed (RFC 2986), the same whoever holds the key."""

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
