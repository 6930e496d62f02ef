"""The machine under a station on the bench, as far as updates know it: slots in directories, a launcher at each start,
and the updater. All of that is the real code of firmware/; only who starts it is the bench.
"""

import os
import time
from pathlib import Path

import msgspec

from chargerd.bench.maker import HARDWARE, PRODUCT, Maker
from firmware import slots
from firmware.launcher import Launch
from firmware.place import Place, Settings, Started, open_place, say_started
from firmware.slots import Name
from firmware.updating import Updating

MOST_PAYLOAD_BYTES = 256 * 1024 * 1024
FIRST_SECURITY_VERSION = 2
"""So that there are lower ones."""

SETTINGS, SOCKET = "firmware.toml", "updater.sock"


class Machine:
    """Its files are in `folder`; a version of the software is installed and good."""

    def __init__(self, folder: Path, first_version: str) -> None:
        """Everything is made anew, the maker's keys too."""
        for name in ("slots", "state", "run", "bundles"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        self.maker = Maker(folder / "bundles")
        self.settings = Settings(
            PRODUCT,
            HARDWARE,
            key_list=str(folder / "keys"),
            slots_dir=str(folder / "slots"),
            state_dir=str(folder / "state"),
            run_dir=str(folder / "run"),
            users=(),
            most_payload_bytes=MOST_PAYLOAD_BYTES,
        )
        (folder / "keys").write_bytes(self.maker.key_list.encode())
        self.settings_file.write_text(_toml(self.settings))
        self._install_first(first_version)
        self.start()

    @property
    def settings_file(self) -> Path:
        """What /etc/chargerd/firmware.toml is on a device."""
        return self.folder / SETTINGS

    @property
    def socket(self) -> Path:
        """Where the updater listens."""
        return self.folder / SOCKET

    def start(self) -> Started:
        """The start of the machine: the launcher proves a slot and says which. The bench does not execute what is in
        it, and does not ask whether others could write the launcher's own code: this one is the developer's.
        """
        launch = Launch(self.place())
        started = launch.choose()
        say_started(self.settings, started)
        return started

    def place(self) -> Place:
        """The slots and the updater's memory."""
        return open_place(self.settings)

    def _install_first(self, version: str) -> None:
        """As in the factory, where nothing runs yet."""
        release = self.maker.release(version, FIRST_SECURITY_VERSION)
        place = self.place()
        updating = Updating(place, Started(Name.B, "", 0, "0" * 64), time.monotonic)
        file = os.open(release.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            updating.activate(updating.stage(file).manifest_sha256)
        finally:
            os.close(file)
        place.save(slots.confirmed(place.record(), Name.A))
        place.floor.raise_to(FIRST_SECURITY_VERSION)
        release.file.unlink()


def _toml(settings: Settings) -> str:
    """JSON's escapes are a subset of those of TOML."""
    fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in fields.items())
