"""Which slot comes next, with which password and certificate, and after which wait."""

import itertools

import pytest

from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.events import LinkFailure
from chargerd.ocpp.network_variables import ACTIVE_NETWORK_PROFILE, NETWORK_PROFILE_CONNECTION_ATTEMPTS
from chargerd.ocpp.settings import NetworkSlot
from chargerd.store import Store
from tests.chargerd.ocpp.networking import (
    CLIENT,
    FIRST,
    NEW_PASSWORD,
    SECOND,
    certificate,
    connected,
    make_peer,
    network,
    opened,
    restarted,
    set_priority,
    set_slot,
    set_tls_slot,
    set_variable,
    slots_tried,
    tried,
)
from tests.chargerd.ocpp.peer import PASSWORD, Peer
from tests.chargerd.pki import NOON, YEAR

REFUSED = LinkFailure.REFUSED_CREDENTIALS


def waits(peer: Peer, count: int) -> list[float]:
    """Let `count` attempts fail; how long each next attempt was waited for."""
    found = []
    for _ in range(count):
        peer.link_down()
        (due,) = [deadline for deadline in peer.deadlines() if deadline > peer.now.mono]
        found.append(due - peer.now.mono)
        peer.pass_time(found[-1])
        assert len(peer.took(OpenLink)) == 1
    return found


def test_waits_double_up_to_the_repeat_times_and_stay_there() -> None:
    peer = make_peer()
    peer.took(OpenLink)
    assert waits(peer, 6) == [4.0, 8.0, 16.0, 32.0, 32.0, 32.0]


def test_each_wait_has_its_random_part() -> None:
    peer = make_peer(random=0.5)
    peer.took(OpenLink)
    assert waits(peer, 3) == [9.0, 13.0, 21.0]


def test_a_connection_brings_the_wait_back_to_the_minimum() -> None:
    peer = make_peer()
    peer.took(OpenLink)
    waits(peer, 4)
    peer.link_up()
    assert waits(peer, 2) == [4.0, 8.0]


def test_no_attempt_is_made_before_the_wait_is_over() -> None:
    peer = connected()
    peer.link_down()
    peer.pass_time(3.9)
    assert not peer.took(OpenLink)
    peer.pass_time(0.2)
    assert len(peer.took(OpenLink)) == 1
    assert peer.blocks[1].next_deadline() is None


# ---------------------------------------------------------------------- slots


def on_slot_2(store: Store | None = None) -> Peer:
    """Started with slot 2 first on its list, after having been connected on slot 1."""
    peer = connected(store)
    set_slot(peer, 2)
    set_priority(peer, "2,1")
    return restarted(peer)


def test_B10_FR_03_B10_FR_04_each_slot_gets_its_attempts_in_order_of_priority() -> None:
    peer = on_slot_2()
    assert slots_tried(peer, 4) == [2, 2, 1, 1]
    assert peer.ctx.variables[ACTIVE_NETWORK_PROFILE] in {1, 2}


def test_B10_FR_07_B10_FR_08_B10_FR_09_after_all_failed_the_last_good_one_is_tried_and_it_never_stops() -> None:
    assert slots_tried(on_slot_2(), 14) == [2, 2, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 2, 2]


def test_B10_FR_03_a_lost_connection_is_tried_again_where_it_was_and_then_along_the_list() -> None:
    peer = on_slot_2()
    assert slots_tried(peer, 2) == [2, 2]
    peer.took(OpenLink)
    peer.link_up(slot=1)
    peer.link_down(slot=1)
    peer.pass_time(4.0)
    assert slots_tried(peer, 8) == [1, 1, 2, 2, 1, 1, 1, 1]


def test_a_station_that_was_never_connected_goes_round_its_list() -> None:
    assert slots_tried(make_peer(), 5) == [1, 1, 1, 1, 1]


# ---------------------------------------------------------------------- passwords


def with_new_password() -> Peer:
    """Connected, told a new password, and trying it."""
    peer = connected()
    set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD)
    peer.link_down(LinkFailure.CLOSED)
    return peer


def test_a_new_password_that_is_refused_takes_turns_with_the_old_one() -> None:
    passwords = [order.password for order in tried(with_new_password(), 5, REFUSED)]
    assert set(passwords[::2]) | set(passwords[1::2]) == {NEW_PASSWORD, PASSWORD}
    assert passwords[:2] == [NEW_PASSWORD, PASSWORD]


def test_the_turns_keep_the_ordinary_waits() -> None:
    peer = with_new_password()
    peer.took(OpenLink)
    found = []
    for _ in range(3):
        peer.link_down(REFUSED)
        (due,) = [deadline for deadline in peer.deadlines() if deadline > peer.now.mono]
        found.append(due - peer.now.mono)
        peer.pass_time(found[-1])
    assert found == [4.0, 8.0, 16.0]


def test_a_password_that_worked_is_tried_first_the_next_time() -> None:
    peer = with_new_password()
    tried(peer, 1, REFUSED)
    assert opened(peer).password == PASSWORD
    peer.link_up()
    peer.link_down()
    peer.pass_time(4.0)
    orders = tried(peer, 2, REFUSED)
    assert [order.password for order in orders] == [PASSWORD, NEW_PASSWORD]


