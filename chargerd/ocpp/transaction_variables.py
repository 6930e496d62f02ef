"""TxCtrlr, and what else says when transactions start and stop. What each value does is in evse_session.py, which reads
them when it decides."""

from collections.abc import Callable, Mapping
from typing import Any

from chargerd.ocpp.transaction_machine import TxPoint
from chargerd.ocpp.variables import AnyVariable, boolean, integer, member_list

TX_START_POINT = member_list(
    "TxCtrlr",
    "TxStartPoint",
    (TxPoint.POWER_PATH_CLOSED.value,),
    values=tuple(TxPoint),
    writable=True,
    doc="What starts a transaction, whichever comes first.",
)
TX_STOP_POINT = member_list(
    "TxCtrlr",
    "TxStopPoint",
    (TxPoint.EV_CONNECTED.value, TxPoint.AUTHORIZED.value),
    values=tuple(TxPoint),
    writable=True,
    doc="What ends a transaction when it ceases, whichever comes first.",
)
EV_CONNECTION_TIME_OUT = integer(
    "TxCtrlr",
    "EVConnectionTimeOut",
    60,
    writable=True,
    unit="s",
    minimum=1,
    doc="How long an authorization waits for the vehicle to be plugged in.",
)
STOP_TX_ON_EV_SIDE_DISCONNECT = boolean(
    "TxCtrlr",
    "StopTxOnEVSideDisconnect",
    True,
    writable=True,
    doc="Whether unplugging at the vehicle ends the authorization.",
)
STOP_TX_ON_INVALID_ID = boolean(
    "TxCtrlr",
    "StopTxOnInvalidId",
    True,
    writable=True,
    doc="Whether a token the CSMS refuses later ends the authorization.",
)
MAX_ENERGY_ON_INVALID_ID = integer(
    "TxCtrlr",
    "MaxEnergyOnInvalidId",
    0,
    writable=True,
    required=False,
    unit="Wh",
    minimum=0,
    doc="Energy a transaction may still have in total after its token was refused. 0: none.",
)

MAX_ENERGY = integer(
    "TxCtrlr",
    "MaxEnergyPerTransaction",
    0,
    writable=True,
    required=False,
    unit="Wh",
    minimum=0,
    doc="Energy after which a transaction loses its authorization. 0: no limit. Of this product, not of the standard.",
)
MAX_TIME = integer(
    "TxCtrlr",
    "MaxTimePerTransaction",
    0,
    writable=True,
    required=False,
    unit="s",
    minimum=0,
    doc="Time after which a transaction loses its authorization. 0: no limit. Of this product, not of the standard.",
)
TX_BEFORE_ACCEPTED = boolean(
    "TxCtrlr",
    "TxBeforeAcceptedEnabled",
    True,
    writable=True,
    required=False,
    doc="Whether transactions may start before the CSMS has accepted the station since it was switched on.",
)
UNLOCK_ON_EV_SIDE_DISCONNECT = boolean(
    "OCPPCommCtrlr",
    "UnlockOnEVSideDisconnect",
    True,
    writable=True,
    doc="Whether a socket releases its end of the cable when the vehicle's end is unplugged. False: only to its owner.",
)

ALL: tuple[AnyVariable, ...] = (
    TX_START_POINT,
    TX_STOP_POINT,
    EV_CONNECTION_TIME_OUT,
    STOP_TX_ON_EV_SIDE_DISCONNECT,
    STOP_TX_ON_INVALID_ID,
    MAX_ENERGY_ON_INVALID_ID,
    MAX_ENERGY,
    MAX_TIME,
    TX_BEFORE_ACCEPTED,
    UNLOCK_ON_EV_SIDE_DISCONNECT,
)


def _why_not_points(points: tuple[str, ...]) -> str | None:
    return None if points else "at least one point is needed"


CHECKS: Mapping[AnyVariable, Callable[[Any], str | None]] = dict.fromkeys(
    (TX_START_POINT, TX_STOP_POINT), _why_not_points
)
"""Without any point no transaction would ever start, or end."""
