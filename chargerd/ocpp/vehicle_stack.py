"""Towards the program beside the station that speaks ISO 15118 with vehicles (docs/vehicle-stack.md).

It hands over what a vehicle shows or wants, and asks again and again what has become of it; so nothing is lost when
either of the two is restarted. What is asked for one EVSE is forgotten when the vehicle leaves.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from chargerd.certificates import CertificateError
from chargerd.clock import Now
from chargerd.ocpp import iso15118_variables
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.contracts import read_contract
from chargerd.ocpp.edges import Change, ControlSilent, EvDisconnected
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.events import ContractShown, EvCertificateWanted
from chargerd.ocpp.iso15118_variables import (
    CONTRACT_CERTIFICATE_INSTALLATION_ENABLED,
    CONTRACT_VALIDATION_OFFLINE,
    PNC_ENABLED,
)
from chargerd.ocpp.messages.certificates import Get15118EVCertificate, Get15118EVCertificateResponse
from chargerd.ocpp.messages.enums import Iso15118EVCertificateStatus
from chargerd.ocpp.ocsp_cache import OcspCache, is_base64
from chargerd.ocpp.rpc import CallFailure
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.variables import AnyVariable

EV_CERTIFICATE_TIME_LIMIT_S = 4.5
"""CertificateInstallationRes and CertificateUpdateRes: later the vehicle has given up (part 2, 2.7 as corrected)."""

MAX_EXI_CHARACTERS = 5600
MAX_SCHEMA_VERSION_CHARACTERS = 50
"""Get15118EVCertificate."""

NO_STACK = "vehicle_stack is not set for this station"


class State(StrEnum):
    """What has become of a question."""

    NONE = "none"
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Answer(msgspec.Struct, frozen=True):
    """`why`: the reason for a refusal. `exi_response`: Base64 of the message for the vehicle, if there is one."""

    state: State = State.NONE
    why: str = ""
    exi_response: str = ""


class EvseAnswers(msgspec.Struct, frozen=True):
    """What has become of the contract certificate, and of the request for one, at one EVSE."""

    evse_id: int
    contract: Answer
    ev_certificate: Answer


class StackReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that the stack is told. `offer_contract`: whether vehicles may be offered payment by contract now.
    `v2g_chain_pem`, `v2g_key_id`, `v2g_ocsp`: what vehicles are shown, empty without a V2G certificate.
    """

    offer_contract: bool
    offer_certificates: bool
    v2g_chain_pem: str
    v2g_key_id: str
    v2g_ocsp: tuple[str, ...]
    evses: tuple[EvseAnswers, ...]


class _Request:
    """A question of a vehicle that the CSMS answers."""

    def __init__(self, by_mono: float) -> None:
        self.by_mono = by_mono


