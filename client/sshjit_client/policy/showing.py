"""An explanation on a terminal: the decision first, its terms, then every rule with where it matched and missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import assert_never

from sshjit.api.explain import RuleView
from sshjit.durations import show
from sshjit.policy import Allow, Denied, Explanation, NeedsApproval, RuleReport, StepUp, Terms, words
from sshjit.policy.schedule import show_time
from sshjit_client.policy.question import Question, approvers, outcome_sentence
from sshjit_client.styles import Styles
from sshjit_client.terminal import width

_KINDS = {"deny": "deny", "allow": "allow", "break_glass": "break-glass"}


def explained(question: Question, found: Explanation, paint: Styles) -> str:
    """The whole explanation."""
    return "\n".join(
        [*_question(question, found, paint), "", *_decision(question, found, paint), "", *rules(found.rules, paint)]
    )


def _question(question: Question, found: Explanation, paint: Styles) -> Iterator[str]:
    ask, who = question.ask, question.subject
    login = f" as {ask.login}" if ask.login else ""
    hosts = words.listed(host.name for host in question.hosts)
    how = " by break-glass" if ask.break_glass else ""
    yield paint("strong", f"{who.id} ({who.provider}) asks {words.deed(ask.action)} {hosts}{login}{how}")
    labels = ", ".join(f"{host.name}: {words.pairs(host.labels)}" for host in question.hosts)
    start = "" if ask.start is None else show_time(ask.start)
    yield from paint.fields(
        [
            ("roles", ", ".join(found.roles) or "none"),
            ("hosts", labels),
            ("command", ask.command or ""),
            ("reason", ask.reason),
            ("when", f"{show_time(question.now)}, {_here(question.now)} here"),
            ("start", start),
        ]
    )


def _here(moment: int) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%a %H:%M %Z")


def _decision(question: Question, found: Explanation, paint: Styles) -> Iterator[str]:
    outcome = found.outcome
    said = outcome_sentence(outcome, question.hosts)
    match outcome:
        case Allow(terms):
            yield from paint.row([(paint("good", "ALLOWED"), 9)], said)
            yield from paint.fields(_terms(terms))
        case NeedsApproval(terms, steps):
            yield from paint.row([(paint("wait", "APPROVAL"), 10)], said)
            able = [(step, approvers(question, step)) for step in steps]
            yield from paint.fields(
                [
                    *(
                        (f"{'' if number else 'approvals'}", _step(step.role, step.count, names, signed=step.signed))
                        for number, (step, names) in enumerate(able)
                    ),
                    ("answer within", show(terms.pending)),
                    ("then use within", show(terms.use_by)),
                    *_terms(terms),
                ]
            )
        case StepUp(_, needs, _, hint):
            yield from paint.row([(paint("wait", "STEP-UP"), 9)], said)
            yield from paint.fields([("needs", ", ".join(needs)), ("do", hint)])
        case Denied(code, _, _, hint):
            yield from paint.row([(paint("bad", "DENIED"), 8)], said)
            yield from paint.fields([("hint", hint), ("code", code)])
        case _:
            assert_never(outcome)


def _step(role: str, count: int, names: Sequence[str], *, signed: bool) -> str:
    sign = ", signed" if signed else ""
    return f"{count} of {role}{sign}: {', '.join(names) or 'nobody in the inventory'}"


def _terms(terms: Terms) -> list[tuple[str, str]]:
    """What somebody gets, as names and texts; what is not there has no text."""
    capped = f" (no more than {show(terms.grant)} under this rule)" if terms.capped else ""
    ends = f", over by {show_time(terms.ends_by)} in any case" if terms.ends_by is not None else ""
    needs = [
        f"a sign-in within {show(terms.fresh_login)}" if terms.fresh_login is not None else "",
        "a second factor" if terms.mfa else "",
        "a registered hardware key" if terms.verify_required else "",
    ]
    from_where = ["one's own address" if each == "client" else each for each in terms.source]
    special = terms.break_glass
    return [
        ("log in as", terms.login),
        ("forced command", terms.command or ""),
        ("window", f"{show(terms.duration)}{capped}{ends}"),
        ("certificates", f"{show(terms.certificate)} each, as often as needed"),
        ("required", ", ".join(need for need in needs if need)),
        ("only from", ", ".join(from_where)),
        ("forwarding", ", ".join(terms.forwarding)),
        ("extensions", f"{terms.extend.count}, by {show(terms.extend.by)} each" if terms.extend else ""),
        ("review within", show(special.review_within) if special else ""),
        ("tells", ", ".join(special.notify) if special else ""),
    ]


def rules(found: Sequence[RuleReport | RuleView], paint: Styles) -> Iterator[str]:
    """Every rule with where it matched and missed, of an explanation made here or by a server."""
    name_width = max((width(rule.name) for rule in found), default=0) + 2
    for rule in found:
        texts = _said(rule)
        mark, style = _mark(rule)
        for number, text in enumerate(texts):
            head = [("", 2), ("", 2), ("", name_width), ("", 13)]
            if number == 0:
                head = [
                    (f"  {paint.raw(style, mark)}", 4),
                    (paint("strong" if rule.decides else "faint" if rule.misses else "strong", rule.name), name_width),
                    (_KINDS[rule.kind], 13),
                ]
            yield from paint.row(head, text)


def _mark(rule: RuleReport | RuleView) -> tuple[str, str]:
    if rule.decides:
        return ("✗", "bad") if rule.kind == "deny" else ("✓", "good")
    return ("·", "faint") if rule.misses else ("=", "strong")


def _said(rule: RuleReport | RuleView) -> list[str]:
    """Where the rule matched, and each thing that it misses by."""
    lines = []
    if rule.decides:
        lines.append("decides")
    elif not rule.misses:
        lines.append("matches too, and is not asked")
    elif rule.hosts:
        lines.append(f"matches {words.listed(rule.hosts)}")
    return [*lines, *(miss.reason for miss in rule.misses)]
