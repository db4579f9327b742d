"""Random acts by everybody, on a whole authority and on a simple model of it, side by side.

At every step both must agree on whether the act is allowed, and afterwards on how every request stands.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit_ca.access.views import request_view
from tests.support import request_model
from tests.support.installation import Installation, Person
from tests.support.issuer import Issuer
from tests.support.request_indexes import check_indexes
from tests.support.request_model import Ask, World

ACCOUNTS = {
    "alice": Person("a-1", ("SRE",), "alice@example.com"),
    "dan": Person("d-1", ("Database",), "dan@example.com"),
    "bob": Person("b-1", ("SRE Leads",), "bob@example.com"),
    "beth": Person("b-2", ("SRE Leads",), "beth@example.com"),
    "danny": Person("d-2", ("Leads",), "dan@example.com", verified=False, provider="partner"),
    "twin": Person("b-3", ("Leads",), "BOB@example.com", provider="partner"),
}
LEADS = {"bob", "beth", "danny", "twin"}
POLICY = """
version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
[roles]
sre = ["acme/group:SRE"]
dba = ["acme/group:Database"]
lead = ["acme/group:SRE Leads", "partner/group:Leads"]
[permissions]
review = ["lead"]
FREEZE[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "2h"
use_by = "15m"
certificate = "5m"
[[allow]]
name = "database"
roles = ["dba"]
hosts = { env = "prod" }
logins = ["postgres"]
approvals = [{ from = "lead", count = NEEDS }]
pending = "30m"
use_by = "15m"
grant = "1h"
certificate = "5m"
extend = { count = 1, by = "30m" }
[[break_glass]]
name = "on-call"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["root"]
grant = "30m"
use_by = "15m"
certificate = "5m"
review_within = "24h"
"""
FREEZE = """[[deny]]
name = "freeze"
hosts = { env = "prod" }
unless_break_glass = true
"""
walked = {"steps": 0, "certificates": 0, "opened": 0}
"""What the walks came across, to see that they go everywhere."""
refused: Counter[str] = Counter()
"""The codes of what was refused, for the same reason."""


def policy(world: World) -> str:
    return POLICY.replace("NEEDS", str(world.needs)).replace("FREEZE", FREEZE if world.frozen else "")


class Walk(RuleBasedStateMachine):
    """The authority and the model, side by side: what every act needs. The acts are the tests'."""

    issuers: dict[str, Issuer]

    @initialize()
    def begin(self) -> None:
        self.home = Path(mkdtemp(prefix="ssh-jit-model-"))
        self.world = World(set(LEADS))
        self.ca = Installation(self.home, self.issuers, policy=policy(self.world))
        self.ca.add_host("web1", env="staging")
        self.ca.add_host("db1", env="prod")
        self.ids: dict[str, str] = {}
        self.over: dict[str, str] = {}
        self.lock: str | None = None
        self.ban: str | None = None
        for name in ACCOUNTS:
            self.sign_in(name)

    def teardown(self) -> None:
        if hasattr(self, "ca"):
            self.ca.stop()
            shutil.rmtree(self.home)

    @property
    def now(self) -> int:
        return int(self.ca.time)

    def attempt(self, act: Callable[[], Any], *, allowed: bool) -> Any:
        """The act's result, if both say that it is allowed; ``None`` if both say that it is not."""
        walked["steps"] += 1
        done, refusal = None, None
        try:
            done = act()
        except SshJitError as error:
            refusal = error
            refused[error.code] += 1
        assert (refusal is None) is allowed, done or refusal
        assert refusal is None or refusal.family in ("refused", "invalid"), refusal
        return done

    def sign_in(self, name: str) -> None:
        if name in self.world.banned:
            return
        who = ACCOUNTS[name]
        groups = who.groups if name not in LEADS or name in self.world.leads else ()
        changed = Person(who.sub, groups, who.email, who.verified, who.provider)
        self.ids[name] = self.ca.native(changed) if name in ("alice", "dan") else self.ca.web(changed)
        self.world.sign_in(name, self.now)

    def ask(self, who: str, host: str, ahead: int | None, *, glass: bool, draw: bool) -> None:
        """Somebody tries to get something, and a certificate with it if ``draw``."""
        start = None if ahead is None or glass else self.now + ahead
        same = self.same(who, host, start, glass=glass)
        fresh = not glass or self.world.fresh(who, self.now)
        nobody_can_approve = not glass and self.world.nobody_can_approve(who, host, self.now)
        new = (
            self.world.allowed(who, host, glass=glass)
            and not nobody_can_approve
            and fresh
            and not (glass and self.world.overdue(who, self.now))
        )
        allowed = self.world.signed_in(who, self.now) and not self.world.locked and (new if same is None else True)
        draw = draw and who in ("alice", "dan")
        if same is not None and draw and self.world.open_now(same, self.now):
            allowed = allowed and self.world.drawable(same, self.now)
        fields = {"start": start, "break_glass": glass, "certificate": draw, "reason": "CHG-7 add the index"}
        reply = self.attempt(lambda: self.ca.ask(self.ids[who], host, **fields), allowed=allowed)
        if reply is None:
            return
        assert reply.existing is (same is not None)
        assert same is None or reply.request.id == same.id
        ask = same or self.new(
            Ask(reply.request.id, who, host, self.now, 0, request_model.STAGING, request_model.USE_BY, start, glass)
        )
        assert (reply.certificate is not None) is (draw and self.world.open_now(ask, self.now))
        if reply.certificate is not None:
            self.drawn(ask, reply.certificate)

    def approve(self, who: str, ask: Ask, shorter: int | None) -> None:
        """Somebody tries to say yes."""
        fits = shorter is None or shorter <= ask.length
        allowed = fits and self.world.could_approve(who, ask, self.now)
        view = self.view(ask)
        message = m.Approve(self.ids[who], ask.id, view.digest, "", None, shorter)
        if ask.yes.get(who, -1) == shorter:  # once more the same: a success where it is still seen, and no change
            with suppress(SshJitError):
                self.ca.say(message, m.RequestReply)
            return
        if self.attempt(lambda: self.ca.say(message, m.RequestReply), allowed=allowed):
            self.world.approve(who, ask, self.now, shorter)

    def draw(self, ask: Ask) -> None:
        """Whoever asked tries to get a certificate."""
        allowed = self.world.drawable(ask, self.now)
        message = m.SignUser(self.ids[ask.account], ask.id)
        reply = self.attempt(lambda: self.ca.say(message, m.CertificateReply), allowed=allowed)
        if reply is not None:
            self.drawn(ask, reply.certificate)

    def drawn(self, ask: Ask, certificate: m.CertificateView) -> None:
        """A certificate is out."""
        ask.used = True
        walked["certificates"] += 1
        assert self.world.drawable(ask, self.now)
        assert certificate.grant_ends == ask.ends
        assert certificate.valid_before <= min(ask.ends or 0, self.now + request_model.CERTIFICATE)

    def close(self, ask: Ask, how: str) -> None:
        """Ends a grant by hand; what would extend it goes with it."""
        for each in (ask, *self.world.extensions(ask)):
            if each.state(self.now) == "approved":
                each.closed = how
            elif each.state(self.now) == "pending":
                each.closed = "cancelled"

    def lock_out(self, who: str) -> None:
        """The operator locks a person, with every account."""
        walked["steps"] += 1
        name = f"{ACCOUNTS[who].provider}/{ACCOUNTS[who].sub}"
        self.ban = self.ca.say(m.Lock(None, "person", name, "laptop stolen"), m.LockReply, "admin").lock.id
        self.world.ban({account for account in ACCOUNTS if request_model.person(account) == who})
        for ask in list(self.world.asks.values()):
            if ask.extends is None and ask.account in self.world.banned and ask.state(self.now) == "approved":
                self.close(ask, "revoked")

    def new(self, ask: Ask) -> Ask:
        self.world.asks[ask.id] = ask
        if ask.glass:
            ask.length = request_model.GLASS
        elif ask.host == "db1":
            ask.needs, ask.length = self.world.needs, request_model.LENGTH
        if not ask.needs:
            self.world.open(ask, self.now, ask.length)
        return ask

    def same(self, who: str, host: str, start: int | None, *, glass: bool) -> Ask | None:
        """The request that such an ask returns instead of making a new one."""
        for ask in reversed(self.world.asks.values()):
            state = ask.state(self.now)
            if (ask.account, ask.host) != (who, host) or ask.extends is not None or (glass and not ask.glass):
                continue
            soon = ask.start == start or (start is None and ask.start is not None and ask.start <= self.now)
            if soon and state in ("pending", "approved") and self.world.goes_on(ask, self.now):
                return ask
        return None

    def chosen(self, number: int, state: str | None = None) -> Ask | None:
        """One of the newest requests; every other time, if there is one, the newest that stands so."""
        asks = list(self.world.asks.values())
        fitting = [ask for ask in asks[-12:] if ask.state(self.now) == state]
        if number % 2 and fitting:
            return fitting[-1]
        return asks[-1 - number] if number < len(asks) else None

    def view(self, ask: Ask) -> m.RequestView:
        return self.views([ask])[0]

    def views(self, asks: list[Ask]) -> list[m.RequestView]:
        self.ca.context.now = self.now
        return [request_view(self.ca.context, self.ca.context.request(ask.id)) for ask in asks]

    @invariant()
    def indexes_say_what_a_scan_says(self) -> None:
        if hasattr(self, "ca"):
            check_indexes(self.ca.context.state)

    @invariant()
    def both_tell_the_same(self) -> None:
        if not hasattr(self, "ca"):
            return
        asks = list(self.world.asks.values())[-12:]
        for ask, view in zip(asks, self.views(asks), strict=True):
            state = ask.state(self.now)
            assert view.state.value == state, (ask, view)
            assert (view.ends, view.certificates > 0) == (ask.ends, ask.used and ask.extends is None), (ask, view)
            assert self.over.setdefault(ask.id, state) == state or self.over[ask.id] not in request_model.ENDED
            self.over[ask.id] = state
            walked["opened"] += state == "approved"
