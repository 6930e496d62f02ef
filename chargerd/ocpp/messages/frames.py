"""The three OCPP-J frames (part 4, 4.2): from text to a frame whose payload is still JSON, and from structs to text.

The payload stays undecoded because only the action, or the call being answered, tells its type: codec.decode(type, payload).
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chargerd import codec
from chargerd.codec import CodecError, ErrorCode
from chargerd.ocpp.messages.wire import Call, Wire

UNREADABLE_ID = "-1"
"""Stands for a message id that could not be read (part 4, 4.2.3)."""

MAX_ID = 36
MAX_DESCRIPTION = 255

MessageId = Annotated[str, Meta(max_length=MAX_ID)]


class CallFrame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The other side asks: `payload` is a codec.decode(ACTIONS[action], payload)."""

    message_id: MessageId
    action: str
    payload: msgspec.Raw


class ResultFrame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The other side answers: `payload` is a codec.decode(request.response(), payload)."""

    message_id: MessageId
    payload: msgspec.Raw


class ErrorFrame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """The other side refuses. `error_code` is any text: peers invent their own, and then it means GenericError."""

    message_id: MessageId
    error_code: str
    description: str
    details: msgspec.Raw


Frame = CallFrame | ResultFrame | ErrorFrame


class FrameError(Exception):
    """Not a frame. `message_id` is what could be read of it, else "-1"; `error` holds code, path and reason."""

    def __init__(self, message_id: str, error: CodecError) -> None:
        self.message_id = message_id
        self.error = error
        super().__init__(str(error))


def decode_frame(text: str | bytes, *, max_bytes: int = codec.MAX_BYTES) -> Frame:
    """One frame. Raises FrameError: MessageTypeNotSupported for another number in front, else mostly RpcFrameworkError."""
    try:
        return codec.decode(Frame, text, max_bytes=max_bytes)  # type: ignore[arg-type]  # a union is no type[T]
    except CodecError as error:
        raise _frame_error(text[:200], error) from None


def encode_call(message_id: str, call: Call[Any]) -> str:
    """`[2, id, action, payload]`."""
    return codec.encode((2, message_id, call.action, call)).decode()


def encode_result(message_id: str, response: Wire) -> str:
    """`[3, id, payload]`."""
    return codec.encode((3, message_id, response)).decode()


def encode_error(message_id: str, code: ErrorCode, description: str = "", path: str | None = None) -> str:
    """`[4, id, code, description, details]`; `path` goes into the details. The description is cut to 255 characters."""
    details = {} if path is None else {"path": path}
    return codec.encode((4, message_id, code, description[:MAX_DESCRIPTION], details)).decode()


_BEGINNING = re.compile(r'\s*\[\s*(?P<type>\d{1,9})\s*,\s*"(?P<id>[^"\\]{1,36})"')


def _frame_error(beginning: str | bytes, error: CodecError) -> FrameError:
    if isinstance(beginning, bytes):
        beginning = beginning.decode(errors="replace")
    match = _BEGINNING.match(beginning)
    if match is None:
        return FrameError(UNREADABLE_ID, CodecError(ErrorCode.RPC_FRAMEWORK_ERROR, error.path, error.why))
    if int(match["type"]) not in {2, 3, 4}:
        unsupported = CodecError(ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "$[0]", f"message type {match['type']}")
        return FrameError(match["id"], unsupported)
    code = ErrorCode.FORMAT_VIOLATION if error.code is ErrorCode.FORMAT_VIOLATION else ErrorCode.RPC_FRAMEWORK_ERROR
    return FrameError(match["id"], CodecError(code, error.path, error.why))
