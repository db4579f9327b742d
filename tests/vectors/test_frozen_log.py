"""The log of release 0.1.0: every later version reads and verifies it, knows the same by it, and goes on with it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sshjit import bundle, canonical, checkpoint, entries, events, merkle, sshcert, tlogproof
from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit_ca import state as states
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import erasure, export, fast_reader, snapshots, verification
from sshjit_ca.state import State, codec
from sshjit_ca.storage.store import Store
from tests.support import postgres, signatures
from tests.support.ca_process import run_command
from tests.support.frozen_ca import FrozenCa, frozen_ca
from tests.support.frozen_log import FIRST_KEY, FOLDER, as_json, expected, fill, includes, rows
from tests.support.installation import BOB

COLUMNS = ("time", "kind", "fact", "leaf", "detail", "salt", "subject", "request")


# ----------------------------------------------------------------------------------------------------- read, and folded


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that holds the frozen log, at rest."""
    path = tmp_path_factory.mktemp("frozen") / "ca.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    fill(store)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return path


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, database: Path) -> Iterator[Store]:
    """The frozen log in a store of either kind."""
    if request.param == "sqlite":
        found = Store(f"sqlite:///{database}", read_only=True)
        yield found
        found.close()
        return
    with postgres.running() as server:
        found = Store(server.new())
        fill(found)
        yield found
        found.close()


def folded(reader: ModuleType = entries) -> State:
    """What is known after every entry, by one of the two readers."""
    state = State()
    for row in rows():
        event = reader.read(row.entry) or reader.read_erased(row.entry)
        states.apply(state, event, row.entry.index, row.entry.time)
    return state


def test_it_holds_every_kind_of_entry_of_its_release_and_erased_ones_too() -> None:
    found: dict[str, list[int]] = {}
    for row in rows():
        found.setdefault(row.entry.kind, []).append(row.entry.index)
    assert found == expected()["entries"]
    assert len(found) == 32
    assert found.keys() <= events.KINDS.keys(), "a kind of entry is never taken away"
    assert {row.entry.kind for row in rows() if row.entry.detail is not None} == found.keys()
    assert sum(row.entry.detail is None for row in rows()) == expected()["erased"] > 20


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.entry.index}-{row.entry.kind}")
def test_both_readers_say_the_same_of_an_entry_and_write_again_what_it_says(row: Any) -> None:
    entry = row.entry
    event = entries.read(entry)
    assert event == fast_reader.read(entry)
    if event is None:
        left = entries.read_erased(entry)
        assert left == fast_reader.read_erased(entry)
        assert events.kind_of(left) == entry.kind
        return
    assert events.kind_of(event) == entry.kind
    again = entries.write(event, entry.index, entry.time, entry.salt)
    assert entries.read(again) == event
    body, detail = json.loads(entry.fact)["body"], json.loads(entry.detail)
    facts, details = events.split(event)
    assert includes(plain_dict(facts), body)
    assert includes(plain_dict(details), detail)


