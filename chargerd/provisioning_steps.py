"""The steps from a blank device to one that can prove who it is, each by itself, checked, and harmless when repeated.

    request -> (the maker's CA signs) -> chain;  roots;  or a password

Nothing that is in place is overwritten unless that is asked for; a new key waits beside the old identity until its
certificate has come and been checked.
"""

import os
import secrets
import ssl
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from chargerd import certificates
from chargerd.certificates import Certificate, CertificateError
from chargerd.identity import IdentityError
from chargerd.keys import Keys
from chargerd.keys_file import sync_folder
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey
from chargerd.provisioned import OpenRequest, Provisioned, ProvisionedRecord

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PASSWORD_LENGTH = 32
"""190 bits; A00.FR.205 wants 16 characters or more, chosen at random."""


class Refused(Exception):
    """A step cannot be done: why, and what to do."""


class Steps:
    """The device whose keys and provisioned material these are."""

    def __init__(self, keys: Keys, provisioned: Provisioned) -> None:
        self._keys = keys
        self._provisioned = provisioned

    def request(self, common_name: str, organization: str, country: str, *, replace: bool) -> OpenRequest:
        """A key and the request to sign it; the same one again while it is open. Raises Refused, IdentityError."""
        record, open_one = self._provisioned.read(), self._open_request()
        if open_one is not None and not replace:
            if (common_name, organization) != (open_one.common_name, open_one.organization):
                named = f"{open_one.common_name} of {open_one.organization}"
                raise Refused(f"an open request names {named}; answer it with --chain, or begin anew with --replace")
            return open_one
        if record.client is not None and not replace:
            raise Refused(f"there is an identity already ({_who(record.client)}); --replace makes a new one beside it")
        wanted = MakeKey(
            request_id="provision",
            use=KeyUse.STATION,
            common_name=common_name,
            organization=organization,
            country=country,
        )
        # The record names the key before there is one: a running station destroys keys that nobody names.
        key_id = self._keys.new_id(KeyUse.STATION)
        begun = OpenRequest(key_id=key_id, common_name=common_name, organization=organization)
        self._provisioned.write(msgspec.structs.replace(record, request=begun))
        made = msgspec.structs.replace(begun, csr_pem=self._keys.make(wanted, key_id).csr_pem)
        self._provisioned.write(msgspec.structs.replace(record, request=made))
        return made

    def chain(self, pem: str, more_roots_pem: Sequence[str], now_utc: datetime) -> Certificate:
        """Take the certificate for the open request, with those that signed it; returns it. `more_roots_pem`: roots
        that the site names besides the provisioned ones. Raises Refused, IdentityError.
        """
        record, chain = self._provisioned.read(), _read_chain(pem)
        own_roots = [each for each in chain if each.signs_itself]
        chain = tuple(each for each in chain if not each.signs_itself)
        if not chain:
            raise Refused("the chain holds roots only; the device's own certificate comes first in it")
        client_pem = certificates.joined(chain)
        if record.client is not None and record.client.chain_pem == client_pem:
            return chain[0]
        request = self._open_request()
        if request is None:
            raise Refused("there is no open request that this chain could answer; begin with --csr-out")
        leaf, client = chain[0], ClientCertificate(request.key_id, client_pem)
        if not certificates.has_key_of(leaf, request.csr_pem):
            raise Refused(f"{leaf.subject} is the certificate of another key; is it another device's?")
        pems = (*record.csms_roots_pem, *record.manufacturer_roots_pem, *more_roots_pem)
        roots = [*own_roots, *map(certificates.read_one, pems)]
        why = certificates.why_not_station_certificate(chain, roots, now_utc, common_name=request.common_name)
        if why is None and not leaf.organization:
            why = "it names no organization (O)"  # A00.FR.509
        if why is not None:
            raise Refused(f"{leaf.subject} cannot be used: {why}")
        self._prove(client)
        self._provisioned.write(msgspec.structs.replace(record, client=client, request=None))
        return leaf

    def csms_roots(self, pem: str, now_utc: datetime) -> tuple[Certificate, ...]:
        """Trust these roots for the certificate of the CSMS, besides those that are trusted already. Raises Refused."""
        record = self._provisioned.read()
        known, new = _with_roots(record.csms_roots_pem, pem, now_utc)
        self._write_changed(record, msgspec.structs.replace(record, csms_roots_pem=known))
        return new

    def manufacturer_roots(self, pem: str, now_utc: datetime) -> tuple[Certificate, ...]:
        """Trust these roots for firmware. Raises Refused."""
        record = self._provisioned.read()
        known, new = _with_roots(record.manufacturer_roots_pem, pem, now_utc)
        self._write_changed(record, msgspec.structs.replace(record, manufacturer_roots_pem=known))
        return new

    def _write_changed(self, before: ProvisionedRecord, after: ProvisionedRecord) -> None:
        if before != after:
            self._provisioned.write(after)

    def _open_request(self) -> OpenRequest | None:
        """The open request, if it was made to its end and its key is there."""
        request = self._provisioned.read().request
        if request is None or not request.csr_pem:
            return None
        return request if any(fact.key_id == request.key_id for fact in self._keys.describe()) else None

    def _prove(self, client: ClientCertificate) -> None:
        """Key and certificate do in this machine's OpenSSL what they will have to do in a handshake."""
        self._keys.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), client)
        self._keys.settled()


