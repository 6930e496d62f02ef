"""Block L on a whole station; the shell's part is played by the test."""

from datetime import UTC, datetime, timedelta

import pytest

from chargerd.evse.types import PilotState
from chargerd.ocpp.effects import CancelJob
from chargerd.ocpp.events import JobDone, TimeStepped
from chargerd.ocpp.firmware_management import NAMESPACE, UNDER_WAY_KEY
from chargerd.ocpp.firmware_update import RETRIES, RETRY_INTERVAL_S, Update
from chargerd.ocpp.jobs import ACTIVATE, DISCARD, DOWNLOAD, MARK_GOOD, STAGE, VERIFY, Finding
from tests.chargerd.ocpp.building import GOOD, Rig
from tests.chargerd.ocpp.updating import MAKER, NEW, OLD, SIGNER, URL, Station, frames
from tests.chargerd.pki import YEAR, crl, made, root, sub

ALLOW = {"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "true"}
FETCHED = ["Downloading", "Downloaded", "SignatureVerified"]


def charging(station: Station, evse_id: int = 1) -> None:
    station.plug_in(evse_id)
    station.tap(GOOD, evse_id)
    station.charge(evse_id)


# ---- the request ----


def test_L01_FR_01_L01_FR_10_L01_FR_20_each_step_is_told_with_the_id_of_its_request() -> None:
    station = Station()
    assert station.update(42) == {"status": "Accepted"}
    station.activated()
    assert station.told == [*FETCHED, "Installing", "InstallRebooting"]
    assert set(station.ids) == {42}
    new = station.restarted(NEW)
    new.confirmed()
    assert (new.told, new.ids) == (["Installed"], [42])


@pytest.mark.parametrize(
    "signer",
    [
        made("Stranger", root("Other")),
        made("Below", sub("Between", MAKER)),
        made("Old", MAKER, until=datetime(2025, 12, 31, tzinfo=UTC), since=datetime(2025, 1, 1, tzinfo=UTC)),
        made("Early", MAKER, since=datetime(2026, 5, 1, tzinfo=UTC)),
        made("Not for signatures", MAKER, usage=["key_encipherment"]),
        sub("An authority", MAKER),
        MAKER,
    ],
    ids=["strange", "intermediate", "expired", "not yet", "usage", "authority", "the root itself"],
)
def test_L01_FR_02_L01_FR_12_L01_FR_21_L01_FR_22_a_certificate_that_may_not_sign_is_refused_before_all(
    signer: object,
) -> None:
    station = Station()
    answer = station.update(signer=signer)  # type: ignore[arg-type]
    assert answer["status"] == "InvalidCertificate"
    assert station.security_events[-1] == "InvalidFirmwareSigningCertificate"
    assert (station.jobs, station.told) == ([], [])


def test_what_is_no_certificate_is_refused_as_one() -> None:
    station = Station()
    assert station.update(signingCertificate="-----BEGIN CERTIFICATE-----")["status"] == "InvalidCertificate"
    assert station.update(signingCertificate=SIGNER.pem + SIGNER.pem)["status"] == "InvalidCertificate"


def test_a_revoked_certificate_is_refused_by_its_name_and_a_list_that_clears_it_is_enough() -> None:
    lists = {"revocations_pem": (crl(MAKER, [SIGNER], since=_january(-1), until=_january(30)),)}
    station = Station(firmware=lists)
    assert station.update()["status"] == "RevokedCertificate"
    assert station.security_events[-1] == "InvalidFirmwareSigningCertificate"
    other = crl(root("Other"), since=_january(-1), until=_january(30))
    clear = crl(MAKER, since=_january(-1), until=_january(30))
    assert Station(firmware={"revocations_pem": (other, clear)}).update()["status"] == "Accepted"
    assert Station(firmware={"revocations_pem": (other,)}).update()["status"] == "RevokedCertificate"
    old = crl(MAKER, since=_january(-30), until=_january(-1))
    assert Station(firmware={"revocations_pem": (old,)}).update()["status"] == "RevokedCertificate"


def _january(day: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)


def test_a_clock_that_was_set_back_makes_no_expired_certificate_valid() -> None:
    station = Station(changes={"released_utc": datetime(2027, 6, 1, tzinfo=UTC)})
    assert SIGNER.x509.not_valid_after_utc < datetime(2027, 6, 1, tzinfo=UTC) - YEAR / 4
    assert station.update()["status"] == "InvalidCertificate"


@pytest.mark.parametrize("signature", [None, "AAAA"], ids=["neither", "a signature of nobody"])
def test_L01_FR_09_L01_FR_11_firmware_without_a_certificate_is_rejected(signature: str | None) -> None:
    station = Station()
    assert station.update(signingCertificate=None, signature=signature)["status"] == "Rejected"
    assert station.jobs == []


@pytest.mark.parametrize("url", ["ftp://files.example/f", "files", "http:///f", "http://a b/"])
def test_what_cannot_be_fetched_is_rejected_at_once(url: str) -> None:
    assert Station().update(location=url)["statusInfo"]["reasonCode"] == "InvalidURL"


def test_a_machine_without_slots_is_not_updated() -> None:
    rig = Rig()
    rig.status()
    firmware = {"location": URL, "retrieveDateTime": "2025-01-01T00:00:00Z", "signingCertificate": SIGNER.pem}
    answer = rig.call("UpdateFirmware", requestId=1, firmware=firmware)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnsupportedRequest")


def test_nothing_is_begun_for_a_csms_that_has_not_accepted_the_station() -> None:
    station = Station(online=False)
    station.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z", "interval": 300, "status": "Pending"
    }  # fmt: skip
    station.link_up()
    assert station.update()["statusInfo"]["reasonCode"] == "CSNotAccepted"


