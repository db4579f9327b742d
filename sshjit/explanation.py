"""What policy explains, in the words of the doors: the CA and the front end show the same, made in one place.

What is decided beyond policy (locks, requests that stand, who could approve) is the programs' to say.
"""

from __future__ import annotations

from sshjit.api.explain import MissView, RuleView, TermsView
from sshjit.approvals import Step
from sshjit.policy import Allow, Explanation, NeedsApproval, RuleReport, StepUp, Terms


def agreed(found: Explanation) -> tuple[Terms | None, tuple[Step, ...]]:
    """The terms of a yes and the approvals that it needs; ``None`` where policy alone does not say yes."""
    match found.outcome:
        case Allow(terms):
            return terms, ()
        case NeedsApproval(terms, steps):
            return terms, steps
        case _:
            return None, ()


def deciding_rule(found: Explanation) -> str | None:
    """The rule that decides, if one does; of a step-up, the rule that demands it."""
    if isinstance(found.outcome, StepUp):
        return found.outcome.rule
    return next((rule.name for rule in found.rules if rule.decides), None)


def terms_view(terms: Terms, source: tuple[str, ...]) -> TermsView:
    """The terms as they are shown; ``source`` are the networks, with the asker's own address for ``client``."""
    return TermsView(
        duration=terms.duration,
        capped=terms.capped,
        pending=terms.pending,
        use_by=terms.use_by,
        certificate=terms.certificate,
        ends_by=terms.ends_by,
        source=source,
        forwarding=terms.forwarding,
        extend_count=0 if terms.extend is None else terms.extend.count,
        extend_by=0 if terms.extend is None else terms.extend.by,
    )


def rule_views(found: Explanation) -> tuple[RuleView, ...]:
    """Every rule in file order, with what it misses."""
    return tuple(map(_rule_view, found.rules))


def _rule_view(report: RuleReport) -> RuleView:
    misses = tuple(MissView(miss.matcher, miss.host, miss.reason) for miss in report.misses)
    return RuleView(report.kind, report.name, report.hosts, misses, report.decides)
