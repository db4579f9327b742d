"""``ssh-jit passkey``: registering passkeys that approve on the pages, with a signature by the sign-in's key.

The page of the code makes the passkey; here it is shown, and signed for. What the server says of it is compared by the
person: page and terminal must show the same fingerprint.
"""

from __future__ import annotations

import time
from urllib.parse import quote

from sshjit import names, passkeys, wire
from sshjit.api.passkeys import (
    AcceptPasskey,
    AcceptPasskeyBody,
    MadePasskey,
    PasskeyOfferReply,
    PasskeyView,
    RegisterPasskey,
    RegisterPasskeyBody,
    ShownPasskey,
)
from sshjit.errors import Failed, Refused
from sshjit.terminal_text import fitted
from sshjit_client.api.full import FullApi
from sshjit_client.commands import permissions, resolve_request, short_names
from sshjit_client.commands.signatures import Signer
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at
from sshjit_client.identity import browser
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.storage.machine import Machine

PAUSE = 1.0
"""Seconds between two looks at what the browser made."""


def _passkey(parser: Parser) -> Act:
    parser.description = "Passkeys of your phone, computer or security key, which sign your approvals on the pages."
    parser.usage = "ssh-jit passkey add | list | accept | remove …"
    commands = parser.add_subparsers(
        metavar="add | list | accept | remove", parser_class=Parser, prog="ssh-jit passkey"
    )
    new = commands.add_parser("add", help="register one: a page makes it, and your key signs for it here")
    new.add_argument("--name", metavar="TEXT", default="passkey", help="what to call it, for example phone")
    new.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    _confirmed(new)
    new.set_defaults(run=add)
    known = commands.add_parser("list", help="list yours")
    known.add_argument("--all", action="store_true", help="those of everybody; needs a permission")
    known.add_argument("--json", action="store_true", help="print JSON")
    known.set_defaults(run=listing)
    taken = commands.add_parser("accept", help="let a new one of somebody else count at once; your key signs that")
    taken.add_argument("id", metavar="ID", help="the passkey's id, or its beginning")
    _confirmed(taken)
    taken.set_defaults(run=accept)
    gone = commands.add_parser("remove", help="remove one of yours: what it approved counts no more")
    gone.add_argument("id", metavar="ID", help="the passkey's id, or its beginning")
    gone.add_argument("--reason", metavar="TEXT", default="", help="why; it goes into the log")
    gone.add_argument("--json", action="store_true", help="print JSON")
    gone.set_defaults(run=remove)
    parser.set_defaults(run=listing, all=False)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return lambda machine, options: int(options.run(machine, options))


def add(machine: Machine, options: Options) -> int:
    """Has a page make a passkey, shows it, and signs for it."""
    session, api = resolve_request.signed_in(machine)
    name = names.free_text(options.name, "the name")
    offer = api.offer_passkey()
    address = f"{api.url}/passkeys/new?code={quote(offer.code, safe='')}"
    machine.terminal.say(f"make the passkey on this page, on this device or another (code {offer.code}):")
    machine.terminal.say(address)
    words = None if options.no_browser else browser.open_command(machine.environ, address)
    if words is not None:
        browser.start(words)
    made = _made(machine, api, offer)
    kind = "cannot be synced" if made.device_bound else "may be synced to other devices"
    machine.terminal.say(f'the passkey "{name}" for {made.rp_id} {kind}; its fingerprint: {made.fingerprint}')
    machine.terminal.say("the page on your device must show the same fingerprint")
    if not options.yes and machine.terminal.typing and not machine.terminal.confirm("register this passkey?"):
        raise Refused("not_registered", "nothing was registered")
    act = wire.fill(RegisterPasskey, made, login_id=session.login.id, code=offer.code, name=name, consent=None)
    signature = Signer(machine, session, api).act(act)
    passkey = api.register_passkey(offer.code, wire.fill(RegisterPasskeyBody, act, consent=signature))
    _print_json(machine, options, passkey)
    machine.terminal.say(f"registered: {passkey.id}; approvals by it count from {at(passkey.counts_from)}")
    machine.terminal.hint(f"sooner, by somebody with the permission: ssh-jit passkey accept {passkey.id}")
    return ExitCode.OK


