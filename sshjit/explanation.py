"""An explanation of policy as the API's views: the CA and the front end both make them here.

What is decided beyond policy (locks, requests that exist already, who could approve) is decided by the programs.
"""

from __future__ import annotations

from sshjit.api.explain import MissView, RuleView, TermsView
from sshjit.approvals import Step
from sshjit.policy import Allow, Explanation, NeedsApproval, RuleReport, StepUp, Terms


def terms_and_steps(explanation: Explanation) -> tuple[Terms | None, tuple[Step, ...]]:
    """The terms on which policy allows it, and the approvals that it needs; ``None`` if policy does not allow it."""
    match explanation.outcome:
        case Allow(terms):
            return terms, ()
        case NeedsApproval(terms, steps):
            return terms, steps
        case _:
            return None, ()


def deciding_rule(explanation: Explanation) -> str | None:
    """The rule that decides, if one does; of a step-up, the rule that requires it."""
    if isinstance(explanation.outcome, StepUp):
        return explanation.outcome.rule
    return next((rule.name for rule in explanation.rules if rule.decides), None)


def terms_view(terms: Terms, source: tuple[str, ...]) -> TermsView:
    """The terms as they are shown; ``source`` are the networks, with the requester's own address for ``client``."""
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
        signed_request=terms.signed_request,
        keep_open=bool(terms.kept_for),
        post_quantum=terms.post_quantum,
        post_quantum_key=terms.post_quantum_key,
        ticket="" if terms.ticket is None else f"{terms.ticket.ticket}, by {terms.ticket.checker}",
    )


def rule_views(explanation: Explanation) -> tuple[RuleView, ...]:
    """Every rule in file order, with what it misses."""
    return tuple(map(_rule_view, explanation.rules))


def _rule_view(report: RuleReport) -> RuleView:
    misses = tuple(MissView(miss.matcher, miss.host, miss.reason) for miss in report.misses)
    return RuleView(report.kind, report.name, report.hosts, misses, report.decides)
