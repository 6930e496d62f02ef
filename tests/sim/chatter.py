"""What a CSMS may say: messages of every action, valid, nearly valid and wrong, from one source of chance.

Most are made from the official schemas and then aimed: EVSEs, transactions, tokens, variables and ids that exist are
put where random ones would meet nothing. Profiles, whose parts must fit each other, are put together here.
"""

import random
from collections.abc import Callable
from typing import Any

from chargerd.ocpp.messages import INCOMING
from tests.chargerd.ocpp.messages import oracle
from tests.sim.csms import TOKENS
from tests.sim.world import World

Payload = dict[str, Any]

HOLDS_THE_END = (
    "EVConnectionTimeOut",
    "MessageAttempt",
    "NetworkProfileConnectionAttempts",
    "RetryBackOff",
    "StopTxOnEVSideDisconnect",
    "TxEndedMeasurands",
)
"""With these a station may rightly lose messages, go on long after everything ended, or end without a register."""

TIMES = ("2025-12-31T23:59:59Z", "2026-01-01T00:00:30Z", "2026-01-01T00:05:00Z", "9999-12-31T23:59:59Z")
TEXTS = ("true", "false", "0", "1", "10", "3600", "Authorized", "EVConnected,EnergyTransfer", "x", "")
RARELY = frozenset({"Reset", "ChangeAvailability"})
"""These end what is interesting."""


class Chatter:
    """Makes messages for the station of `world` as it is at the moment."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._actions = [call.action for call in INCOMING]

    def message(self) -> tuple[str, Payload]:
        """An action and its payload, which in about a quarter of all cases has a fault."""
        action = self._action()
        payload = self._payload(action)
        if self._rng.random() < 0.25:
            self._spoil(f"{action}Request", payload)
        return action, payload

    def _action(self) -> str:
        """Mostly one that the station knows what to do with."""
        handled = {request.action for block in self._world.station._blocks for request in block.handlers()}
        weights = [1 if action not in handled or action in RARELY else 8 for action in self._actions]
        return self._rng.choices(self._actions, weights)[0]

    def _payload(self, action: str) -> Payload:
        roll = self._rng.random()
        if action == "SetChargingProfile" and roll < 0.8:
            return {"evseId": self._rng.choice((0, 1, 1, 2)), "chargingProfile": self._profile()}
        if action == "SetNetworkProfile" and roll < 0.5:
            return {"configurationSlot": self._rng.choice((1, 2, 2, 3)), "connectionData": self._connection()}
        name = f"{action}Request"
        if roll < 0.15:
            payload = oracle.minimal(name)
        elif roll < 0.2:
            payload = oracle.maximal(name)
        else:
            payload = oracle.random_instance(name, self._rng.randrange(10**6))
        self._aim(name, payload)
        return payload

    def _spoil(self, name: str, payload: Payload) -> None:
        """Stop at one of the faults there can be; the payload keeps it."""
        faults = oracle.faults(name, payload)
        for _ in range(self._rng.randrange(1, 40)):
            if next(faults, None) is None:
                return

    # ------------------------------------------------------------------ aiming

    def _aim(self, name: str, payload: Payload) -> None:
        """Put what exists in the place of most values that name something."""
        choices = self._choices()
        for place in oracle.places(name, payload):
            member = place.path.rpartition(".")[2]
            if member in choices and place.schema.get("type") in _SIMPLE and self._rng.random() < 0.9:
                place.holder[place.key] = choices[member]()
        if name == "SetVariablesRequest":
            for wanted in payload["setVariableData"]:
                self._aim_at_variable(wanted)
        if name == "RequestStartTransactionRequest" and "chargingProfile" in payload and self._rng.random() < 0.9:
            payload["chargingProfile"] = self._profile("TxProfile")

    def _choices(self) -> dict[str, Callable[[], Any]]:
        def one_of(*values: Any) -> Callable[[], Any]:
            return lambda: self._rng.choice(values)

        return {
            "evseId": one_of(0, 1, 1, 2),
            "id": one_of(0, 1, 2),
            "connectorId": one_of(1),
            "transactionId": self._transaction_id,
            "idToken": one_of(*TOKENS, "CENTRAL-1"),
            "reservationId": one_of(0, 1, 2),
            "versionNumber": one_of(0, 1, 2),
            "duration": one_of(0, 60, 86_400, 2**31 - 1),
            "expiryDateTime": one_of(*TIMES),
        }

    def _transaction_id(self) -> str:
        running = [self._world.station.transactions.running(evse.evse_id) for evse in self._world.plant.evses]
        return self._rng.choice([tx.transaction_id for tx in running if tx is not None] or ["none"])

    def _aim_at_variable(self, wanted: Payload) -> None:
        variable, place = self._rng.choice(
            [
                item
                for item in self._world.station.ctx.variables.items()
                if item.variable.may_be_set and not item.variable.name.startswith(HOLDS_THE_END)
            ]
        )
        evse = {} if place.evse_id is None else {"evse": {"id": place.evse_id}}
        wanted["component"] = {"name": variable.component} | _instance(variable.component_instance) | evse
        wanted["variable"] = {"name": variable.name} | _instance(variable.instance)
        wanted.pop("attributeType", None)
        wanted["attributeValue"] = self._rng.choice((*TEXTS, *variable.values))

    # ------------------------------------------------------------------ what must fit together

    def _profile(self, purpose: str | None = None) -> Payload:
        """A profile that is mostly in order."""
        pick = self._rng.choice
        purpose = purpose or pick(("TxDefaultProfile", "TxDefaultProfile", "TxProfile", "ChargingStationMaxProfile"))
        kind = pick(("Absolute", "Recurring", "Relative"))
        at = sorted({0, *(self._rng.randrange(120) for _ in range(self._rng.randrange(4)))})
        limits = (0.0, 5.9, 6.0, 10.0, 16.0, 32.0, 1e9, 4000.0)
        schedule: Payload = {
            "id": 1,
            "chargingRateUnit": pick(("A", "A", "W")),
            "chargingSchedulePeriod": [{"startPeriod": start, "limit": pick(limits)} for start in at],
        }
        if kind != "Relative":
            schedule["startSchedule"] = pick(TIMES)
        if pick((True, False)):
            schedule["duration"] = pick((0, 30, 3600))
        profile: Payload = {
            "id": self._rng.randrange(4),
            "stackLevel": pick((0, 0, 1, 2)),
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
            "chargingSchedule": [schedule],
        }
        if kind == "Recurring":
            profile["recurrencyKind"] = pick(("Daily", "Weekly"))
        if purpose == "TxProfile":
            profile["transactionId"] = self._transaction_id()
        for bound in ("validFrom", "validTo"):
            if self._rng.random() < 0.2:
                profile[bound] = pick(TIMES)
        return profile

    def _connection(self) -> Payload:
        return {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppInterface": "Wired0",
            "ocppCsmsUrl": self._rng.choice(("ws://csms.test/ocpp", "ws://other.test", "wss://csms.test/ocpp", "x")),
            "messageTimeout": self._rng.choice((1, 30)),
            "securityProfile": self._rng.choice((1, 1, 1, 2)),
        }


_SIMPLE = frozenset({"integer", "number", "string"})


def _instance(name: str | None) -> Payload:
    return {} if name is None else {"instance": name}
