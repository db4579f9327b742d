"""JSON to dataclasses and back: nothing is lost, nothing is guessed, and only ``Invalid`` comes out."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sshjit import bundle, ca_protocol, canonical, events, wire
from sshjit.errors import Invalid
from tests.unit.sshjit.core_world import attempt, broken, instances, json_values, quick

CLASSES: list[Any] = [
    *ca_protocol.REPLIES,
    *sorted(set(ca_protocol.REPLIES.values()), key=str),
    *events.KINDS.values(),
    bundle.Bundle,
    ca_protocol.ErrorReply,
]
classes = st.sampled_from(CLASSES)
any_instance = st.one_of(*map(instances, CLASSES))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_survives_the_way_there_and_back(cls: Any) -> None:
    @settings(quick, max_examples=15)
    @given(instances(cls))
    def there_and_back(value: Any) -> None:
        assert wire.decode(cls, wire.loads(canonical.dumps(wire.encode(value)))) == value
        assert wire.decode(cls, wire.loads(json.dumps(wire.encode(value), ensure_ascii=False).encode())) == value

    there_and_back()


@quick
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_or_json(text: bytes) -> None:
    _loads_like_json(text)


@quick
@given(json_values.map(lambda value: json.dumps(value).encode()).flatmap(broken))
def test_broken_json_is_refused_or_json(text: bytes) -> None:
    _loads_like_json(text)


def _loads_like_json(text: bytes) -> None:
    value = attempt(wire.loads, text)
    if isinstance(value, Invalid):
        assert value.code == "bad_json"
    else:
        assert value == json.loads(text)
        assert wire.loads(canonical.dumps(value)) == value


@quick
@given(classes, json_values)
def test_arbitrary_values_are_refused_or_exactly_the_class(cls: type[Any], value: Any) -> None:
    _decodes_to_the_same(cls, value)


@quick
@given(any_instance, st.data())
def test_one_field_changed_is_refused_or_means_the_same(instance: Any, data: st.DataObject) -> None:
    value = wire.encode(instance)
    match data.draw(st.sampled_from(["replace", "drop", "add"])):
        case "replace" if value:
            value[data.draw(st.sampled_from(sorted(value)))] = data.draw(json_values)
            _decodes_to_the_same(type(instance), value)
        case "drop" if value:
            name = data.draw(st.sampled_from(sorted(value)))
            del value[name]
            defaults = {field.name: field.default for field in dataclasses.fields(instance)}
            if defaults[name] is dataclasses.MISSING:
                with pytest.raises(Invalid, match="is missing"):
                    wire.decode(type(instance), value)
            else:
                assert wire.decode(type(instance), value) == dataclasses.replace(instance, **{name: defaults[name]})
        case _:
            value[data.draw(st.text().filter(lambda name: name not in value))] = data.draw(json_values)
            with pytest.raises(Invalid, match="is unknown"):
                wire.decode(type(instance), value)


def _decodes_to_the_same(cls: type[Any], value: Any) -> None:
    made = attempt(wire.decode, cls, value)
    if isinstance(made, Invalid):
        assert made.code == "bad_message"
        assert str(made).isprintable()
    else:
        again = wire.encode(made)
        unsaid = {field.name: field.default for field in dataclasses.fields(cls) if field.name not in value}
        assert canonical.dumps({name: again[name] for name in value}) == canonical.dumps(value)
        assert all(getattr(made, name) == default for name, default in unsaid.items())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (b"[1.0]", "whole number"),
        (b"[1e3]", "whole number"),
        (b"[-0.0]", "whole number"),
        (b"[NaN]", "whole number"),
        (b"[-Infinity]", "whole number"),
        (b"9223372036854775808", "too large"),
        (b"-9223372036854775809", "too large"),
        (b"1" * 5000, "too large"),
        (b'["\\ud800"]', "half a character"),
        (b'["\\uDFFFx"]', "half a character"),
        (b'{"\\udc00\\ud800": 1}', "half a character"),
        (b'"\xff"', "JSON"),
        (b"\xef\xbb\xbf1", "JSON"),
        (b'"a\nb"', "JSON"),
        (b"1 2", "JSON"),
        (b"", "JSON"),
        (b"[" * 100_000, "nested"),
        (b"[" * 900 + b"]" * 900, "nested"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "nested"),
    ],
)
def test_what_is_not_our_json_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why) as caught:
        wire.loads(text)
    assert caught.value.code == "bad_json"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\\\\ud800"', "\\ud800"),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b'"' + b"[{" * 50 + b'"', "[{" * 50),
    ],
)
def test_what_looks_alike_and_is_proper_is_read(text: bytes, value: Any) -> None:
    assert wire.loads(text) == value


@pytest.mark.parametrize("inside", [b"", b"1", b'"x",[]'])
def test_sixteen_levels_are_read_and_seventeen_refused(inside: bytes) -> None:
    levels = 16 - inside.count(b"[")
    wire.loads(b"[" * levels + inside + b"]" * levels)
    with pytest.raises(Invalid, match="nested"):
        wire.loads(b"[" * (levels + 1) + inside + b"]" * (levels + 1))


def test_the_limit_counts_bytes() -> None:
    assert wire.loads(b'"\xc3\xa9"', limit=4) == "\N{LATIN SMALL LETTER E WITH ACUTE}"
    with pytest.raises(Invalid) as caught:
        wire.loads(b'"\xc3\xa9"', limit=3)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("serial", [True, "1", 1.0, math.nan, [1], {"a": 1}])
def test_nothing_is_converted_to_a_number(serial: Any) -> None:
    with pytest.raises(Invalid, match="'serial' must be a whole number"):
        wire.decode(
            ca_protocol.Revoke, {"login_id": None, "request": None, "serial": serial, "sign_in": None, "reason": ""}
        )


@pytest.mark.parametrize("kind", ["", "Web", "web ", "admin", None, 1, True, ["web"], {"web": 1}])
def test_a_choice_is_one_of_what_there_is_to_choose(kind: Any) -> None:
    person = {"id": "sub-0123456789", "provider": "acme", "name": "alice", "email": None}
    nothing: dict[str, Any] = {"permissions": [], "groups": [], "verified": [], "own": None, "auth_time": None}
    nothing |= {"mfa": False, "hardware_key": False, "fingerprint": None}
    login = {
        "id": "login-0123456789",
        "kind": kind,
        "person": person,
        "roles": [],
        "signed_in": 1,
        "expires": 2,
        **nothing,
    }
    with pytest.raises(Invalid, match="'kind' must be one of native, web"):
        wire.decode(ca_protocol.LoginView, {**login, "fingerprint": None})
    closed = {"request": "req-0123456789", "state": kind, "by": None, "reason": ""}
    with pytest.raises(Invalid, match="'state' must be one of approved, "):
        wire.decode(events.Closed, closed)


def test_the_error_names_the_path() -> None:
    host = wire.encode(ca_protocol.AddHost("web1", (), "192.0.2.1", 22, (("env", "prod"),), ()))
    host["labels"] = [["env", "prod"], ["role"]]
    with pytest.raises(Invalid, match=r"'labels\[1\]' must be a list of 2"):
        wire.decode(ca_protocol.AddHost, host)


def test_floats_are_read_where_others_write_them_and_only_finite_ones() -> None:
    assert wire.loads(b'{"iat":1.5e9,"exp":2,"ratio":-0.25}', fractions=True) == {
        "iat": 1.5e9,
        "exp": 2,
        "ratio": -0.25,
    }
    for text in (b"1e999", b"-1e999", b"NaN", b"Infinity", b"-Infinity"):
        with pytest.raises(Invalid) as refused:
            wire.loads(text, fractions=True)
        assert refused.value.code == "bad_json"
    with pytest.raises(Invalid):
        wire.loads(b"1.5")