def plain_dict(fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(canonical.dumps(fields))
    return found


def test_both_readers_fold_to_the_same_state() -> None:
    assert states.digest(folded()) == states.digest(folded(fast_reader))


def test_what_is_known_after_it_is_what_was_known() -> None:
    state, then = folded(), expected()
    assert (state.size, state.epoch, state.sequence, state.policy) == (
        then["size"],
        then["epoch"],
        then["sequence"],
        then["policy"],
    )
    assert {key.fingerprint: [key.purpose, key.state, key.revoked] for key in state.keys.values()} == then["keys"]
    assert sorted([serial, until] for serial, until in state.revoked.items()) == then["revoked"]
    assert {grant: list(pair) for grant, pair in state.ended.items()} == then["ended"]
    assert state.extended == then["extended"]


def test_what_a_forgetting_would_erase_is_named_entry_by_entry(store: Store) -> None:
    """In ranges that hold no other entry of a kind that may be erased; on either database."""
    (request,) = {row.request for row in rows() if row.entry.index == expected()["entries"]["decision"][0]}
    assert request is not None
    login = expected()["entries"]["login"][-1]
    plan = erasure.Plan(2**40, frozenset({request}), frozenset({login}))
    goes = {
        row.entry.index
        for row in rows()
        if row.entry.kind in erasure.ERASABLE and row.entry.detail is not None
        if row.entry.index != login and (row.request != request or row.entry.kind in erasure.BY_AGE)
    }
    (event,) = erasure.events_for(store, plan, erasure.count(store, plan.where()))
    assert event.entries is not None
    named = {index for first, end in event.entries for index in range(first, end)}
    kinds = {row.entry.index for row in rows() if row.entry.kind in erasure.ERASABLE}
    assert named & kinds == goes
    assert event.erased == len(goes) > 20
    assert len(event.entries) >= 3


def test_the_head_is_the_one_that_was_signed() -> None:
    tree = merkle.Frontier()
    for row in rows():
        tree.append(merkle.leaf_hash(row.entry.fact))
    note = (FOLDER / "checkpoint").read_text()
    assert tree.head().hex() == expected()["head"]
    assert note.split("\n")[1] == str(tree.size)


# ------------------------------------------------------------------------------------------------------------- verified


def test_verify_says_that_it_is_whole(store: Store) -> None:
    against = Succession.of(FIRST_KEY, store).verified((FOLDER / "remembered" / "checkpoint").read_text())
    verdict = verification.verify(store, FIRST_KEY, against=[against], processes=1)
    then = expected()
    assert verdict.problems == tuple(then["problems"]) == ()
    assert (verdict.size, verdict.head.hex(), verdict.erased) == (then["size"], then["head"], then["erased"])
    assert verdict.checkpoint == against


def test_its_snapshots_are_what_a_fold_of_today_comes_to_or_are_passed_over(store: Store) -> None:
    """``FOLD`` is raised with every change of what a fold does; until then the snapshots of the release count."""
    keys = Succession.of(FIRST_KEY, store)
    stored = list(snapshots.stored(store))
    assert [each.size for each in stored] == sorted((each.size for each in stored), reverse=True)
    assert len(stored) == 2
    signers = set()
    for each in stored:
        assert keys.verified(each.note).size == each.size
        signers.add(each.note.splitlines()[-1].split()[2][:6])
        begun = snapshots.newest(store, "test/ssh-jit", each.size, keys.verified)
        assert begun.size in ({each.size} if each.fold == states.FOLD else {0})
        for row in rows()[begun.size :]:
            event = fast_reader.read(row.entry) or fast_reader.read_erased(row.entry)
            states.apply(begun.state, event, row.entry.index, row.entry.time)
        assert codec.encode(begun.state) == codec.encode(folded())
    assert len(signers) == 2, "one is signed by the first log key, one by the second"


@pytest.fixture
def copy(database: Path, tmp_path: Path) -> Path:
    """A database that a test may damage."""
    return Path(shutil.copy(database, tmp_path / "copy.db"))


def problems(path: Path) -> tuple[str, ...]:
    store = Store(f"sqlite:///{path}", read_only=True)
    try:
        return verification.verify(store, FIRST_KEY, processes=1).problems
    finally:
        store.close()


def flipped(value: Any, number: int) -> Any:
    """The same with one bit, letter or unit changed, at a place that ``number`` chooses."""
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, str):
        at = number % len(value)
        return value[:at] + ("x" if value[at] != "x" else "y") + value[at + 1 :]
    at = number * 31 % len(value)
    return value[:at] + bytes([value[at] ^ 1 << number % 7]) + value[at + 1 :]


def test_one_changed_byte_of_any_column_of_any_entry_is_found(copy: Path) -> None:
    assert problems(copy) == ()
    for number, row in enumerate(rows()):
        columns = dict(zip(("number", *COLUMNS), row.values, strict=True))
        there = [name for name in COLUMNS if columns[name] is not None]
        name = there[number % len(there)]
        update = f"UPDATE entries SET {name} = ? WHERE number = ?"  # noqa: S608 - names of ours
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute(update, (flipped(columns[name], number), row.entry.index))
        assert problems(copy), (row.entry.index, name)
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute(update, (columns[name], row.entry.index))
    assert problems(copy) == ()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE head SET checkpoint = replace(checkpoint, '137', '136')",
        "UPDATE head SET size = 136",
        "UPDATE policies SET text = replace(text, '8h', '9h')",
        "DELETE FROM policies",
        "UPDATE snapshots SET note = replace(note, 'test/', 'toast/')",
        "UPDATE snapshots SET size = size - 1",
        "DELETE FROM entries WHERE number = 136",
        "DELETE FROM entries WHERE number = 0",
        "UPDATE entries SET detail = NULL, salt = NULL WHERE kind = 'host'",
    ],
)
def test_what_else_is_changed_is_found_too(copy: Path, change: str) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        assert connection.execute(change).rowcount
    assert problems(copy)


# -------------------------------------------------------------------------------------------------------- gone on with


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[FrozenCa]:
    """A CA of today that was started on the frozen log."""
    with frozen_ca(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrozenCa]:
    """The same for tests that only read."""
    with frozen_ca(tmp_path_factory.mktemp("shown")) as started:
        yield started


