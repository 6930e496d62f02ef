"""Every file under tests/scenarios is played by the real processes and must pass.

A scenario takes as long as the day it tells, nearly all of it waiting: cars ramp, contactors rest. So several are
played at the same time; each has its own directory, sockets and ports.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

SCENARIOS = {path.stem: path for path in sorted((Path(__file__).parent / "scenarios").glob("*.toml"))}
AT_ONCE = 3

Played = subprocess.CompletedProcess[str]

# One worker plays them all, so that no more than AT_ONCE run on a machine of any size.
pytestmark = pytest.mark.xdist_group("scenarios")


@pytest.fixture(scope="module")
def plays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Played]]]:
    """Those scenarios that this run asks for, being played."""
    chosen = [item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and wants(item)]
    directory = tmp_path_factory.mktemp("scenarios")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(play, SCENARIOS[name], directory / name) for name in chosen}
        pool.shutdown(cancel_futures=True)


def wants(item: pytest.Function) -> bool:
    """Whether `item` waits for a scenario."""
    return item.path == Path(__file__) and "plays" in item.fixturenames


def play(path: Path, control: Path) -> Played:
    command = [sys.executable, "-m", "chargerd", "bench", "--control", str(control), "--scenario", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_one_worker_plays_them_all(request: pytest.FixtureRequest) -> None:
    """Where the mark above is not heeded, each worker plays every scenario, and nothing but the time tells."""
    is_worker = hasattr(request.config, "workerinput")
    assert request.node.nodeid.endswith("@scenarios") == is_worker


def test_there_are_scenarios() -> None:
    assert {"first-charge", "offline-charge", "bench-dual"} <= SCENARIOS.keys()


@pytest.mark.parametrize("name", SCENARIOS, ids=str)
def test_scenario_passes(name: str, plays: dict[str, Future[Played]]) -> None:
    played = plays[name].result()
    assert played.returncode == 0, f"{played.stdout}\n{played.stderr}"
    assert played.stdout.endswith("passed\n")
