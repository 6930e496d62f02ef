"""The link: when it is opened and with what, and what its opening and its end mean."""

from datetime import UTC, datetime

import pytest

from chargerd.ocpp.certificate_book import root_row
from chargerd.ocpp.effects import CloseLink, OpenLink, SetPing
from chargerd.ocpp.events import LinkFailure
from chargerd.ocpp.messages.enums import GetCertificateIdUse, SetVariableStatus
from chargerd.ocpp.network_variables import (
    ALLOW_CSMS_TLS_WILDCARDS,
    BASIC_AUTH_PASSWORD,
    MESSAGE_TIMEOUT,
    SECURITY_PROFILE,
)
from chargerd.ocpp.news import SecurityEvent, VariableChanged
from chargerd.ocpp.settings import NetworkSlot
from tests.chargerd.ocpp.networking import (
    CLIENT,
    FIRST,
    NEW_PASSWORD,
    ROOT,
    TLS,
    connected,
    make_peer,
    network,
    opened,
    restarted,
    set_priority,
    set_tls_slot,
    set_variable,
    tried,
)
from tests.chargerd.ocpp.peer import PASSWORD
from tests.chargerd.pki import sub


def test_the_station_connects_at_once_with_identity_and_password() -> None:
    order = opened(make_peer())
    assert order.url == "ws://csms.example/ocpp/CS%201"
    assert order.identity == "CS 1"
    assert order.password == PASSWORD
    assert order.slot == 1
    assert PASSWORD not in repr(order)


def test_the_message_timeout_is_that_of_the_slot() -> None:
    peer = make_peer(network=NetworkSlot(url="ws://x.example", security_profile=1, message_timeout_s=17))
    assert peer.rpc.message_timeout_s == 17.0
    assert peer.ctx.variables[MESSAGE_TIMEOUT] == 17
    assert peer.ctx.variables[SECURITY_PROFILE] == 1


def test_A01_FR_01_a_new_password_closes_the_link_and_is_used_from_then_on() -> None:
    peer = connected()
    result = set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD)
    assert result.attribute_status is SetVariableStatus.ACCEPTED
    assert len(peer.took(CloseLink)) == 1
    assert not peer.took(OpenLink)
    peer.link_down(LinkFailure.CLOSED)
    order = opened(peer)
    assert order.password == NEW_PASSWORD
    assert opened(make_peer(peer.store)).password == NEW_PASSWORD


def test_A01_FR_11_A01_FR_12_the_change_is_a_security_event_and_the_password_in_no_log() -> None:
    peer = connected()
    set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD)
    (event,) = [news for news in peer.news if isinstance(news, SecurityEvent)]
    assert event.kind == "ReconfigurationOfSecurityParameters"
    assert not any(NEW_PASSWORD in text for text in [*peer.notes(), repr(peer.effects), repr(peer.news)])


def test_A01_FR_01_the_answer_leaves_before_the_link_is_closed() -> None:
    peer = connected()
    set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD)
    kinds = [type(effect).__name__ for effect in peer.effects]
    assert kinds.index("SendText") < kinds.index("CloseLink")


@pytest.mark.parametrize("password", ["x" * 15, "x" * 65])
def test_a_password_of_the_wrong_length_is_refused_and_the_old_one_stays(password: str) -> None:
    peer = connected()
    result = set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", password)
    assert result.attribute_status is SetVariableStatus.REJECTED
    assert password not in repr(result)
    assert not peer.took(CloseLink)
    assert peer.ctx.variables[BASIC_AUTH_PASSWORD] == ""


def test_a_new_password_while_no_link_is_there_is_tried_at_once() -> None:
    peer = connected()
    peer.link_down()
    peer.ctx.variables.store_value(BASIC_AUTH_PASSWORD, NEW_PASSWORD)
    peer.within(lambda _now: peer.ctx.publish(VariableChanged(BASIC_AUTH_PASSWORD)))
    order = opened(peer)
    assert order.password == NEW_PASSWORD


def test_a_new_ping_interval_is_used_on_the_open_link() -> None:
    peer = connected()
    set_variable(peer, "OCPPCommCtrlr", "WebSocketPingInterval", "12")
    assert peer.took(SetPing) == [SetPing(12.0)]


