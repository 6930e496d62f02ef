"""What a signing meter signs, from the wish for a session to the signed value in the Ended event (J02.FR.21).

The meters sign a session's begin and end, not every reading. A document is made after the contactor has opened and
takes some seconds: the Ended event of a signed session waits for it here, on disk, SIGNED_WITHIN_S at most. Nothing
else waits.
"""

import base64
from collections.abc import Iterable

import msgspec

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError
from chargerd.evse.types import MeterSession, SignFor
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.edges import Change, ControlRestarted, MeterSessionChanged, is_energy_on
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import Measurand, ReadingContext
from chargerd.ocpp.messages.transactions import TransactionEvent
from chargerd.ocpp.messages.types import IdToken, MeterValue, SampledValue, SignedMeterValue
from chargerd.ocpp.variables import AnyVariable, boolean, option_list
from hal.types import SigningPhase

NAMESPACE = "unsigned_ends"
"""Store: transaction id -> the Ended event that waits for its document."""

SESSIONS = "signed_sessions"
"""Store: EVSE id -> the session of the transaction that runs there."""

SIGNED_WITHIN_S = 60.0
"""A soft stop, a meter that takes 30 s at most, and the way of orders and status; then the event goes without."""

MAX_DATA_CHARACTERS = 2500
"""Of signedMeterData, as its schema has it."""

MAX_TEXT_CHARACTERS = 60
"""Of what all meters sign; tokens have 36."""

SIGN_READINGS = boolean(
    "SampledDataCtrlr",
    "SignReadings",
    True,
    writable=True,
    required=False,
    doc="The begin and the end of a transaction carry what the meter signed; no energy flows before it has begun to.",
)
PUBLIC_KEY = option_list(
    "OCPPCommCtrlr",
    "PublicKeyWithSignedMeterValue",
    "OncePerTransaction",
    values=("Never", "OncePerTransaction", "EveryMeterValue"),
    writable=True,
    required=False,
    doc="How often the key that verifies a signed value comes with it.",
)


class _Held(msgspec.Struct, frozen=True):
    evse_id: int
    request: TransactionEvent


class _Waiting(msgspec.Struct, frozen=True):
    held: _Held
    give_up_mono: float


