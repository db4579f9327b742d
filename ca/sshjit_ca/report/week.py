"""Which of a policy's days and hours meet: a week is cut wherever one of them begins or ends.

A set of the pieces is a whole number, as the policy's index has it for rules. So it is exact, and cheap, to ask whether
a rule ever decides that others stand before at times, or that a deny suspends at times.
"""

from __future__ import annotations

from sshjit.policy import Policy
from sshjit.policy.model import Rule
from sshjit.policy.schedule import Schedule

_AHEAD = 8 * 24 * 3600
"""Seconds that are looked at: a week, and what begins in it."""


class Week:
    """The week after ``now`` (seconds since the epoch), in pieces."""

    def __init__(self, policy: Policy, now: int) -> None:
        rules: tuple[Rule, ...] = (*policy.denies, *policy.named.values())
        schedules = {rule.match.schedule for rule in rules if rule.match.schedule is not None}
        moments = {now}
        for schedule in schedules:
            opens: int | None = now
            while opens is not None and opens < now + _AHEAD:
                moments.update((opens, schedule.closes(opens) or opens))
                opens = schedule.opens(opens)
        self.whole = (1 << len(moments)) - 1
        """Every piece."""
        self._pieces = {
            schedule: sum(1 << number for number, at in enumerate(sorted(moments)) if schedule.matches(at))
            for schedule in schedules
        }

    def of(self, schedule: Schedule | None) -> int:
        """The pieces in which a rule with this schedule holds."""
        return self.whole if schedule is None else self._pieces[schedule]
