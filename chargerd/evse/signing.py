"""The session that a signing meter is to have open. It changes only while the contactor is open: the meter's reading of
begin and end is then that of the energy.
"""

from chargerd.evse.types import EvseOrders, MeterSession, SignFor
from hal.types import SigningPhase


class SigningKeeper:
    """`wanted`: the session for which the meter is to sign, None: none."""

    def __init__(self) -> None:
        self.wanted: SignFor | None = None

    def update(self, orders: EvseOrders | None, is_open: bool) -> None:
        """Take over what the station wants, while `is_open`. Without orders everything stays as it is."""
        if orders is not None and is_open:
            self.wanted = orders.sign_for


def why_not_signed(orders: EvseOrders | None, session: MeterSession | None) -> bool:
    """Whether energy has to wait for the meter: its session is not open yet, or one that is over is not
    closed yet."""
    wanted = None if orders is None else orders.sign_for
    if session is None:
        return wanted is not None
    open_for = session.sign_for if session.phase is SigningPhase.ACTIVE else None
    return session.phase in {SigningPhase.BEGINNING, SigningPhase.ENDING} or open_for != wanted
