"""What would become of an ask, and why: the dry run of ``request_access.py``. And the policies themselves.

The verdict is that of the very steps that an ask would go through, so it says what asking would say. Nothing is
recorded. What policy says is ``sshjit.policy.explain``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sshjit import access_request, explanation, policy, requests
from sshjit.api.explain import MOST_EACH, ExplainReply, HostAnswer, TermsView, Verdict
from sshjit.api.views import RequestState
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.operating import (
    LoadPolicy,
    PoliciesReply,
    PolicyLoadReply,
    PolicyReply,
    ReadPolicies,
    ReadPolicy,
)
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit.policy import Terms
from sshjit_ca.access import grants, lookup, policy_change, usage
from sshjit_ca.access.lookup import subject_meant
from sshjit_ca.access.policy_change import PolicyFile
from sshjit_ca.access.recheck import find_existing
from sshjit_ca.access.views import step_views
from sshjit_ca.config import changed_files
from sshjit_ca.context import Context, person_view
from sshjit_ca.log import policies
from sshjit_ca.public_errors import public_error
from sshjit_ca.sources.on_call import turns_now
from sshjit_ca.state import Host, Login, locks


@dataclass(frozen=True, slots=True)
class _Answer:
    """What asking would say: a verdict, and for a no its code and words."""

    verdict: Verdict
    code: str = ""
    message: str = ""
    hint: str = ""


def explain(context: Context, message: Explain) -> ExplainReply:
    """What the person would hear who asks this now; others than oneself need the permission ``explain``.

    Raises:
        Refused: ``not_permitted``, ``login_over``.
        Invalid: ``unknown_person``, ``which_person``, ``bad_message``, and what ``ask`` raises of it.

    """
    login_id, login = _whose(context, message)
    want = replace(access_request.read(message, context.now), ticket=policy.ASSUMED)
    hosts = lookup.target_hosts(context, message)
    answers = _for_each(context, login_id, login, hosts, want) if message.each else ()
    hosts = hosts[:1] if message.each else hosts
    subject = context.policy_subject(login)
    there, facts = context.policy_hosts(hosts), usage.facts(context, subject.id)
    explained = policy.explain(context.policy, subject, there, want, context.now, facts=facts)
    answer = _answer(context, login_id, login, hosts, want)
    terms, steps = explanation.terms_and_steps(explained)
    shown = () if terms is None else step_views(context, steps, login.opened.subject, known=context.person_directory())
    return ExplainReply(
        person=person_view(login),
        roles=explained.roles,
        verdict=answer.verdict,
        rule=explanation.deciding_rule(explained),
        code=answer.code,
        message=answer.message,
        hint=answer.hint,
        hosts=tuple(host.name for host in hosts),
        login=explained.login,
        terms=None if terms is None else _terms_view(terms, want.address),
        steps=shown,
        rules=explanation.rule_views(explained),
        policy=context.policy.digest,
        remarks=(*login.opened.remarks, *policy.near_groups(context.policy, subject)),
        on_call=turns_now(subject, context.now),
        each=answers,
    )


def _for_each(
    context: Context, login_id: str, login: Login, hosts: tuple[Host, ...], want: policy.Ask
) -> tuple[HostAnswer, ...]:
    """The answer for each host, as if nothing else were asked. Raises ``Invalid``: ``too_many_hosts``."""
    if len(hosts) > MOST_EACH:
        raise Invalid("too_many_hosts", f"at most {MOST_EACH} hosts are explained at once, not {len(hosts)}")
    subject, answers = context.policy_subject(login), []
    for host in hosts:
        explained = policy.explain(context.policy, subject, context.policy_hosts((host,)), want, context.now)
        _, steps = explanation.terms_and_steps(explained)
        approvals = tuple(step.role for step in steps for _ in range(step.count))
        try:
            answer = _answer(context, login_id, login, (host,), want)
        except Invalid as error:
            answer = _Answer("denied", error.code)
        answers.append(HostAnswer(host.name, answer.verdict, answer.code, explained.login, approvals))
    return tuple(answers)


def _whose(context: Context, message: Explain) -> tuple[str, Login]:
    """By which sign-in the person would ask: oneself by this one, others by their newest."""
    login = context.person_or_operator(message.login_id)
    if login is None or message.login_id is None:
        if message.person is None:
            raise Invalid("bad_message", "name a person", hint="--person alice")
        subject = subject_meant(context.state, message.person)
        return context.state.newest_login[subject], context.newest_login(subject)
    if message.person is None or message.person == login.opened.subject:
        return message.login_id, login
    if not context.permitted(login, "explain"):
        raise Refused(
            "not_permitted", "explaining other people's access needs the permission 'explain', which you do not have"
        )
    subject = subject_meant(context.state, message.person)
    return context.state.newest_login[subject], context.newest_login(subject)


def _answer(context: Context, login_id: str, login: Login, hosts: tuple[Host, ...], want: policy.Ask) -> _Answer:
    """What ``asking.ask`` would say, by its own steps. A sign-in that is over counts as renewed, unchanged."""
    try:
        locks.refuse_login(context.state, login_id, login)
        locks.refuse_new(context.state, (host.id for host in (*hosts, *context.bastions(hosts))))
        existing = find_existing(context, login, hosts, want)
        if existing is not None:
            request, _ = existing
            is_open = requests.state_at(request, context.now) is RequestState.APPROVED
            words = f"{request.id} for the same thing {'is open' if is_open else 'waits for approval'} already"
            return _Answer("allow" if is_open else "approval", message=words)
        pending = grants.pending_grant(context, login_id, login, hosts, want)
    except Refused as refused:
        error = refused if context.socket == "admin" else public_error(refused)
        return _Answer("step_up" if error.code == "step_up" else "denied", error.code, error.message, error.hint)
    return _Answer("approval" if pending.steps else "allow")


def _terms_view(terms: Terms, address: str | None) -> TermsView:
    try:
        source = grants.source(terms, address)
    except Refused:  # then the answer says so
        source = terms.source
    return explanation.terms_view(terms, source)


def read_policy(context: Context, message: ReadPolicy) -> PolicyReply:
    """The policy in force, and at the admin socket any other.

    Raises:
        Invalid: ``not_permitted``, and as ``policies.text_of``.
        Failed: as ``policies.text_of``.

    """
    if message.digest is None or message.digest == context.policy.digest:
        return PolicyReply(context.policy_text, context.policy.digest)
    if context.socket != "admin":
        raise Invalid("not_permitted", "only the operator reads policies of the past")
    return PolicyReply(*policies.text_of(context.store, message.digest))


def read_policies(context: Context, message: ReadPolicies) -> PoliciesReply:
    """Every policy that was in force, the newest first.

    Raises:
        Refused: ``not_permitted``, ``login_over``.

    """
    login = context.person_or_operator(message.login_id)
    if login is not None and not any(context.permitted(login, each) for each in ("audit", "explain")):
        raise Refused("not_permitted", "this page needs the permission audit or explain")
    return PoliciesReply(tuple(reversed(policies.history(context.store))))


def load_policy(context: Context, message: LoadPolicy) -> PolicyLoadReply:
    """Puts the policy file in force, or says what that would do. A bad file changes nothing.

    Raises:
        Invalid: ``bad_policy``, with every problem.
        Refused: ``never_broken``, ``policy_changed``.
        Failed: the file cannot be read, or others than its owner can write it.

    """
    file = context.prepared(PolicyFile)
    broken = () if message.accept else file.broken
    if not message.dry_run:
        context.policy_refused = isinstance(file.policy, SshJitError) or bool(broken)
    new = policy_change.require_loadable(context, file, broken)
    reply = policy_change.change_policy(
        context,
        new,
        file.text,
        dry_run=message.dry_run,
        end_what_it_forbids=message.end_what_it_forbids,
        accepted=tuple(name for name, _ in file.broken),
        decided=file.decided,
    )
    return replace(reply, changed_files=changed_files(context.at_start))
