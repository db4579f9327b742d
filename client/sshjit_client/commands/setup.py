"""``ssh-jit setup``: the installations that this machine belongs to, and their pinned roots."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

from sshjit import bundle, names
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit.terminal_text import fitted
from sshjit_client import trusted_bundle
from sshjit_client.api.basic import BasicApi
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at
from sshjit_client.identity import sign_in, sign_out
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.storage import settings
from sshjit_client.storage.machine import HeldBundle, Machine, Settings

_PIN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def _setup(parser: Parser) -> Act:
    parser.description = "Sets this machine up for an installation; for several, one after the other."
    parser.usage = "ssh-jit setup [URL] [options] | --list | --default NAME | --remove NAME"
    parser.add_argument("url", metavar="URL", nargs="?", help="the server's address")
    parser.add_argument("--root", metavar="SHA256:…", help="the fingerprint of its bundle key, from its administrator")
    parser.add_argument("--provider", metavar="P", help="the provider to sign in with, if there are several")
    parser.add_argument("--name", metavar="NAME", help="what to call it here, if not as it calls itself")
    parser.add_argument(
        "--certificates", choices=(settings.IN_FILES, settings.IN_AGENT), help="where ssh gets them (default: files)"
    )
    parser.add_argument(
        "--unknown-hosts",
        choices=(settings.REFUSED, settings.PLAIN_SSH),
        help="names that are no host here: refuse them (the default), or leave them to plain ssh",
    )
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--list", action="store_true", help="list the installations")
    act.add_argument("--default", metavar="NAME", help="commands without a host go to this one")
    act.add_argument("--remove", metavar="NAME", help="sign out of this one, and forget it")
    return _run


def _run(machine: Machine, options: Options) -> int:
    if options.list:
        return listing(machine)
    if options.default is not None:
        return default(machine, options.default)
    if options.remove is not None:
        return remove(machine, options.remove)
    if options.url is None and (options.certificates or options.unknown_hosts):
        return change(machine, options)
    if options.url is None:
        raise Invalid("usage", "no address given", hint="ssh-jit setup URL --root SHA256:…")
    return setup(machine, options)


def setup(machine: Machine, options: Options) -> int:
    """Fetches the bundle, pins its root, and keeps both. A sign-in to another server of the installation is removed."""
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
    before = _same(machine, url, verified)
    name = _name(machine, before, verified.installation, options.name)
    chosen = _chosen(before or Settings(1, url, verified.installation, pin, provider, name), options)
    chosen = replace(chosen, url=url, installation=verified.installation, root=pin, provider=provider, name=name)
    about = trusted_bundle.pinned(chosen, verified)
    _keep(machine, about, new, verified, before)
    titles = ", ".join(f"{p.title} ({p.id})" for p in verified.providers) or "none yet"
    called = "" if name == verified.installation else f", called {name} here"
    machine.terminal.say(f"set up for {verified.installation} at {url}{called}; sign in with: {titles}")
    for sentence in _said(about) if options.certificates or options.unknown_hosts else ():
        machine.terminal.say(sentence)
    for warning in trusted_bundle.warnings(verified):
        machine.terminal.say(warning)
    kept = settings.listed(machine.environ)
    if len(kept) > 1:
        first = settings.default(machine.environ, kept)
        machine.terminal.say(
            f"this machine is set up for {len(kept)} installations; commands without a host go to {first}"
        )
        machine.terminal.hint(f"ssh-jit COMMAND --installation {name}, or ssh-jit setup --default {name}")
    return ExitCode.OK


def change(machine: Machine, options: Options) -> int:
    """Changes how an installation is used, that this machine is set up for."""
    about = _chosen(machine.settings(), options)
    settings.save(machine.environ, about)
    for sentence in _said(about):
        machine.terminal.say(f"{about.name}: {sentence}")
    if options.certificates:
        machine.terminal.hint("ssh-jit config --write again, if plain ssh uses them")
    return ExitCode.OK


def _chosen(about: Settings, options: Options) -> Settings:
    """The settings with what was typed."""
    return replace(
        about,
        certificates=options.certificates or about.certificates,
        unknown_hosts=options.unknown_hosts or about.unknown_hosts,
    )


def _said(about: Settings) -> Iterator[str]:
    """How an installation is used."""
    yield (
        "new certificates go into your ssh-agent, alone"
        if about.certificates == settings.IN_AGENT
        else "ssh reads new certificates from files"
    )
    yield (
        "a name that is no host of it is left to plain ssh"
        if about.unknown_hosts == settings.PLAIN_SSH
        else "a name that is no host of it is refused"
    )


def _asked(machine: Machine, url: str, new: HeldBundle) -> str:
    if not machine.terminal.typing:
        raise Invalid("root_needed", "the root must be pinned", hint="add --root SHA256:…; your administrator has it")
    pin = trusted_bundle.root_of(new.bundle).fingerprint
    machine.terminal.say(f"the root of {url} is {pin}")
    if not machine.terminal.confirm("is this what your administrator gave you?"):
        raise Refused("not_set_up", "nothing was set up")
    return pin


def _same(machine: Machine, url: str, verified: Bundle) -> Settings | None:
    """The installation that this machine is set up for already and that this is: by its root, or by its address."""
    kept = settings.listed(machine.environ).values()
    by_root = (
        about for about in kept if about.installation == verified.installation and _follows(verified, about.root)
    )
    return next(by_root, None) or next((about for about in kept if about.url == url), None)


def _follows(verified: Bundle, pin: str) -> bool:
    try:
        bundle.way(verified, pin)
    except Refused:
        return False
    return True


def _name(machine: Machine, before: Settings | None, own: str, wanted: str | None) -> str:
    """What the installation is called here. Raises ``Invalid``: ``name_taken``."""
    kept = settings.listed(machine.environ)
    if wanted is None:
        return before.name if before else next(name for name in _numbered(own) if name not in kept)
    if not bundle.is_installation(wanted):
        raise Invalid("bad_name", f"{wanted!r} is no name: ASCII letters, digits and . _ -, at most 63")
    if wanted in kept and kept[wanted] != before:
        text = f"this machine has another installation that is called {wanted}"
        raise Invalid("name_taken", text, hint=f"another --name, or first: ssh-jit setup --remove {wanted}")
    return wanted


def _numbered(own: str) -> Iterator[str]:
    yield own
    yield from (f"{own[:60]}-{number}" for number in range(2, 1000))


def _keep(machine: Machine, about: Settings, new: HeldBundle, verified: Bundle, before: Settings | None) -> None:
    """Writes settings and bundle. An older bundle never replaces a newer one of the same root."""
    same = before is not None and before.installation == about.installation and _follows(verified, before.root)
    held = trusted_bundle.kept(machine, before) if before is not None and same else None
    if held is not None and not bundle.replaces(verified, held.bundle):
        new, verified = held.stored, held.bundle
    if before is not None and not (same and (before.name, before.url) == (about.name, about.url)):
        _forget(machine.at(before.name))
    if before is not None and before.name != about.name:
        settings.remove(machine.environ, before.name)
    settings.save(machine.environ, about)
    trusted_bundle.keep(machine.at(about.name), about, new, verified)


def _forget(machine: Machine) -> None:
    sign_out.forget(machine)
    trusted_bundle.forget(machine, machine.settings())


def listing(machine: Machine) -> int:
    """Lists the installations, and who is signed in where."""
    kept = settings.listed(machine.environ)
    if not kept:
        machine.settings()  # which says how to set the machine up
    first = settings.default(machine.environ, kept)
    rows = [["NAME", "SERVER", "SIGNED IN", ""]]
    for name, about in kept.items():
        session = machine.at(name).session(time.time())
        person = session.login.person.name if session else "nobody"
        rows.append([name, about.url, person, "default" if name == first else ""])
    machine.terminal.out(fitted(rows, table_width()))
    return ExitCode.OK


def default(machine: Machine, name: str) -> int:
    """Lets commands without a host go to this installation."""
    about = machine.at(name).settings()
    settings.choose_default(machine.environ, about.name)
    machine.terminal.say(f"commands without a host go to {about.name} at {about.url}")
    return ExitCode.OK


def remove(machine: Machine, name: str) -> int:
    """Signs out of an installation, at its server if that can be reached, and forgets it."""
    here = machine.at(name)
    about = here.settings()
    session = here.session(time.time())
    _forget(here)
    settings.remove(machine.environ, about.name)
    if session is not None:
        try:
            BasicApi(session.url, session.token).logout()
        except SshJitError as error:
            end = at(session.login.expires)
            machine.terminal.say(f"the server could not be told: {error.message}; it counts the sign-in until {end}")
    machine.terminal.say(
        f"{about.name} at {about.url} is forgotten here: sign-in, key, certificates and bundle are removed"
    )
    return ExitCode.OK


BUILD: dict[str, Build] = {"setup": _setup}
"""Command -> what adds its options."""
