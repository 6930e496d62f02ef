"""What is common to the two memories of tokens, the local list and the cache: how a token is filed, and when what is
known of it still holds.
"""

import hashlib

from chargerd import codec
from chargerd.clock import Now
from chargerd.ocpp.messages.enums import AuthorizationStatus
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo

KEY_CHARACTERS = 32

MAX_INFO_BYTES = 2048
"""What is kept of one token: with a message of 512 letters at its longest, and no list of EVSEs without end."""


def file_key(token: IdToken) -> str:
    """Under what a token is filed: equal for tokens that count as the same (C01.FR.25), and not
    readable (C10.FR.12).
    """
    text = f"{token.type}:{token.id_token.casefold()}"
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]


def is_too_long(info: IdTokenInfo) -> bool:
    """Whether the CSMS said more of a token than is kept."""
    return len(codec.encode(info)) > MAX_INFO_BYTES


def has_expired(info: IdTokenInfo, now: Now) -> bool:
    """Whether what the CSMS said holds no longer."""
    return info.cache_expiry_date_time is not None and info.cache_expiry_date_time <= now.utc


def is_accepted(info: IdTokenInfo, now: Now) -> bool:
    """Whether the token may charge by what is known of it."""
    return info.status is AuthorizationStatus.ACCEPTED and not has_expired(info, now)
