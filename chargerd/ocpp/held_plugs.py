"""Whose plug the lock of a socket holds after the vehicle has left it, until its owner says who he is (E05.FR.11,
E09.FR.03, E10.FR.01).

Durable, for the cable is still there after a restart. Only a plug that is seen in the socket is held; whoever unlocks
the connector by other means (UnlockConnector) releases it too.
"""

import msgspec

from chargerd.ocpp.block import StationContext
from chargerd.ocpp.messages.types import IdToken

NAMESPACE = "held_plugs"


class Owner(msgspec.Struct, frozen=True):
    """Whose plug it is. `group_id_token`: the group of the token, None when there is none."""

    id_token: IdToken
    group_id_token: IdToken | None = None


class HeldPlugs:
    """One owner for each EVSE at most."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._owners: dict[int, Owner] = {}

    def reload(self) -> None:
        """Hold again what was held when the station last ran."""
        for key, owner in self._ctx.store.items(NAMESPACE, Owner):
            if key.isdecimal() and int(key) in self._ctx.evse_ids:
                self._owners[int(key)] = owner
                self._ctx.orders.set_hold_plug(int(key), True)

    def hold(self, evse_id: int, owner: Owner) -> None:
        """Keep the plug locked for `owner`, if there is a lock and a plug in the socket."""
        evse = self._ctx.evse(evse_id)
        if not self._ctx.config.board.evses[evse_id - 1].has_lock or evse is None or evse.plugged is not True:
            return
        self._owners[evse_id] = owner
        self._ctx.orders.set_hold_plug(evse_id, True)
        self._ctx.store.put(NAMESPACE, str(evse_id), owner)

    def owner(self, evse_id: int) -> Owner | None:
        """Whose plug is held; None: no plug is."""
        if evse_id in self._owners and not self._ctx.orders.holds_plug(evse_id):
            self.release(evse_id)
        return self._owners.get(evse_id)

    def release(self, evse_id: int) -> None:
        """The plug is held for nobody any more."""
        self._ctx.orders.set_hold_plug(evse_id, False)
        if self._owners.pop(evse_id, None) is not None:
            self._ctx.store.delete(NAMESPACE, str(evse_id))
