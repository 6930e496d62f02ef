"""N01 on a whole station; the shell's part is played by the test, which sees StartJob and says how it ended."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chargerd import codec
from chargerd.ocpp.effects import CancelJob, StartJob
from chargerd.ocpp.events import JobDone
from chargerd.ocpp.jobs import MAX_ARGUMENT_BYTES, UPLOAD, Upload
from chargerd.ocpp.logs import MAX_RETRIES, RETRIES, RETRY_INTERVAL_S, why_not_location
from chargerd.ocpp.security_log import verified
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig

LOCATION = "https://user:secret@files.example/logs/?token=secret"


def ready(store: Store | None = None, **options: Any) -> Rig:
    rig = Rig(store=store, **options)
    rig.status()
    return rig


def get_log(
    rig: Rig,
    kind: str = "SecurityLog",
    request_id: int = 7,
    location: str = LOCATION,
    *,
    window: dict[str, str] | None = None,
    asked: dict[str, int] | None = None,
) -> Payload:
    """GetLog; `window`: of the time, `asked`: how often to try."""
    log = {"remoteLocation": location} | (window or {})
    return rig.call("GetLog", logType=kind, requestId=request_id, log=log, **(asked or {}))


def jobs(rig: Rig) -> list[StartJob]:
    return [effect for effect in rig.effects if isinstance(effect, StartJob)]


def uploads(rig: Rig) -> list[Upload]:
    return [codec.decode(Upload, job.arguments, max_bytes=MAX_ARGUMENT_BYTES) for job in jobs(rig)]


def done(rig: Rig, problem: str | None = None, result: str = "", job: int = -1) -> None:
    rig.feed(JobDone(jobs(rig)[job].job_id, problem, result))


def told(rig: Rig) -> list[tuple[str, int | None]]:
    return [(each["status"], each.get("requestId")) for each in rig.sent("LogStatusNotification")]


# ---- the request ----


def test_N01_FR_01_N01_FR_02_one_file_is_sent_where_the_request_says_under_the_name_in_the_answer() -> None:
    rig = ready()
    answer = get_log(rig)
    assert answer == {"status": "Accepted", "filename": "CS-1-security-log-20260101T000000Z.txt"}
    (job,) = jobs(rig)
    assert job.kind == UPLOAD
    (upload,) = uploads(rig)
    assert (upload.location, upload.filename) == (LOCATION, answer["filename"])


def test_N01_FR_03_the_security_log_is_sent_with_its_chain() -> None:
    rig = ready()
    get_log(rig)
    content = uploads(rig)[0].content
    assert content is not None
    assert "\tStartupOfTheDevice\tboot reason PowerUp\t" in content
    assert verified(content)[1] == ()


def test_N01_FR_04_the_diagnostics_are_written_by_the_shell_for_the_time_that_is_wanted() -> None:
    rig = ready()
    rig.advance(100.0)
    answer = get_log(
        rig,
        "DiagnosticsLog",
        window={"oldestTimestamp": "2026-01-01T00:00:10Z", "latestTimestamp": "2026-01-01T00:00:50Z"},
    )
    assert answer["status"] == "Accepted"
    (upload,) = uploads(rig)
    assert upload.content is None
    assert [str(upload.oldest), str(upload.latest)] == ["2026-01-01 00:00:10+00:00", "2026-01-01 00:00:50+00:00"]


@pytest.mark.parametrize(
    "kind, window",
    [
        ("SecurityLog", {"latestTimestamp": "1990-01-01T00:00:00Z"}),
        ("SecurityLog", {"oldestTimestamp": "2030-01-01T00:00:00Z"}),
        ("SecurityLog", {"oldestTimestamp": "2026-01-02T00:00:00Z", "latestTimestamp": "2025-01-01T00:00:00Z"}),
        ("DiagnosticsLog", {"latestTimestamp": "2025-12-31T00:00:00Z"}),
        ("DiagnosticsLog", {"oldestTimestamp": "2030-01-01T00:00:00Z"}),
        ("DiagnosticsLog", {"oldestTimestamp": "2026-01-01T00:00:50Z", "latestTimestamp": "2026-01-01T00:00:10Z"}),
    ],
)
def test_N01_FR_05_what_there_is_nothing_of_is_rejected(kind: str, window: dict[str, str]) -> None:
    rig = ready()
    rig.advance(100.0)
    answer = get_log(rig, kind, window=window)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NotFound")
    assert "filename" not in answer
    assert jobs(rig) == []
    assert told(rig) == []


def test_diagnostics_are_there_although_the_clock_was_set_back() -> None:
    rig = ready()
    rig.clock.set_utc(rig.clock.now().utc - timedelta(days=400))
    assert get_log(rig, "DiagnosticsLog")["status"] == "Accepted"


@pytest.mark.parametrize(
    "url", ["ftp://files.example/", "files.example", "https:///logs", "https://user@", "http://a b/", "http://ä/", ""]
)
def test_what_cannot_be_reached_from_here_is_rejected(url: str) -> None:
    rig = ready()
    answer = get_log(rig, location=url)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidURL")
    assert jobs(rig) == []


@pytest.mark.parametrize("url", ["HTTP://files.example", "https://u:p@d@files.example:8443/a?b#c", "http://[::1]/"])
def test_what_can_be_reached_is_tried(url: str) -> None:
    assert why_not_location(url) is None


def test_nothing_is_sent_before_the_csms_has_accepted_the_station() -> None:
    rig = Rig(online=False)
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": 600,
        "status": "Pending",
    }
    rig.link_up()
    answer = get_log(rig)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "CSNotAccepted")
    assert jobs(rig) == []
    assert told(rig) == []


# ---- what becomes of it ----


def test_N01_FR_07_N01_FR_08_N01_FR_09_N01_FR_13_an_upload_is_told_at_its_start_and_end_after_the_answer() -> None:
    rig = ready()
    before = len(rig.frames)
    get_log(rig)
    kinds = [json.loads(frame)[0] for frame in rig.frames[before:]]
    assert kinds == [3, 2]
    assert told(rig) == [("Uploading", 7)]
    done(rig)
    assert told(rig) == [("Uploading", 7), ("Uploaded", 7)]


@pytest.mark.parametrize(
    "result, status",
    [
        ("UploadFailure", "UploadFailure"),
        ("BadMessage", "BadMessage"),
        ("PermissionDenied", "PermissionDenied"),
        ("NotSupportedOperation", "NotSupportedOperation"),
        ("something else", "UploadFailure"),
        ("", "UploadFailure"),
    ],
)
def test_N01_FR_10_a_failure_is_told_after_all_attempts_with_what_it_was(result: str, status: str) -> None:
    rig = ready()
    get_log(rig, asked={"retries": 3, "retryInterval": 10})
    for attempt in range(4):
        assert len(jobs(rig)) == attempt + 1
        rig.advance(1.0)
        assert told(rig) == [("Uploading", 7)]
        done(rig, "no way", result)
        rig.advance(9.5)
    assert told(rig) == [("Uploading", 7), (status, 7)]
    rig.advance(1000.0)
    assert len(jobs(rig)) == 4


def test_an_attempt_follows_the_one_before_at_the_interval_and_at_once_if_that_has_passed() -> None:
    rig = ready()
    get_log(rig, asked={"retries": 2, "retryInterval": 10})
    done(rig, "refused")
    rig.advance(9.9)
    assert len(jobs(rig)) == 1
    rig.advance(0.2)
    assert len(jobs(rig)) == 2
    rig.advance(60.0)
    done(rig, "it took a minute")
    rig.advance(0.0)
    assert len(jobs(rig)) == 3
    done(rig)
    assert told(rig)[-1] == ("Uploaded", 7)


@pytest.mark.parametrize(
    "asked, attempts, interval_s",
    [
        ({}, RETRIES + 1, RETRY_INTERVAL_S),
        ({"retries": 0}, 1, 1),
        ({"retries": -5, "retryInterval": -5}, 1, 1),
        ({"retries": 2_000_000_000, "retryInterval": 0}, MAX_RETRIES + 1, 1),
    ],
)
def test_how_often_it_is_tried_is_bounded(asked: dict[str, int], attempts: int, interval_s: int) -> None:
    rig = ready()
    get_log(rig, asked=asked)
    while told(rig)[-1][0] == "Uploading":
        done(rig, "no way")
        rig.advance(interval_s)
    assert len(jobs(rig)) == attempts


def test_N01_FR_12_N01_FR_20_a_new_request_takes_the_place_of_the_one_under_way() -> None:
    rig = ready()
    get_log(rig, request_id=1)
    before = len(rig.frames)
    assert get_log(rig, request_id=2)["status"] == "AcceptedCanceled"
    assert json.loads(rig.frames[before])[0] == 3
    assert told(rig) == [("Uploading", 1), ("AcceptedCanceled", 1), ("Uploading", 2)]
    assert [effect.job_id for effect in rig.effects if isinstance(effect, CancelJob)] == [jobs(rig)[0].job_id]
    notes = len(rig.notes())
    done(rig, "cancelled", job=0)
    done(rig)
    assert told(rig)[3:] == [("Uploaded", 2)]
    assert not any("nobody waits" in note for note in rig.notes()[notes:])


def test_N01_FR_12_a_request_that_waits_for_its_next_attempt_is_cancelled_as_well() -> None:
    rig = ready()
    get_log(rig, request_id=1)
    done(rig, "no way")
    assert get_log(rig, request_id=2)["status"] == "AcceptedCanceled"
    rig.advance(1000.0)
    assert len(jobs(rig)) == 2


def test_a_second_request_that_is_rejected_leaves_the_first_alone() -> None:
    rig = ready()
    get_log(rig, request_id=1)
    assert get_log(rig, request_id=2, location="ftp://x/")["status"] == "Rejected"
    done(rig)
    assert told(rig) == [("Uploading", 1), ("Uploaded", 1)]


# ---- the link and the process ----


def test_what_became_of_it_is_told_after_an_outage() -> None:
    rig = ready()
    get_log(rig)
    rig.link_down()
    done(rig)
    assert told(rig) == [("Uploading", 7)]
    rig.link_up()
    assert told(rig) == [("Uploading", 7), ("Uploaded", 7)]


@pytest.mark.parametrize("waiting", [False, True])
def test_an_upload_that_a_restart_cut_off_is_told_as_failed_once(waiting: bool) -> None:
    rig = ready()
    get_log(rig)
    if waiting:
        done(rig, "no way")
    again = ready(rig.store, boot_reason="ApplicationReset", first_id=1000)
    assert told(again) == [("UploadFailure", 7)]
    assert told(ready(rig.store, boot_reason="ApplicationReset", first_id=2000)) == []


def test_an_upload_that_was_done_before_a_restart_is_not_told_again() -> None:
    rig = ready()
    get_log(rig)
    done(rig)
    assert told(ready(rig.store, boot_reason="ApplicationReset", first_id=1000)) == []


def test_messages_about_logs_are_none_of_a_transaction() -> None:
    rig = ready()
    rig.csms.answers["LogStatusNotification"] = None
    get_log(rig)
    assert rig.call("GetTransactionStatus") == {"messagesInQueue": False}


# ---- TriggerMessage ----


def trigger(rig: Rig) -> Payload:
    return rig.call("TriggerMessage", requestedMessage="LogStatusNotification")


def test_F06_FR_14_while_a_log_is_uploaded_the_triggered_message_says_so() -> None:
    rig = ready()
    get_log(rig)
    assert trigger(rig) == {"status": "Accepted"}
    assert told(rig) == [("Uploading", 7), ("Uploading", 7)]
    done(rig, "no way")
    trigger(rig)
    assert told(rig)[2:] == [("Uploading", 7)]


def test_F06_FR_15_with_no_upload_the_triggered_message_says_idle_without_a_request() -> None:
    rig = ready()
    assert trigger(rig) == {"status": "Accepted"}
    get_log(rig)
    done(rig)
    trigger(rig)
    assert told(rig) == [("Idle", None), ("Uploading", 7), ("Uploaded", 7), ("Idle", None)]


# ---- secrets ----


def test_the_password_in_a_location_is_in_no_note_and_no_repr() -> None:
    rig = ready()
    get_log(rig, asked={"retries": 1, "retryInterval": 1})
    done(rig, "refused")
    rig.advance(1.0)
    done(rig, "refused")
    get_log(rig)
    done(rig)
    said = [note for note in rig.notes() if "files.example" in note]
    assert len(said) == 3
    assert not any("secret" in text for text in [*rig.notes(), *map(repr, jobs(rig)), *map(repr, uploads(rig))])


def test_the_location_is_not_kept_on_disk() -> None:
    rig = ready()
    get_log(rig)
    assert [rig.store.get("logs", key, int) for key in rig.store.keys("logs")] == [7]
