"""The station's private keys, wherever they live: one folder of files, each of which is a key or names one of the TPM.

The name of a key says where it lives, so a station whose settings changed still knows the keys it made before.
"""

import os
import ssl
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from chargerd.config import IdentitySettings
from chargerd.identity import IdentityError, KeyFacts, NewKey
from chargerd.keys_file import MAX_KEY_BYTES, FileKeys, KeyFolder
from chargerd.keys_tpm import TpmKeys
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey
from chargerd.tpm_trial import Trial


class KeyPlace(Protocol):
    """Where keys live."""

    prefix: str

    def make(self, request: MakeKey) -> tuple[bytes, str]:
        """A new key as the text of its file, and the request to have it signed. Raises IdentityError."""
        ...

    def use(self, pem: bytes, context: ssl.SSLContext, load: Callable[[], None]) -> None:
        """Call `load`, which puts the key into `context`. Raises IdentityError."""
        ...


class Keys:
    """See KeyStore. `folder`: where the files are; `elsewhere`: ids of keys that `keep` spares in any case; `trial`:
    the file of that folder in which this program notes what the TPM does to it.
    """

    def __init__(
        self,
        settings: IdentitySettings,
        folder: Path,
        elsewhere: Callable[[], Collection[str]] = tuple,
        trial: str = "tpm.trial",
    ) -> None:
        self._folder = KeyFolder(folder)
        self._elsewhere = elsewhere
        self._file = FileKeys()
        self._tpm = TpmKeys(settings.tpm, Trial(folder / trial))
        self._station: KeyPlace = self._tpm if settings.keys == "tpm" else self._file

    def make(self, request: MakeKey, key_id: str | None = None) -> NewKey:
        """See KeyStore. `key_id`: from `new_id`, if it was asked for."""
        key_id = key_id or self.new_id(request.use)
        pem, csr = self._place_for(request.use).make(request)
        self._folder.write(key_id, pem)
        return NewKey(key_id, csr)

    def new_id(self, use: KeyUse) -> str:
        """A name that no key has."""
        return f"{self._place_for(use).prefix}-{uuid.uuid4().hex}"

    def load_into(self, context: ssl.SSLContext, client: ClientCertificate) -> None:
        """See KeyStore. Each success must be followed by `settled`, when the handshake is over."""
        place: KeyPlace = self._tpm if client.key_id.startswith("tpm-") else self._file
        with self._folder.opened(client.key_id) as descriptor:
            pem = os.read(descriptor, MAX_KEY_BYTES)
        place.use(pem, context, lambda: self._load(context, client))

    def settled(self) -> None:
        """The handshake for which a key was loaded is over."""
        self._tpm.settled()

    def close(self) -> None:
        """Before the end of the process, when no context with a key is used any more. Blocks for a second at worst."""
        self._tpm.close()

    def keep(self, key_ids: Collection[str]) -> None:
        """See KeyStore."""
        self._folder.destroy_all_but(frozenset({*key_ids, *self._elsewhere()}))

    def describe(self) -> tuple[KeyFacts, ...]:
        """See KeyStore."""
        return self._folder.describe()

    def why_fresh_start(self) -> str | None:
        """Why only a new process can use the TPM again, if one may be started now; asked once, for it counts."""
        reason = self._tpm.fresh_start
        return reason if reason is not None and self._tpm.trial.may_restart() else None

    def _place_for(self, use: KeyUse) -> KeyPlace:
        """Keys towards vehicles are used by a vehicle stack, which wants a file."""
        return self._station if use is KeyUse.STATION else self._file

    def _load(self, context: ssl.SSLContext, client: ClientCertificate) -> None:
        with self._folder.opened(client.key_id) as key, _in_memory(client.chain_pem) as chain:
            try:
                context.load_cert_chain(f"/proc/self/fd/{chain}", f"/proc/self/fd/{key}", password=b"")
            except ssl.SSLError as error:
                if error.reason == "KEY_VALUES_MISMATCH":
                    raise IdentityError(f"{client.key_id}: the certificate is of another key") from error
                raise IdentityError(f"{client.key_id}: key or certificate cannot be used ({error.reason})") from error
            except OSError as error:
                raise IdentityError(f"{client.key_id}: key or certificate cannot be read ({error.strerror})") from error


@contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """A file that is nowhere on disk: `ssl` takes certificates by path only."""
    descriptor = os.memfd_create("chain", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(text.encode())
        yield descriptor
    finally:
        os.close(descriptor)
