"""Every case on virtual time."""

from collections.abc import Iterator

import pytest

from chargerd.conformance.case import all_cases
from chargerd.conformance.station import StationUnderTest
from tests.conformance.lively import SETTINGS
from tests.conformance.results import VIRTUAL, recorded
from tests.conformance.world import VirtualSurroundings

CASES = all_cases()


@pytest.fixture
def sut(request: pytest.FixtureRequest) -> Iterator[StationUnderTest]:
    around = VirtualSurroundings(CASES[request.param], SETTINGS)
    yield StationUnderTest(around)
    around.close()


@pytest.mark.parametrize("case_id, sut", [(case_id, case_id) for case_id in CASES], ids=list(CASES), indirect=["sut"])
def test_case(case_id: str, sut: StationUnderTest) -> None:
    with recorded(case_id, VIRTUAL):
        CASES[case_id].body(sut)
        assert not sut.peer.problems
