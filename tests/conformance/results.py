"""What became of each case on each way, a line each in build/conformance.jsonl; the pages are made from it."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "build" / "conformance.jsonl"

VIRTUAL, REAL = "virtual", "real"
"""The two ways: on virtual time, and against the real processes."""

PASSED, FAILED = "passed", "failed"


@contextmanager
def recorded(case_id: str, way: str) -> Iterator[None]:
    """Write down how the case ends. A line is one write, so that several test processes may do so at a time."""
    began = time.monotonic()
    outcome = FAILED
    try:
        yield
        outcome = PASSED
    finally:
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("a") as file:
            line = {"case": case_id, "way": way, "outcome": outcome, "seconds": round(time.monotonic() - began, 2)}
            file.write(json.dumps(line) + "\n")


def read_results(text: str) -> Mapping[tuple[str, str], str]:
    """(case id, way) -> its last outcome."""
    lines = (json.loads(line) for line in text.splitlines())
    return {(line["case"], line["way"]): line["outcome"] for line in lines}