def test_a_negative_ping_interval_is_refused() -> None:
    peer = connected()
    result = set_variable(peer, "OCPPCommCtrlr", "WebSocketPingInterval", "-1")
    assert result.attribute_status is SetVariableStatus.REJECTED
    assert not peer.took(SetPing)


@pytest.mark.parametrize(
    "failure, kind",
    [
        (LinkFailure.REFUSED_CREDENTIALS, "FailedToAuthenticateAtCsms"),
        (LinkFailure.BAD_CERTIFICATE, "InvalidCsmsCertificate"),
        (LinkFailure.OLD_TLS, "InvalidTLSVersion"),
        (LinkFailure.NO_COMMON_CIPHERS, "InvalidTLSCipherSuite"),
        (LinkFailure.CLIENT_CERTIFICATE_REFUSED, "FailedToAuthenticateAtCsms"),
    ],
)
def test_A00_FR_310_a_refusal_is_a_security_event_once_for_each_series(failure: LinkFailure, kind: str) -> None:
    peer = make_peer()

    def events() -> list[str]:
        return [news.kind for news in peer.news if isinstance(news, SecurityEvent)]

    peer.link_down(failure)
    peer.link_down(failure)
    assert events() == [kind]
    peer.link_up()
    peer.link_down(failure)
    assert events() == [kind, kind]


def test_A00_FR_205_passwords_of_16_to_at_least_40_characters_are_taken() -> None:
    assert BASIC_AUTH_PASSWORD.minimum == 16
    assert 40 <= (BASIC_AUTH_PASSWORD.maximum or 0) <= 64
    for length in (16, 40, 64):
        result = set_variable(connected(), "SecurityCtrlr", "BasicAuthPassword", "ü" * length)
        assert result.attribute_status is SetVariableStatus.ACCEPTED


def test_a_tls_slot_is_opened_with_roots_floor_and_wildcards_and_a_plain_one_without_roots() -> None:
    released = datetime(2025, 5, 1, tzinfo=UTC)
    peer = make_peer(network=TLS, csms_roots_pem=(ROOT.pem,), released_utc=released)
    order = opened(peer)
    assert order.roots_pem == (ROOT.read.pem,)
    assert (order.clock_floor, order.wildcards, order.client) == (released, False, None)
    peer.ctx.variables.store_value(ALLOW_CSMS_TLS_WILDCARDS, True)
    peer.link_down()
    peer.pass_time(4.0)
    assert opened(peer).wildcards
    assert opened(make_peer(csms_roots_pem=(ROOT.pem,))).roots_pem == ()


def test_profile_3_shows_the_certificate_and_never_sends_the_password() -> None:
    order = opened(make_peer(network=CLIENT, client=FIRST))
    assert (order.client, order.password) == (FIRST, None)


def test_a_verified_csms_moves_the_floor_and_tells_which_root_worked() -> None:
    peer = connected(network=TLS, csms_roots_pem=(ROOT.pem,))
    assert network(peer)._floor.utc is None
    peer.link_down()
    peer.pass_time(4.0)
    peer.link_up(root_sha256=ROOT.read.sha256)
    assert network(peer)._floor.utc == peer.now.utc


def test_M05_FR_15_a_csms_that_is_moved_to_is_verified_by_the_new_root_and_the_old_one_by_both() -> None:
    peer = connected(network=TLS, csms_roots_pem=(ROOT.pem,))
    successor = sub("Successor", ROOT)
    row = root_row(GetCertificateIdUse.CSMS_ROOT_CERTIFICATE, successor.read, ROOT.read, pending=True)
    peer.within(lambda _now: network(peer)._book.put(row))
    set_tls_slot(peer, 2)
    set_priority(peer, "2,1")
    peer = restarted(peer)
    there, here = tried(peer, 4)[::2]
    assert (there.slot, here.slot) == (2, 1)
    assert there.roots_pem == (successor.read.pem,)
    assert set(here.roots_pem) == {ROOT.read.pem, successor.read.pem}
