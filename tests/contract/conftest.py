"""Each suite states the contract of one role (`ROLE`) and runs on all its backends, on a real board with --board.

pytest tests/contract --board my-board.toml              reads, and moves lock and lights
pytest tests/contract --board my-board.toml --energise   closes the contactor as well: nothing may be connected
pytest tests/contract --gpio-sim                         the GPIO drivers on the kernel's own chip (`make vm-test`)
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hal.board import Board, load_board, open_board
from hal.types import EvseFacts, InputName
from tests.contract import gpio_stands
from tests.contract.stands import BACKENDS, FACTS, Stand
from tests.hal.plants import World

GPIO_SIM = "gpio-sim"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "HAL contract suites")
    group.addoption("--board", metavar="FILE", help="run the contract suites on the devices of this board as well")
    group.addoption("--energise", action="store_true", help="let the suites close the contactors of --board")
    group.addoption("--gpio-sim", action="store_true", help="run the suites of GPIO drivers on gpio-sim, and no others")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "energises: closes the contactor; on hardware only with --energise")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run for each backend of the suite's role, and one for each EVSE of the board that has such a device."""
    if "stand" not in metafunc.fixturenames:
        return
    role = metafunc.module.ROLE
    params: list[tuple[str, str | int]]
    if metafunc.config.getoption("--gpio-sim", False):
        params = [(role, GPIO_SIM)] if role in gpio_stands.DEVICES else []
        metafunc.parametrize("stand", params, indirect=True, ids=[GPIO_SIM] * len(params))
        return
    params = [(role, backend) for backend in BACKENDS[role]]
    path = metafunc.config.getoption("--board", None)
    switches = metafunc.definition.get_closest_marker("energises") is not None
    if path and (not switches or metafunc.config.getoption("--energise")):
        for index, evse in enumerate(load_board(path).evses):
            params += [(role, index) for device in evse.devices if device.role == role]
    metafunc.parametrize("stand", params, indirect=True, ids=[str(backend) for _, backend in params])


@pytest.fixture(scope="session")
def hardware(pytestconfig: pytest.Config) -> Iterator[Board | None]:
    """The open board of --board, left in its safe state."""
    path = pytestconfig.getoption("--board", None)
    if path is None:
        yield None
        return
    board = open_board(load_board(path))
    yield board
    assert board.safe_state() == []
    board.close()


@pytest.fixture
def stand(request: pytest.FixtureRequest, hardware: Board | None) -> Iterator[Stand[Any]]:
    role, backend = request.param
    if isinstance(backend, int):
        assert hardware is not None
        board_device = getattr(hardware.evses[backend], role)
        yield Stand(board_device, hardware.facts.evses[backend], time.monotonic, time.sleep)
        return
    if backend == GPIO_SIM:
        from tests.vm.gpio_sim import gpio_sim_stand

        with gpio_sim_stand(role) as (device, real_world):
            yield Stand(device, real_world.evse.facts, real_world.monotonic, real_world.wait)
        return
    world = World(FACTS.get(backend, EvseFacts(max_amps=32, phases=3, inputs=tuple(InputName))), noise=1.0)
    with BACKENDS[role][backend](world) as device:
        yield Stand(
            device,
            world.evse.facts,
            world.monotonic,
            world.wait,
            world.offer,
            lambda: world.plant.state().evses[0].contacts_closed,
        )
