"""What a provider's id means: the issuer, and the claim that names the person, under which it was first used.

People are known by the provider's id and that claim's value. Under another issuer, or by another claim, the same value
is somebody else. So the first use is written into the log, and a CA whose ``providers.toml`` says otherwise refuses to
start.
"""

from __future__ import annotations

from sshjit.errors import Invalid
from sshjit.events import ProviderBound
from sshjit_ca.context import Context

WORKLOAD = "sub and claims"
"""What stands for the subject claim of an issuer of workloads: no claim has a blank in its name."""


def refuse_changed(context: Context) -> None:
    """Raises ``Invalid`` (``provider_changed``) if a provider is not the one that its id was first used for."""
    people = {name: ("providers", "people", each.subject_claim) for name, each in context.providers.items()}
    jobs = dict.fromkeys(context.workloads, ("workloads", "workloads", WORKLOAD))
    for name, (table, who, claim) in {**people, **jobs}.items():
        bound = context.state.providers.get(name)
        if bound is None:
            continue
        issuer = ("issuer", _issuer(context, name), bound.issuer)
        for key, now, then in (issuer, ("subject_claim", claim, bound.subject_claim)):
            if now != then:
                raise Invalid(
                    "provider_changed",
                    f"{context.config.providers}: [{table}.{name}]: {key} is {now!r}, but the {who} known as {name} "
                    f"signed in under {then!r}",
                    hint=f"write {then!r} again, or give the new one another id: its {who} are new ones",
                )


def bind(context: Context, name: str) -> None:
    """Writes down what the id of a provider means, at its first use."""
    if name not in context.state.providers:
        provider = context.providers.get(name)
        claim = WORKLOAD if provider is None else provider.subject_claim
        context.record(ProviderBound(name, _issuer(context, name), claim))


def _issuer(context: Context, name: str) -> str:
    people = context.providers.get(name)
    return context.workloads[name].issuer if people is None else people.issuer


def bind_used(context: Context) -> None:
    """Binds the providers of people whom an older version let in without writing that down."""
    unbound = context.providers.keys() - context.state.providers.keys()
    used = {claim.partition("/")[0] for claim in context.state.subjects} if unbound else set[str]()
    for name in sorted(unbound & used):
        bind(context, name)
