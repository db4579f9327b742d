"""The policy: what one says, and what it answers.

Pure: no files, no clock, no environment. ``load`` reads a text, ``evaluate`` decides one ask, ``still_allowed`` asks
again before each certificate, ``explain`` shows every rule. ``now`` is always seconds since the epoch, UTC.
"""

from __future__ import annotations

from sshjit.policy.asks import Ask, Host, Subject
from sshjit.policy.evaluate import ends_by, evaluate, still_allowed
from sshjit.policy.explain import Explanation, Miss, RuleReport, explain
from sshjit.policy.load import check_labels, load, providers_of
from sshjit.policy.model import PERMISSIONS, Policy
from sshjit.policy.outcomes import Allow, Denied, NeedsApproval, Outcome, StepUp, Terms
from sshjit.policy.problems import PolicyError, Problem
from sshjit.policy.query import may_be_own
from sshjit.policy.refusals import hopeless
from sshjit.policy.requirements import step_up
from sshjit.policy.roles import empty_roles, permissions_of, roles_of

__all__ = [
    "PERMISSIONS",
    "Allow",
    "Ask",
    "Denied",
    "Explanation",
    "Host",
    "Miss",
    "NeedsApproval",
    "Outcome",
    "Policy",
    "PolicyError",
    "Problem",
    "RuleReport",
    "StepUp",
    "Subject",
    "Terms",
    "check_labels",
    "empty_roles",
    "ends_by",
    "evaluate",
    "explain",
    "hopeless",
    "load",
    "may_be_own",
    "permissions_of",
    "providers_of",
    "roles_of",
    "step_up",
    "still_allowed",
]
