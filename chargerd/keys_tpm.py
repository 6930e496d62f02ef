"""Private keys inside the TPM: each call in a thread of its own, with a time limit, and none after one that hangs.

A TPM is a chip on a slow bus behind a driver and two libraries. It may take its time, hang, vanish, or bring the
process down. Every call therefore runs in one daemon thread, in order; whoever waits for it waits only so long, and
while a call hangs every further one is refused at once. What cannot be cured here is told: `fresh_start` says that the
TPM works and only this process has lost it (the provider never recovers).
"""

import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, wait
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from chargerd.identity import IdentityError
from chargerd.ocpp.effects import MakeKey
from chargerd.tpm import Provider, TpmError, answers
from chargerd.tpm_trial import Trial

MAKE_WITHIN_S = 60.0
"""A discrete chip makes a primary key and a key in a few seconds, a busy one in some more."""

USE_WITHIN_S = 15.0
"""To load a key takes a discrete chip about a second (it makes the primary key again), a signature a tenth."""

AFTER_HANDSHAKE_S = 30.0
"""A new key is not made while a handshake may need the TPM, at most for so long."""

CLOSE_WITHIN_S = 1.0

AFTER_CONTEXT_S = 0.05
"""A context says that it dies, and then gives up its key. We want to be the last to do so, after it."""

T = TypeVar("T")


class TpmKeys:
    """Keys of the TPM at `tcti`. `trial` remembers, beyond the end of this process, what the TPM did to it."""

    prefix = "tpm"

    def __init__(self, tcti: str, trial: Trial) -> None:
        self.fresh_start: str | None = None
        self._tcti = tcti
        self.trial = trial
        self._provider: Provider | None = None
        self._thread = _LimitedThread()
        self._handshake_over = threading.Event()
        self._handshake_over.set()

    def make(self, request: MakeKey) -> tuple[bytes, str]:
        """See KeyPlace: the text is the key wrapped by this TPM."""
        from chargerd.csr import Signer, csr_pem  # noqa: PLC0415  see there

        self._handshake_over.wait(AFTER_HANDSHAKE_S)
        self.trial.begin()
        try:
            pem, public_der = self._thread.call(self._make, MAKE_WITHIN_S)
            signed = Signer(public_der, lambda data: self._thread.call(lambda: self._sign(pem, data), USE_WITHIN_S))
            return pem, csr_pem(request, signed)
        finally:
            self.trial.survived()

    def use(self, pem: bytes, context: ssl.SSLContext, load: Callable[[], None]) -> None:
        """See KeyPlace. The key signs once before it is handed over: a TPM that hangs or is gone is found out here,
        in a thread of its own, and not in the midst of a handshake. `settled` must follow.
        """
        self.trial.begin()
        self._handshake_over.clear()
        try:
            self._thread.call(lambda: self._prove_and(pem, context, load), USE_WITHIN_S)
        except BaseException:
            self.settled()
            raise

    def settled(self) -> None:
        """The handshake for which a key was loaded is over, and this process still lives."""
        if not self._handshake_over.is_set():
            self._handshake_over.set()
            self.trial.survived()

    def close(self) -> None:
        """Let keys whose contexts are gone leave the TPM, which may have nobody else to see to that (/dev/tpm0); then
        nobody waits for it any more.
        """
        if self._provider is not None:
            with suppress(IdentityError):
                self._thread.call(lambda: None, CLOSE_WITHIN_S)
        self._thread.close()

    # ------------------------------------------------------------------ in the thread

    def _make(self) -> tuple[bytes, bytes]:
        with self._explained("it works otherwise"):
            pem = self._loaded_provider().make_key()
            return pem, self._loaded_provider().public_key(pem)

    def _sign(self, pem: bytes, data: bytes) -> bytes:
        with self._explained("it works, so the key was made in another one or this one was cleared: a new key helps"):
            return self._loaded_provider().sign(pem, data)

    def _prove_and(self, pem: bytes, context: ssl.SSLContext, load: Callable[[], None]) -> None:
        self._sign(pem, b"chargerd")
        load()
        key = self._loaded_provider().hold_key_of(context)
        if key is not None:
            # Runs wherever the context dies; the TPM, which has few places for keys, hears of it in the thread.
            weakref.finalize(context, self._thread.post, lambda: self._forget(key)).atexit = False

    def _forget(self, key: int) -> None:
        time.sleep(AFTER_CONTEXT_S)
        self._loaded_provider().let_go(key)

    def _loaded_provider(self) -> Provider:
        if self._provider is None:
            if not answers(self._tcti):
                raise TpmError(f"no TPM answers at {self._tcti}")
            self._provider = Provider(self._tcti)
        return self._provider

    @contextmanager
    def _explained(self, if_it_works: str) -> Iterator[None]:
        try:
            yield
        except TpmError as error:
            raise IdentityError(f"TPM: {error}{self._whose_fault(if_it_works)}") from error

    def _whose_fault(self, if_it_works: str) -> str:
        """What is wrong: not the TPM, the TPM, or this process's way to it."""
        if self._provider is None:
            return ""
        if self._provider.works():
            return f"; {if_it_works}"
        if not answers(self._tcti):
            return f"; nothing answers at {self._tcti}"
        self.fresh_start = "the TPM answers again, but not to this process"
        return f"; {self.fresh_start}"


class _LimitedThread:
    """Does one piece of work after the other; whoever asks for one waits only so long."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._hangs = False
        self._closed: Future[None] = Future()

    def call(self, work: Callable[[], T], within_s: float) -> T:
        """The result of `work`. Raises what it raises, and IdentityError when it takes too long."""
        if self._hangs:
            raise IdentityError("TPM: it does not answer, and still has the last command")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tpm", daemon=True)
            self._thread.start()
        future = self.post(work)
        either: tuple[Future[Any], Future[Any]] = (future, self._closed)
        done, _ = wait(either, within_s, FIRST_COMPLETED)
        if future in done:
            return future.result()
        self._hangs = not future.cancel()
        raise IdentityError("the station stops" if done else f"TPM: no answer within {within_s:.0f} s")

    def post(self, work: Callable[[], T]) -> Future[T]:
        """Have it done after what was asked for before."""
        future: Future[T] = Future()
        self._work.put((work, future))
        return future

    def close(self) -> None:
        """Who waits, and who comes later, waits no more."""
        with suppress(InvalidStateError):
            self._closed.set_result(None)

    def _run(self) -> None:
        while True:
            work, future = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the one who asked
                future.set_exception(error)
            self._hangs = False
            del work, future  # with them goes what they hold: a context keeps its key in one of the TPM's few places
