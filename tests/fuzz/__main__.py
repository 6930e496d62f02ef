"""Coverage-guided fuzzing of everything that takes bytes from outside: `make fuzz SEED=1 DURATION_S=60`.

Each target runs in a process of its own with the same share of the time, two side by side. What it found worth keeping
stays in build/fuzz/NAME for the next run, which begins with tests/fuzz/corpus/NAME besides; `--keep` merges that into
the corpus. A finding is written to build/fuzz/NAME.finding-* and named.
"""

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).with_name("corpus")
FOUND = ROOT / "build/fuzz"
SIDE_BY_SIDE = 2
MAX_INPUT_BYTES = 4096
INPUT_WITHIN_S = 10
"""An input that takes longer is a finding: it hangs."""

MEMORY_MB = 1024
GROWTH_MB = 64
"""So much more memory at the end than after the first quarter is a finding: it grows."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one target. `finding`: what was found; empty: nothing."""

    name: str
    runs: int
    seconds: float
    covered: int
    rss_mb: int
    finding: str


def fuzz(name: str, seed: int, duration_s: float) -> Result:
    """One target for so long."""
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(folder), str(CORPUS / name)]
    options = {
        "seed": seed,
        "max_total_time": max(1, round(duration_s)),
        "max_len": MAX_INPUT_BYTES,
        "timeout": INPUT_WITHIN_S,
        "rss_limit_mb": MEMORY_MB,
        "artifact_prefix": f"{FOUND}/{name}.finding-",
    }
    began_mono = time.monotonic()
    command += [f"-{key}={value}" for key, value in options.items()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return told(name, done.returncode, done.stdout + done.stderr, time.monotonic() - began_mono)


def told(name: str, code: int, output: str, seconds: float) -> Result:
    """What libFuzzer's output says."""
    lines = [[int(each) for each in found] for found in re.findall(r"#(\d+)\s.*?cov: (\d+).*?rss: (\d+)Mb", output)]
    runs, covered, rss_mb = lines[-1] if lines else (0, 0, 0)
    finding = ""
    if code != 0:
        named = re.findall(r"^(?:\w+Error|\w+Exception|==\d+== ERROR|[A-Z]\w+): .*$", output, re.MULTILINE)
        wrote = re.findall(r"Test unit written to (\S+)", output)
        finding = "; ".join([*(named[-1:] or [f"exit code {code}"]), *wrote])
    elif lines and (grown_mb := rss_mb - next(rss for _, _, rss in lines[len(lines) // 4 :])) > GROWTH_MB:
        finding = f"it grew by {grown_mb} MB"
    return Result(name, runs, seconds, covered, rss_mb, finding)


def keep(name: str) -> int:
    """Merge what was found into the committed corpus, the least that covers as much; how many inputs that has."""
    command = [sys.executable, "-m", "tests.fuzz.one", name, "-merge=1", str(CORPUS / name), str(FOUND / name)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return len(list((CORPUS / name).iterdir()))


def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds for all targets together")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--keep", action="store_true", help="merge what was found into tests/fuzz/corpus")
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    share_s = options.duration * min(SIDE_BY_SIDE, len(names)) / len(names)
    print(f"{len(names)} targets, {share_s:.0f} s each", flush=True)
    total, found = 0, []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for result in pool.map(lambda name: fuzz(name, options.seed, share_s), names):
            total += result.runs
            rate = result.runs / result.seconds
            print(
                f"{result.name:18} {result.runs:>10,} runs {rate:>8,.0f}/s  {result.covered:>5} edges"
                f"  {result.rss_mb:>4} MB  {result.finding or 'nothing found'}",
                flush=True,
            )
            found += [result] if result.finding else []
    print(f"{total:,} runs in all, {len(found)} findings")
    if options.keep:
        for name in names:
            print(f"{name:18} {keep(name)} inputs kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
