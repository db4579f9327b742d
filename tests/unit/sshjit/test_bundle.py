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
from sshjit import krl as krls
from sshjit.bundle import Bundle, Provider, Succession
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit.post_quantum import PostQuantum
from sshjit.sshwire import string
from tests.support.bundle_cases import CHECKPOINT, LOG_KEY, NEW_LINE, TOLERATED, TOO_OLD, krl, krl_section
from tests.unit.sshjit.core_world import KEYS, broken, instances, json_values, quick, vector


def read(text: str) -> Bundle | None:
    """The bundle; ``None`` if it is refused. Any other exception fails the test."""
    try:
        return bundle.read(text)
    except (Invalid, Refused):
        return None


def line(name: str) -> str:
    return " ".join(vector(name).split()[:2])


def blob_of(written: str) -> bytes:
    return base64.b64decode(written.split()[1])


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
FIRST = [field.name for field in dataclasses.fields(Bundle) if field.default is dataclasses.MISSING]
"""The fields of format 1."""


def changed(**change: Any) -> str:
    """The text of ``BUNDLE`` with some fields replaced, whatever their type."""
    return canonical.dumps({**json.loads(TEXT), **change}).decode()


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
        json.dumps(dict(reversed(json.loads(TEXT).items())), separators=(",", ":")),
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
        {"bundle": 3},
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
    ],
    ids=lambda change: canonical.dumps(change).decode()[:60],
)
def test_t31_t49_t51_content_that_no_reader_may_believe_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SshJitError):
        bundle.read(changed(**change))


@pytest.mark.parametrize("field", FIRST[1:])
def test_no_field_of_the_first_format_may_be_left_out(field: str) -> None:
    value = json.loads(TEXT)
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
    found = read(text)
    if found and json.loads(text).keys() <= set(FIRST) and not found.left_out:
        assert bundle.write(found) == text


@quick
@given(st.sampled_from([field.name for field in dataclasses.fields(Bundle)]), json_values)
def test_t49_any_value_in_any_field_is_refused_or_has_exactly_that_text(field: str, value: Any) -> None:
    text = json.dumps({**json.loads(TEXT), field: value}, sort_keys=True, separators=(",", ":"))
    found = read(text)
    if found and not found.left_out and field in FIRST:
        assert bundle.write(found) == text


@quick
@given(instances(Bundle), st.text(max_size=20))
def test_arbitrary_bundles_and_texts_are_refused(made: Bundle, text: str) -> None:
    assert read(bundle.write(made)) is None
    assert read(text) is None


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


GROWN = dataclasses.replace(
    BUNDLE,
    bundle=2,
    version=2,
    release="0.2.0",
    critical=("krl",),
    host_keys=(bundle.PlainHost("web1", ("web1", "web1.lab", "192.0.2.7"), (line("ed25519"),)),),
    bastions=(("gate", "via/web1~2@gate", "10.0.0.5", 22), ("gate", "via/db1@gate", "fd77::5", 2222)),
)


def test_t87_the_second_format_holds_more_and_the_first_never_grows() -> None:
    text = bundle.write(GROWN)
    assert bundle.read(text) == GROWN
    assert bundle.write(dataclasses.replace(GROWN, bundle=1, critical=())) == TEXT
    assert json.loads(text).keys() - json.loads(TEXT).keys() == {
        *("version", "oldest", "release", "critical", "host_keys", "bastions", "workloads", "lineage"),
        "post_quantum",
    }


PQ_LINE = line("post-quantum/mldsa44-ed25519")
_PQ_SECTION = base64.b64decode(krl()) + krl_section(PQ_LINE)
PQ_KRL = base64.b64encode(_PQ_SECTION).decode()
PQ = PostQuantum((PQ_LINE,), (), (), PQ_KRL, ("web1", "db1~2"), "")
WITH_PQ = dataclasses.replace(GROWN, post_quantum=PQ)


def with_pq(**change: Any) -> str:
    """The text of a bundle whose post-quantum part has some fields replaced, whatever their type."""
    fields = json.loads(bundle.write(WITH_PQ))
    fields["post_quantum"] |= change
    return canonical.dumps(fields).decode()


