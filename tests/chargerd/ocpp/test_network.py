from collections.abc import Sequence
from typing import Any

import pytest

from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.effects import CloseLink, OpenLink, SetPing
from chargerd.ocpp.events import LinkFailure
from chargerd.ocpp.messages.enums import (
    APNAuthentication,
    OCPPInterface,
    OCPPTransport,
    OCPPVersion,
    SetNetworkProfileStatus,
    SetVariableStatus,
)
from chargerd.ocpp.messages.provisioning import (
    APN,
    NetworkConnectionProfile,
    SetNetworkProfile,
    SetVariableData,
    SetVariableResult,
    SetVariables,
)
from chargerd.ocpp.messages.types import Component, Variable
from chargerd.ocpp.network import Network
from chargerd.ocpp.network_variables import (
    ACTIVE_NETWORK_PROFILE,
    BASIC_AUTH_PASSWORD,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    RETRY_BACK_OFF_RANDOM_RANGE,
    RETRY_BACK_OFF_REPEAT_TIMES,
    RETRY_BACK_OFF_WAIT_MINIMUM,
    SECURITY_PROFILE,
    SLOTS,
)
from chargerd.ocpp.news import SecurityEvent, VariableChanged
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.settings import NetworkSlot
from chargerd.store import Store
from tests.chargerd.ocpp.peer import PASSWORD, Peer, config

NEW_PASSWORD = "another-password-of-30-chars-x"


def make_peer(store: Store | None = None, random: float = 0.0, **settings: Any) -> Peer:
    def build(ctx: StationContext) -> Sequence[Block]:
        network = Network(ctx)
        return network, Provisioning(ctx, network)

    peer = Peer(build, store=store, random=random, settings=config(**settings))
    for variable, value in {
        RETRY_BACK_OFF_WAIT_MINIMUM: 4,
        RETRY_BACK_OFF_RANDOM_RANGE: 10,
        RETRY_BACK_OFF_REPEAT_TIMES: 3,
        NETWORK_PROFILE_CONNECTION_ATTEMPTS: 2,
    }.items():
        peer.ctx.variables.store_value(variable, value)
    return peer


def connected(**settings: Any) -> Peer:
    peer = make_peer(**settings)
    peer.link_up()
    peer.taken()
    peer.took(OpenLink)
    return peer


def set_variable(peer: Peer, component: str, name: str, value: str) -> SetVariableResult:
    data = SetVariableData(attribute_value=value, component=Component(name=component), variable=Variable(name=name))
    result: SetVariableResult = peer.asked(SetVariables(set_variable_data=(data,))).set_variable_result[0]
    return result


def profile(**changes: Any) -> NetworkConnectionProfile:
    fields: dict[str, Any] = {
        "ocpp_version": OCPPVersion.OCPP20,
        "ocpp_transport": OCPPTransport.JSON,
        "ocpp_csms_url": "ws://second.example/x",
        "message_timeout": 20,
        "security_profile": 1,
        "ocpp_interface": OCPPInterface.WIRED0,
    }
    return NetworkConnectionProfile(**(fields | changes))


def set_slot(peer: Peer, slot: int, **changes: Any) -> tuple[SetNetworkProfileStatus, str | None]:
    response = peer.asked(SetNetworkProfile(configuration_slot=slot, connection_data=profile(**changes)))
    return response.status, None if response.status_info is None else response.status_info.reason_code


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


def test_the_station_connects_at_once_with_identity_and_password() -> None:
    (opened,) = make_peer().took(OpenLink)
    assert opened.url == "ws://csms.example/ocpp/CS%201"
    assert opened.identity == "CS 1"
    assert opened.password == PASSWORD
    assert opened.slot == 1
    assert PASSWORD not in repr(opened)


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
    assert peer.blocks[0].next_deadline() is None


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
    (opened,) = peer.took(OpenLink)
    assert opened.password == NEW_PASSWORD
    (restarted,) = make_peer(peer.store).took(OpenLink)
    assert restarted.password == NEW_PASSWORD


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
    network = peer.blocks[0]
    peer.link_down()
    peer.ctx.variables.store_value(BASIC_AUTH_PASSWORD, NEW_PASSWORD)
    peer.within(lambda now: network.on_news(VariableChanged(BASIC_AUTH_PASSWORD), now))
    (opened,) = peer.took(OpenLink)
    assert opened.password == NEW_PASSWORD


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
        (LinkFailure.TLS_FAILED, "InvalidCsmsCertificate"),
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


