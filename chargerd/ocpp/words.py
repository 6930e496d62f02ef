"""What the display says by itself, in the languages it knows (C01.FR.08, C01.FR.09, C01.FR.13)."""

from collections.abc import Iterable
from enum import StrEnum


class Word(StrEnum):
    """One thing to say; the value is what it is in English."""

    AVAILABLE = "Available"
    SHOW_CARD = "Show your card"
    ONE_MOMENT = "One moment"
    ACCEPTED = "Accepted"
    REFUSED = "Not accepted"
    PLUG_IN = "Plug in"
    STARTING = "Starting"
    CHARGING = "Charging"
    CAR_PAUSES = "Car is pausing"
    PAUSED = "Charging paused"
    RESERVED = "Reserved"
    OUT_OF_SERVICE = "Out of service"
    FAULT = "Fault"
    COST = "Cost"


ENGLISH = "en"

WORDS = {
    ENGLISH: {word: word.value for word in Word},
    "de": {
        Word.AVAILABLE: "Frei",
        Word.SHOW_CARD: "Karte vorhalten",
        Word.ONE_MOMENT: "Einen Moment",
        Word.ACCEPTED: "Angenommen",
        Word.REFUSED: "Abgelehnt",
        Word.PLUG_IN: "Bitte einstecken",
        Word.STARTING: "Startet",
        Word.CHARGING: "Lädt",
        Word.CAR_PAUSES: "Auto pausiert",
        Word.PAUSED: "Laden pausiert",
        Word.RESERVED: "Reserviert",
        Word.OUT_OF_SERVICE: "Außer Betrieb",
        Word.FAULT: "Störung",
        Word.COST: "Kosten",
    },
    "fr": {
        Word.AVAILABLE: "Libre",
        Word.SHOW_CARD: "Passez le badge",
        Word.ONE_MOMENT: "Un instant",
        Word.ACCEPTED: "Accepté",
        Word.REFUSED: "Refusé",
        Word.PLUG_IN: "Branchez",
        Word.STARTING: "Démarrage",
        Word.CHARGING: "En charge",
        Word.CAR_PAUSES: "Auto en pause",
        Word.PAUSED: "Charge en pause",
        Word.RESERVED: "Réservé",
        Word.OUT_OF_SERVICE: "Hors service",
        Word.FAULT: "En panne",
        Word.COST: "Coût",
    },
    "nl": {
        Word.AVAILABLE: "Beschikbaar",
        Word.SHOW_CARD: "Houd pas voor",
        Word.ONE_MOMENT: "Een moment",
        Word.ACCEPTED: "Geaccepteerd",
        Word.REFUSED: "Geweigerd",
        Word.PLUG_IN: "Stekker insteken",
        Word.STARTING: "Start",
        Word.CHARGING: "Laadt",
        Word.CAR_PAUSES: "Auto pauzeert",
        Word.PAUSED: "Laden pauzeert",
        Word.RESERVED: "Gereserveerd",
        Word.OUT_OF_SERVICE: "Buiten gebruik",
        Word.FAULT: "Storing",
        Word.COST: "Kosten",
    },
}
"""At most 16 characters each: a line of the smallest display."""


def said(word: Word, languages: Iterable[str]) -> str:
    """`word` in the first of `languages` (RFC 5646, “de-AT” for one) that is known, else in English."""
    primary = (language.split("-")[0].casefold() for language in languages)
    return WORDS[next((language for language in primary if language in WORDS), ENGLISH)][word]
