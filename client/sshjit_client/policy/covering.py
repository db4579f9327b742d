"""Whether one rule certainly matches everything that another one matches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sshjit.policy.model import HostLabels, Matchers
from sshjit.policy.schedule import Schedule


def covers(wide: Matchers, narrow: Matchers) -> bool:
    """Whether ``wide`` certainly matches everything that ``narrow``, the matchers of an allow, matches."""
    hosts = wide.hosts is None or all(any(_has(labels, other) for other in wide.hosts) for labels in narrow.hosts or ())
    same_time = wide.schedule is None or _same_hours(wide.schedule, narrow.schedule) or is_always(wide.schedule)
    # With a deny on logins it counts which login is chosen, and that is one of the narrow rule's in any case.
    return (
        hosts
        and same_time
        and _within(narrow.roles, wide.roles)
        and set(wide.not_roles) <= set(narrow.not_roles)
        and wide.networks is None
        and _within(narrow.logins, wide.logins)
        and _within(narrow.actions, wide.actions)
    )


def _has(labels: HostLabels, wanted: HostLabels) -> bool:
    """Whether every host with ``labels`` has those that are ``wanted``."""
    values = dict(labels)
    return all(label in values and set(values[label]) <= set(accepted) for label, accepted in wanted)


def _within(narrow: Iterable[str] | None, wide: Iterable[str] | None) -> bool:
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


def _same_hours(one: Schedule, other: Schedule | None) -> bool:
    """Whether they say the same; in the night of a clock change what forbids covers what allows."""
    return other is not None and replace(one, forbids=other.forbids) == other


def is_always(schedule: Schedule) -> bool:
    """Whether it matches at any time."""
    return len(schedule.days) == 7 and (schedule.start, schedule.end) == (0, 24 * 60) and not schedule.edges