def test_t87_post_quantum_keys_and_their_list_stand_apart() -> None:
    """A reader of today's format that does not know the field goes by all the rest, which holds nothing of them."""
    text = bundle.write(WITH_PQ)
    assert bundle.read(text) == WITH_PQ
    rest = json.loads(text)
    assert rest.pop("post_quantum")["user_ca"] == [PQ_LINE]
    assert bundle.read(canonical.dumps(rest).decode()) == GROWN
    assert PQ_LINE not in canonical.dumps(rest).decode()
    assert bundle.write(dataclasses.replace(WITH_PQ, bundle=1, critical=())) == TEXT, "the first format never grows"


def test_t87_a_post_quantum_key_among_the_others_is_left_out() -> None:
    found = bundle.read(changed(user_ca=[PQ_LINE, line("ed25519")]))
    assert found.user_ca == (line("ed25519"),)
    assert found.left_out == ("keys of the type ssh-mldsa44-ed25519 in user_ca",)


@pytest.mark.parametrize(
    "change",
    [
        {"user_ca": [line("ed25519")]},
        {"root": line("ed25519")},
        {"user_ca": [PQ_LINE, PQ_LINE]},
        {"user_ca": [f"{PQ_LINE} comment"]},
        {"user_ca": [PQ_LINE[:-8] + "AAAAAAA="]},
        {"only": ["web1", "web1"]},
        {"only": ["web 1"]},
        {"krl": "AAAA"},
        {"krl": ""},
        {"krl": krl((1, string(blob_of(line("ed25519"))) + string(b"")))},
        {"krl": krl((2, string(blob_of(line("ed25519")))))},
    ],
)
def test_t49_what_is_not_post_quantum_or_not_whole_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        bundle.read(with_pq(**change))


def test_t87_later_types_are_left_out_of_the_post_quantum_part_too() -> None:
    section = base64.b64encode(_PQ_SECTION + krl_section(NEW_LINE)).decode()
    found = bundle.read(with_pq(user_ca=[NEW_LINE, PQ_LINE], root=NEW_LINE, krl=section))
    assert found.post_quantum == PQ
    assert found.left_out == (
        "keys of the type ssh-made-up@example.com in post_quantum.user_ca",
        "a key of the type ssh-made-up@example.com in post_quantum.root",
        "certificates by a key of the type ssh-made-up@example.com in the post-quantum revocation list",
    )


def test_t49_a_post_quantum_list_refuses_whole_only_what_a_bundle_calls_a_ca() -> None:
    whole = base64.b64encode(base64.b64decode(krl((2, string(blob_of(PQ_LINE)))))).decode()
    named = dataclasses.replace(WITH_PQ, post_quantum=dataclasses.replace(PQ, krl=whole))
    unnamed = dataclasses.replace(WITH_PQ, post_quantum=dataclasses.replace(PQ, user_ca=(), krl=whole))
    assert bundle.replaces(named, None)
    with pytest.raises(Invalid, match="not a CA's"):
        bundle.replaces(unnamed, None)
    assert bundle.replaces(dataclasses.replace(unnamed, sequence=8), WITH_PQ), "the one that is held calls it a CA's"


@pytest.mark.parametrize(
    "row",
    [
        ("gate", "deploy@gate", "10.0.0.5", 22),
        ("gate", "via/web1@other", "10.0.0.5", 22),
        ("gate", "via/web1@gate\nroot", "10.0.0.5", 22),
        ("gate", 'via/web1@gate" ', "10.0.0.5", 22),
        ("ga te", "via/web1@ga te", "10.0.0.5", 22),
        ("gate", "via/web1@gate", '10.0.0.5",permitopen="*', 22),
        ("gate", "via/web1@gate", "*", 22),
        ("gate", "via/web1@gate", "10.0.0.5", 0),
        ("gate", "via/web1@gate", "10.0.0.5", 65536),
    ],
)
def test_t2_a_row_of_a_bastion_opens_one_place_to_one_principal(row: tuple[str, str, str, int]) -> None:
    text = bundle.write(dataclasses.replace(GROWN, bastions=(row,)))
    with pytest.raises(Invalid):
        bundle.read(text)


