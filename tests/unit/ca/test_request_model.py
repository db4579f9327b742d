"""Random walks over requests, approvals, clocks, policy changes, locks and crashes, held to a simple model.

So there is no certificate without a live grant, no grant without its approvals, nobody counts twice or for themselves,
and what has ended never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from sshjit import messages as m
from tests.support import model
from tests.support.issuer import Issuer, serving
from tests.support.model import Ask
from tests.support.walking import ACCOUNTS, Walk, policy, walked

STEPS = 10_000
"""At least so many acts are tried in all."""
WALK = 250


account = st.sampled_from(sorted(ACCOUNTS))
pick = st.integers(0, 5)
"""Which of the newest requests an act is about."""


class Requests(Walk):
    """What people, the operator, time and accidents do."""

    @rule(who=account)
    def signs_in_again(self, who: str) -> None:
        if not self.world.locked:
            walked["steps"] += 1
            self.sign_in(who)

    @rule(
        who=st.sampled_from(["alice", "dan", "dan", "bob"]),
        host=st.sampled_from(["web1", "db1"]),
        ahead=st.sampled_from([None, None, None, 600, 4000]),
        glass=st.sampled_from([False, False, False, True]),
        draw=st.booleans(),
    )
    def asks(self, who: str, host: str, ahead: int | None, *, glass: bool, draw: bool) -> None:
        start = None if ahead is None or glass else self.now + ahead
        same = self.same(who, host, start, glass=glass)
        fresh = not glass or self.now - self.world.logins[who] + 5 <= model.FRESH
        new = self.world.allowed(who, host, glass=glass) and fresh and not (glass and self.world.overdue(who, self.now))
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
        ask = same or self.new(Ask(reply.request.id, who, host, self.now, 0, model.STAGING, model.USE_BY, start, glass))
        assert (reply.certificate is not None) is (draw and self.world.open_now(ask, self.now))
        if reply.certificate is not None:
            self.drawn(ask, reply.certificate)

    def new(self, ask: Ask) -> Ask:
        self.world.asks[ask.id] = ask
        if ask.glass:
            ask.length = model.GLASS
        elif ask.host == "db1":
            ask.needs, ask.length = self.world.needs, model.LENGTH
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
            if soon and state in ("pending", "approved"):
                return ask if self.world.allowed(who, host, glass=ask.glass) else None
        return None

    @rule(who=account, number=pick, shorter=st.sampled_from([None, None, 600, model.LENGTH + 1]))
    def approves(self, who: str, number: int, shorter: int | None) -> None:
        ask = self.chosen(number, "pending")
        if ask is None:
            return
        fits = shorter is None or shorter <= ask.length
        allowed = fits and self.world.could_approve(who, ask, self.now)
        view = self.view(ask)
        message = m.Approve(self.ids[who], ask.id, view.digest, "", None, shorter)
        if self.attempt(lambda: self.ca.say(message, m.RequestReply), allowed=allowed):
            self.world.approve(who, ask, self.now, shorter)

    @rule(who=account, number=pick)
    def denies(self, who: str, number: int) -> None:
        ask = self.chosen(number, "pending")
        if ask is None:
            return
        ready = self.world.signed_in(who, self.now) and ask.state(self.now) == "pending" and who not in ask.yes
        allowed = ready and who in self.world.leads and model.person(who) != model.person(ask.account)
        allowed = allowed and ask.needs > 0
        message = m.Deny(self.ids[who], ask.id, self.view(ask).digest, "no", None)
        if self.attempt(lambda: self.ca.say(message, m.RequestReply), allowed=allowed):
            ask.closed = "denied"

    @rule(who=account, number=pick)
    def takes_back(self, who: str, number: int) -> None:
        ask = self.chosen(number, "pending")
        if ask is None:
            return
        allowed = who == ask.account and self.world.signed_in(who, self.now) and ask.state(self.now) == "pending"
        if self.attempt(lambda: self.ca.say(m.Cancel(self.ids[who], ask.id), m.RequestReply), allowed=allowed):
            ask.closed = "cancelled"

    @rule(who=st.sampled_from(["alice", "dan", "bob"]), number=pick)
    def is_done(self, who: str, number: int) -> None:
        ask = self.chosen(number, "approved")
        if ask is None or ask.extends is not None:
            return
        allowed = who == ask.account and self.world.signed_in(who, self.now) and ask.state(self.now) == "approved"
        if self.attempt(lambda: self.ca.say(m.End(self.ids[who], ask.id), m.RequestReply), allowed=allowed):
            self.close(ask, "ended")

    @rule(who=st.sampled_from(["dan", "dan", "alice"]), number=pick)
    def wants_longer(self, who: str, number: int) -> None:
        ask = self.chosen(number, "approved")
        if ask is None:
            return
        asked = self.world.extensions(ask)
        waiting = [each for each in asked if each.state(self.now) == "pending"]
        granted = [each for each in asked if each.approved is not None and each.closed is None]
        live = ask.extends is None and ask.state(self.now) == "approved" and self.now >= (ask.opens or 0)
        allowed = live and who == ask.account and self.world.signed_in(who, self.now)
        new = who == "dan" and not self.world.locked and self.world.allowed(who, ask.host, glass=False)
        allowed = allowed and (bool(waiting) or (new and len(granted) < model.EXTENSIONS))
        message = m.Extend(self.ids[who], ask.id, "CHG-7 not done yet", "192.0.2.7")
        reply = self.attempt(lambda: self.ca.say(message, m.AskReply), allowed=allowed)
        if reply is not None and not reply.existing:
            left = (ask.ends or 0) - self.now
            more = Ask(reply.request.id, who, ask.host, self.now, self.world.needs, model.EXTEND_BY, model.USE_BY)
            more.extends, more.pending = ask, min(model.PENDING, left)
            self.world.asks[more.id] = more

    @rule(number=pick)
    def draws(self, number: int) -> None:
        ask = self.chosen(number, "approved")
        if ask is None or ask.account not in ("alice", "dan"):
            return
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
        assert certificate.valid_before <= min(ask.ends or 0, self.now + model.CERTIFICATE)

    @rule(who=account, number=pick)
    def reviews(self, who: str, number: int) -> None:
        ask = self.chosen(number)
        if ask is None:
            return
        ready = ask.glass and ask.approved is not None and not ask.reviewed and self.world.signed_in(who, self.now)
        allowed = ready and who in self.world.leads and model.person(who) != model.person(ask.account)
        message = m.Review(self.ids[who], ask.id, "justified", "")
        if self.attempt(lambda: self.ca.say(message, m.RequestReply), allowed=allowed):
            ask.reviewed = True

    @rule(number=pick)
    def the_operator_revokes(self, number: int) -> None:
        ask = self.chosen(number)
        if ask is None or ask.extends is not None or ask.state(self.now) != "approved":
            return
        walked["steps"] += 1
        self.ca.say(m.Revoke(None, ask.id, None, None, "no more"), m.RevokeReply, "admin")
        self.close(ask, "revoked")

    def close(self, ask: Ask, how: str) -> None:
        """Ends a grant by hand; what would extend it goes with it."""
        for each in (ask, *self.world.extensions(ask)):
            if each.state(self.now) == "approved":
                each.closed = how
            elif each.state(self.now) == "pending":
                each.closed = "cancelled"

    @rule(chance=st.integers(0, 4))
    def the_operator_locks_everything(self, chance: int) -> None:
        walked["steps"] += 1
        if self.lock is None:
            if chance:
                return  # else it would be locked half of the time
            self.lock = self.ca.say(m.Lock(None, "everything", None, "fire"), m.LockReply, "admin").lock.id
            for ask in list(self.world.asks.values()):
                if ask.extends is None and ask.state(self.now) == "approved":
                    self.close(ask, "revoked")
        else:
            self.ca.say(m.Unlock(None, self.lock, "out", None), m.Done, "admin")
            self.lock = None
        self.world.locked = self.lock is not None

    @rule(who=st.sampled_from(["bob", "twin", "danny"]))
    def a_lead_comes_or_goes(self, who: str) -> None:
        if self.world.locked:
            return
        walked["steps"] += 1
        self.world.leads ^= {who}
        self.sign_in(who)

    @rule(needs=st.sampled_from([1, 1, 2]), frozen=st.sampled_from([False, False, True]))
    def policy_changes(self, needs: int, *, frozen: bool) -> None:
        walked["steps"] += 1
        self.world.needs, self.world.frozen = needs, frozen
        (self.home / "policy.toml").write_text(policy(self.world))
        self.ca.authority.change_policy(policy(self.world))

    @rule(seconds=st.sampled_from([1, 5, 60, 299, 300, 599, 600, 899, 900, 901, 1799, 1800, 3600, 7200, 86400]))
    def time_passes(self, seconds: int) -> None:
        self.ca.later(seconds)
        gone = [name for name in ("alice", "dan", "beth") if not self.world.signed_in(name, self.now)]
        for name in gone if not self.world.locked else ():
            self.sign_in(name)

    @rule(chance=st.integers(0, 4))
    def the_authority_crashes(self, chance: int) -> None:
        if not chance:
            walked["steps"] += 1
            self.ca.restart()


@pytest.fixture(scope="module")
def issuers() -> Iterator[dict[str, Issuer]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving()) for name in ("acme", "partner")}


def test_random_walks_agree_with_the_model(issuers: dict[str, Issuer]) -> None:
    Requests.issuers = issuers
    walk = settings(
        max_examples=10,
        stateful_step_count=WALK,
        deadline=None,
        phases=(Phase.generate,),  # a walk is read from its acts, which are printed; making it shorter takes minutes
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    while walked["steps"] < STEPS:
        run_state_machine_as_test(Requests, settings=walk)
    assert walked["certificates"] > STEPS // 100
    assert walked["opened"] > STEPS // 100
