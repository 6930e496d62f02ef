"""Signing meters as their makers describe them: registers, handshakes, and documents that are really signed.

Each has a key of its own and measures through its register map. What goes wrong is set from outside (`trouble`).
"""

import json
import struct
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hal.drivers.register_map import load_map
from hal.sim.meter_book import MapBook, Refusal, words_of
from hal.sim.pictures import MeterValues


class SigningBook:
    """What the three have in common: a key, a memory of registers beside the measured values, and OCMF."""

    map_name = ""
    own_function = 3

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.trouble: int | None = None
        self.signature_length: int | None = None
        self.words: dict[int, int] = {}
        self.written: list[int] = []
        self._measures = MapBook(load_map(self.map_name))
        self.values: MeterValues | None = None
        self.pages = 0

    def read(self, function: int, address: int, count: int, values: MeterValues, serial: int) -> list[int]:
        self.values = values
        wanted = range(address, address + count)
        if function == self.own_function and all(each in self.words for each in wanted):
            self.on_read(address)
            return [self.words[each] for each in wanted]
        return self._measures.read(function, address, count, values, serial)

    def write(self, address: int, words: list[int]) -> None:
        if not all(each in self.words for each in range(address, address + len(words))):
            raise Refusal(2)
        self.written.append(address)
        self.words |= dict(enumerate(words, start=address))
        self.on_write(address)

    def on_read(self, address: int) -> None:
        """Before a register of its own is read."""

    def on_write(self, address: int) -> None:
        """After one was written."""

    def put(self, address: int, raw: bytes, count: int = 0) -> None:
        words = words_of(raw + b"\0" * (len(raw) % 2))
        self.words |= dict(enumerate([*words, *[0] * (count - len(words))], start=address))

    def text(self, address: int, count: int) -> str:
        raw = struct.pack(f">{count}H", *(self.words[each] for each in range(address, address + count)))
        return raw.split(b"\0")[0].decode()

    def wh(self) -> int:
        assert self.values is not None
        return int(self.values.energy_wh)

    def payload(self, **fields: Any) -> bytes:
        """Spaces, and a letter outside ASCII: whoever decodes and encodes it breaks the signature."""
        self.pages += 1
        return json.dumps({"PG": f"T{self.pages}", "MV": "Zähler", **fields}, ensure_ascii=False).encode()

    def signature(self, payload: bytes) -> bytes:
        return self.key.sign(payload, ec.ECDSA(hashes.SHA256()))

    def document(self, payload: bytes) -> bytes:
        tail = {"SA": "ECDSA-secp256r1-SHA256", "SD": self.signature(payload).hex()}
        return b"OCMF|" + payload + b"|" + json.dumps(tail).encode()

    def der(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.DER, form)


class BsmBook(SigningBook):
    """Bauer BSM-WS36A: snapshots at 41283 (start) and 41537 (end), their documents at 43291 and 43791."""

    map_name = "bauer_bsm_ws36a"

    def __init__(self) -> None:
        super().__init__()
        self.words |= dict.fromkeys(range(40260, 40449), 0)
        self.put(40450, struct.pack(">H", len(self.der())) + self.der(), 60)
        for at in (41286, 41540):
            self.words[at] = 1
        for at in (43294, 43794):
            self.words |= dict.fromkeys(range(at, at + 497), 0)
            self.words[at] = 1
        self._polls = 0

    def on_write(self, address: int) -> None:
        if address in {41286, 41540}:
            assert self.words[address] == 2
            self._polls = 0

    def on_read(self, address: int) -> None:
        if address not in {41286, 41540} or self.words[address] != 2:
            return
        self._polls += 1
        if self._polls < 3:
            return
        self.words[address] = self.trouble or 0
        at = address + 2008 if address == 41286 else address + 2254
        letter = "B" if address == 41286 else "E"
        payload = self.payload(ID=self.text(40279, 70), RD=[{"TX": letter, "RV": 0, "XV": self.wh(), "XU": "Wh"}])
        self.put(at, b"\0\0" + self.document(payload), 497)


class Em580Book(SigningBook):
    """Carlo Gavazzi EM580: input registers for what is read, function 16 for what is written."""

    map_name = "carlo_gavazzi_em580"
    own_function = 4

    def __init__(self) -> None:
        super().__init__()
        for start, end in ((0x7000, 0x7041), (0x6900, 0x697E), (0x7100, 0x7110 + 2031)):
            self.words |= dict.fromkeys(range(start, end), 0)
        self.words[0x24FF] = 0
        self.put(0x2600, self.der(), 46)
        self._begin_wh = 0
        self._polls = 0

    def on_write(self, address: int) -> None:
        if address == 0x7040:
            command = chr(self.words[0x7040])
            if command == "B":
                self._begin_wh = self.wh()
                self.words[0x7100] = 1
            elif command == "E" and self.words[0x7100] == 1:
                self._polls = 1
            else:
                raise Refusal(3)
        if address == 0x7100:
            assert self.words[0x7100] == 0
            self.words |= dict.fromkeys(range(0x7101, 0x7110 + 2031), 0)

    def on_read(self, address: int) -> None:
        if address != 0x7100 or not self._polls:
            return
        self._polls += 1
        if self._polls < 5:
            return
        self._polls = 0
        payload = self.payload(
            ID=self.text(0x7007, 20),
            CI=self.text(0x701C, 20),
            RD=[{"TX": "B", "RV": self._begin_wh}, {"TX": "E", "RV": self.wh()}],
            filling="x" * 900,  # long enough for several requests
        )
        document = self.document(payload)
        self.put(0x7110, document)
        self.words[0x7101] = (len(document) + 1) // 2
        self.words[0x7100] = self.trouble or 2


class IskraBook(SigningBook):
    """Iskra WM3M4C: the head of the document comes from outside, payload and signature are read apart."""

    map_name = "iskra_wm3m4"

    def __init__(self) -> None:
        super().__init__()
        for start, end in ((7000, 7001), (7051, 7072), (7100, 7612), (7612, 8124), (8188, 8252)):
            self.words |= dict.fromkeys(range(start, end), 0)
        numbers = self.key.public_key().public_numbers()
        self.put(8124, numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))
        self._begin_wh = 0
        self._polls = 0

    def on_write(self, address: int) -> None:
        if address != 7051:
            return
        command = self.words[7051]
        assert command in {0x4200, 0x7200}
        self.words[7000] = 1 if command == 0x4200 else 0
        self.words[7052], self._polls = 2, 0
        if command == 0x4200:
            self._begin_wh = self.wh()

    def on_read(self, address: int) -> None:
        if address != 7052 or self.words[7052] != 2:
            return
        self._polls += 1
        if self._polls < 3:
            return
        self.words[7052] = self.trouble or 15
        if self.words[7000] == 0:
            head = json.loads(self.text(7100, 512)[: self.words[7056]])
            readings = [{"TX": "B", "RV": self._begin_wh}, {"TX": "r", "RV": self.wh()}]
            payload = self.payload(ID=head["ID"], CI=head["CI"], RD=readings)
            signature = self.signature(payload)
            self.put(7612, payload)
            self.put(8188, signature)
            self.words[7057] = len(payload)
            self.words[7058] = len(signature) if self.signature_length is None else self.signature_length


BOOKS = {book.map_name: book for book in (BsmBook, Em580Book, IskraBook)}
