"""Network profiles: what the CSMS may put into the slots and in which order, and that the way back is never lost."""

from typing import Any

import pytest

from chargerd.ocpp import variables
from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.messages.enums import APNAuthentication, OCPPTransport, SetNetworkProfileStatus, SetVariableStatus
from chargerd.ocpp.messages.provisioning import APN
from chargerd.ocpp.network_profiles import NAMESPACE, STATE_KEY, STATE_NAMESPACE
from chargerd.ocpp.network_variables import NETWORK_CONFIGURATION_PRIORITY, SECURITY_PROFILE, SLOTS
from chargerd.ocpp.settings import NetworkSlot
from chargerd.store import Store
from tests.chargerd.ocpp.networking import (
    CLIENT,
    FIRST,
    PLAIN,
    ROOT,
    TLS,
    certificate,
    connected,
    make_peer,
    opened,
    restarted,
    set_priority,
    set_slot,
    set_tls_slot,
    slots_tried,
    tried,
)
from tests.chargerd.ocpp.peer import Peer
from tests.chargerd.pki import NOON, YEAR, root

ACCEPTED, REJECTED = SetNetworkProfileStatus.ACCEPTED, SetNetworkProfileStatus.REJECTED
DOWNGRADE = {"SecurityCtrlr.AllowSecurityProfileDowngrade": "true"}
ROOTS = (ROOT.pem,)


def order_of(peer: Peer) -> tuple[str, ...]:
    return peer.ctx.variables[NETWORK_CONFIGURATION_PRIORITY]


def upgraded(to: int, **settings: Any) -> Peer:
    """A station that has gone from one security profile to a higher one, on slot 2."""
    given: dict[str, Any] = {"network": PLAIN, "csms_roots_pem": ROOTS, "client": FIRST}
    peer = connected(**given | settings)
    set_tls_slot(peer, 2, to)
    assert set_priority(peer, "2,1").attribute_status is SetVariableStatus.REBOOT_REQUIRED
    peer = restarted(peer, **settings)
    peer.link_up(slot=opened(peer).slot)
    peer.taken()
    return peer


# ---------------------------------------------------------------------- what SetNetworkProfile may say


def test_B09_FR_01_a_valid_profile_is_kept_over_a_restart() -> None:
    peer = connected()
    assert set_slot(peer, 2) == (ACCEPTED, None)
    again = connected(peer.store)
    assert set_priority(again, "2,1").attribute_status is SetVariableStatus.REBOOT_REQUIRED
    order = opened(make_peer(peer.store))
    assert (order.slot, order.url) == (2, "ws://second.example/x/CS%201")


@pytest.mark.parametrize(
    "changes",
    [
        {"security_profile": 4},
        {"security_profile": 0},
        {"ocpp_csms_url": "wss://second.example"},
        {"ocpp_csms_url": "ws://second.example", "security_profile": 3},
        {"ocpp_csms_url": "http://second.example"},
        {"ocpp_csms_url": "ws://"},
        {"ocpp_csms_url": "ws:///path"},
        {"ocpp_csms_url": "ws://user:word@second.example"},
        {"ocpp_csms_url": "ws://second.example/x?y=1"},
        {"ocpp_csms_url": "ws://second.example/x#y"},
        {"ocpp_csms_url": "ws://second example/x"},
        {"ocpp_csms_url": "ws://second.example/\r\nX: y"},
        {"ocpp_transport": OCPPTransport.SOAP},
        {"message_timeout": 0},
        {"apn": APN(apn="x", apn_authentication=APNAuthentication.AUTO)},
    ],
)
def test_B09_FR_02_a_profile_that_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    assert set_slot(connected(), 2, **changes) == (REJECTED, "InvalidNetworkConf")


@pytest.mark.parametrize("now", [TLS, CLIENT])
def test_B09_FR_04_a_lower_security_profile_is_refused(now: NetworkSlot) -> None:
    peer = connected(network=now, client=FIRST)
    lower = {"ocpp_csms_url": "wss://second.example", "security_profile": 2} if now is CLIENT else {}
    assert set_slot(peer, 2, **lower) == (REJECTED, "NoSecurityDowngrade")


