"""The station's wishes for each EVSE, put together from all blocks into one Orders snapshot."""

from chargerd.clock import Now
from chargerd.evse.types import ORDERS_LEASE_S, EvseOrders, Orders, SignFor, Status
from chargerd.limits import Limit
from hal.types import Indication


class OrdersDesk:
    """Each block sets its own fields here; the snapshot is complete and carries its own end."""

    def __init__(self, evse_count: int) -> None:
        self._permit = [False] * evse_count
        self._available = [True] * evse_count
        self._limits: list[dict[str, Limit]] = [{} for _ in range(evse_count)]
        self._indication = [Indication.AVAILABLE] * evse_count
        self._unlock_seq = [0] * evse_count
        self._told_unlock_seq = [0] * evse_count
        self._is_heard = [False] * evse_count
        self._phases: list[int | None] = [None] * evse_count
        self._hold_plug = [False] * evse_count
        self._wake_up = True
        self._message: list[tuple[str, ...]] = [()] * evse_count
        self._sign_for: list[SignFor | None] = [None] * evse_count
        self._seq = 0
        self._last: tuple[EvseOrders, ...] = ()

    def set_permit(self, evse_id: int, permit: bool) -> None:
        """Whether somebody is authorised to take energy."""
        self._permit[evse_id - 1] = permit

    def is_permitted(self, evse_id: int) -> bool:
        """Whether somebody is authorised to take energy."""
        return self._permit[evse_id - 1]

    def set_available(self, evse_id: int, available: bool) -> None:
        """Whether the EVSE is in service."""
        self._available[evse_id - 1] = available

    def is_available(self, evse_id: int) -> bool:
        """Whether the EVSE is in service, as last set."""
        return self._available[evse_id - 1]

    def set_limit(self, evse_id: int, source: str, limit: Limit | None) -> None:
        """The row of `source`; None removes it."""
        if limit is None:
            self._limits[evse_id - 1].pop(source, None)
        else:
            self._limits[evse_id - 1][source] = limit

    def set_indication(self, evse_id: int, indication: Indication) -> None:
        """What the user is to be shown."""
        self._indication[evse_id - 1] = indication

    def indication(self, evse_id: int) -> Indication:
        """What the user is shown, as last set."""
        return self._indication[evse_id - 1]

    def set_phases(self, evse_id: int, phases: int | None) -> None:
        """How many phases to connect where the board can switch them; None: all."""
        self._phases[evse_id - 1] = phases

    def set_hold_plug(self, evse_id: int, hold: bool) -> None:
        """Whether a plug in the socket stays locked although nobody is authorised to take energy."""
        self._hold_plug[evse_id - 1] = hold

    def holds_plug(self, evse_id: int) -> bool:
        """Whether the plug is held, as last set and not released since."""
        return self._hold_plug[evse_id - 1]

    def set_wake_up(self, wake_up: bool) -> None:
        """Whether sleeping vehicles may be woken at this site."""
        self._wake_up = wake_up

    def set_sign_for(self, evse_id: int, sign_for: SignFor | None) -> None:
        """The session that the meter is to sign; None: none."""
        self._sign_for[evse_id - 1] = sign_for

    def sign_for(self, evse_id: int) -> SignFor | None:
        """The session that the meter is to sign, as last set."""
        return self._sign_for[evse_id - 1]

    def set_message(self, evse_id: int, lines: tuple[str, ...]) -> None:
        """The lines on the display."""
        self._message[evse_id - 1] = lines

    def message(self, evse_id: int) -> tuple[str, ...]:
        """The lines on the display, as last set."""
        return self._message[evse_id - 1]

    def request_unlock(self, evse_id: int) -> int:
        """Ask once for the connector to be released; the number comes back in EvseStatus.unlock_seq when it was
        dealt with. Nobody holds the plug any more.
        """
        self._hold_plug[evse_id - 1] = False
        self._unlock_seq[evse_id - 1] += 1
        self._tell_unlock(evse_id - 1)
        return self._unlock_seq[evse_id - 1]

    def adopt(self, status: Status) -> None:
        """Go on from the numbers the control process knows, so that a restart of ours repeats no unlock.

        One that has seen no orders yet will do nothing but note the first number, so a request waits until it has.
        """
        for index, evse in enumerate(status.evses):
            self._unlock_seq[index] = max(self._unlock_seq[index], evse.unlock_seq)
            self._is_heard[index] = evse.unlock_seq >= 0
            self._tell_unlock(index)

    def _tell_unlock(self, index: int) -> None:
        if self._is_heard[index]:
            self._told_unlock_seq[index] = self._unlock_seq[index]

    def changed(self) -> bool:
        """Whether the wishes differ from the last snapshot."""
        return self._wishes() != self._last

    def snapshot(self, now: Now) -> Orders:
        """All wishes, valid for ORDERS_LEASE_S from now."""
        self._seq += 1
        self._last = self._wishes()
        return Orders(seq=self._seq, valid_until_mono=now.mono + ORDERS_LEASE_S, evses=self._last)

    def _wishes(self) -> tuple[EvseOrders, ...]:
        return tuple(
            EvseOrders(
                permit=self._permit[index],
                limits=tuple(self._limits[index].values()),
                available=self._available[index],
                unlock_seq=self._told_unlock_seq[index],
                indication=self._indication[index],
                phases=self._phases[index],
                wake_up=self._wake_up,
                message=self._message[index],
                hold_plug=self._hold_plug[index],
                sign_for=self._sign_for[index],
            )
            for index in range(len(self._permit))
        )