class VehicleStack(Block):
    """Takes questions of vehicles, keeps the answers."""

    def __init__(self, ctx: StationContext, book: CertificateBook, transactions: Transactions, ocsp: OcspCache) -> None:
        super().__init__(ctx)
        self._book = book
        self._transactions = transactions
        self._ocsp = ocsp
        self._contracts: dict[int, Answer] = {}
        self._certificates: dict[int, Answer] = {}
        self._requests: dict[int, _Request] = {}

    def variables(self) -> Iterable[AnyVariable]:
        """ISO15118Ctrlr, where there is a stack."""
        return iso15118_variables.ALL if self.ctx.config.vehicle_stack else ()

    # ------------------------------------------------------------------ what the stack says and asks

    def contract_shown(self, event: ContractShown, now: Now) -> None:
        """A vehicle shows its contract certificate; the answer is in the report, now or soon (C07)."""
        evse_id = event.evse_id
        if evse_id not in self.ctx.evse_ids:
            self.ctx.note(Severity.WARNING, f"vehicle: there is no EVSE {evse_id}, ignoring")
            return
        why = self._why_not(evse_id) or self._why_no_contract() or self._judge(event, now)
        if why is not None:
            self.ctx.note(Severity.INFO, f"vehicle: contract certificate refused at EVSE {evse_id} ({why})")
            self._contracts[evse_id] = Answer(State.REFUSED, why)

    def certificate_wanted(self, event: EvCertificateWanted, now: Now) -> None:
        """A vehicle wants a contract certificate; the answer is in the report in time (M01, M02)."""
        evse_id = event.evse_id
        if evse_id in self._requests or evse_id not in self.ctx.evse_ids:
            self.ctx.note(Severity.WARNING, f"vehicle: EVSE {evse_id} is none or has asked already, ignoring")
            return
        why = self._why_not(evse_id) or self._why_no_installation() or _why_not_message(event)
        if why is not None:
            self._certificates[evse_id] = Answer(State.REFUSED, why)
            return
        request = _Request(now.mono + EV_CERTIFICATE_TIME_LIMIT_S)
        self._requests[evse_id] = request
        self._certificates[evse_id] = Answer(State.ASKED)

        def answered(response: Get15118EVCertificateResponse, _later: Now) -> None:
            accepted = response.status is Iso15118EVCertificateStatus.ACCEPTED
            state, why = (State.ACCEPTED, "") if accepted else (State.REFUSED, f"the CSMS says {response.status}")
            # Even then there may be a message for the vehicle, which tells it of the failure.
            self._settle(evse_id, request, Answer(state, why, response.exi_response))

        def failed(failure: CallFailure, _later: Now) -> None:
            self._settle(evse_id, request, Answer(State.REFUSED, str(failure)))

        self.ctx.call(_message(event), now, then=answered, failed=failed)

    def report(self) -> StackReport:
        """What the stack is told each time it asks."""
        chain = self._book.v2g_chain()
        return StackReport(
            offer_contract=self._why_no_contract() is None,
            offer_certificates=self._why_no_installation() is None,
            v2g_chain_pem="" if chain is None else chain.pem,
            v2g_key_id="" if chain is None else chain.key_id,
            v2g_ocsp=() if chain is None else self._ocsp.results(chain),
            evses=tuple(
                EvseAnswers(evse_id, self._contracts.get(evse_id, Answer()), self._certificates.get(evse_id, Answer()))
                for evse_id in self.ctx.evse_ids
            ),
        )

    # ------------------------------------------------------------------ what happens

    def on_change(self, change: Change, _now: Now) -> None:
        """The answers were for the vehicle that is gone."""
        if isinstance(change, EvDisconnected):
            self._forget(change.evse_id)
        elif isinstance(change, ControlSilent):
            for evse_id in self.ctx.evse_ids:
                self._forget(evse_id)

    def next_deadline(self) -> float | None:
        """When the first vehicle has waited long enough."""
        return min((request.by_mono for request in self._requests.values()), default=None)

    def on_time(self, now: Now) -> None:
        """Tell the vehicle in time that nothing came of it."""
        for evse_id, request in list(self._requests.items()):
            if now.mono >= request.by_mono:
                why = f"no answer of the CSMS within {EV_CERTIFICATE_TIME_LIMIT_S:g} s"
                self._settle(evse_id, request, Answer(State.REFUSED, why))

    # ------------------------------------------------------------------ inside

    def _judge(self, event: ContractShown, now: Now) -> str | None:
        try:
            contract = read_contract(event.chain_pem, event.emaid, self._book, now.utc)
        except CertificateError as error:
            return str(error)

        def decided(accepted: bool, why: str, _later: Now) -> None:
            self._contracts[event.evse_id] = Answer(State.ACCEPTED) if accepted else Answer(State.REFUSED, why)

        self._contracts[event.evse_id] = Answer(State.ASKED)
        return self._transactions.present_contract(event.evse_id, contract, now, decided)

    def _why_not(self, evse_id: int) -> str | None:
        if not self.ctx.config.vehicle_stack:
            return NO_STACK
        evse = self.ctx.evse(evse_id)
        return None if evse is not None and evse.ev_connected else "no vehicle is connected"

    def _why_no_contract(self) -> str | None:
        if not self.ctx.config.vehicle_stack:
            return NO_STACK
        if not self.ctx.variables[PNC_ENABLED]:
            return "PnCEnabled is false"
        if not self.ctx.online and not self.ctx.variables[CONTRACT_VALIDATION_OFFLINE]:  # C07.FR.07
            return "the CSMS is out of reach, and ContractValidationOffline is false"
        return None

    def _why_no_installation(self) -> str | None:
        if not self.ctx.config.vehicle_stack:
            return NO_STACK
        if not self.ctx.variables[CONTRACT_CERTIFICATE_INSTALLATION_ENABLED]:
            return "ContractCertificateInstallationEnabled is false"
        return None if self.ctx.online else "the CSMS is out of reach"

    def _settle(self, evse_id: int, request: _Request, answer: Answer) -> None:
        """Once: an answer that comes too late, or to a vehicle that left, is nobody's."""
        if self._requests.get(evse_id) is request:
            del self._requests[evse_id]
            self._certificates[evse_id] = answer

    def _forget(self, evse_id: int) -> None:
        self._contracts.pop(evse_id, None)
        self._certificates.pop(evse_id, None)
        self._requests.pop(evse_id, None)


def _why_not_message(event: EvCertificateWanted) -> str | None:
    if not 0 < len(event.schema_version) <= MAX_SCHEMA_VERSION_CHARACTERS:
        return f"the schema version has 1 to {MAX_SCHEMA_VERSION_CHARACTERS} characters"
    if len(event.exi_request) > MAX_EXI_CHARACTERS or not is_base64(event.exi_request):
        return f"the EXI message is Base64 of at most {MAX_EXI_CHARACTERS} characters"
    return None


def _message(event: EvCertificateWanted) -> Get15118EVCertificate:
    return Get15118EVCertificate(
        iso15118_schema_version=event.schema_version, certificate_action=event.action, exi_request=event.exi_request
    )
