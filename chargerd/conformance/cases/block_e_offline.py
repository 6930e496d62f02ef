"""Block E: transactions while the CSMS is out of reach, or does not take what it is told (E08, E11, E12, E13)."""

from itertools import pairwise

from chargerd.conformance.case import case
from chargerd.conformance.peer import Answer, Payload, Refusal, Silence
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import authorized, booted, charging, event, local_list

GROUP = {"idToken": "FAMILY", "type": "Central"}
OF_THE_GROUP = {"status": "Accepted", "groupIdToken": GROUP}
WAITS_LONG = "an answer that does not come is waited for 30 s, again and again"
SLACK_S = 1.5


def told_since_return(sut: StationUnderTest, last: str) -> list[Payload]:
    """All TransactionEvents after an outage up to the first of this type; each of them says that it is from then."""
    sut.until(lambda: sut.last("TransactionEvent", {"eventType": last, "offline": True}), f"the {last} event")
    return [each for each in sut.heard("TransactionEvent") if each.get("offline")]


@case("TC_E_40_CS", settings={"SampledDataCtrlr.TxUpdatedInterval": "2", "OCPPCommCtrlr.OfflineThreshold": "60"})
def tc_e_40(sut: StationUnderTest) -> None:
    """The readings of an outage come afterwards, in order, and say that they are from then."""
    booted(sut)
    charging(sut)
    sut.go_offline()
    before = sut.last("TransactionEvent")
    assert before is not None
    sut.wait(5.0)
    sut.go_online()
    readings = told_since_return(sut, "Updated")
    assert all(each["eventType"] == "Updated" and "meterValue" in each for each in readings), readings
    first = before["seqNo"] + 1
    assert [each["seqNo"] for each in readings] == list(range(first, first + len(readings)))


@case("TC_E_43_CS", settings={"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
def tc_e_43(sut: StationUnderTest) -> None:
    """A whole transaction in an outage comes afterwards."""
    booted(sut)
    sut.go_offline()
    sut.plug_in()
    sut.present(VALID)
    sut.ev_ready()
    sut.wait(3.0)
    sut.present(VALID)
    sut.plug_out()
    sut.wait(1.0)
    sut.go_online()
    told = told_since_return(sut, "Ended")
    assert told == sut.heard("TransactionEvent")
    assert [told[0]["eventType"], told[-1]["eventType"]] == ["Started", "Ended"]
    assert [each["seqNo"] for each in told] == list(range(len(told)))


def stopped_in_an_outage(sut: StationUnderTest, uid: str) -> None:
    """This card ends the charge while the CSMS is out of reach, which hears of it afterwards."""
    sut.go_offline()
    sut.present(uid)
    sut.plug_out()
    sut.wait(1.0)
    sut.go_online()
    assert told_since_return(sut, "Ended")[-1]["transactionInfo"].get("stoppedReason") in {None, "Local"}


@case("TC_E_44_CS", settings={"OCPPCommCtrlr.OfflineThreshold": "60"})
def tc_e_44(sut: StationUnderTest) -> None:
    """The same card ends the charge in an outage."""
    booted(sut)
    charging(sut)
    stopped_in_an_outage(sut, VALID)


@case("TC_E_45_CS", settings={"OCPPCommCtrlr.OfflineThreshold": "60", "AuthCtrlr.LocalAuthorizeOffline": "true"})
def tc_e_45(sut: StationUnderTest) -> None:
    """Another card of the same group, known from the list, ends the charge in an outage."""
    booted(sut)
    local_list(sut, {OTHER: OF_THE_GROUP})
    sut.answer("Authorize", {"idTokenInfo": OF_THE_GROUP})
    sut.answer("TransactionEvent", lambda told: {"idTokenInfo": OF_THE_GROUP} if "idToken" in told else {})
    charging(sut)
    stopped_in_an_outage(sut, OTHER)


# ---- E13 ----


class Retries:
    """How the station repeats its Started event when the CSMS answers like this."""

    def __init__(self, sut: StationUnderTest, answer: Answer) -> None:
        self._sut = sut
        self._answer = answer
        is_silent = isinstance(answer, Silence)
        self.timeout_s = float(sut.get_variable("OCPPCommCtrlr", "MessageTimeout", instance="Default"))
        self.timeout_s = self.timeout_s if is_silent else 0.0
        of_events = {"instance": "TransactionEvent"}
        self.attempts = int(sut.get_variable("OCPPCommCtrlr", "MessageAttempts", **of_events))
        self.interval_s = float(sut.get_variable("OCPPCommCtrlr", "MessageAttemptInterval", **of_events))

    def start(self, times: int | None = None) -> None:
        """A transaction starts; its events are answered so the first `times` times, or all of them."""
        authorized(self._sut)
        self._sut.answer("TransactionEvent", self._answer, times)
        self._sut.plug_in()

    def expect(self, times: int) -> None:
        """The same event that often, each time later by the interval more, and then no more."""
        came = [self._next() for _ in range(times)]
        for number, (earlier, later) in enumerate(pairwise(came), 1):
            gap_s, wanted_s = later - earlier, self.timeout_s + number * self.interval_s
            assert wanted_s - 0.2 <= gap_s <= wanted_s + SLACK_S, f"sent again after {gap_s:.1f} s, not {wanted_s:g} s"
        self._sut.expect_nothing("TransactionEvent", FIRST, for_s=self.timeout_s + (times + 1) * self.interval_s)

    def _next(self) -> float:
        event(self._sut, "Started", self.timeout_s + self.attempts * self.interval_s + 10.0, seq_no=0)
        return self._sut.now()


FIRST = {"eventType": "Started", "seqNo": 0}


@case("TC_E_41_CS", virtual_only=WAITS_LONG)
def tc_e_41(sut: StationUnderTest) -> None:
    """No answer: the event is sent MessageAttempts times with growing waits, then given up."""
    booted(sut)
    retries = Retries(sut, Silence())
    retries.start()
    retries.expect(retries.attempts)


@case("TC_E_42_CS", virtual_only=WAITS_LONG)
def tc_e_42(sut: StationUnderTest) -> None:
    """No answer at first: once there is one the event is not sent again."""
    booted(sut)
    retries = Retries(sut, Silence())
    retries.start(times=1)
    retries.expect(2)


@case("TC_E_50_CS")
def tc_e_50(sut: StationUnderTest) -> None:
    """CALLERROR: the event is sent MessageAttempts times with growing waits, then given up."""
    booted(sut)
    retries = Retries(sut, Refusal("InternalError"))
    retries.start()
    retries.expect(retries.attempts)


@case("TC_E_51_CS")
def tc_e_51(sut: StationUnderTest) -> None:
    """CALLERROR at first: once there is a response the event is not sent again."""
    booted(sut)
    retries = Retries(sut, Refusal("InternalError"))
    retries.start(times=1)
    retries.expect(2)
