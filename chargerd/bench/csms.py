"""A CSMS for the bench, on loopback, built on the independent `ocpp` package: every bench run is an interoperability
run.

It checks each message against the official JSON schemas (the package does that in both directions), accepts every
token that is not on its blocked list, and remembers what it was told so that a page or a scenario can ask.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import unquote

import msgspec
from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case
from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v201 import ChargePoint, call, call_result
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

SUBPROTOCOL = "ocpp2.0.1"
MESSAGES_KEPT = 5000
CALL_WITHIN_S = 30.0

for _library in ("ocpp", "websockets"):
    logging.getLogger(_library).setLevel(logging.WARNING)


class CsmsError(Exception):
    """The CSMS cannot do what was asked: no station, a refusal, an unknown action."""


class Seen(msgspec.Struct, frozen=True):
    """A request that the station sent, as it stood on the wire."""

    seq: int
    action: str
    payload: dict[str, Any]
    at_utc: datetime


class Csms:
    """One CSMS for one station. `blocked`: tokens to refuse. `registrations`: what the next BootNotifications are
    answered. `call_within_s`: how long a call waits for its answer.
    """

    def __init__(self, identity: str, password: str, *, call_within_s: float = CALL_WITHIN_S) -> None:
        self.identity = identity
        self.call_within_s = call_within_s
        self.blocked: set[str] = set()
        self.registrations: deque[str] = deque()
        self.boot_interval_s = 300
        self.seen: deque[Seen] = deque(maxlen=MESSAGES_KEPT)
        self.transactions: dict[int, str] = {}
        self._password = password
        self._seen_seq = 0
        self._station: _Station | None = None
        self._server: Server | None = None
        self._remote_start_id = 0

    async def start(self) -> str:
        """Listen on a free port of loopback; the URL for the station (its identity is appended by itself)."""
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._check_credentials,
            ping_interval=None,
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/ocpp"

    async def stop(self) -> None:
        """Close the connection and the listener."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def connected(self) -> bool:
        """A station is connected."""
        return self._station is not None

    async def call(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Send any request of OCPP 2.0.1, keys as on the wire; the response likewise. Raises CsmsError."""
        if self._station is None:
            raise CsmsError("no station is connected")
        kind = getattr(call, action, None)
        if kind is None:
            raise CsmsError(f"OCPP 2.0.1 has no request {action!r}")
        try:
            request = kind(**camel_to_snake_case(dict(payload)))
            response = await self._station.call(request, suppress=False)
        except TypeError as error:
            raise CsmsError(f"{action}: {error}") from error
        except OCPPError as error:
            raise CsmsError(f"{action}: {type(error).__name__}: {error.description or error.details}") from error
        except (TimeoutError, ConnectionClosed) as error:
            raise CsmsError(f"{action}: the station did not answer ({type(error).__name__})") from error
        answer = snake_to_camel_case(_plain(response))
        assert isinstance(answer, dict)
        return answer

    # ------------------------------------------------------------------ what an operator does

    async def remote_start(self, evse_id: int, uid: str) -> dict[str, Any]:
        """RequestStartTransaction with a Central token."""
        self._remote_start_id += 1
        return await self.call(
            "RequestStartTransaction",
            {
                "evseId": evse_id,
                "remoteStartId": self._remote_start_id,
                "idToken": {"idToken": uid, "type": "Central"},
            },
        )

    async def remote_stop(self, evse_id: int) -> dict[str, Any]:
        """RequestStopTransaction for what runs on the EVSE. Raises CsmsError when nothing does."""
        transaction_id = self.transactions.get(evse_id)
        if transaction_id is None:
            raise CsmsError(f"no transaction runs on EVSE {evse_id}")
        return await self.call("RequestStopTransaction", {"transactionId": transaction_id})

    async def limit(self, evse_id: int, amps: float | None) -> dict[str, Any]:
        """Limit the EVSE to `amps` per phase with a default profile, or with None take that limit away."""
        if amps is None:
            return await self.call(
                "ClearChargingProfile",
                {"chargingProfileCriteria": {"evseId": evse_id, "chargingProfilePurpose": "TxDefaultProfile"}},
            )
        return await self.call(
            "SetChargingProfile",
            {
                "evseId": evse_id,
                "chargingProfile": {
                    "id": 1000 + evse_id,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": [
                        {
                            "id": 1,
                            "startSchedule": _stamp(),
                            "chargingRateUnit": "A",
                            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
                        }
                    ],
                },
            },
        )

    # ------------------------------------------------------------------ the wire

    def _check_credentials(self, _connection: ServerConnection, request: Request) -> Response | None:
        """HTTP 404 for an identity nobody knows, 401 for a wrong password (A00.FR.204, OCPP-J 3.2)."""
        if unquote(request.path.rsplit("/", 1)[-1]) != self.identity:
            return _connection.respond(HTTPStatus.NOT_FOUND, "unknown identity\n")
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            given = b""
        if scheme != "Basic" or not hmac.compare_digest(given, f"{self.identity}:{self._password}".encode()):
            return _connection.respond(HTTPStatus.UNAUTHORIZED, "wrong credentials\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        if connection.subprotocol != SUBPROTOCOL:
            await connection.close(1002, f"{SUBPROTOCOL} expected")
            return
        station = _Station(self, connection)
        self._station = station
        try:
            await station.start()
        except ConnectionClosed:
            pass
        finally:
            if self._station is station:
                self._station = None

    def note(self, text: str) -> None:
        """Remember a request of the station with its content, as it stood on the wire."""
        try:
            message = json.loads(text)
        except ValueError:
            return
        if isinstance(message, list) and len(message) == 4 and message[0] == 2:
            self._seen_seq += 1
            self.seen.append(Seen(self._seen_seq, message[2], message[3], datetime.now(UTC)))

    def next_registration(self) -> str:
        """What the next BootNotification is answered; Accepted unless a script says otherwise."""
        return self.registrations.popleft() if self.registrations else "Accepted"

    def verdict(self, uid: str) -> dict[str, Any]:
        """What the CSMS thinks of a token."""
        return {"status": "Blocked" if uid.upper() in self.blocked else "Accepted"}


class _Tap:
    """The connection as `ocpp` wants it, with every request noted on its way."""

    def __init__(self, csms: Csms, connection: ServerConnection) -> None:
        self._csms = csms
        self._connection = connection

    async def recv(self) -> str:
        text = str(await self._connection.recv())
        self._csms.note(text)
        return text

    async def send(self, text: str) -> None:
        await self._connection.send(text)


_HandlerT = TypeVar("_HandlerT", bound=Callable[..., Any])


def _answers(action: str) -> Callable[[_HandlerT], _HandlerT]:
    """The package's decorator, with its type."""
    return cast("Callable[[_HandlerT], _HandlerT]", on(action))


class _Station(ChargePoint):  # type: ignore[misc]
    """The CSMS's side of one connection: what it answers."""

    def __init__(self, csms: Csms, connection: ServerConnection) -> None:
        super().__init__(csms.identity, _Tap(csms, connection), csms.call_within_s)
        self._csms = csms
        self._tasks: set[asyncio.Task[None]] = set()

    async def route_message(self, raw_msg: str) -> None:
        """Each message in a task of its own, so that an answer can arrive while another message is being handled."""
        task = asyncio.create_task(self._answer(super().route_message(raw_msg)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, answering: Awaitable[None]) -> None:
        """Whoever has gone meanwhile hears no answer, and that is nobody's fault."""
        with contextlib.suppress(ConnectionClosed):
            await answering

    @_answers("BootNotification")
    def _boot(self, **_fields: Any) -> call_result.BootNotification:
        return call_result.BootNotification(
            current_time=_stamp(), interval=self._csms.boot_interval_s, status=self._csms.next_registration()
        )

    @_answers("Heartbeat")
    def _heartbeat(self, **_fields: Any) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=_stamp())

    @_answers("Authorize")
    def _authorize(self, id_token: dict[str, Any], **_fields: Any) -> call_result.Authorize:
        verdict = self._csms.verdict(id_token["id_token"])
        if id_token["type"] != "eMAID":
            return call_result.Authorize(id_token_info=verdict)
        certificate = "Accepted" if verdict["status"] == "Accepted" else "ContractCancelled"
        return call_result.Authorize(id_token_info=verdict, certificate_status=certificate)

    @_answers("Get15118EVCertificate")
    def _ev_certificate(self, **_fields: Any) -> call_result.Get15118EVCertificate:
        """There is nobody behind this CSMS who makes contract certificates."""
        return call_result.Get15118EVCertificate(status="Failed", exi_response="")

    @_answers("GetCertificateStatus")
    def _certificate_status(self, **_fields: Any) -> call_result.GetCertificateStatus:
        """Nor one who knows which were revoked."""
        return call_result.GetCertificateStatus(status="Failed")

    @_answers("TransactionEvent")
    def _transaction(
        self, event_type: str, transaction_info: dict[str, Any], **fields: Any
    ) -> call_result.TransactionEvent:
        transaction_id = transaction_info["transaction_id"]
        if event_type == "Ended":
            self._csms.transactions = {
                evse: running for evse, running in self._csms.transactions.items() if running != transaction_id
            }
        elif "evse" in fields:
            self._csms.transactions[fields["evse"]["id"]] = transaction_id
        token = fields.get("id_token")
        if token is None:
            return call_result.TransactionEvent()
        return call_result.TransactionEvent(id_token_info=self._csms.verdict(token["id_token"]))

    @_answers("DataTransfer")
    def _data(self, **_fields: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer(status="UnknownVendorId")


def _only_noted(action: str) -> Callable[..., Any]:
    """An answer without content, for what the bench only takes note of."""

    def answer(_station: Any, **_fields: Any) -> Any:
        return getattr(call_result, action)()

    answer.__name__ = _noted_name(action)  # the package finds its handlers by that name
    return _answers(action)(answer)


def _noted_name(action: str) -> str:
    return f"_noted_{action}"


for _action in (
    "StatusNotification",
    "MeterValues",
    "NotifyReport",
    "NotifyEvent",
    "SecurityEventNotification",
    "ReportChargingProfiles",
    "NotifyChargingLimit",
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "NotifyMonitoringReport",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "ReservationStatusUpdate",
):
    setattr(_Station, _noted_name(_action), _only_noted(_action))


def _plain(response: object) -> dict[str, Any]:
    fields = getattr(response, "__dataclass_fields__", {})
    return {name: value for name in fields if (value := getattr(response, name)) is not None}


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
