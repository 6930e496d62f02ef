"""Every message of a case is checked against the official JSON schemas, which the `ocpp` package carries."""

from collections.abc import Mapping
from typing import Any

import jsonschema
import ocpp.messages

VERSION = "2.0.1"


def check(kind: str, action: str, payload: Mapping[str, Any]) -> str | None:
    """What the schema of `action` says against this "request" or "response"; None: it is right."""
    number = ocpp.messages.MessageType.Call if kind == "request" else ocpp.messages.MessageType.CallResult
    try:
        ocpp.messages.get_validator(number, action, VERSION).validate(dict(payload))
    except FileNotFoundError:
        return f"{action}: no such action in OCPP {VERSION}"
    except jsonschema.ValidationError as error:
        return f"{action} {kind}: {'/'.join(map(str, error.path))}: {error.message}"
    return None
