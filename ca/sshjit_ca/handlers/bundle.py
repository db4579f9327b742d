"""The bundle: what hosts and laptops believe, signed anew whenever there is something new to tell.

Every bundle is an entry of the log, so its sequence only ever rises, also over restarts.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from sshjit import bundle, checkpoint
from sshjit.api.bundle import BundleReply
from sshjit.bundle import Bundle
from sshjit.ca_protocol.operating import ReadBundle
from sshjit.events import BundleSigned
from sshjit_ca.access import refused_hosts
from sshjit_ca.context import Context
from sshjit_ca.keys import krl, sshsig, succession

REFRESH = 900
"""Seconds after which a bundle is signed again although only the checkpoint in it is old."""


@dataclass(frozen=True, slots=True)
class SignedBundle:
    """A bundle that was signed. ``content`` is what it tells, to see whether there is something new."""

    content: tuple[object, ...]
    sequence: int
    issued: int
    text: str
    signature: str


class Bundles:
    """Keeps the newest bundle at hand."""

    def __init__(self) -> None:
        self._newest: SignedBundle | None = None

    def read(self, context: Context, message: ReadBundle) -> BundleReply:
        """The newest bundle, unless the asker has it."""
        newest = self._newest
        content = _content(context)
        if newest is None or newest.content != content or context.now - newest.issued >= REFRESH:
            newest = self._newest = _sign(context, content)
        if message.have == newest.sequence:
            return BundleReply(newest.sequence, None, None)
        return BundleReply(newest.sequence, newest.text, newest.signature)

    def forget(self) -> None:
        """After a batch that was lost: what it signed was never recorded."""
        self._newest = None


def _content(context: Context) -> tuple[object, ...]:
    state, now = context.state, context.now
    return (
        _refused_users(context),
        refused_hosts.certificates(state, now),
        tuple(sorted((grant, when) for grant, (when, until) in state.ended.items() if until > now)),
        tuple(sorted((grant, ends) for grant, ends in state.extended.items() if ends > now)),
        _providers(context),
        _keys(context),
    )


def _keys(context: Context) -> tuple[object, ...]:
    """Which keys it names: a new one is told at once."""
    trusted = tuple(context.keys.trusted(purpose) for purpose in ("user_ca", "host_ca"))
    return *trusted, context.keys.revoked(), context.keys.public("bundle"), context.journal.checkpoint_key


def _providers(context: Context) -> tuple[bundle.Provider, ...]:
    found = []
    for name, provider in context.providers.items():
        published = context.published[name].published
        found.append(
            bundle.Provider(
                id=name,
                title=provider.title,
                issuer=provider.issuer,
                client_id=provider.native.client_id,
                authorization_endpoint=published.authorization_endpoint if published else None,
                token_endpoint=published.token_endpoint if published else None,
                scopes=provider.native.scopes,
            )
        )
    return tuple(found)


def _sign(context: Context, content: tuple[object, ...]) -> SignedBundle:
    sequence, now = context.state.sequence + 1, context.now
    ended = sorted((grant, when) for grant, (when, until) in context.state.ended.items() if until > now)
    text = bundle.write(
        Bundle(
            bundle=1,
            installation=context.config.installation,
            root=context.keys.public("bundle").line,
            succession=tuple(bundle.Succession(*change) for change in context.state.succession),
            sequence=sequence,
            issued=now,
            expires=now + bundle.LIFETIME,
            user_ca=tuple(key.line for key in context.keys.trusted("user_ca")),
            host_ca=tuple(key.line for key in context.keys.trusted("host_ca")),
            retired=tuple(key.line for key in context.keys.revoked()),
            log_key=checkpoint.verifier_key(context.config.origin, succession.raw(context.journal.checkpoint_key)),
            providers=_providers(context),
            krl=_krl(context, sequence),
            ended=tuple(ended),
            extended=tuple(sorted((grant, ends) for grant, ends in context.state.extended.items() if ends > now)),
            checkpoint=context.journal.checkpoint,
        )
    )
    signature = sshsig.sign(context.keys.active("bundle"), bundle.NAMESPACE, text.encode("ascii"))
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    context.record(BundleSigned(sequence, digest, now + bundle.LIFETIME))
    return SignedBundle(content, sequence, now, text, signature)


def _refused_users(context: Context) -> tuple[int, ...]:
    """The serials of user certificates that hosts must refuse."""
    return tuple(sorted(serial for serial, until in context.state.revoked.items() if until > context.now))


def _krl(context: Context, version: int) -> str:
    keys, hosts = context.keys, refused_hosts.certificates(context.state, context.now)
    refused = ((keys.trusted("user_ca"), _refused_users(context)), (keys.trusted("host_ca"), hosts))
    raw = krl.write(refused, version=version, time=context.now, keys=keys.revoked())
    return base64.b64encode(raw).decode("ascii")
