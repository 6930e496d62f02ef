"""The power goes before every effect of every change of what the station connects with: it comes back, and connects
with something that works. A CSMS does its part only when it has the answer, and never takes the old back.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, Authority, authority
from chargerd.conformance.door import door
from tests.conformance.world import FIRST, OTHER
from tests.sim.cut import Operator, address
from tests.sim.world import PASSWORD

NEW, NEWEST = "kR7vP2mQ9tW4zB6nX1sD", "pL5cJ8wE3yH0uF6aG2kN"
WINDOW_S = 6.0
"""What is done after so long is no part of the change any more."""

WITHIN_S = 60.0
SUCCESSOR = Authority("Successor of the CSO", signed_by=authority(CSMS_ROOT))


def password(op: Operator, new: str = NEW) -> None:
    """A01: from the moment of the answer on the CSMS knows the new one only."""

    def believed() -> None:
        op.first.door.passwords = (new,)

    op.set_variable("SecurityCtrlr", "BasicAuthPassword", new, believed)


def two_passwords(op: Operator) -> None:
    password(op, NEW)
    password(op, NEWEST)


def password_and_back(op: Operator) -> None:
    password(op, NEW)
    password(op, PASSWORD)


def root(op: Operator) -> None:
    """M05: as soon as the new root is installed the CSMS shows a certificate by it."""

    def changed() -> None:
        op.first.door.authority = SUCCESSOR
        op.world.link_lost()

    install(op, SUCCESSOR, changed)


def another_csms(op: Operator) -> None:
    """B10: another slot first, then a reset."""
    move(op, 2, OTHER, 1)


def dead_csms(op: Operator) -> None:
    op.other.open = False
    move(op, 2, OTHER, 1)


def slot_in_use(op: Operator) -> None:
    """B09: the slot in use is overwritten with an address where nobody is."""
    reset = {"type": "OnIdle"}
    op.ask("SetNetworkProfile", profile(1, "nobody.test", 1), lambda: op.ask("Reset", reset))


def up_to_tls(op: Operator) -> None:
    """A05: root, slot, order, reset; from then on the first CSMS is out of business."""
    op.other.door = door(2, PASSWORD)
    install(op, authority(CSMS_ROOT), lambda: move(op, 2, OTHER, 2))


def up_to_tls_of_a_stranger(op: Operator) -> None:
    op.other.door = door(2, PASSWORD, OTHER_ROOT)
    install(op, authority(CSMS_ROOT), lambda: move(op, 2, OTHER, 2))


def up_to_client_certificate(op: Operator) -> None:
    op.other.door = door(3, PASSWORD)
    move(op, 2, OTHER, 3)


def up_to_a_certificate_nobody_accepts(op: Operator) -> None:
    op.other.door = door(3, PASSWORD)
    op.other.door.clients = (authority(OTHER_ROOT),)
    move(op, 2, OTHER, 3)


def install(op: Operator, root: Authority, then: Callable[[], object]) -> None:
    op.ask("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": root.root_pem}, then)


def move(op: Operator, slot: int, host: str, security_profile: int) -> None:
    def filled() -> None:
        op.set_variable("OCPPCommCtrlr", "NetworkConfigurationPriority", f"{slot},1", ordered)

    def ordered() -> None:
        op.ask("Reset", {"type": "OnIdle"})

    op.ask("SetNetworkProfile", profile(slot, host, security_profile), filled)


def profile(slot: int, host: str, security_profile: int) -> dict[str, object]:
    connection = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": address(host, security_profile),
        "messageTimeout": 30,
        "securityProfile": security_profile,
        "ocppInterface": "Wired0",
    }
    return {"configurationSlot": slot, "connectionData": connection}


class Story(NamedTuple):
    """A change, the security profile it begins on, and where it leads when nothing is cut short."""

    change: Callable[[Operator], None]
    begins_on: int
    leads_to: str


STORIES = (
    Story(password, 1, FIRST),
    Story(password, 2, FIRST),
    Story(two_passwords, 2, FIRST),
    Story(password_and_back, 2, FIRST),
    Story(root, 2, FIRST),
    Story(root, 3, FIRST),
    Story(another_csms, 1, OTHER),
    Story(dead_csms, 1, FIRST),
    Story(slot_in_use, 1, FIRST),
    Story(up_to_tls, 1, OTHER),
    Story(up_to_tls_of_a_stranger, 1, FIRST),
    Story(up_to_client_certificate, 2, OTHER),
    Story(up_to_a_certificate_nobody_accepts, 2, FIRST),
)


def operator(story: Story) -> Operator:
    """A station that is connected, and to which nothing has happened yet."""
    with_root = authority(CSMS_ROOT)
    given = {"csms": (with_root,) if story.begins_on > 1 else (), "client": with_root if story.begins_on > 1 else None}
    op = Operator(story.begins_on, given=given)
    op.run(5.0)
    assert op.connected
    return op


def told(story: Story, cut_at: int | None) -> Operator:
    """The change, cut short before an effect (None: not at all), and the time until the station is there again."""
    op = operator(story)
    op.world.cut_at = 10_000 if cut_at is None else cut_at
    story.change(op)
    op.run(WINDOW_S)
    op.until_connected(WITHIN_S)
    return op


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.change.__name__}-{story.begins_on}")
def test_whenever_the_power_goes_the_station_connects_with_something_that_works(story: Story) -> None:
    whole = told(story, None)
    performed = whole.world.performed
    assert performed > 5
    host = whole.world.orders[-1].url.partition("//")[2].partition("/")[0]
    assert host == story.leads_to
    whole.world.close()
    for cut_at in range(performed):
        op = told(story, cut_at)
        check_orders(op, story)
        # It stays there: a connection that is lost comes back as well.
        op.world.link_lost()
        op.until_connected(WITHIN_S)
        op.world.close()


def check_orders(op: Operator, story: Story) -> None:
    """No password without encryption above profile 1, no profile below what there was, no foreign key."""
    reached = story.begins_on
    for order in op.world.orders:
        assert order.security_profile >= story.begins_on
        assert order.password is None or order.security_profile == 1 or order.url.startswith("wss://")
        assert order.client is None or order.client.key_id in op.world.keys.ids
        reached = max(reached, order.security_profile)
    assert reached >= op.world.orders[-1].security_profile