def test_no_password_of_a_url_gets_into_the_log() -> None:
    station = Station()
    station.update()
    assert not any("secret" in note for note in station.notes())


# ---- download ----


def test_L01_FR_13_a_download_waits_for_its_hour() -> None:
    station = Station()
    station.update(retrieveDateTime=station.in_s(100.0))
    assert (station.told, station.running_kind) == (["DownloadScheduled"], "none")
    station.advance(99.0)
    assert station.running_kind == "none"
    station.advance(2.0)
    assert (station.told, station.running_kind) == (["DownloadScheduled", "Downloading"], DOWNLOAD)


def test_L01_FR_14_a_download_is_paused_for_a_reset_and_goes_on_after_it() -> None:
    station = Station()
    station.update()
    assert station.call("Reset", type="Immediate")["status"] == "Accepted"
    station.advance(1.0)
    assert station.told == ["Downloading", "DownloadPaused"]
    assert any(isinstance(effect, CancelJob) for effect in station.effects)
    after = station.restarted()
    assert (after.told, after.running_kind) == (["Downloading"], DOWNLOAD)


def test_a_download_goes_on_where_the_reset_does_not_come() -> None:
    station = Station()
    station.update()
    station.call("Reset", type="Immediate")
    station.advance(300.0)
    assert station.told == ["Downloading", "DownloadPaused", "Downloading"]


def test_L01_FR_30_only_the_last_failure_is_told_and_attempts_come_at_the_interval() -> None:
    station = Station()
    station.update(asked={"retries": 2, "retryInterval": 50})
    for left in (2, 1, 0):
        station.done(DOWNLOAD, "HTTP 500")
        assert station.told == ["Downloading"] if left else ["Downloading", "DownloadFailed"]
        count = len(station.jobs)
        station.advance(49.0)
        assert len(station.jobs) == count
        station.advance(2.0)
    assert station.told == ["Downloading", "DownloadFailed"]
    assert [job.kind for job in station.jobs] == [DOWNLOAD] * 3 + [DISCARD]


def test_the_station_has_retries_of_its_own_and_bounds_those_of_others() -> None:
    station = Station()
    station.update(asked={"retries": -5, "retryInterval": -5})
    station.done(DOWNLOAD, "HTTP 500")
    assert station.told == ["Downloading", "DownloadFailed"]
    station.update(8)
    for _ in range(RETRIES):
        station.done(DOWNLOAD, "HTTP 500")
        station.advance(RETRY_INTERVAL_S + 1.0)
    station.done(DOWNLOAD, "HTTP 500")
    assert station.told[2:] == ["Downloading", "DownloadFailed"]


# ---- verification ----


def test_L01_FR_03_a_wrong_signature_ends_it_with_a_security_event() -> None:
    station = Station()
    station.update()
    station.until(VERIFY)
    station.done(VERIFY, "is not of this file", Finding.INVALID_SIGNATURE)
    assert station.told == ["Downloading", "Downloaded", "InvalidSignature"]
    assert station.security_events[-1] == "InvalidFirmwareSignature"
    assert station.running_kind == VERIFY