def test_B09_FR_01_a_valid_profile_is_kept_over_a_restart() -> None:
    peer = connected()
    assert set_slot(peer, 2) == (SetNetworkProfileStatus.ACCEPTED, None)
    again = make_peer(peer.store)
    again.link_up()
    again.taken()
    result = set_variable(again, "OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    assert result.attribute_status is SetVariableStatus.REBOOT_REQUIRED
    (opened,) = make_peer(peer.store).took(OpenLink)
    assert (opened.slot, opened.url) == (2, "ws://second.example/x/CS%201")


@pytest.mark.parametrize(
    "changes",
    [
        {"security_profile": 3},
        {"security_profile": 0},
        {"ocpp_csms_url": "wss://second.example"},
        {"ocpp_csms_url": "http://second.example"},
        {"ocpp_csms_url": "ws://"},
        {"ocpp_transport": OCPPTransport.SOAP},
        {"message_timeout": 0},
        {"apn": APN(apn="x", apn_authentication=APNAuthentication.AUTO)},
    ],
)
def test_B09_FR_02_a_profile_that_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    assert set_slot(connected(), 2, **changes) == (SetNetworkProfileStatus.REJECTED, "InvalidNetworkConf")


def test_B09_FR_04_B09_FR_31_a_lower_security_profile_is_refused() -> None:
    peer = connected(network=NetworkSlot(url="wss://csms.example", security_profile=2))
    assert set_slot(peer, 2) == (SetNetworkProfileStatus.REJECTED, "NoSecurityDowngrade")


def test_B09_FR_05_a_slot_that_does_not_exist_is_refused() -> None:
    assert set_slot(connected(), 9) == (SetNetworkProfileStatus.REJECTED, "InvalidConfSlot")


def test_the_profile_in_use_changes_with_the_next_start_only() -> None:
    peer = connected()
    assert set_slot(peer, 1) == (SetNetworkProfileStatus.ACCEPTED, None)
    peer.link_down()
    peer.pass_time(4.0)
    assert peer.took(OpenLink)[0].url == "ws://csms.example/ocpp/CS%201"
    assert make_peer(peer.store).took(OpenLink)[0].url == "ws://second.example/x/CS%201"


@pytest.mark.parametrize("value", ["1,3", "", "7", "1,1"])
def test_B10_FR_02_a_priority_with_an_unusable_slot_is_refused(value: str) -> None:
    peer = connected()
    result = set_variable(peer, "OCPPCommCtrlr", "NetworkConfigurationPriority", value)
    assert result.attribute_status is SetVariableStatus.REJECTED
    assert peer.ctx.variables[NETWORK_CONFIGURATION_PRIORITY] == ("1",)


def test_B09_FR_06_there_are_at_least_two_slots_and_the_list_of_them_is_told() -> None:
    assert len(NETWORK_CONFIGURATION_PRIORITY.values) >= 2
    assert NETWORK_CONFIGURATION_PRIORITY.values == SLOTS


def test_A00_FR_205_passwords_of_16_to_at_least_40_characters_are_taken() -> None:
    assert BASIC_AUTH_PASSWORD.minimum == 16
    assert 40 <= (BASIC_AUTH_PASSWORD.maximum or 0) <= 64
    for length in (16, 40, 64):
        result = set_variable(connected(), "SecurityCtrlr", "BasicAuthPassword", "ü" * length)
        assert result.attribute_status is SetVariableStatus.ACCEPTED


def test_A05_FR_09_A05_FR_10_a_priority_with_a_lower_security_profile_is_refused() -> None:
    store = Store(":memory:")
    assert set_slot(make_and_connect(store), 2) == (SetNetworkProfileStatus.ACCEPTED, None)
    peer = make_peer(store, network=NetworkSlot(url="wss://csms.example", security_profile=2))
    peer.link_up()
    peer.taken()
    result = set_variable(peer, "OCPPCommCtrlr", "NetworkConfigurationPriority", "1,2")
    assert result.attribute_status is SetVariableStatus.REJECTED


def make_and_connect(store: Store) -> Peer:
    peer = make_peer(store)
    peer.link_up()
    peer.taken()
    return peer


def slots_tried(peer: Peer, attempts: int) -> list[int]:
    found = []
    for _ in range(attempts):
        (opened,) = peer.took(OpenLink)
        found.append(opened.slot)
        peer.link_down(slot=opened.slot)
        peer.pass_time(100.0)
    return found


def test_B10_FR_03_B10_FR_04_each_slot_gets_its_attempts_in_order_of_priority() -> None:
    store = Store(":memory:")
    set_slot(make_and_connect(store), 2)
    set_variable(make_and_connect(store), "OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    peer = make_peer(store)
    assert slots_tried(peer, 4) == [2, 2, 1, 1]
    assert peer.ctx.variables[ACTIVE_NETWORK_PROFILE] in {1, 2}


def test_B10_FR_07_B10_FR_08_B10_FR_09_after_all_failed_the_last_good_one_is_tried_and_it_never_stops() -> None:
    store = Store(":memory:")
    set_slot(make_and_connect(store), 2)
    set_variable(make_and_connect(store), "OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    peer = make_peer(store)
    assert slots_tried(peer, 2) == [2, 2]
    peer.link_up(slot=1)
    peer.took(OpenLink)
    peer.link_down(slot=1)
    peer.pass_time(4.0)
    tried = slots_tried(peer, 12)
    assert tried[:4] == [1, 1, 1, 1]
    assert set(tried) == {1, 2}


def test_the_last_good_slot_is_known_over_a_restart_and_only_used_while_it_is_on_the_list() -> None:
    store = Store(":memory:")
    for slot in (2, 3):
        set_slot(make_and_connect(store), slot)
    set_variable(make_and_connect(store), "OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    assert slots_tried(make_peer(store), 7) == [2, 2, 1, 1, 1, 1, 2]
    set_variable(make_and_connect(store), "OCPPCommCtrlr", "NetworkConfigurationPriority", "2,3")
    assert slots_tried(make_peer(store), 6) == [2, 2, 3, 3, 2, 2]
