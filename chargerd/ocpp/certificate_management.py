"""Block M, towards the CSMS: which certificates are installed (M03), deleting (M04) and installing them (M05).

The reasons for refusing are all here. A disk that fails ends the process, as everywhere, so Failed (M05.FR.03) is
never said of an installation: either it is on disk, or there is no answer.
"""

from collections.abc import Callable, Iterable, Mapping

from chargerd.certificates import Certificate, CertificateError, HashData, is_named, read_chain, read_one, why_not_root
from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.certificate_book import MAX_CERTIFICATES, CertificateBook, Installed, root_row
from chargerd.ocpp.effects import ClientCertificate, Severity
from chargerd.ocpp.messages.certificates import (
    CertificateHashDataChain,
    DeleteCertificate,
    DeleteCertificateResponse,
    GetInstalledCertificateIds,
    GetInstalledCertificateIdsResponse,
    InstallCertificate,
    InstallCertificateResponse,
)
from chargerd.ocpp.messages.enums import (
    DeleteCertificateStatus,
    GetInstalledCertificateStatus,
    HashAlgorithm,
    InstallCertificateStatus,
)
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.messages.types import CertificateHashData, StatusInfo
from chargerd.ocpp.network_variables import SECURITY_PROFILE
from chargerd.ocpp.news import KeysReleased, SecurityEvent
from chargerd.ocpp.variables import AnyVariable, Reader, boolean, integer

CERTIFICATE_ENTRIES = integer(
    "SecurityCtrlr",
    "CertificateEntries",
    0,
    minimum=0,
    maximum=MAX_CERTIFICATES,
    doc="Certificates that are installed: roots of the CSMS, the manufacturer, V2G and mobility operators, and those "
    "of V2G chains.",
)
ADDITIONAL_ROOT_CERTIFICATE_CHECK = boolean(
    "SecurityCtrlr",
    "AdditionalRootCertificateCheck",
    False,
    required=False,
    doc="Whether a new CSMS root certificate must be signed by the one it replaces, which goes once the new one has "
    "worked.",
)

VEHICLE_ROOTS = frozenset({Kind.V2G_ROOT_CERTIFICATE, Kind.MO_ROOT_CERTIFICATE})
"""Of use only where something speaks ISO 15118 with vehicles."""

TLS_PROFILE = 2
"""From this security profile on the CSMS is verified by its certificate."""


