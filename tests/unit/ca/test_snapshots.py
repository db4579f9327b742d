"""Snapshots: the same state as the whole fold, signed, and never believed when they do not fit."""

from __future__ import annotations

import dataclasses
import shutil
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import ca_protocol as m
from sshjit import canonical, entries, events, merkle, wire
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_ca import state as states
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import fast_reader, snapshots, snapshotting, verification
from sshjit_ca.oidc import id_tokens
from sshjit_ca.state import State, codec, pruning
from sshjit_ca.state.records import Login
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation
from tests.unit.ca.log_tools import change, refolded

DAY = 24 * 3600
same_ca = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def tell(ca: Installation) -> None:
    """A few things happen, one of them stays open."""
    alice, dana = ca.native(ALICE), ca.native(DANA)
    request = ca.ask(alice, "web1").request
    ca.ask(dana, "db1")
    ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    ca.say(m.ReadBundle(None), m.BundleReply)
    with pytest.raises(SshJitError):
        ca.ask(ca.web(CAROL), "web1")


def problems(ca: Installation) -> tuple[str, ...]:
    return verification.verify(ca.store, ca.context.keys.public("log")).problems


def begun_at(ca: Installation) -> int:
    """From which entry on the CA would fold."""
    verified = Succession.of(ca.context.keys.public("log"), ca.store).verified
    return snapshots.newest(ca.store, ca.config.origin, 2**40, verified).size


def test_a_start_from_a_snapshot_knows_what_the_whole_fold_knows(ca: Installation) -> None:
    tell(ca)
    snapshotting.keep_last(ca.context.journal)
    tell(ca)
    assert begun_at(ca) > 10
    ca.restart()
    tell(ca)
    assert codec.encode(ca.context.state) == codec.encode(refolded(ca))
    assert problems(ca) == ()
    head = merkle.head([row.leaf for row in ca.store.rows()])
    assert ca.context.journal.tree.head() == head


def test_a_snapshot_waits_until_what_is_known_is_in_the_log(ca: Installation) -> None:
    snapshotting.keep_last(ca.context.journal)
    assert not ca.context.journal.settled
    tell(ca)
    assert ca.context.journal.settled
    assert not ca.context.journal.snapshot_due


def test_only_the_newest_snapshots_are_kept(ca: Installation) -> None:
    for _ in range(4):
        tell(ca)
        snapshotting.keep_last(ca.context.journal)
    sizes = [each.size for each in snapshots.stored(ca.store)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == snapshots.KEPT


def edited(ca: Installation, old: bytes, new: bytes) -> None:
    (snapshot,) = snapshots.stored(ca.store)
    text = snapshots.unpacked(snapshot)
    assert old in text
    change(ca, "UPDATE snapshots SET state = ?", zlib.compress(text.replace(old, new)))


def test_an_edited_snapshot_is_not_believed_and_found(ca: Installation) -> None:
    """Whoever can write to the database makes carol one of the leads, in the snapshot alone."""
    tell(ca)
    snapshotting.keep_last(ca.context.journal)
    known = states.digest(ca.context.state)
    edited(ca, b'"groups":["SRE"]', b'"groups":["SRE Leads"]')
    assert any("snapshot" in problem for problem in problems(ca))
    assert begun_at(ca) == 0
    ca.restart()
    assert states.digest(ca.context.state) == known


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots SET size = size - 1",
        "UPDATE snapshots SET note = replace(note, 'test', 'tess')",
        "UPDATE snapshots SET note = (SELECT checkpoint FROM head)",
        "UPDATE snapshots SET state = x'00'",
        "UPDATE snapshots SET state = substr(state, 1, 50)",
        "UPDATE snapshots SET tiles = zeroblob(32)",
        "UPDATE snapshots SET fold = fold + 1",
        "DELETE FROM snapshots",
    ],
)
def test_a_snapshot_that_does_not_fit_is_passed_over(ca: Installation, statement: str) -> None:
    tell(ca)
    snapshotting.keep_last(ca.context.journal)
    known = states.digest(ca.context.state)
    change(ca, statement)
    assert begun_at(ca) == 0
    ca.restart()
    assert states.digest(ca.context.state) == known


def test_a_snapshot_of_another_history_is_not_used(ca: Installation) -> None:
    """One that was signed over entries that were then lost, as after a restore."""
    tell(ca)
    snapshotting.keep_last(ca.context.journal)
    change(
        ca, "UPDATE entries SET fact = CAST(replace(CAST(fact AS TEXT), 'false', 'true') AS BLOB) WHERE kind = 'login'"
    )
    assert begun_at(ca) == 0