def test_after_a_restart_the_newest_password_is_tried_first() -> None:
    peer = with_new_password()
    tried(peer, 1, REFUSED)
    assert opened(restarted(peer)).password == NEW_PASSWORD


def test_a_csms_that_hangs_up_rather_than_say_401_meets_every_password() -> None:
    orders = tried(with_new_password(), 6, LinkFailure.UNREACHABLE)
    assert {order.password for order in orders} == {NEW_PASSWORD, PASSWORD}


def test_each_slot_meets_every_password_however_few_the_attempts() -> None:
    peer = connected()
    set_slot(peer, 2)
    set_priority(peer, "2,1")
    set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD)
    peer = restarted(peer)
    set_variable_of_attempts(peer, 1)
    met = {(order.slot, order.password) for order in tried(peer, 12, REFUSED)}
    assert met == set(itertools.product((1, 2), (PASSWORD, NEW_PASSWORD)))


def set_variable_of_attempts(peer: Peer, number: int) -> None:
    peer.ctx.variables.store_value(NETWORK_PROFILE_CONNECTION_ATTEMPTS, number)


def test_without_any_password_nothing_is_opened_and_that_is_said_once() -> None:
    peer = make_peer(password=None)
    peer.pass_time(500.0)
    assert not peer.took(OpenLink)
    assert len([text for text in peer.notes() if "no password" in text]) == 1
    assert network(peer).missing == "no password"


def test_what_the_csms_has_set_is_a_password_as_well() -> None:
    peer = connected()
    set_variable(peer, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD)
    again = restarted(peer, password=None)
    assert opened(again).password == NEW_PASSWORD
    assert network(again).missing == ""


# ---------------------------------------------------------------------- client certificates


def renewing() -> Peer:
    """Connected on profile 3, offered a renewed certificate, and trying it."""
    peer = connected(network=CLIENT, client=FIRST)
    peer.within(lambda now: peer.blocks[0].offer_client(SECOND, now))  # type: ignore[attr-defined]
    peer.link_down(LinkFailure.CLOSED)
    return peer


def test_A02_FR_28_A03_FR_24_the_old_certificate_is_tried_after_the_whole_list_with_the_new_one() -> None:
    orders = tried(renewing(), 12)
    assert [order.client for order in orders] == [SECOND] * 4 + [FIRST] * 4 + [SECOND] * 4
    assert {order.password for order in orders} == {None}


def test_A02_FR_28_every_slot_and_the_way_back_are_tried_with_both() -> None:
    peer = connected(network=CLIENT, client=FIRST)
    set_tls_slot(peer, 2, 3)
    set_priority(peer, "2")
    peer.within(lambda now: peer.blocks[0].offer_client(SECOND, now))  # type: ignore[attr-defined]
    met = {(order.slot, order.client) for order in tried(restarted(peer), 10)}
    assert met == set(itertools.product((1, 2), (FIRST, SECOND)))


def test_a_key_that_cannot_be_used_makes_way_for_the_other_at_once() -> None:
    peer = renewing()
    orders = tried(peer, 2, LinkFailure.KEY_UNUSABLE)
    assert [order.client for order in orders] == [SECOND, FIRST]
    assert len([text for text in peer.notes() if "private key cannot be used" in text]) == 1


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_new_key_that_never_works_keeps_no_slot_from_the_old_one(attempts: int) -> None:
    peer = connected(network=CLIENT, client=FIRST)
    set_tls_slot(peer, 2, 3)
    set_priority(peer, "2,1")
    peer.within(lambda now: peer.blocks[0].offer_client(SECOND, now))  # type: ignore[attr-defined]
    peer = restarted(peer)
    set_variable_of_attempts(peer, attempts)
    met = set()
    for _ in range(30):
        order = opened(peer)
        met.add((order.slot, order.client))
        failure = LinkFailure.KEY_UNUSABLE if order.client == SECOND else LinkFailure.UNREACHABLE
        peer.link_down(failure, slot=order.slot)
        peer.pass_time(100.0)
    assert {(1, FIRST), (2, FIRST)} <= met


def test_A00_FR_430_an_expired_client_certificate_is_still_shown() -> None:
    expired = certificate("old", since=NOON - 3 * YEAR, until=NOON - 2 * YEAR)
    assert opened(make_peer(network=CLIENT, client=expired)).client == expired


def test_without_a_client_certificate_profile_3_is_not_tried_and_the_way_back_is() -> None:
    peer = connected(network=NetworkSlot(url="wss://csms.example/ocpp", security_profile=2))
    set_tls_slot(peer, 1, 3)
    peer = restarted(peer)
    assert not peer.took(OpenLink)
    peer.pass_time(200.0)
    order = opened(peer)
    assert (order.url, order.security_profile) == ("wss://csms.example/ocpp/CS%201", 2)
    assert network(peer).missing == ""
