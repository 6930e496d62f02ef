"""Whether a chain that CertificateSigned brings may be used (A02.FR.06 as corrected, A02.FR.16).

Every reason for which it may not becomes the reason in the answer, in the security event and in the log.
"""

from datetime import datetime, timedelta

from chargerd import certificates
from chargerd.certificates import Certificate, CertificateError
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.signing_requests import SigningRequest, Subject

_ROOTS = {
    Use.CHARGING_STATION_CERTIFICATE: Kind.CSMS_ROOT_CERTIFICATE,
    Use.V2G_CERTIFICATE: Kind.V2G_ROOT_CERTIFICATE,
}
"""Whose hierarchy a certificate belongs to (A00, certificate hierarchy)."""

CLOCK_TOLERANCE = timedelta(seconds=10)
"""A certificate that begins at the instant at which it was signed is not from the future: the clocks of its maker and
of this station agree to some seconds, not better.
"""


class ChainRefused(Exception):
    """A chain that is not accepted: the OCPP reason code, and the reason for people."""

    def __init__(self, reason_code: str, why: str) -> None:
        super().__init__(why)
        self.reason_code = reason_code


def read_chain(pem: str, max_characters: int) -> tuple[Certificate, ...]:
    """The certificates of a chain, the station's own first. Raises ChainRefused."""
    if len(pem) > max_characters:
        raise ChainRefused("TooLargeElement", f"{len(pem)} characters, MaxCertificateChainSize is {max_characters}")
    try:
        return certificates.read_chain(pem)
    except CertificateError as error:
        raise ChainRefused("InvalidCertificate", str(error)) from error


def checked_path(
    chain: tuple[Certificate, ...], request: SigningRequest, use: Use | None, book: CertificateBook, at_utc: datetime
) -> tuple[Certificate, ...]:
    """The path from the station's certificate, which is about the key of `request`, to an installed root. `use`: what
    the CSMS says it is for, None: nothing. Raises ChainRefused.
    """
    if use not in {None, request.use}:
        raise ChainRefused("InvalidCertificate", f"its key was made for {request.use}, not for {use}")
    leaf, *others = chain
    if leaf.not_before_utc <= at_utc + CLOCK_TOLERANCE:
        at_utc = max(at_utc, leaf.not_before_utc)
    kind = _ROOTS[request.use]
    roots = tuple(certificates.read_one(pem) for pem in book.roots(kind))
    if not roots:
        raise ChainRefused("InvalidCertificate", f"no {kind} is installed to verify it with; install that first")
    if request.use is Use.V2G_CERTIFICATE:
        why = certificates.why_not_v2g_certificate(chain, roots, at_utc)
    else:
        why = certificates.why_not_station_certificate(chain, roots, at_utc)
    why = why or _why_not_named(leaf, request.subject)
    if why is not None:
        raise ChainRefused("InvalidCertificate", why)
    return certificates.path(leaf, others, roots, at_utc)


def _why_not_named(leaf: Certificate, wanted: Subject) -> str | None:
    if leaf.common_name != wanted.common_name:  # A00.FR.511
        return f"issued to {leaf.common_name or 'nobody'} rather than {wanted.common_name}"
    if leaf.organization != wanted.organization:  # A00.FR.509
        return f"issued to organization {leaf.organization or '(none)'} rather than {wanted.organization}"
    return None
