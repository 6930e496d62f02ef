"""What takes bytes from outside, each as a function of bytes that raises for nothing but a bug.

A target loads what it tries when it is made, so that a fuzzer can watch those modules. An error that the code names is
swallowed here; every other exception, and an answer that cannot be right, is a finding.
"""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

Run = Callable[[bytes], None]

AT_UTC = datetime(2026, 6, 1, tzinfo=UTC)
MOST_TEXT = 4096
BLOCK_BYTES = 97
MOST_SAID = 100
"""Bytes that the host ever says to a Yeti at a time, and more."""


class FindingError(AssertionError):
    """An answer that cannot be right."""


def expect(condition: bool, what: str) -> None:
    """Raises FindingError."""
    if not condition:
        raise FindingError(what)


def parts_of(data: bytes, most: int = 8) -> Iterator[bytes]:
    """`data` in pieces whose lengths it says itself: what comes over a line comes so."""
    for _ in range(most):
        if not data:
            return
        length, data = data[0] % 32 + 1, data[1:]
        yield data[:length]
        data = data[length:]
    yield data


# ---- the CSMS ------------------------------------------------------------------------------------------------------


def frames() -> Run:
    """Text frames, to a whole station: each CALL has one answer, which is well-formed and fits its request."""
    from tests.fuzz.station import StationStand

    return StationStand().say


def codec() -> Run:
    """A value in, the same value out."""
    from chargerd import codec
    from chargerd.ocpp.messages import INCOMING

    actions = list(INCOMING)

    def run(data: bytes) -> None:
        if not data:
            return
        kind = actions[data[0] % len(actions)]
        try:
            value = codec.decode(kind, data[1:])
        except codec.CodecError:
            return
        expect(codec.decode(kind, codec.encode(value)) == value, f"{value!r} is not what it is written as")

    return run


def certificates() -> Run:
    """PEM texts as chains; whatever they say, none of them is trusted by a root that has signed nothing."""
    from chargerd import certificates
    from chargerd.conformance.authority import CSMS_ROOT, authority

    root = certificates.read_one(authority(CSMS_ROOT).root_pem)

    def run(data: bytes) -> None:
        with contextlib.suppress(certificates.CertificateError):
            chain = certificates.read_chain(data.decode("latin-1"))
            leaf, *others = chain
            known = root.sha256 in {each.sha256 for each in chain}
            expect(known or certificates.why_no_path(leaf, others, [root], AT_UTC) is not None, "a path out of nothing")
            for each in chain:
                certificates.why_not_root(each, AT_UTC)
                with contextlib.suppress(certificates.CertificateError):
                    certificates.hash_data(each, each)

    return run


def certificate_bytes() -> Run:
    """The DER inside of a certificate, a revocation list and a certificate request."""
    import base64

    from chargerd import certificates
    from chargerd.conformance.authority import CSMS_ROOT, authority

    root = certificates.read_one(authority(CSMS_ROOT).root_pem)

    def pem(kind: str, der: bytes) -> str:
        return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"

    def run(data: bytes) -> None:
        with contextlib.suppress(certificates.CertificateError):
            one = certificates.read_one(pem("CERTIFICATE", data))
            certificates.why_not_station_certificate((one,), [root], AT_UTC)
            certificates.why_not_firmware_signer(one, [root], AT_UTC)
        with contextlib.suppress(certificates.CertificateError):
            certificates.has_key_of(root, pem("CERTIFICATE REQUEST", data))
        revoked = certificates.why_revoked(root, root, pem("X509 CRL", data), AT_UTC)
        expect(revoked is not None, "a list that nobody signed says nothing against a certificate")

    return run


def http_reply() -> Run:
    """What a server of files answers, and URLs the CSMS names."""
    from chargerd.http_client import HttpError, parsed_head, parsed_url

    def run(data: bytes) -> None:
        with contextlib.suppress(HttpError):
            reply = parsed_head(data + b"\r\n\r\n", "files.example")
            expect(all(name == name.lower() for name in reply.headers), "a header with capitals")
        with contextlib.suppress(HttpError):
            url = parsed_url(data.decode("latin-1"))
            expect(not set("\r\n \t\0") & set(url.target + url.host), "a URL that ends its line early")
            expect("@" not in url.host, "a password in the host")

    return run


# ---- the other side of the local sockets ----------------------------------------------------------------------------


def console() -> Run:
    """One line of the station's console: a reply, whatever it is."""
    from pathlib import Path

    from chargerd.access import Caller
    from chargerd.console import Console

    desk = Console(Path("unused"), {"status": lambda _request: {}, "user_limit": lambda _request: {}})
    caller = Caller(0, frozenset())

    def run(data: bytes) -> None:
        reply = desk.answer(data, caller)
        expect(isinstance(reply.get("ok"), bool), f"a reply without ok: {reply!r}")
        json.dumps(reply)

    return run


def channel() -> Run:
    """Datagrams between the two processes."""
    import msgspec

    from chargerd import channel
    from chargerd.evse.types import Orders, Status

    decoders: list[msgspec.msgpack.Decoder[Any]] = [
        msgspec.msgpack.Decoder(Orders, strict=True),
        msgspec.msgpack.Decoder(Status, strict=True),
    ]

    def run(data: bytes) -> None:
        for decoder in decoders:
            channel._decode(decoder, data)

    return run


# ---- boards, meters and readers -------------------------------------------------------------------------------------


