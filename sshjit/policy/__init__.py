"""The policy: what one says, and what it answers.

Pure: no files, no clock, no environment. ``load`` reads a text, ``evaluate`` decides one ask, ``reevaluate``
asks again at each approval and before each certificate, ``explain`` shows every rule. ``now`` is always seconds since
the epoch, UTC.
"""

from __future__ import annotations

from sshjit.policy.calendars import with_files
from sshjit.policy.compiled import Policy
from sshjit.policy.evaluate import ends_by, evaluate
from sshjit.policy.explain import Explanation, Miss, RuleReport, explain
from sshjit.policy.load import check_labels, load, missing_labels, providers_of
from sshjit.policy.model import PERMISSIONS
from sshjit.policy.near_groups import near_groups
from sshjit.policy.problems import PolicyError, Problem
from sshjit.policy.query import may_be_unix_name, usable_unix_name
from sshjit.policy.reevaluate import Granted, Held, reevaluate, steps_now
from sshjit.policy.refusals import AHEAD, bad_start, nobody_can_approve
from sshjit.policy.requirements import step_up
from sshjit.policy.roles import empty_roles, permissions_of, role_ends, roles_of, roles_without_people
from sshjit.policy.types import (
    ASSUMED,
    Allow,
    Ask,
    Bastion,
    Bounds,
    Changed,
    Count,
    Denied,
    Facts,
    Host,
    NeedsApproval,
    Outcome,
    StepUp,
    Subject,
    Terms,
    TicketAnswer,
    Turn,
    Used,
)

__all__ = [
    "AHEAD",
    "ASSUMED",
    "PERMISSIONS",
    "Allow",
    "Ask",
    "Bastion",
    "Bounds",
    "Changed",
    "Count",
    "Denied",
    "Explanation",
    "Facts",
    "Granted",
    "Held",
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
    "TicketAnswer",
    "Turn",
    "Used",
    "bad_start",
    "check_labels",
    "empty_roles",
    "ends_by",
    "evaluate",
    "explain",
    "load",
    "may_be_unix_name",
    "missing_labels",
    "near_groups",
    "nobody_can_approve",
    "permissions_of",
    "providers_of",
    "reevaluate",
    "role_ends",
    "roles_of",
    "roles_without_people",
    "step_up",
    "steps_now",
    "usable_unix_name",
    "with_files",
]
