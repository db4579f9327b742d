"""Entries as bytes: one spelling, a detail that can be erased but not exchanged, and a size that tiles can hold."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import entries, events
from sshjit.entries import Entry
from sshjit.errors import Invalid
from sshjit_ca.log import fast_reader
from tests.unit.sshjit.core_world import attempt, broken, instances, json_values, quick

SALT = bytes(range(16))
any_event: st.SearchStrategy[Any] = (
    st.sampled_from(sorted(events.KINDS)).map(events.KINDS.__getitem__).flatmap(instances)
)
DECIDED = events.Decided(
    *("req-0123456789", "sub-0123456789", "login-0123456789", "web", "approve", "d" * 64),
    signed=False,
    duration=None,
    comment="go ahead",
)
ENTRY = entries.write(DECIDED, 12, 1_800_000_000, SALT)


def refused(entry: Entry) -> str:
    with pytest.raises(Invalid) as caught:
        entries.read(entry)
    return caught.value.code


@quick
@given(any_event, st.integers(0, 2**40), st.integers(0, 2**40), st.binary(min_size=16, max_size=16))
def test_every_event_reads_back(event: Any, index: int, time: int, salt: bytes) -> None:
    entry = entries.write(event, index, time, salt)
    assert entries.read(entry) == event
    assert entries.read(dataclasses.replace(entry, detail=None, salt=None)) is None


def test_the_fact_is_what_the_format_says() -> None:
    assert json.loads(ENTRY.fact) == {
        "body": {
            "request": "req-0123456789",
            "subject": "sub-0123456789",
            "login_id": "login-0123456789",
            "via": "web",
            "verdict": "approve",
            "digest": "d" * 64,
            "duration": None,
            "signed": False,
            "passkey": "",
            "passkey_id": "",
        },
        "detail": hashlib.sha256(SALT + b'{"comment":"go ahead","rotas":[],"ticket":null}').hexdigest(),
        "index": 12,
        "kind": "decision",
        "time": 1_800_000_000,
        "v": 1,
    }
    assert (ENTRY.detail, ENTRY.kind, ENTRY.index, ENTRY.time) == (
        b'{"comment":"go ahead","rotas":[],"ticket":null}',
        "decision",
        12,
        1_800_000_000,
    )


def test_t19_the_fact_tells_nothing_of_the_detail_and_the_salt_hides_what_could_be_guessed() -> None:
    assert b"go ahead" not in ENTRY.fact
    other = entries.write(DECIDED, 12, 1_800_000_000, bytes(16))
    assert json.loads(other.fact)["detail"] != json.loads(ENTRY.fact)["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"index": 13},
        {"time": 1_800_000_001},
        {"kind": "ask"},
        {"detail": b'{"comment":"no"}'},
        {"detail": b"{}"},
        {"detail": None},
        {"salt": None},
        {"salt": bytes(16)},
        {"salt": SALT[:15], "detail": SALT[15:] + b'{"comment":"go ahead"}'},
        {"salt": SALT + b"{", "detail": b'"comment":"go ahead"}'},
        {"fact": ENTRY.fact + b" "},
        {"fact": ENTRY.fact.replace(b'"index":12', b'"index": 12')},
        {"fact": ENTRY.fact.replace(b'"v":1', b'"v":true')},
        {"fact": ENTRY.fact.replace(b'"v":1', b'"v":1,"w":1')},
        {"fact": ENTRY.fact.replace(b'"subject"', b'"subjecu"')},
        {"fact": b"[]"},
        {"fact": b"1"},
        {"fact": b'{"v":1}'},
        {"fact": b""},
    ],
    ids=repr,
)
def test_t45_an_entry_that_was_edited_is_refused(change: dict[str, Any]) -> None:
    assert refused(dataclasses.replace(ENTRY, **change)) in ("bad_entry", "bad_json")


@pytest.mark.parametrize(
    "detail", [b"[]", b"1", b"null", b"{", b'{"comment":1}', b'{"more":1}', b"{}", b'{"via":"web"}']
)
def test_a_detail_of_another_form_is_refused_even_if_the_fact_commits_to_it(detail: bytes) -> None:
    fact = json.loads(ENTRY.fact) | {"detail": entries.commitment(SALT, detail)}
    written = json.dumps(fact, sort_keys=True, separators=(",", ":")).encode()
    assert refused(dataclasses.replace(ENTRY, fact=written, detail=detail)) in ("bad_entry", "bad_json", "bad_message")


def rewritten(entry: Entry, detail: bytes | None = None, **changed: Any) -> Entry:
    """The entry as another version could have written it: its parts belong together."""
    fact = json.loads(entry.fact) | changed
    if detail is not None:
        fact["detail"] = entries.commitment(SALT, detail)
    written = json.dumps(fact, sort_keys=True, separators=(",", ":")).encode()
    return dataclasses.replace(entry, fact=written, detail=detail or entry.detail, kind=fact["kind"])


@pytest.mark.parametrize(
    "entry",
    [
        rewritten(ENTRY, v=2),
        rewritten(ENTRY, kind="séance"),
        rewritten(ENTRY, body=json.loads(ENTRY.fact)["body"] | {"weather": "fine"}),
        rewritten(ENTRY, body=json.loads(ENTRY.fact)["body"] | {"verdict": "abstain"}),
        rewritten(ENTRY, b'{"comment":"a","more":1}'),
    ],
    ids=["form", "kind", "fact", "word", "detail"],
)
def test_t87_an_entry_of_a_newer_version_is_named_as_that(entry: Entry) -> None:
    for read, kept in (
        (entries.read, entry),
        (entries.read_erased, dataclasses.replace(entry, detail=None, salt=None)),
    ):
        if read is entries.read_erased and b"more" in (entry.detail or b""):
            continue  # what was erased cannot be too new
        with pytest.raises(Invalid) as caught:
            read(kept)
        assert caught.value.code == "newer_log"
        assert caught.value.message.startswith("entry 12 was written by a newer version of ssh-jit: ")
        assert caught.value.message.isprintable()
        assert "upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "entry",
    [
        rewritten(ENTRY, v=0),
        rewritten(ENTRY, v=-1),
        rewritten(ENTRY, v=True),
        rewritten(ENTRY, v="2"),
        dataclasses.replace(ENTRY, fact=rewritten(ENTRY, v=2).fact.replace(b'"v":2', b'"v": 2')),
        dataclasses.replace(ENTRY, fact=rewritten(ENTRY, v=2).fact + b" "),
    ],
)
def test_t45_what_no_version_writes_is_not_called_newer(entry: Entry) -> None:
    assert refused(entry) == "bad_entry"


@pytest.mark.parametrize("salt", [b"", SALT[:-1], SALT + b"x"])
def test_t45_a_salt_of_another_length_is_refused_even_if_the_fact_commits_with_it(salt: bytes) -> None:
    """Salt and detail could be cut at another place: one commitment would be to two details."""
    detail = ENTRY.detail or b""
    fact = json.loads(ENTRY.fact) | {"detail": entries.commitment(salt, detail)}
    written = json.dumps(fact, sort_keys=True, separators=(",", ":")).encode()
    entry = dataclasses.replace(ENTRY, fact=written, salt=salt)
    assert refused(entry) == "bad_entry"
    assert not fast_reader.sound(entry.index, entry.time, entry.kind, entry.fact, entry.detail, entry.salt)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"verdict":"approve"', b'"verdict": "approve"'),
        (b'"verdict":"approve"', b'"verdict":"deny","verdict":"approve"'),
        (b'"approve"', b'"\\u0061pprove"'),
        (b'{"body":{', b'{"body":{ '),
    ],
)
def test_t45_a_fact_in_another_spelling_is_refused_by_both_readers(old: bytes, new: bytes) -> None:
    assert ENTRY.fact.count(old) == 1
    entry = dataclasses.replace(ENTRY, fact=ENTRY.fact.replace(old, new))
    assert refused(entry) in ("bad_entry", "bad_json")
    with pytest.raises(Invalid):
        fast_reader.read(entry)


@pytest.mark.parametrize("detail", [b'{"comment":"no","comment":"go ahead"}', b'{"comment":1,"comment":"go ahead"}'])
def test_t45_a_detail_that_says_two_things_is_refused_by_both_readers(detail: bytes) -> None:
    entry = rewritten(ENTRY, detail)
    assert refused(entry) == "bad_json"
    with pytest.raises(Invalid):
        fast_reader.read(entry)


def test_one_byte_that_is_true_does_not_pass_for_one() -> None:
    first = entries.write(DECIDED, 1, 1, SALT)
    for name in ("index", "time"):
        assert refused(
            dataclasses.replace(first, fact=first.fact.replace(f'"{name}":1'.encode(), f'"{name}":true'.encode()))
        )


@quick
@given(broken(ENTRY.fact), broken(ENTRY.detail or b""), st.booleans())
def test_t45_damaged_bytes_are_refused_or_say_the_same(fact: bytes, detail: bytes, both: bool) -> None:  # noqa: FBT001
    for entry in (
        dataclasses.replace(ENTRY, detail=detail),
        dataclasses.replace(ENTRY, fact=fact, detail=detail if both else ENTRY.detail),
    ):
        found = attempt(entries.read, entry)
        if not isinstance(found, Invalid):
            assert found is not None
            assert entries.write(found, 12, 1_800_000_000, SALT) == entry


@quick
@given(json_values, json_values)
def test_arbitrary_json_in_place_of_a_fact_is_refused(fact: Any, detail: Any) -> None:
    entry = Entry(0, 0, "ask", json.dumps(fact).encode(), json.dumps(detail).encode(), SALT)
    assert isinstance(attempt(entries.read, entry), Invalid)


def hosts(count: int, length: int) -> events.HostAdded:
    labels = tuple((f"l{number}", "x" * length) for number in range(count))
    return events.HostAdded(None, "web1", "web1", (), "192.0.2.1", 22, labels, ())


def test_t70_a_fact_fits_into_a_tile() -> None:
    keys = tuple((f"purpose{number}", "SHA256:" + "x" * 43) for number in range(2000))
    with pytest.raises(Invalid) as caught:
        entries.write(events.Started(1, "lab", keys), 0, 1, SALT)
    assert caught.value.code == "too_large"
    longest = events.Started(1, "x" * 70_000, ())
    spare = len(longest.installation) - entries.MAX_FACT + _overhead()
    fits = dataclasses.replace(longest, installation=longest.installation[spare:])
    assert len(entries.write(fits, 0, 1, SALT).fact) == 65_535
    with pytest.raises(Invalid):
        entries.write(dataclasses.replace(fits, installation=fits.installation + "x"), 0, 1, SALT)


def _overhead() -> int:
    return len(entries.write(events.Started(1, "", ()), 0, 1, SALT).fact)


def test_t70_the_largest_ask_fits_and_reads_back() -> None:
    names = tuple(f"{number:03}." + ".".join(["x" * 60] * 4) for number in range(256))
    largest = events.Asked(
        request="req-0123456789", subject="sub-0123456789", login_id="login-0123456789", via="native", rule="r" * 60,
        policy="d" * 64, duration=28800, pending=1800, use_by=900, certificate=300, start=1_800_000_000,
        break_glass=True, review_within=86400, notify=("pager",), extends="req-0123456789", hosts=names, host_ids=names,
        login="l" * 32, action="command", command="\x7f" * 1000, reason="\U0001f600" * 500, address="192.0.2.1",
        forwarding=("port", "agent", "x11"), source=("192.0.2.0/24",), verify_required=True,
        fresh_login=900, mfa=True, ends_by=None, steps=(events.StepAsked("sre-lead", 2, signed=True),),
    )  # fmt: skip
    entry = entries.write(largest, 2**40, 1_800_000_000, SALT)
    assert len(entry.fact) < 1024
    assert entries.read(entry) == largest


def test_t70_a_detail_has_a_limit_too() -> None:
    assert entries.read(entries.write(hosts(16, 63), 0, 1, SALT)) == hosts(16, 63)
    with pytest.raises(Invalid):
        entries.write(hosts(6000, 100), 0, 1, SALT)


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17)])
def test_a_salt_has_sixteen_bytes(salt: bytes) -> None:
    with pytest.raises(Invalid):
        entries.write(DECIDED, 0, 1, salt)