def test_L01_FR_03_a_missing_signature_is_a_wrong_one_and_known_after_the_download() -> None:
    station = Station()
    assert station.update(signature=None)["status"] == "Accepted"
    station.until(VERIFY)
    assert station.running_kind == VERIFY


def test_L01_FR_04_what_was_downloaded_is_verified_before_anything_else() -> None:
    station = Station()
    station.update()
    station.done(DOWNLOAD)
    assert (station.told, station.running_kind) == (["Downloading", "Downloaded"], VERIFY)


def test_a_certificate_that_has_expired_meanwhile_signs_nothing_any_more() -> None:
    station = Station()
    station.update()
    station.until(VERIFY)
    station.done(VERIFY, "expired", Finding.INVALID_CERTIFICATE)
    assert station.told[-1] == "InvalidSignature"
    assert station.security_events[-1] == "InvalidFirmwareSigningCertificate"


def test_L01_FR_29_a_bundle_that_is_not_for_this_station_fails_as_the_first_step_of_its_installation() -> None:
    station = Station()
    station.update(installDateTime="2030-01-01T00:00:00Z")
    station.until(VERIFY)
    station.done(VERIFY, "wrong-hardware", Finding.REFUSED)
    assert station.told == [*FETCHED, "Installing", "InstallVerificationFailed"]


@pytest.mark.parametrize(
    "finding, status", [(Finding.REFUSED, "InstallVerificationFailed"), ("", "InstallationFailed")]
)
def test_what_the_updater_refuses_is_told_by_its_reason(finding: str, status: str) -> None:
    station = Station()
    station.update()
    station.until(STAGE)
    station.done(STAGE, "no", finding)
    assert station.told == [*FETCHED, "Installing", status]


# ---- installation ----


def test_L01_FR_05_without_an_hour_or_with_one_that_has_passed_it_is_installed_at_once() -> None:
    station = Station()
    station.update(installDateTime=station.in_s(-7200.0))
    station.until(STAGE)
    assert (station.told, station.running_kind) == ([*FETCHED, "Installing"], STAGE)


def test_L01_FR_16_an_installation_waits_for_its_hour() -> None:
    station = Station()
    station.update(installDateTime=station.in_s(100.0))
    station.until(STAGE)
    assert (station.told, station.running_kind) == ([*FETCHED, "InstallScheduled"], VERIFY)
    station.advance(99.0)
    assert station.running_kind == VERIFY
    station.advance(2.0)
    assert (station.told[-1], station.running_kind) == ("Installing", STAGE)


def test_an_hour_is_an_hour_of_the_wall_clock_whoever_sets_it() -> None:
    station = Station()
    station.update(installDateTime=station.in_s(7200.0))
    station.until(STAGE)
    station.clock.set_utc(station.clock.now().utc + timedelta(hours=3))
    station.feed(TimeStepped(3 * 3600.0))
    assert station.told[-1] == "Installing"


def test_L01_FR_06_L01_FR_34_an_installation_waits_until_nobody_charges() -> None:
    station = Station()
    charging(station)
    station.update()
    station.until(STAGE)
    assert (station.told, station.running_kind) == ([*FETCHED, "InstallScheduled"], VERIFY)
    station.tap(GOOD)
    station.unplug()
    assert (station.told[-1], station.running_kind) == ("Installing", STAGE)


def states(station: Station) -> dict[int, str]:
    """What the CSMS was told of each connector last."""
    return {each["evseId"]: each["connectorStatus"] for each in station.sent("StatusNotification")}


def test_L01_FR_07_who_is_not_there_yet_has_to_stay_away_until_it_is_installed() -> None:
    station = Station(evses=2)
    charging(station)
    station.update()
    station.until(STAGE)
    assert states(station)[2] == "Unavailable"
    assert not station.orders(2).available
    station.tap(GOOD)
    station.unplug()
    assert states(station)[1] == "Unavailable"


def test_L01_FR_07_where_it_is_allowed_others_may_begin_and_are_waited_for() -> None:
    station = Station(evses=2, settings=ALLOW)
    charging(station)
    station.update()
    station.until(STAGE)
    assert states(station)[2] == "Available"
    charging(station, 2)
    station.tap(GOOD)
    station.unplug()
    assert station.told[-1] == "InstallScheduled"


def test_nobody_may_begin_while_the_slots_change_and_everybody_may_again_when_that_has_failed() -> None:
    station = Station(settings=ALLOW)
    station.update()
    station.until(STAGE)
    assert not station.orders(1).available
    station.done(STAGE, "no", "")
    assert station.orders(1).available
    assert states(station)[1] == "Available"


