"""Locking and unlocking. A lock revokes what is alive under it, and gives nothing new until it is taken away.

A login is enough to lock, because a lock only forbids; to unlock over the web socket takes a signature. A lock on
everything stops neither, and the operator can always do both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import assert_never

from sshjit import names, requests
from sshjit.api.locks import LockReply, LocksReply, ReachReply
from sshjit.api.outcomes import Done
from sshjit.api.signed import Unlock
from sshjit.api.views import RequestState
from sshjit.ca_protocol.locks import Lock, ReadLocks, ReadReach
from sshjit.errors import Invalid, Refused
from sshjit.events import Locked, Unlocked
from sshjit.requests import Request
from sshjit_ca.access import emergency_certificates, signed_actions
from sshjit_ca.access.lookup import id_meant, subject_named
from sshjit_ca.access.revocation import certificates_alive, close_grant, close_login, require_reason
from sshjit_ca.access.views import lock_view, request_view
from sshjit_ca.context import Context
from sshjit_ca.state import Lock as HeldLock
from sshjit_ca.state import locks, request_index

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a lock falls on: the thing itself, accounts, open grants, live sign-ins."""

    target: str | None
    subjects: tuple[str, ...] = ()
    grants: tuple[Request, ...] = ()
    logins: tuple[str, ...] = ()


def lock(context: Context, message: Lock) -> LockReply:
    """Locks, and revokes what is alive.

    Raises:
        Refused: ``not_permitted``.
        Invalid: ``no_reason``, ``bad_message``, ``already_locked``, ``unknown_host``, ``unknown_person``, ….

    """
    reason = require_reason(message.reason)
    by = _permitted(context, message)
    reach = _reach(context, message)
    for known in context.state.locks.values():
        if _is_on(known, message, reach):
            raise Invalid("already_locked", f"{locks.title(context.state, known)} is already locked by {known.id}")
    alive = sum(context.state.logins[login].alive(context.now) for login in reach.logins)
    lock_id = context.new_id("lock")
    context.record(Locked(lock_id, message.kind, by, reach.subjects, reach.target, reason))
    certificates = sum(close_grant(context, grant, by, f"locked: {reason}") for grant in reach.grants)
    certificates += sum(close_login(context, login, by, f"locked: {reason}") for login in reach.logins)
    if message.kind == "everything":
        certificates += emergency_certificates.revoke_all(context, by, f"locked: {reason}")
    view = lock_view(context, context.state.locks[lock_id])
    return LockReply(view, len(reach.grants), alive, certificates)


def unlock(context: Context, message: Unlock) -> Done:
    """Takes a lock away; what was revoked stays so, and whoever was signed out signs in again.

    Raises:
        Refused: as ``signed_actions.require``.
        Invalid: ``unknown_lock``, ``which_lock``, ``no_reason``, ``shown_differs``.

    """
    reason = require_reason(message.reason)
    message = replace(message, lock=id_meant(context, message.lock, context.state.locks, "lock-", "lock"))
    if message.lock not in context.state.locks:
        signed_actions.permitted(context, message, "unlock")  # who may not unlock is not told either what there is
        raise Invalid("unknown_lock", "there is no such lock", hint="ssh-jit-ca locks")
    context.record(Unlocked(message.lock, signed_actions.require(context, message, "unlock"), reason))
    return Done()


def read_locks(context: Context, message: ReadLocks) -> LocksReply:
    """The locks in force."""
    login = context.person_or_operator(message.login_id)
    if login is not None and not any(context.permitted(login, each) for each in ("lock", "unlock", "audit")):
        raise Refused("not_permitted", "you are not allowed to see the locks")
    may_lock = login is not None and context.permitted(login, "lock")
    people = _signed_in(context) if may_lock else ()
    return LocksReply(tuple(lock_view(context, held) for held in context.state.locks.values()), people)


SHOWN = 50
"""Grants that are named before a lock revokes them."""
MOST_PEOPLE = 500
"""People who are suggested."""


