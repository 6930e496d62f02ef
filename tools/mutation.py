"""`python -m tools.mutation [--quick] [PATTERN ...]`: does every small change of the charging core break a test of it?

mutmut makes the changes. They are run here, for mutmut's own way takes seven times as long: the tests are collected
once, each change gets a fork of that process in which the code of one function is another, and the first test that
fails ends it. Each change meets the tests of its file first, what these let pass the other quick ones, and what is left
then the slow ones, unless --quick. Ends with the score and with the changes that no test
minded, to be compared with docs/mutation.md.
"""

import collections
import difflib
import fnmatch
import functools
import importlib
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import pytest
from mutmut.mutation.file_mutation import mutate_file_contents

FILES = (*sorted(Path("chargerd/evse").glob("*.py")), Path("chargerd/limits.py"))
TESTS = ("tests/evse", "tests/chargerd/evse", "tests/chargerd/test_limits.py")
CHILDREN = 2
SAY_EVERY_S = 30.0

SLOW_S = 1.0
"""A test that takes more processor seconds is a slow one."""

HANGS_TIMES = 20.0
HANGS_S = 5.0
"""A test that takes so many times its usual processor seconds, and these on top, has been made to hang."""

MEMORY_BYTES = 2 << 30


class Became(IntEnum):
    """What became of a change: the exit code of its process."""

    SURVIVED = 0
    CAUGHT = 1
    HUNG = 2


@dataclass(frozen=True)
class Change:
    """One change: its `name` by mutmut, the function that it changes, what that becomes, and how its text differs."""

    name: str
    function: types.FunctionType
    changed: types.FunctionType
    difference: str

    @property
    def file(self) -> str:
        """The module of the changed function."""
        return self.name.partition(".x")[0]

    def apply(self) -> None:
        """From now on, in this process."""
        self.function.__code__ = self.changed.__code__
        self.function.__defaults__ = self.changed.__defaults__


class Stage(StrEnum):
    """Which tests a change meets together, if those before let it pass."""

    OWN = "tests of their own files"
    QUICK = "quick tests"
    SLOW = "slow tests"


