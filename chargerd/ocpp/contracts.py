"""C07: what a contract certificate is worth by what is installed here, before anybody is asked about it.

The vehicle's certificate ends in the root of a mobility operator, or in a V2G root. One that is found wrong is refused,
whatever anybody says of it; one whose root nobody here has can be judged by the CSMS, where that is allowed.
"""

from datetime import datetime
from itertools import pairwise

import msgspec

from chargerd.certificates import (
    Certificate,
    CertificateError,
    UnknownIssuerError,
    hash_data,
    joined,
    path,
    read_chain,
    read_one,
    why_not_contract,
)
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.messages.enums import HashAlgorithm, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken, OCSPRequestData

MAX_STATUS_REQUESTS = 4
"""Certificates that Authorize can name."""

MAX_CHAIN_CHARACTERS = 5500
"""Authorize.certificate."""

MAX_EMAID_CHARACTERS = 36
"""IdToken.idToken."""


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract certificate that may be asked about. `is_valid`: it was found good here; else nobody here has its
    root. `chain_pem`: as Authorize carries it, leaf first and without the root. `status_requests`: where and by what
    names the CSMS can ask whether it was revoked.
    """

    token: IdToken
    is_valid: bool
    chain_pem: str
    status_requests: tuple[OCSPRequestData, ...] = ()


def read_contract(chain_pem: str, emaid: str, book: CertificateBook, at_utc: datetime) -> Contract:
    """What the vehicle showed: its certificate first, then those that signed it, and its eMAID, empty when it named
    none. Raises CertificateError with the reason for which it is no good.
    """
    leaf, *others = read_chain(chain_pem)
    token = _token(leaf, emaid)
    if reason := why_not_contract(leaf):
        raise CertificateError(reason)
    roots = [
        read_one(pem) for kind in (Kind.MO_ROOT_CERTIFICATE, Kind.V2G_ROOT_CERTIFICATE) for pem in book.roots(kind)
    ]
    try:
        found = path(leaf, others, roots, at_utc)
    except UnknownIssuerError:
        without_root = [each for each in (leaf, *others) if not each.signs_itself]
        return Contract(token=token, is_valid=False, chain_pem=joined(without_root))
    return Contract(token=token, is_valid=True, chain_pem=joined(found[:-1]), status_requests=_status_requests(found))


def ocsp_request(certificate: Certificate, issuer: Certificate) -> OCSPRequestData:
    """Where and by what name the status of a certificate is asked."""
    named = hash_data(certificate, issuer)
    return OCSPRequestData(
        hash_algorithm=HashAlgorithm(named.algorithm),
        issuer_name_hash=named.issuer_name_hash,
        issuer_key_hash=named.issuer_key_hash,
        serial_number=named.serial_number,
        responder_url=certificate.ocsp_url,
    )


def _token(leaf: Certificate, emaid: str) -> IdToken:
    """The eMAID is the certificate's common name (ISO 15118-2, annex F); with or without separators it is the same."""
    name = leaf.common_name
    if not 0 < len(name) <= MAX_EMAID_CHARACTERS:
        raise CertificateError("the contract certificate names no eMAID")
    if emaid and _bare(emaid) != _bare(name):
        raise CertificateError(f"the contract certificate is for another eMAID than {emaid[:MAX_EMAID_CHARACTERS]}")
    return IdToken(id_token=name, type=IdTokenEnum.EMAID)


def _bare(emaid: str) -> str:
    return emaid.replace("-", "").upper()


def _status_requests(found: tuple[Certificate, ...]) -> tuple[OCSPRequestData, ...]:
    """C07.FR.02: for the leaf and each sub-CA that says where its status is to be asked."""
    asked = [ocsp_request(each, issuer) for each, issuer in pairwise(found) if each.ocsp_url]
    return tuple(asked[:MAX_STATUS_REQUESTS])
