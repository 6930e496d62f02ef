"""Secrets at rest: what the CSMS sets and the station must keep is sealed before it reaches the store.

The key comes as the credential "store-key", never stands beside what it seals, and may itself be encrypted for this
machine alone (systemd-creds: TPM, host key, or both). Without a key a secret is kept as it is, in a file that only the
service's user can read; docs/security.md says what that means.
"""

import base64
import hashlib
import os

MARK = "sealed:1:"
"""How a sealed text begins; the key's fingerprint and the sealed bytes follow."""

MIN_KEY_CHARACTERS = 32
"""128 bits, were it written in hexadecimal digits."""

_NONCE_BYTES = 12
_CONTEXT = b"chargerd store 1"


class VaultError(Exception):
    """The key cannot be used. Says why and what to do, never what it is."""


class Vault:
    """Seals and opens texts with one key, or passes them through where there is none."""

    def __init__(self, key: str | None) -> None:
        """`key`: a secret text of MIN_KEY_CHARACTERS or more; None: there is none. Raises VaultError."""
        if key is None:
            self._key = None
            return
        if len(key) < MIN_KEY_CHARACTERS:
            raise VaultError(
                f"credential store-key: {len(key)} characters, {MIN_KEY_CHARACTERS} at least; make one with"
                " openssl rand -hex 32"
            )
        self._key = hashlib.sha256(_CONTEXT + key.encode()).digest()
        self._fingerprint = hashlib.sha256(_CONTEXT + self._key).hexdigest()[:8]

    @property
    def has_key(self) -> bool:
        """Whether secrets are sealed."""
        return self._key is not None

    def seal(self, text: str) -> str:
        """What to keep in the place of `text`."""
        if self._key is None:
            return text
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  9 MB for those with a key only

        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(self._key).encrypt(nonce, text.encode(), _CONTEXT)
        return f"{MARK}{self._fingerprint}:{base64.b64encode(sealed).decode()}"

    def unseal(self, kept: str) -> str | None:
        """The text that `kept` stands for, itself where it was not sealed; None: it is damaged or not of our key."""
        if not kept.startswith(MARK):
            return kept
        fingerprint, _, sealed = kept.removeprefix(MARK).partition(":")
        if self._key is None or fingerprint != self._fingerprint:
            return None
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            raw = base64.b64decode(sealed, validate=True)
            return AESGCM(self._key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _CONTEXT).decode()
        except (ValueError, InvalidTag):
            return None
