"""What becomes of an attempt to connect on virtual time: the judgement of both ends, on real certificates and without
a socket. And the private keys of the world's station, in memory.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.certificates import CertificateError, path, read_chain, read_one
from chargerd.conformance.authority import request_for
from chargerd.conformance.door import Door
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, MakeKey, OpenLink
from chargerd.ocpp.events import KeyMade, LinkDown, LinkFailure, LinkUp

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Keys:
    """Private keys by their id; they outlive the station's process, as files do. `broken`: ids that cannot be used,
    `why_none`: why no key can be made; empty: one can.
    """

    def __init__(self) -> None:
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._made = 0
        self.broken: set[str] = set()
        self.why_none = ""

    @property
    def ids(self) -> set[str]:
        """Of all there are."""
        return set(self._keys)

    def make(self, order: MakeKey) -> KeyMade:
        """Do as the order says."""
        if self.why_none:
            return KeyMade(order.request_id, problem=self.why_none)
        self._made += 1
        key_id, key = f"key-{self._made}", ec.derive_private_key(self._made, ec.SECP256R1())
        self._keys[key_id] = key
        return KeyMade(order.request_id, key_id, request_for(key, order.common_name, order.organization))

    def keep(self, order: KeepKeys) -> None:
        """Destroy all others."""
        self._keys = {key_id: key for key_id, key in self._keys.items() if key_id in order.key_ids}

    def why_unusable(self, client: ClientCertificate) -> str:
        """Why the station cannot prove that it is the subject of this certificate; empty: it can."""
        key = self._keys.get(client.key_id)
        if key is None or client.key_id in self.broken:
            return f"no key {client.key_id}"
        leaf = x509.load_pem_x509_certificate(client.chain_pem.encode())
        return "" if leaf.public_key() == key.public_key() else f"{client.key_id} is the key of another certificate"


def outcome(order: OpenLink, door: Door | None, utc: datetime, keys: Keys) -> LinkUp | LinkDown:
    """What comes of `order` at this door (None: nobody is there); both ends' clocks show `utc`."""
    if order.client is not None and (why := keys.why_unusable(order.client)):
        return LinkDown(order.slot, LinkFailure.KEY_UNUSABLE, why)
    refused = _refused_by_tls(order, door, utc) if order.url.startswith("wss:") else _refused_plain(door)
    if isinstance(refused, tuple):
        return LinkDown(order.slot, *refused)
    assert door is not None, "can't be None: nobody being there is refused"
    if order.security_profile != door.security_profile:
        return LinkDown(order.slot, LinkFailure.REFUSED_CREDENTIALS, f"profile {door.security_profile} is served here")
    if door.security_profile != 3 and door.passwords is not None and order.password not in door.passwords:
        return LinkDown(order.slot, LinkFailure.REFUSED_CREDENTIALS, "HTTP 401")
    return LinkUp(order.slot, root_sha256=refused)


def _refused_plain(door: Door | None) -> tuple[LinkFailure, str] | str:
    if door is None or door.authority is not None:
        return LinkFailure.UNREACHABLE, "nobody speaks plain HTTP there"
    return ""


def _refused_by_tls(order: OpenLink, door: Door | None, utc: datetime) -> tuple[LinkFailure, str] | str:
    """Why TLS fails; or the fingerprint of the root that verified the CSMS."""
    if door is None:
        return LinkFailure.UNREACHABLE, "nobody is there"
    if door.authority is None:
        return LinkFailure.TLS_FAILED, "no TLS is spoken there"
    if door.newest_tls in {"TLSv1", "TLSv1.1"}:
        return LinkFailure.OLD_TLS, f"nothing newer than {door.newest_tls} is spoken there"
    host = order.url.removeprefix("wss://").partition("/")[0].partition(":")[0]
    leaf, *others = read_chain(door.server(host).chain_pem)
    try:
        roots = [read_one(pem) for pem in order.roots_pem]
        found = path(leaf, others, roots, max(utc, order.clock_floor or BEGINNING))
    except CertificateError as error:
        return LinkFailure.BAD_CERTIFICATE, str(error)
    if host not in _names(leaf.pem):
        return LinkFailure.BAD_CERTIFICATE, f"not for {host}"
    if door.security_profile == 3 and (why := _why_not_client(order.client, door, utc)):
        return LinkFailure.CLIENT_CERTIFICATE_REFUSED, why
    return found[-1].sha256


def _names(leaf_pem: str) -> list[str]:
    """The hosts that a certificate is for."""
    extensions = x509.load_pem_x509_certificate(leaf_pem.encode()).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _why_not_client(client: ClientCertificate | None, door: Door, utc: datetime) -> str:
    """Why the CSMS does not accept the station's certificate; empty: it does."""
    if client is None:
        return "no certificate was shown"
    leaf, *others = read_chain(client.chain_pem)
    if leaf.pem in door.refused:
        return "revoked"
    try:
        path(leaf, others, [read_one(each.root_pem) for each in door.clients], utc)
    except CertificateError as error:
        return str(error)
    return ""
