"""Signatures over a text: who may sign it, how many must, and who no longer may. ECDSA on P-256 with SHA-256.

One algorithm and one form: a key is its compressed point, its id the hash of that, a signature two numbers of 32
bytes, the second not above half the order (of two numbers that would both verify, one). Nothing of ASN.1 is read.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from firmware.errors import FirmwareError, Refusal
from firmware.values import Sha256Hex, check_ascending

MANIFEST = b"chargerd firmware manifest\0"
KEY_LIST = b"chargerd firmware key list\0"
"""What a signature is for stands before what is signed: one made for a manifest is worth nothing under a key list."""

MAX_SIGNATURES = 8
_ID_BYTES = 32
_NUMBER_BYTES = 32
RECORD_BYTES = _ID_BYTES + 2 * _NUMBER_BYTES
"""A signature as stored: the signer's id, then r and s, most significant byte first."""

_HALF_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2

PublicKey = Annotated[str, msgspec.Meta(pattern=r"^0[23][0-9a-f]{64}\Z")]
"""A point of P-256, compressed, in hexadecimal."""


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may sign something: `threshold` of these `keys` must."""

    threshold: Annotated[int, msgspec.Meta(ge=1, le=MAX_SIGNATURES)]
    keys: Annotated[tuple[PublicKey, ...], msgspec.Meta(min_length=1, max_length=MAX_SIGNATURES)]

    def check(self) -> None:
        """Raises FirmwareError(BAD_KEY_LIST) for keys that are none, or not in the one order."""
        check_ascending("the keys of a role", self.keys, Refusal.BAD_KEY_LIST)
        for key in self.keys:
            load(key)


class Signature(msgspec.Struct, frozen=True):
    """By whom, and r and s."""

    key_id: Sha256Hex
    r: int
    s: int


def key_id(key: PublicKey) -> Sha256Hex:
    """What a signature names its key by."""
    return hashlib.sha256(bytes.fromhex(key)).hexdigest()


@lru_cache(maxsize=4 * MAX_SIGNATURES)
def load(key: PublicKey) -> ec.EllipticCurvePublicKey:
    """Raises FirmwareError(BAD_KEY_LIST) for what is no point of the curve."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(key))
    except ValueError:
        raise FirmwareError(Refusal.BAD_KEY_LIST, f"{key[:16]}… is no point of P-256") from None


def digest(purpose: bytes, text: bytes) -> bytes:
    """What a key really signs, for a key that lives where the text does not go."""
    return hashlib.sha256(purpose + text).digest()


def canonical(r: int, s: int) -> tuple[int, int]:
    """The one of the two forms of a signature that is accepted."""
    return r, s if s <= _HALF_ORDER else 2 * _HALF_ORDER + 1 - s


def encode(signatures: tuple[Signature, ...]) -> bytes:
    """In order of their keys' ids."""
    return b"".join(
        bytes.fromhex(each.key_id) + each.r.to_bytes(_NUMBER_BYTES, "big") + each.s.to_bytes(_NUMBER_BYTES, "big")
        for each in sorted(signatures, key=lambda each: each.key_id)
    )


def decode(section: bytes) -> tuple[Signature, ...]:
    """Raises FirmwareError(MALFORMED): a part of one, too many, out of order, one signer twice."""
    if len(section) % RECORD_BYTES or not RECORD_BYTES <= len(section) <= MAX_SIGNATURES * RECORD_BYTES:
        raise FirmwareError(Refusal.MALFORMED, f"{len(section)} bytes are not 1 to {MAX_SIGNATURES} signatures")
    found = tuple(_records(section))
    check_ascending("signers", tuple(each.key_id for each in found))
    return found


def check(purpose: bytes, text: bytes, signatures: tuple[Signature, ...], role: Role, revoked: frozenset[str]) -> None:
    """`role` has signed `text`. Signers that are not known here do not count, for keys change over the years.

    Raises FirmwareError: BAD_SIGNATURE if one by a key of the role does not verify, however many others do; else
    REVOKED_SIGNER, UNKNOWN_SIGNER or TOO_FEW_SIGNATURES.
    """
    keys = {key_id(key): key for key in role.keys}
    counted = {each.key_id for each in signatures if each.key_id in keys and each.key_id not in revoked}
    for each in signatures:
        if each.key_id in counted:
            _check_one(purpose, text, each, keys[each.key_id])
    if len(counted) >= role.threshold:
        return
    if any(each.key_id in revoked for each in signatures):
        raise FirmwareError(Refusal.REVOKED_SIGNER, "signed by a key that has been revoked")
    if not counted:
        raise FirmwareError(Refusal.UNKNOWN_SIGNER, "signed by no key that is trusted here")
    raise FirmwareError(Refusal.TOO_FEW_SIGNATURES, f"{len(counted)} of {role.threshold} signatures needed")


def _check_one(purpose: bytes, text: bytes, signature: Signature, key: PublicKey) -> None:
    try:
        if signature.s > _HALF_ORDER:
            raise InvalidSignature
        load(key).verify(encode_dss_signature(signature.r, signature.s), purpose + text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        why = f"the signature by key {signature.key_id[:16]}… does not verify"
        raise FirmwareError(Refusal.BAD_SIGNATURE, why) from None


def _records(section: bytes) -> Iterator[Signature]:
    for start in range(0, len(section), RECORD_BYTES):
        record = section[start : start + RECORD_BYTES]
        r, s = record[_ID_BYTES : _ID_BYTES + _NUMBER_BYTES], record[_ID_BYTES + _NUMBER_BYTES :]
        yield Signature(record[:_ID_BYTES].hex(), int.from_bytes(r, "big"), int.from_bytes(s, "big"))
