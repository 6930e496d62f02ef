"""What is durable of a request: over a restart, and whatever happens to the clock meanwhile."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.effects import MakeKey
from chargerd.ocpp.messages.enums import CertificateSignedStatus
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.renewal import LONGEST_WAIT_S
from chargerd.ocpp.signing_requests import KEY, NAMESPACE, SigningRequest, SigningRequests, Subject, status_of
from tests.chargerd.ocpp.peer import Peer
from tests.chargerd.ocpp.renewing import Stand
from tests.chargerd.pki import NOON

ACCEPTED = CertificateSignedStatus.ACCEPTED
STATION = Use.CHARGING_STATION_CERTIFICATE
WAIT_S = 60.0


def asked() -> Stand:
    stand = Stand().online()
    stand.trigger()
    return stand


def test_A02_FR_17_a_restarted_station_asks_again_when_it_is_time() -> None:
    stand = asked()
    stand.wait(20.0)
    again = stand.restarted().online()
    again.wait(WAIT_S - 20.5)
    assert again.asked == []
    again.wait(1.0)
    assert again.asked == stand.asked


def test_a_certificate_that_comes_after_a_restart_is_taken() -> None:
    stand = asked()
    chain = stand.signed()
    again = stand.restarted().online()
    assert again.sent(chain).status is ACCEPTED
    assert again.key_in_use == "key-0"


def test_a_station_that_restarts_all_the_time_does_not_flood_the_CSMS() -> None:
    stand = asked()
    requests = 0
    for _ in range(50):
        stand.wait(10.0)
        requests += len(stand.asked)
        stand = stand.restarted().online()
    assert requests == 4  # at 0, 60, 180 and 420 s


def test_a_key_that_was_being_made_at_a_restart_is_made_anew() -> None:
    stand = Stand().online()
    stand.makes_keys = False
    stand.trigger()
    assert len(stand.peer.took(MakeKey)) == 1
    again = stand.restarted().online()
    again.wait(61.0)
    assert len(again.keys.made) == 1
    assert len(again.asked) == 1


def test_a_request_that_could_not_be_sent_goes_out_after_the_restart() -> None:
    stand = Stand().online()
    stand.makes_keys = False
    stand.trigger()
    (order,) = stand.peer.took(MakeKey)
    stand.offline()
    stand.key_made(stand.keys.make(order))
    assert stand.asked == []
    assert len(stand.restarted().online().asked) == 1


@pytest.mark.parametrize("utc", [datetime(1970, 1, 1, tzinfo=NOON.tzinfo), NOON + timedelta(days=4000)])
def test_whatever_the_clock_says_after_a_restart_nobody_waits_for_ever(utc: datetime) -> None:
    stand = asked()
    again = stand.restarted(clock=ManualClock(mono=5.0, utc=utc)).online()
    again.wait(LONGEST_WAIT_S + 1.0)
    assert again.asked


def test_what_another_version_has_stored_is_set_aside() -> None:
    stand = asked()
    stand.peer.store.put(NAMESPACE, KEY, "what is this")
    again = stand.restarted().online()
    assert again.renewal.status() == ()
    assert any("renewal/requests was set aside" in note for note in again.peer.store.take_notes())


@pytest.mark.parametrize(
    "changes, state",
    [
        ({}, "the key is being made"),
        ({"tries": 2}, "the key is being made"),
        ({"key_id": "k"}, "the CSMS is to be asked"),
        ({"key_id": "k", "tries": 3, "due_utc": NOON}, "the CSMS was asked 3 times"),
        ({"key_id": "k", "tries": 3}, "the CSMS was asked 3 times and is not asked again"),
    ],
)
def test_people_are_told_what_a_request_waits_for(changes: dict[str, Any], state: str) -> None:
    subject = Subject(common_name="C", organization="O")
    request = SigningRequest(request_id="r", use=STATION, subject=subject, triggered=True, begun_utc=NOON, **changes)
    assert status_of(request).state == state


def test_one_that_has_an_answer_takes_the_older_ones_along() -> None:
    peer = Peer()
    requests = SigningRequests(peer.ctx)
    for number in range(3):
        use = Use.V2G_CERTIFICATE if number == 1 else STATION
        subject = Subject(common_name="C", organization="O")
        request = SigningRequest(
            request_id=f"r{number}", use=use, subject=subject, triggered=True, begun_utc=NOON, key_id=f"k{number}"
        )
        requests.begin(request, peer.now)
    requests.answered(requests.all()[2])
    assert list(requests.key_ids()) == ["k1"]
