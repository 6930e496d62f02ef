"""A process of its own that uses keys in a TPM, so that a test may take the TPM away: one line in, one line out."""

import ctypes
import json
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import msgspec

PR_SET_MDWE = 65  # prctl(2)

ROOT = Path(__file__).resolve().parents[2]


class Victim:
    """The process. `do` asks for one thing and returns its answer."""

    def __init__(self, tcti: str, folder: Path, use_within_s: float = 15.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chargerd.tpm_victim", tcti, str(folder), str(use_within_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def do(self, what: str) -> Any:
        """ "make" a key and its certificate, in place of those before; "load" it as for a handshake; "settle"; "fresh":
        why a fresh start is wanted. The answer is "ok" or the text of a failure, and the seconds it took.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def _main(tcti: str, folder: str, use_within_s: str) -> None:
    from chargerd import keys_tpm
    from chargerd.config import IdentitySettings
    from chargerd.identity import IdentityError
    from chargerd.keys import Keys
    from chargerd.ocpp.effects import ClientCertificate
    from tests.chargerd.key_stands import ClientAuthority

    keys_tpm.USE_WITHIN_S = float(use_within_s)
    keys = Keys(IdentitySettings(keys="tpm", tpm=tcti), Path(folder) / "keys")
    clients = ClientAuthority(Path(folder))
    made = Path(folder) / "client.json"
    for line in sys.stdin:
        answer: object = "ok"
        began = time.monotonic()
        try:
            match line.strip():
                case "make":
                    made.write_bytes(msgspec.json.encode(clients.client(keys)))
                case "load":
                    client = msgspec.json.decode(made.read_bytes(), type=ClientCertificate)
                    keys.load_into(ssl.create_default_context(), client)
                case "settle":
                    keys.settled()
                case "deny write and execute":
                    answer = "ok" if ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0) == 0 else "this kernel cannot"
                case "fresh":
                    answer = keys.why_fresh_start()
        except IdentityError as error:
            answer = str(error)
        print(json.dumps([answer, time.monotonic() - began]), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
