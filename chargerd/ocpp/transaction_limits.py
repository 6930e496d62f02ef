"""What a site allows one transaction: energy and time. What is reached ends the authorization.

Neither credit nor state of charge is limited here: nobody tells this station of either.
"""

from chargerd.clock import Now
from chargerd.ocpp.messages.enums import Reason, TriggerReason
from chargerd.ocpp.transaction_machine import Ending, OpenTransaction
from chargerd.ocpp.transaction_variables import MAX_ENERGY, MAX_TIME
from chargerd.ocpp.variables import Variables


class TransactionLimits:
    """The limits of the transaction on one EVSE, as they were set when it began or was taken up again."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._end_wh: float | None = None
        self._end_mono: float | None = None

    def begin(self, tx: OpenTransaction, now: Now) -> None:
        """`tx` runs from now on, or again after a restart of this process."""
        energy_wh, time_s = self._variables[MAX_ENERGY], self._variables[MAX_TIME]
        self._end_wh = tx.begin_wh + energy_wh if energy_wh and tx.begin_wh is not None else None
        gone_s = max(0.0, (now.utc - tx.started_utc).total_seconds())
        self._end_mono = now.mono + max(0.0, time_s - gone_s) if time_s else None

    def end(self) -> None:
        """No transaction runs, or it is authorized no more."""
        self._end_wh = self._end_mono = None

    def next_deadline(self) -> float | None:
        """When the time is up; None: it is not limited."""
        return self._end_mono

    def reached(self, register_wh: float | None, now: Now) -> Ending | None:
        """How the authorization ends now; None: it does not. `register_wh` None: the meter is not known."""
        if self._end_wh is not None and register_wh is not None and register_wh >= self._end_wh:
            return Ending(TriggerReason.ENERGY_LIMIT_REACHED, Reason.ENERGY_LIMIT_REACHED)
        if self._end_mono is not None and now.mono >= self._end_mono:
            return Ending(TriggerReason.TIME_LIMIT_REACHED, Reason.TIME_LIMIT_REACHED)
        return None
