"""Keeps the plant in a file beside its desk, so that the world outlives the process that simulates it.

No real car vanishes because the control process was killed: what is plugged in, how hungry it is, what is broken and
what the meters have counted are there again when the next process opens the same desk. Contacts are open then, as
every board's are. Whoever wants it puts an empty file there first.
"""

from pathlib import Path

import msgspec

from hal.sim.faults import PlantRefusal
from hal.sim.pictures import EvsePlantState, PlantState
from hal.sim.plant import Plant
from hal.types import DeviceMissing

SUFFIX = ".world"

SAVE_EVERY_S = 0.25
"""Well inside the second for which the plant lets a meter run on when it is restored (plant.py)."""


class WorldFile:
    """The file of one plant, the desk's path with SUFFIX behind it; without that file nothing is kept.

    A symbolic link stays one: its target is written.
    """

    def __init__(self, plant: Plant, desk: Path) -> None:
        self._plant = plant
        self._path = desk.with_name(desk.name + SUFFIX).resolve()
        self._saved: tuple[EvsePlantState, ...] = ()
        self.is_kept = self._path.exists()

    def restore(self) -> None:
        """Bring back what the file holds. Raises DeviceMissing when it does not fit this plant."""
        try:
            raw = self._path.read_bytes() if self.is_kept else b""
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if not raw:
            return
        try:
            self._plant.restore(msgspec.json.decode(raw, type=PlantState))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, PlantRefusal) as error:
            raise self._unusable(str(error)) from error

    def save(self) -> None:
        """Write the plant down if anything about it changed. Raises OSError."""
        if not self.is_kept:
            return
        state = self._plant.state()
        if state.evses == self._saved:
            return
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(msgspec.json.encode(state))
        beside.replace(self._path)
        self._saved = state.evses

    def _unusable(self, why: str) -> DeviceMissing:
        return DeviceMissing("plant", f"cannot restore {self._path} ({why}); delete the file to begin with a new world")