def test_B09_FR_31_from_3_to_2_where_the_site_allows_it_and_never_to_1() -> None:
    peer = connected(network=CLIENT, client=FIRST, overrides=DOWNGRADE)
    set_tls_slot(peer, 2)
    assert set_slot(peer, 3) == (REJECTED, "NoSecurityDowngrade")


def test_B09_FR_05_a_slot_that_does_not_exist_is_refused() -> None:
    assert set_slot(connected(), 9) == (REJECTED, "InvalidConfSlot")


def test_B09_FR_06_there_are_at_least_two_slots_and_the_list_of_them_is_told() -> None:
    assert len(NETWORK_CONFIGURATION_PRIORITY.values) >= 2
    assert NETWORK_CONFIGURATION_PRIORITY.values == SLOTS


def test_the_profile_in_use_changes_with_the_next_start_only() -> None:
    peer = connected()
    assert set_slot(peer, 1) == (ACCEPTED, None)
    peer.link_down()
    peer.pass_time(4.0)
    assert opened(peer).url == "ws://csms.example/ocpp/CS%201"
    assert opened(make_peer(peer.store)).url == "ws://second.example/x/CS%201"


# ---------------------------------------------------------------------- the order that the CSMS may set


@pytest.mark.parametrize("value", ["1,3", "", "7", "1,1"])
def test_B10_FR_02_a_priority_with_an_unusable_slot_is_refused(value: str) -> None:
    peer = connected()
    assert set_priority(peer, value).attribute_status is SetVariableStatus.REJECTED
    assert order_of(peer) == ("1",)


def test_B10_FR_01_a_priority_of_slots_that_hold_profiles_is_accepted() -> None:
    peer = connected()
    set_slot(peer, 2)
    assert set_priority(peer, "2,1").attribute_status is SetVariableStatus.REBOOT_REQUIRED
    assert order_of(peer) == ("2", "1")


@pytest.mark.parametrize("wanted", [2, 3])
def test_A05_FR_02_a_higher_profile_needs_a_root_that_is_valid(wanted: int) -> None:
    expired = root("Old root", since=NOON - 3 * YEAR, until=NOON - 2 * YEAR)
    for roots in ((), (expired.pem,)):
        peer = connected(csms_roots_pem=roots, client=FIRST)
        set_tls_slot(peer, 2, wanted)
        result = set_priority(peer, "2,1")
        assert result.attribute_status is SetVariableStatus.REJECTED
        assert result.attribute_status_info is not None
        assert "CSMSRootCertificate" in str(result.attribute_status_info.additional_info)
        assert opened(restarted(peer)).slot == 1


def test_A05_FR_03_profile_3_needs_a_client_certificate_that_is_valid() -> None:
    expired = certificate("old", since=NOON - 3 * YEAR, until=NOON - 2 * YEAR)
    for client in (None, expired):
        peer = connected(network=TLS, csms_roots_pem=ROOTS, client=client)
        set_tls_slot(peer, 2, 3)
        assert set_priority(peer, "2,1").attribute_status is SetVariableStatus.REJECTED


def test_profile_2_needs_a_password() -> None:
    peer = connected(network=CLIENT, client=FIRST, password=None, csms_roots_pem=ROOTS, overrides=DOWNGRADE)
    set_tls_slot(peer, 2)
    assert set_priority(peer, "2,1").attribute_status is SetVariableStatus.REJECTED


def test_A05_FR_04_with_everything_in_place_a_higher_profile_is_accepted() -> None:
    peer = connected(csms_roots_pem=ROOTS, client=FIRST)
    set_tls_slot(peer, 2, 2)
    set_tls_slot(peer, 3, 3)
    assert set_priority(peer, "3,2,1").attribute_status is SetVariableStatus.REBOOT_REQUIRED


