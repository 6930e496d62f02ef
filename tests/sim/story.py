"""A story from one seed: minutes in the life of a charger where anything may happen, then peace, and then everything
must add up.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hal.sim.faults import Fault
from tests.sim.csms import TOKENS, Habits
from tests.sim.invariants import Watch, at_the_end
from tests.sim.world import World

STORY_S = 150.0
PEACE_S = 90.0
RESERVED_S = 60.0
START_POINTS = ("EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer", "EVConnected,Authorized")
STOP_POINTS = ("EVConnected", "Authorized", "PowerPathClosed", "EVConnected,Authorized")
PASSING_FAULTS = (
    Fault.STALL_METER,
    Fault.FREEZE_METER,
    Fault.GARBLE_METER,
    Fault.TRIP_RCD,
    Fault.CUT_PILOT,
    Fault.SHORT_PILOT,
    Fault.NO_DIODE,
    Fault.GLITCH,
    Fault.FREEZE_READER,
    Fault.OVER_TEMPERATURE,
    Fault.RELAY_STUCK_OPEN,
    Fault.LOCK_JAM,
    Fault.DISTORT_METER,
    Fault.STRAY_CURRENT,
    Fault.TRIP_RCD_DC,
    Fault.RCD_TEST_FAILS,
    Fault.STALL_RCD,
    Fault.PILOT_VOLTS,
    Fault.STALL_PILOT,
    Fault.GRID_LOSS,
    Fault.GRID_VOLTS,
    Fault.CABLE_RESISTOR,
    Fault.EMERGENCY_STOP,
    Fault.OPEN_ENCLOSURE,
    Fault.POWER_FAIL,
    Fault.OUTPUT_VOLTAGE,
    Fault.HOT_PLUG,
    Fault.PHASES_STUCK,
    Fault.PHASES_DROP,
    Fault.EXTERNAL_LIMIT,
    Fault.STALL_EXTERNAL,
    Fault.NO_GROUND,
    Fault.CONTROLLER_FAULT,
    Fault.MISS_HEARTBEAT,
)
HABITS: tuple[tuple[str, ...], ...] = (
    (), (), (), (), (), (), ("slow_to_follow",), ("stops_slowly",), ("never_stops",), ("ignores_limit",), ("bounces",),
    ("sleeps",), ("sleeps_deep",), ("bcb",), ("one_phase",), ("ventilation",), ("no_diode",), ("eager",),
)  # fmt: skip


def tell_story(seed: int) -> World:
    """Live through the story of `seed`. Raises BrokenInvariant; returns the world for those who want to look."""
    rng = random.Random(seed * 7919 + 17)
    world = World(seed, overrides=_settings(rng), tick_s=rng.choice((0.05, 0.1, 0.1, 0.2)))
    watch = Watch(world)
    world.csms.habits = Habits(
        mute=rng.choice((0.0, 0.0, 0.03)),
        error=rng.choice((0.0, 0.0, 0.05)),
        double=rng.choice((0.0, 0.1)),
        late_s=rng.choice((0.1, 0.5, 2.0)),
    )
    author = Author(world, watch, rng)
    world.run(5.0, watch.look)
    end = world.clock.monotonic() + STORY_S
    while world.clock.monotonic() < end:
        author.something_happens()
        world.run(rng.expovariate(0.4), watch.look)
    author.peace()

    def look() -> None:
        author.restart_after_reset()
        watch.look()

    world.run(PEACE_S, look)
    at_the_end(world)
    world.close()
    return world


def _settings(rng: random.Random) -> dict[str, str]:
    return {
        "TxCtrlr.TxStartPoint": rng.choice(START_POINTS),
        "TxCtrlr.TxStopPoint": rng.choice(STOP_POINTS),
        "TxCtrlr.StopTxOnInvalidId": rng.choice(("true", "false")),
        "TxCtrlr.StopTxOnEVSideDisconnect": "true",
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": rng.choice(("true", "false")),
        "AuthCtrlr.AuthorizeRemoteStart": rng.choice(("true", "false")),
    }


class Author:
    """Decides what happens next."""

    def __init__(self, world: World, watch: Watch, rng: random.Random, *, operator: bool = True) -> None:
        """`operator`: whether somebody asks for things by the CSMS, too."""
        self._world = world
        self._watch = watch
        self._rng = rng
        self._operator = operator
        self._profile_id = 0
        self._read_answers = 0
        self._happenings: list[tuple[int, Callable[[], None]]] = [
            (14, self._car),
            (8, self._card),
            (6, self._car_changes_its_mind),
            (5 * operator, self._profile),
            (3 * operator, self._remote),
            (3, self._fault),
            (3, self._link),
            (2 * operator, self._ask),
            (2, self._user_limit),
            (2 * operator, self._reservation),
            (1 * operator, self._availability),
            (1 * operator, self._reset),
            (1, self._process_dies),
            (1, self._garbage),
            (1, self._wall_clock),
        ]

    def something_happens(self) -> None:
        """One happening, likely ones more often; answers of the station are taken note of."""
        self.restart_after_reset()
        if self._operator:
            self._read()
        weights = [weight for weight, _ in self._happenings]
        self._rng.choices([happening for _, happening in self._happenings], weights)[0]()

    def restart_after_reset(self) -> None:
        """What systemd does with a station that ended because the CSMS wanted it to."""
        if not self._world.station_alive:
            self._world.do("station restarted", self._world.revive)

    def peace(self) -> None:
        """Everything is mended, unplugged and connected."""
        self._world.diary.append(f"{self._world.clock.monotonic():8.1f} peace")
        self._world.calm()
        for evse in self._world.plant.evses:
            for fault in list(evse.faults):
                evse.clear_fault(fault)
            if evse.vehicle is not None:
                evse.plug_out(force=True)
        for evse in self._world.plant.evses:
            self._world.limit(evse.evse_id, None, None)

    # ------------------------------------------------------------------ people, cars and things

    def _evse_id(self) -> int:
        return self._rng.choice((1, 1, 2))

    def _car(self) -> None:
        evse = self._world.plant.evses[self._evse_id() - 1]
        if evse.vehicle is None:
            quirks = self._rng.choice(HABITS)
            phases = self._rng.choice((1, 3))
            self._world.do(f"plug in {evse.evse_id} {quirks}", lambda: evse.plug_in(32.0, phases, quirks))
            if self._rng.random() < 0.7:
                self._world.do(f"ready {evse.evse_id}", evse.ev_ready)
        elif self._rng.random() < 0.4:
            force = self._rng.random() < 0.2
            self._world.do(f"plug out {evse.evse_id}{' by force' * force}", lambda: evse.plug_out(force))
        else:
            self._world.do(f"ready {evse.evse_id}", evse.ev_ready)

    def _card(self) -> None:
        evse = self._world.plant.evses[self._evse_id() - 1]
        uid = self._rng.choice((*TOKENS, "04A1B2C3", "04A1B2C3"))
        self._world.do(f"card {uid} at {evse.evse_id}", lambda: evse.present_token(uid))

    def _car_changes_its_mind(self) -> None:
        evse = self._world.plant.evses[self._evse_id() - 1]
        if evse.vehicle is None:
            return
        amps = float(self._rng.randint(0, 32))
        self._rng.choice(
            (
                lambda: self._world.do(f"car pauses {evse.evse_id}", evse.ev_pause),
                lambda: self._world.do(f"car resumes {evse.evse_id}", evse.ev_resume),
                lambda: self._world.do(f"car wants {amps} A at {evse.evse_id}", lambda: evse.ev_draw(amps)),
            )
        )()

    def _fault(self) -> None:
        evse = self._world.plant.evses[self._evse_id() - 1]
        if evse.faults:
            for fault in list(evse.faults):
                self._world.do(f"mended {fault} at {evse.evse_id}", partial(evse.clear_fault, fault))
            return
        fault = self._rng.choice(PASSING_FAULTS)
        self._world.do(f"fault {fault} at {evse.evse_id}", lambda: evse.fault(fault))

    def _user_limit(self) -> None:
        if not self._world.station_alive:
            return
        evse_id, amps = self._evse_id(), self._rng.choice((None, 0.0, 6.0, 8.0, 20.0))
        for_s = self._rng.choice((None, 20.0))
        self._world.do(
            f"user limits {evse_id} to {amps} A for {for_s} s", lambda: self._world.limit(evse_id, amps, for_s)
        )

    def _wall_clock(self) -> None:
        by_s = self._rng.choice((-3600.0, -10.0, 10.0, 86400.0))
        self._world.do(f"wall clock set by {by_s} s", lambda: self._world.set_wall_clock(by_s))

    # ------------------------------------------------------------------ network and processes

    def _link(self) -> None:
        self._world.link_allowed = self._rng.random() < 0.6
        self._world.do(f"link lost, allowed {self._world.link_allowed}", self._world.link_lost)

    def _process_dies(self) -> None:
        if not (self._world.control_alive and self._world.station_alive):
            self._world.do("processes revived", self._world.revive)
            return
        match self._rng.choice(("station", "control", "both")):
            case "station":
                self._world.kill_station()
            case "control":
                self._world.kill_control()
            case _:
                self._world.kill_control()
                self._world.kill_station()
        self._world.run(self._rng.uniform(0.2, 4.0), self._watch.look)
        self._world.do("processes revived", self._world.revive)

    def _garbage(self) -> None:
        self._world.do("garbage from the CSMS", lambda: self._world.csms.garbage(self._world.clock.monotonic()))

    # ------------------------------------------------------------------ the operator

    def _call(self, action: str, payload: dict[str, Any]) -> None:
        if self._world.link == "open":
            self._world.do(
                f"CSMS {action} {payload}",
                lambda: self._world.csms.call(action, payload, self._world.clock.monotonic()),
            )

    def _profile(self) -> None:
        evse_id = self._evse_id()
        self._watch.uncap(evse_id)
        if self._rng.random() < 0.25:
            criteria = {"evseId": evse_id, "chargingProfilePurpose": "TxDefaultProfile"}
            self._call("ClearChargingProfile", {"chargingProfileCriteria": criteria})
            return
        amps = self._rng.choice((0.0, 3.0, 6.0, 8.0, 10.0, 16.0, 32.0))
        self._call("SetChargingProfile", {"evseId": evse_id, "chargingProfile": default_profile(evse_id, amps)})

    def _remote(self) -> None:
        running = [self._world.station.transactions.running(evse.evse_id) for evse in self._world.plant.evses]
        ids = [tx.transaction_id for tx in running if tx is not None]
        if ids and self._rng.random() < 0.5:
            self._call("RequestStopTransaction", {"transactionId": self._rng.choice(ids)})
        else:
            token = {"idToken": self._rng.choice(("CENTRAL-1", "CENTRAL-2")), "type": "Central"}
            self._profile_id += 1
            payload = {"evseId": self._evse_id(), "idToken": token, "remoteStartId": self._profile_id}
            self._call("RequestStartTransaction", payload)

    def _ask(self) -> None:
        self._profile_id += 1
        action, payload = self._rng.choice(
            (
                ("GetBaseReport", {"requestId": self._profile_id, "reportBase": "FullInventory"}),
                ("GetCompositeSchedule", {"evseId": self._evse_id(), "duration": 600}),
                ("TriggerMessage", {"requestedMessage": "MeterValues"}),
                ("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}),
                ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
                ("GetTransactionStatus", {}),
                ("GetLocalListVersion", {}),
                ("UnlockConnector", {"evseId": self._evse_id(), "connectorId": 1}),
                ("GetChargingProfiles", {"requestId": self._profile_id, "chargingProfile": {}}),
                ("SetChargingProfile", {"evseId": 1}),
            )
        )
        self._call(action, payload)

    def _availability(self) -> None:
        status = self._rng.choice(("Operative", "Operative", "Inoperative"))
        payload: dict[str, Any] = {"operationalStatus": status}
        if self._rng.random() < 0.6:
            payload["evse"] = {"id": self._evse_id()}
        self._call("ChangeAvailability", payload)

    def _reservation(self) -> None:
        reservation_id = self._rng.choice((1, 2, 3))
        if self._rng.random() < 0.2:
            self._call("CancelReservation", {"reservationId": reservation_id})
            return
        expiry = self._world.clock.now().utc + timedelta(seconds=self._rng.uniform(1.0, RESERVED_S))
        payload: dict[str, Any] = {
            "id": reservation_id,
            "expiryDateTime": expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "idToken": {"idToken": self._rng.choice(tuple(TOKENS)), "type": "ISO14443"},
        }
        where = self._rng.choice(({"evseId": self._evse_id()}, {"connectorType": "cType2"}, {}))
        self._call("ReserveNow", payload | where)

    def _reset(self) -> None:
        payload: dict[str, Any] = {"type": self._rng.choice(("Immediate", "OnIdle"))}
        if self._rng.random() < 0.6:
            payload["evseId"] = self._evse_id()
        self._call("Reset", payload)

    def _read(self) -> None:
        """A default profile that was accepted is a promise to be watched."""
        for action, payload, answer in self._world.csms.answers[self._read_answers :]:
            if action == "SetChargingProfile" and "chargingProfile" in payload and answer[0] == 3:
                period = payload["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]
                if answer[2]["status"] == "Accepted" and self._is_latest(payload):
                    self._watch.cap(payload["evseId"], period["limit"])
        self._read_answers = len(self._world.csms.answers)

    def _is_latest(self, payload: dict[str, Any]) -> bool:
        """Whether no younger profile call for the same EVSE is still open or was answered later."""
        young = [asked for action, asked in self._world.csms.open_calls.values() if action.endswith("ChargingProfile")]
        later = self._world.csms.answers[self._read_answers :]
        return not young and [asked for action, asked, _ in later if action.endswith("ChargingProfile")][-1] is payload


def default_profile(evse_id: int, amps: float) -> dict[str, Any]:
    """A TxDefaultProfile of one period."""
    return {
        "id": 100 + evse_id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [
            {
                "id": 1,
                "startSchedule": datetime(2020, 1, 1, tzinfo=UTC).isoformat().replace("+00:00", "Z"),
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
            }
        ],
    }
