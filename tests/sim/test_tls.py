"""The world's judgement of an attempt to connect, outcome by outcome."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, UNTIL, authority
from chargerd.conformance.door import Door, door
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, KeyUse, MakeKey, OpenLink
from chargerd.ocpp.events import LinkDown, LinkFailure, LinkUp
from tests.sim.tls import Keys, outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASSWORD = "sixteen-or-more-characters"
ROOT = authority(CSMS_ROOT)


@pytest.fixture
def keys() -> Keys:
    return Keys()


def order(security_profile: int, client: ClientCertificate | None = None) -> OpenLink:
    """To csms.test, as the world's station would."""
    return OpenLink(
        slot=1,
        url=f"{'ws' if security_profile == 1 else 'wss'}://csms.test/ocpp/X",
        identity="X",
        password=None if security_profile == 3 else PASSWORD,
        security_profile=security_profile,
        ping_interval_s=30.0,
        connect_timeout_s=30.0,
        client=client,
        roots_pem=() if security_profile == 1 else (ROOT.root_pem,),
    )


def certificate(keys: Keys, signer: str = CSMS_ROOT) -> ClientCertificate:
    made = keys.make(MakeKey(request_id="1", use=KeyUse.STATION, common_name="X", organization="O"))
    return ClientCertificate(made.key_id, authority(signer).signed(made.csr_pem))


def failure(order: OpenLink, door: Door | None, keys: Keys, utc: datetime = NOW) -> LinkFailure:
    came = outcome(order, door, utc, keys)
    assert isinstance(came, LinkDown)
    return came.failure


def test_each_profile_opens_its_own_door(keys: Keys) -> None:
    assert outcome(order(1), door(1, PASSWORD), NOW, keys) == LinkUp(1)
    assert outcome(order(2), door(2, PASSWORD), NOW, keys) == LinkUp(1, ROOT.root_sha256)
    assert outcome(order(3, certificate(keys)), door(3, PASSWORD), NOW, keys) == LinkUp(1, ROOT.root_sha256)


def test_no_profile_opens_the_door_of_another(keys: Keys) -> None:
    client = certificate(keys)
    found = {
        (mine, served): failure(order(mine, client if mine == 3 else None), door(served, PASSWORD), keys)
        for mine in (1, 2, 3)
        for served in (1, 2, 3)
        if mine != served
    }
    assert found == {
        (1, 2): LinkFailure.UNREACHABLE,
        (1, 3): LinkFailure.UNREACHABLE,
        (2, 1): LinkFailure.TLS_FAILED,
        (2, 3): LinkFailure.CLIENT_CERTIFICATE_REFUSED,
        (3, 1): LinkFailure.TLS_FAILED,
        (3, 2): LinkFailure.REFUSED_CREDENTIALS,
    }


def test_a_wrong_password_and_nobody_at_home_are_told_apart(keys: Keys) -> None:
    assert failure(order(1), door(1, "another"), keys) is LinkFailure.REFUSED_CREDENTIALS
    assert failure(order(2), door(2, "another"), keys) is LinkFailure.REFUSED_CREDENTIALS
    assert failure(order(1), None, keys) is LinkFailure.UNREACHABLE
    assert failure(order(2), None, keys) is LinkFailure.UNREACHABLE


def test_a_csms_is_verified_by_the_roots_of_the_order_alone(keys: Keys) -> None:
    assert failure(order(2), door(2, PASSWORD, OTHER_ROOT), keys) is LinkFailure.BAD_CERTIFICATE
    nothing = msgspec.structs.replace(order(2), roots_pem=())
    assert failure(nothing, door(2, PASSWORD), keys) is LinkFailure.BAD_CERTIFICATE


def test_a_csms_with_another_name_or_with_old_tls_is_left(keys: Keys) -> None:
    elsewhere = msgspec.structs.replace(door(2, PASSWORD), named="other.test")
    assert failure(order(2), elsewhere, keys) is LinkFailure.BAD_CERTIFICATE
    old = msgspec.structs.replace(door(2, PASSWORD), newest_tls="TLSv1.1")
    assert failure(order(2), old, keys) is LinkFailure.OLD_TLS


def test_a_certificate_is_judged_by_the_later_of_clock_and_floor(keys: Keys) -> None:
    late = msgspec.structs.replace(order(2), clock_floor=UNTIL + timedelta(seconds=1))
    assert failure(late, door(2, PASSWORD), keys) is LinkFailure.BAD_CERTIFICATE
    years_back = msgspec.structs.replace(order(2), clock_floor=NOW)
    assert outcome(years_back, door(2, PASSWORD), datetime(1970, 1, 2, tzinfo=UTC), keys) == LinkUp(1, ROOT.root_sha256)


def test_a_client_certificate_must_be_of_a_known_authority_and_not_refused(keys: Keys) -> None:
    client = certificate(keys)
    here = door(3, PASSWORD)
    here.refused = (f"{client.chain_pem.partition('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n",)
    assert failure(order(3, client), here, keys) is LinkFailure.CLIENT_CERTIFICATE_REFUSED
    stranger = certificate(keys, OTHER_ROOT)
    assert failure(order(3, stranger), door(3, PASSWORD), keys) is LinkFailure.CLIENT_CERTIFICATE_REFUSED
    assert failure(order(3), door(3, PASSWORD), keys) is LinkFailure.CLIENT_CERTIFICATE_REFUSED


def test_a_key_that_is_gone_broken_or_of_another_cannot_be_used_even_if_nobody_is_there(keys: Keys) -> None:
    one, other = certificate(keys), certificate(keys)
    swapped = ClientCertificate(one.key_id, other.chain_pem)
    assert failure(order(3, swapped), None, keys) is LinkFailure.KEY_UNUSABLE
    keys.broken.add(one.key_id)
    assert failure(order(3, one), None, keys) is LinkFailure.KEY_UNUSABLE
    keys.keep(KeepKeys((one.key_id,)))
    assert keys.ids == {one.key_id}
    assert failure(order(3, other), None, keys) is LinkFailure.KEY_UNUSABLE


def test_a_key_that_cannot_be_made_says_why(keys: Keys) -> None:
    keys.why_none = "no TPM"
    made = keys.make(MakeKey(request_id="1", use=KeyUse.STATION, common_name="X", organization="O"))
    assert (made.request_id, made.problem, made.key_id) == ("1", "no TPM", "")