def test_A05_FR_08_from_3_to_2_where_the_site_allows_it() -> None:
    peer = connected(network=CLIENT, client=FIRST, overrides=DOWNGRADE)
    set_tls_slot(peer, 2)
    assert set_priority(peer, "2,1").attribute_status is SetVariableStatus.REBOOT_REQUIRED
    peer = restarted(peer, overrides=DOWNGRADE)
    peer.link_up(slot=opened(peer).slot)
    assert peer.ctx.variables[SECURITY_PROFILE] == 2
    assert order_of(peer) == ("2", "1")


@pytest.mark.parametrize(
    "now, lower, allowed, status",
    [
        (TLS, PLAIN, {}, SetVariableStatus.REJECTED),
        (TLS, PLAIN, DOWNGRADE, SetVariableStatus.REJECTED),
        (CLIENT, PLAIN, DOWNGRADE, SetVariableStatus.REJECTED),
        (CLIENT, TLS, {}, SetVariableStatus.REJECTED),
        (CLIENT, TLS, DOWNGRADE, SetVariableStatus.REBOOT_REQUIRED),
    ],
)
def test_A05_FR_09_A05_FR_10_a_priority_with_a_lower_security_profile_is_refused(
    now: NetworkSlot, lower: NetworkSlot, allowed: dict[str, str], status: SetVariableStatus
) -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "2", lower)
    peer = make_peer(store, network=now, client=FIRST, overrides=allowed)
    assert set_priority(peer, "1,2").attribute_status is status


def test_a_lower_profile_that_got_onto_the_list_all_the_same_is_not_used() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "2", PLAIN)
    store.put(variables.NAMESPACE, str(NETWORK_CONFIGURATION_PRIORITY), "2,1")
    assert set(slots_tried(make_peer(store, network=TLS), 8)) == {1}


# ---------------------------------------------------------------------- what a connection changes


def test_A05_FR_05_A05_FR_06_a_connection_on_a_higher_profile_deletes_the_lower_ones_for_good() -> None:
    peer = upgraded(2)
    assert peer.ctx.variables[SECURITY_PROFILE] == 2
    assert order_of(peer) == ("2",)
    assert peer.store.keys(NAMESPACE) == ["2"]
    for again in (peer, restarted(peer)):
        if again is peer:
            again.link_down(slot=2)
            again.pass_time(100.0)
        assert {order.security_profile for order in tried(again, 8)} == {2}


def test_A05_FR_06_security_profile_stays_what_it_was_until_the_higher_one_has_connected() -> None:
    peer = connected(csms_roots_pem=ROOTS)
    set_tls_slot(peer, 2)
    set_priority(peer, "2,1")
    peer = restarted(peer)
    assert peer.ctx.variables[SECURITY_PROFILE] == 1
    assert slots_tried(peer, 3) == [2, 2, 1]
    peer.link_up(slot=1)
    assert peer.ctx.variables[SECURITY_PROFILE] == 1
    assert order_of(peer) == ("2", "1")


def test_A00_FR_005_after_profile_3_the_csms_reaches_no_lower_one() -> None:
    peer = upgraded(3)
    assert set_slot(peer, 1) == (REJECTED, "NoSecurityDowngrade")
    lower = {"ocpp_csms_url": "wss://second.example", "security_profile": 2}
    assert set_slot(peer, 1, **lower) == (REJECTED, "NoSecurityDowngrade")
    assert not [order for order in tried(restarted(peer), 8) if order.security_profile != 3]


def test_what_the_site_allowed_once_and_does_not_allow_any_more_is_not_used() -> None:
    peer = connected(network=CLIENT, client=FIRST, overrides=DOWNGRADE)
    set_tls_slot(peer, 2)
    set_priority(peer, "2,1")
    peer = restarted(peer)
    assert set(slots_tried(peer, 6)) == {1}
    peer.link_up(slot=1)
    assert order_of(peer) == ("1",)
    assert peer.store.keys(NAMESPACE) == ["1"]


