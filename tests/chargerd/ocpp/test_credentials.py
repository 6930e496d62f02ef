"""What the station keeps of who it is, over every change: nothing goes before what replaces it has worked."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from chargerd import certificates
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.credentials import KEY, MAX_PASSWORDS, NAMESPACE, Credentials, Record
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, Note
from chargerd.ocpp.network_variables import BASIC_AUTH_PASSWORD
from chargerd.ocpp.news import CredentialsOffered, SecurityEvent, VariableChanged
from chargerd.store import Store
from chargerd.vault import Vault
from tests.chargerd.ocpp.peer import PASSWORD, Peer, config
from tests.chargerd.pki import NOON, YEAR, made, root

ROOT = root()
OLD, NEW, NEWEST = (f"password-number-{number}" for number in ("one", "two", "three"))


def client(name: str) -> ClientCertificate:
    return ClientCertificate(f"key of {name}", made(name, ROOT).pem)


FIRST, SECOND, THIRD = client("first"), client("second"), client("third")


class Kept(Peer):
    """A station of nothing but its credentials."""

    def __init__(self, store: Store | None = None, vault: Vault | None = None, **given: Any) -> None:
        self.vault = vault or Vault(None)
        super().__init__(self._blocks, store=store, settings=config(**given))

    def _blocks(self, ctx: StationContext) -> Sequence[Block]:
        ctx.seal, ctx.unseal = self.vault.seal, self.vault.unseal
        self.credentials = Credentials(ctx)
        return (self.credentials,)

    def restarted(self, vault: Vault | None = None, **given: Any) -> "Kept":
        return Kept(
            self.store, vault or self.vault, **{"password": self.config.password, "client": self.config.client} | given
        )

    def set_password(self, password: str) -> None:
        self.ctx.variables.store_value(BASIC_AUTH_PASSWORD, password)
        self.within(lambda _now: self.ctx.publish(VariableChanged(BASIC_AUTH_PASSWORD)))

    def offer(self, certificate: ClientCertificate) -> None:
        self.within(lambda now: self.credentials.offer_client(certificate, now))

    def worked(self, password: str | None = None, certificate: ClientCertificate | None = None) -> None:
        self.within(lambda _now: self.credentials.worked(password, certificate))

    def passwords(self) -> list[str]:
        return list(self.credentials.passwords)

    def events(self) -> list[str]:
        return [news.kind for news in self.news if isinstance(news, SecurityEvent)]

    def kept_keys(self) -> tuple[str, ...]:
        keys: tuple[str, ...] = self.took(KeepKeys)[-1].key_ids
        return keys


# ---------------------------------------------------------------------- at rest

KEY_ONE, KEY_TWO = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def on_disk(kept: Kept) -> str:
    return repr(msgspec.json.encode(kept.store.get(NAMESPACE, KEY, Record)))


def test_with_a_store_key_no_password_and_no_digest_of_one_is_kept_in_clear() -> None:
    kept = Kept(vault=Vault(KEY_ONE), password=OLD)
    kept.set_password(NEW)
    for secret in (OLD, NEW, sha256(OLD.encode()).hexdigest()):
        assert secret not in on_disk(kept)
    assert kept.restarted().credentials.passwords == (NEW, OLD)


def test_what_was_kept_in_clear_is_sealed_at_the_next_start_with_a_key() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    assert NEW in on_disk(kept)
    again = kept.restarted(Vault(KEY_ONE))
    assert again.credentials.passwords == (NEW, OLD)
    assert NEW not in on_disk(again)


def test_passwords_that_do_not_open_are_told_and_the_sites_own_is_used() -> None:
    kept = Kept(vault=Vault(KEY_ONE), password=OLD)
    kept.set_password(NEW)
    for vault in (Vault(KEY_TWO), Vault(None)):
        again = kept.restarted(vault)
        assert again.credentials.passwords == (OLD,)
        assert [note.text for note in again.took(Note) if "cannot be opened with this store key" in note.text]
        kept = Kept(vault=Vault(KEY_ONE), password=OLD)
        kept.set_password(NEW)


# ---------------------------------------------------------------------- the password


def test_A01_FR_01_a_new_password_comes_before_the_old_one_which_stays() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    assert kept.credentials.passwords == (NEW, OLD)
    assert kept.news.count(CredentialsOffered()) == 1
    assert kept.restarted().credentials.passwords == (NEW, OLD)


def test_a_connection_with_the_new_password_drops_the_old_one() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    kept.worked(NEW)
    assert kept.credentials.passwords == (NEW,)
    assert kept.restarted().credentials.passwords == (NEW,)


def test_A01_FR_04_a_connection_with_the_old_password_drops_nothing_for_the_csms_may_change_its_mind() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    kept.worked(OLD)
    assert kept.credentials.passwords == (NEW, OLD)


def test_A01_FR_03_of_several_set_in_a_row_each_may_be_the_one_the_csms_knows() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    kept.set_password(NEWEST)
    assert kept.passwords() == [NEWEST, NEW, OLD]
    kept.worked(NEW)
    assert kept.passwords() == [NEWEST, NEW]
    kept.worked(NEWEST)
    assert kept.passwords() == [NEWEST]


def test_passwords_are_bounded_and_the_one_that_worked_is_never_pushed_out() -> None:
    kept = Kept(password=OLD)
    for number in range(10):
        kept.set_password(f"one-more-password-{number}")
    passwords = kept.credentials.passwords
    assert len(passwords) == MAX_PASSWORDS
    assert passwords[0] == "one-more-password-9"
    assert passwords[-1] == OLD


def test_the_same_password_again_changes_nothing() -> None:
    kept = Kept(password=OLD)
    kept.set_password(OLD)
    assert kept.passwords() == [OLD]
    kept.set_password(NEW)
    kept.set_password(NEW)
    assert kept.passwords() == [NEW, OLD]


def test_the_old_password_set_once_more_is_the_newest_and_still_the_one_that_worked() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    kept.set_password(OLD)
    assert kept.passwords() == [OLD, NEW, OLD]
    kept.worked(OLD)
    assert kept.passwords() == [OLD]


def test_a_password_is_provisioned_once_and_one_set_since_stays() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    kept.worked(NEW)
    assert kept.restarted(password=OLD).credentials.passwords == (NEW,)


def test_a_password_that_is_provisioned_anew_is_tried_before_what_the_csms_has_set() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    kept.worked(NEW)
    assert kept.restarted(password=NEWEST).credentials.passwords == (NEWEST, NEW)


def test_a_password_that_an_earlier_version_kept_as_a_variable_is_tried_first() -> None:
    store = Store(":memory:")
    store.put("variables", str(BASIC_AUTH_PASSWORD), OLD)
    station = Kept(store)
    assert station.passwords() == [OLD, PASSWORD]
    station.set_password(NEW)
    assert station.restarted().passwords() == [NEW, OLD, PASSWORD]


def test_without_a_password_there_is_none() -> None:
    assert Kept(password=None).credentials.passwords == ()


def test_A01_FR_12_no_password_is_in_any_words_about_the_record() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    record = kept.store.get(NAMESPACE, KEY, Record)
    assert record is not None
    assert record.passwords == (NEW, OLD)
    assert not [password for password in record.passwords if password in repr(record)]
    assert not any(NEW in text for text in [*kept.notes(), repr(kept.effects), repr(kept.news)])


def test_A01_FR_11_the_change_is_told_as_a_security_event() -> None:
    kept = Kept(password=OLD)
    kept.set_password(NEW)
    assert kept.events() == ["ReconfigurationOfSecurityParameters"]


# ---------------------------------------------------------------------- the client certificate


def test_a_provisioned_certificate_is_in_use_and_its_key_is_kept_from_the_start() -> None:
    kept = Kept(client=FIRST)
    assert kept.credentials.client == FIRST
    assert kept.credentials.clients == (FIRST,)
    assert kept.took(KeepKeys) == [KeepKeys((FIRST.key_id,))]


def test_A02_FR_08_a_renewed_certificate_comes_before_the_old_one_which_stays() -> None:
    kept = Kept(client=FIRST)
    kept.offer(SECOND)
    assert kept.credentials.clients == (SECOND, FIRST)
    assert (kept.credentials.client, kept.credentials.candidate) == (FIRST, SECOND)
    assert kept.kept_keys() == (SECOND.key_id, FIRST.key_id)
    assert CredentialsOffered() in kept.news
    assert kept.restarted().credentials.clients == (SECOND, FIRST)


def test_A02_FR_10_A03_FR_10_a_connection_with_the_new_certificate_drops_the_old_one_and_its_key() -> None:
    kept = Kept(client=FIRST)
    kept.offer(SECOND)
    kept.worked(certificate=SECOND)
    assert kept.credentials.clients == (SECOND,)
    assert kept.kept_keys() == (SECOND.key_id,)
    assert kept.events() == []
    assert kept.restarted().credentials.clients == (SECOND,)


def test_A02_FR_29_A03_FR_25_a_connection_with_the_old_certificate_drops_the_new_one_and_says_so() -> None:
    kept = Kept(client=FIRST)
    kept.offer(SECOND)
    kept.worked(certificate=FIRST)
    assert kept.credentials.clients == (FIRST,)
    assert kept.kept_keys() == (FIRST.key_id,)
    assert kept.events() == ["DiscardedRenewedClientCertificate"]
    assert kept.restarted().credentials.clients == (FIRST,)


def test_a_connection_without_a_certificate_decides_nothing() -> None:
    kept = Kept(client=FIRST)
    kept.offer(SECOND)
    kept.worked(password=PASSWORD)
    assert kept.credentials.clients == (SECOND, FIRST)


def test_a_second_renewal_takes_the_place_of_the_first_that_never_connected() -> None:
    kept = Kept(client=FIRST)
    kept.offer(SECOND)
    kept.offer(THIRD)
    assert kept.credentials.clients == (THIRD, FIRST)
    assert kept.kept_keys() == (THIRD.key_id, FIRST.key_id)


def test_the_first_certificate_of_all_is_in_use_at_once() -> None:
    kept = Kept()
    kept.offer(FIRST)
    assert (kept.credentials.client, kept.credentials.candidate) == (FIRST, None)


def test_a_certificate_is_provisioned_once_and_a_renewed_one_outlives_it() -> None:
    kept = Kept(client=FIRST)
    kept.offer(SECOND)
    kept.worked(certificate=SECOND)
    assert kept.restarted(client=FIRST).credentials.clients == (SECOND,)
    assert kept.restarted(client=THIRD).credentials.clients == (THIRD, SECOND)


def test_what_was_provisioned_and_is_no_certificate_is_said_and_left_alone() -> None:
    kept = Kept(client=ClientCertificate("key", "rubbish"))
    assert kept.credentials.clients == ()
    assert any("provisioned client certificate is of no use" in text for text in kept.notes())


def test_a_certificate_that_cannot_be_read_is_not_taken() -> None:
    kept = Kept(client=FIRST)
    with pytest.raises(certificates.CertificateError):
        kept.offer(ClientCertificate("key", "rubbish"))
    assert kept.credentials.clients == (FIRST,)


def test_when_the_newest_expires_is_known_and_whether_it_has() -> None:
    kept = Kept()
    assert kept.credentials.client_expires_utc is None
    assert not kept.credentials.has_valid_client(NOON)
    kept.offer(FIRST)
    assert kept.credentials.client_expires_utc == NOON + YEAR
    assert kept.credentials.has_valid_client(NOON)
    assert not kept.credentials.has_valid_client(NOON + YEAR)
    assert kept.restarted().credentials.client_expires_utc == NOON + YEAR


def test_keys_that_others_need_are_kept_as_well() -> None:
    kept = Kept(client=FIRST)
    kept.credentials.also_keep(lambda: ("key of a request", FIRST.key_id))
    kept.offer(SECOND)
    assert kept.kept_keys() == (SECOND.key_id, FIRST.key_id, "key of a request")


def test_each_change_is_one_transaction() -> None:
    kept = Kept(password=OLD, client=FIRST)
    changes: tuple[Callable[[], None], ...] = (
        lambda: kept.set_password(NEW),
        lambda: kept.offer(SECOND),
        lambda: kept.worked(NEW),
        lambda: kept.worked(certificate=SECOND),
    )
    for change in changes:
        before = kept.store.commits
        change()
        assert kept.store.commits == before + 1