def test_t87_a_snapshot_by_other_rules_is_passed_over_although_it_is_signed(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state reads back like any other; what it means is another version's."""
    tell(ca)
    with monkeypatch.context() as patch:
        patch.setattr(states, "FOLD", states.FOLD + (1 << 20))
        snapshotting.keep_last(ca.context.journal)
        assert begun_at(ca) == ca.context.state.size
    assert [each.size for each in snapshots.stored(ca.store)] == [ca.context.state.size]
    assert begun_at(ca) == 0
    assert problems(ca) == ()
    ca.restart()
    assert codec.encode(ca.context.state) == codec.encode(refolded(ca))


def test_a_snapshot_past_what_is_remembered_elsewhere_is_passed_over(ca: Installation) -> None:
    tell(ca)
    snapshotting.keep_last(ca.context.journal)
    size = begun_at(ca)
    verified = Succession.of(ca.context.keys.public("log"), ca.store).verified
    assert snapshots.newest(ca.store, ca.config.origin, size, verified).size == size
    assert snapshots.newest(ca.store, ca.config.origin, size - 1, verified).size == 0


def test_no_snapshot_hides_that_the_log_differs_from_what_is_remembered(ca: Installation, tmp_path: Path) -> None:
    """The database is of a history that a copy began; the checkpoint kept outside it is of the one that was lost."""
    tell(ca)
    ca.stop()
    shutil.copytree(ca.config.home, tmp_path / "copy")
    ca.start()
    tell(ca)
    ca.stop()
    remembered = (ca.config.home / "checkpoint").read_bytes()
    shutil.rmtree(ca.config.home)
    shutil.copytree(tmp_path / "copy", ca.config.home)
    ca.start()
    for _ in range(3):
        ca.later(60)
        tell(ca)
    snapshotting.keep_last(ca.context.journal)
    ca.stop()
    (ca.config.home / "checkpoint").write_bytes(remembered)
    with pytest.raises(Failed) as refused:
        ca.start()
    assert refused.value.code == "log_rolled_back"
    assert "differs from its checkpoint" in refused.value.message


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM entries WHERE number = 7", "the log is broken at entry 8"),
        (
            "UPDATE entries SET fact = CAST(replace(CAST(fact AS TEXT), 'false', 'true') AS BLOB) WHERE kind = 'login'",
            "the log does not fit its checkpoint",
        ),
    ],
)
def test_the_start_itself_finds_what_was_changed_where_nothing_is_remembered_elsewhere(
    ca: Installation, statement: str, said: str
) -> None:
    tell(ca)
    ca.stop()
    (ca.config.home / "checkpoint").unlink()
    change(ca, statement)
    with pytest.raises(Failed) as refused:
        ca.start()
    assert (refused.value.code, refused.value.message) == ("log_broken", said)


def test_the_version_of_the_fold_follows_the_fields_of_the_state() -> None:
    assert zlib.crc32(codec.shape().encode()) & 0xFFFFF == states.FOLD & 0xFFFFF
    for cls in (State, Login):
        for field in dataclasses.fields(cls):
            assert f"{field.name}: " in codec.shape()


def test_how_many_certificates_were_drawn_is_known_for_ever(ca: Installation) -> None:
    """Counted while they are at hand, written down with the grant when they go, and counted again from the log."""
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request.id
    for drawn in (2, 3):  # the first came with the answer
        ca.say(m.SignUser(alice, grant), m.CertificateReply)
        assert ca.say(m.ReadRequest(alice, grant), m.RequestReply).request.certificates == drawn
    for days in (0, 2, 60):  # at hand, over, and gone from the state
        ca.later(days * DAY)
        login, state = ca.native(ALICE), ca.context.state
        assert ((grant in state.certificates_of), (grant in state.requests)) == (days == 0, days < 60)
        assert ca.say(m.ReadRequest(login, grant), m.RequestReply).request.certificates == 3


