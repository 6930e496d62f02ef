"""Messages of block O: texts on the station's display."""

from chargerd.ocpp.messages.enums import (
    ClearMessageStatus,
    DisplayMessageStatus,
    GetDisplayMessagesStatus,
    MessagePriority,
    MessageState,
)
from chargerd.ocpp.messages.types import Component, MessageContent, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, OneOrMore, String36, Timestamp, Wire


class MessageInfo(Wire):
    """A display message: what to show, when, and how urgently."""

    id: Integer
    priority: MessagePriority
    message: MessageContent
    display: Component | None = None
    """Which display; absent: the main one."""
    state: MessageState | None = None
    start_date_time: Timestamp | None = None
    """Absent: at once."""
    end_date_time: Timestamp | None = None
    """Absent: until cleared."""
    transaction_id: String36 | None = None
    """Shown during this transaction only."""


class SetDisplayMessageResponse(Wire):
    status: DisplayMessageStatus
    status_info: StatusInfo | None = None


class SetDisplayMessage(Call[SetDisplayMessageResponse]):
    """CSMS: show this text, or change the one of this id (O01, O02, O06)."""

    message: MessageInfo


class GetDisplayMessagesResponse(Wire):
    status: GetDisplayMessagesStatus
    status_info: StatusInfo | None = None


class GetDisplayMessages(Call[GetDisplayMessagesResponse]):
    """CSMS: report the texts; NotifyDisplayMessages follows (O03, O04)."""

    request_id: Integer
    id: OneOrMore[Integer] | None = None
    priority: MessagePriority | None = None
    state: MessageState | None = None


class NotifyDisplayMessagesResponse(Wire):
    pass


class NotifyDisplayMessages(Call[NotifyDisplayMessagesResponse]):
    """Station: one part of a report of texts (O03, O04)."""

    request_id: Integer
    message_info: OneOrMore[MessageInfo] | None = None
    tbc: bool | None = None
    """More parts follow; absent means False."""


class ClearDisplayMessageResponse(Wire):
    status: ClearMessageStatus
    status_info: StatusInfo | None = None


class ClearDisplayMessage(Call[ClearDisplayMessageResponse]):
    """CSMS: take this text away (O05)."""

    id: Integer
