"""``ssh-jit lock``, ``unlock``, ``locks`` and ``revoke``."""

from __future__ import annotations

from typing import Any

from sshjit import wire
from sshjit.api.bodies import LockBody, LockKind, RevokeBody, ShownLock, UnlockBody
from sshjit.api.signed import Unlock
from sshjit.errors import Refused
from sshjit.terminal_text import fitted
from sshjit_client.commands import kept_certificates, permissions, resolve_request, short_names
from sshjit_client.commands.signatures import Signer
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.requests import reason_prompt, request_text
from sshjit_client.storage.machine import Machine

_KINDS: tuple[LockKind, ...] = ("person", "host", "login", "key")


def _lock(parser: Parser) -> Act:
    parser.description = "Locks something: it gets no new access, and its open access is revoked."
    parser.usage = (
        "ssh-jit lock (--all | --person P | --host H | --login ID | --key K)\n                    --reason TEXT [--yes]"
    )
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--all", action="store_true", help="everything and everybody")
    group.add_argument("--person", metavar="P", help="provider/e-mail address, or an id")
    group.add_argument("--host", metavar="H", help="a host's name")
    group.add_argument("--login", metavar="ID", help="one sign-in")
    group.add_argument("--key", metavar="K", help="a key, by its fingerprint: SHA256:…")
    _why(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation before everything is locked")
    return lock


def lock(machine: Machine, options: Options) -> int:
    """Locks something; prints what this revoked, and how to undo it."""
    _, api = resolve_request.signed_in(machine)
    if machine.terminal.typing and (options.reason is None or (options.all and not options.yes)):
        permissions.require(api, "lock", "locking")  # before anything is asked
    body = LockBody("everything", None, _reason(machine, options))
    for kind in _KINDS:
        if (target := getattr(options, kind)) is not None:
            body = LockBody(kind, target, body.reason)
    question = "lock everything? All open access of everybody ends now."
    if body.target is None and not options.yes and machine.terminal.typing and not machine.terminal.confirm(question):
        raise Refused("not_locked", "nothing was locked")
    done = api.lock(body)
    _print_json(machine, options, wire.encode(done))
    counted = f"{_count(done.requests, 'grant')}, {_count(done.logins, 'sign-in')}"
    machine.terminal.say(f"{done.lock.title} is locked: {done.lock.id}")
    machine.terminal.say(f"revoked: {counted}, {_count(done.certificates, 'live certificate')}")
    machine.terminal.hint(f"to remove the lock (needs the permission): ssh-jit unlock {done.lock.id} --reason …")
    return ExitCode.OK


def _unlock(parser: Parser) -> Act:
    parser.description = "Removes a lock, with a signature by your key. What the lock revoked stays revoked."
    parser.add_argument("lock", metavar="LOCK", help="the lock's id, or its beginning; ssh-jit locks lists them")
    _why(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return unlock


def unlock(machine: Machine, options: Options) -> int:
    """Shows a lock and removes what it showed, with a signature over both."""
    session, api = resolve_request.signed_in(machine)
    permissions.require(api, "unlock", "unlocking")
    lock = short_names.the_one(api.locks(), options.lock, "lock", hint="ssh-jit locks")
    machine.terminal.say(f"{lock.title} is locked since {at(lock.since)} by {lock.by}: {lock.reason}")
    machine.terminal.say(f"the lock {lock.id} is on: {lock.kind} {lock.target or ''}".rstrip())
    reason = _reason(machine, options)
    if not options.yes and machine.terminal.typing and not machine.terminal.confirm("remove this lock?"):
        raise Refused("not_unlocked", "nothing was unlocked")
    shown = wire.fill(ShownLock, lock)
    signature = Signer(machine, session, api).act(Unlock(session.login.id, lock.id, reason, None, shown))
    api.unlock(lock.id, UnlockBody(reason, signature, shown))
    _print_json(machine, options, {"unlocked": wire.encode(lock)})
    machine.terminal.say(f"unlocked: {lock.title} ({lock.id}); what was revoked stays revoked")
    return ExitCode.OK


def _locks(parser: Parser) -> Act:
    parser.description = "Lists the locks."
    parser.add_argument("--json", action="store_true", help="print JSON")
    return locks


def locks(machine: Machine, options: Options) -> int:
    """Prints the locks in force, oldest first."""
    _, api = resolve_request.signed_in(machine)
    locked = api.locks()
    if options.json:
        json_output.print_json(machine.terminal, {"locks": wire.encode(locked)})
    elif not locked:
        machine.terminal.say("nothing is locked")
    else:
        rows = [[lock.id, lock.title, at(lock.since), lock.by, lock.reason] for lock in locked]
        machine.terminal.out(fitted([["LOCK", "WHAT", "SINCE", "BY", "REASON"], *rows], table_width()))
    return ExitCode.OK


def _revoke(parser: Parser) -> Act:
    parser.description = "Ends access now: a grant, one certificate, or a sign-in with its certificates."
    parser.usage = "ssh-jit revoke (ID | --certificate SERIAL | --login ID) --reason TEXT"
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("id", metavar="ID", nargs="?", help="the grant's request, or the beginning of its id")
    group.add_argument("--certificate", metavar="SERIAL", type=int, help="one certificate")
    group.add_argument("--login", metavar="ID", help="a sign-in, and what it drew")
    _why(parser)
    return revoke


def revoke(machine: Machine, options: Options) -> int:
    """Revokes, and prints what was revoked."""
    session, api = resolve_request.signed_in(machine)
    meant = None if options.id is None else resolve_request.id_of(api, session, options.id)
    done = api.revoke(RevokeBody(meant, options.certificate, options.login, _reason(machine, options)))
    kept_certificates.remove(machine, {request.id for request in done.requests})  # they may be one's own
    _print_json(machine, options, wire.encode(done))
    for over in done.requests:
        machine.terminal.say(f"revoked: {request_text.what(over)} of {over.requester.name}")
    if options.certificate is not None:
        machine.terminal.say(f"revoked: certificate {options.certificate}")
    if options.login is not None:
        machine.terminal.say(f"revoked: sign-in {options.login}")
    certificates = _count(done.certificates, "live certificate")
    machine.terminal.say(f"{certificates} revoked; hosts learn of it with their next bundle")
    return ExitCode.OK


def _why(parser: Parser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="why; it goes into the log")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _reason(machine: Machine, options: Options) -> str:
    options.reason = reason_prompt.given(machine.terminal, options.reason, "Why? It goes into the log")
    return str(options.reason)


def _print_json(machine: Machine, options: Options, value: Any) -> None:
    if options.json:
        json_output.print_json(machine.terminal, value)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


BUILD: dict[str, Build] = {"lock": _lock, "unlock": _unlock, "locks": _locks, "revoke": _revoke}
"""Command -> what adds its options."""