def test_pruning_depends_on_entries_alone_and_requests_stay_for_ever(ca: Installation) -> None:
    """T26: months later the request is read from the log, with everything that was in it."""
    alice = ca.native(ALICE)
    first = ca.ask(alice, "web1").request
    before = ca.say(m.ReadRequest(alice, first.id), m.RequestReply).request
    for _ in range(20):
        ca.later(2 * DAY)
        login = ca.native(ALICE)
    state = ca.context.state
    assert first.id not in state.requests
    assert not state.certificates
    assert not state.revoked
    assert len(state.logins) < 6
    assert len(state.tokens) < 3
    assert codec.encode(state) == codec.encode(refolded(ca))
    after = ca.say(m.ReadRequest(login, first.id), m.RequestReply).request
    assert (after.digest, after.hosts, after.reason, after.certificates, after.requester) == (
        before.digest,
        before.hosts,
        before.reason,
        before.certificates,
        before.requester,
    )
    second = ca.ask(login, "web1").request
    listed = ca.say(m.ReadRequests(login, "mine", 10, None), m.RequestsReply).requests
    assert [each.id for each in listed] == [second.id, first.id]
    older = ca.say(m.ReadRequests(ca.web(BOB), "all", 10, second.asked), m.RequestsReply).requests
    assert [each.id for each in older] == [first.id]
    lines = ca.say(m.ReadLog(None, None, 500), m.LogReply, "admin").entries
    assert any("is open to a-1" in entry.summary for entry in lines)


def test_t65_a_token_that_was_dropped_is_too_old_to_be_taken(ca: Installation) -> None:
    assert pruning.TOKEN_KEPT > id_tokens.MAX_AGE + 2 * id_tokens.SKEW


NAMES = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def found(draw: st.DrawFn) -> State:
    """A state with tables of every shape."""
    opened = events.LoginOpened(
        *("login-a", "sub-a", "native", "ab", "SHA256:x", 1, None, 2),
        mfa=draw(st.booleans()),
        provider="acme",
        claim=draw(NAMES),
        name=draw(NAMES),
        email=draw(st.none() | NAMES),
        verified=True,
        groups=tuple(draw(st.lists(NAMES, max_size=3))),
        own=None,
        key_line=None,
        address="",
    )
    state = State(size=draw(st.integers(0, 2**40)), time=draw(st.integers(0, 2**40)))
    state.logins = {name: Login(opened, 1, 2) for name in draw(st.lists(NAMES, unique=True, max_size=4))}
    state.emails = {name: frozenset(draw(st.lists(NAMES, max_size=3))) for name in state.logins}
    state.requests_of = {name: draw(st.lists(NAMES, max_size=3)) for name in state.logins}
    state.revoked = draw(st.dictionaries(st.integers(0, 2**60), st.integers(0, 2**40), max_size=4))
    state.ended = dict.fromkeys(state.logins, (1, 2))
    state.tokens = draw(st.dictionaries(NAMES, st.integers(0, 2**40), max_size=4))
    return state


@same_ca
@given(found())
def test_every_state_reads_back_in_its_own_order(state: State) -> None:
    raw = canonical.dumps(codec.encode(state))
    again = codec.decode(wire.loads(raw))
    assert again == state
    assert list(again.logins) == list(state.logins)
    assert canonical.dumps(codec.encode(codec.copy(state))) == raw


@same_ca
@given(found(), st.data())
def test_a_state_with_other_fields_or_doubled_keys_is_refused(state: State, data: st.DataObject) -> None:
    value = wire.loads(canonical.dumps(codec.encode(state)))
    field = data.draw(st.sampled_from(sorted(value)))
    changed = dict(value)
    match data.draw(st.sampled_from(["drop", "add", "type", "twice"])):
        case "drop":
            del changed[field]
        case "add":
            changed["more"] = 1
        case "type":
            changed[field] = {"not": "this"}
        case _:
            changed["revoked"] = [[1, 2], [1, 3]]
    with pytest.raises(Invalid):
        codec.decode(changed)


@pytest.fixture
def rows(ca: Installation) -> list[entries.Entry]:
    tell(ca)
    return [row.entry for row in ca.store.rows()]


def test_quick_reading_reads_what_strict_reading_reads(rows: list[entries.Entry]) -> None:
    for entry in rows:
        assert fast_reader.read(entry) == entries.read(entry)


@same_ca
@given(st.data())
def test_quick_reading_refuses_what_strict_reading_refuses(rows: list[entries.Entry], data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(rows))
    assert entry.detail is not None
    assert entry.salt is not None
    parts = {"fact": entry.fact, "detail": entry.detail, "salt": entry.salt}
    name = data.draw(st.sampled_from(sorted(parts)))
    old = parts[name]
    at = data.draw(st.integers(0, max(0, len(old) - 1)))
    new = old[:at] + data.draw(st.sampled_from([b"", b" ", b"0", b'"', b"{", b"\x00", b"\xc3\xbc"])) + old[at + 1 :]
    parts[name] = new
    changed = entries.Entry(entry.index, entry.time, entry.kind, parts["fact"], parts["detail"], parts["salt"])
    try:
        expected: object = entries.read(changed)
    except Invalid as error:
        expected = error.code
    try:
        got: object = fast_reader.read(changed)
    except Invalid as error:
        got = error.code
    assert got == expected
