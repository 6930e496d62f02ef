"""What the CSMS wants each driver to see: his language, a message to him, what it costs so far (C01, E05, E06).

It comes with the answers to Authorize and TransactionEvent, lasts as long as the driver is there, and is never on disk.
"""

from chargerd.clock import Now
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.edges import Change, EvDisconnected
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import MessageFormat
from chargerd.ocpp.messages.transactions import TransactionEvent, TransactionEventResponse
from chargerd.ocpp.messages.types import IdTokenInfo, MessageContent
from chargerd.ocpp.news import News, TransactionEnded, TransactionStarted

NOTICE_S = 10.0
"""How long a message stays in front of the running figures, and how long somebody who has left may look back."""

PRESENT_S = 60.0
"""How long somebody whose token was judged counts as standing here, unless a transaction runs."""

MESSAGE_CHARACTERS = 128
"""Eight lines of the smallest display; more is not read in passing."""

_READABLE = (MessageFormat.ASCII, MessageFormat.UTF8)


class _Driver:
    """Who is at one EVSE. `transaction_id`: the newest transaction there, ended or not; "" before the first."""

    def __init__(self) -> None:
        self.languages: tuple[str, ...] = ()
        self.present_until_mono = float("-inf")
        self.message = ""
        self.message_until_mono = float("-inf")
        self.cost: float | None = None
        self.transaction_id = ""
        self.is_running = False

    def is_present(self, now: Now) -> bool:
        """He charges, or was here just now."""
        return self.is_running or now.mono < self.present_until_mono


class DriverNotices(Block):
    """One driver for each EVSE; surface.py shows what is here."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._drivers = {evse_id: _Driver() for evse_id in ctx.evse_ids}

    # ------------------------------------------------------------------ what is to be shown

    def languages(self, evse_id: int, now: Now) -> tuple[str, ...]:
        """Those of the driver at this EVSE, the preferred one first; empty: none is known."""
        driver = self._drivers[evse_id]
        return driver.languages if driver.is_present(now) else ()

    def message(self, evse_id: int, now: Now) -> str:
        """What the driver is to read now; empty: nothing."""
        driver = self._drivers[evse_id]
        return driver.message if now.mono < driver.message_until_mono else ""

    def cost(self, evse_id: int, now: Now) -> float | None:
        """What the transaction costs so far, or has cost, in the currency of the CSMS; None: nothing is known."""
        driver = self._drivers[evse_id]
        return driver.cost if driver.is_present(now) else None

    # ------------------------------------------------------------------ what the CSMS said

    def judged(self, evse_id: int, info: IdTokenInfo | None, accepted: bool, now: Now) -> None:
        """A token was judged at this EVSE; `info` None: nothing is known of it."""
        driver = self._drivers[evse_id]
        if accepted or not driver.is_running:  # a stranger's card does not change the language of the one who charges
            driver.present_until_mono = now.mono + PRESENT_S
            both = () if info is None else (info.language1, info.language2)
            driver.languages = tuple(language for language in both if language)
        if info is not None:
            self._say(driver, info.personal_message, now)

    def answered(self, request: TransactionEvent, response: TransactionEventResponse, now: Now) -> None:
        """The CSMS answered an event; one of a driver who has left long ago tells nobody."""
        wanted = request.transaction_info.transaction_id
        driver = next((each for each in self._drivers.values() if each.transaction_id == wanted), None)
        if driver is None or not driver.is_present(now):
            return
        if response.id_token_info is not None:
            self._say(driver, response.id_token_info.personal_message, now)
        self._say(driver, response.updated_personal_message, now)
        if response.total_cost is not None:
            driver.cost = response.total_cost

    def on_news(self, news: News, now: Now) -> None:
        """Transactions come and go."""
        match news:
            case TransactionStarted(evse_id=evse_id, transaction_id=transaction_id):
                driver = self._drivers[evse_id]
                driver.transaction_id, driver.is_running, driver.cost = transaction_id, True, None
            case TransactionEnded(evse_id=evse_id):
                driver = self._drivers[evse_id]
                evse = self.ctx.evse(evse_id)
                stays_s = PRESENT_S if evse is not None and evse.ev_connected else NOTICE_S
                driver.is_running, driver.present_until_mono = False, now.mono + stays_s
            case _:
                pass

    def on_change(self, change: Change, now: Now) -> None:
        """Who has unplugged goes soon."""
        if isinstance(change, EvDisconnected):
            driver = self._drivers[change.evse_id]
            driver.present_until_mono = min(driver.present_until_mono, now.mono + NOTICE_S)

    def _say(self, driver: _Driver, content: MessageContent | None, now: Now) -> None:
        if content is None:
            return
        if content.format not in _READABLE:
            self.ctx.note(Severity.INFO, f"display: a message in {content.format} cannot be shown here, ignoring")
            return
        driver.message = " ".join(content.content.split())[:MESSAGE_CHARACTERS]
        driver.message_until_mono = now.mono + NOTICE_S