def test_a_ca_starts_on_it_in_a_new_epoch_and_the_log_stays_whole(ca: FrozenCa) -> None:
    then = expected()
    assert ca.context.state.epoch == then["epoch"] + 1
    assert ca.kinds()[then["size"] :] == ["start", "provider", "provider"], "what its people signed in by is bound now"
    ca.restart()
    verdict = verification.verify(ca.store, FIRST_KEY, processes=1)
    assert (verdict.problems, verdict.size) == ((), then["size"] + 4)


def test_it_shows_what_was_shown(shown: FrozenCa) -> None:
    then = expected()
    bob = then["named"]["bob"]
    found = shown.say(m.ReadRequests(bob, "all", 100, None), m.RequestsReply).requests
    assert includes(as_json(found), then["requests"])
    assert sorted(each.id for each in found if each.state == "approved") == then["live"]
    assert includes(as_json(shown.say(m.ReadHosts(bob), m.HostsReply).hosts), then["hosts"])
    assert includes(as_json(shown.say(m.ReadLocks(bob), m.LocksReply).locks), then["locks"])
    hardware = shown.say(m.ReadHardwareKeys(), m.HardwareKeysReply, "admin").keys
    assert includes(as_json(hardware), then["hardware_keys"])
    for name, login in then["logins"].items():
        assert includes(as_json(shown.say(m.ReadLogin(then["named"][name]), m.LoginReply).login), login)


def test_every_message_that_only_reads_is_answered(shown: FrozenCa) -> None:
    named = expected()["named"]
    alice, bob = named["alice"], named["bob"]
    explained = m.Explain(bob, None, ("db1",), (), None, "shell", None, None, "", None, False, "192.0.2.7")  # noqa: FBT003
    web: list[m.Message] = [
        m.ReadLogin(alice),
        m.ReadLogins(alice),
        *(m.ReadRequest(bob, request) for request in (named["pending"], named["break_glass"], named["automatic"])),
        *(m.ReadRequests(bob, scope, 50, None) for scope in ("mine", "approve", "review", "all")),
        explained,
        m.ReadFeed(-1, 100),
        m.ReadLocks(bob),
        m.ReadPasskeys(bob, everybody=True),
        m.ReadReach(bob, "everything", None),
        m.ReadHostHealth(bob, ("db1",)),
        m.ReadHosts(bob),
        m.ReadLog(bob, None, 1000),
        m.ReadTile("tile/0/000.p/137"),
        m.ReadCosigned(),
        m.ReadMetrics(),
        m.ReadPolicy(),
        m.ReadBundle(None),
        m.ReadChallenge(bob),
        m.Health(),
    ]
    admin: list[m.Message] = [
        m.ReadProof(int(named["serial"])),
        m.ReadKeys(),
        m.ReadPolicies(),
        *(m.ReadPolicy(path.stem) for path in (FOLDER / "policies").iterdir()),
        m.ReadHardwareKeys(),
        m.ReadInvitations(),
        m.Status(),
    ]
    for message in web:
        shown.say(message, m.REPLIES[type(message)])
    for message in admin:
        shown.say(message, m.REPLIES[type(message)], "admin")
    reading = {kind for name, kind in m.MESSAGES.items() if name.startswith("read_")} | {m.Health, m.Status, m.Explain}
    of_passkeys = {m.ReadPasskeyOffer, m.ReadPasskeyOptions, m.ReadPasskeyChallenge}  # refused: it takes none
    assert {type(message) for message in (*web, *admin)} == reading - of_passkeys


def test_certificates_are_drawn_from_grants_that_live(ca: FrozenCa) -> None:
    named = expected()["named"]
    for who, grant, principal in (("alice", "automatic", "deploy@web1"), ("dana", "reviewed", "postgres@db1")):
        drawn = ca.say(m.SignUser(named[who], named[grant]), m.CertificateReply).certificate
        certificate, _, _ = sshcert.parse_line(drawn.text)
        assert certificate.principals == (principal,)
        assert drawn.serial >> 40 == ca.context.state.epoch
    for grant in ("ended", "revoked", "mallory", "pending", "scheduled", "extension"):
        with pytest.raises(SshJitError):
            ca.say(m.SignUser(named["alice"], named[grant]), m.CertificateReply)
    assert verification.verify(ca.store, FIRST_KEY, processes=1).problems == ()


