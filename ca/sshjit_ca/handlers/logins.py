"""Sign-in: an ID token becomes a login, once, and a native one is bound to the key that its nonce names.

The token was verified before (``preparations.py``), since that may have to ask a provider; here it is decided whether
it opens a login.
"""

from __future__ import annotations

import logging

from sshjit import names, policy
from sshjit.api.outcomes import Done
from sshjit.api.session import LoginView
from sshjit.api.sign_in import ChallengeReply
from sshjit.api.views import TurnView
from sshjit.ca_protocol.logins import LoginNative, LoginReply, LoginWeb, LoginWorkload, Logout, ReadChallenge, ReadLogin
from sshjit.errors import Refused
from sshjit.events import LoginClosed, LoginOpened
from sshjit.policy import permissions_of
from sshjit.sshkey import PublicKey
from sshjit_ca.access import provider_bindings
from sshjit_ca.access.dialects import read_types
from sshjit_ca.context import Context, person_view, token_digest
from sshjit_ca.ephemeral import CHALLENGE_BYTES
from sshjit_ca.oidc.claims import Claims
from sshjit_ca.oidc.id_tokens import NativeSignIn
from sshjit_ca.oidc.workload_tokens import Workload
from sshjit_ca.state import Login, locks

_log = logging.getLogger(__name__)


def open_web(context: Context, message: LoginWeb) -> LoginReply:
    """A login that can ask, approve and read, and gets no certificates.

    Raises:
        Refused: ``token_used``, ``locked``.

    """
    return _open(context, message, context.prepared(Claims), None)


def open_native(context: Context, message: LoginNative) -> LoginReply:
    """A login that gets certificates for its key.

    Raises:
        Refused: ``token_used``, ``locked``, ``key_taken``.

    """
    sign_in = context.prepared(NativeSignIn)
    return _open(context, message, sign_in.claims, sign_in.key)


def open_workload(context: Context, message: LoginWorkload) -> LoginReply:
    """A job or a machine signs in: it gets certificates for its key, and decides nothing.

    Raises:
        Refused: ``token_used``, ``locked``, ``key_taken``.

    """
    workload = context.prepared(Workload)
    issuer = context.workloads[message.provider]
    token, subject = _admitted(context, message, workload.subject, None, workload.key)
    login_id = context.new_id("login")
    provider_bindings.bind(context, message.provider)
    context.record(
        LoginOpened(
            login=login_id,
            subject=subject,
            via="native",
            token=token,
            key=workload.key.fingerprint,
            signed_in=workload.issued,
            auth_time=None,
            expires=workload.issued + min(issuer.lifetime_seconds, context.config.login_max_age),
            mfa=False,
            provider=message.provider,
            claim=workload.subject,
            name=f"workload {workload.name}",
            email=None,
            verified=False,
            groups=(),
            own=None,
            key_line=workload.key.line,
            address=names.free_text(message.address, "the address", 64),
            remarks=workload.remarks,
            workload=True,
            claims=workload.claims,
            unbound=issuer.unbound,
            reads=read_types(message.reads),
        )
    )
    return LoginReply(_view(context, context.state.logins[login_id], login_id))


def read_login(context: Context, message: ReadLogin) -> LoginReply:
    """Whose login it is, while it is alive."""
    return LoginReply(_view(context, context.login(message.login_id), message.login_id))


def logout(context: Context, message: Logout) -> Done:
    """The login is over; what it was granted goes on, without new certificates for its key."""
    subject = context.login(message.login_id).opened.subject
    context.record(LoginClosed(message.login_id, subject, subject, ""))
    return Done()


def read_challenge(context: Context, message: ReadChallenge) -> ChallengeReply:
    """Something fresh to sign.

    Raises:
        Refused: ``login_over``, ``not_native``.

    """
    context.key_of(context.login(message.login_id))
    return ChallengeReply(*context.challenges.make(message.login_id, context.random(CHALLENGE_BYTES), context.now))


