"""The whole charger among people, cars and faults while the CSMS sends whatever it likes: valid, nearly so, and wrong.

What must hold is what holds in every story; and each CALL gets exactly one valid answer in time, and nothing of ours
breaks. `python -m tests.sim.fuzz --seed 1 --duration 60`.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from chargerd.codec import MAX_BYTES, ErrorCode
from chargerd.ocpp.effects import Severity
from tests.chargerd.ocpp.messages import oracle
from tests.sim.chatter import Chatter, Payload
from tests.sim.invariants import BrokenInvariant, Watch, at_the_end, tell
from tests.sim.story import Author
from tests.sim.world import World

ROUND_S = 60.0
SETTLE_S = 20.0
PEACE_S = 150.0
ANSWER_WITHIN_S = 15.0
"""The longest that an answer may be put off, and its way."""

MOST_CHARACTERS = MAX_BYTES - 100
"""A CALL that is longer has no id that anybody reads."""


class Fuzz:
    """One round from one seed: a story in which the CSMS talks too much."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.world.again = f"make fuzz SEED={seed} DURATION_S=0"
        self.sent = 0
        self._rng = random.Random(seed * 104_729 + 5)
        self._watch = Watch(self.world)
        self._author = Author(self.world, self._watch, self._rng, operator=False)
        self._chatter = Chatter(self.world, self._rng)
        self._asked: dict[str, float] = {}
        self._answers = 0

    def run(self) -> None:
        """Raises BrokenInvariant."""
        self.world.run(5.0, self.look)
        end = self.world.clock.monotonic() + ROUND_S
        while self.world.clock.monotonic() < end:
            if self._rng.random() < 0.3:
                self._author.something_happens()
            self._author.restart_after_reset()
            for _ in range(self._rng.choice((1, 1, 1, 2, 10))):
                self._send(*self._chatter.message())
            self.world.run(self._rng.expovariate(2.0), self.look)
        self._end()
        self.world.close()

    def _send(self, action: str, payload: Payload) -> None:
        if self.world.link == "open" and len(json.dumps(payload)) < MOST_CHARACTERS:
            self.sent += 1
            self.world.diary.append(f"{self.world.clock.monotonic():8.1f} CSMS {action} {str(payload)[:400]}")
            self.world.csms.call(action, payload, self.world.clock.monotonic())

    # ------------------------------------------------------------------ what must hold

    def look(self) -> None:
        """After each step. Raises BrokenInvariant."""
        self._watch.look()
        csms, now_mono = self.world.csms, self.world.clock.monotonic()
        for asked_and_answered in csms.answers[self._answers :]:
            self._check_answer(*asked_and_answered)
        self._answers = len(csms.answers)
        self._asked = {message_id: self._asked.get(message_id, now_mono) for message_id in csms.open_calls}
        for message_id, asked_mono in self._asked.items():
            if now_mono - asked_mono > ANSWER_WITHIN_S + csms.habits.late_s and self.world.station_alive:
                self._broken(f"no answer to {csms.open_calls[message_id]}")
        for note in self.world.notes:
            if note.severity is Severity.ERROR:
                self._broken(f"an error of ours: {note.text}")
        self.world.notes.clear()

    def _check_answer(self, action: str, payload: Payload, answer: list[Any]) -> None:
        if answer[0] == 4:
            if answer[2] not in set(ErrorCode) - {ErrorCode.INTERNAL_ERROR}:
                self._broken(f"{answer} to {action} {payload}")
        elif not oracle.validator_of(f"{action}Request").is_valid(payload):
            self._broken(f"{answer} to {action}, which is not valid: {payload}")
        elif not oracle.validator_of(f"{action}Response").is_valid(answer[2]):
            self._broken(f"{answer} is not valid, to {action} {payload}")

    def _broken(self, what: str) -> None:
        raise BrokenInvariant(tell(self.world, what))

    # ------------------------------------------------------------------ the end

    def _end(self) -> None:
        """Everything is mended, unplugged, set free and ended; then nothing may be left."""
        self._author.peace()
        self._run_on(SETTLE_S)
        asked = [it for it in self.world.csms.answers if it[0] == "ReserveNow" and it[2][0] == 3]
        for number in {payload["id"] for _, payload, _ in asked}:
            self._send("CancelReservation", {"reservationId": number})
        for evse in self.world.plant.evses:
            if (running := self.world.station.transactions.running(evse.evse_id)) is not None:
                self._send("RequestStopTransaction", {"transactionId": running.transaction_id})
        self._run_on(PEACE_S)
        at_the_end(self.world)

    def _run_on(self, seconds: float) -> None:
        def after_each() -> None:
            self._author.restart_after_reset()
            self.look()

        self.world.run(seconds, after_each)


def fuzz(seed: int, duration_s: float, progress: Callable[[str], None] = lambda _text: None) -> int:
    """Rounds from `seed` on, at least one, until `duration_s` have passed on the wall; how many messages were sent.

    Raises BrokenInvariant, which names the seed of its round.
    """
    began_mono, sent, rounds = time.monotonic(), 0, 0
    while rounds == 0 or time.monotonic() - began_mono < duration_s:
        one = Fuzz(seed + rounds)
        one.run()
        sent, rounds = sent + one.sent, rounds + 1
        progress(f"{rounds} rounds, {sent} messages, {time.monotonic() - began_mono:.0f} s")
    return sent


def main() -> int:
    """0 when all rounds went well, 1 with the seed and the diary of the first that did not."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds after which no new round begins")
    options = parser.parse_args()
    try:
        fuzz(options.seed, options.duration, lambda text: print(f"\r{text}", end="", file=sys.stderr, flush=True))
    except BrokenInvariant as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    sys.stderr.write("\nall went well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
