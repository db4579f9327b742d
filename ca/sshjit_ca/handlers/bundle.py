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

    def read(self, desk: Context, message: ReadBundle) -> BundleReply:
        """The newest bundle, unless the asker has it."""
        newest = self._newest
        content = _content(desk)
        if newest is None or newest.content != content or desk.now - newest.issued >= REFRESH:
            newest = self._newest = _sign(desk, content)
        if message.have == newest.sequence:
            return BundleReply(newest.sequence, None, None)
        return BundleReply(newest.sequence, newest.text, newest.signature)

    def forget(self) -> None:
        """After a batch that was lost: what it signed was never recorded."""
        self._newest = None


def _content(desk: Context) -> tuple[object, ...]:
    state, now = desk.state, desk.now
    return (
        _refused_users(desk),
        refused_hosts.certificates(state, now),
        tuple(sorted((grant, when) for grant, (when, until) in state.ended.items() if until > now)),
        tuple(sorted((grant, ends) for grant, ends in state.extended.items() if ends > now)),
        _providers(desk),
        _keys(desk),
    )


def _keys(desk: Context) -> tuple[object, ...]:
    """Which keys it names: a new one is told at once."""
    trusted = tuple(desk.keys.trusted(purpose) for purpose in ("user_ca", "host_ca"))
    return *trusted, desk.keys.revoked(), desk.keys.public("bundle"), desk.journal.checkpoint_key


def _providers(desk: Context) -> tuple[bundle.Provider, ...]:
    found = []
    for name, provider in desk.providers.items():
        published = desk.published[name].published
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


def _sign(desk: Context, content: tuple[object, ...]) -> SignedBundle:
    sequence, now = desk.state.sequence + 1, desk.now
    ended = sorted((grant, when) for grant, (when, until) in desk.state.ended.items() if until > now)
    text = bundle.write(
        Bundle(
            bundle=1,
            installation=desk.config.installation,
            root=desk.keys.public("bundle").line,
            succession=tuple(bundle.Succession(*change) for change in desk.state.succession),
            sequence=sequence,
            issued=now,
            expires=now + bundle.LIFETIME,
            user_ca=tuple(key.line for key in desk.keys.trusted("user_ca")),
            host_ca=tuple(key.line for key in desk.keys.trusted("host_ca")),
            retired=tuple(key.line for key in desk.keys.revoked()),
            log_key=checkpoint.verifier_key(desk.config.origin, succession.raw(desk.journal.checkpoint_key)),
            providers=_providers(desk),
            krl=_krl(desk, sequence),
            ended=tuple(ended),
            extended=tuple(sorted((grant, ends) for grant, ends in desk.state.extended.items() if ends > now)),
            checkpoint=desk.journal.checkpoint,
        )
    )
    signature = sshsig.sign(desk.keys.active("bundle"), bundle.NAMESPACE, text.encode("ascii"))
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    desk.record(BundleSigned(sequence, digest, now + bundle.LIFETIME))
    return SignedBundle(content, sequence, now, text, signature)


def _refused_users(desk: Context) -> tuple[int, ...]:
    """The serials of user certificates that hosts must refuse."""
    return tuple(sorted(serial for serial, until in desk.state.revoked.items() if until > desk.now))


def _krl(desk: Context, version: int) -> str:
    keys, hosts = desk.keys, refused_hosts.certificates(desk.state, desk.now)
    refused = ((keys.trusted("user_ca"), _refused_users(desk)), (keys.trusted("host_ca"), hosts))
    raw = krl.write(refused, version=version, time=desk.now, keys=keys.revoked())
    return base64.b64encode(raw).decode("ascii")
