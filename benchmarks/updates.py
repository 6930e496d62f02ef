"""A whole update on the bench, from UpdateFirmware to Installed: real processes, server of files, updater."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.table import Row
from chargerd.bench.machine import Machine
from chargerd.bench.rig import HEALTHY_S, Rig, RigSettings
from chargerd.bench.run import BOARDS

MIB = 64
AIM_S = 30.0
GIVE_UP_S = 120.0
STEPS = ("Downloaded", "SignatureVerified", "InstallRebooting", "Installed")


class Whole(msgspec.Struct, frozen=True):
    """Seconds from the request to each status as the CSMS had it."""

    after_s: dict[str, float]


def measure(progress: Callable[[str], None]) -> Whole:
    progress(f"an update of {MIB} MiB on the bench")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> Whole:
    machine = Machine(folder / "machine", "1.0.0")
    rig = Rig(RigSettings(board=BOARDS / "bench.toml", identity="bench", machine=machine))
    await rig.start()
    try:
        assert rig.csms is not None
        while True:
            if (await rig.do("status", {}))["link"]["registration"] == "Accepted":
                break
            await asyncio.sleep(0.1)
        release = await asyncio.to_thread(rig.updates.request, "good", MIB * 1.048576, "2020-01-01T00:00:00Z")
        began_mono = time.monotonic()
        after_s: dict[str, float] = {}
        await rig.csms.call("UpdateFirmware", release)
        while "Installed" not in after_s:
            if time.monotonic() - began_mono > GIVE_UP_S:
                raise AssertionError(f"not installed within {GIVE_UP_S:g} s; told: {', '.join(after_s)}")
            for seen in list(rig.csms.seen):
                if seen.action == "FirmwareStatusNotification":
                    after_s.setdefault(seen.payload["status"], time.monotonic() - began_mono)
            await asyncio.sleep(0.02)
    finally:
        await rig.stop()
    return Whole(after_s)


def rows(whole: Whole) -> list[Row]:
    steps = ", ".join(f"{step} {whole.after_s[step]:.1f} s" for step in STEPS)
    took_s = whole.after_s["Installed"]
    return [
        Row(
            f"Update of {MIB} MiB on the bench, UpdateFirmware to Installed",
            f"{took_s:.1f} s",
            f"{steps}; {HEALTHY_S:g} s of it the new version shows that it is well",
            f"< {AIM_S:g} s",
            took_s < AIM_S,
        )
    ]
