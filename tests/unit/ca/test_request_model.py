"""Random walks over requests, approvals, clocks, policy changes, locks and crashes, held to a simple model.

So there is no certificate without a live grant, no grant without its approvals, nobody counts twice or for themselves,
and what has ended never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from tests.support import request_model
from tests.support.issuer import Issuer, serving
from tests.support.random_walk import ACCOUNTS, Walk, policy, refused, walked
from tests.support.request_model import Ask

STEPS = 10_000
"""At least so many acts are tried in all."""
WALK = 250
ROUNDS = 40
"""At most so many rounds of ten walks: chance decides when the rarest refusal has been met."""
MET = {
    *("already_decided", "approval_gone", "bad_duration", "cannot_extend", "denied_by_rule", "locked", "login_over"),
    *("no_rule", "not_an_approver", "not_permitted", "not_yet", "own_request", "policy_changed", "review_overdue"),
    *("step_up", "unknown_request", "wrong_state"),
}
"""Every one of these refusals is met on the way; a walk that never is refused for a reason does not test it."""

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
        what=st.sampled_from(
            [*[("alice", "web1"), ("dan", "db1")] * 3, ("alice", "db1"), ("dan", "web1"), ("bob", "db1")]
        ),
        ahead=st.sampled_from([None, None, None, 600, 4000]),
        glass=st.sampled_from([False] * 7 + [True]),
        draw=st.booleans(),
    )
    def asks(self, what: tuple[str, str], ahead: int | None, *, glass: bool, draw: bool) -> None:
        self.ask(*what, ahead, glass=glass, draw=draw)

    @rule(draw=st.booleans())
    def breaks_the_glass(self, *, draw: bool) -> None:
        self.ask("alice", "db1", None, glass=True, draw=draw)

    @rule(who=account, number=pick, shorter=st.sampled_from([None, None, 600, request_model.LENGTH + 1]))
    def approves(self, who: str, number: int, shorter: int | None) -> None:
        ask = self.chosen(number, "pending")
        if ask is not None:
            self.approve(who, ask, shorter)

    @rule(draw=st.booleans(), shorter=st.sampled_from([None, None, 600, request_model.LENGTH + 1]))
    def dan_is_let_in(self, shorter: int | None, *, draw: bool) -> None:
        self.ask("dan", "db1", None, glass=False, draw=draw)
        waiting = [ask for ask in self.world.asks.values() if (ask.account, ask.state(self.now)) == ("dan", "pending")]
        for who in ("bob", "twin", "beth") if waiting else ():
            self.approve(who, waiting[-1], shorter if who == "bob" else None)

    @rule(who=account, number=pick)
    def denies(self, who: str, number: int) -> None:
        ask = self.chosen(number, "pending")
        if ask is None:
            return
        ready = self.world.signed_in(who, self.now) and ask.state(self.now) == "pending" and who not in ask.yes
        allowed = ready and who in self.world.leads and request_model.person(who) != request_model.person(ask.account)
        allowed = allowed and ask.needs > 0
        message = m.Deny(self.ids[who], ask.id, self.view(ask).digest, "no", None)
        if ask.no == who:  # once more the same: a success where it is still seen, and no change
            with suppress(SshJitError):
                self.ca.say(message, m.RequestReply)
            return
        if self.attempt(lambda: self.ca.say(message, m.RequestReply), allowed=allowed):
            ask.closed, ask.no = "denied", who

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
        waiting = [each for each in asked if each.state(self.now) == "pending" and self.world.goes_on(each, self.now)]
        granted = [each for each in asked if each.approved is not None and each.closed is None]
        live = ask.extends is None and ask.state(self.now) == "approved" and self.now >= (ask.opens or 0)
        allowed = live and who == ask.account and self.world.signed_in(who, self.now)
        allowed = allowed and self.world.goes_on(ask, self.now)
        new = who == "dan" and not self.world.locked and self.world.allowed(who, ask.host, glass=False)
        new = new and not self.world.nobody_can_approve(who, ask.host, self.now)
        allowed = allowed and (bool(waiting) or (new and len(granted) < request_model.EXTENSIONS))
        message = m.Extend(self.ids[who], ask.id, "CHG-7 not done yet", "192.0.2.7")
        reply = self.attempt(lambda: self.ca.say(message, m.AskReply), allowed=allowed)
        if reply is not None and not reply.existing:
            left = (ask.ends or 0) - self.now
            more = Ask(
                reply.request.id,
                who,
                ask.host,
                self.now,
                self.world.needs,
                request_model.EXTEND_BY,
                request_model.USE_BY,
            )
            more.extends, more.pending = ask, min(request_model.PENDING, left)
            self.world.asks[more.id] = more

    @rule(number=pick)
    def draws(self, number: int) -> None:
        ask = self.chosen(number, "approved")
        if ask is not None and ask.account in ("alice", "dan"):
            self.draw(ask)

    @rule(who=account, number=pick)
    def reviews(self, who: str, number: int) -> None:
        ask = self.chosen(number)
        if ask is None:
            return
        ready = ask.glass and ask.approved is not None and not ask.reviewed and self.world.signed_in(who, self.now)
        allowed = ready and who in self.world.leads and request_model.person(who) != request_model.person(ask.account)
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

    @rule(who=st.sampled_from(["dan", "bob", "beth"]), chance=st.integers(0, 4))
    def the_operator_locks_somebody(self, who: str, chance: int) -> None:
        if self.ban is not None:
            walked["steps"] += 1
            self.ca.say(m.Unlock(None, self.ban, "it was a mistake", None), m.Done, "admin")
            self.ban, self.world.banned = None, set()
        elif not chance:
            self.lock_out(who)

    @rule(who=st.sampled_from(["bob", "twin", "danny"]))
    def a_lead_comes_or_goes(self, who: str) -> None:
        if self.world.locked or who in self.world.banned:
            return
        walked["steps"] += 1
        self.world.leads ^= {who}
        self.sign_in(who)

    @rule(lock=st.booleans())
    def an_approver_goes_and_the_grant_is_used(self, *, lock: bool) -> None:
        """The one thing that hardly happens by itself: between a yes and a certificate its approver is one no more."""
        fitting = [ask for ask in self.world.asks.values() if ask.yes and self.world.open_now(ask, self.now)]
        if not fitting or self.world.locked:
            return
        who = next(iter(fitting[-1].yes))
        if lock and self.ban is None:
            self.lock_out(request_model.person(who))
        elif who in self.world.leads - self.world.banned:
            self.world.leads -= {who}
            self.sign_in(who)
        self.draw(fitting[-1])

    @rule(needs=st.sampled_from([1, 1, 2]), frozen=st.sampled_from([False, False, True]))
    def policy_changes(self, needs: int, *, frozen: bool) -> None:
        walked["steps"] += 1
        self.world.needs, self.world.frozen = needs, frozen
        (self.home / "policy.toml").write_text(policy(self.world))
        self.ca.authority.change_policy(self.ca.authority.look_at_policy(policy(self.world)))

    @rule()
    def the_authority_looks_at_what_time_did(self) -> None:
        walked["steps"] += 1
        self.ca.authority.sweep()
        self.world.sweep(self.now)

    @rule(seconds=st.sampled_from([1, 5, 60, 299, 300, 599, 600, 899, 900, 901, 1799, 1800, 3600, 7200, 86400]))
    def time_passes(self, seconds: int) -> None:
        self.ca.later(seconds)
        gone = [name for name in ("alice", "dan", "beth") if not self.world.signed_in(name, self.now)]
        for name in gone if not self.world.locked else ():
            self.sign_in(name)

    @rule(chance=st.integers(0, 9))
    def the_glass_is_broken_again_a_day_later(self, chance: int) -> None:
        if chance:
            return
        self.ca.later(86400)
        if not self.world.locked:
            self.sign_in("alice")
        self.ask("alice", "db1", None, glass=True, draw=False)

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
        derandomize=False,  # else every round would go the same ways again
    )
    for _ in range(ROUNDS):
        run_state_machine_as_test(Requests, settings=walk)
        if walked["steps"] >= STEPS and set(refused) >= MET:
            break
    assert walked["steps"] >= STEPS
    assert walked["certificates"] > STEPS // 100
    assert walked["opened"] > STEPS // 100
    assert set(refused) >= MET, refused
