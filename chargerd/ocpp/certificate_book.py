"""The certificates that are installed: roots of four kinds, and V2G certificates with their chains. What is in here is
on disk, and nothing is parsed at a start: each row says all that is asked of it.

Roots that were provisioned are taken over once. From then on they are like any other: one that the CSMS deleted does
not come back.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from chargerd.certificates import HASH_ALGORITHMS, Certificate, CertificateError, HashData, hash_data, joined, read_one
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.news import CertificatesChanged

NAMESPACE = "certificates"
STATE_NAMESPACE, SEEDS_KEY = "certificates_state", "seeds"

MAX_CERTIFICATES = 50
"""CertificateEntries.maxLimit, in certificates; a chain counts with all of its own."""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed under one name. `pem`: a root, or a chain from the leaf up to and without the root.

    `names`: the OCPP hash data of the first certificate, one for each algorithm; `children`: likewise of each further
    one. `pending`: a CSMS root that replaces the others once a connection has been made with it (M05.FR.12). Of a V2G
    chain: `key_id`, its private key; `not_before`, when it begins, in ISO 8601; `ocsp_urls`, where the status of each
    certificate is asked, empty where it does not say.
    """

    kind: Kind
    pem: str
    sha256: str
    names: tuple[HashData, ...]
    children: tuple[tuple[HashData, ...], ...] = ()
    pending: bool = False
    key_id: str = ""
    not_before: str = ""
    ocsp_urls: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Where it lies in the store."""
        return f"{self.kind}:{self.sha256}"

    @property
    def root_key(self) -> str:
        """The key of the root in which a V2G chain ends, as its hash."""
        return (self.names, *self.children)[-1][0].issuer_key_hash

    @property
    def certificates(self) -> int:
        """How many certificates it is."""
        return 1 + len(self.children)

    def is_named(self, wanted: HashData) -> bool:
        """Whether `wanted` names one of the certificates."""
        return any(wanted in names for names in (self.names, *self.children))


class CertificateBook:
    """All installed certificates of the station."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._rows: dict[str, Installed] | None = None

    # ------------------------------------------------------------------ what is in it

    def all(self, kinds: Iterable[Kind] = tuple(Kind)) -> list[Installed]:
        """What is installed of some kinds, in the order of their keys."""
        wanted = frozenset(kinds)
        return [row for _key, row in sorted(self._loaded().items()) if row.kind in wanted]

    def roots(self, kind: Kind) -> tuple[str, ...]:
        """The roots of a kind, each in PEM."""
        return tuple(row.pem for row in self.all([kind]))

    def csms_roots(self, *, migrating: bool = False) -> tuple[str, ...]:
        """The roots that a CSMS is verified with, each in PEM. `migrating`: to another than the last CSMS; then a root
        that is to be replaced does not count any more (M05.FR.15).
        """
        rows = self.all([Kind.CSMS_ROOT_CERTIFICATE])
        pending = [row for row in rows if row.pending]
        return tuple(row.pem for row in (pending if migrating and pending else rows))

    def count(self) -> int:
        """CertificateEntries."""
        return sum(row.certificates for row in self._loaded().values())

    def named(self, wanted: HashData) -> Installed | None:
        """What `wanted` names."""
        return next((row for row in self._loaded().values() if row.is_named(wanted)), None)

    def v2g_chain(self) -> Installed | None:
        """The V2G chain that vehicles are shown: the newest one."""
        return max(self.all([Kind.V2G_CERTIFICATE_CHAIN]), key=lambda row: row.not_before, default=None)

    def key_ids(self) -> tuple[str, ...]:
        """The private keys that are needed for what is installed."""
        return tuple(row.key_id for row in self._loaded().values() if row.key_id)

    # ------------------------------------------------------------------ what comes and goes

    def put(self, row: Installed) -> None:
        """Install, or install again in the same place (M05.FR.17). A V2G chain takes the place of older ones of its
        root: vehicles are shown the newest alone (A02.FR.15).
        """
        if row.kind is Kind.V2G_CERTIFICATE_CHAIN:
            for other in self.all([row.kind]):
                if other.key != row.key and other.root_key == row.root_key and other.not_before <= row.not_before:
                    self.remove(other)
        self._loaded()[row.key] = row
        self._ctx.store.put(NAMESPACE, row.key, row)
        self._ctx.publish(CertificatesChanged(row.kind))

    def remove(self, row: Installed) -> None:
        """Forget what is installed."""
        self._loaded().pop(row.key, None)
        self._ctx.store.delete(NAMESPACE, row.key)
        self._ctx.publish(CertificatesChanged(row.kind))

    def csms_root_worked(self, root_sha256: str) -> None:
        """A connection was made, and the CSMS's path ended in this root. Where it was to replace others, these go now
        (M05.FR.13).
        """
        rows = self.all([Kind.CSMS_ROOT_CERTIFICATE])
        worked = next((row for row in rows if row.sha256 == root_sha256), None)
        if worked is None or not worked.pending:
            return
        for row in rows:
            if row is not worked:
                self.remove(row)
                self._ctx.note(Severity.INFO, f"certificates: CSMS root {row.sha256[:16]} was replaced and is deleted")
        self.put(msgspec.structs.replace(worked, pending=False))

    # ------------------------------------------------------------------ loading

    def _loaded(self) -> dict[str, Installed]:
        if self._rows is None:
            self._rows = dict(self._ctx.store.items(NAMESPACE, Installed))
            self._take_over_seeds()
        return self._rows

    def _take_over_seeds(self) -> None:
        config = self._ctx.config
        seeds: Mapping[str, tuple[Kind, str]] = {
            hashlib.sha256(f"{kind}:{pem}".encode()).hexdigest(): (kind, pem)
            for kind, pems in (
                (Kind.CSMS_ROOT_CERTIFICATE, config.csms_roots_pem),
                (Kind.MANUFACTURER_ROOT_CERTIFICATE, config.manufacturer_roots_pem),
            )
            for pem in pems
        }
        known = self._ctx.store.find(STATE_NAMESPACE, SEEDS_KEY, tuple[str, ...]) or ()
        if frozenset(known) == seeds.keys():
            return
        for digest, (kind, pem) in seeds.items():
            if digest not in known:
                self._take_over(kind, pem)
        self._ctx.store.put(STATE_NAMESPACE, SEEDS_KEY, tuple(seeds))

    def _take_over(self, kind: Kind, pem: str) -> None:
        try:
            self.put(root_row(kind, read_one(pem)))
        except CertificateError as error:
            self._ctx.note(Severity.ERROR, f"certificates: a {kind} of the site was not taken over ({error})")


def root_row(kind: Kind, root: Certificate, issuer: Certificate | None = None, *, pending: bool = False) -> Installed:
    """The row of a root. `issuer`: who signed it, None: it did itself. Raises CertificateError when it was another."""
    names = _names(root, issuer or root)
    return Installed(kind=kind, pem=root.pem, sha256=root.sha256, names=names, pending=pending)


def v2g_row(path: tuple[Certificate, ...], key_id: str) -> Installed:
    """The row of a V2G chain. `path`: from the leaf up to and with the root (certificates.path)."""
    leaf, *_ = path
    leaf_names, *children = [_names(each, issuer) for each, issuer in pairwise(path)]
    return Installed(
        kind=Kind.V2G_CERTIFICATE_CHAIN,
        pem=joined(path[:-1]),
        sha256=leaf.sha256,
        names=leaf_names,
        children=tuple(children),
        key_id=key_id,
        not_before=leaf.not_before_utc.isoformat(),
        ocsp_urls=tuple(each.ocsp_url for each in path[:-1]),
    )


def _names(certificate: Certificate, issuer: Certificate) -> tuple[HashData, ...]:
    return tuple(hash_data(certificate, issuer, algorithm) for algorithm in HASH_ALGORITHMS)
