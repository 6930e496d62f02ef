"""Extensions for tests."""

from chargerd.clock import Now
from chargerd.evse.types import Status
from chargerd.ocpp.vendor import Json, Reply, Send, UnknownMessage, Vendor


class Echo(Vendor):
    """Answers what it is told, and notes what it sees. `to_send`: sent at the next look."""

    vendor_id = "org.example"

    def __init__(self) -> None:
        self.seen: list[Status] = []
        self.answers: list[tuple[str | None, Reply | None]] = []
        self.to_send: list[Json] = []
        self.taken: list[bool] = []

    def answer(self, message_id: str | None, data: Json, now: Now) -> Reply:
        match message_id:
            case "echo":
                return Reply(accepted=True, data=data)
            case "no":
                return Reply(accepted=False)
            case "huge":
                return Reply(accepted=True, data="x" * 20_000)
            case "unsayable":
                return Reply(accepted=True, data=object())
            case "wrong":
                return "nonsense"  # type: ignore[return-value]
            case "break":
                raise ZeroDivisionError
        raise UnknownMessage

    def watch(self, status: Status, send: Send, now: Now) -> None:
        self.seen.append(status)
        while self.to_send:
            self.taken.append(send("news", self.to_send.pop(0)))

    def answered(self, message_id: str | None, reply: Reply | None, now: Now) -> None:
        self.answers.append((message_id, reply))
