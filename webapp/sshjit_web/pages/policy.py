"""The policy in force: its rules in words, what was proved of it and when, and the policies before it."""

from __future__ import annotations

from sshjit.ca_protocol.operating import PoliciesReply, PolicyView, ReadPolicies
from sshjit.policy import Policy
from sshjit.policy.model import Rule
from sshjit.policy.rule_text import never_text, rule_lines
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint
from sshjit_web.services import services

SHOWN = 50
"""Policies of the past that are listed."""


@blueprint.get("/policy")
def policy() -> str:
    """The page. The CA says who may see it: without an answer from it nothing is shown."""
    login = current_login()
    have = services()
    reply = have.ca.call(ReadPolicies(login.id), PoliciesReply)
    rules = have.ca_cache.policy()
    now = next((view for view in reply.policies if view.digest == rules.digest), None)
    return common.render(
        "policy.html",
        login,
        rules=rules,
        view=now,
        sections=_sections(rules),
        sentences=_sentences(rules, now),
        past=[view for view in reply.policies if view is not now][:SHOWN],
    )


def _sections(rules: Policy) -> list[tuple[str, str, list[tuple[str, list[tuple[str, str]]]]]]:
    """The rules in the order in which they decide, each in words."""
    kinds: list[tuple[str, str, tuple[Rule, ...]]] = [
        ("Denied", "Any of these that matches decides.", rules.denies),
        ("Allowed", "Then the first of these that matches. What none allows is denied.", rules.allows),
        ("Emergencies", "Break-glass access, in place of the rules that allow.", rules.break_glass),
    ]
    return [(title, text, [(rule.name, rule_lines(rule)) for rule in some]) for title, text, some in kinds if some]


def _sentences(rules: Policy, view: PolicyView | None) -> list[tuple[str, str, str, int | None]]:
    """Each ``[[never]]``: its name, what it says, what was found of it when the policy came, and up to when."""
    decided = {answer.name: answer for answer in (view.decided if view is not None else None) or ()}
    return [
        (
            never.name,
            never_text(never),
            decided[never.name].answer if never.name in decided else "not decided",
            decided[never.name].until if never.name in decided else None,
        )
        for never in rules.nevers
    ]
