"""The people who are known, and what providers said of them in the period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

from sshjit import events
from sshjit.addresses import exact
from sshjit.policy import PolicyError, Subject, Turn
from sshjit.policy.model import Rota
from sshjit.policy.rota import RotaText, parse_rota, turns_of
from sshjit.policy.types import FOREVER
from sshjit_ca.report.columns import ERASED
from sshjit_ca.state import State, locks

OPERATOR = "the operator"


@dataclass(frozen=True, slots=True)
class Claims:
    """What policy looks at in a sign-in."""

    provider: str
    groups: frozenset[str]
    emails: frozenset[str]
    unix_name: str | None
    own_listed: bool
    on_call: frozenset[str] = frozenset()
    """The rotas that named the person, at any time of the period."""
    claims: frozenset[str] | None = None
    """Those of a workload; ``None``: a person."""
    denied_groups: frozenset[str] = frozenset()
    """The groups of this sign-in and of the newest one: denies alone look at them."""
    denied_emails: frozenset[str] = frozenset()
    """Every address ever seen, verified or not: denies alone look at them."""

    def subject(self, subject: str) -> Subject:
        """The person as policy sees them."""
        turns = tuple(Turn(rota, 0, FOREVER) for rota in sorted(self.on_call))
        return Subject(
            subject,
            self.provider,
            self.groups,
            self.emails,
            self.unix_name,
            own_listed=self.own_listed,
            on_call=turns,
            claims=self.claims,
            denied_groups=self.denied_groups,
            denied_emails=self.denied_emails,
        )

    def with_turns(self, rotas: Mapping[str, Iterable[str]]) -> Iterator[Claims]:
        """These claims, and with the turns of rotas that name such a person: each, any two, all of them.

        ``rotas`` are the texts of each that counted in the period. Who is on call for an hour is listed for all of it.
        """
        yield self
        subject = self.subject("")
        naming = [name for name, texts in rotas.items() if any(_names(text, subject) for text in texts)]
        for count in {1, 2, len(naming)}:
            for some in combinations(naming, count):
                if some:
                    yield replace(self, on_call=frozenset(some))


@lru_cache(maxsize=64)
def _spans(text: str) -> RotaText | None:
    try:
        return parse_rota(text)
    except PolicyError:  # its detail was erased, or a newer release wrote it
        return None


def _names(text: str, subject: Subject) -> bool:
    rota = _spans(text)
    return rota is not None and bool(turns_of(subject, [(Rota(rota.name, FOREVER), rota)]))


def _still(older: Claims, newest: Claims) -> Claims:
    """What an older sign-in gives: what the newest one says too; to forbid, what either says counts."""
    groups, emails = older.groups & newest.groups, older.emails & newest.emails
    return replace(older, groups=groups, emails=emails, denied_groups=older.groups | newest.groups)


@dataclass(slots=True)
class Person:
    """A person who signed in at some time."""

    name: str
    provider: str
    email: str
    claims: Claims
    """Of the newest sign-in."""
    last_sign_in: int


class People:
    """Everybody up to the end of the period. ``claims`` are all those that a person had in it."""

    def __init__(self) -> None:
        self.known: dict[str, Person] = {}
        self.claims: dict[str, dict[Claims, None]] = {}
        self._called: dict[str, set[str]] = {}
        self._said: dict[str, dict[Claims, None]] = {}
        """What each sign-in of the period said, without what others did."""

    def signed_in(self, event: events.LoginOpened, time: int) -> None:
        """Adds a sign-in; if its detail was erased, only its time is known. In the period, ``could_use`` follows."""
        subject = event.subject
        if not event.provider:
            if subject in self.known:
                self.known[subject].last_sign_in = time
            return
        verified = exact(event.email) if event.email and event.verified else None
        emails = frozenset[str]() if verified is None else frozenset({verified})
        groups, stated = frozenset(event.groups), frozenset(event.claims) if event.workload else None
        claims = Claims(event.provider, groups, emails, event.own, event.own_listed, claims=stated)
        self.known[subject] = Person(event.name, event.provider, event.email or "", claims, time)
        self._called.setdefault(self._label(subject), set()).add(subject)

    def begin(self, state: State) -> None:
        """The period begins: people known already could use the claims of their newest sign-in."""
        for subject in state.newest_login:
            self._could_use(state, subject)

    def could_use(self, state: State, subject: str) -> None:
        """Adds the claims that count since a sign-in of the period, which ``state`` has.

        Denies look at every address seen, so those of accounts that an address links to this one count too.
        """
        for account in locks.accounts_of(state, subject):
            self._could_use(state, account)

    def _could_use(self, state: State, subject: str) -> None:
        if subject not in self.known:
            return
        newest = self.known[subject].claims
        accounts = locks.accounts_of(state, subject)
        seen = frozenset[str]().union(*(state.emails.get(account, ()) for account in accounts))
        said, could = self._said.setdefault(subject, {}), self.claims.setdefault(subject, {})
        said[newest] = None
        for older in said:
            claims = older if older == newest else _still(older, newest)
            could[replace(claims, denied_emails=seen)] = None

    def who(self, subject: str | None) -> str:
        """The name of a person in every table: name and provider, and the account if two have the same."""
        if subject is None:
            return OPERATOR
        if subject not in self.known:
            return f"{subject} {ERASED}"
        label = self._label(subject)
        return f"{label} {subject}" if len(self._called[label]) > 1 else label

    def email(self, subject: str) -> str:
        """The address at the newest sign-in."""
        return self.known[subject].email if subject in self.known else ""

    def _label(self, subject: str) -> str:
        return f"{self.known[subject].name} ({self.known[subject].provider})"
