"""An explanation of policy as lines for a terminal: the question, the answer, its terms, and what every rule says.

``ssh-jit explain``, ``ssh-jit policy explain`` and ``ssh-jit-ca explain`` all print this, so the same answer reads the
same everywhere. The page of the front end has a template of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sshjit.api.explain import ExplainReply, RuleView, TermsView, Verdict
from sshjit.approvals import AskedStep
from sshjit.durations import show
from sshjit.policy import RuleReport, Terms, words
from sshjit.policy.schedule import show_time
from sshjit.styles import Styles
from sshjit.terminal_text import width

Rows = list[tuple[str, str]]
"""Names and texts; a row without a text is not printed."""
_VERDICTS: dict[Verdict, tuple[str, str]] = {
    "allow": ("good", "ALLOWED"),
    "approval": ("wait", "APPROVAL"),
    "step_up": ("wait", "STEP-UP"),
    "denied": ("bad", "DENIED"),
}
SIGNED_REQUEST = "a request by ssh-jit, signed with the key of the sign-in"
_KINDS = {"deny": "deny", "allow": "allow", "break_glass": "break-glass"}


@dataclass(frozen=True, slots=True)
class ExplainedQuestion:
    """Who asks for what. ``login`` is empty if the rule chooses it; ``more`` are further rows about the question."""

    person: str
    roles: Sequence[str]
    hosts: Sequence[str]
    login: str
    action: str
    break_glass: bool
    more: Rows


@dataclass(frozen=True, slots=True)
class ExplainedAnswer:
    """The verdict in a word and in a sentence, and its terms and hints as rows."""

    verdict: Verdict
    sentence: str
    rows: Rows


def explanation_lines(
    question: ExplainedQuestion, answer: ExplainedAnswer, rules: Sequence[RuleReport | RuleView], styles: Styles
) -> Iterator[str]:
    """The whole explanation."""
    login = f" as {question.login}" if question.login else ""
    how = " by break-glass" if question.break_glass else ""
    hosts = words.listed(question.hosts) if question.hosts else "no host"
    yield styles("strong", f"{question.person} asks {words.deed(question.action)} {hosts}{login}{how}")
    yield from styles.fields([("roles", ", ".join(question.roles) or "none"), *question.more])
    yield ""
    style, verdict = _VERDICTS[answer.verdict]
    yield from styles.row([(styles(style, verdict), len(verdict) + 2)], answer.sentence)
    yield from styles.fields(answer.rows)
    yield ""
    yield from _rule_lines(rules, styles)


class ExplainedAsk(Protocol):
    """What was asked: the body of an API call, or a message to the CA."""

    @property
    def action(self) -> str:
        """``shell``, a named action or ``command``."""

    @property
    def command(self) -> str | None:
        """The exact command."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def break_glass(self) -> bool:
        """By the rules for emergencies."""


def reply_lines(
    asked: ExplainedAsk, reply: ExplainReply, styles: Styles, *, time_text: Callable[[int], str] = show_time
) -> Iterator[str]:
    """The explanation of a server, with the policy that it is from. ``time_text`` prints a time."""
    person, login = reply.person, reply.login or ""
    question = ExplainedQuestion(
        person=f"{person.name}{f' <{person.email}>' if person.email else ''} ({person.provider})",
        roles=reply.roles,
        hosts=reply.hosts,
        login=login,
        action=asked.action,
        break_glass=asked.break_glass,
        more=[
            ("on call", ", ".join(f"{turn.rota} until {time_text(turn.end)}" for turn in reply.on_call)),
            ("command", asked.command or ""),
            ("reason", asked.reason),
        ],
    )
    rows: Rows = []
    sentence = reply.message
    terms = reply.terms
    if terms is not None:
        steps = [(step, step.candidates, max(step.count - len(step.candidates), 0)) for step in reply.steps]
        rows += approval_rows(steps, terms, nobody="nobody who signed in recently")
        rows += terms_rows(terms, login, time_text=time_text)
        if not sentence and reply.rule is not None:
            sentence = words.allowed(
                reply.rule, asked.action, reply.hosts, login, terms.duration, needs_approval=bool(steps)
            )
    rows += [("sign-in", remark) for remark in reply.remarks]
    answer = ExplainedAnswer(reply.verdict, sentence, [*rows, ("hint", reply.hint), ("code", reply.code)])
    yield from explanation_lines(question, answer, reply.rules, styles)
    yield ""
    yield styles("faint", f"no request was made; policy {reply.policy[:12]}")


