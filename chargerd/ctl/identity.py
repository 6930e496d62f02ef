"""`chargerctl identity`: who the station is, whom it trusts, where its keys live, and what is wrong with that."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chargerd.config import DEFAULT_STATE_DIR, ConfigError, SiteSettings, load_site
from chargerd.ctl.asking import CtlError, NobodyListens, ask, find_socket
from chargerd.ctl.live import wants_colours
from chargerd.ctl.owner import as_owner_of
from chargerd.ctl.screen import Ink, Line, paint
from chargerd.identity import IdentityError
from chargerd.identity_report import StoredValues, identity_report
from chargerd.keys_file import KeyFolder
from chargerd.provisioned import Provisioned
from chargerd.service import EXIT_CONFIG


def identity(options: argparse.Namespace) -> None:
    """Ask the running station, else read what it stored. `options`: socket, config, state (paths or None), json."""
    try:
        report = ask(find_socket(options.socket), "identity")
    except NobodyListens:
        if options.socket is not None:
            raise
        report = _stored(state_dir(options))
    if options.json:
        print(json.dumps(report, indent=2))
        return
    colours = wants_colours(os.environ)
    for ink, text in lines(report):
        print(paint(ink, text) if colours else text)


def site_of(options: argparse.Namespace) -> SiteSettings | None:
    """The site settings; None, where there are none yet. Raises CtlError."""
    if not options.config.exists():
        return None
    try:
        return load_site(options.config)
    except ConfigError as error:
        raise CtlError(str(error), EXIT_CONFIG) from error


def state_dir(options: argparse.Namespace) -> Path:
    """Where the station keeps what it knows. Raises CtlError."""
    site = site_of(options)
    return options.state or Path(DEFAULT_STATE_DIR if site is None else site.station.state_dir)


def _stored(state: Path) -> dict[str, Any]:
    try:
        with as_owner_of(state):
            report = identity_report(
                StoredValues(state / "station.sqlite"),
                Provisioned(state / "provisioned").read(),
                KeyFolder(state / "keys").describe(),
                datetime.now(UTC),
            )
    except IdentityError as error:
        raise CtlError(str(error)) from error
    builtins = msgspec.to_builtins(report)
    assert isinstance(builtins, dict)
    return builtins


def lines(report: Mapping[str, Any]) -> Iterator[Line]:
    """The report as lines with their colours."""
    for key, what in (("client", "client certificate"), ("candidate", "new client certificate, not tried yet")):
        if report[key] is not None:
            yield from _certificate_lines(what, report[key])
    if report["client"] is None:
        yield Ink.NOTICE, "client certificate: none"
    if report["request_key_id"] is not None:
        yield Ink.NOTICE, f"open request: key {report['request_key_id']} waits for its certificate (provision --chain)"
    for renewal in report["renewals"]:
        yield Ink.NOTICE, f"renewal of {renewal['use']} since {renewal['since_utc'][:16]}: {renewal['state']}"
    yield Ink.PLAIN, f"password: {'set' if report['password_set'] else 'not set'}"
    for key, what in (("csms_roots", "CSMS roots"), ("manufacturer_roots", "manufacturer roots")):
        yield Ink.HEAD, f"{what}: {len(report[key]) or 'none'}"
        for root in report[key]:
            yield Ink.PLAIN, f"  {root['subject']}   {_until(root)}"
    yield Ink.HEAD, f"private keys: {len(report['keys']) or 'none'}"
    for fact in report["keys"]:
        yield Ink.PLAIN, f"  {fact['key_id']}   in {_place(fact['place'])}, made {fact['made_utc'][:10]}"
    yield from ((Ink.BAD, f"! {warning}") for warning in report["warnings"])


def _certificate_lines(what: str, facts: Mapping[str, Any]) -> Iterator[Line]:
    yield Ink.HEAD, f"{what}: {facts['subject']}"
    yield Ink.PLAIN, f"  issued by {facts['issuer']}, serial number {facts['serial_number']}"
    yield Ink.PLAIN, f"  {_until(facts)}"
    yield Ink.PLAIN, f"  key {facts['key_id']}, {'in ' + _place(facts['place']) if facts['place'] else 'which is gone'}"


def _until(facts: Mapping[str, Any]) -> str:
    days = facts["days_left"]
    return f"until {facts['not_after_utc'][:10]} ({f'{days} days left' if days >= 0 else 'expired'})"


def _place(place: str) -> str:
    return "the TPM" if place == "TPM" else "a file"