def test_L01_FR_15_L01_FR_23_L01_FR_32_the_reboot_is_told_before_it_comes_and_the_boot_says_why() -> None:
    station = Station()
    station.csms.answers["FirmwareStatusNotification"] = None
    station.update()
    station.until(ACTIVATE)
    station.done(ACTIVATE)
    assert station.reboots == []
    station.advance(31.0)
    assert [reboot.machine for reboot in station.reboots] == [True]
    after = station.restarted(NEW)
    assert after.sent("BootNotification")[0]["reason"] == "FirmwareUpdate"


def test_L01_FR_33_nobody_is_cut_off_by_the_reboot() -> None:
    station = Station()
    station.update()
    station.until(ACTIVATE)
    station.done(ACTIVATE)
    under_way = station.store.get(NAMESPACE, UNDER_WAY_KEY, Update)
    busy = Station()
    charging(busy)
    busy.store.put(NAMESPACE, UNDER_WAY_KEY, under_way)
    after = busy.restarted(plugged={"pilot_state": PilotState.C, "ev_connected": True, "plug_count": 1})
    after.advance(10.0)
    assert after.reboots == []
    after.tap()
    after.unplug()
    after.advance(10.0)
    assert len(after.reboots) == 1


def test_a_machine_that_does_not_restart_is_asked_again() -> None:
    station = Station()
    station.update()
    station.activated()
    station.advance(130.0)
    assert len(station.reboots) == 2


def test_L01_FR_28_L01_FR_31_installed_is_told_by_the_new_version_once_it_has_proved_good() -> None:
    station = Station()
    station.update()
    station.activated()
    new = station.restarted(NEW)
    assert new.told == []
    new.confirmed()
    assert new.told == ["Installed"]
    assert new.security_events[-1] == "FirmwareUpdated"


def test_health_has_to_last_and_the_csms_has_to_be_there() -> None:
    station = Station()
    station.update()
    station.activated()
    new = station.restarted(NEW)
    new.advance(9.0)
    new.status_lost()
    new.advance(5.0)
    new.status()
    new.advance(9.0)
    assert MARK_GOOD not in [job.kind for job in new.jobs]
    new.advance(2.0)
    assert new.running_kind == MARK_GOOD


def test_without_a_csms_the_new_version_waits_for_the_grace_and_tells_later() -> None:
    station = Station()
    station.update()
    station.activated()
    new = station.restarted(NEW, online=False)
    new.advance(99.0)
    assert new.running_kind == "none"
    new.advance(2.0)
    new.done(MARK_GOOD)
    assert new.told == []
    new.link_up()
    assert new.told == ["Installed"]


def test_a_version_that_never_gets_well_is_started_again_and_the_old_one_tells_of_the_failure() -> None:
    station = Station()
    station.update(9)
    station.activated()
    sick = station.restarted(NEW, online=False)
    sick.status_lost()
    sick.advance(301.0)
    assert [reboot.machine for reboot in sick.reboots] == [True]
    back = sick.restarted(OLD_AGAIN, firmware={"passed_over": ("slot b: its tries ran out",)})
    assert (back.told, back.ids) == (["InstallationFailed"], [9])
    assert any("its tries ran out" in note for note in back.notes())


OLD_AGAIN = type(OLD)(slot=OLD.slot, manifest_sha256=OLD.manifest_sha256, start_id="boot 5")


def test_an_updater_that_does_not_keep_it_is_asked_again_and_then_the_machine_is_started_anew() -> None:
    station = Station()
    station.update()
    station.activated()
    new = station.restarted(NEW)
    new.advance(11.0)
    for _ in range(5):
        new.done(MARK_GOOD, "the updater did not answer", Finding.UNKNOWN)
        new.advance(31.0)
    assert [job.kind for job in new.jobs].count(MARK_GOOD) >= 5
    assert [reboot.machine for reboot in new.reboots] == [True]
    assert new.told == []


def test_an_activation_without_an_answer_is_found_out_by_the_next_start() -> None:
    station = Station()
    station.update()
    station.until(ACTIVATE)
    station.done(ACTIVATE, "the updater did not answer", Finding.UNKNOWN)
    station.advance(1.0)
    assert (station.told[-1], len(station.reboots)) == ("InstallRebooting", 1)


# ---- cancelling ----