def _made(machine: Machine, api: FullApi, offer: PasskeyOfferReply) -> MadePasskey:
    """What the browser made for this code, which must be what the server says it is.

    Raises:
        Refused: ``waiting``, ``passkey_offer_over``.
        Failed: ``bad_answer``.

    """
    try:
        while offer.made is None:
            machine.terminal.progress("waiting for the page…")
            time.sleep(PAUSE)
            offer = api.passkey_offer(offer.code)
    except KeyboardInterrupt:
        raise Refused("not_registered", "stopped waiting; nothing was registered") from None
    made = offer.made
    if made.fingerprint != passkeys.fingerprint(made.credential, made.public_key):
        raise Failed("bad_answer", "the server's fingerprint is not that of the passkey it names")
    return made


def listing(machine: Machine, options: Options) -> int:
    """Prints one's own passkeys, or everybody's."""
    _, api = resolve_request.signed_in(machine)
    known = api.passkeys(everybody=options.all)
    if options.json:
        json_output.print_json(machine.terminal, {"passkeys": wire.encode(known)})
    elif not known:
        machine.terminal.say("no passkey is registered")
        machine.terminal.hint("ssh-jit passkey add")
    else:
        heads = ["PASSKEY", "PERSON", "NAME", "KIND", "FINGERPRINT", "COUNTS FROM", "USED"]
        machine.terminal.out(fitted([heads, *map(_row, known)], table_width()))
    return ExitCode.OK


def _row(passkey: PasskeyView) -> list[str]:
    used = "never" if passkey.used is None else at(passkey.used)
    kind, whose = passkeys.kind(device_bound=passkey.device_bound), passkey.person.name
    return [passkey.id, whose, passkey.name, kind, passkey.fingerprint, at(passkey.counts_from), used]


def accept(machine: Machine, options: Options) -> int:
    """Shows somebody's new passkey and lets it count at once, with a signature over what was shown."""
    session, api = resolve_request.signed_in(machine)
    permissions.require(api, "passkeys", "accepting a passkey")
    passkey = short_names.the_one(api.passkeys(everybody=True), options.id, "passkey", hint="ssh-jit passkey list")
    person, kind = passkey.person, passkeys.kind(device_bound=passkey.device_bound)
    machine.terminal.say(f"{person.name} ({person.provider}) registered the {kind} passkey {passkey.name!r}")
    machine.terminal.say(f"at {at(passkey.registered)}; its fingerprint: {passkey.fingerprint}")
    machine.terminal.say("ask them, by a way other than these pages, whether it is theirs")
    if not options.yes and machine.terminal.typing and not machine.terminal.confirm("let it count now?"):
        raise Refused("not_accepted", "nothing was accepted")
    shown = wire.fill(ShownPasskey, passkey)
    signature = Signer(machine, session, api).act(AcceptPasskey(session.login.id, passkey.id, None, shown))
    passkey = api.accept_passkey(passkey.id, AcceptPasskeyBody(signature, shown))
    _print_json(machine, options, passkey)
    machine.terminal.say(f"accepted: approvals by {passkey.id} count now")
    return ExitCode.OK


def remove(machine: Machine, options: Options) -> int:
    """Removes one of one's own."""
    _, api = resolve_request.signed_in(machine)
    passkey = short_names.the_one(api.passkeys(everybody=False), options.id, "passkey", hint="ssh-jit passkey list")
    api.remove_passkey(passkey.id, names.free_text(options.reason, "the reason"))
    _print_json(machine, options, passkey)
    machine.terminal.say(f"removed: {passkey.id} ({passkey.name}); what it approved counts no more")
    return ExitCode.OK


def _confirmed(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _print_json(machine: Machine, options: Options, passkey: PasskeyView) -> None:
    if options.json:
        json_output.print_json(machine.terminal, wire.encode(passkey))


BUILD: dict[str, Build] = {"passkey": _passkey}
"""Command -> what adds its options."""