def test_what_waits_is_approved_by_the_digest_that_was_shown_then_and_a_signature(ca: FrozenCa) -> None:
    named = expected()["named"]
    then = next(each for each in expected()["requests"] if each["id"] == named["pending"])
    request = ca.say(m.ReadRequest(named["bob"], named["pending"]), m.RequestReply).request
    assert request.digest == then["digest"]
    message = signatures.answer(ca, named["bob"], signatures.by(ca.key(BOB)), request, "go on")
    assert ca.say(message, m.RequestReply).request.state == "approved"
    drawn = ca.say(m.SignUser(named["dana"], named["pending"]), m.CertificateReply).certificate
    assert dict(sshcert.parse_line(drawn.text)[0].critical)["force-command"] == "/opt/app/bin/migrate"


def test_an_enrolled_host_goes_on_to_renew_and_report(ca: FrozenCa) -> None:
    ca.later(120)
    key = ca.host_key("db1")
    reply = ca.say(signatures.renew(ca, "db1", (key,)), m.HostReply)
    assert sshcert.parse_line(reply.certificates[0])[0].principals[0] == "db1"
    ca.say(signatures.report(ca, "db1", key, sessions=2), m.Done)


def test_the_next_bundle_goes_on_from_the_last_one_and_takes_back_nothing(ca: FrozenCa) -> None:
    older = bundle.read((FOLDER.parent / "bundle-1" / "bundle.json").read_text())
    reply = ca.say(m.ReadBundle(older.sequence), m.BundleReply)
    assert reply.bundle is not None
    newer = bundle.read(reply.bundle)
    assert newer.sequence == older.sequence + 1
    assert bundle.replaces(newer, older)
    assert (newer.root, newer.succession, newer.retired) == (older.root, older.succession, older.retired)
    assert set(older.ended) <= set(newer.ended)
    assert set(older.extended) <= set(newer.extended)


def test_old_details_are_forgotten_and_it_stays_whole(ca: FrozenCa) -> None:
    ca.later(40 * 24 * 3600)
    reply = ca.say(m.Forget(int(ca.time) - 32 * 24 * 3600, dry_run=False), m.ForgetReply, "admin")
    assert reply.erased > 10
    ca.restart()
    verdict = verification.verify(ca.store, FIRST_KEY, processes=1)
    assert verdict.problems == ()
    assert verdict.erased == expected()["erased"] + reply.erased
    assert verdict.unlisted == expected()["erased"], "release 0.1.0 did not record which ones"


# ---------------------------------------------------------------------------------------------- the operator's commands


def test_the_operator_s_commands_read_it(tmp_path: Path) -> None:
    with frozen_ca(tmp_path) as ca:
        ca.stop()
        config = ca.home / "ca.toml"
        verdict = json.loads(run_command(config, "log", "verify", "--json"))
        assert verdict["problems"] == []
        lines = [json.loads(line) for line in run_command(config, "log", "export").splitlines()]
        assert [line["fact"].encode() for line in lines[: len(rows())]] == [row.entry.fact for row in rows()]
        assert len(lines) == verdict["size"] + 1
        turned = run_command(config, "log", "export", "--format", "ocsf").splitlines()
        assert len(turned) == verdict["size"], "without the checkpoint: every line is an event"
        archive = ca.home / "report.zip"
        days = ("--from", "2023-11-14", "--to", "2023-12-20")
        run_command(config, "report", *days, "--format", "csv", "--output", str(archive))
        with zipfile.ZipFile(archive) as files:
            name = next(name for name in files.namelist() if Path(name).stem == "requests")
            table = list(csv.DictReader(io.StringIO(files.read(name).decode("utf-8-sig"))))
        assert {each["id"] for each in expected()["requests"]} <= {value for row in table for value in row.values()}
        page = run_command(config, "report", *days)
        assert "CHG-8 reindex" in page
        index = next(row.entry.index for row in rows() if b"CHG-8" in (row.entry.detail or b""))
        with closing(sqlite3.connect(ca.home / "ca" / "ca.db")) as connection, connection:
            changed = (rows()[index].entry.detail or b"").replace(b"CHG-8", b"CHG-9")
            connection.execute("UPDATE entries SET detail = ? WHERE number = ?", (changed, index))
        assert f"entry {index}" in run_command(config, "log", "verify", code=1)


def test_ocsf_events_name_what_the_entries_say(store: Store) -> None:
    told = [json.loads(line) for line in export.as_ocsf(store, 0)]
    assert len(told) == len(rows())
    assert "dana@example.com" in json.dumps(told)


def test_the_frozen_proof_still_proves_its_certificate(store: Store) -> None:
    proof = tlogproof.parse((FOLDER.parent / "protocol-1" / "proof").read_text())
    head = Succession.of(FIRST_KEY, store).verified(proof.note)
    row = rows()[proof.index]
    event = entries.read(row.entry)
    assert isinstance(event, events.Issued)
    tlogproof.check(proof, event.serial, event.certificate, head)
    assert checkpoint.size_of(proof.note) == len(rows())
