"""The matrix: each server is refused for the right reason, and before it has got a byte of HTTP."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from chargerd.ocpp.events import LinkDown
from tests.tls.hostile_certificates import NAME, PATH, REVOKED, STRENGTH, TIME
from tests.tls.hostile_talk import BROKEN, CUT, OURS, TRUST, VERSIONS, WEAK
from tests.tls.matrix import Case, authorities
from tests.tls.servers import HostileServer
from tests.tls.station import PASSWORD, attempt

ALL = (*PATH, *NAME, *TIME, *STRENGTH, *REVOKED, *VERSIONS, *WEAK, *BROKEN, *CUT, *OURS, *TRUST)


def each(cases: Iterable[Case]) -> Any:
    """Every one of the cases by its name."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def refused(case: Case, folder: Path) -> None:
    """The station goes away, says why, and has said nothing else."""
    server = HostileServer(case.serve(authorities()))
    with server as port:
        down, events = attempt(case.attempt(), port, folder)
    assert (down.failure, case.why in down.why) == (case.failure, True), down
    assert events == [LinkDown(1, down.failure, down.why)]
    assert bool(server.seen.connections) == case.connects
    # Who asks for our certificate has been verified by then, and may hear us before he has refused it.
    assert case in OURS or not server.seen.http
    assert PASSWORD not in down.why


def test_every_case_has_a_name_of_its_own_and_there_are_enough() -> None:
    assert len({case.name for case in ALL}) == len(ALL)
    assert len(ALL) >= 60


@each((*PATH, *TIME))
def test_A00_FR_308_A00_FR_310_A00_FR_311_A00_FR_411_A00_FR_413_A00_FR_414_a_path_that_does_not_hold(
    case: Case, tmp_path: Path
) -> None:
    assert case.event == "InvalidCsmsCertificate"
    refused(case, tmp_path)


@each(NAME)
def test_A00_FR_309_A00_FR_412_a_certificate_of_somebody_else(case: Case, tmp_path: Path) -> None:
    assert case.event == "InvalidCsmsCertificate"
    refused(case, tmp_path)


@each(STRENGTH)
def test_A00_FR_501_A00_FR_502_A00_FR_503_a_key_or_digest_of_less_than_112_bits(case: Case, tmp_path: Path) -> None:
    assert case.event == "InvalidCsmsCertificate"
    refused(case, tmp_path)


@each(REVOKED)
def test_a_certificate_that_was_revoked_or_of_which_nobody_knows(case: Case, tmp_path: Path) -> None:
    assert case.event == "InvalidCsmsCertificate"
    refused(case, tmp_path)


@each(VERSIONS)
def test_A00_FR_313_A00_FR_314_A00_FR_316_A00_FR_416_A00_FR_417_A00_FR_419_tls_that_is_too_old(
    case: Case, tmp_path: Path
) -> None:
    refused(case, tmp_path)


@each(WEAK)
def test_A00_FR_320_A00_FR_321_A00_FR_323_A00_FR_423_A00_FR_424_A00_FR_426_suites_that_are_too_weak(
    case: Case, tmp_path: Path
) -> None:
    refused(case, tmp_path)


@each((*BROKEN, *CUT))
def test_A00_FR_312_A00_FR_317_A00_FR_415_A00_FR_420_what_is_no_tls_or_ends_too_early(
    case: Case, tmp_path: Path
) -> None:
    assert case.event is None
    refused(case, tmp_path)


@each(OURS)
def test_a_server_that_refuses_us_and_a_key_we_cannot_use(case: Case, tmp_path: Path) -> None:
    refused(case, tmp_path)


@each(TRUST)
def test_roots_and_lists_that_cannot_be_used_leave_nobody_to_trust(case: Case, tmp_path: Path) -> None:
    refused(case, tmp_path)