class Signatures(Block):
    """Sessions of signing meters. Without such a meter it has no variables and lets every event pass."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._waiting: dict[str, _Waiting] = {}
        self._interrupted: set[int] = set()
        self._can_sign = any(evse.signs for evse in ctx.config.board.evses)

    def variables(self) -> Iterable[AnyVariable]:
        """Only where some meter signs: the standard wants none of them elsewhere."""
        return (SIGN_READINGS, PUBLIC_KEY) if self._can_sign else ()

    def on_start(self, now: Now) -> None:
        """Sessions go on, and Ended events that still wait get their time again."""
        for key, sign_for in self.ctx.store.items(SESSIONS, SignFor):
            if int(key) in self.ctx.evse_ids:
                self.ctx.orders.set_sign_for(int(key), sign_for)
        for transaction_id, raw in self.ctx.store.items(NAMESPACE, msgspec.Raw):
            try:
                held = codec.decode(_Held, raw)
            except CodecError as error:
                self.ctx.note(Severity.ERROR, f"signatures: the end of {transaction_id} is unreadable ({error})")
                self.ctx.store.delete(NAMESPACE, transaction_id)
            else:
                self._waiting[transaction_id] = _Waiting(held, now.mono + SIGNED_WITHIN_S)

    def on_change(self, change: Change, now: Now) -> None:
        """A document may have come, or will not come any more."""
        match change:
            case ControlRestarted():
                self._check_sessions()
            case MeterSessionChanged(session=session) if session.sign_for is not None:
                over = session.phase in {SigningPhase.IDLE, SigningPhase.FAILED}
                if over and session.sign_for.key in self._waiting:
                    self._release(session.sign_for.key, session, session.why or "the meter made no document", now)
            case _:
                pass

    def next_deadline(self) -> float | None:
        """When the first event has waited long enough."""
        return min((waiting.give_up_mono for waiting in self._waiting.values()), default=None)

    def on_time(self, now: Now) -> None:
        """Whatever happened to its document, an event goes after its time."""
        for transaction_id, waiting in list(self._waiting.items()):
            if now.mono >= waiting.give_up_mono:
                self._release(transaction_id, MeterSession(), f"no document in {SIGNED_WITHIN_S:g} s", now)

    # ------------------------------------------------------------------ for Transactions

    def begin(self, evse_id: int, transaction_id: str, token: IdToken) -> None:
        """Energy of this transaction is to be signed, for this token. With energy on already it cannot be."""
        evse, wanted = self.ctx.evse(evse_id), self.ctx.orders.sign_for(evse_id)
        signs = self.ctx.config.board.evses[evse_id - 1].signs and self.ctx.variables[SIGN_READINGS]
        is_new = wanted is None or wanted.key != transaction_id
        if signs and is_new and (evse is None or not is_energy_on(evse)):
            sign_for = SignFor(transaction_id, _signable(token.id_token) or transaction_id)
            self.ctx.orders.set_sign_for(evse_id, sign_for)
            self.ctx.store.put(SESSIONS, str(evse_id), sign_for)

    def end(self, evse_id: int, request: TransactionEvent, now: Now) -> None:
        """Send the Ended event of this EVSE's transaction, with what the meter signs if it does."""
        transaction_id = request.transaction_info.transaction_id
        wanted = self.ctx.orders.sign_for(evse_id)
        if wanted is None or wanted.key != transaction_id:
            self.ctx.queue(request, now, transaction_id)
            return
        self.ctx.orders.set_sign_for(evse_id, None)
        self.ctx.store.delete(SESSIONS, str(evse_id))
        if evse_id in self._interrupted or not _has_end(request):
            self._interrupted.discard(evse_id)
            self._tell_unsigned(transaction_id, "the meter's session or its last reading is missing")
            self.ctx.queue(request, now, transaction_id)
        else:
            held = _Held(evse_id, request)
            self._waiting[transaction_id] = _Waiting(held, now.mono + SIGNED_WITHIN_S)
            self.ctx.store.put(NAMESPACE, transaction_id, msgspec.Raw(codec.encode(held)))

    def holds(self, transaction_id: str | None = None) -> bool:
        """Whether the end of this transaction, or of any, is still to be queued."""
        return bool(self._waiting) if transaction_id is None else transaction_id in self._waiting

    # ------------------------------------------------------------------ inside

    def _check_sessions(self) -> None:
        """The control process is new to us: whose session it does not have open was interrupted."""
        for evse_id in self.ctx.evse_ids:
            evse, wanted = self.ctx.evse(evse_id), self.ctx.orders.sign_for(evse_id)
            session = None if evse is None else evse.session
            if wanted is not None and (session is None or session.sign_for != wanted):
                self._interrupted.add(evse_id)

    def _tell_unsigned(self, transaction_id: str, why: str) -> None:
        self.ctx.note(Severity.WARNING, f"signatures: {transaction_id} ends without a signed value ({why})")

    def _release(self, transaction_id: str, session: MeterSession, why: str, now: Now) -> None:
        request = self._waiting.pop(transaction_id).held.request
        self.ctx.store.delete(NAMESPACE, transaction_id)
        documents = {
            ReadingContext.TRANSACTION_BEGIN: session.begin,
            ReadingContext.TRANSACTION_END: session.end,
        }
        if session.end is None or len(base64.b64encode(session.end)) > MAX_DATA_CHARACTERS:
            self._tell_unsigned(transaction_id, why)
        key = "" if self.ctx.variables.value(PUBLIC_KEY) == "Never" else base64.b64encode(session.public_key).decode()
        every = self.ctx.variables.value(PUBLIC_KEY) == "EveryMeterValue"
        values: list[MeterValue] = []
        for value in request.meter_value or ():
            document = documents.get(value.sampled_value[0].context or ReadingContext.SAMPLE_PERIODIC)
            signed = None if document is None else _signed(value, document, key)
            values.append(signed or value)
            key = key if every or signed is None else ""
        self.ctx.queue(msgspec.structs.replace(request, meter_value=tuple(values)), now, transaction_id)


def _signed(value: MeterValue, document: bytes, public_key: str) -> MeterValue | None:
    """The reading with the document at its register; None: it has no register, or the document is too large."""
    data = base64.b64encode(document).decode()
    if len(data) > MAX_DATA_CHARACTERS or not any(map(_is_register, value.sampled_value)):
        return None
    # The method of signing stands in the document itself (OCMF).
    carried = SignedMeterValue(signed_meter_data=data, signing_method="", encoding_method="OCMF", public_key=public_key)
    samples = tuple(
        msgspec.structs.replace(sample, signed_meter_value=carried) if _is_register(sample) else sample
        for sample in value.sampled_value
    )
    return msgspec.structs.replace(value, sampled_value=samples)


def _is_register(sample: SampledValue) -> bool:
    return sample.measurand in {None, Measurand.ENERGY_ACTIVE_IMPORT_REGISTER}


def _has_end(request: TransactionEvent) -> bool:
    return any(
        sample.context is ReadingContext.TRANSACTION_END and _is_register(sample)
        for value in request.meter_value or ()
        for sample in value.sampled_value
    )


def _signable(text: str) -> str:
    """As meters take it: printable ASCII without what separates the parts of their documents."""
    clean = "".join(char if char.isascii() and char.isprintable() and char not in '|"\\' else "_" for char in text)
    return clean[:MAX_TEXT_CHARACTERS]
