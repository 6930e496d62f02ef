"""Keys inside a TPM 2.0, by way of OpenSSL's tpm2 provider in the one libcrypto that Python's `ssl` uses as well.

A key is made in the TPM and leaves it only wrapped: as a `TSS2 PRIVATE KEY` text that this TPM alone can use. The
provider is loaded by this process when it first needs it, never through OPENSSL_CONF, which every OpenSSL of the
process would read. What is called here blocks for as long as the TPM takes; keys_tpm.py sets the limits.
"""

import ctypes
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p
from pathlib import Path

OWN_PROVIDERS = Path(sys.prefix, "lib", "ossl-modules")
"""A provider that came with the program, where the system's own is too old (Debian 12 has 1.1; 1.2 is needed)."""

GET_RANDOM = bytes.fromhex("8001 0000000c 0000017b 0008")
"""TPM2_GetRandom of 8 bytes (TPM 2.0 part 3, 16.1): the smallest command that shows that a TPM works."""

RESPONSE_HEADER_BYTES = 10
MAX_RESPONSE_BYTES = 4096
ANSWER_WITHIN_S = 2.0

_MAX_SIGNATURE_BYTES = 256
_BIO_CTRL_INFO = 3  # openssl/bio.h: BIO_get_mem_data


class TpmError(Exception):
    """The TPM, or what lies between it and us, did not do what was asked."""


def answers(tcti: str) -> bool:
    """Whether a TPM answers at `tcti` ("device:PATH" or "swtpm:host=…,port=…"), over a connection of its own."""
    kind, _, place = tcti.partition(":")
    try:
        if kind == "device":
            with Path(place).open("r+b", buffering=0) as device:
                device.write(GET_RANDOM)
                return _is_success(device.read(MAX_RESPONSE_BYTES) or b"")
        values = dict(pair.split("=", 1) for pair in place.split(","))
        with socket.create_connection((values["host"], int(values["port"])), ANSWER_WITHIN_S) as connection:
            connection.sendall(GET_RANDOM)
            return _is_success(connection.recv(MAX_RESPONSE_BYTES))
    except OSError:
        return False


def _is_success(response: bytes) -> bool:
    return len(response) > RESPONSE_HEADER_BYTES and response[6:RESPONSE_HEADER_BYTES] == bytes(4)


class Provider:
    """The tpm2 provider, loaded; it stays so until the process ends. Once its TPM was gone it never works again."""

    def __init__(self, tcti: str, modules: Path = OWN_PROVIDERS) -> None:
        """Raises TpmError: no such provider, no TPM at `tcti`, or a Python with an OpenSSL of its own."""
        os.environ["TPM2OPENSSL_TCTI"] = tcti
        os.environ.setdefault("TSS2_LOG", "all+none")  # it would write to stderr by itself; errors are told by us
        self._crypto, self._ssl = _libcrypto(), _libssl()
        if (modules / "tpm2.so").exists():
            self._crypto.OSSL_PROVIDER_set_default_search_path(None, os.fsencode(modules))
        # The default provider first, and by name: what is loaded by name takes the place of what is loaded unasked.
        if not self._crypto.OSSL_PROVIDER_load(None, b"default"):
            raise TpmError(f"OpenSSL's default provider cannot be loaded ({self._reasons()})")
        if not self._crypto.OSSL_PROVIDER_load(None, b"tpm2"):
            raise TpmError(
                f"OpenSSL's tpm2 provider cannot be loaded ({self._reasons()}); is the package tpm2-openssl (1.2 or"
                " newer) installed, and libtss2 with the TCTI for this TPM?"
            )

    def works(self) -> bool:
        """Whether the TPM does the smallest thing for this process: a few random bytes, which need no key."""
        crypto, number = self._crypto, ctypes.create_string_buffer(8)
        method = crypto.EVP_RAND_fetch(None, b"CTR-DRBG", b"provider=tpm2")
        context = method and crypto.EVP_RAND_CTX_new(method, None)
        done = (
            context
            and crypto.EVP_RAND_instantiate(context, 0, 0, None, 0, None) == 1
            and crypto.EVP_RAND_generate(context, number, len(number), 0, 0, None, 0) == 1
        )
        crypto.EVP_RAND_CTX_free(context)
        crypto.EVP_RAND_free(method)
        crypto.ERR_clear_error()
        return bool(done)

    def make_key(self) -> bytes:
        """A new P-256 key as TSS2 PEM text. Raises TpmError."""
        key = self._made(self._crypto.EVP_PKEY_Q_keygen(None, b"provider=tpm2", b"EC", b"P-256"))
        try:
            return self._pem(key)
        finally:
            self._crypto.EVP_PKEY_free(key)

    def public_key(self, pem: bytes) -> bytes:
        """The public half of a key of this TPM: SubjectPublicKeyInfo, DER. Raises TpmError."""
        with self._loaded(pem) as key:
            start = c_void_p()
            length = self._crypto.i2d_PUBKEY(key, byref(start))
            if length <= 0:
                raise TpmError(self._reasons())
            try:
                return ctypes.string_at(start, length)
            finally:
                self._crypto.CRYPTO_free(start, b"", 0)

    def sign(self, pem: bytes, data: bytes) -> bytes:
        """An ECDSA signature with SHA-256 over `data`, DER. Raises TpmError."""
        crypto = self._crypto
        with self._loaded(pem) as key:
            context = self._made(crypto.EVP_MD_CTX_new())
            try:
                signature, length = ctypes.create_string_buffer(_MAX_SIGNATURE_BYTES), c_size_t(_MAX_SIGNATURE_BYTES)
                if (
                    crypto.EVP_DigestSignInit_ex(context, None, b"SHA2-256", None, None, key, None) != 1
                    or crypto.EVP_DigestSign(context, signature, byref(length), data, len(data)) != 1
                ):
                    raise TpmError(self._reasons())
                return signature.raw[: length.value]
            finally:
                crypto.EVP_MD_CTX_free(context)

    def hold_key_of(self, context: ssl.SSLContext) -> int | None:
        """One more reference to the private key of `context`, for `let_go`; None: it has none.

        Whoever gives up the last reference to a key waits for the TPM, which has to forget it. Python does that with
        all its threads stopped, in the midst of the loop.
        """
        # There is no public way from a context to OpenSSL's; it is the first field of the object (Modules/_ssl.c).
        inner = c_void_p.from_address(id(context) + object.__basicsize__)
        key: int | None = self._ssl.SSL_CTX_get0_privatekey(inner)
        if key is not None:
            self._crypto.EVP_PKEY_up_ref(key)
        return key

    def let_go(self, key: int) -> None:
        """Give the reference back."""
        self._crypto.EVP_PKEY_free(key)

    @contextmanager
    def _loaded(self, pem: bytes) -> Iterator[int]:
        """The key in the TPM, until the end: without a resource manager a TPM has room for three."""
        source = self._made(self._crypto.BIO_new_mem_buf(pem, len(pem)))
        try:
            key = self._made(self._crypto.PEM_read_bio_PrivateKey(source, None, None, None))
        finally:
            self._crypto.BIO_free(source)
        try:
            yield key
        finally:
            self._crypto.EVP_PKEY_free(key)

    def _pem(self, key: int) -> bytes:
        text = self._made(self._crypto.BIO_new(self._crypto.BIO_s_mem()))
        try:
            if self._crypto.PEM_write_bio_PrivateKey(text, key, None, None, 0, None, None) != 1:
                raise TpmError(self._reasons())
            start = c_void_p()
            length = self._crypto.BIO_ctrl(text, _BIO_CTRL_INFO, 0, byref(start))
            return ctypes.string_at(start, length)
        finally:
            self._crypto.BIO_free(text)

    def _made(self, pointer: int | None) -> int:
        if not pointer:
            raise TpmError(self._reasons())
        return pointer

    def _reasons(self) -> str:
        """What OpenSSL has to say of the failure in this thread, and nothing of it left for the next one."""
        texts = []
        while number := self._crypto.ERR_get_error():
            text = ctypes.create_string_buffer(256)
            self._crypto.ERR_error_string_n(number, text, len(text))
            texts.append(text.value.decode(errors="replace").rpartition(":")[2])
        return "; ".join(dict.fromkeys(texts)) or "OpenSSL gives no reason"


