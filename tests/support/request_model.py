"""The life of requests, told again as simply as can be: what ``tests/unit/ca/test_request_model.py`` holds the CA to.

Nothing of the authority is used here. Time is seconds, people are their accounts' names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PENDING, USE_BY, LENGTH, EXTEND_BY, EXTENSIONS = 1800, 900, 3600, 1800, 1
"""The database rule's clocks, and by how much and how often it extends."""
STAGING, STAGING_USE_BY = 7200, 900
GLASS, REVIEW_WITHIN, FRESH = 1800, 86400, 900
CERTIFICATE = 300
LOGIN = 8 * 3600
LATELY = 30 * 24 * 3600
BEHIND = {"danny": "dan", "twin": "bob"}
"""Second accounts, and whose they are: they share an address."""
ENDED = frozenset({"denied", "cancelled", "expired", "ended", "lapsed", "revoked"})


def person(account: str) -> str:
    """Whose account it is."""
    return BEHIND.get(account, account)


@dataclass
class Ask:
    """A request as the model knows it. ``closed`` is the state that somebody brought about."""

    id: str
    account: str
    host: str
    asked: int
    needs: int
    length: int
    use_by: int
    start: int | None = None
    glass: bool = False
    extends: Ask | None = None
    pending: int = PENDING
    no: str = ""
    """The account that denied it."""
    yes: dict[str, int | None] = field(default_factory=dict)
    approved: int | None = None
    ends: int | None = None
    since: int | None = None
    """Of an extension that was approved: when the grant would have closed without it."""
    used: bool = False
    closed: str | None = None
    reviewed: bool = False

    @property
    def opens(self) -> int | None:
        """When certificates can first be drawn."""
        return None if self.approved is None else max(self.approved, self.start or 0)

    def state(self, now: int) -> str:
        """How it stands."""
        if self.closed is not None:
            return self.closed
        if self.approved is None or self.ends is None or self.opens is None:
            return "expired" if now >= self.asked + self.pending else "pending"
        if not self.used and now >= self.opens + self.use_by <= self.ends:
            return "lapsed"
        return "ended" if now >= self.ends else "approved"


