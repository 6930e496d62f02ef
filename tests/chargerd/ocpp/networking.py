"""A station of the blocks that connect, and what a CSMS sets on it."""

from collections.abc import Sequence
from typing import Any

from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.effects import ClientCertificate, OpenLink
from chargerd.ocpp.events import LinkFailure
from chargerd.ocpp.messages.enums import OCPPInterface, OCPPTransport, OCPPVersion, SetNetworkProfileStatus
from chargerd.ocpp.messages.provisioning import (
    NetworkConnectionProfile,
    SetNetworkProfile,
    SetVariableData,
    SetVariableResult,
    SetVariables,
)
from chargerd.ocpp.messages.types import Component, Variable
from chargerd.ocpp.network import Network
from chargerd.ocpp.network_variables import (
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    RETRY_BACK_OFF_RANDOM_RANGE,
    RETRY_BACK_OFF_REPEAT_TIMES,
    RETRY_BACK_OFF_WAIT_MINIMUM,
)
from chargerd.ocpp.news import SecurityEvent
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.settings import NetworkSlot
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer, config, network_of
from tests.chargerd.pki import made, root

NEW_PASSWORD = "another-password-of-30-chars-x"
PLAIN = NetworkSlot(url="ws://csms.example/ocpp", security_profile=1)
TLS = NetworkSlot(url="wss://csms.example/ocpp", security_profile=2)
CLIENT = NetworkSlot(url="wss://csms.example/ocpp", security_profile=3)
ROOT, CLIENT_ROOT = root("CSMS root"), root("CSO root")


def certificate(name: str, **more: Any) -> ClientCertificate:
    """A client certificate; its key id is its name."""
    return ClientCertificate(name, made(name, CLIENT_ROOT, **more).pem)


FIRST, SECOND = certificate("first"), certificate("second")


def make_peer(store: Store | None = None, random: float = 0.0, **settings: Any) -> Peer:
    """Just started, with short waits and two attempts for each slot."""

    def build(ctx: StationContext) -> Sequence[Block]:
        credentials, network = network_of(ctx)
        return credentials, network, Provisioning(ctx, network)

    peer = Peer(build, store=store, random=random, settings=config(**settings))
    for variable, value in {
        RETRY_BACK_OFF_WAIT_MINIMUM: 4,
        RETRY_BACK_OFF_RANDOM_RANGE: 10,
        RETRY_BACK_OFF_REPEAT_TIMES: 3,
        NETWORK_PROFILE_CONNECTION_ATTEMPTS: 2,
    }.items():
        peer.ctx.variables.store_value(variable, value)
    return peer


def connected(store: Store | None = None, **settings: Any) -> Peer:
    """Connected, and its BootNotification taken."""
    peer = make_peer(store, **settings)
    (opened,) = peer.took(OpenLink)
    peer.link_up(slot=opened.slot)
    peer.taken()
    return peer


def restarted(peer: Peer, **settings: Any) -> Peer:
    """The same station after a restart of its process."""
    before = {"network": peer.config.network, "password": peer.config.password, "client": peer.config.client}
    return make_peer(peer.store, **before | {"csms_roots_pem": peer.config.csms_roots_pem} | settings)


def network(peer: Peer) -> Network:
    found = peer.blocks[1]
    assert isinstance(found, Network)
    return found


def events(peer: Peer) -> list[str]:
    """The security events so far."""
    return [news.kind for news in peer.news if isinstance(news, SecurityEvent)]


def opened(peer: Peer) -> OpenLink:
    """The one attempt that was begun since it was asked last."""
    (order,) = peer.took(OpenLink)
    assert isinstance(order, OpenLink)
    return order


def tried(peer: Peer, attempts: int, failure: LinkFailure = LinkFailure.UNREACHABLE) -> list[OpenLink]:
    """What the next attempts are made with, when all fail."""
    found = []
    for _ in range(attempts):
        found.append(opened(peer))
        peer.link_down(failure, slot=found[-1].slot)
        peer.pass_time(100.0)
    return found


def slots_tried(peer: Peer, attempts: int) -> list[int]:
    return [order.slot for order in tried(peer, attempts)]


def set_variable(peer: Peer, component: str, name: str, value: str) -> SetVariableResult:
    data = SetVariableData(attribute_value=value, component=Component(name=component), variable=Variable(name=name))
    result: SetVariableResult = peer.asked(SetVariables(set_variable_data=(data,))).set_variable_result[0]
    return result


def set_priority(peer: Peer, slots: str) -> SetVariableResult:
    return set_variable(peer, "OCPPCommCtrlr", "NetworkConfigurationPriority", slots)


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


def set_tls_slot(peer: Peer, slot: int, security_profile: int = 2) -> None:
    """An acceptable profile on another CSMS."""
    changes = {"ocpp_csms_url": "wss://second.example/x", "security_profile": security_profile}
    assert set_slot(peer, slot, **changes) == (SetNetworkProfileStatus.ACCEPTED, None)
