"""Block N: logs are uploaded."""

from chargerd.conformance.case import case
from chargerd.conformance.files import FOLDER, NOWHERE
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted

RETRY_INTERVAL_S = 2
FAILURES = frozenset({"UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"})


@case("TC_N_25_CS")
def tc_n_25(sut: StationUnderTest) -> None:
    """The diagnostics are uploaded, and the CSMS hears of the beginning and the end."""
    uploaded(sut, "DiagnosticsLog")


@case("TC_N_26_CS")
def tc_n_26(sut: StationUnderTest) -> None:
    """What cannot be uploaded is tried four times, at the interval that was asked for, and then told as failed."""
    booted(sut)
    url, files = sut.file_server()
    get_log(sut, "DiagnosticsLog", 1, url + NOWHERE, retries=3, retryInterval=RETRY_INTERVAL_S)
    log_status(sut, "Uploading", 1)
    began = sut.now()
    sut.until(lambda: last_attempt(sut), "the last failure", 3 * RETRY_INTERVAL_S + 5.0)
    took_s = sut.now() - began
    if abs(took_s - 3 * RETRY_INTERVAL_S) > 1.5:
        raise CaseFailed(f"four attempts took {took_s:.1f} s, and should take {3 * RETRY_INTERVAL_S} s")
    sut.wait(RETRY_INTERVAL_S + 1.0)
    for kind in ({"Uploading"}, FAILURES):
        told = sut.heard("LogStatusNotification", {"status": kind, "requestId": 1})
        if len(told) not in {1, 4}:
            raise CaseFailed(f"{' or '.join(sorted(kind))} was told {len(told)} times")
    assert not files.arrived


@case("TC_N_35_CS")
def tc_n_35(sut: StationUnderTest) -> None:
    """The security log is uploaded, and the CSMS hears of the beginning and the end."""
    content = uploaded(sut, "SecurityLog")
    if b"StartupOfTheDevice" not in content and b"ResetOrReboot" not in content:
        raise CaseFailed("the start of the station is not in its security log")


@case("TC_N_36_CS")
def tc_n_36(sut: StationUnderTest) -> None:
    """A second request ends the upload of the first, which is told as cancelled, and is served itself."""
    booted(sut)
    url, files = sut.file_server()
    sut.expect("SecurityEventNotification")  # there is something to send
    files.hold_next()
    get_log(sut, "SecurityLog", 1, url + FOLDER)
    log_status(sut, "Uploading", 1)
    get_log(sut, "SecurityLog", 2, url + FOLDER, answer="AcceptedCanceled")
    log_status(sut, "AcceptedCanceled", 1)
    log_status(sut, "Uploading", 2)
    log_status(sut, "Uploaded", 2)
    assert len(files.arrived) == 1


def uploaded(sut: StationUnderTest, kind: str) -> bytes:
    """A log of this kind arrives; what is in it."""
    booted(sut)
    url, files = sut.file_server()
    sut.expect("SecurityEventNotification")
    answer = get_log(sut, kind, 1, url + FOLDER)
    if not answer.get("filename"):
        raise CaseFailed(f"the answer names no file: {answer}")
    log_status(sut, "Uploading", 1)
    log_status(sut, "Uploaded", 1)
    (file,) = files.arrived
    if not file.content:
        raise CaseFailed("the file is empty")
    return file.content


def get_log(
    sut: StationUnderTest, kind: str, request_id: int, location: str, answer: str = "Accepted", **more: int
) -> Payload:
    """GetLog, answered with `answer`. `more`: of the request, `retries` for one."""
    request = {"logType": kind, "requestId": request_id, "log": {"remoteLocation": location}} | more
    return sut.call_gives("GetLog", request, {"status": answer})


def log_status(sut: StationUnderTest, status: str, request_id: int) -> None:
    """LogStatusNotification of this request."""
    sut.expect("LogStatusNotification", {"status": status, "requestId": request_id})


def last_attempt(sut: StationUnderTest) -> bool:
    """Whether the failure was told that is the last: the only one, or the fourth."""
    failures = len(sut.heard("LogStatusNotification", {"status": FAILURES}))
    attempts = len(sut.heard("LogStatusNotification", {"status": "Uploading"}))
    return failures == (1 if attempts == 1 else 4)
