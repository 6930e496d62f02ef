"""`chargerctl provision`: from a blank device to one that can prove who it is; without a step, what is missing."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from chargerd import certificates
from chargerd.config import IdentitySettings, SiteSettings
from chargerd.ctl.asking import CtlError, ask, find_socket
from chargerd.ctl.identity import site_of, state_dir
from chargerd.ctl.owner import as_owner_of
from chargerd.identity import IdentityError
from chargerd.keys import Keys
from chargerd.provisioned import Provisioned, ProvisionedRecord
from chargerd.provisioning_steps import Refused, Steps, hand_out_password, has_password
from chargerd.tls import TrustError, read_roots

ORGANIZATION = "SecurityCtrlr.OrganizationName"


def provision(options: argparse.Namespace) -> None:
    """Do the steps that were asked for, in the order in which they depend on each other, then say what is missing.

    `options`: csr_out, chain, csms_roots, manufacturer_roots, password_out, credential, config, state, socket (paths or
    None); keys, tpm, serial, organization, country (texts or None); replace.
    """
    site, state = site_of(options), state_dir(options)
    settings = _settings(options, site)
    provisioned = Provisioned(state / "provisioned")
    keys = Keys(settings, state / "keys", trial="provision.trial")
    device = settings.tpm.removeprefix("device:") if settings.keys == "tpm" else ""
    with _explained():
        steps = Steps(keys, provisioned)
        for name, what in (("csms_roots", "CSMS root"), ("manufacturer_roots", "manufacturer root")):
            path = getattr(options, name)
            if path is not None:
                pem, add = _read(path), getattr(steps, name)
                with as_owner_of(state):
                    new = add(pem, datetime.now(UTC))
                print("\n".join(f"{what} {root.subject} is trusted" for root in new) or f"{path}: nothing new")
        if options.chain is not None:
            pem, more = _read(options.chain), _roots_of(site)
            with as_owner_of(state, Path(device)):
                leaf = steps.chain(pem, more, datetime.now(UTC))
            print(f"client certificate {leaf.subject} is in place, until {leaf.not_after_utc:%Y-%m-%d}")
        if options.csr_out is not None:
            names = _names(options, site)
            with as_owner_of(state, Path(device)):
                request = steps.request(*names, options.country or "", replace=options.replace)
            _write(options.csr_out, request.csr_pem)
            print(f"{options.csr_out}: have it signed by your CA, then give the answer to --chain")
        if options.password_out is not None:
            print(hand_out_password(options.credential, options.password_out, replace=options.replace))
        with as_owner_of(state):
            record = provisioned.read()
    print("\n".join(what_is_missing(record, has_password(options.credential), site, settings)))


def what_is_missing(
    record: ProvisionedRecord, password_set: bool, site: SiteSettings | None, settings: IdentitySettings
) -> Iterator[str]:
    """Lines: the next step, or what the settings file has to say for what is there."""
    if record.client is None and record.request is not None:
        yield "next: --chain FILE, the certificate for the open request with those that signed it"
    elif record.client is None and not password_set:
        yield "next: --csr-out FILE for a client certificate (security profile 3), or --password-out FILE (profile 2)"
    profile = 3 if record.client is not None else 2 if password_set else None
    if profile is None:
        return
    has_ca_file = site is not None and site.csms.ca_file is not None
    if not record.csms_roots_pem and not has_ca_file:
        yield "no CSMS root is provisioned: the roots of the system are trusted; --csms-roots FILE names fewer"
    is_set = site is not None and site.csms.security_profile == profile and site.identity == settings
    if is_set:
        yield f"the device is ready for security profile {profile}: start or restart it (systemctl restart chargerd)"
        return
    yield "the settings (chargerd.toml) must say:"
    yield "  [csms]"
    yield f'  url = "{site.csms.url if site is not None and site.csms.url.startswith("wss") else "wss://…"}"'
    yield f"  security_profile = {profile}"
    if settings != IdentitySettings():
        yield "  [identity]"
        yield f'  keys = "{settings.keys}"'
        if settings.tpm != IdentitySettings().tpm:
            yield f'  tpm = "{settings.tpm}"'


def _settings(options: argparse.Namespace, site: SiteSettings | None) -> IdentitySettings:
    """Where keys live: as on the command line, else as in the settings."""
    given = {name: getattr(options, name) for name in ("keys", "tpm") if getattr(options, name) is not None}
    return msgspec.structs.replace(IdentitySettings() if site is None else site.identity, **given)


def _names(options: argparse.Namespace, site: SiteSettings | None) -> tuple[str, str]:
    """Serial number and organisation for the request."""
    organization = options.organization or ("" if site is None else site.overrides().get(ORGANIZATION, ""))
    if not organization:
        raise CtlError(f"--organization is missing; or give it in the settings, variables, {ORGANIZATION!r}")
    if options.serial:
        return options.serial, organization
    try:
        return ask(find_socket(options.socket), "status")["serial"], organization
    except CtlError as error:
        raise CtlError("--serial is missing, and there is no running station to ask for its serial number") from error


def _roots_of(site: SiteSettings | None) -> tuple[str, ...]:
    return () if site is None or site.csms.ca_file is None else read_roots(site.csms.ca_file)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CtlError(f"{path}: cannot be read ({error}); a PEM file is expected") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise CtlError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (Refused, IdentityError, TrustError, certificates.CertificateError) as error:
        raise CtlError(str(error)) from error
