"""Contract certificates, a station that takes them, and what goes with both."""

from collections.abc import Sequence
from typing import Any

from chargerd.clock import ManualClock
from chargerd.ocpp.certificate_book import root_row, v2g_row
from chargerd.ocpp.events import ContractShown
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.vehicle_stack import Answer
from chargerd.store import Store
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.pki import NOON, Pair, made, root, sub

EMAID = "DEABCC123456789"
URL = "http://ocsp.test"

MO_ROOT = root("MO root")
MO_SUB = sub("MO sub", MO_ROOT, ocsp_url=URL)
CONTRACT = made(EMAID, MO_SUB, ocsp_url=URL)
CHAIN = CONTRACT.pem + MO_SUB.pem

V2G_ROOT = root("V2G root")
CPO_SUB = sub("CPO sub", V2G_ROOT, ocsp_url=URL)
SECC = made("SECC", CPO_SUB, ocsp_url=URL)

YES = {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}


def rig(
    settings: dict[str, str] | None = None,
    *,
    store: Store | None = None,
    roots: Sequence[Pair] = (MO_ROOT,),
    online: bool = True,
    stack: bool = True,
    first_id: int = 1,
) -> Rig:
    """A station with a vehicle stack and the roots of mobility operators; a vehicle is plugged in."""
    made_rig = Rig(
        settings,
        clock=ManualClock(utc=NOON),
        store=store,
        changes={"vehicle_stack": stack},
        online=False,
        first_id=first_id,
    )
    made_rig.csms.answers["BootNotification"] = lambda _request: {
        "currentTime": made_rig.clock.now().utc.isoformat().replace("+00:00", "Z"),
        "interval": 86400,
        "status": "Accepted",
    }
    made_rig.csms.answers["Authorize"] = YES
    for each in roots:
        made_rig.station.certificate_book.put(root_row(Kind.MO_ROOT_CERTIFICATE, each.read))
    made_rig.link_up()
    made_rig.status()
    made_rig.plug_in()
    if not online:
        made_rig.link_down()
    return made_rig


def show(rig: Rig, chain: str = CHAIN, emaid: str = "", evse_id: int = 1) -> Answer:
    """The vehicle shows a contract certificate; what is answered at once."""
    rig.feed(ContractShown(evse_id, chain, emaid))
    return answer(rig, evse_id)


def answer(rig: Rig, evse_id: int = 1) -> Answer:
    return rig.station.vehicle_stack.report().evses[evse_id - 1].contract


def install_v2g(rig: Rig, leaf: Pair = SECC, key_id: str = "key-1") -> None:
    """The station's V2G certificate, as its renewal installs it."""
    with rig.store.transaction():
        rig.station.certificate_book.put(v2g_row((leaf.read, CPO_SUB.read, V2G_ROOT.read), key_id))
    rig.status()


def authorized_with(rig: Rig) -> dict[str, Any]:
    """What the CSMS was asked last."""
    return dict(rig.sent("Authorize")[-1])