def read_reach(context: Context, message: ReadReach) -> ReachReply:
    """What a lock would fall on, and what it would end. Raises as ``lock``, but neither reason nor lock matters."""
    _permitted(context, message)
    reach = _reach(context, message)
    held = next((lock for lock in context.state.locks.values() if _is_on(lock, message, reach)), None)
    alive = sum(context.state.logins[login].alive(context.now) for login in reach.logins)
    if message.kind == "everything":
        alive = sum(login.alive(context.now) for login in context.state.logins.values())
    would_be = HeldLock("", message.kind, reach.target, reach.subjects, None, "", context.now)
    return ReachReply(
        title=locks.title(context.state, would_be),
        requests=tuple(request_view(context, grant) for grant in reach.grants[:SHOWN]),
        grants=len(reach.grants),
        logins=alive,
        certificates=certificates_alive(context, reach.grants, reach.logins),
        locked_by="" if held is None else held.id,
    )


def _is_on(held: HeldLock, message: Lock | ReadReach, reach: _Reach) -> bool:
    return (held.kind, held.target) == (message.kind, reach.target)


def _signed_in(context: Context) -> tuple[str, ...]:
    """Everybody with a sign-in that lives and an address, as ``Lock`` takes them."""
    alive = (login.opened for login in context.state.logins.values() if login.alive(context.now))
    named = {f"{opened.provider}/{opened.email}" for opened in alive if opened.email}
    return tuple(sorted(named)[:MOST_PEOPLE])


def _permitted(context: Context, message: Lock | ReadReach) -> str | None:
    login = context.person_or_operator(message.login_id)
    if login is None:
        return None
    if not context.permitted(login, "lock"):
        raise Refused("not_permitted", "locking needs the permission 'lock', which you do not have")
    return login.opened.subject


def _reach(context: Context, message: Lock | ReadReach) -> _Reach:
    """What the lock falls on."""
    if (message.kind == "everything") is not (message.target is None):
        raise Invalid("bad_message", f"say which {message.kind}" if message.target is None else "name nothing with it")
    target = message.target or ""
    match message.kind:
        case "everything":
            return _Reach(None, grants=_open(context))
        case "login":
            login = id_meant(context, target, context.state.logins, "login-", "login")
            if login not in context.state.logins:
                raise Invalid("unknown_login", "there is no such sign-in")
            return _Reach(login, logins=(login,))
        case "person":
            return _person(context, subject_named(context.state, target))
        case "host":
            return _host(context, target)
        case "key":
            return _key(context, target)
    assert_never(message.kind)


def _host(context: Context, target: str) -> _Reach:
    name = context.state.host_names.get(target)
    if name is None:
        raise Invalid("unknown_host", f"there is no host {names.show(target)}")
    host = context.state.hosts[name].id
    return _Reach(host, grants=tuple(each for each in _open(context) if host in context.on_the_way(each)))


def _key(context: Context, target: str) -> _Reach:
    target = id_meant(context, target, _keys(context), "SHA256:", "key")
    if not _FINGERPRINT.fullmatch(target):
        raise Invalid("bad_fingerprint", "a key is named by its fingerprint, SHA256:…", hint="ssh-keygen -l")
    logins = context.state.logins.items()
    return _Reach(target, logins=tuple(id_ for id_, each in logins if each.opened.key == target))


def _keys(context: Context) -> set[str]:
    """Every key that somebody signed in with."""
    keys = {login.opened.key for login in context.state.logins.values() if login.opened.key is not None}
    return keys | context.state.bound_keys.keys()


def _person(context: Context, subject: str) -> _Reach:
    accounts = locks.accounts_of(context.state, subject)
    grants = tuple(each for each in _open(context) if each.asked.subject in accounts)
    logins = context.state.logins.items()
    alive = tuple(id_ for id_, each in logins if each.opened.subject in accounts and each.alive(context.now))
    return _Reach(subject, accounts, grants, alive)


def _open(context: Context) -> tuple[Request, ...]:
    """Every open grant; its extensions go with it."""
    grants = (each for each in request_index.opened(context.state) if each.asked.extends is None)
    return tuple(each for each in grants if requests.state_at(each, context.now) is RequestState.APPROVED)
