"""Every case against the real processes; `make conformance`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd.conformance.case import all_cases
from chargerd.conformance.station import StationUnderTest
from tests.conformance.lively import SETTINGS
from tests.conformance.processes import RealSurroundings
from tests.conformance.results import REAL, recorded
from tests.swtpm import free_places, shared_tpm

CASES = all_cases()

pytestmark = pytest.mark.conformance

WAITED_FOR = [case_id for case_id, case in CASES.items() if not case.virtual_only]


@pytest.fixture
def sut(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StationUnderTest]:
    around = RealSurroundings(CASES[request.param], SETTINGS, tmp_path)
    yield StationUnderTest(around)
    around.close()


@pytest.mark.parametrize(
    "case_id, sut", [(case_id, case_id) for case_id in WAITED_FOR], ids=WAITED_FOR, indirect=["sut"]
)
def test_case(case_id: str, sut: StationUnderTest) -> None:
    with recorded(case_id, REAL):
        CASES[case_id].body(sut)
        assert not sut.peer.problems


WITH_CERTIFICATE = [case_id for case_id in WAITED_FOR if CASES[case_id].security_profile == 3]


@pytest.mark.parametrize("case_id", WITH_CERTIFICATE)
def test_case_with_keys_in_a_TPM(case_id: str, tmp_path: Path) -> None:
    around = RealSurroundings(CASES[case_id], SETTINGS, tmp_path, tpm=free_places(shared_tpm()))
    try:
        sut = StationUnderTest(around)
        CASES[case_id].body(sut)
        assert not sut.peer.problems
    finally:
        around.close()