def approval_rows(steps: Iterable[tuple[AskedStep, Sequence[str], int]], terms: TermsView, *, nobody: str) -> Rows:
    """The steps, each with the people who could approve it, and how long they and the requester have.

    After the people comes how many more the step needs than there are.
    """
    rows = [("", f"{words.step(step)}: {_able(people, more, nobody)}") for step, people, more in steps]
    if not rows:
        return []
    return [
        ("approvals", rows[0][1]),
        *rows[1:],
        ("expires", f"if unanswered after {show(terms.pending)}"),
        ("must be used", f"within {show(terms.use_by)} of approval"),
    ]


def _able(people: Sequence[str], more: int, nobody: str) -> str:
    """``dan``, ``dan; 1 more is needed``, ``nobody in the inventory``."""
    needed = f"; {more} more {'is' if more == 1 else 'are'} needed" if people and more else ""
    return f"{', '.join(people) or nobody}{needed}"


def terms_rows(
    terms: TermsView,
    login: str,
    *,
    command: str = "",
    required: str = "",
    time_text: Callable[[int], str] = show_time,
) -> Rows:
    """What the person would get. ``command`` is the forced one, ``required`` what the sign-in must be."""
    capped = " (the most that this rule allows)" if terms.capped else ""
    ends = f", until {time_text(terms.ends_by)} at the latest" if terms.ends_by is not None else ""
    extensions = f"{terms.extend_count}, by {show(terms.extend_by)} each" if terms.extend_count else ""
    return [
        ("account", login),
        ("forced command", command),
        ("window", f"{show(terms.duration)}{capped}{ends}"),
        ("certificates", f"{show(terms.certificate)} each, as often as needed"),
        ("required", required or ", ".join(filter(None, (_signed(terms), words.post_quantum(terms))))),
        (
            "only from",
            ", ".join("the requester's own address" if source == "client" else source for source in terms.source),
        ),
        ("forwarding", ", ".join(terms.forwarding)),
        ("extensions", extensions),
        ("ticket", f"must be accepted: {terms.ticket}" if terms.ticket else ""),
        ("kept open", "whatever becomes of the rule and of the hosts' labels" if terms.keep_open else ""),
    ]


def _signed(terms: TermsView) -> str:
    return SIGNED_REQUEST if terms.signed_request else ""


def required_text(terms: Terms) -> str:
    """What the rule requires of the sign-in and of the request; empty if that is nothing."""
    needs = [
        f"a sign-in within {show(terms.fresh_login)}" if terms.fresh_login is not None else "",
        "a second factor" if terms.mfa else "",
        "a registered hardware key" if terms.verify_required else "",
        SIGNED_REQUEST if terms.signed_request else "",
        words.post_quantum(terms),
    ]
    return ", ".join(need for need in needs if need)


def break_glass_rows(terms: Terms) -> Rows:
    """What is special about break-glass access."""
    special = terms.break_glass
    if special is None:
        return []
    return [("review within", show(special.review_within)), ("notifies", ", ".join(special.notify))]


def _rule_lines(rules: Sequence[RuleReport | RuleView], styles: Styles) -> Iterator[str]:
    """Every rule, with the hosts that it matches and everything that it misses by."""
    name_width = max((width(rule.name) for rule in rules), default=0) + 2
    for rule in rules:
        mark, style = _mark(rule)
        for number, text in enumerate(_rule_texts(rule)):
            head = [("", 2), ("", 2), ("", name_width), ("", 13)]
            if number == 0:
                head = [
                    (f"  {styles.raw(style, mark)}", 4),
                    (styles("faint" if rule.misses and not rule.decides else "strong", rule.name), name_width),
                    (_KINDS[rule.kind], 13),
                ]
            yield from styles.row(head, text)


def _mark(rule: RuleReport | RuleView) -> tuple[str, str]:
    if rule.decides:
        return ("✗", "bad") if rule.kind == "deny" else ("✓", "good")
    return ("·", "faint") if rule.misses else ("=", "strong")


def _rule_texts(rule: RuleReport | RuleView) -> list[str]:
    lines = []
    if rule.decides:
        lines.append("decides")
    elif not rule.misses:
        lines.append("matches, but another rule decides")
    elif rule.hosts:
        lines.append(f"matches {words.listed(rule.hosts)}")
    return [*lines, *(miss.reason for miss in rule.misses)]
