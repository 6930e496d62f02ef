"""TLS as a door says, at each connection anew."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, Authority, authority, key_pem, request_for
from chargerd.conformance.door import Door, door
from chargerd.conformance.peer import Peer
from chargerd.conformance.wire import WireServer
from tests.chargerd.conformance.pretend import MIDNIGHT

PASSWORD = "sixteen-or-more-characters"
HOST = "127.0.0.1"
RIGHT = {"Authorization": "Basic Q1MtMTpzaXh0ZWVuLW9yLW1vcmUtY2hhcmFjdGVycw=="}
OLD, V1_2 = "TLSv1.1", "TLSv1.2"
"""With TLS 1.2 a client hears of a refusal before it says more."""


class Stand:
    """A server behind a door, and a client that is not the station."""

    def __init__(self, way_in: Door) -> None:
        self.peer = Peer(lambda: MIDNIGHT)
        self.peer.door = way_in
        self.server = WireServer(self.peer, (HOST, 0))

    def comes(self, context: ssl.SSLContext, headers: dict[str, str] = RIGHT) -> None:
        url = f"{self.server.url}/CS-1"
        with connect(url, ssl=context, subprotocols=[Subprotocol("ocpp2.0.1")], additional_headers=headers) as way:
            way.send('[2,"1","Heartbeat",{}]')
            assert "currentTime" in str(way.recv(5.0))


def client(tmp_path: Path, signer: Authority | None = None, newest: str = "") -> tuple[ssl.SSLContext, str]:
    """What a station would use, and its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority(CSMS_ROOT).root_pem)
    if newest:
        context.maximum_version = ssl.TLSVersion[newest.replace(".", "_")]
    if signer is None:
        return context, ""
    key = ec.generate_private_key(ec.SECP256R1())
    chain_pem = signer.signed(request_for(key, "SN-1", "CSO"))
    path = tmp_path / "client.pem"
    path.write_text(key_pem(key) + chain_pem)
    context.load_cert_chain(path)
    return context, chain_pem.partition("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"


@pytest.fixture
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    made = Stand(door(request.param, PASSWORD))
    yield made
    made.server.close()


@pytest.mark.parametrize("stand", [2], indirect=True)
def test_profile_2_wants_the_password_and_shows_a_certificate(stand: Stand, tmp_path: Path) -> None:
    context, _ = client(tmp_path)
    stand.comes(context)
    with pytest.raises(InvalidStatus, match="401"):
        stand.comes(context, {})
    shown = stand.peer.shown[0]
    assert (shown.security_profile, shown.user, shown.password, shown.client_pem) == (2, "CS-1", PASSWORD, "")
    assert shown.tls == "TLSv1.3"
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in shown.suites


@pytest.mark.parametrize("stand", [3], indirect=True)
def test_profile_3_wants_a_client_certificate_of_the_right_authority(stand: Stand, tmp_path: Path) -> None:
    context, leaf_pem = client(tmp_path, authority(CSMS_ROOT))
    stand.comes(context, {})
    assert (stand.peer.shown[-1].security_profile, stand.peer.shown[-1].client_pem) == (3, leaf_pem)
    for nobody in (client(tmp_path, newest=V1_2)[0], client(tmp_path, authority(OTHER_ROOT), newest=V1_2)[0]):
        with pytest.raises(ssl.SSLError, match="ALERT"):
            stand.comes(nobody, {})
    assert len(stand.peer.shown) == 1


@pytest.mark.parametrize("stand", [3], indirect=True)
def test_a_certificate_that_was_revoked_comes_in_no_more(stand: Stand, tmp_path: Path) -> None:
    context, leaf_pem = client(tmp_path, authority(CSMS_ROOT), newest=V1_2)
    stand.comes(context, {})
    stand.peer.door.refused = (leaf_pem,)
    with pytest.raises(ssl.SSLError, match="REVOKED"):
        stand.comes(context, {})


@pytest.mark.parametrize("stand", [2], indirect=True)
def test_a_door_may_change_between_two_connections(stand: Stand, tmp_path: Path) -> None:
    context, _ = client(tmp_path)
    good = stand.peer.door
    for change in (
        {"authority": authority(OTHER_ROOT)},
        {"until": datetime(2021, 1, 1, tzinfo=UTC)},
        {"named": "elsewhere.test"},
    ):
        stand.peer.door = msgspec.structs.replace(good, **change)
        with pytest.raises(ssl.SSLCertVerificationError):
            stand.comes(context)
        stand.peer.door = good
        stand.comes(context)
    assert len(stand.peer.shown) == 3


@pytest.mark.parametrize("stand", [2], indirect=True)
def test_a_door_may_speak_old_tls_only(stand: Stand, tmp_path: Path) -> None:
    stand.peer.door.newest_tls = OLD
    context, _ = client(tmp_path)
    with pytest.raises(ssl.SSLError, match="PROTOCOL"):
        stand.comes(context)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    port = urlsplit(stand.server.url).port
    with (
        socket.create_connection((HOST, port), 5.0) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as end,
    ):
        assert end.version() == OLD