@pytest.mark.parametrize("kind, end", [(DOWNLOAD, "DownloadFailed"), (VERIFY, "InstallationFailed")])
def test_L01_FR_24_a_new_request_takes_the_place_of_the_one_before(kind: str, end: str) -> None:
    station = Station()
    station.update(1)
    station.until(kind)
    assert station.update(2, location="ftp://nowhere")["status"] == "AcceptedCanceled"
    assert station.told[-2:] == [end, "Downloading"]
    assert station.ids[-2:] == [1, 2]
    station.done(DOWNLOAD, "only http and https")
    assert [each for each in station.ids if each == 1] == [1] * station.ids.count(1)


def test_the_end_of_a_cancelled_job_is_of_no_interest() -> None:
    station = Station()
    station.update(1)
    first = station.jobs[-1]
    station.update(2)

    station.feed(JobDone(first.job_id, "cancelled"))
    assert station.told == ["Downloading", "DownloadFailed", "Downloading"]


def test_an_invalid_request_cancels_nothing() -> None:
    station = Station()
    station.update(1)
    assert station.update(2, signer=made("Stranger", root("Other")))["status"] == "InvalidCertificate"
    station.until(VERIFY)
    assert station.told == ["Downloading", "Downloaded"]


def test_L01_FR_27_what_the_next_start_takes_cannot_be_cancelled_any_more() -> None:
    station = Station()
    station.update(1)
    station.until(ACTIVATE)
    answer = station.update(2)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "FwUpdateInProgress")
    station.done(ACTIVATE)
    assert station.update(2)["status"] == "Rejected"


# ---- what stands beside ----


def test_F06_FR_16_L01_FR_25_after_installed_and_before_any_update_it_is_idle() -> None:
    station = Station()
    trigger(station)
    assert station.sent("FirmwareStatusNotification") == [{"status": "Idle"}]
    station.update()
    station.activated()
    new = station.restarted(NEW)
    new.confirmed()
    trigger(new)
    assert new.sent("FirmwareStatusNotification")[-1] == {"status": "Idle"}


def test_L01_FR_26_else_the_last_status_is_told_again_over_a_restart_too() -> None:
    station = Station()
    station.update(5)
    trigger(station)
    assert station.sent("FirmwareStatusNotification")[-1] == {"status": "Downloading", "requestId": 5}
    station.done(DOWNLOAD)
    station.done(VERIFY, "no", Finding.INVALID_SIGNATURE)
    after = station.restarted()
    trigger(after)
    assert after.sent("FirmwareStatusNotification") == [{"status": "InvalidSignature", "requestId": 5}]


def trigger(station: Station) -> None:
    assert station.call("TriggerMessage", requestedMessage="FirmwareStatusNotification") == {"status": "Accepted"}


def test_a_reset_is_rejected_while_the_slots_change() -> None:
    station = Station()
    station.update()
    station.until(STAGE)
    answer = station.call("Reset", type="OnIdle")
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "FwUpdateInProgress")
    assert station.call("Reset", type="Immediate")["status"] == "Rejected"
    assert station.call("Reset", type="Immediate", evseId=1)["status"] == "Accepted"


@pytest.mark.parametrize(
    "action, payload",
    [
        ("PublishFirmware", {"location": URL, "checksum": "a" * 32, "requestId": 1}),
        ("UnpublishFirmware", {"checksum": "a" * 32}),
    ],
)
def test_L03_L04_a_station_that_is_no_local_controller_says_so(action: str, payload: dict[str, object]) -> None:
    assert Station().call(action, **payload)["errorCode"] == "NotSupported"


# ---- L02 ----


def test_L02_FR_01_L02_FR_02_in_a_laboratory_an_unsigned_file_takes_the_same_way_without_its_signature() -> None:
    station = Station(firmware={"unsigned": True})
    assert station.update(3, signingCertificate=None, signature=None)["status"] == "Accepted"
    station.activated()
    assert station.told == ["Downloading", "Downloaded", "Installing", "InstallRebooting"]
    new = station.restarted(NEW, firmware={"unsigned": True})
    new.confirmed()
    assert new.told == ["Installed"]


def test_in_a_laboratory_a_signature_that_is_there_still_counts() -> None:
    station = Station(firmware={"unsigned": True})
    assert station.update(signer=made("Stranger", root("Other")))["status"] == "InvalidCertificate"
    assert station.update(signingCertificate=None)["status"] == "Rejected"


def test_everything_is_on_disk_before_it_is_told() -> None:
    station = Station()
    station.csms.answers["FirmwareStatusNotification"] = None
    station.update()
    after = station.restarted()
    assert after.told == ["Downloading"]
    assert frames(after)
