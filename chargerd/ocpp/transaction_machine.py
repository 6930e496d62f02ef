"""What a transaction is and the rules that decide about it, as values and pure functions; nothing here does anything.

The rule of start and stop points: a start point counts when it is reached, whatever else holds by then; a stop point
counts when it has ceased. So both are judged by what holds now, at the moment at which something changed.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from chargerd.evse.faults import TABLE
from chargerd.evse.types import EvseStatus, PilotState
from chargerd.ocpp.edges import is_held_by_evse
from chargerd.ocpp.messages.enums import BootReason, ChargingState, Reason, TriggerReason
from chargerd.ocpp.messages.types import IdToken


class TxPoint(StrEnum):
    """The values of TxStartPoint and TxStopPoint that this station can observe (it has no bay sensor and no signing
    meter)."""

    EV_CONNECTED = "EVConnected"
    AUTHORIZED = "Authorized"
    POWER_PATH_CLOSED = "PowerPathClosed"
    ENERGY_TRANSFER = "EnergyTransfer"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization that stands. `remote_start_id`: of the RequestStartTransaction it came by, None for a local
    one. `reservation_id`: of the reservation it used, None without one."""

    id_token: IdToken
    group_id_token: IdToken | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None


class Ending(msgspec.Struct, frozen=True):
    """The transaction is over as soon as energy is off. `token`: the one that ended it, None where none did."""

    trigger: TriggerReason
    reason: Reason
    token: IdToken | None = None


class PlugIn(msgspec.Struct, frozen=True):
    """One plugging-in of a vehicle: the run of the control process and the count in it."""

    run_id: str
    plug_count: int


class OpenTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that has started and not ended: all that has to outlive a restart.

    `seq_no`: of the next event. `plug`: where the control process stood when the vehicle was last seen.
    `grant` None: not authorized (yet, or any more); `past_token` then says who was. `withheld`: authorized, but to
    have no energy (E05). `*_told`: already part of an event. `stopped_reason`: what ended the authorization of a
    transaction that goes on. `cap_wh`: register at which energy ends (MaxEnergyOnInvalidId), None: no such cap.
    `register_wh`: the meter at `register_utc`, None without a meter. `power_path_utc`: when it was first both
    connected and authorized.
    """

    transaction_id: str
    evse_id: int
    connector_id: int = 1
    seq_no: int = 0
    started_utc: datetime
    plug: PlugIn
    charging_state: ChargingState = ChargingState.IDLE
    grant: Grant | None = None
    grant_told: bool = False
    past_token: IdToken | None = None
    withheld: bool = False
    evse_told: bool = False
    stopped_reason: Reason | None = None
    ending: Ending | None = None
    begin_wh: float | None = None
    cap_wh: float | None = None
    register_wh: float | None = None
    register_utc: datetime | None = None
    power_path_utc: datetime | None = None
    phases_used: int | None = None


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What other blocks may know of a transaction. `remote_start_id`: of the authorization that stands now.

    `power_path_utc`: when it was first both connected and authorized (K01.FR.42), None: never so far.
    """

    transaction_id: str
    evse_id: int
    authorized: bool
    id_token: IdToken | None
    remote_start_id: int | None
    charging_state: ChargingState
    started_utc: datetime
    power_path_utc: datetime | None


_ENDED_BY_FAULT = {row.code.value: Reason(row.stopped_reason) for row in TABLE if row.stopped_reason}


def may_start(points: tuple[str, ...], *, connected: bool, authorized: bool, energy: bool) -> bool:
    """Whether a point of TxStartPoint holds (E01)."""
    return (
        (TxPoint.EV_CONNECTED in points and connected)
        or (TxPoint.AUTHORIZED in points and authorized)
        or (TxPoint.POWER_PATH_CLOSED in points and connected and authorized)
        or (TxPoint.ENERGY_TRANSFER in points and energy and authorized)
    )


def has_ceased(points: tuple[str, ...], *, connected: bool, authorized: bool) -> bool:
    """Whether a point of TxStopPoint does not hold any more, after a vehicle left or an authorization ended (E06)."""
    whole = connected and authorized
    return (
        (TxPoint.EV_CONNECTED in points and not connected)
        or (TxPoint.AUTHORIZED in points and not authorized)
        or (TxPoint.POWER_PATH_CLOSED in points and not whole)
        # Without vehicle or authorization energy can't flow, so this point has ceased or never can be reached.
        or (TxPoint.ENERGY_TRANSFER in points and not whole)
    )


def without_energy(tx: OpenTransaction | None, evse: EvseStatus | None) -> ChargingState:
    """The state of a connected transaction while no energy flows. `evse` None: the charging side is silent."""
    if tx is None or tx.grant is None:
        return ChargingState.EV_CONNECTED
    if evse is None or tx.withheld or is_held_by_evse(evse):
        return ChargingState.SUSPENDED_EVSE
    # The vehicle asks and the contactor is not closed: it is our turn.
    asks = evse.pilot_state in (PilotState.C, PilotState.D)
    return ChargingState.SUSPENDED_EVSE if asks else ChargingState.SUSPENDED_EV


def reason_of_fault(code: str) -> Reason | None:
    """The stoppedReason with which a fault ends a transaction (E06.FR.16); None: it only suspends it."""
    return _ENDED_BY_FAULT.get(code)


def without_grant(tx: OpenTransaction, reason: Reason) -> OpenTransaction:
    """`tx` with nobody authorized; `reason` is remembered as what began its end, unless something did before."""
    past: IdToken | None = tx.past_token if tx.grant is None else tx.grant.id_token
    return msgspec.structs.replace(
        tx, grant=None, past_token=past, withheld=False, cap_wh=None, stopped_reason=tx.stopped_reason or reason
    )


def reason_of_boot(boot_reason: BootReason) -> Reason:
    """The stoppedReason of a transaction that a restart of the whole station has cut off."""
    return Reason.POWER_LOSS if boot_reason is BootReason.POWER_UP else Reason.REBOOT
