"""What must hold after every step of every story, and at its end. Each check names what it saw."""

import json
from collections.abc import Iterable
from typing import Any

from chargerd.codec import CodecError, decode
from chargerd.evse.types import PilotState
from chargerd.limits import MIN_AMPS
from chargerd.ocpp.messages import ACTIONS
from hal.sim.faults import Fault
from tests.sim.csms import GARBAGE_IDS
from tests.sim.world import World

SOFT_STOP_S = 6.0
"""How long a contactor may stay closed after the offer ended (IEC 61851-1 table A.6: the vehicle gets its time to
stop).
"""

SLACK_S = 0.5
"""Two ticks of the slowest story, contactor travel and the age of the last snapshot."""

OBEYS_WITHIN_S = 3.0
"""A limit that the CSMS was told is accepted must be on the pilot after this time."""


class BrokenInvariant(AssertionError):
    """A story went wrong: seed, second, rule and what was seen; the diary tells how it came to that."""


class Watch:
    """Looks at a world after each step and remembers what it needs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._closing_allowed = {evse.evse_id: float("-inf") for evse in world.plant.evses}
        self._alive_mono = world.clock.monotonic()
        self._replies: dict[str, int] = {}
        self._seen_out = 0
        self._caps: dict[int, tuple[float, float]] = {}

    def look(self) -> None:
        """All rules that hold at every instant. Raises BrokenInvariant."""
        now_mono = self._world.clock.monotonic()
        if self._world.control_alive:
            self._alive_mono = now_mono
        for plant_evse in self._world.plant.evses:
            self._contactor(plant_evse.evse_id, now_mono)
            self._offer(plant_evse.evse_id)
        self._frames()
        if self._world.csms.problems:
            self._broken(f"protocol: {self._world.csms.problems[0]}")

    def cap(self, evse_id: int, amps: float) -> None:
        """The CSMS was told that this default profile is accepted: from soon on never more than `amps`."""
        self._caps[evse_id] = (self._world.clock.monotonic() + OBEYS_WITHIN_S, amps)

    def uncap(self, evse_id: int) -> None:
        """The profile is about to go."""
        self._caps.pop(evse_id, None)

    def _contactor(self, evse_id: int, now_mono: float) -> None:
        """Closed contacts need a reason that is at most a soft stop old; a dead control process none older than its
        lease.
        """
        evse = self._world.plant.evses[evse_id - 1]
        status = self._world.loop_status(evse_id)
        if status is not None and self._world.control_alive and not status.why_not:
            self._closing_allowed[evse_id] = now_mono
            if status.relay_commanded and status.pilot_state not in {PilotState.C, PilotState.D}:
                self._broken(f"EVSE {evse_id}: contactor commanded closed in pilot state {status.pilot_state}")
        if Fault.WELD_RELAY in evse.faults or not evse.contacts_closed:
            return
        if now_mono - self._closing_allowed[evse_id] > SOFT_STOP_S + SLACK_S + self._world.tick_s:
            why = "unknown" if status is None else status.why_not
            self._broken(f"EVSE {evse_id}: contacts closed although nothing allows it (why_not {why})")
        if now_mono - self._alive_mono > 1.0 + SLACK_S + self._world.tick_s:
            self._broken(f"EVSE {evse_id}: contacts closed {now_mono - self._alive_mono:.1f} s after control died")

    def _offer(self, evse_id: int) -> None:
        """What the pilot offers is 0 or at least 6 A, and never above any row of the table nor above what the CSMS
        said.
        """
        status = self._world.loop_status(evse_id)
        if status is None or status.offered_amps == 0:
            return
        if not status.offered_amps >= MIN_AMPS - 0.01:
            self._broken(f"EVSE {evse_id}: offers {status.offered_amps} A, less than a pilot can say")
        for limit in status.limits:
            if status.offered_amps > limit.amps + 0.01:
                self._broken(f"EVSE {evse_id}: offers {status.offered_amps} A above {limit}")
        since_mono, amps = self._caps.get(evse_id, (float("inf"), 0.0))
        if (
            self._world.clock.monotonic() > since_mono
            and status.offered_amps > amps + 0.01
            and self._world.both_alive_for(5)
        ):
            self._broken(f"EVSE {evse_id}: offers {status.offered_amps} A although the CSMS said {amps} A")

    def _frames(self) -> None:
        """Every frame is well-formed, and there is one reply to each call, never one without."""
        for text in self._world.messages_out[self._seen_out :]:
            message = json.loads(text)
            if message[0] == 2:
                self._valid(message)
            if message[0] in {3, 4} and message[1] not in GARBAGE_IDS:
                self._replies[message[1]] = self._replies.get(message[1], 0) + 1
                if self._replies[message[1]] > 1:
                    self._broken(f"two replies to {message[1]}")
        self._seen_out = len(self._world.messages_out)

    def _valid(self, message: list[Any]) -> None:
        """What the station sends obeys its own strict decoder, lengths and ranges included."""
        try:
            decode(ACTIONS[message[2]], json.dumps(message[3]))
        except CodecError as error:
            self._broken(f"sent an invalid {message[2]}: {error.path}: {error.why}")

    def _broken(self, what: str) -> None:
        raise BrokenInvariant(tell(self._world, what))


def at_the_end(world: World) -> None:
    """After everybody behaved for long enough: nothing is lost, nothing is open, every transaction is whole."""
    for evse in world.plant.evses:
        if evse.contacts_closed:
            raise BrokenInvariant(tell(world, f"EVSE {evse.evse_id}: contacts still closed"))
        running = world.station.transactions.running(evse.evse_id)
        if running is not None:
            raise BrokenInvariant(tell(world, f"EVSE {evse.evse_id}: {running} never ended"))
        status = str(world.station.availability.status(evse.evse_id))
        if status not in {"Available", "Unavailable", "Reserved"}:
            raise BrokenInvariant(tell(world, f"EVSE {evse.evse_id}: connector is {status} with nothing plugged in"))
    if world.station.ctx.outbox.pending():
        raise BrokenInvariant(tell(world, f"{world.station.ctx.outbox.pending()} messages were never delivered"))
    for transaction_id, events in transactions(world.csms.told).items():
        check_transaction(world, transaction_id, events)


def transactions(told: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Events by transaction in order of arrival; a repetition of the very same event (its answer was lost) counts
    once.
    """
    by_id: dict[str, list[dict[str, Any]]] = {}
    for event in told:
        events = by_id.setdefault(event["transactionInfo"]["transactionId"], [])
        if events and without_offline(events[-1]) == without_offline(event):
            continue
        events.append(event)
    return by_id


