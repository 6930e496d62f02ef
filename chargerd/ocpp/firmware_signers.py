"""Who may sign firmware for OCPP (L01.FR.12, L01.FR.21): a certificate that a root of the manufacturer has issued
itself.
"""

from collections.abc import Callable
from datetime import datetime

from chargerd.certificates import CertificateError, path, read_one, why_not_firmware_signer, why_revoked
from chargerd.clock import Now
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.firmware_update import Update
from chargerd.ocpp.jobs import Check
from chargerd.ocpp.messages.enums import GetCertificateIdUse
from chargerd.ocpp.messages.enums import UpdateFirmwareStatus as Answer


class Signers:
    """Judges signing certificates by what is installed now."""

    def __init__(
        self, book: CertificateBook, revocations_pem: tuple[str, ...], clock_floor: Callable[[], datetime | None]
    ) -> None:
        """`revocations_pem`: the lists of the manufacturer, none: nothing is revoked. `clock_floor`: it is that late at
        least, whatever the clock says.
        """
        self._book = book
        self._revocations_pem = revocations_pem
        self._clock_floor = clock_floor

    def refusal(self, certificate_pem: str, now: Now) -> tuple[Answer, str] | None:
        """How a request with this certificate is answered, and why; None: it may sign (L01.FR.22)."""
        at_utc = self._at_utc(now)
        try:
            leaf = read_one(certificate_pem)
            roots = [read_one(pem) for pem in self._roots()]
            # The manufacturer puts nothing between root and certificate, so nothing is given here.
            reason = why_not_firmware_signer(leaf, roots, at_utc)
            if reason is not None:
                return Answer.INVALID_CERTIFICATE, reason
            root = path(leaf, (), roots, at_utc)[-1]
        except CertificateError as error:
            return Answer.INVALID_CERTIFICATE, str(error)
        reasons = [why_revoked(leaf, root, crl_pem, at_utc) for crl_pem in self._revocations_pem]
        # One list of its issuer that is up to date has to clear it; the others are those of other roots.
        if reasons and None not in reasons:
            return Answer.REVOKED_CERTIFICATE, next((each for each in reasons if each), "")
        return None

    def check(self, update: Update, now: Now) -> Check:
        """What the shell needs to look at the file again."""
        return Check(
            key=update.key,
            certificate_pem=update.certificate_pem,
            signature=update.signature,
            roots_pem=self._roots(),
            revocations_pem=self._revocations_pem,
            at_utc=self._at_utc(now),
        )

    def _roots(self) -> tuple[str, ...]:
        return self._book.roots(GetCertificateIdUse.MANUFACTURER_ROOT_CERTIFICATE)

    def _at_utc(self, now: Now) -> datetime:
        floor_utc = self._clock_floor()
        return now.utc if floor_utc is None else max(now.utc, floor_utc)
