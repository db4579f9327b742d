"""Random acts by everybody, on a whole authority and on a simple model of it, side by side.

At every step both must agree on whether the act is allowed, and afterwards on how every request stands.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from sshjit import messages as m
from sshjit.errors import SshJitError
from sshjit_ca.access.views import request_view
from tests.support import model
from tests.support.installation import Installation, Person
from tests.support.issuer import Issuer
from tests.support.model import Ask, World

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
        assert (refusal is None) is allowed, done or refusal
        assert refusal is None or refusal.family in ("refused", "invalid"), refusal
        return done

    def sign_in(self, name: str) -> None:
        who = ACCOUNTS[name]
        groups = who.groups if name not in LEADS or name in self.world.leads else ()
        changed = Person(who.sub, groups, who.email, who.verified, who.provider)
        self.ids[name] = self.ca.native(changed) if name in ("alice", "dan") else self.ca.web(changed)
        self.world.logins[name] = self.now

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
        self.ca.desk.now = self.now
        return [request_view(self.ca.desk, self.ca.desk.request(ask.id)) for ask in asks]

    @invariant()
    def both_tell_the_same(self) -> None:
        if not hasattr(self, "ca"):
            return
        asks = list(self.world.asks.values())[-12:]
        for ask, view in zip(asks, self.views(asks), strict=True):
            state = ask.state(self.now)
            assert view.state.value == state, (ask, view)
            assert (view.ends, view.certificates > 0) == (ask.ends, ask.used and ask.extends is None), (ask, view)
            assert self.over.setdefault(ask.id, state) == state or self.over[ask.id] not in model.ENDED
            self.over[ask.id] = state
            walked["opened"] += state == "approved"
