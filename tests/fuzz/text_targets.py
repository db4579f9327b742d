"""What reads texts and JSON: policy, providers, bundles, notes, proofs, tiles, entries, messages, ID tokens."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from base64 import b64encode
from enum import StrEnum
from typing import Any, Literal

from sshjit import bundle, checkpoint, entries, providers, tiles, tlogproof, wire
from sshjit import ca_protocol as m
from sshjit.checkpoint import Checkpoint
from sshjit.entries import Entry
from sshjit.errors import SshJitError
from sshjit.events import LoginClosed
from sshjit.policy import PolicyError, load
from sshjit.tomllines import key_lines
from sshjit_ca.oidc import id_tokens as tokens
from sshjit_ca.oidc import provider_keys
from sshjit_ca.oidc.id_tokens import Expected
from sshjit_client import trusted_bundle
from sshjit_host.errors import BundleRefused
from sshjit_host.formats import bundle as host_bundle
from tests.fuzz.openssh_targets import lines, revocation_lists
from tests.support.bundle_cases import CHECKPOINT
from tests.support.bundle_cases import LOG_KEY as LOG_KEY_LINE
from tests.support.installation import POLICY
from tests.support.issuer import NATIVE_CLIENT, serving

NOW = 1_800_000_000
LOG_KEY = bytes(range(32))
NONCE = "nonce-of-this-sign-in"
PROVIDERS = """\
version = 1
[providers.acme]
title = "Acme"
issuer = "https://a.example"
email_domains = ["example.com"]
algorithms = ["RS256"]
native = { client_id = "ssh-jit-cli", scopes = ["openid"] }
web = { client_id = "ssh-jit-web", client_secret_file = "/dev/null", scopes = ["openid"] }
"""


def policy(data: bytes) -> None:
    """A policy is read, or refused with its problems named by line."""
    text = _text(data)
    refused = None
    try:
        load(text)
    except PolicyError as error:
        refused = error
    if refused is not None:
        assert refused.problems
        assert all(1 <= problem.line <= text.count("\n") + 1 for problem in refused.problems)
    key_lines(text)


def provider_table(data: bytes) -> None:
    """Providers are read or refused."""
    _tried(providers.load, _text(data))


def _within(part: object, whole: object) -> bool:
    """Whether two documents are alike but for fields that only the second has: what came later is not written again."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _within(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return part == whole


def bundles(data: bytes) -> None:
    """What a host believes a laptop reads in the same way."""
    text = _text(data)
    _tried(trusted_bundle.root_of, text)
    core = _tried(bundle.read, text, plain_http=True)
    try:
        host = host_bundle.read(text)
    except BundleRefused:
        return
    if core is not None:
        assert (host.sequence, host.root.line) == (core.sequence, core.root)
        assert core.left_out or _within(json.loads(bundle.write(core)), json.loads(host.text))
        assert [key.line for key in (*host.user_ca, *host.host_ca)] == [*core.user_ca, *core.host_ca]


def note(data: bytes) -> None:
    """A checkpoint that is read has one spelling."""
    text = _text(data)
    _tried(checkpoint.parse_verifier_key, text)
    found = _tried(checkpoint.parse_note, text, LOG_KEY)
    assert found is None or text.startswith(found[0].text)


def proof(data: bytes) -> None:
    """A proof that is read has one spelling, and proves nothing that was not proved."""
    text = _text(data)
    found = _tried(tlogproof.parse, text)
    if found is not None:
        assert tlogproof.write(found) == text
        _tried(tlogproof.check, found, found.index, "00" * 32, Checkpoint("lab/log", 1, bytes(32)))


def tile(data: bytes) -> None:
    """A tile's name and an entry bundle have one spelling."""
    found = _tried(tiles.parse, _text(data))
    assert found is None or found.name == _text(data)
    parts = _tried(tiles.unbundle, data)
    assert parts is None or tiles.bundle(parts) == data


def entry(data: bytes) -> None:
    """An entry is read or refused, with the fact alone and with a detail."""
    fact, _, detail = data.partition(b"\n")
    _tried(entries.read, Entry(0, NOW, "logout", fact, None, None))
    _tried(entries.read, Entry(0, NOW, "logout", fact, detail, bytes(16)))


def message(data: bytes) -> None:
    """A message that is read is written again as the same value."""
    value = _tried(wire.loads, data)
    kind = m.MESSAGES.get(str(value.get("type"))) if isinstance(value, dict) else None
    if kind is not None:
        found = _tried(wire.decode, kind, value.get("body"))
        assert found is None or wire.decode(kind, wire.encode(found)) == found