class Run:
    """Plugin of pytest that runs the collected tests once as they are, and then against each change."""

    def __init__(self, changes: list[Change], quick: bool) -> None:
        self.became: dict[str, Became] = {}
        self._changes = changes
        self._quick = quick
        self._tests: list[pytest.Item] = []
        self._durations_s: dict[pytest.Item, float] = {}
        self._failed = False
        self._last_test = RawArray("i", len(changes))  # shared with the children: numbers of test, by number of change
        self._finders: dict[types.FunctionType, list[pytest.Item]] = collections.defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a failure, be it in the test or round it."""
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        if session.testsfailed:
            raise session.Interrupted("not all tests could be collected")
        self._tests = session.items
        for test in self._tests:
            begin_s = time.process_time()
            run_one(test)
            self._durations_s[test] = time.process_time() - begin_s
            if self._failed:
                raise session.Interrupted(f"{test.nodeid} fails without any change")
        for stage in Stage:
            if stage is not Stage.SLOW or not self._quick:
                self._run_stage(stage)
        return True

    def _run_stage(self, stage: Stage) -> None:
        left = [change for change in self._changes if self.became.get(change.name, Became.SURVIVED) is Became.SURVIVED]
        running: dict[int, int] = {}
        said_mono = time.monotonic()
        for number, change in enumerate(left):
            if len(running) == CHILDREN:
                self._wait(left, running)
            running[fork(functools.partial(self._try, number, change, stage))] = number
            if time.monotonic() - said_mono >= SAY_EVERY_S:
                said_mono = time.monotonic()
                sys.stderr.write(f"mutation: {number} of {len(left)} ({stage})\n")
        while running:
            self._wait(left, running)

    def _wait(self, changes: list[Change], running: dict[int, int]) -> None:
        pid, status = os.wait()
        change, code = changes[number := running.pop(pid)], os.waitstatus_to_exitcode(status)
        # Killed by a signal: of its limits, or because the change broke the interpreter.
        became = Became(code) if code in list(Became) else Became.HUNG
        self.became[change.name] = became
        finder, finders = self._tests[self._last_test[number]], self._finders[change.function]
        if became is Became.SURVIVED:
            sys.stderr.write(f"not found so far: {change.name}\n{change.difference}")
        elif finder not in finders:
            finders.append(finder)

    def _try(self, number: int, change: Change, stage: Stage) -> Became:
        """In a process of its own: which it is."""
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        signal.signal(signal.SIGPROF, lambda *_: os._exit(Became.HUNG))
        change.apply()
        for test in self._tests_of(stage, change):
            self._last_test[number] = self._tests.index(test)
            signal.setitimer(signal.ITIMER_PROF, HANGS_S + HANGS_TIMES * self._durations_s[test])
            run_one(test)
            if self._failed:
                return Became.CAUGHT
        return Became.SURVIVED

    def _tests_of(self, stage: Stage, change: Change) -> list[pytest.Item]:
        """Those that found other changes of the same function come first, then those that take least."""
        own, finders = f"test_{change.file.rpartition('.')[2]}.py", self._finders[change.function]

        def is_of(test: pytest.Item) -> bool:
            if self._durations_s[test] > SLOW_S:
                return stage is Stage.SLOW
            if test.path.name == own:
                return stage is Stage.OWN
            return stage is Stage.QUICK or (stage is Stage.OWN and test in finders)

        return sorted(filter(is_of, self._tests), key=lambda test: (test not in finders, self._durations_s[test]))


def main(arguments: list[str]) -> int:
    """The exit code: 0 when the run came to its end. Patterns among the arguments: the changes to try, else all."""
    patterns = [argument for argument in arguments if argument != "--quick"]
    changes = [
        change
        for path in FILES
        for change in changes_of(path)
        if not patterns or any(fnmatch.fnmatchcase(change.name, pattern) for pattern in patterns)
    ]
    return try_changes(changes, TESTS, quick=patterns != arguments)


def try_changes(changes: list[Change], tests: Sequence[str], quick: bool) -> int:
    """Try them and print the report; the exit code of pytest, 0: the run came to its end."""
    run = Run(changes, quick)
    # Without capturing: a child that is silenced is to stay so.
    code = pytest.main(["-q", "-s", "-p", "no:cacheprovider", "-o", "timeout=0", "--no-header", *tests], plugins=[run])
    if code == pytest.ExitCode.OK:
        sys.stdout.write(report(run.became))
    return int(code)


def changes_of(path: Path) -> Iterator[Change]:
    """Every change that mutmut makes to one file."""
    name = ".".join(path.with_suffix("").parts)
    mutated = mutate_file_contents(str(path), path.read_text())
    lines = mutated.code.splitlines(keepends=True)
    texts = {
        each: [line.replace(each, each.rpartition("__mutmut")[0]) for line in lines[span.start - 1 : span.end]]
        for each, span in mutated.line_span_by_function_name.items()
    }
    module, changed = importlib.import_module(name), _module(f"changed_{path.stem}", mutated.code)
    for mutant in mutated.mutant_names:
        function, original = mutant.rpartition("__mutmut")[0], mutant.rpartition("_")[0] + "_orig"
        difference = difflib.unified_diff(texts[original], texts[mutant], str(path), str(path), n=1)
        owner, _, plain = function.removeprefix("x").removeprefix("ǁ").removeprefix("_").rpartition("ǁ")
        yield Change(
            f"{name}.{mutant}",
            _function(module, owner, plain),
            _function(changed, owner, mutant),
            "".join(difference),
        )


def _module(name: str, code: str) -> types.ModuleType:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"{name}.py"
        path.write_text(code)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look for their module there
        spec.loader.exec_module(module)
        return module


def _function(module: types.ModuleType, owner: str, name: str) -> types.FunctionType:
    """A function of the module or, if `owner` is not empty, of its class of that name."""
    found = vars(vars(module)[owner] if owner else module)[name]
    assert isinstance(found, types.FunctionType), f"{found} is no plain function"
    return found


def run_one(item: pytest.Item) -> None:
    """Set up, run and tear down one test by itself."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def fork(run: Callable[[], Became]) -> int:
    """A child that does nothing but `run`, says nothing, and ends with what comes of it. Its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    became = Became.CAUGHT
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        became = run()
    finally:
        os._exit(became)


def report(became: dict[str, Became]) -> str:
    """Score by file, and what survived."""
    by_file: dict[str, collections.Counter[Became]] = collections.defaultdict(collections.Counter)
    for name, each in became.items():
        by_file[name.partition(".x")[0]][each] += 1
    lines = []
    total: collections.Counter[Became] = collections.Counter()
    for file, counts in sorted(by_file.items()):
        lines.append(f"{file:40} {told(counts)}")
        total += counts
    lines.append(f"{'all':40} {told(total)}")
    lines += [f"survived: {name}" for name, each in sorted(became.items()) if each is Became.SURVIVED]
    return "\n".join(lines) + "\n"


def told(counts: collections.Counter[Became]) -> str:
    """`150 of 152 (98.7 %)`: those that a test failed on or hung with, of all that were made."""
    made = sum(counts.values())
    caught = made - counts[Became.SURVIVED]
    return f"{caught} of {made} ({100 * caught / made:.1f} %)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