def new_password() -> str:
    """A password that no other device has."""
    return "".join(secrets.choice(CHARACTERS) for _ in range(PASSWORD_LENGTH))


def has_password(credential: Path) -> bool:
    """Whether the service gets a password: the file `credential`, or the same encrypted for this machine."""
    return credential.exists() or (credential.parent.with_name("credstore.encrypted") / credential.name).exists()


def hand_out_password(credential: Path, copy: Path, *, replace: bool) -> str:
    """Make a password, leave it once in the file `copy` for the maker's records and in `credential` for the station;
    what was done of it. Raises Refused.
    """
    if has_password(credential) and not replace:
        return f"{credential}: there is a password already; --replace makes a new one"
    try:
        if copy.exists():
            # Only an interruption between the two files leaves a copy without its credential.
            password = copy.read_text().removesuffix("\n")
            if credential.exists() or len(password) != PASSWORD_LENGTH:
                raise Refused(f"{copy}: there is such a file already; name another, no file is overwritten")
        else:
            password = new_password()
            write_private(copy, password + "\n")
        credential.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = credential.with_name(credential.name + ".new")
        beside.unlink(missing_ok=True)
        write_private(beside, password + "\n")
        beside.replace(credential)
        sync_folder(credential.parent)
    except OSError as error:
        raise Refused(f"{error.filename}: cannot be written ({error.strerror}); run it as root") from error
    return f"{credential}: the password is in place, its only copy is {copy}"


def write_private(path: Path, text: str) -> None:
    """A new file that only its owner can read. Raises OSError, also when there is one already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _with_roots(known: tuple[str, ...], pem: str, now_utc: datetime) -> tuple[tuple[str, ...], tuple[Certificate, ...]]:
    """All roots, and those that were not known."""
    new = []
    for root in _read_chain(pem):
        if why := certificates.why_not_root(root, now_utc):
            raise Refused(f"{root.subject} cannot be a root: {why}")
        if root.pem not in known:
            known = (*known, root.pem)
            new.append(root)
    return known, tuple(new)


def _read_chain(pem: str) -> tuple[Certificate, ...]:
    try:
        return certificates.read_chain(pem)
    except CertificateError as error:
        raise Refused(f"no certificates can be read ({error}); PEM is expected") from error


def _who(client: ClientCertificate) -> str:
    try:
        leaf = certificates.read_chain(client.chain_pem)[0]
    except CertificateError as error:
        raise IdentityError(f"the provisioned certificate cannot be read ({error}); --replace it") from error
    return f"{leaf.subject}, until {leaf.not_after_utc:%Y-%m-%d}"
