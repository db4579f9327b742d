"""A policy in words: for each rule whom it is for, what it gives, what it requires; and what must never be.

For pages that show a whole policy. What is not said is not restricted, so only what restricts has a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sshjit.durations import show
from sshjit.policy import words
from sshjit.policy.limits import limits_text
from sshjit.policy.model import NO_LIMITS, OWN, AllowRule, DenyRule, Matchers, Never, Rule

Lines = list[tuple[str, str]]
"""What a line is about, and what it says."""


def rule_lines(rule: Rule) -> Lines:
    """A rule, line by line."""
    lines = list(_matchers(rule.match, forbids=isinstance(rule, DenyRule)))
    if isinstance(rule, DenyRule):
        return [*lines, *([("Spares", "break-glass access")] if rule.unless_break_glass else [])]
    needs = [text for text in _requirements(rule) if text]
    return [*lines, *([("Needs", "; ".join(needs))] if needs else []), ("Gives", "; ".join(_given(rule)))]


def _matchers(match: Matchers, *, forbids: bool) -> Iterator[tuple[str, str]]:
    if match.roles is not None:
        yield "Who", words.listed(match.roles, "or")
    elif forbids:
        yield "Who", "everybody"
    if match.not_roles:
        yield "But not", words.listed(match.not_roles, "or")
    yield "Hosts", words.hosts(match.hosts) if match.hosts else "all"
    if match.logins is not None:
        yield "Accounts", _accounts(match.logins)
    if match.actions is not None and match.actions != ("shell",):
        yield "For", words.listed(match.actions, "or")
    if match.networks is not None:
        yield "From", str(match.networks)
    if match.schedule is not None:
        yield "When", str(match.schedule)


def _requirements(rule: AllowRule) -> Iterator[str]:
    if rule.approvals:
        yield f"approval by {words.listed(map(words.step, rule.approvals))}"
    if rule.reason is not None:
        yield f"a reason like {rule.reason.pattern.pattern}" if rule.reason.pattern else "a reason"
    if rule.ticket is not None:
        lax = ", or does not answer about" if rule.ticket_down_allows else ""
        yield f"a ticket that {rule.ticket.title} accepts{lax}"
    if rule.fresh_login is not None:
        yield f"a sign-in within {show(rule.fresh_login)}"
    yield "a second factor" if rule.mfa else ""
    yield "a registered hardware key" if rule.hardware_key else ""
    yield "a request that is signed" if rule.signed_request else ""
    yield words.post_quantum(rule)
    if rule.networks:
        yield f"a request from {words.listed(rule.networks, 'or')}"
    if rule.break_glass is not None:
        yield f"a review within {show(rule.break_glass.review_within)}"


def _given(rule: AllowRule) -> Iterator[str]:
    yield f"{show(rule.grant)}, by certificates of {show(rule.certificate)}"
    if rule.extend is not None:
        yield f"{rule.extend.count} times {show(rule.extend.by)} more"
    if rule.forwarding:
        yield f"forwarding of {words.listed(rule.forwarding)}"
    if rule.source == ("client",):
        yield "from the requester's address alone"
    elif rule.source:
        yield f"from {words.listed(rule.source)} alone"
    if rule.limits != NO_LIMITS:
        yield f"at most {limits_text(rule.limits)}"
    if rule.keep_open:
        yield "what is open keeps this rule"


def never_text(never: Never) -> str:
    """What nobody gets: ``Nobody but sre has root on env=prod without approval, until 2027-12-31.``."""
    parts = [f"Nobody but {words.listed(never.unless_roles, 'or')} has" if never.unless_roles else "Nobody has"]
    parts.append(_accounts(never.logins) if never.logins else "access")
    parts += [f"for {words.listed(never.actions, 'or')}"] if never.actions else []
    parts += [f"on {words.hosts(never.hosts)}"] if never.hosts else []
    parts += ["by break-glass"] if never.break_glass else []
    if never.without:
        parts.append(f"without {words.listed((each.replace('_', ' ') for each in never.without), 'or')}")
    otherwise = ", except by break-glass" if never.break_glass is False else ""
    within = f", until {never.within}" if never.within is not None else ""
    return f"{' '.join(parts)}{otherwise}{within}."


def _accounts(logins: Iterable[str]) -> str:
    return words.listed(("their own name" if each == OWN else each for each in logins), "or")
