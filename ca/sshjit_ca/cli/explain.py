"""``ssh-jit-ca explain``: what somebody would hear who asked this now, and every rule with what it misses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from sshjit import ca_protocol as m
from sshjit import durations
from sshjit.errors import Invalid
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client

_ANSWERS: dict[m.Verdict, str] = {
    "allow": "YES, at once",
    "approval": "YES, once it is approved",
    "step_up": "NOT BY THIS SIGN-IN",
    "denied": "NO",
}
_KINDS = {"deny": "deny", "allow": "allow", "break_glass": "break-glass"}


def add_commands(commands: Any) -> None:
    """Adds the command."""
    text = "say what somebody would get, and why; nothing is recorded"
    parser = commands.add_parser("explain", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=_explain)
    parser.add_argument("--person", required=True, help="a name, an address, provider/address or sub-…")
    parser.add_argument("--host", action="append", default=[], metavar="NAME", help="a host; may be repeated")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="every host with this label")
    parser.add_argument("--login", metavar="NAME", help="the account on the host [what the rule chooses]")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--action", default="shell", metavar="NAME", help="a named action [shell]")
    what.add_argument("--command", metavar="TEXT", help="an exact command")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="how long, like 30m [what the rule allows]")
    parser.add_argument("--in", dest="start", metavar="TIME", help="beginning so much later")
    parser.add_argument("--reason", default="", metavar="TEXT")
    parser.add_argument("--address", default="", metavar="IP", help="where it is asked from")
    parser.add_argument("--break-glass", action="store_true", help="by the rules for emergencies")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _explain(conf: Config, options: argparse.Namespace) -> int:
    start = None
    if options.start is not None:  # by the CA's clock, which is the one that counts
        start = admin_client.call(conf.admin_socket, m.Status(), m.StatusReply).time + durations.parse(options.start)
    message = m.Explain(
        login_id=None,
        person=options.person,
        hosts=tuple(options.host),
        labels=tuple(_label(text) for text in options.label),
        login=options.login,
        action="command" if options.command is not None else options.action,
        command=options.command,
        duration=None if options.duration is None else durations.parse(options.duration),
        reason=options.reason,
        start=start,
        break_glass=options.break_glass,
        address=options.address,
    )
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.ExplainReply), explained)
    return 0


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise Invalid("bad_label", f"{text!r} is not KEY=VALUE")
    return key, value


def explained(reply: m.ExplainReply) -> str:
    """The answer, its terms, and every rule."""
    person = reply.person
    who = f"{person.name} ({person.provider}{f', {person.email}' if person.email else ''})"
    answer = [
        ("person", who),
        ("roles", ", ".join(reply.roles) or "none"),
        ("hosts", ", ".join(reply.hosts)),
        ("answer", _ANSWERS[reply.verdict]),
        *([("why", reply.message)] if reply.message else []),
        *([("hint", reply.hint)] if reply.hint else []),
        *([("rule", reply.rule)] if reply.rule else []),
        *(_terms(reply) if reply.terms is not None else []),
        *((f"{'' if number else 'approvals'}", _step(step)) for number, step in enumerate(reply.steps)),
        ("policy", reply.policy[:16]),
    ]
    rows = [row for rule in reply.rules for row in _rule(rule)]
    return f"{cli_show.fields(answer)}\n\n{cli_show.table(('', 'RULE', 'KIND', 'WHY'), rows)}"


def _terms(reply: m.ExplainReply) -> Iterator[tuple[str, str]]:
    terms = reply.terms
    if terms is None:
        return
    capped = ", as more is not given" if terms.capped else ""
    ends = "" if terms.ends_by is None else f", over by {cli_show.instant(terms.ends_by)} UTC in any case"
    yield "login", reply.login or ""
    yield "window", f"{durations.show(terms.duration)}{capped}{ends}"
    yield "certificates", f"{durations.show(terms.certificate)} each"
    if reply.steps:
        yield "answered within", durations.show(terms.pending)
    yield "used within", durations.show(terms.use_by)
    if terms.source:
        yield "only from", ", ".join(terms.source)
    if terms.forwarding:
        yield "forwarding", ", ".join(terms.forwarding)
    if terms.extend_count:
        yield "extensions", f"{terms.extend_count}, by {durations.show(terms.extend_by)} each"


def _step(step: m.StepView) -> str:
    sign = ", signed" if step.signed else ""
    return f"{step.count} of {step.role}{sign}: {', '.join(step.candidates) or 'nobody who signed in lately'}"


def _rule(rule: m.RuleView) -> Iterator[tuple[str, str, str, str]]:
    """The rows of a rule: what decides, and each thing that it misses."""
    said = [miss.reason for miss in rule.misses]
    if rule.decides:
        said.insert(0, "decides")
    elif not said:
        said = ["matches, but another rule decides"]
    mark = "=>" if rule.decides else "" if rule.misses else "="
    yield mark, rule.name, _KINDS[rule.kind], said[0]
    for each in said[1:]:
        yield "", "", "", each