def test_if_nothing_of_the_list_may_be_used_any_more_the_way_back_takes_its_place() -> None:
    peer = connected(network=CLIENT, client=FIRST, overrides=DOWNGRADE)
    set_tls_slot(peer, 2)
    set_priority(peer, "2")
    peer = restarted(peer)
    order = opened(peer)
    assert (order.slot, order.security_profile) == (1, 3)
    peer.link_up(slot=1)
    assert order_of(peer) == ("1",)


# ---------------------------------------------------------------------- the way back


def test_B10_FR_07_a_slot_that_was_overwritten_with_a_dead_address_leaves_the_way_back() -> None:
    peer = connected()
    assert set_slot(peer, 1, ocpp_csms_url="ws://dead.example") == (ACCEPTED, None)
    urls = [order.url for order in tried(restarted(peer), 6)]
    assert urls[:2] == ["ws://dead.example/CS%201"] * 2
    assert urls[2:4] == ["ws://csms.example/ocpp/CS%201"] * 2


def test_B10_FR_07_a_slot_that_is_not_on_the_list_any_more_is_still_the_way_back() -> None:
    peer = connected()
    set_slot(peer, 2)
    set_priority(peer, "2")
    assert slots_tried(restarted(peer), 6) == [2, 2, 1, 1, 2, 2]


def test_the_site_settings_that_have_changed_come_first_and_may_be_lower() -> None:
    peer = upgraded(2)
    moved = NetworkSlot(url="ws://third.example", security_profile=1)
    again = restarted(peer, network=moved)
    order = opened(again)
    assert (order.slot, order.url) == (1, "ws://third.example/CS%201")
    assert again.ctx.variables[SECURITY_PROFILE] == 1
    again.link_down(slot=1)
    assert order_of(again) == ("1", "2")


def test_site_settings_that_have_not_changed_give_way_to_what_the_csms_has_set() -> None:
    peer = connected()
    set_slot(peer, 1)
    assert opened(restarted(peer)).url == "ws://second.example/x/CS%201"
    slower = NetworkSlot(url=PLAIN.url, security_profile=1, message_timeout_s=99)
    assert opened(restarted(peer, network=slower)).url == "ws://second.example/x/CS%201"


def test_another_message_timeout_of_the_site_is_used_and_moves_nothing() -> None:
    peer = connected()
    set_slot(peer, 2)
    set_priority(peer, "2,1")
    slower = NetworkSlot(url=PLAIN.url, security_profile=1, message_timeout_s=99)
    again = restarted(peer, network=slower)
    assert opened(again).slot == 2
    again.link_down(slot=2)
    again.pass_time(100.0)
    again.link_down(slot=2)
    again.pass_time(100.0)
    assert again.took(OpenLink)[-1].slot == 1
    assert again.rpc.message_timeout_s == 99.0


def test_where_only_the_slots_are_left_of_the_past_the_lowest_on_the_list_was_in_use() -> None:
    peer = upgraded(2)
    peer.store.put(STATE_NAMESPACE, STATE_KEY, "of another version")
    again = restarted(peer)
    assert again.ctx.variables[SECURITY_PROFILE] == 2
    again.link_up(slot=opened(again).slot)
    again.taken()
    assert set_slot(again, 1) == (REJECTED, "NoSecurityDowngrade")
    assert not [order for order in tried_after_a_loss(again, 6) if order.security_profile < 2]


def tried_after_a_loss(peer: Peer, attempts: int) -> list[OpenLink]:
    peer.link_down(slot=2)
    peer.pass_time(100.0)
    return tried(peer, attempts)


def test_a_station_of_an_earlier_version_goes_on_with_its_slots() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "2", NetworkSlot(url="ws://second.example", security_profile=1))
    store.put(variables.NAMESPACE, str(NETWORK_CONFIGURATION_PRIORITY), "2,1")
    assert slots_tried(make_peer(store), 4) == [2, 2, 1, 1]