def test_t87_what_must_be_read_is_not_signed_in_a_format_that_cannot_say_so() -> None:
    """Else a front end would give everybody the first format, and nobody would miss what they must know."""
    with pytest.raises(Refused, match="'critical'"):
        bundle.write(dataclasses.replace(GROWN, bundle=1))


def test_t87_a_reader_that_was_upgraded_takes_the_same_bundle_in_the_later_format() -> None:
    assert bundle.replaces(GROWN, BUNDLE)
    with pytest.raises(Invalid):
        bundle.replaces(dataclasses.replace(GROWN, release="0.2.1"), GROWN)
    assert not bundle.replaces(BUNDLE, GROWN), "a front end that was downgraded offers the former one again"


@pytest.mark.parametrize(("change", "left_out"), TOLERATED.values(), ids=TOLERATED)
def test_t87_what_came_later_is_left_out_by_rule_and_named(change: dict[str, Any], left_out: tuple[str, ...]) -> None:
    found = bundle.read(changed(**change))
    assert found.left_out == left_out
    if not left_out:
        return
    assert "made-up" not in bundle.write(found)
    assert b"made-up" not in bundle.krl_of(found)
    krls.read(bundle.krl_of(found))
    assert found.user_ca
    assert found.host_ca


def test_t87_a_host_s_key_of_a_type_that_came_later_is_left_out() -> None:
    """The host stays: it shows no certificates, so nobody may take one for it."""
    plain = line("ed25519")
    found = bundle.read(changed(host_keys=[_plain("web1", [NEW_LINE, plain]), _plain("db1", [NEW_LINE])]))
    assert [(host.id, host.keys) for host in found.host_keys] == [("web1", (plain,)), ("db1", ())]
    assert found.left_out == ("host keys of the type ssh-made-up@example.com",)


def _plain(name: str, keys: list[str], *aliases: str) -> dict[str, Any]:
    return {"id": name, "names": [name.partition("~")[0], *aliases], "keys": keys}


KEY = line("ed25519")


@pytest.mark.parametrize(
    "hosts",
    [
        [_plain("web1", [f"{KEY} root@web1"])],
        [_plain("web1", [KEY], "*.lab")],
        [_plain("web1", [KEY], "web1 web2")],
        [_plain("web1", [KEY], "web1,web2")],
        [_plain("web1", [KEY], "a\n@cert-authority *")],
        [_plain("", [line("rsa-3072")])],
        [_plain("web1", [KEY]) | {"names": []}],
        [_plain("web1~2", [KEY]) | {"names": ["web1~2"]}],
        [_plain("web1", [KEY]) | {"names": ["web2", "web1"]}],
        [_plain("web1", [KEY], "shop.lab"), _plain("web2", [KEY], "shop.lab")],
        [_plain("web1", [KEY], "web1")],
        [_plain("web1", [KEY], "web2"), _plain("web2", [])],
    ],
)
def test_t31_a_host_s_keys_are_plain_and_its_names_are_its_own(hosts: list[dict[str, Any]]) -> None:
    """Both are written into a file of ssh's."""
    with pytest.raises(Invalid):
        bundle.read(changed(host_keys=hosts))


@pytest.mark.parametrize("change", TOO_OLD)
def test_t87_a_reader_that_is_too_old_says_what_to_upgrade_to(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        bundle.read(changed(**change))
    assert caught.value.code == "too_old"
    assert "ssh-jit is too old for the bundle" in caught.value.message
    assert caught.value.hint == "upgrade ssh-jit to 9.9.9 or newer"


@pytest.mark.parametrize("release", ["\x1b[2J", "a b", "", 7, "9" * 40])
def test_t29_the_release_that_a_bundle_names_is_shown_only_if_it_is_one(release: Any) -> None:
    with pytest.raises(SshJitError) as caught:
        bundle.read(changed(bundle=3, release=release))
    assert caught.value.hint == "upgrade ssh-jit to the CA's release or newer"


@pytest.mark.parametrize("sequence", [6, 7, 8])
def test_t49_another_installation_s_bundle_never_replaces(sequence: int) -> None:
    with pytest.raises(Invalid) as caught:
        bundle.replaces(dataclasses.replace(BUNDLE, installation="other", sequence=sequence), BUNDLE)
    assert caught.value.code == "other_installation"
