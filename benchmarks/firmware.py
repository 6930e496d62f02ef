"""How fast a bundle is verified, beside `openssl dgst -sha256` over the same file, and in how much memory."""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.table import Row
from firmware import maker
from firmware.disk import Folder
from firmware.keys import KeyList
from firmware.maker_keys import generate, open_key
from firmware.place import Place, Settings, Started
from firmware.slots import Name
from firmware.updating import Updating
from firmware.verify import Device, Verifier

SIZES_MIB = (16, 256)
RUNS = 5
READ_BYTES = 256 * 1024
SPEED_AIM = 0.8
"""Of openssl's speed: the hash is the work, the rest is not to be noticed."""
MEMORY_AIM_MB = 8.0

STAGED_MIB = 64
STAGED_FILES = 1024
STAGED_AIM_S = 30.0


class Verified(msgspec.Struct, frozen=True):
    """MB a second of each run; `extra_mb`: what resident memory grew by from before the first byte to the most."""

    mib: int
    ours: list[float]
    openssl: list[float]
    extra_mb: float


def measure(progress: Callable[[str], None]) -> list[Verified]:
    with tempfile.TemporaryDirectory() as folder:
        return [_measure_one(Path(folder), mib, progress) for mib in SIZES_MIB]


def _measure_one(folder: Path, mib: int, progress: Callable[[str], None]) -> Verified:
    progress(f"verifying a bundle of {mib} MiB, {RUNS} times")
    path = _bundle(folder, _image(folder, mib))
    ours, openssl, extra_mb = [], [], 0.0
    for _ in range(RUNS):
        began = time.monotonic()
        subprocess.run(["openssl", "dgst", "-sha256", path], check=True, capture_output=True)
        openssl.append(path.stat().st_size / 1e6 / (time.monotonic() - began))
        run = subprocess.run([sys.executable, "-m", "benchmarks.firmware", path], check=True, capture_output=True)
        told = json.loads(run.stdout)
        ours.append(path.stat().st_size / 1e6 / told["seconds"])
        extra_mb = max(extra_mb, told["extra_mb"])
    return Verified(mib, ours, openssl, extra_mb)


def _image(folder: Path, mib: int) -> Path:
    with (folder / "image").open("wb") as file:
        for number in range(mib):
            file.write(random.Random(number).randbytes(2**20))
    return folder / "image"


def _bundle(folder: Path, source: Path) -> Path:
    path, key = folder / "bundle", folder / "key.pem"
    signer = open_key(str(key)) if key.exists() else generate(key)
    maker.build(source, maker.Build("bench", ("bench",), "1", 1, "2026-01-01T00:00:00Z"), path)
    maker.sign(path, [signer])
    role = maker.role(1, [signer.public])
    (folder / "keys.json").write_bytes(msgspec.json.encode(KeyList(1, "bench", 1, role, role, ())))
    return path


def verify_once(path: Path) -> dict[str, float]:
    """Seconds, and the growth of memory, of this process."""
    keys = msgspec.json.decode((path.parent / "keys.json").read_bytes(), type=KeyList)
    verifier = Verifier(Device("bench", "bench", keys, 0))
    with path.open("rb") as file:
        file.seek(path.stat().st_size - 1)
        file.read()
        before_kib = most_resident_kib()
        file.seek(0)
        began = time.monotonic()
        while piece := file.read(READ_BYTES):
            verifier.feed(piece)
        verifier.finish()
        seconds = time.monotonic() - began
    return {"seconds": seconds, "extra_mb": (most_resident_kib() - before_kib) * 1024 / 1e6}


def most_resident_kib() -> int:
    """Of this process since its start; getrusage would tell that of its parent, were it more."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def measure_staging(progress: Callable[[str], None]) -> list[float]:
    """Seconds in which an updater verifies a tree of 64 MiB, writes it, and reads it back; each time anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _tree(folder / "tree")
        path = _bundle(folder, folder / "tree")
        keys = msgspec.json.decode((folder / "keys.json").read_bytes(), type=KeyList)
        for each in ("slots", "state"):
            (folder / each).mkdir()
        place = Place(Settings("bench", "bench"), Folder(folder / "slots"), Folder(folder / "state"), keys)
        updating = Updating(place, Started(Name.A, "1", 1, "0" * 64), time.monotonic)
        found = []
        for number in range(1, RUNS + 1):
            progress(f"staging {STAGED_MIB} MiB, {number} of {RUNS}")
            with path.open("rb") as file:
                began = time.monotonic()
                updating.stage(file.fileno())
                found.append(time.monotonic() - began)
        return found


def _tree(folder: Path) -> None:
    """As many files as an application with its libraries has."""
    folder.mkdir()
    for number in range(STAGED_FILES):
        (folder / f"{number:04d}").write_bytes(random.Random(number).randbytes(STAGED_MIB * 2**20 // STAGED_FILES))


def rows(found: list[Verified]) -> list[Row]:
    return [row for each in found for row in _rows_of(each)]


def rows_of_staging(seconds: list[float]) -> list[Row]:
    median = statistics.median(seconds)
    return [
        Row(
            f"Staging a tree of {STAGED_MIB} MiB in {STAGED_FILES} files: verify, write, read back",
            f"{median:.2f} s ({min(seconds):.2f} to {max(seconds):.2f}, {len(seconds)} runs)",
            aim=f"a part of {STAGED_AIM_S:.0f} s for the whole update",
            met=median < STAGED_AIM_S / 2,
        )
    ]


def _rows_of(each: Verified) -> list[Row]:
    ours, openssl = statistics.median(each.ours), statistics.median(each.openssl)
    return [
        Row(
            f"Verifying a bundle of {each.mib} MiB",
            f"{ours:.0f} MB/s ({min(each.ours):.0f} to {max(each.ours):.0f}, {len(each.ours)} runs)",
            f"openssl dgst -sha256, with its start: {openssl:.0f} MB/s",
            f"at least {SPEED_AIM:.0%} of that",
            ours >= SPEED_AIM * openssl,
        ),
        Row(
            "– extra memory",
            f"{each.extra_mb:.1f} MB",
            aim=f"at most {MEMORY_AIM_MB:.0f} MB",
            met=each.extra_mb <= MEMORY_AIM_MB,
        ),
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(verify_once(Path(sys.argv[1]))))