def rapi() -> Run:
    """An OpenEVSE controller's line."""
    from hal.drivers import rapi

    def run(data: bytes) -> None:
        lines = rapi.Lines()
        for line in itertools.chain.from_iterable(lines.feed(part) for part in parts_of(data)):
            with contextlib.suppress(rapi.RapiGarbled):
                said = rapi.decode(line)
                if isinstance(said, rapi.News):
                    rapi.condition_in(said)
                else:
                    rapi.celsius_of(said.words)
            with contextlib.suppress(rapi.RapiGarbled):
                words = tuple(line.decode("latin-1").split())
                rapi.switched_off(words, ventilated=False)
                rapi.condition_of(words)
        expect(len(lines.half) <= MOST_TEXT, "half a line that grows")

    return run


def yeti() -> Run:
    """A Yeti board's packets: COBS, checksum, protobuf."""
    from hal.drivers import yeti

    def run(data: bytes) -> None:
        with contextlib.suppress(yeti.YetiGarbled):
            yeti.decode(data)
        packets = yeti.Packets()
        for packet in itertools.chain.from_iterable(packets.feed(part) for part in parts_of(data)):
            with contextlib.suppress(yeti.YetiGarbled):
                yeti.decode(yeti.unframe(packet))
        ours = data[:MOST_SAID]
        expect(yeti.cobs_decode(yeti.cobs_encode(ours)) == ours, "COBS changes what it carries")

    return run


def modbus() -> Run:
    """What stands on a Modbus line, and what its registers mean."""
    from hal.drivers import modbus_frames, sunspec
    from hal.drivers.register_map import load_map, map_names
    from hal.types import HalError

    maps = [load_map(name) for name in map_names()]

    class Words(dict[int, int]):
        """Registers that say whatever `data` does, over and over."""

        def __init__(self, data: bytes) -> None:
            super().__init__()
            self._data = data or b"\0"

        def __missing__(self, address: int) -> int:
            return self._data[2 * address % len(self._data)] << 8 | self._data[(2 * address + 1) % len(self._data)]

    class Unit:
        """A device whose answers are those of `data`, one after the other."""

        device = "evse[0].meter"

        def __init__(self, data: bytes) -> None:
            self._data = data or b"\0"
            self._at = 0

        def read(self, _function: int, _address: int, count: int) -> list[int]:
            words = []
            for _ in range(count):
                high, low = (self._data[(self._at + i) % len(self._data)] for i in (0, 1))
                words.append(high << 8 | low)
                self._at += 2
            return words

    def run(data: bytes) -> None:
        found = modbus_frames.find_answer(data, 1, 3, modbus_frames.answer_bytes(3, 4))
        expect(found in data, "an answer that nobody sent")
        modbus_frames.find_stray(data)
        chosen = maps[len(data) % len(maps)]
        registers = Words(data)
        for point in chosen.points.named().values():
            chosen.value(point, registers)
        unit: Any = Unit(b"SunS" + data)
        with contextlib.suppress(HalError):
            sunspec.find_map(unit)

    return run


def readers() -> Run:
    """Frames of an RFID chip, pulses of a Wiegand reader, keys of one that types."""
    from hal.drivers import pn532
    from hal.drivers.keyboard import Lines
    from hal.drivers.reader_hid import _bytes_of
    from hal.drivers.reader_wiegand import bytes_of, has_parity, split_frame

    def run(data: bytes) -> None:
        chip = pn532.FrameReader()
        for body in itertools.chain.from_iterable(chip.feed(part) for part in parts_of(data)):
            answer = pn532.answer_to(pn532.FIND_CARD, body)
            if answer is not None:
                with contextlib.suppress(ValueError):
                    pn532.uid_in(answer)
        pulses = [(byte & 1, index * 1_000_000 + (byte >> 1) * 1_000_000) for index, byte in enumerate(data)]
        while pulses:
            frame, pulses = split_frame(pulses)
            if len(frame) in {26, 34, 58, 66} and has_parity(frame):
                expect(len(bytes_of(frame)) == (len(frame) - 2) // 8, "bits that are lost")
        keys = Lines()
        keys.feed(((byte >> 7, byte & 127, 1) for byte in data), 1.0, 0.5)
        line = keys.take()
        for written in ("decimal", "hex"):
            if line is not None:
                _bytes_of(line, written, None)

    return run


# ---- firmware -------------------------------------------------------------------------------------------------------


def firmware() -> Run:
    """Bundles: nothing comes out that nobody signed. Trees: nothing leaves its folder."""
    from firmware import bundle, keys
    from firmware.errors import FirmwareError
    from firmware.tree import Entry, TreeReader
    from firmware.verify import Verifier
    from tests.firmware.kit import TREE, device, tree_bytes

    signed = tree_bytes(TREE)

    def run(data: bytes) -> None:
        verifier, out = Verifier(device()), b""
        with contextlib.suppress(FirmwareError):
            for start in range(0, len(data), BLOCK_BYTES):
                out += verifier.feed(data[start : start + BLOCK_BYTES])
            verifier.finish()
        expect(signed.startswith(out), "a payload that nobody signed")
        tree = TreeReader()
        with contextlib.suppress(FirmwareError):
            for part in parts_of(data):
                for piece in tree.feed(part):
                    if isinstance(piece, Entry):
                        expect(not piece.path.startswith("/") and ".." not in piece.path.split("/"), piece.path)
        header = data[: bundle.HEADER.size].ljust(bundle.HEADER.size, b"\0")
        for decode, text in (
            (bundle.decode_lengths, header),
            (bundle.decode_manifest, data),
            (keys.decode_file, data),
            (keys.decode_section, data),
        ):
            with contextlib.suppress(FirmwareError):
                decode(text)

    return run


TARGETS: dict[str, Callable[[], Run]] = {
    "frames": frames,
    "codec": codec,
    "certificates": certificates,
    "certificate_bytes": certificate_bytes,
    "http_reply": http_reply,
    "console": console,
    "channel": channel,
    "rapi": rapi,
    "yeti": yeti,
    "modbus": modbus,
    "readers": readers,
    "firmware": firmware,
}
