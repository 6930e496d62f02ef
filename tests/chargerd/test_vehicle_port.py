"""The verbs of the console for a vehicle stack."""

import json
from typing import Any

import pytest

from chargerd.console import ConsoleError
from chargerd.ocpp.events import ContractShown, EvCertificateWanted
from chargerd.ocpp.messages.enums import CertificateAction
from chargerd.ocpp.vehicle_stack import Answer, EvseAnswers, StackReport, State
from chargerd.vehicle_port import VehiclePort

REPORT = StackReport(
    offer_contract=True,
    offer_certificates=False,
    v2g_chain_pem="chain",
    v2g_key_id="key-1",
    v2g_ocsp=("QUFB",),
    evses=(EvseAnswers(1, Answer(State.ASKED), Answer(State.REFUSED, "why", "QkJC")),),
)


class Asked:
    """A port and what it fed to the station."""

    def __init__(self) -> None:
        self.fed: list[ContractShown | EvCertificateWanted] = []
        self._verbs = VehiclePort(self.fed.append, lambda: REPORT).verbs()

    def __call__(self, verb: str, **request: Any) -> dict[str, Any]:
        return dict(json.loads(json.dumps(self._verbs[verb]({"verb": verb, **request}))))


def test_the_report_says_what_may_be_offered_and_what_has_become_of_each_question() -> None:
    assert Asked()("vehicle") == {
        "offer_contract": True,
        "offer_certificates": False,
        "v2g_chain_pem": "chain",
        "v2g_key_id": "key-1",
        "v2g_ocsp": ["QUFB"],
        "evses": [
            {
                "evse_id": 1,
                "contract": {"state": "asked", "why": "", "exi_response": ""},
                "ev_certificate": {"state": "refused", "why": "why", "exi_response": "QkJC"},
            }
        ],
    }


def test_a_contract_and_a_wish_for_one_reach_the_station_and_the_report_comes_back() -> None:
    asked = Asked()
    assert asked("contract", evse=1, chain="pem", emaid="DE1") == asked("vehicle")
    asked("contract", evse=2, chain="pem")
    asked("ev_certificate", evse=1, action="Update", schema="urn", exi="QUFB")
    assert asked.fed == [
        ContractShown(1, "pem", "DE1"),
        ContractShown(2, "pem"),
        EvCertificateWanted(1, CertificateAction.UPDATE, "urn", "QUFB"),
    ]


@pytest.mark.parametrize(
    "verb, request_fields, why",
    [
        ("contract", {"chain": "pem"}, '"evse"'),
        ("contract", {"evse": True, "chain": "pem"}, '"evse"'),
        ("contract", {"evse": "1", "chain": "pem"}, '"evse"'),
        ("contract", {"evse": 1}, '"chain"'),
        ("contract", {"evse": 1, "chain": 5}, '"chain"'),
        ("contract", {"evse": 1, "chain": "pem", "emaid": None}, '"emaid"'),
        ("ev_certificate", {"evse": 1, "action": "Delete", "schema": "urn", "exi": "QUFB"}, "Install or Update"),
        ("ev_certificate", {"evse": 1, "action": "Install", "exi": "QUFB"}, '"schema"'),
        ("ev_certificate", {"evse": 1, "action": "Install", "schema": "urn"}, '"exi"'),
    ],
)
def test_a_request_of_another_form_is_refused_and_reaches_nobody(
    verb: str, request_fields: dict[str, Any], why: str
) -> None:
    asked = Asked()
    with pytest.raises(ConsoleError, match=why):
        asked(verb, **request_fields)
    assert asked.fed == []