class CertificateManagement(Block):
    """Keeps the book of certificates as the CSMS says."""

    def __init__(
        self, ctx: StationContext, book: CertificateBook, clients: Callable[[], Iterable[ClientCertificate]]
    ) -> None:
        """`clients`: the certificates with which the station shows who it is."""
        super().__init__(ctx)
        self._book = book
        self._clients = clients

    def variables(self) -> Iterable[AnyVariable]:
        """SecurityCtrlr, as far as installed certificates are concerned."""
        return (CERTIFICATE_ENTRIES, ADDITIONAL_ROOT_CERTIFICATE_CHECK)

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """How many certificates there are."""
        return {CERTIFICATE_ENTRIES: lambda _evse_id, _connector_id: self._book.count()}

    def handlers(self) -> Handlers:
        """M03, M04 and M05."""
        return {
            GetInstalledCertificateIds: self._get_installed,
            DeleteCertificate: self._delete,
            InstallCertificate: self._install,
        }

    def on_start(self, _now: Now) -> None:
        """What was provisioned is taken over in the transaction of the start, whoever asks for it first."""
        self._book.all()

    # ------------------------------------------------------------------ M03

    def _get_installed(self, request: GetInstalledCertificateIds, _now: Now) -> GetInstalledCertificateIdsResponse:
        rows = self._book.all(request.certificate_type or tuple(Kind))
        if not rows:
            return GetInstalledCertificateIdsResponse(status=GetInstalledCertificateStatus.NOT_FOUND)
        return GetInstalledCertificateIdsResponse(
            status=GetInstalledCertificateStatus.ACCEPTED,
            certificate_hash_data_chain=tuple(
                CertificateHashDataChain(
                    certificate_type=row.kind,
                    certificate_hash_data=on_wire(row.names[0]),
                    # M03.FR.05: the sub-CAs of a V2G chain are the children of its leaf.
                    child_certificate_hash_data=tuple(on_wire(names[0]) for names in row.children) or None,
                )
                for row in rows
            ),
        )

    # ------------------------------------------------------------------ M04

    def _delete(self, request: DeleteCertificate, _now: Now) -> DeleteCertificateResponse:
        wanted = off_wire(request.certificate_hash_data)
        row = self._book.named(wanted)
        if row is None:
            return self._not_to_be_deleted(wanted)
        if reason := self._why_not_deleted(row):
            return DeleteCertificateResponse(
                status=DeleteCertificateStatus.FAILED, status_info=_info("Unspecified", reason)
            )
        self._book.remove(row)
        self._tell(row, "deleted")
        if row.key_id:
            self.ctx.publish(KeysReleased())
        return DeleteCertificateResponse(status=DeleteCertificateStatus.ACCEPTED)

    def _why_not_deleted(self, row: Installed) -> str | None:
        """M04.FR.03: the last CSMS root stays while the CSMS is verified with it, for without one nothing could be put
        right from afar any more; and where the site has named its roots, for without one those of the system count.
        """
        if row.kind is not Kind.CSMS_ROOT_CERTIFICATE or len(self._book.roots(row.kind)) > 1:
            return None
        needed = self.ctx.variables[SECURITY_PROFILE] >= TLS_PROFILE or self.ctx.config.csms_roots_pem
        return "it is the last CSMS root" if needed else None

    def _not_to_be_deleted(self, wanted: HashData) -> DeleteCertificateResponse:
        if any(is_named(each, wanted) for client in self._clients() for each in _readable(client.chain_pem)):
            info = _info("ReadOnly", "the station's own certificate is replaced, never deleted")  # M04.FR.06
            return DeleteCertificateResponse(status=DeleteCertificateStatus.FAILED, status_info=info)
        return DeleteCertificateResponse(status=DeleteCertificateStatus.NOT_FOUND)

    # ------------------------------------------------------------------ M05

    def _install(self, request: InstallCertificate, now: Now) -> InstallCertificateResponse:
        kind = Kind(request.certificate_type)
        if kind in VEHICLE_ROOTS and not self.ctx.config.vehicle_stack:
            return _refused("NotEnabled", "nothing here speaks ISO 15118 with vehicles")
        try:
            root = read_one(request.certificate)
        except CertificateError as error:
            return _refused("InvalidCertificate", str(error))
        present = self._present(kind, root)
        if present is None and self._book.count() >= MAX_CERTIFICATES:  # M05.FR.06
            return _refused("OutOfStorage", f"{MAX_CERTIFICATES} certificates are installed, as many as there may be")
        replaced = self._replaced_by(kind, present)
        try:
            row = self._new_row(kind, root, replaced, now)
        except CertificateError as error:
            return _refused("InvalidCertificate", str(error))  # M05.FR.07, FR.11
        if kind is Kind.CSMS_ROOT_CERTIFICATE and self._is_first():
            self.ctx.note(
                Severity.WARNING, "certificates: from now on the CSMS needs an installed root, not the system's"
            )
        for other in self._pending() if row.pending else ():
            self._book.remove(other)  # M05.FR.09: one, and one to fall back to
        self._book.put(row)
        self._tell(row, "installed")
        return InstallCertificateResponse(status=InstallCertificateStatus.ACCEPTED)

    def _present(self, kind: Kind, root: Certificate) -> Installed | None:
        return next((row for row in self._book.all([kind]) if row.sha256 == root.sha256), None)

    def _is_first(self) -> bool:
        tls = self.ctx.variables[SECURITY_PROFILE] >= TLS_PROFILE
        return tls and not self._book.all([Kind.CSMS_ROOT_CERTIFICATE])

    def _pending(self) -> list[Installed]:
        return [row for row in self._book.all([Kind.CSMS_ROOT_CERTIFICATE]) if row.pending]

    def _replaced_by(self, kind: Kind, present: Installed | None) -> list[Installed]:
        """The CSMS roots one of which has to have signed the new one (M05.FR.10); none for one that is there already,
        for the first, and without AdditionalRootCertificateCheck.
        """
        if kind is not Kind.CSMS_ROOT_CERTIFICATE or not self.ctx.variables[ADDITIONAL_ROOT_CERTIFICATE_CHECK]:
            return []
        if present is not None and not present.pending:
            return []
        return [row for row in self._book.all([kind]) if not row.pending]

    def _new_row(self, kind: Kind, root: Certificate, replaced: list[Installed], now: Now) -> Installed:
        """The row of a root that may be installed. Raises CertificateError with the reason for which it may not."""
        if not replaced:
            if reason := why_not_root(root, now.utc):
                raise CertificateError(reason)
            return root_row(kind, root)
        reason = None
        for old in map(read_one, (row.pem for row in replaced)):
            reason = why_not_root(root, now.utc, signed_by=old)
            if reason is None:
                return root_row(kind, root, old, pending=True)  # M05.FR.12
        raise CertificateError(reason or "there is no root to replace")

    def _tell(self, row: Installed, what: str) -> None:
        self.ctx.publish(SecurityEvent("ReconfigurationOfSecurityParameters", f"{row.kind} {row.sha256[:16]} {what}"))


def on_wire(named: HashData) -> CertificateHashData:
    """Hash data as a message carries it."""
    return CertificateHashData(
        hash_algorithm=HashAlgorithm(named.algorithm),
        issuer_name_hash=named.issuer_name_hash,
        issuer_key_hash=named.issuer_key_hash,
        serial_number=named.serial_number,
    )


def off_wire(sent: CertificateHashData) -> HashData:
    """Hash data as certificates are named here: lower case, the number without leading zeros."""
    return HashData(
        sent.hash_algorithm,
        sent.issuer_name_hash.lower(),
        sent.issuer_key_hash.lower(),
        sent.serial_number.lower().lstrip("0") or "0",
    )


def _readable(pem: str) -> tuple[Certificate, ...]:
    try:
        return read_chain(pem)
    except CertificateError:
        return ()


def _refused(reason_code: str, why: str) -> InstallCertificateResponse:
    return InstallCertificateResponse(status=InstallCertificateStatus.REJECTED, status_info=_info(reason_code, why))


def _info(reason_code: str, why: str) -> StatusInfo:
    return StatusInfo(reason_code=reason_code, additional_info=why[:512])
