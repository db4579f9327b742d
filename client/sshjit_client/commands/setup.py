"""``ssh-jit setup URL``: the installation that this machine belongs to, and its pinned root."""

from __future__ import annotations

import re

from sshjit import bundle, names
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid, Refused
from sshjit_client import trusted_bundle
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.identity import sign_in
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.ssh import sharing
from sshjit_client.storage import files
from sshjit_client.storage.machine import HeldBundle, Machine, Settings

_PIN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def _setup(parser: Parser) -> Act:
    parser.description = "Sets this machine up for an installation."
    parser.add_argument("url", metavar="URL", help="the server's address")
    parser.add_argument("--root", metavar="SHA256:…", help="the fingerprint of its bundle key, from its administrator")
    parser.add_argument("--provider", metavar="P", help="the provider to sign in with, if there are several")
    return setup


def setup(machine: Machine, options: Options) -> int:
    """Fetches the bundle, pins its root, and keeps both. A sign-in elsewhere is removed."""
    root, provider = options.root, options.provider
    url = names.url(options.url, plain_http=True).rstrip("/")
    if root is not None and not _PIN.fullmatch(root):
        raise Invalid("bad_root", f"{root} is not a fingerprint", hint="a fingerprint is SHA256: and 43 characters")
    new = trusted_bundle.download(url)
    if new is None:
        raise Failed("no_bundle", "the server sent no bundle")
    pin = root or _asked(machine, url, new)
    verified = trusted_bundle.verify(new.bundle, new.signature, pin=pin, plain_http=url.startswith("http://"))
    if provider is not None:
        sign_in.choose(verified, provider)
    settings = trusted_bundle.pinned(Settings(1, url, verified.installation, pin, provider), verified)
    _keep(machine, settings, new, verified)
    titles = ", ".join(f"{p.title} ({p.id})" for p in verified.providers) or "none yet"
    machine.terminal.say(f"set up for {verified.installation} at {url}; sign in with: {titles}")
    for warning in trusted_bundle.warnings(verified):
        machine.terminal.say(warning)
    return ExitCode.OK


def _asked(machine: Machine, url: str, new: HeldBundle) -> str:
    if not machine.terminal.typing:
        raise Invalid("root_needed", "the root must be pinned", hint="add --root SHA256:…; your administrator has it")
    pin = trusted_bundle.root_of(new.bundle).fingerprint
    machine.terminal.say(f"the root of {url} is {pin}")
    if not machine.terminal.confirm("is this what your administrator gave you?"):
        raise Refused("not_set_up", "nothing was set up")
    return pin


def _keep(machine: Machine, settings: Settings, new: HeldBundle, verified: Bundle) -> None:
    """Writes settings and bundle. An older bundle never replaces a newer one of the same root."""
    folder = files.private_folder(machine.config)
    before = files.load(folder / "config.json", Settings)
    stored = files.load(folder / "bundle.json", HeldBundle)
    same = before is not None and (before.installation, before.root) == (settings.installation, settings.root)
    newer = not (same and stored) or bundle.replaces(verified, bundle.read(stored.bundle, plain_http=True))
    if not same or before is None or before.url != settings.url:
        sharing.end_all(machine.state / "open")
        machine.forget()
    if newer:
        trusted_bundle.keep(machine, new, verified)
    files.save(folder / "config.json", settings)


BUILD: dict[str, Build] = {"setup": _setup}
"""Command -> what adds its options."""
