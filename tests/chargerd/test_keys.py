"""One contract for keys in files and in the TPM."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.identity import IdentityError
from chargerd.keys import Keys
from chargerd.ocpp.effects import ClientCertificate, KeyUse
from tests.chargerd.certificates import Authority
from tests.chargerd.key_stands import KINDS, ClientAuthority, handshake, request, settings, store
from tests.swtpm import places_taken, until_empty

both = pytest.mark.parametrize("kind", KINDS)


@both
def test_A00_FR_511_the_request_is_signed_by_a_new_p256_key_and_names_the_station(kind: str, tmp_path: Path) -> None:
    new = store(kind, tmp_path).make(request(country="NL", domain_component="CPO"))
    csr = x509.load_pem_x509_csr(new.csr_pem.encode())
    public = csr.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "DC=CPO,C=NL,O=Example,CN=SN-1"
    assert new.key_id.startswith(f"{kind}-")


@both
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_knows_the_station_by_its_key(kind: str, version: ssl.TLSVersion, tmp_path: Path) -> None:
    keys, clients, authority = store(kind, tmp_path), ClientAuthority(tmp_path), Authority(tmp_path)
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    keys.load_into(context, clients.client(keys))
    seen = handshake(context, authority, clients, version)
    keys.settled()
    assert (("commonName", "SN-1"),) in seen["subject"]  # type: ignore[operator]


@both
def test_a_key_outlives_the_process_that_made_it(kind: str, tmp_path: Path) -> None:
    clients = ClientAuthority(tmp_path)
    client = clients.client(store(kind, tmp_path))
    again = store(kind, tmp_path)
    again.load_into(ssl.create_default_context(), client)
    again.settled()


@both
def test_old_and_new_key_live_side_by_side_until_the_old_one_is_not_named_any_more(kind: str, tmp_path: Path) -> None:
    keys, clients = store(kind, tmp_path), ClientAuthority(tmp_path)
    old, new = clients.client(keys), clients.client(keys)
    for client in (old, new):
        keys.load_into(ssl.create_default_context(), client)
        keys.settled()
    keys.keep([new.key_id])
    with pytest.raises(IdentityError, match="no such key"):
        keys.load_into(ssl.create_default_context(), old)
    keys.load_into(ssl.create_default_context(), new)
    keys.settled()


@both
def test_the_certificate_of_another_key_is_refused(kind: str, tmp_path: Path) -> None:
    keys, clients = store(kind, tmp_path), ClientAuthority(tmp_path)
    one, other = clients.client(keys), clients.client(keys)
    with pytest.raises(IdentityError, match="certificate is of another key"):
        keys.load_into(ssl.create_default_context(), ClientCertificate(one.key_id, other.chain_pem))


@both
def test_a_damaged_key_and_a_damaged_certificate_are_errors_with_the_name_of_the_key(kind: str, tmp_path: Path) -> None:
    keys, clients = store(kind, tmp_path), ClientAuthority(tmp_path)
    client = clients.client(keys)
    with pytest.raises(IdentityError, match=client.key_id):
        keys.load_into(ssl.create_default_context(), ClientCertificate(client.key_id, "no certificate"))
    path = tmp_path / "keys" / f"{client.key_id}.pem"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(IdentityError, match="TPM" if kind == "tpm" else client.key_id):
        keys.load_into(ssl.create_default_context(), client)


@both
def test_a_key_is_never_readable_by_others(kind: str, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        keys = store(kind, tmp_path)
        new = keys.make(request())
    finally:
        os.umask(old)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / f"{new.key_id}.pem").stat().st_mode & 0o777 == 0o600


@both
def test_what_is_told_of_a_key_is_its_name_its_place_and_its_age(kind: str, tmp_path: Path) -> None:
    keys = store(kind, tmp_path)
    new = keys.make(request())
    (fact,) = keys.describe()
    assert (fact.key_id, fact.place, fact.problem) == (new.key_id, {"file": "file", "tpm": "TPM"}[kind], None)


@both
def test_a_name_that_no_certificate_can_have_is_an_error_and_leaves_no_key(kind: str, tmp_path: Path) -> None:
    keys = store(kind, tmp_path)
    with pytest.raises(IdentityError, match="no certificate can have such a name"):
        keys.make(request(country="Netherlands"))
    assert keys.describe() == ()


def test_the_file_of_a_tpm_key_holds_no_key_that_anybody_else_can_use(tmp_path: Path) -> None:
    new = store("tpm", tmp_path).make(request())
    text = (tmp_path / "keys" / f"{new.key_id}.pem").read_text()
    assert text.startswith("-----BEGIN TSS2 PRIVATE KEY-----")
    assert "BEGIN PRIVATE KEY" not in text


def test_keys_towards_vehicles_are_files_whatever_the_station_uses_for_itself(tmp_path: Path) -> None:
    keys = store("tpm", tmp_path)
    new = keys.make(request(use=KeyUse.V2G))
    assert new.key_id.startswith("file-")
    assert "BEGIN PRIVATE KEY" in (tmp_path / "keys" / f"{new.key_id}.pem").read_text()


def test_a_station_that_changed_to_the_tpm_still_uses_the_key_file_it_has(tmp_path: Path) -> None:
    client = ClientAuthority(tmp_path).client(store("file", tmp_path))
    store("tpm", tmp_path).load_into(ssl.create_default_context(), client)


def test_keys_that_others_need_are_kept_too(tmp_path: Path) -> None:
    kept: list[str] = []
    keys = Keys(settings("file"), tmp_path / "keys", lambda: kept)
    new = keys.make(request())
    kept.append(new.key_id)
    keys.keep([])
    assert [fact.key_id for fact in keys.describe()] == [new.key_id]


def test_two_keys_are_made_at_once_without_harm(tmp_path: Path) -> None:
    keys = store("tpm", tmp_path)

    async def both_at_once() -> list[str]:
        made = await asyncio.gather(*(asyncio.to_thread(keys.make, request()) for _ in range(2)))
        return [new.key_id for new in made]

    one, other = asyncio.run(both_at_once())
    assert one != other
    assert len(keys.describe()) == 2


def test_a_key_leaves_the_tpm_soon_after_its_connection_and_not_on_the_thread_that_ends_it(tmp_path: Path) -> None:
    keys, clients = store("tpm", tmp_path), ClientAuthority(tmp_path)
    client, tcti = clients.client(keys), settings("tpm").tpm
    for _ in range(10):
        context = ssl.create_default_context()
        keys.load_into(context, client)
        keys.settled()
        assert places_taken(tcti) == 1
        del context
        assert places_taken(tcti) == 1, "the TPM was asked while the context died"
        until_empty(tcti)