@dataclass
class World:
    """Everything that matters: who has which role, what was asked, what is locked."""

    leads: set[str]
    needs: int = 1
    frozen: bool = False
    locked: bool = False
    banned: set[str] = field(default_factory=set)
    """Accounts of people who are locked."""
    asks: dict[str, Ask] = field(default_factory=dict)
    logins: dict[str, int] = field(default_factory=dict)
    """Account -> when it signed in last; whoever was locked meanwhile is in it no more."""
    seen: dict[str, int] = field(default_factory=dict)
    """Account -> when it signed in last."""

    def signed_in(self, account: str, now: int) -> bool:
        """Whether the account's newest login lives."""
        return account in self.logins and now < self.logins[account] + LOGIN

    def sign_in(self, account: str, now: int) -> None:
        """It signs in."""
        self.logins[account] = self.seen[account] = now

    def nobody_can_approve(self, account: str, host: str, now: int) -> bool:
        """Whether of all who approve and were seen lately, everybody is who asks."""
        leads = {lead for lead in self.leads - self.banned if now - self.seen[lead] < LATELY}
        return host == "db1" and {person(lead) for lead in leads} == {person(account)}

    def fresh(self, account: str, now: int) -> bool:
        """Whether the account proved who it is lately enough for break-glass; at every sign-in that was 5 s ago."""
        return account in self.logins and now - self.logins[account] + 5 <= FRESH

    def ban(self, accounts: set[str]) -> None:
        """Somebody is locked, with every account: out, and not in again before the lock is taken away."""
        self.banned |= accounts
        for account in accounts:
            self.logins.pop(account, None)

    def supporters(self, ask: Ask) -> int:
        """How many different people who may say yes did so, whoever asked not among them."""
        people = {person(account) for account in ask.yes if account in self.leads - self.banned}
        return len(people - {person(ask.account)})

    def allowed(self, account: str, host: str, *, glass: bool) -> bool:
        """Whether some rule gives this person this, leaving approvals aside."""
        if glass:
            return account == "alice" and host == "db1"
        return (account, host) in {("alice", "web1"), ("dan", "db1")} and not (self.frozen and host == "db1")

    def current(self, ask: Ask) -> bool:
        """Whether the rule of now asks for no more approvals than it has, or, while it waits, than it asks for."""
        if ask.glass or ask.host != "db1" or ask.needs >= self.needs:
            return True
        return ask.approved is not None and self.supporters(ask) >= self.needs

    def goes_on(self, ask: Ask, now: int) -> bool:
        """Whether it is still what the policy says, and its approvers may still approve."""
        parts = [ask, *(each for each in self.extensions(ask) if each.since is not None and each.since <= now)]
        approved = ask.glass or ask.approved is None or all(self.supporters(each) >= each.needs for each in parts)
        allowed = self.allowed(ask.account, ask.host, glass=ask.glass) and all(map(self.current, parts))
        return allowed and approved and (ask.extends is None or self.goes_on(ask.extends, now))

    def overdue(self, account: str, now: int) -> bool:
        """Whether a break-glass access of this person waits for a review for too long."""
        return any(
            ask.glass and not ask.reviewed and ask.approved is not None and now >= ask.approved + REVIEW_WITHIN
            for ask in self.asks.values()
            if person(ask.account) == person(account)
        )

    def could_approve(self, account: str, ask: Ask, now: int) -> bool:
        """Whether a yes by this account would be heard."""
        base_open = ask.extends is None or ask.extends.state(now) == "approved"
        return (
            self.signed_in(account, now)
            and not self.locked
            and ask.account not in self.banned
            and account in self.leads
            and person(account) != person(ask.account)
            and account not in ask.yes
            and ask.state(now) == "pending"
            and base_open
            and self.goes_on(ask, now)
        )

    def approve(self, account: str, ask: Ask, now: int, at_most: int | None) -> None:
        """The yes is heard; with the last that was needed the window opens."""
        ask.yes[account] = at_most
        self.open_if_enough(ask, now)

    def sweep(self, now: int) -> None:
        """What has all that it needs by now is opened without a further yes."""
        for ask in self.asks.values():
            used_up = (
                ask.extends is not None
                and sum(each.since is not None for each in self.extensions(ask.extends)) >= EXTENSIONS
            )
            if (
                ask.state(now) == "pending"
                and not self.locked
                and not used_up
                and ask.account not in self.banned
                and (ask.extends is None or ask.extends.state(now) == "approved")
                and self.goes_on(ask, now)
            ):
                self.open_if_enough(ask, now)

    def open_if_enough(self, ask: Ask, now: int) -> None:
        """The window opens if as many said yes as it was asked with, or as its rule asks for by now."""
        supporters = self.supporters(ask)
        if supporters < min(ask.needs, self.needs):
            return
        if supporters < ask.needs:
            ask.needs = self.needs
        length = min([ask.length, *(most for most in ask.yes.values() if most is not None)])
        self.open(ask, now, length)

    def open(self, ask: Ask, now: int, length: int) -> None:
        """The window opens, or the one that it extends becomes longer."""
        ask.approved = now
        if ask.extends is None:
            ask.ends = max(now, ask.start or 0) + length
        else:
            ask.since = ask.extends.ends
            ask.ends = ask.extends.ends = (ask.extends.ends or 0) + length
            ask.used = True

    def open_now(self, ask: Ask, now: int) -> bool:
        """Whether its window is open."""
        return ask.extends is None and ask.state(now) == "approved" and ask.opens is not None and now >= ask.opens

    def drawable(self, ask: Ask, now: int) -> bool:
        """Whether the asker gets a certificate from it now."""
        return (
            self.signed_in(ask.account, now)
            and not self.locked
            and self.open_now(ask, now)
            and self.goes_on(ask, now)
            and (not ask.glass or self.fresh(ask.account, now))
        )

    def extensions(self, ask: Ask) -> list[Ask]:
        """What was asked to extend it."""
        return [each for each in self.asks.values() if each.extends is ask]
