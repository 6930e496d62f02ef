"""A station in mid-charge that is told whatever a fuzzer comes up with, and what must hold of its answers."""

import json

from chargerd.codec import ErrorCode
from chargerd.ocpp.effects import MakeKey, Note, Reboot, Severity
from chargerd.ocpp.events import KeyMade, Received
from tests.chargerd.ocpp.building import Rig
from tests.fuzz.targets import expect

RENEW_AFTER = 3000
"""Frames that one station hears: what piles up belongs to the test, and a new one begins from a known state."""


class StationStand:
    """`say` hands it bytes as the link would: text frames only, which are UTF-8."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._rig = Rig()
        self._rig.status()
        self._rig.plug_in()
        self._rig.tap()
        self._rig.charge()
        self._heard = 0

    def say(self, data: bytes) -> None:
        """Raises FindingError, or whatever escapes from the station."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return  # the WebSocket library ends the link
        rig = self._rig
        rig.frames.clear()
        rig.effects.clear()
        rig.feed(Received(text))
        for order in [effect for effect in rig.effects if isinstance(effect, MakeKey)]:
            rig.feed(KeyMade(order.request_id, key_id=f"key-{self._heard}", csr_pem="a request"))
        self._heard += 1
        answers = [frame for frame in map(json.loads, rig.frames) if frame[0] in {3, 4}]
        expect(len(answers) <= 1, f"{len(answers)} answers to one frame")
        for kind, *rest in answers:
            expect(len(rest) == (2 if kind == 3 else 4), "an answer of another length")
            expect(kind == 3 or rest[1] in set(ErrorCode) - {ErrorCode.INTERNAL_ERROR}, f"an error of ours: {rest}")
        for effect in rig.effects:
            if isinstance(effect, Note):
                expect(effect.severity is not Severity.ERROR, f"an error of ours: {effect.text}")
        if self._heard >= RENEW_AFTER or any(isinstance(effect, Reboot) for effect in rig.effects):
            self._begin()
