"""A server's explanation on a terminal: what would become of an ask, on which terms, and what every rule says."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sshjit import wire
from sshjit.api.explain import ExplainBody, ExplainReply, TermsView
from sshjit.durations import show as lasting
from sshjit.policy import words
from sshjit_client.exit_codes import ExitCode
from sshjit_client.machine import Machine
from sshjit_client.policy import showing
from sshjit_client.request_details import step
from sshjit_client.request_text import GLASS, person
from sshjit_client.styles import Styles
from sshjit_client.times import at

_VERDICTS = {
    "allow": ("good", "ALLOWED", "at once"),
    "approval": ("wait", "APPROVAL", "after approvals"),
    "step_up": ("wait", "STEP-UP", "after a better sign-in"),
    "denied": ("bad", "DENIED", "no"),
}


def show(machine: Machine, asked: ExplainBody, found: ExplainReply, *, as_json: bool) -> int:
    """Prints it. Whatever it says, explaining went well."""
    if as_json:
        machine.terminal.out(json.dumps(wire.encode(found), indent=2))
    else:
        machine.terminal.out("\n".join(_lines(asked, found, Styles.here(machine.environ))))
    return ExitCode.OK


def _lines(asked: ExplainBody, found: ExplainReply, paint: Styles) -> Iterator[str]:
    login = f" as {found.login}" if found.login else ""
    glass = f" by {GLASS}" if asked.break_glass else ""
    yield paint("strong", f"{person(found.person)} asks {words.deed(asked.action)} {_hosts(found)}{login}{glass}")
    yield from paint.fields([("roles", ", ".join(found.roles) or "none"), ("reason", asked.reason)])
    yield ""
    style, verdict, otherwise = _VERDICTS[found.verdict]
    by = f"by rule {found.rule!r}" if found.rule else otherwise
    yield from paint.row([(paint(style, verdict), len(verdict) + 2)], found.message or by)
    steps = [("approvals" if not n else "", step(each)) for n, each in enumerate(found.steps)]
    yield from paint.fields([*steps, *_terms(found.terms, approval=bool(found.steps)), ("hint", found.hint)])
    yield ""
    yield from showing.rules(found.rules, paint)
    yield ""
    yield paint("faint", f"nothing was asked; policy {found.policy[:12]}")


def _hosts(found: ExplainReply) -> str:
    return words.listed(found.hosts) if found.hosts else "no host"


def _terms(terms: TermsView | None, *, approval: bool) -> list[tuple[str, str]]:
    """What somebody would get; what is not there has no text."""
    if terms is None:
        return []
    capped = " (no more under this rule)" if terms.capped else ""
    ends = f", over by {at(terms.ends_by)} in any case" if terms.ends_by is not None else ""
    extensions = f"{terms.extend_count}, by {lasting(terms.extend_by)} each" if terms.extend_count else ""
    return [
        ("answer within", lasting(terms.pending) if approval else ""),
        ("then use within", lasting(terms.use_by)),
        ("window", f"{lasting(terms.duration)}{capped}{ends}"),
        ("certificates", f"{lasting(terms.certificate)} each, as often as needed"),
        ("only from", ", ".join("one's own address" if each == "client" else each for each in terms.source)),
        ("forwarding", ", ".join(terms.forwarding)),
        ("extensions", extensions),
    ]
