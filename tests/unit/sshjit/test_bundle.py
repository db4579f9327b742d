"""The bundle's document: one spelling, nothing that could lock out or mislead, and never an older one."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import bundle, canonical, wire
from sshjit.bundle import Bundle, Provider, Succession
from sshjit.errors import Invalid
from sshjit.sshwire import string
from tests.support.bundle_cases import CHECKPOINT, LOG_KEY, krl
from tests.unit.sshjit.core_world import KEYS, attempt, broken, instances, json_values, quick, vector


def line(name: str) -> str:
    return " ".join(vector(name).split()[:2])


PROVIDER = Provider(
    "acme",
    "Acme",
    "https://login.example.com",
    "ssh-jit-cli",
    "https://login.example.com/authorize",
    None,
    ("openid", "email"),
)
BUNDLE = Bundle(
    bundle=1,
    installation="lab",
    root=line("ed25519"),
    succession=(Succession(line("rsa-3072"), line("ed25519"), "-----BEGIN SSH SIGNATURE-----"),),
    sequence=7,
    issued=1_800_000_000,
    expires=1_800_086_400,
    user_ca=(line("ed25519"), line("rsa-3072")),
    host_ca=(line("ecdsa-384"),),
    retired=(line("rsa-3072"),),
    log_key=LOG_KEY,
    providers=(PROVIDER,),
    krl=krl(),
    ended=(("req-0123456789", 1_800_000_001),),
    extended=(),
    checkpoint=CHECKPOINT,
)
TEXT = bundle.write(BUNDLE)


def changed(**change: Any) -> str:
    """The text of ``BUNDLE`` with some fields replaced, whatever their type."""
    return canonical.dumps({**wire.encode(BUNDLE), **change}).decode()


def test_a_bundle_reads_back_and_is_spelled_as_the_protocol_says() -> None:
    assert bundle.read(TEXT) == BUNDLE
    assert bundle.read(changed(sequence=1)).sequence == 1
    assert json.dumps(json.loads(TEXT), sort_keys=True, separators=(",", ":")) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "\n",
        " " + TEXT,
        TEXT.replace('":', '": ', 1),
        TEXT.replace('"lab"', '"\\u006cab"'),
        TEXT.replace("Acme", "Acm\u00e9"),
        TEXT.replace('"bundle":1', '"bundle":1,"bundle":1'),
        json.dumps(wire.encode(BUNDLE), separators=(",", ":")),
        '"\ud800"',
        "null",
        "",
    ],
)
def test_t49_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        bundle.read(text)


@pytest.mark.parametrize(
    "change",
    [
        {"bundle": 0},
        {"bundle": 2},
        {"bundle": True},
        {"sequence": 0},
        {"sequence": -1},
        {"sequence": 2**63},
        {"sequence": "7"},
        {"issued": 0},
        {"expires": 1_800_000_000},
        {"user_ca": []},
        {"host_ca": []},
        {"user_ca": [""]},
        {"user_ca": [line("ed25519") + " comment"]},
        {"user_ca": [line("ed25519") + "\n" + line("ed25519")]},
        {"user_ca": ["cert-authority " + line("ed25519")]},
        {"user_ca": [line("sk-ed25519")]},
        {"host_ca": [line("sk-ecdsa-256")]},
        {"root": line("sk-ed25519")},
        {"root": " " + line("ed25519")},
        {"root": line("ed25519-user-cert")},
        {"user_ca": [line("ed25519-host-cert")]},
        {"installation": ""},
        {"installation": "lab\x1b[2J"},
        {"installation": "../lab"},
        {"krl": ""},
        {"krl": "!"},
        {"krl": BUNDLE.krl + "\n"},
        {"krl": f" {BUNDLE.krl}"},
        {"krl": "\u00e9"},
        {"krl": base64.b64encode(b"SSHKRL\n\0\0\0\0\2" + bytes(32)).decode()},
        {"krl": base64.b64encode(b"SSHKRL\n").decode()},
        {"krl": base64.b64encode(b"#" + base64.b64decode(krl())).decode()},
        {"ended": [["req-0123456789"]]},
        {"extended": [["req-0123456789", 1.5]]},
        {"surplus": 1},
    ],
    ids=lambda change: canonical.dumps(change).decode()[:60],
)
def test_t31_t49_t51_content_that_no_reader_may_believe_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        bundle.read(changed(**change))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Bundle)])
def test_no_field_may_be_left_out(field: str) -> None:
    value = wire.encode(BUNDLE)
    del value[field]
    with pytest.raises(Invalid, match="is missing"):
        bundle.read(canonical.dumps(value).decode())


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Acme"},
        {"id": ""},
        {"title": "Acme\x1b]0;x\x07"},
        {"title": "a\nb"},
        {"client_id": "a\nb"},
        {"issuer": "http://login.example.com"},
        {"issuer": "http://127.0.0.1:4001"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "-oProxyCommand=x"},
        {"authorization_endpoint": "https://user@login.example.com/"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": ""},
    ],
    ids=repr,
)
def test_t20_t51_a_token_is_never_sent_to_a_strange_place(change: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        bundle.read(changed(providers=[{**wire.encode(PROVIDER), **change}]))


def test_plain_http_is_read_only_on_loopback_and_only_when_asked_for() -> None:
    text = changed(providers=[{**wire.encode(PROVIDER), "issuer": "http://127.0.0.1:4001"}])
    assert bundle.read(text, plain_http=True).providers[0].issuer == "http://127.0.0.1:4001"
    outside = changed(providers=[{**wire.encode(PROVIDER), "issuer": "http://192.0.2.1:4001"}])
    with pytest.raises(Invalid):
        bundle.read(outside, plain_http=True)


def test_every_kind_of_plain_key_may_be_a_ca() -> None:
    plain = [line(name) for name in KEYS if not name.startswith("sk-")]
    assert bundle.read(changed(user_ca=plain, host_ca=plain)).user_ca == tuple(plain)


@quick
@given(broken(TEXT.encode()))
def test_t49_a_damaged_bundle_is_refused_or_has_exactly_that_text(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    found = attempt(bundle.read, text)
    assert isinstance(found, Invalid) or bundle.write(found) == text


@quick
@given(st.sampled_from([field.name for field in dataclasses.fields(Bundle)]), json_values)
def test_t49_any_value_in_any_field_is_refused_or_has_exactly_that_text(field: str, value: Any) -> None:
    text = json.dumps({**wire.encode(BUNDLE), field: value}, sort_keys=True, separators=(",", ":"))
    found = attempt(bundle.read, text)
    assert isinstance(found, Invalid) or bundle.write(found) == text


@quick
@given(instances(Bundle), st.text(max_size=20))
def test_arbitrary_bundles_and_texts_are_refused(made: Bundle, text: str) -> None:
    assert isinstance(attempt(bundle.read, bundle.write(made)), Invalid)
    assert isinstance(attempt(bundle.read, text), Invalid)


def test_t49_only_a_newer_bundle_replaces_the_held_one() -> None:
    newer = dataclasses.replace(BUNDLE, sequence=8)
    assert bundle.replaces(BUNDLE, None)
    assert bundle.replaces(newer, BUNDLE)
    assert not bundle.replaces(BUNDLE, BUNDLE)
    for refused in (dataclasses.replace(BUNDLE, sequence=6), dataclasses.replace(BUNDLE, sequence=-1)):
        with pytest.raises(Invalid) as caught:
            bundle.replaces(refused, BUNDLE)
        assert caught.value.code == "old_bundle"


@pytest.mark.parametrize(
    "change", [{"krl": ""}, {"user_ca": ()}, {"root": ""}, {"checkpoint": "x"}, {"expires": 2**62}]
)
def test_t49_two_bundles_of_one_number_cannot_both_be_true(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        bundle.replaces(dataclasses.replace(BUNDLE, **change), BUNDLE)
    assert caught.value.code == "old_bundle"


def test_t49_a_list_refuses_whole_only_what_a_bundle_calls_a_ca() -> None:
    plain, ca = base64.b64decode(line("ecdsa-521").split()[1]), base64.b64decode(line("rsa-3072").split()[1])
    owners = dataclasses.replace(BUNDLE, krl=krl((2, string(plain))), sequence=8)
    for held in (None, BUNDLE):
        with pytest.raises(Invalid) as caught:
            bundle.replaces(owners, held)
        assert caught.value.code == "bad_krl"
        assert bundle.replaces(dataclasses.replace(owners, krl=krl((2, string(ca)))), held)
    forgotten = dataclasses.replace(
        BUNDLE, krl=krl((2, string(ca))), sequence=8, retired=(), user_ca=BUNDLE.user_ca[:1]
    )
    assert bundle.replaces(forgotten, BUNDLE)
    with pytest.raises(Invalid):
        bundle.replaces(forgotten, None)


@pytest.mark.parametrize("sequence", [6, 7, 8])
def test_t49_another_installation_s_bundle_never_replaces(sequence: int) -> None:
    with pytest.raises(Invalid) as caught:
        bundle.replaces(dataclasses.replace(BUNDLE, installation="other", sequence=sequence), BUNDLE)
    assert caught.value.code == "other_installation"
