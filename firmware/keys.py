"""The keys that a device trusts, and how they change: a signed list follows a signed list, one version at a time.

Two roles: `roots` sign lists and lie in a safe; `releases` sign bundles and are used every month. The list after this
one counts only if this one's roots have signed it and its own have too, so that nobody is locked out by a mistake, and
a release key that was stolen is revoked by people who never touched it.
"""

import struct
from typing import Annotated, Literal

import msgspec

from firmware import signatures, values
from firmware.errors import FirmwareError, Refusal
from firmware.signatures import RECORD_BYTES, Role
from firmware.values import Name, Sha256Hex, check_ascending

MAGIC = b"chargerd-keys-01"
MAX_LIST_BYTES = 8 * 1024
MAX_LISTS = 8
"""Lists that one bundle may carry, so that a device which slept through some changes can follow them."""

_HEADER = struct.Struct(">16sII")
"""Magic, bytes of the list, bytes of its signatures; the list and its signatures follow."""

MAX_SECTION_BYTES = MAX_LISTS * (_HEADER.size + MAX_LIST_BYTES + signatures.MAX_SIGNATURES * RECORD_BYTES)


class KeyList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the devices of `product` trust from `version` on. `revoked`: ids of keys whose signatures count no more."""

    format: Literal[1]
    product: Name
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    roots: Role
    releases: Role
    revoked: Annotated[tuple[Sha256Hex, ...], msgspec.Meta(max_length=64)]

    def check(self) -> None:
        """Raises FirmwareError(BAD_KEY_LIST)."""
        self.roots.check()
        self.releases.check()
        check_ascending("revoked keys", self.revoked, Refusal.BAD_KEY_LIST)
        revoked = self.revoked_ids
        for role in (self.roots, self.releases):
            left = sum(signatures.key_id(key) not in revoked for key in role.keys)
            if left < role.threshold:
                raise FirmwareError(
                    Refusal.BAD_KEY_LIST, f"asks for {role.threshold} signatures by {left} keys that are not revoked"
                )

    @property
    def revoked_ids(self) -> frozenset[str]:
        """As a set."""
        return frozenset(self.revoked)


class SignedList(msgspec.Struct, frozen=True):
    """A list, the text that was signed, and by whom."""

    keys: KeyList
    text: bytes
    signed: tuple[signatures.Signature, ...]

    def encode(self) -> bytes:
        """As it stands in a file, and among others in a bundle."""
        section = signatures.encode(self.signed)
        return _HEADER.pack(MAGIC, len(self.text), len(section)) + self.text + section

    def check_by(self, roots: KeyList) -> None:
        """Signed by the roots of `roots`. Raises FirmwareError, see signatures.check."""
        signatures.check(signatures.KEY_LIST, self.text, self.signed, roots.roots, roots.revoked_ids)


def decode_section(section: bytes) -> tuple[SignedList, ...]:
    """Signed lists one after another, unverified. Raises FirmwareError(MALFORMED, BAD_KEY_LIST)."""
    found: list[SignedList] = []
    while section:
        if len(found) == MAX_LISTS:
            raise FirmwareError(Refusal.BAD_KEY_LIST, f"more than {MAX_LISTS} key lists")
        one, section = _first(section)
        found.append(one)
    return tuple(found)


def decode_file(content: bytes) -> SignedList:
    """The one list of a file, signed by its own roots. Raises FirmwareError, see decode_section and check_by."""
    lists = decode_section(content)
    if len(lists) != 1:
        raise FirmwareError(Refusal.BAD_KEY_LIST, f"{len(lists)} key lists, expected one")
    lists[0].check_by(lists[0].keys)
    return lists[0]


def follow(trusted: KeyList, lists: tuple[SignedList, ...]) -> tuple[KeyList, SignedList | None]:
    """Whom to trust after `lists`, and the last list that was new. Lists from before `trusted` say nothing new.

    Raises FirmwareError: BAD_KEY_LIST for a list of another product or after a gap, else see signatures.check.
    """
    last = None
    for each in lists:
        if each.keys.version <= trusted.version:
            continue
        if each.keys.version != trusted.version + 1 or each.keys.product != trusted.product:
            raise FirmwareError(
                Refusal.BAD_KEY_LIST, f"list {each.keys.version} does not follow list {trusted.version} of this product"
            )
        each.check_by(trusted)
        each.check_by(each.keys)
        trusted, last = each.keys, each
    return trusted, last


def _first(section: bytes) -> tuple[SignedList, bytes]:
    if len(section) < _HEADER.size:
        raise FirmwareError(Refusal.BAD_KEY_LIST, "ends within a key list")
    magic, list_bytes, signature_bytes = _HEADER.unpack_from(section)
    if magic != MAGIC:
        raise FirmwareError(Refusal.BAD_KEY_LIST, "does not begin as a key list does")
    if list_bytes > MAX_LIST_BYTES or signature_bytes > signatures.MAX_SIGNATURES * RECORD_BYTES:
        raise FirmwareError(Refusal.TOO_LARGE, f"a key list of {list_bytes} bytes, {MAX_LIST_BYTES} are allowed")
    middle, end = _HEADER.size + list_bytes, _HEADER.size + list_bytes + signature_bytes
    if len(section) < end:
        raise FirmwareError(Refusal.BAD_KEY_LIST, "ends within a key list")
    text = section[_HEADER.size : middle]
    keys = values.decode(KeyList, text, Refusal.BAD_KEY_LIST)
    keys.check()
    return SignedList(keys, text, signatures.decode(section[middle:end])), section[end:]
