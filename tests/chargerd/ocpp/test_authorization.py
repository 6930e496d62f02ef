import pytest

from chargerd.clock import Now
from chargerd.ocpp.authorization import Verdict, same_group, same_token, shown
from chargerd.ocpp.messages.enums import AuthorizationStatus, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken
from tests.chargerd.ocpp.building import GOOD, Rig

CARD = IdToken(id_token=GOOD, type=IdTokenEnum.ISO14443)


class Asked:
    """Asks about one token and keeps what is answered."""

    def __init__(self, rig: Rig, token: IdToken = CARD, evse_id: int | None = 1) -> None:
        self.verdicts: list[Verdict] = []
        rig.station.authorization.authorize(token, evse_id, rig.clock.now(), self._decided)
        rig.status()

    def _decided(self, verdict: Verdict, now: Now) -> None:
        self.verdicts.append(verdict)

    @property
    def verdict(self) -> Verdict:
        (verdict,) = self.verdicts
        return verdict


def test_C01_FR_02_a_token_nobody_here_knows_is_asked_about() -> None:
    rig = Rig()
    assert Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == [{"idToken": {"idToken": GOOD, "type": "ISO14443"}}]


@pytest.mark.parametrize("status", [one for one in AuthorizationStatus if one is not AuthorizationStatus.ACCEPTED])
def test_every_status_but_accepted_refuses(status: AuthorizationStatus) -> None:
    rig = Rig()
    rig.csms.tokens[GOOD] = {"status": status}
    verdict = Asked(rig).verdict
    assert not verdict.accepted
    assert status in verdict.why


def test_C01_FR_21_a_token_counts_on_the_evses_it_is_valid_for_only() -> None:
    rig = Rig()
    rig.csms.tokens[GOOD] = {"status": "Accepted", "evseId": [2]}
    assert not Asked(rig, evse_id=1).verdict.accepted
    assert Asked(rig, evse_id=2).verdict.accepted
    assert Asked(rig, evse_id=None).verdict.accepted


@pytest.mark.parametrize("kind", [IdTokenEnum.CENTRAL, IdTokenEnum.NO_AUTHORIZATION])
def test_C03_FR_01_C05_FR_01_tokens_of_the_csms_and_the_start_button_are_not_asked_about(kind: IdTokenEnum) -> None:
    rig = Rig()
    assert Asked(rig, IdToken(id_token="X", type=kind)).verdict.accepted
    assert rig.sent("Authorize") == []


def test_with_authorization_switched_off_every_token_is_accepted_unasked() -> None:
    rig = Rig({"AuthCtrlr.Enabled": "false"})
    assert Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == []


def test_offline_an_unknown_token_is_refused() -> None:
    rig = Rig(online=False)
    verdict = Asked(rig).verdict
    assert not verdict.accepted
    assert verdict.offline


def test_C15_FR_08_offline_an_unknown_token_is_accepted_where_the_site_says_so() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    verdict = Asked(rig).verdict
    assert verdict.accepted
    assert verdict.offline


def test_a_csms_that_does_not_answer_counts_as_offline() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = None
    asked = Asked(rig)
    assert asked.verdicts == []
    rig.advance(31)
    assert asked.verdict.accepted


def test_a_link_lost_while_asking_counts_as_offline() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = None
    asked = Asked(rig)
    rig.link_down()
    assert asked.verdict.accepted


def test_an_answer_that_is_none_refuses() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = {"nonsense": True}
    assert not Asked(rig).verdict.accepted


def test_the_csms_is_not_asked_where_that_is_disabled() -> None:
    rig = Rig({"AuthCtrlr.DisableRemoteAuthorization": "true"})
    assert not Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == []


def test_C11_FR_04_clearing_a_cache_that_is_switched_off_is_rejected() -> None:
    assert Rig().call("ClearCache")["status"] == "Rejected"


def test_C01_FR_25_tokens_are_equal_without_regard_to_case_but_not_across_types() -> None:
    assert same_token(CARD, IdToken(id_token=GOOD.lower(), type=IdTokenEnum.ISO14443))
    assert not same_token(CARD, IdToken(id_token=GOOD, type=IdTokenEnum.ISO15693))
    assert not same_token(None, None)


def test_no_two_tokens_share_the_empty_group() -> None:
    empty = IdToken(id_token="", type=IdTokenEnum.CENTRAL)
    fleet = IdToken(id_token="FLEET", type=IdTokenEnum.CENTRAL)
    assert not same_group(empty, empty)
    assert not same_group(None, None)
    assert same_group(fleet, IdToken(id_token="fleet", type=IdTokenEnum.CENTRAL))


def test_C04_FR_04_a_pin_is_never_shown() -> None:
    assert "1234" not in shown(IdToken(id_token="12345678", type=IdTokenEnum.KEY_CODE))
    assert shown(CARD) == "04…DD(ISO14443)"
    assert GOOD not in shown(CARD)
