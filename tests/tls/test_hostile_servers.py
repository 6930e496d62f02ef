"""The matrix: each server is refused for the right reason, and before it has got a byte of HTTP."""

from pathlib import Path

import pytest

from chargerd.ocpp.events import LinkDown
from tests.tls.hostile_certificates import CERTIFICATES
from tests.tls.hostile_talk import OURS, TALK
from tests.tls.matrix import Case, authorities
from tests.tls.servers import HostileServer
from tests.tls.station import PASSWORD, attempt

CASES = {case.name: case for case in (*CERTIFICATES, *TALK)}


def test_every_case_has_a_name_of_its_own_and_there_are_enough() -> None:
    assert len(CASES) == len(CERTIFICATES) + len(TALK)
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_server_is_refused_and_gets_no_http(case: Case, tmp_path: Path) -> None:
    server = HostileServer(case.serve(authorities()))
    with server as port:
        down, events = attempt(case.attempt(), port, tmp_path)
    assert (down.failure, case.why in down.why) == (case.failure, True), down
    assert events == [LinkDown(1, down.failure, down.why)]
    assert bool(server.seen.connections) == case.connects
    # Who asks for our certificate has been verified by then, and may hear us before he has refused it.
    assert case in OURS or not server.seen.http
    assert PASSWORD not in down.why
