"""`python -m tools.mutation [PATTERN ...]`: does every small change of the charging core break one of its tests?

mutmut makes the changes and runs the tests that reach each; this runs mutmut, says how far it is, and ends with the
score and the changes that no test minded, to be compared with docs/mutation.md. About half an hour for all.
"""

import collections
import os
import re
import subprocess
import sys
import time
from pathlib import Path

MUTMUT = Path(sys.executable).with_name("mutmut")
CHILDREN = 2
SAY_EVERY_S = 30.0
_COUNT = re.compile(rb"(\d+)/(\d+)")
_RESULT = re.compile(r"\s*(\S+): (.+)")


def main(patterns: list[str]) -> int:
    """The exit code: 0 when the run came to its end."""
    if code := run(patterns):
        return code
    results = subprocess.run([MUTMUT, "results", "--all", "true"], check=True, capture_output=True, text=True).stdout
    found = [(match[1], match[2]) for line in results.splitlines() if (match := _RESULT.fullmatch(line))]
    sys.stdout.write(report(found))
    return 0


def run(patterns: list[str]) -> int:
    """Run mutmut, saying now and then how far it is; its exit code."""
    process = subprocess.Popen([MUTMUT, "run", "--max-children", str(CHILDREN), *patterns], stdout=subprocess.PIPE)
    assert process.stdout is not None
    tail, said = b"", time.monotonic()
    while chunk := os.read(process.stdout.fileno(), 65536):
        tail = (tail + chunk)[-2000:]
        counts = _COUNT.findall(tail)
        if counts and time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            sys.stderr.write(f"mutation: {counts[-1][0].decode()} of {counts[-1][1].decode()}\n")
    code = process.wait()
    if code:
        sys.stderr.write(tail.decode(errors="replace") + "\n")
    return code


def report(found: list[tuple[str, str]]) -> str:
    """Score by file, and what survived. `found`: (mutant, what became of it)."""
    by_file: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for name, became in found:
        by_file[name.partition(".x")[0]][became] += 1
    lines = []
    total: collections.Counter[str] = collections.Counter()
    for file, counts in sorted(by_file.items()):
        lines.append(f"{file:40} {told(counts)}")
        total += counts
    lines.append(f"{'all':40} {told(total)}")
    lines += [f"survived: {name}" for name, became in sorted(found) if became in {"survived", "no tests"}]
    return "\n".join(lines) + "\n"


def told(counts: collections.Counter[str]) -> str:
    """`150 of 152 (98.7 %)`: those that a test failed on, of all that were made."""
    caught = counts["killed"] + counts["timeout"] + counts["segfault"]
    made = sum(counts.values())
    return f"{caught} of {made} ({100 * caught / made:.1f} %)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