_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "OSSL_PROVIDER_set_default_search_path": (c_int, (c_void_p, c_char_p)),
    "OSSL_PROVIDER_load": (c_void_p, (c_void_p, c_char_p)),
    "EVP_RAND_fetch": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_RAND_free": (None, (c_void_p,)),
    "EVP_RAND_CTX_new": (c_void_p, (c_void_p, c_void_p)),
    "EVP_RAND_CTX_free": (None, (c_void_p,)),
    "EVP_RAND_instantiate": (c_int, (c_void_p, c_uint, c_int, c_char_p, c_size_t, c_void_p)),
    "EVP_RAND_generate": (c_int, (c_void_p, c_char_p, c_size_t, c_uint, c_int, c_char_p, c_size_t)),
    "EVP_PKEY_Q_keygen": (c_void_p, (c_void_p, c_char_p, c_char_p, c_char_p)),
    "EVP_PKEY_up_ref": (c_int, (c_void_p,)),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "BIO_s_mem": (c_void_p, ()),
    "BIO_new": (c_void_p, (c_void_p,)),
    "BIO_new_mem_buf": (c_void_p, (c_char_p, c_int)),
    "BIO_ctrl": (c_long, (c_void_p, c_int, c_long, c_void_p)),
    "BIO_free": (c_int, (c_void_p,)),
    "PEM_read_bio_PrivateKey": (c_void_p, (c_void_p, c_void_p, c_void_p, c_void_p)),
    "PEM_write_bio_PrivateKey": (
        c_int,
        (c_void_p, c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p),
    ),
    "i2d_PUBKEY": (c_int, (c_void_p, c_void_p)),
    "CRYPTO_free": (None, (c_void_p, c_char_p, c_int)),
    "EVP_MD_CTX_new": (c_void_p, ()),
    "EVP_MD_CTX_free": (None, (c_void_p,)),
    "EVP_DigestSignInit_ex": (c_int, (c_void_p, c_void_p, c_char_p, c_void_p, c_char_p, c_void_p, c_void_p)),
    "EVP_DigestSign": (c_int, (c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "ERR_get_error": (c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "ERR_error_string_n": (None, (c_ulong, c_char_p, c_size_t)),
}
"""What is called, with its types (OpenSSL 3.0). EVP_PKEY_Q_keygen takes the curve as a further argument."""


def _in_use(name: str) -> ctypes.CDLL:
    """A library that is in this process because `ssl` brought it, and no other of its name. Raises TpmError."""
    try:
        return ctypes.CDLL(name, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
    except OSError as error:
        raise TpmError(f"this Python does not use the system's {name}; run it with Debian's") from error


def _libcrypto() -> ctypes.CDLL:
    """Libcrypto, with the types of what is called."""
    crypto = _in_use("libcrypto.so.3")
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(crypto, name)
        function.restype, function.argtypes = result, arguments
    return crypto


def _libssl() -> ctypes.CDLL:
    """Libssl, likewise."""
    library = _in_use("libssl.so.3")
    library.SSL_CTX_get0_privatekey.restype, library.SSL_CTX_get0_privatekey.argtypes = c_void_p, (c_void_p,)
    return library