def token(data: bytes) -> None:
    """Nothing counts as an ID token but the one that the provider signed."""
    expected, keys, honest = _sign_in()
    assert _tried(tokens.verify, _text(data), expected, keys, NOW) is None or data == honest


def messages() -> list[bytes]:
    """One of every message."""
    return [
        json.dumps({"type": name, "body": wire.encode(_example(kind))}).encode() for name, kind in m.MESSAGES.items()
    ]


def bundle_texts() -> list[bytes]:
    """A bundle in order."""
    keys = [" ".join(line.decode().split()[:2]) for line in lines("*.pub")]
    plain = [line for line in keys if not line.startswith("sk-")]
    fields = {
        "bundle": 1, "installation": "lab", "root": plain[3], "succession": [], "sequence": 7, "issued": NOW,
        "expires": NOW + 86400, "user_ca": plain[:2], "host_ca": plain[2:4], "retired": [],
        "log_key": LOG_KEY_LINE,
        "providers": [{"id": "acme", "title": "Acme", "issuer": "https://login.example.com", "client_id": "ssh-jit-cli",
                       "authorization_endpoint": "https://login.example.com/a", "token_endpoint": None,
                       "scopes": ["openid"]}],
        "krl": b64encode(revocation_lists()[0]).decode(), "ended": [["req-0123456789", NOW]], "extended": [],
        "checkpoint": CHECKPOINT,
    }  # fmt: skip
    return [json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()]


def notes() -> list[bytes]:
    """A signed note, and a verifier key."""
    signed = checkpoint.note(Checkpoint("lab/log", 7, bytes(32)), LOG_KEY, bytes(64))
    return [signed.encode(), checkpoint.verifier_key("lab/log", LOG_KEY).encode()]


def proofs() -> list[bytes]:
    """A proof of one step."""
    return [tlogproof.write(tlogproof.Proof(b'{"kind":"issued"}', 5, (bytes(32),), _text(notes()[0]))).encode()]


def policies() -> list[bytes]:
    """The policy of the CA's tests."""
    return [POLICY.encode()]


def provider_tables() -> list[bytes]:
    """One provider."""
    return [PROVIDERS.encode()]


def entry_facts() -> list[bytes]:
    """An entry without its detail, and one with it."""
    written = entries.write(LoginClosed("login-0123456789", "sub-0123456789", None, "signed out"), 0, NOW, bytes(16))
    assert written.detail is not None
    return [written.fact, written.fact + b"\n" + written.detail]


def id_tokens() -> list[bytes]:
    """The one honest token."""
    return [_sign_in()[2]]


@functools.cache
def _sign_in() -> tuple[Expected, provider_keys.ProviderKeys, bytes]:
    """A real provider's keys, fetched once; its token for this sign-in."""
    with serving() as issuer:
        text = PROVIDERS.replace("https://a.example", issuer.url)
        text = text.replace('title = "Acme"\n', 'title = "Acme"\nunsafe_http = true\n')
        provider = providers.load(text)["acme"]
        keys = provider_keys.ProviderKeys("acme", provider, lambda: 0.0)
        keys.refresh()
        assert keys.published is not None, keys.problem
        claims = {"iss": issuer.url, "sub": "a-1", "aud": NATIVE_CLIENT, "iat": NOW, "exp": NOW + 600, "nonce": NONCE,
                  "email": "alice@example.com", "email_verified": True, "groups": ["SRE"]}  # fmt: skip
        honest = issuer.sign(claims)
    expected = Expected(provider, NATIVE_CLIENT, NONCE)
    assert tokens.verify(honest, expected, keys, NOW)["sub"] == "a-1"
    return expected, keys, honest.encode()


def _example(kind: Any) -> Any:
    """A value of a message's field, or a whole message."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        make: Any = kind
        return make(**{field.name: _example(hints[field.name]) for field in dataclasses.fields(kind)})
    if origin is tuple:
        return (_example(arguments[0]),) if arguments[-1] is Ellipsis else tuple(map(_example, arguments))
    if origin in (typing.Union, types.UnionType):
        return _example(arguments[0])
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return (arguments or tuple(kind))[0]
    return {str: "text", int: 7, bool: True, types.NoneType: None}[kind]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _tried(read: Any, *arguments: Any, **named: Any) -> Any:
    """What ``read`` returns, or ``None`` where it refuses. Whatever else it raises is a defect."""
    try:
        return read(*arguments, **named)
    except SshJitError:
        return None
