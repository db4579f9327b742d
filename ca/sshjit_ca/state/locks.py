"""Locks: how they change the state, and whether one forbids something.

The second is asked before every act that gives anybody anything new.

A person is locked with every account that an address in common links to the locked one, as with approvals
(``sshjit/approvals.py``): to forbid, any address ever seen counts. Which accounts those are is settled when the lock is
made; no later sign-in can add one, since it would be refused for the same address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from sshjit import events
from sshjit.addresses import mailbox
from sshjit.errors import Refused
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Lock, Login


def locked(state: State, event: events.Locked, time: int) -> None:
    """Something is locked; what that revoked stands in entries of its own."""
    state.locks[event.lock] = Lock(event.lock, event.kind, event.target, event.subjects, event.by, event.reason, time)


def unlocked(state: State, event: events.Unlocked, _: int) -> None:
    """A lock is gone."""
    del state.locks[event.lock]


def refuse_login(state: State, login_id: str, login: Login) -> None:
    """Raises ``Refused`` (``locked``) if this sign-in, its person or its key is locked."""
    lock = next(_over(state, login_id, login.opened.subject), None)
    if lock is not None:
        raise refusal(state, lock)


def vote_suspended(state: State, login_id: str, subject: str) -> bool:
    """Whether what ``subject`` said by this sign-in must not count now: somebody else may have said it."""
    return next(_over(state, login_id, subject), None) is not None


def person_locked(state: State, subject: str) -> bool:
    """Whether a lock on a person is on this account."""
    return any(lock.kind == "person" and subject in lock.subjects for lock in state.locks.values())


def _over(state: State, login_id: str, subject: str) -> Iterator[Lock]:
    """The locks on a sign-in of ``subject``, on its key, and on the person."""
    login = state.logins.get(login_id)
    key = None if login is None else login.opened.key
    for lock in state.locks.values():
        if (
            (lock.kind == "login" and lock.target == login_id)
            or (lock.kind == "person" and subject in lock.subjects)
            or (lock.kind == "key" and lock.target == key)
        ):
            yield lock


def refuse_person(state: State, subject: str, emails: Iterable[str] = ()) -> None:
    """Raises ``Refused`` (``locked``) if a person is locked, also by an address of theirs in any spelling."""
    shown = {owner for address in emails for owner in state.accounts_at.get(mailbox(address), ())}
    for lock in state.locks.values():
        if lock.kind == "person" and (subject in lock.subjects or not shown.isdisjoint(lock.subjects)):
            raise refusal(state, lock)


def refuse_key(state: State, fingerprint: str) -> None:
    """Raises ``Refused`` (``locked``) if a key is locked."""
    for lock in state.locks.values():
        if lock.kind == "key" and lock.target == fingerprint:
            raise refusal(state, lock)


def refuse_new(state: State, hosts: Iterable[str] = ()) -> None:
    """Raises ``Refused`` (``locked``) if everything is locked, or one of these hosts (by id)."""
    if not state.locks:
        return
    asked = set(hosts)
    for lock in state.locks.values():
        if lock.kind == "everything" or (lock.kind == "host" and lock.target in asked):
            raise refusal(state, lock)


def accounts_of(state: State, subject: str) -> tuple[str, ...]:
    """Every account that addresses in common link to ``subject``, over any number of steps; itself first."""
    accounts, waiting = {subject: None}, [subject]
    while waiting:
        boxes = {mailbox(address) for address in state.emails.get(waiting.pop(), ())}
        linked = sorted({owner for box in boxes for owner in state.accounts_at[box]} - accounts.keys())
        accounts.update(dict.fromkeys(linked))
        waiting += linked
    return tuple(accounts)


def title(state: State, lock: Lock) -> str:
    """What is locked, for people."""
    if lock.kind == "everything":
        return "everything"
    if lock.kind == "person" and lock.target in state.newest_login:
        opened = state.logins[state.newest_login[lock.target]].opened
        return f"{opened.name} ({opened.provider})"
    words = {"login": "the sign-in", "person": "the person", "host": "the host", "key": "the key"}
    return f"{words[lock.kind]} {lock.target}"


def refusal(state: State, lock: Lock) -> Refused:
    """What somebody is told who meets a lock: what, since when, why."""
    since = datetime.fromtimestamp(lock.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Refused(
        "locked",
        f"{title(state, lock)} is locked since {since}: {lock.reason}",
        hint=f"ask somebody with the permission 'unlock' about {lock.id}",
    )
