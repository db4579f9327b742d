"""What a provider's id means: the issuer, and the claim that names the person, under which it was first used.

People are known by the provider's id and that claim's value. Under another issuer, or by another claim, the same value
is somebody else. So the first use is written into the log, and a CA whose ``providers.toml`` says otherwise refuses to
start.
"""

from __future__ import annotations

from sshjit.errors import Invalid
from sshjit.events import ProviderBound
from sshjit_ca.context import Context


def refuse_changed(context: Context) -> None:
    """Raises ``Invalid`` (``provider_changed``) if a provider is not the one that its id was first used for."""
    for name, provider in context.providers.items():
        bound = context.state.providers.get(name)
        if bound is None:
            continue
        for key, now, then in (
            ("issuer", provider.issuer, bound.issuer),
            ("subject_claim", provider.subject_claim, bound.subject_claim),
        ):
            if now != then:
                raise Invalid(
                    "provider_changed",
                    f"{context.config.providers}: [providers.{name}]: {key} is {now!r}, but the people known as {name} "
                    f"signed in under {then!r}",
                    hint=f"write {then!r} again, or give the new provider another id: its people are new people",
                )


def bind(context: Context, name: str) -> None:
    """Writes down what the id of a provider means, at its first use."""
    if name not in context.state.providers:
        provider = context.providers[name]
        context.record(ProviderBound(name, provider.issuer, provider.subject_claim))


def bind_used(context: Context) -> None:
    """Binds the providers of people whom an older version let in without writing that down."""
    unbound = context.providers.keys() - context.state.providers.keys()
    used = {claim.partition("/")[0] for claim in context.state.subjects} if unbound else set[str]()
    for name in sorted(unbound & used):
        bind(context, name)