def _open(context: Context, message: LoginWeb | LoginNative, claims: Claims, key: PublicKey | None) -> LoginReply:
    token, subject = _admitted(context, message, claims.subject, claims.email, key)
    expires = claims.issued + context.config.login_max_age
    login_id = context.new_id("login")
    provider_bindings.bind(context, message.provider)
    context.group_claims.note(message.provider, claims.group_paths)
    context.record(
        LoginOpened(
            login=login_id,
            subject=subject,
            via="web" if key is None else "native",
            token=token,
            key=key.fingerprint if key else None,
            signed_in=claims.issued if claims.auth_time is None else claims.auth_time,
            auth_time=claims.auth_time,
            expires=expires,
            mfa=bool(claims.factors),
            provider=message.provider,
            claim=claims.subject,
            name=claims.name,
            email=claims.email,
            verified=claims.verified,
            groups=claims.groups,
            own=_own_name(context, subject, claims),
            key_line=key.line if key else None,
            address=names.free_text(message.address, "the address", 64),
            factors=claims.factors,
            own_listed=claims.own_listed,
            said_factors=claims.said_factors,
            remarks=claims.remarks,
            asked_fresh=message.fresh,
            session=claims.session,
            issued=claims.issued,
            reads=() if key is None or isinstance(message, LoginWeb) else read_types(message.reads),
        )
    )
    return LoginReply(_view(context, context.state.logins[login_id], login_id))


def _admitted(
    context: Context,
    message: LoginWeb | LoginNative | LoginWorkload,
    claim: str,
    email: str | None,
    key: PublicKey | None,
) -> tuple[str, str]:
    """The digest of the token, which is new, and the subject, whom nothing keeps from signing in with this key."""
    token = token_digest(message.id_token)
    if token in context.state.tokens:
        raise Refused("token_used", "this sign-in was already used", hint="sign in again")
    subject = context.state.subjects.get(f"{message.provider}/{claim}") or context.new_id("sub")
    locks.refuse_new(context.state)
    locks.refuse_person(context.state, subject, (email,) if email else ())
    if key is not None:
        locks.refuse_key(context.state, key.fingerprint)
    if key is not None and context.state.bound_keys.get(key.fingerprint, subject) != subject:
        raise _key_taken(message)
    return token, subject


def _key_taken(message: LoginWeb | LoginNative | LoginWorkload) -> Refused:
    """A job cannot tell why: its claims may differ from those by which its key was bound, though it is the same job."""
    if not isinstance(message, LoginWorkload):
        return Refused("key_taken", "this key belongs to somebody else", hint="ssh-jit login makes a new one")
    problem = "this key belongs to somebody else, or to a workload with other claims"
    entry = f"`claims` of [workloads.{message.provider}]"
    hint = f"use one key for each branch or environment, and a new key after {entry} changed: ssh-keygen -t ed25519"
    return Refused("key_taken", problem, hint=hint)


def _own_name(context: Context, subject: str, claims: Claims) -> str | None:
    """The person's Unix name, if it is theirs: a possible one, and nobody else's in any case.

    Whoever has a name keeps it while the CA knows them; who comes later has none. Names in the operator's tables are
    for those whom the tables name, whoever came first.
    """
    name = claims.own
    if name is None or not policy.may_be_unix_name(name):
        return None
    same = names.lowered(name)
    listed = any(
        same == names.lowered(one) for provider in context.providers.values() for one in provider.own_names.values()
    )
    taken = listed or context.state.own_names.get(same, subject) != subject
    if taken and not claims.own_listed:
        _log.warning("%s claims the user name %s, which belongs to somebody else: the claim is ignored", subject, name)
        return None
    return name


def _view(context: Context, login: Login, login_id: str) -> LoginView:
    opened, subject = login.opened, context.policy_subject(login)
    return LoginView(
        id=login_id,
        kind=opened.via,
        person=person_view(login),
        roles=tuple(sorted(context.roles(login))),
        signed_in=opened.signed_in,
        expires=opened.expires,
        fingerprint=opened.key,
        permissions=tuple(sorted(permissions_of(context.policy, subject, context.now))),
        groups=tuple(sorted(subject.groups)),
        verified=tuple(sorted(subject.emails)),
        own=policy.usable_unix_name(context.policy, subject),
        auth_time=subject.auth_time,
        mfa=subject.mfa,
        hardware_key=subject.hardware_key,
        said_factors=opened.said_factors,
        remarks=opened.remarks,
        asked_fresh=opened.asked_fresh,
        on_call=tuple(TurnView(turn.rota, turn.begin, turn.end) for turn in subject.on_call),
        workload=opened.workload,
        claims=opened.claims,
        unbound=opened.unbound,
        subject=opened.claim,
        reads=opened.reads,
    )
