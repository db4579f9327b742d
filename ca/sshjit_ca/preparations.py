"""What is done for a message before its batch, in a thread of its own, because it may wait for somebody else.

Sign-ins wait for an identity provider's keys, CA keys for their devices. A preparation is a function
``(context, message, now) -> prepared``: it records nothing, and its handler gets what it made by ``context.prepared``.
"""

from __future__ import annotations

import contextlib

from sshjit import login as binding
from sshjit import names, sshkey
from sshjit.ca_protocol.keys import ActivateKey, AddKey, KeyKind, Purpose, ReadKeys
from sshjit.ca_protocol.logins import LoginNative, LoginWeb, LoginWorkload, ProviderLogout
from sshjit.ca_protocol.operating import LoadPolicy, Status
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.providers import Provider
from sshjit_ca.access import policy_change
from sshjit_ca.access.policy_change import PolicyFile
from sshjit_ca.config import load_policy, read_policy
from sshjit_ca.context import Context
from sshjit_ca.keys import generation, probe, references, sshsig
from sshjit_ca.keys.active_keys import find_key, require_purpose
from sshjit_ca.keys.generation import Opened
from sshjit_ca.keys.probe import ProbeResults
from sshjit_ca.oidc import logout_tokens, sign_ins, workload_tokens
from sshjit_ca.oidc.claims import Claims
from sshjit_ca.oidc.id_tokens import Expected, NativeSignIn
from sshjit_ca.oidc.logout_tokens import LogoutToken
from sshjit_ca.oidc.workload_tokens import Workload


def prepare_web_login(context: Context, message: LoginWeb, now: int) -> Claims:
    """Verifies the token of a browser's sign-in: audience is the front end's own client."""
    provider = _provider(context, message.provider)
    expected, keys = Expected(provider, provider.web.client_id, message.nonce), context.published[message.provider]
    with keys.counted(message.address):
        return sign_ins.claims_of(message, expected, keys, now)


def prepare_native_login(context: Context, message: LoginNative, now: int) -> NativeSignIn:
    """Verifies token, nonce and key of a native sign-in.

    The audience must be the native client, which the front end never asks for; the nonce must be the hash of this key;
    and the key itself must have signed this token.
    """
    provider = _provider(context, message.provider)
    key = sshkey.parse_line(message.key, post_quantum=True)
    sshsig.verify(message.signature, key, binding.NAMESPACE, binding.signed_text(_ascii(message.id_token)))
    nonce = binding.nonce(key.blob, binding.unb64url(message.salt))
    expected, keys = Expected(provider, provider.native.client_id, nonce), context.published[message.provider]
    with keys.counted(message.address):
        return NativeSignIn(sign_ins.claims_of(message, expected, keys, now), key)


def prepare_workload_login(context: Context, message: LoginWorkload, now: int) -> Workload:
    """Verifies the token of a workload: its audience must name the key, and the key itself must have signed it."""
    issuer = context.workloads.get(message.provider)
    if issuer is None:
        known = ", ".join(context.workloads) or "none"
        problem = f"{names.show(message.provider)} is not a configured issuer of workloads"
        raise Invalid("unknown_workloads", problem, hint=f"known: {known}")
    key = sshkey.parse_line(message.key, post_quantum=True)
    sshsig.verify(message.signature, key, binding.NAMESPACE, binding.signed_text(_ascii(message.id_token)))
    keys = context.published[message.provider]
    with keys.counted(message.address):
        return workload_tokens.verify(message.id_token, issuer, keys, key, now)


def prepare_provider_logout(context: Context, message: ProviderLogout, now: int) -> LogoutToken:
    """Verifies a provider's logout token."""
    provider = _provider(context, message.provider)
    return logout_tokens.verify(message.logout_token, provider, context.published[message.provider], now)


def probe_keys(context: Context, _: ReadKeys | Status, __: int) -> ProbeResults:
    """Whether each key that signs, or will, can do it just now; waits for devices."""
    return context.keys.probe()


def prepare_new_key(context: Context, message: AddKey, _: int) -> Opened:
    """Makes or opens the key, and lets it sign once.

    Raises:
        Invalid: ``bad_reference``, ``bad_key_type``, ``bad_message``.
        Failed: why the key, or the passphrase of a new one, cannot be used.

    """
    match message:
        case AddKey(reference=str() as reference, make=None, passphrase=None):
            if references.is_recovery(reference) and message.purpose != "user_ca":
                raise Invalid("bad_reference", "a recovery key is for user_ca alone")
            return generation.opened(context.keys.key_store, reference)
        case AddKey(reference=None, make=str() as kind):
            if kind != "ed25519":
                require_purpose(message.purpose, kind)
            return _make(context, message.purpose, kind, message.passphrase)
        case _:
            raise Invalid(
                "bad_message",
                "give either an existing key, or the type of a new one",
                hint="a passphrase is for a new key; the reference to an encrypted file names its own",
            )


def prepare_activation(context: Context, message: ActivateKey, _: int) -> None:
    """Lets the key sign once, so that one which cannot never has its turn."""
    key = find_key(context.state, message.purpose, message.key)
    probe.sign_once(context.keys.key_store.expected(key.fingerprint, key.reference))


def read_policy_file(context: Context, _: LoadPolicy, now: int) -> PolicyFile:
    """The policy file as it is now; what is wrong with it is for the handler to say."""
    try:
        text = read_policy(context.config)
        new = load_policy(context.config, text)
        hosts, in_force = tuple(context.state.hosts.values()), context.policy
        broken, decided = policy_change.decide_sentences(in_force, new, hosts, now)
        return PolicyFile(text, new, in_force.digest, broken, decided)
    except SshJitError as error:
        return PolicyFile("", error)


def _make(context: Context, purpose: Purpose, kind: KeyKind, passphrase: str | None) -> Opened:
    """A new file beside the first keys: ``user_ca.2``, ``user_ca.3``, and so on."""
    maker = generation.Maker.of(context.keys.key_store, passphrase)
    beside = context.config.key_file(purpose)
    for number in range(2, 10_000):
        with contextlib.suppress(FileExistsError):
            return maker.make(beside.with_name(f"{beside.name}.{number}"), kind)
    raise Failed("no_room", f"there are too many keys beside {beside}")


def _provider(context: Context, name: str) -> Provider:
    provider = context.providers.get(name)
    if provider is None:
        known = ", ".join(context.providers)
        raise Invalid("unknown_provider", f"{names.show(name)} is not a configured provider", hint=f"known: {known}")
    return provider


def _ascii(token: str) -> str:
    if not token.isascii():
        raise Invalid("bad_token", "the ID token cannot be read: it is not ASCII")
    return token