def without_offline(event: dict[str, Any]) -> dict[str, Any]:
    """The event without the flag that a lost link may set between two transmissions (E11.FR.07)."""
    return {key: value for key, value in event.items() if key != "offline"}


def check_transaction(world: World, transaction_id: str, events: list[dict[str, Any]]) -> None:
    """Started first, Ended last, each once; seqNo without a gap; the register never runs backwards."""
    kinds = [event["eventType"] for event in events]
    if kinds[0] != "Started" or kinds[-1] != "Ended" or kinds.count("Started") != 1 or kinds.count("Ended") != 1:
        raise BrokenInvariant(tell(world, f"transaction {transaction_id}: {kinds}"))
    numbers = [event["seqNo"] for event in events]
    if numbers != list(range(len(events))):
        raise BrokenInvariant(tell(world, f"transaction {transaction_id}: seqNo {numbers}"))
    registers = [value for event in events[:-1] for value in energy_registers(event)]
    if registers != sorted(registers):
        raise BrokenInvariant(tell(world, f"transaction {transaction_id}: register ran backwards {registers}"))
    ended = energy_registers(events[-1])
    if ended and registers and max(ended) < registers[-1]:
        raise BrokenInvariant(tell(world, f"transaction {transaction_id}: ends at {ended}, was at {registers[-1]}"))


def energy_registers(event: dict[str, Any]) -> list[float]:
    """The total import registers in an event, in Wh."""
    return [
        sample["value"]
        for meter_value in event.get("meterValue", ())
        for sample in meter_value["sampledValue"]
        if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register"
        and "phase" not in sample
    ]


def tell(world: World, what: str) -> str:
    """What went wrong, where to find it again, and the end of the diary."""
    diary = "\n  ".join(world.diary[-25:])
    head = f"seed {world.seed} at {world.clock.monotonic():.1f} s: {what}"
    return f"{head}\n  {diary}\nagain: {world.again}"
