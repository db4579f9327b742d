"""Whether what was asked or granted once still is what policy says, and within which bounds.

The policy is evaluated anew: the rule, denies, roles, approvals, second factor, hardware key and networks at every
certificate and every approval; reason, age of the sign-in, number of hosts and limits at every approval. Where another
rule decides now, or the rule asks for more than the request has, the person has to ask again. Where the rule only gives
less, the stricter of both counts. Everybody who wants to know asks this one function: certificates, approvals, whoever
looks for a request that is there already, and whoever says what a change of policy or labels would close.

A grant whose rule said ``keep_open`` keeps that rule: denies and roles of now decide alone. What the sign-in is like
that draws a certificate is ``step_up``'s, and whether the approvers of then may still approve is the CA's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sshjit.approvals import AskedStep, Step, covers
from sshjit.durations import show
from sshjit.policy import words
from sshjit.policy.approval_steps import asked_steps
from sshjit.policy.compiled import Policy
from sshjit.policy.evaluate import common_rule, kept_until, unmatched, window_end
from sshjit.policy.limits import limit_reached
from sshjit.policy.model import CLIENT, AllowRule
from sshjit.policy.networks import comes_from
from sshjit.policy.query import Query, ask_query, deciding_deny, first_allows
from sshjit.policy.refusals import changed_action, denied_by, different_rules, malformed, not_kept
from sshjit.policy.requirements import wrong_reason
from sshjit.policy.types import NO_FACTS, Ask, Bounds, Changed, Denied, Facts, Host, Subject


class Checked(Protocol):
    """What was said of a ticket: ``sshjit.events.TicketSaid``."""

    @property
    def checker(self) -> str:
        """Who said it."""


class Granted(Protocol):
    """What was asked, and on which terms it was allowed: ``sshjit.events.Asked``."""

    # ruff: noqa: D102 - each is the field of that name
    @property
    def rule(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def command(self) -> str | None: ...
    @property
    def break_glass(self) -> bool: ...
    @property
    def start(self) -> int | None: ...
    @property
    def duration(self) -> int: ...
    @property
    def certificate(self) -> int: ...
    @property
    def forwarding(self) -> tuple[str, ...]: ...
    @property
    def source(self) -> tuple[str, ...]: ...
    @property
    def address(self) -> str: ...
    @property
    def verify_required(self) -> bool: ...
    @property
    def mfa(self) -> bool: ...
    @property
    def fresh_login(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def steps(self) -> Sequence[AskedStep]: ...
    @property
    def extends(self) -> str | None: ...
    @property
    def signed(self) -> bool: ...
    @property
    def post_quantum(self) -> bool: ...
    @property
    def post_quantum_key(self) -> bool: ...
    @property
    def kept_for(self) -> tuple[str, ...]: ...
    @property
    def ticket(self) -> Checked | None: ...


def nobody(_: Sequence[Step]) -> bool:
    """The approvals of a request that has none that would count for other steps."""
    return False


@dataclass(frozen=True, slots=True)
class Held:
    """What became of the request so far.

    ``opens`` is when its window opened or opens (seconds since the epoch); ``None``: it waits for approval.
    ``approved`` says whether the approvals that it got complete other steps than those that it was asked with.
    ``longer`` is by how many seconds extensions made the window longer. Of a request that extends a grant,
    ``extensions`` is how often that was done before.
    """

    opens: int | None = None
    approved: Callable[[Sequence[Step]], bool] = nobody
    longer: int = 0
    extensions: int = 0


def reevaluate(
    policy: Policy,
    subject: Subject,
    hosts: Sequence[Host],
    granted: Granted,
    held: Held,
    *,
    now: int,
    facts: Facts = NO_FACTS,
) -> Bounds | Changed | Denied:
    """What ``policy`` says at ``now`` to what ``subject`` was granted, or asked for and waits for.

    Of access that begins later, the rules, denies and roles of its beginning decide.
    """
    query = ask_query(policy, subject, hosts, granted, now)
    if granted.kept_for and held.opens is not None:
        return _kept(query, granted)
    numbers = first_allows(query)
    refusal = _other_action(policy, hosts, granted, now)
    refusal = unmatched(query, numbers) if refusal is None else refusal
    if refusal is not None:
        return refusal
    rule = common_rule(query, numbers)
    if rule is None:
        under = different_rules(query, [query.allows[number] for number in numbers if number is not None])
        return Changed(None, under.message)
    no = _not_by(query, rule, granted, held, facts, now=now)
    if no is not None:
        return no
    length = rule.grant if granted.extends is None or rule.extend is None else rule.extend.by
    ends = [window_end(query, rule), None if held.opens is None else held.opens + length + held.longer]
    return Bounds(
        certificate=min(granted.certificate, rule.certificate),
        forwarding=tuple(each for each in granted.forwarding if each in rule.forwarding),
        length=length,
        ends_by=min((end for end in ends if end is not None), default=None),
    )


def steps_now(
    policy: Policy, subject: Subject, hosts: Sequence[Host], granted: Granted, now: int
) -> tuple[Step, ...] | None:
    """The approvals for which the rule of ``granted`` asks now; ``None``: another rule decides, or none."""
    query = ask_query(policy, subject, hosts, granted, now)
    rule = common_rule(query, first_allows(query))
    if rule is None or rule.name != granted.rule:
        return None
    steps = asked_steps(query, rule)
    return None if isinstance(steps, Denied) else steps


def _not_by(
    query: Query, rule: AllowRule, granted: Granted, held: Held, facts: Facts, *, now: int
) -> Changed | Denied | None:
    """Why the rule that decides now does not give what was asked or granted; a limit only keeps it waiting."""
    if rule.name != granted.rule:
        return Changed(rule.name, f'rule "{rule.name}" decides now, not "{granted.rule}"')
    steps = asked_steps(query, rule)
    if isinstance(steps, Denied):
        return steps
    more = (*_more_approvals(steps, granted, held), *_more(rule, query.hosts, granted, held, now))
    if more:
        return Changed(rule.name, f'rule "{rule.name}" now {" and ".join(more)}')
    return limit_reached(rule, facts) if held.opens is None and granted.extends is None else None


def _kept(query: Query, granted: Granted) -> Bounds | Denied:
    """A grant that keeps its rule: denies and roles of now decide, and nothing else."""
    deny = deciding_deny(query)
    if deny is not None:
        return denied_by(query, deny)
    if not any(role in query.roles for role in granted.kept_for):
        return not_kept(granted.rule, granted.kept_for)
    return Bounds(granted.certificate, granted.forwarding, None, kept_until(query, granted.kept_for))


def _other_action(policy: Policy, hosts: Sequence[Host], granted: Granted, now: int) -> Denied | None:
    """Why the action is not what was approved: it is not declared any more, or it has another command by now."""
    named = policy.actions.get(granted.action)
    if named is not None and named.command != granted.command:
        return changed_action(granted.action)
    return malformed(policy, hosts, Ask(granted.login, granted.action, granted.command if named is None else None), now)


def _more_approvals(steps: Sequence[Step], granted: Granted, held: Held) -> Iterator[str]:
    """The approvals that the rule asks for, where those that the request asks for, or got, are not enough."""
    if not covers(granted.steps, steps) and not held.approved(steps):
        yield f"needs approval by {words.listed(map(words.step, steps))}"


def _more(rule: AllowRule, hosts: Sequence[Host], granted: Granted, held: Held, now: int) -> Iterator[str]:
    """What the rule asks for that the request does not have, as ends of a sentence about the rule."""
    if rule.mfa and not granted.mfa:
        yield "needs a sign-in with a second factor"
    if rule.hardware_key and not granted.verify_required:
        yield "needs a registered hardware key"
    if rule.signed_request and not granted.signed:
        yield "needs a request that is signed by the requester's key"
    if rule.post_quantum and not granted.post_quantum:
        yield "needs a post-quantum certificate"
    if rule.post_quantum_key and not granted.post_quantum_key:
        yield "needs a post-quantum login key"
    if rule.networks and not comes_from(granted.address, rule.networks):
        yield f"takes requests from {words.listed(rule.networks, 'or')} alone"
    if not _inside(granted, rule.source):
        yield "binds certificates to other addresses"
    if held.opens is None:
        yield from _more_to_approve(rule, hosts, granted, held)
    elif granted.extends is None and now >= held.opens + rule.grant + held.longer:
        yield f"allows {show(rule.grant)} at a time"


def _more_to_approve(rule: AllowRule, hosts: Sequence[Host], granted: Granted, held: Held) -> Iterator[str]:
    """What is only asked until it is granted."""
    if rule.fresh_login is not None and (granted.fresh_login is None or rule.fresh_login < granted.fresh_login):
        yield f"needs a sign-in within the last {show(rule.fresh_login)}"
    reason = wrong_reason(rule, granted.reason.strip())
    if reason:
        yield f"needs {reason}"
    if rule.ticket is not None and (granted.ticket is None or granted.ticket.checker != rule.ticket.name):
        yield f"needs a ticket that {rule.ticket.title} accepts"
    if len(hosts) > rule.max_hosts:
        yield f"allows at most {rule.max_hosts} hosts at a time"
    if granted.extends is not None and (rule.extend is None or held.extensions >= rule.extend.count):
        yield "does not extend it any more"


def _inside(granted: Granted, wanted: tuple[str, ...]) -> bool:
    """Whether the certificates work from nowhere but the networks that are ``wanted``; from anywhere, if none are."""
    if not wanted or granted.source == wanted:
        return True
    if wanted == (CLIENT,):
        wanted = (granted.address.partition("%")[0],)  # as the certificate has it: without an interface
    try:
        networks = [ipaddress.ip_network(each) for each in wanted]
        return bool(granted.source) and all(_within(ipaddress.ip_network(each), networks) for each in granted.source)
    except ValueError:  # an address that is none is inside of nothing
        return False


def _within(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    others: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> bool:
    for other in others:
        if isinstance(network, ipaddress.IPv4Network):
            if isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other):
                return True
        elif isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other):
            return True
    return False
