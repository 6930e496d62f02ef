"""What the core wants done with private keys, done beside the loop; and what is done when the TPM is lost to us.

Keys are made and destroyed in a thread of their own, in the order in which the core said so. What the core wanted kept
before it heard of a key says nothing about that key.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from chargerd.identity import IdentityError
from chargerd.keys import Keys
from chargerd.ocpp.effects import KeepKeys, MakeKey
from chargerd.ocpp.events import Event, KeyMade, LinkDown, LinkFailure, LinkUp

log = logging.getLogger("keys")


class KeyWork:
    """Performs MakeKey and KeepKeys; each MakeKey ends in exactly one KeyMade to `feed`, on the loop. `restart` ends
    the process for a fresh start, and is given the reason.
    """

    def __init__(self, keys: Keys, feed: Callable[[Event], None], restart: Callable[[str], None]) -> None:
        self._keys = keys
        self._feed = feed
        self._restart = restart
        self._waiting: SimpleQueue[tuple[asyncio.AbstractEventLoop, MakeKey | KeepKeys, frozenset[str]]] = SimpleQueue()
        self._made_ids: set[str] = set()
        self._told_ids: set[str] = set()
        self._thread: threading.Thread | None = None

    def perform(self, effect: MakeKey | KeepKeys) -> None:
        """Have it done, after all that was asked for before."""
        if self._thread is None:
            # A daemon: the end of the process does not wait for a TPM.
            self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
            self._thread.start()
        self._waiting.put((asyncio.get_running_loop(), effect, frozenset(self._told_ids)))

    def watch(self, event: Event) -> None:
        """Every event of the station passes here before the core has it."""
        if isinstance(event, LinkUp | LinkDown):
            self._keys.settled()
        if isinstance(event, LinkDown) and event.failure is LinkFailure.KEY_UNUSABLE:
            reason = self._keys.why_fresh_start()
            if reason is not None:
                self._restart(reason)

    def _run(self) -> None:
        while True:
            loop, effect, told_ids = self._waiting.get()
            try:
                if isinstance(effect, MakeKey):
                    made = self._made(effect)
                    loop.call_soon_threadsafe(self._tell, made)
                else:
                    self._keys.keep([*effect.key_ids, *(self._made_ids - told_ids)])
            except IdentityError as error:
                log.warning("%s, ignoring", error)
            except RuntimeError as error:  # the loop has ended, and with it whoever waits for a key
                log.info("key not told (%s), ignoring", error)

    def _made(self, request: MakeKey) -> KeyMade:
        try:
            new = self._keys.make(request)
        except IdentityError as error:
            return KeyMade(request.request_id, problem=str(error))
        except Exception as error:
            log.exception("a key could not be made")
            return KeyMade(request.request_id, problem=f"{type(error).__name__}: {error}")
        self._made_ids.add(new.key_id)
        return KeyMade(request.request_id, new.key_id, new.csr_pem)

    def _tell(self, made: KeyMade) -> None:
        self._told_ids.add(made.key_id)
        self._feed(made)
