"""A new policy, or new labels of a host: what it closes, and putting it in force.

What policy of now refuses gives no further certificate and is not approved (``recheck.py``); this says beforehand, or
at once, whom that meets. Sessions go on until their grant ends, unless the operator has such grants revoked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from sshjit import requests
from sshjit.api.effects import AffectedView
from sshjit.api.views import RequestState
from sshjit.ca_protocol.operating import PolicyLoadReply
from sshjit.errors import Refused, SshJitError
from sshjit.events import PolicyLoaded, SentenceDecided
from sshjit.policy import Bounds, Policy, words
from sshjit.policy.model import Never
from sshjit.policy.proof import Counterexample, Undecided, is_over, looked_until, prove
from sshjit.policy.schedule import show_time
from sshjit.requests import Request
from sshjit_ca.access import recheck
from sshjit_ca.access.revocation import close_grant
from sshjit_ca.context import Context, person_of
from sshjit_ca.state import Host, request_index
from sshjit_ca.state.hosts import name_of

Broken = tuple[str, str]
"""The name of a sentence (``[[never]]``), and how it is broken."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What the policy file says: a policy and its text, or why it is none; and which sentences it breaks.

    ``against``: the digest of the policy in force whose sentences those are.
    """

    text: str
    policy: Policy | SshJitError
    against: str = ""
    broken: tuple[Broken, ...] = ()
    decided: tuple[SentenceDecided, ...] = ()


@dataclass(frozen=True, slots=True)
class Effects:
    """The open grants that a change closes, the waiting requests that have to be made again, and what ends sooner."""

    closes: tuple[AffectedView, ...]
    ask_again: tuple[AffectedView, ...]
    sooner: tuple[AffectedView, ...]
    """The open grants that end sooner than they would: a freeze that begins later, say."""


def decide_sentences(
    in_force: Policy | None, new: Policy, hosts: Iterable[Host], now: int
) -> tuple[tuple[Broken, ...], tuple[SentenceDecided, ...]]:
    """What must never be by the policy in force, or by the new one itself, and would be by the new one.

    And what was found of each sentence of the new one. ``hosts`` are those that are enrolled. It may take seconds.
    ``in_force`` ``None``: there is none, or none that can be read.
    """
    guarded = () if in_force is None else in_force.nevers
    nevers = (*guarded, *(never for never in new.nevers if never not in guarded))
    answers = prove(new, nevers, now, hosts={host.labels for host in hosts}) if nevers else ()
    wrong = {answer.never: answer for answer in answers}
    decided = tuple(_decided(never, wrong.get(never), now) for never in new.nevers)
    changed = in_force is None or new.digest != in_force.digest
    return tuple((answer.never.name, _broken_by(answer)) for answer in answers if changed), decided


def _decided(never: Never, answer: Counterexample | Undecided | None, now: int) -> SentenceDecided:
    kinds: dict[type, Literal["proved", "broken", "undecided", "over"]]
    kinds = {Counterexample: "broken", Undecided: "undecided", type(None): "over" if is_over(never, now) else "proved"}
    return SentenceDecided(never.name, kinds[type(answer)], looked_until(never, now))


def _broken_by(answer: Counterexample | Undecided) -> str:
    if isinstance(answer, Undecided):
        return f'"{answer.never.name}" cannot be decided: {answer.why}'
    sources = ", ".join(sorted(answer.subject.groups | answer.subject.emails))
    what = f"{words.doing(answer.action)} a host with {words.pairs(answer.host.labels)} as {answer.login}"
    who = f"{answer.subject.provider}/{sources}, from {show_time(answer.begin)} on"
    return f'"{answer.never.name}": rule "{answer.rule}" allows {what} to {who}'


def require_unbroken(broken: Sequence[Broken]) -> None:
    """Raises ``Refused``: ``never_broken``, if there is any."""
    if broken:
        text = "; ".join(how for _, how in broken)
        hint = "ssh-jit policy prove explains it; ssh-jit-ca policy load --accept loads it all the same"
        raise Refused("never_broken", f"the policy gives what must never be: {text}", hint=hint)


def require_loadable(context: Context, file: PolicyFile, broken: Sequence[Broken]) -> Policy:
    """The policy of a file that was looked at under the policy in force, and breaks no sentence.

    Raises:
        Invalid: ``bad_policy``.
        Refused: ``never_broken``, ``policy_changed``.
        Failed: the file could not be read.

    """
    if isinstance(file.policy, SshJitError):
        raise file.policy
    if file.against != context.policy.digest:  # its sentences were not looked at
        raise Refused("policy_changed", "another policy came into force meanwhile", hint="load it again")
    require_unbroken(broken)
    return file.policy


def change_policy(
    context: Context,
    new: Policy,
    text: str,
    *,
    dry_run: bool = False,
    end_what_it_forbids: bool = False,
    accepted: tuple[str, ...] = (),
    decided: tuple[SentenceDecided, ...] | None = None,
) -> PolicyLoadReply:
    """Puts a policy in force, or with ``dry_run`` only says what that would do.

    ``accepted`` are the sentences that it breaks, which the operator accepted; ``decided`` what was found of its own.
    """
    before, changed = context.policy, new.digest != context.policy.digest
    effects = Effects((), (), ())
    then = replace(context, policy=new, policy_text=text) if changed else context
    if changed:
        effects = effects_on(then, going_on(context), was=context)
    forbidden = forbidden_grants(then) if end_what_it_forbids else ()
    if changed and not dry_run:
        put_in_force(context, new, text, accepted, decided)
    if not dry_run:
        end_grants(context, forbidden, f"policy {new.digest[:12]} forbids it")
    return PolicyLoadReply(
        digest=new.digest,
        rules=rules_in(new),
        changed=changed,
        loaded=not dry_run,
        closes=() if end_what_it_forbids else effects.closes,
        ask_again=effects.ask_again,
        ended=forbidden,
        sooner=effects.sooner,
        notes=tuple(_new_limits(context, before, new)),
    )


def _new_limits(context: Context, before: Policy, new: Policy) -> Iterator[str]:
    """Rules with limits that count nothing yet, because no rule had that name; a rule may only have been renamed."""
    gone = sorted(before.limited - new.named.keys())
    for rule in sorted(new.limited - before.named.keys()):
        if rule not in context.state.granted:
            was = f"; what was granted by {words.listed(gone, 'or')} does not count" if gone else ""
            yield f'the limits of rule "{rule}", which is new, begin at nothing{was}'


def put_in_force(
    context: Context,
    new: Policy,
    text: str,
    accepted: tuple[str, ...] = (),
    decided: tuple[SentenceDecided, ...] | None = None,
) -> None:
    """Writes down that this is the policy from now on."""
    context.journal.keep_policy(new.digest, text)
    context.record(PolicyLoaded(new.digest, rules_in(new), accepted, decided))
    context.policy, context.policy_text = new, text


def rules_in(policy: Policy) -> int:
    """How many rules a policy has."""
    return len(policy.allows) + len(policy.denies) + len(policy.break_glass)


def going_on(context: Context, host_ids: Collection[str] | None = None) -> tuple[Request, ...]:
    """The open grants and waiting requests that policy of now lets go on; of these hosts, or of all."""
    return tuple(
        request
        for request in request_index.going_on(context.state)
        if _stands(context, request)
        and (host_ids is None or not context.on_the_way(request).isdisjoint(host_ids))
        and recheck.refusal(context, request) is None
    )


def effects_on(
    context: Context,
    before: Iterable[Request],
    relabelled: Mapping[str, Host] = MappingProxyType({}),
    removed: Collection[str] = (),
    *,
    was: Context | None = None,
) -> Effects:
    """Which of those that went on before do not go on in this ``context``, or end sooner than where it ``was``.

    With the hosts of these ids as they are in ``relabelled``, and without those of ``removed``.
    """
    closes: list[AffectedView] = []
    ask_again: list[AffectedView] = []
    sooner: list[AffectedView] = []
    was, context = was or context, replace(context, as_if=relabelled)
    for request in before:
        hosts = [relabelled.get(host.id, host) for host in context.hosts_of(request)]
        gone = [name_of(host_id) for host in hosts for host_id in (host.id, host.via) if host_id in removed]
        if gone:
            text = f"{', '.join(dict.fromkeys(gone))} is removed"
            answer: Bounds | Refused = Refused("host_gone", text, hint="ask again")
        else:
            answer = recheck.bounds_or_refusal(context, request, hosts=hosts)
        if isinstance(answer, Refused):
            affected = closes if request.state is RequestState.APPROVED else ask_again
            affected.append(_affected(context, request, answer.code, answer.message))
        elif (view := _ending_sooner(was, request, answer)) is not None:
            sooner.append(view)
    return Effects(tuple(closes), tuple(ask_again), tuple(sooner))


def _ending_sooner(was: Context, request: Request, answer: Bounds) -> AffectedView | None:
    """An open grant that ends, within these bounds, before it did where the context ``was``; ``None``: it does not."""
    ends = recheck.end_within(request, answer)
    if request.state is not RequestState.APPROVED or ends is None or ends == request.ends:
        return None
    before = recheck.end_within(request, recheck.bounds_or_refusal(was, request))
    if before is None or before <= ends:
        return None
    why = f"policy ends it at {show_time(ends)}, not at {show_time(before)}"
    return replace(_affected(was, request, "ends_sooner", why), until=ends)


def forbidden_grants(
    context: Context,
    relabelled: Mapping[str, Host] = MappingProxyType({}),
    host_ids: Collection[str] | None = None,
) -> tuple[AffectedView, ...]:
    """The open grants that policy of now would not give, also those that it has not given for long.

    Of these hosts, or of all; with the hosts of these ids as they are in ``relabelled``.
    """
    forbidden: list[AffectedView] = []
    context = replace(context, as_if=relabelled)
    for request in request_index.going_on(context.state):
        is_open = request.state is RequestState.APPROVED and _stands(context, request)
        if is_open and (host_ids is None or not context.on_the_way(request).isdisjoint(host_ids)):
            error = _refusal(context, request, relabelled)
            if error is not None:
                forbidden.append(_affected(context, request, error.code, error.message))
    return tuple(forbidden)


def _refusal(context: Context, request: Request, relabelled: Mapping[str, Host]) -> Refused | None:
    try:
        hosts = [relabelled.get(host.id, host) for host in context.hosts_of(request)]
    except Refused as error:
        return error
    return recheck.refusal(context, request, hosts=hosts)


def end_grants(context: Context, grants: Iterable[AffectedView], why: str) -> None:
    """Revokes these grants: hosts end their sessions. The log says why, of each."""
    for each in grants:
        close_grant(context, context.request(each.request), None, f"{why}: {each.why}")


def _stands(context: Context, request: Request) -> bool:
    if request.state not in requests.MOVES or request.asked.subject not in context.state.newest_login:
        return False
    standing = requests.state_at(request, context.now)
    return standing is RequestState.PENDING or (standing is RequestState.APPROVED and request.asked.extends is None)


def _affected(context: Context, request: Request, code: str, why: str) -> AffectedView:
    asked = request.asked
    return AffectedView(
        request=request.id,
        requester=person_of(context.state, asked.login_id, asked.subject),
        hosts=asked.hosts,
        login=asked.login,
        action=asked.action,
        rule=asked.rule,
        until=request.pending_until if request.ends is None else request.ends,
        code=code,
        why=recheck.reason_of(request, why),
    )
