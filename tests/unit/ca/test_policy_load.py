"""Whom a new policy or new labels meet: said beforehand by a dry run, and when they are put in force."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca.cli import policies as cli_policies
from sshjit_ca.cli.effects import effects
from sshjit_ca.storage.store import Store
from tests.support import published_bundle
from tests.support.installation import ALICE, BOB, CAROL, DANA, POLICY, Installation
from tests.support.issuer import Issuer
from tests.support.signatures import ADMIN_POLICY, act, by

STRICTER = ('approvals = []\ngrant = "8h"', 'approvals = [{ from = "lead", count = 1 }]\ngrant = "8h"')
SIGNED = ("count = 1 }]\npending", "count = 1, signed = true }]\npending")


def load(ca: Installation, *changes: tuple[str, str], dry_run: bool = False) -> m.PolicyLoadReply:
    """Writes the policy's file, and has the operator load it."""
    text = ca.policy
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (ca.home / "policy.toml").write_text(text)
    reply = ca.say(m.LoadPolicy(dry_run), m.PolicyLoadReply, "admin")
    if not dry_run:
        ca.policy = text
    return reply


def relabel(ca: Installation, *, dry_run: bool, **labels: str) -> m.HostReply:
    return ca.say(m.LabelHost("web1", tuple(labels.items()), None, None, dry_run=dry_run), m.HostReply, "admin")


def load_and_end(ca: Installation, *changes: tuple[str, str], dry_run: bool = False) -> m.PolicyLoadReply:
    """The same, with the open grants revoked that the policy forbids."""
    text = ca.policy
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (ca.home / "policy.toml").write_text(text)
    reply = ca.say(m.LoadPolicy(dry_run, end_what_it_forbids=True), m.PolicyLoadReply, "admin")
    if not dry_run:
        ca.policy = text
    return reply


def read(ca: Installation, login: str, request: m.RequestView) -> m.RequestView:
    return ca.say(m.ReadRequest(login, request.id), m.RequestReply).request


def draws(ca: Installation, login: str, request: m.RequestView) -> bool:
    (answer,) = ca.say_all([m.SignUser(login, request.id)])
    return isinstance(answer, m.CertificateReply)


def test_a_dry_run_says_what_the_load_then_does(ca: Installation) -> None:
    alice, dana = ca.native(ALICE), ca.native(DANA)
    grant = ca.ask(alice, "web1").request
    other = ca.approve(ca.web(BOB), ca.ask(dana, "db1").request)
    waiting = ca.ask(dana, "db1", action="migrate").request
    before, size = ca.context.policy.digest, ca.context.journal.size
    said = load(ca, STRICTER, SIGNED, dry_run=True)
    assert (said.changed, said.loaded) == (True, False)
    assert (ca.context.policy.digest, ca.context.journal.size) == (before, size)
    assert {each.request for each in said.closes} == {grant.id, other.id}
    assert [each.request for each in said.ask_again] == [waiting.id]
    closed = next(each for each in said.closes if each.request == grant.id)
    assert closed == m.AffectedView(
        request=grant.id,
        requester=grant.requester,
        hosts=("web1",),
        login="deploy",
        action="shell",
        rule="staging",
        until=grant.ends or 0,
        code="policy_changed",
        why='rule "staging" now needs approval by 1 of lead',
    )
    assert said.ask_again[0].until == waiting.pending_until
    done = load(ca, STRICTER, SIGNED)
    assert done == replace(said, loaded=True)
    assert ca.context.policy.digest == done.digest
    assert ca.kinds()[-1] == "policy"
    for login, request in ((alice, grant), (dana, other)):
        (refused,) = ca.say_all([m.SignUser(login, request.id)])
        assert isinstance(refused, Refused)
        assert (refused.code, refused.message) == (
            "policy_changed",
            f"{request.id} is out of date: {next(each.why for each in done.closes if each.request == request.id)}",
        )


def test_what_goes_on_what_is_over_and_what_was_refused_before_is_not_listed(ca: Installation) -> None:
    alice = ca.native(ALICE)
    over = ca.ask(alice, "web1", duration=60).request
    ca.later(60)
    grant = ca.ask(alice, "web1").request
    load(ca, ('grant = "1h"', 'grant = "2h"'))
    assert load(ca, STRICTER, dry_run=True).closes[0].request == grant.id
    load(ca, STRICTER)
    again = load(ca, ("count = 1 }]\ngrant", "count = 2 }]\ngrant"))
    assert (again.closes, again.ask_again) == ((), ())
    assert over.id != grant.id


def test_an_approver_whom_the_policy_does_not_know_any_more_closes_a_grant_too(ca: Installation) -> None:
    dana = ca.native(DANA)
    request = ca.approve(ca.web(BOB), ca.ask(dana, "db1").request)
    said = load(ca, ('lead = ["acme/group:SRE Leads"]', 'lead = ["acme/group:Others"]'), dry_run=True)
    assert [(each.request, each.code) for each in said.closes] == [(request.id, "approval_gone")]


def test_keep_open_is_not_closed(ca: Installation) -> None:
    load(ca, ('name = "staging"\n', 'name = "staging"\nkeep_open = true\n'))
    ca.ask(ca.native(ALICE), "web1")
    assert load(ca, STRICTER, dry_run=True).closes == ()
    assert relabel(ca, dry_run=True, env="prod").closes == ()


def test_what_a_change_closes_fits_into_eighty_columns_and_repeats_nothing(ca: Installation) -> None:
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request
    said = load(ca, STRICTER, dry_run=True)
    (closed,) = said.closes
    long = replace(closed, why=f"{closed.why} and needs a sign-in with a second factor and a registered hardware key")
    text = effects((closed, long), (), would=True)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(grant.id) == 2, "once for each"
    assert f'\n    {grant.requester.name} <alice@example.com>: rule "staging" now needs approval by 1 of lead\n' in text
    assert text.endswith("a registered hardware key"), text


def test_every_problem_of_a_bad_file_is_said(ca: Installation) -> None:
    (ca.home / "policy.toml").write_text("version = 1\n[[allow]]\nname = 7\nroles = [3]\nlogins = 9\n")
    for dry_run in (True, False):
        with pytest.raises(Invalid) as bad:
            ca.say(m.LoadPolicy(dry_run), m.PolicyLoadReply, "admin")
        head, *problems = bad.value.message.splitlines()
        assert head == f"the policy has {len(problems)} problems:"
        assert len(problems) > 3
        assert all(problem.startswith("policy.toml:") for problem in problems)


def test_the_policy_in_force_is_not_loaded_twice(ca: Installation) -> None:
    size = ca.context.journal.size
    said = load(ca)
    assert (said.changed, said.loaded, ca.context.journal.size) == (False, True, size)


def test_a_bad_file_changes_nothing_and_is_a_trouble_until_a_good_one_is_loaded(ca: Installation) -> None:
    path, good = ca.home / "policy.toml", (ca.home / "policy.toml").read_text()

    def problems() -> tuple[str, ...]:
        return ca.say(m.Health(), m.HealthReply).problems

    for dry_run in (True, False):
        path.write_text("version = 1\n[[allow]]\nname = 7\n")
        with pytest.raises(Invalid, match=r"policy\.toml:3"):
            ca.say(m.LoadPolicy(dry_run), m.PolicyLoadReply, "admin")
        assert bool(problems()) is not dry_run, "a dry run is a question"
    path.write_text(good)
    ca.say(m.LoadPolicy(dry_run=False), m.PolicyLoadReply, "admin")
    assert problems() == ()
    path.chmod(0o666)
    with pytest.raises(SshJitError):
        ca.say(m.LoadPolicy(dry_run=False), m.PolicyLoadReply, "admin")


def test_a_load_that_could_not_be_written_down_leaves_the_policy_before_it(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    before, text = ca.context.policy.digest, ca.policy
    with closing(sqlite3.connect(ca.config.home / "ca.db", isolation_level=None)) as other:
        other.execute("CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'broken'); END")
        with pytest.raises(Failed):
            load(ca, STRICTER)
        with pytest.raises(Failed):
            ca.authority.change_policy(ca.authority.look_at_policy(text.replace(*STRICTER)))
        other.execute("DROP TRIGGER broken")
    assert draws(ca, login, request)
    assert ca.context.policy.digest == before == ca.context.state.policy
    assert load(ca, STRICTER).loaded


def test_labels_say_what_they_close(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.add_host("web2", env="staging")
    ca.ask(login, "web2")
    dry = relabel(ca, dry_run=True, env="prod")
    assert dict(dry.host.labels) == {"env": "staging"}
    assert draws(ca, login, request)
    done = relabel(ca, dry_run=False, env="prod")
    assert dict(done.host.labels) == {"env": "prod"}
    assert dry.closes == done.closes
    assert [(each.request, each.code) for each in done.closes] == [(request.id, "no_rule")]
    assert not draws(ca, login, request)
    assert relabel(ca, dry_run=False, env="prod").closes == ()


def test_a_dry_run_over_the_web_takes_the_permission_and_no_signature(ca: Installation) -> None:
    ca.change_policy(*ADMIN_POLICY)
    request = ca.ask(ca.native(ALICE), "web1").request
    bob, carol = ca.native(BOB), ca.native(CAROL)
    dry = m.LabelHost("web1", (("env", "prod"),), bob, None, dry_run=True)
    assert [each.request for each in ca.say(dry, m.HostReply).closes] == [request.id]
    for message, code in (
        (replace(dry, login_id=carol), "not_permitted"),
        (replace(dry, dry_run=False), "signature_needed"),
        (replace(act(ca, bob, by(ca.key(BOB)), dry), dry_run=False), "signature_refused"),
    ):
        with pytest.raises(Refused) as refused:
            ca.say(message, m.HostReply)
        assert refused.value.code == code
    signed = act(ca, bob, by(ca.key(BOB)), replace(dry, dry_run=False))
    assert [each.request for each in ca.say(signed, m.HostReply).closes] == [request.id]


def test_the_operator_reads_it_as_a_table(ca: Installation) -> None:
    grant = ca.ask(ca.native(ALICE), "web1").request
    waiting = ca.ask(ca.native(DANA), "db1", action="migrate").request
    dry = cli_policies.loaded(load(ca, STRICTER, SIGNED, dry_run=True)).splitlines()
    assert dry[0].endswith("(2 rules) can be loaded; nothing was changed")
    assert dry[1] == "1 open grant would give no further certificate:"
    assert dry[2].split() == ["REQUEST", "ACCESS", "UNTIL", "(UTC)"]
    assert dry[3].startswith(f"{grant.id}  deploy@web1  ")
    assert dry[4].startswith(f"    {grant.requester.name} <alice@example.com>: ")
    assert dry[5] == "1 waiting request would have to be made again:"
    assert dry[7].startswith(f"{waiting.id}  postgres@db1 migrate  ")
    done = cli_policies.loaded(load(ca, STRICTER, SIGNED))
    assert "is in force\n1 open grant gives no further certificate:" in done
    assert "1 waiting request has to be made again:" in done
    assert cli_policies.loaded(load(ca)).endswith("is in force already")
    assert effects((), ()) == "it closes no open grant and no waiting request"
    assert effects((), (), would=True) == "it would close no open grant and no waiting request"


# ------------------------------------------------------------------------------------------- ending what it forbids


def test_what_a_policy_forbids_is_revoked_where_that_is_asked_for(ca: Installation) -> None:
    alice, dana = ca.native(ALICE), ca.native(DANA)
    grant = ca.ask(alice, "web1").request
    kept = ca.approve(ca.web(BOB), ca.ask(dana, "db1").request)
    waiting = ca.ask(dana, "db1", action="migrate").request
    said = load_and_end(ca, STRICTER, dry_run=True)
    assert [each.request for each in said.ended] == [grant.id]
    assert (said.loaded, said.closes) == (False, ())
    assert read(ca, alice, grant).state == "approved", "a dry run ends nothing"
    done = load_and_end(ca, STRICTER)
    assert done == replace(said, loaded=True)
    ended = read(ca, alice, grant)
    why = 'rule "staging" now needs approval by 1 of lead'
    assert (ended.state, ended.closing) == ("revoked", f"policy {done.digest[:12]} forbids it: {why}")
    assert [each for each, _ in published_bundle.newest(ca).ended] == [grant.id], "hosts end its sessions"
    assert read(ca, dana, kept).state == "approved"
    assert draws(ca, dana, kept)
    assert read(ca, dana, waiting).state == "pending"
    text = cli_policies.loaded(done)
    assert "1 open grant was revoked:\n" in text
    assert "no further certificate" not in text


def test_what_was_closed_before_is_revoked_later(ca: Installation) -> None:
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request
    load(ca, STRICTER)
    assert read(ca, alice, grant).state == "approved"
    size = ca.context.journal.size
    again = load_and_end(ca)
    assert (again.changed, [each.request for each in again.ended]) == (False, [grant.id])
    assert ca.kinds()[size:] == ["close"]
    assert "is in force already\n1 open grant was revoked:" in cli_policies.loaded(again)
    assert load_and_end(ca).ended == ()


def test_a_kept_grant_is_not_ended_and_a_deny_ends_it(ca: Installation) -> None:
    load(ca, ('name = "staging"\n', 'name = "staging"\nkeep_open = true\n'))
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request
    assert load_and_end(ca, STRICTER).ended == ()
    freeze = '[[deny]]\nname = "freeze"\nhosts = { env = "staging" }\n[[allow]]\nname = "staging"'
    assert [each.code for each in load_and_end(ca, ('[[allow]]\nname = "staging"', freeze)).ended] == ["denied_by_rule"]
    assert read(ca, alice, grant).state == "revoked"


def test_what_labels_forbid_is_revoked_by_the_operator_alone(ca: Installation) -> None:
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request
    ca.add_host("web2", env="staging")
    other = ca.ask(alice, "web2").request
    label = m.LabelHost("web1", (("env", "prod"),), None, None, end_what_it_forbids=True)
    (refused,) = ca.say_all([replace(label, login_id=ca.native(BOB))])
    assert isinstance(refused, SshJitError)
    assert refused.code == "not_permitted"
    dry = ca.say(replace(label, dry_run=True), m.HostReply, "admin")
    assert ([each.request for each in dry.ended], dry.closes) == ([grant.id], ())
    assert read(ca, alice, grant).state == "approved"
    assert ca.say(label, m.HostReply, "admin").ended == dry.ended
    ended = read(ca, alice, grant)
    assert ended.state == "revoked"
    assert ended.closing.startswith("the labels of web1 forbid it: no rule allows logging in to web1")
    assert read(ca, alice, other).state == "approved"


def test_an_open_grant_shows_the_end_that_policy_gives_it_now(ca: Installation) -> None:
    """It is 08:00 UTC: a freeze from ten on ends the window of eight hours."""
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request
    assert grant.ends == int(ca.time) + 8 * 3600
    hours = 'hours = "10:00-12:00"\nzone = "UTC"\n'
    freeze = f'[[deny]]\nname = "freeze"\nhosts = {{ env = "staging" }}\n{hours}[[allow]]\nname = "staging"'
    assert load_and_end(ca, ('[[allow]]\nname = "staging"', freeze)).ended == (), "it forbids nothing yet"
    ten = 1_800_007_200
    assert read(ca, alice, grant).ends == ten
    assert ca.ask(alice, "web1").request.ends == ten
    mine = ca.say(m.ReadRequests(alice, "mine", 10, None), m.RequestsReply).requests
    assert [each.ends for each in mine] == [ten]
    ca.later(2 * 3600)
    assert [each.request for each in load_and_end(ca).ended] == [grant.id]


# ------------------------------------------------------------------------------------------------ what must never be

NEVER = (
    '[[allow]]\nname = "staging"',
    '[[never]]\nname = "prod-approval"\nhosts = { env = "prod" }\nwithout = "approval"\n[[allow]]\nname = "staging"',
)
LAX = ('approvals = [{ from = "lead", count = 1 }]\npending', "approvals = []\npending")


def tried(ca: Installation, *changes: tuple[str, str], **options: bool) -> m.Reply | SshJitError:
    """Writes the policy's file, and has the operator load it."""
    text = ca.policy
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (ca.home / "policy.toml").write_text(text)
    (answer,) = ca.say_all([replace(m.LoadPolicy(dry_run=False), **options)], "admin")
    if isinstance(answer, m.PolicyLoadReply) and answer.loaded:
        ca.policy = text
    return answer


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_must_never_be_is_not_loaded(ca: Installation, dry_run: bool) -> None:  # noqa: FBT001
    load(ca, NEVER)
    before, size = ca.context.policy.digest, ca.context.journal.size
    refused = tried(ca, LAX, dry_run=dry_run)
    assert isinstance(refused, Refused)
    assert (refused.code, ca.context.policy.digest, ca.context.journal.size) == ("never_broken", before, size)
    assert '"prod-approval": rule "database" allows logging in to a host with env=prod and role=db' in refused.message
    assert "--accept" in refused.hint
    (ca.home / "policy.toml").write_text(ca.policy)
    assert ca.say(m.LoadPolicy(dry_run=True), m.PolicyLoadReply, "admin").changed is False


def test_the_sentence_of_the_policy_in_force_counts_not_that_of_the_new_one(ca: Installation) -> None:
    """Who takes the sentence away takes it away in a step of its own."""
    load(ca, NEVER)
    both = (NEVER[1], NEVER[0])
    assert getattr(tried(ca, LAX, both), "code", "") == "never_broken"
    assert isinstance(tried(ca, both), m.PolicyLoadReply)
    assert isinstance(tried(ca, LAX), m.PolicyLoadReply)


def test_a_new_value_does_not_slip_past_all_but_some(ca: Installation) -> None:
    """Also if the new policy's own sentence leaves it out: that of the policy in force decides."""
    load(ca, (NEVER[0], NEVER[1].replace('{ env = "prod" }', '{ env = { not = "staging" } }')))
    canary = ('values = ["prod", "staging"]', 'values = ["prod", "staging", "canary"]')
    wider = ('hosts = { env = "staging" }', 'hosts = { env = ["staging", "canary"] }')
    spared = ('{ not = "staging" }', '{ not = ["staging", "canary"] }')
    assert isinstance(tried(ca, canary, dry_run=True), m.PolicyLoadReply)
    for changes in ((canary, wider), (canary, wider, spared)):
        refused = tried(ca, *changes)
        assert isinstance(refused, Refused)
        assert (refused.code, "env=canary" in refused.message) == ("never_broken", True)


def test_a_policy_that_breaks_its_own_sentence_is_not_loaded_either(ca: Installation) -> None:
    load(ca, LAX)
    assert getattr(tried(ca, NEVER), "code", "") == "never_broken"


def test_a_role_that_is_gone_leaves_a_sentence_undecided_which_is_no_proof(ca: Installation) -> None:
    load(ca, (NEVER[0], NEVER[1].replace('without = "approval"', 'unless_role = "dba"')))
    refused = tried(ca, ("dba", "database-people"))
    assert isinstance(refused, Refused)
    assert "cannot be decided: the policy has no role dba" in refused.message


def test_a_load_that_was_decided_against_an_older_policy_is_refused(ca: Installation) -> None:
    """Of two loads at a time, the second must not pass the sentence that the first brings."""
    (ca.home / "policy.toml").write_text(ca.policy.replace(*LAX))
    lax = ca.prepared(m.LoadPolicy(dry_run=False), "admin")
    (ca.home / "policy.toml").write_text(ca.policy.replace(*NEVER))
    guarded = ca.prepared(m.LoadPolicy(dry_run=False), "admin")
    first, second = ca.authority.answer([guarded, lax])
    assert isinstance(first, m.PolicyLoadReply)
    assert isinstance(second, Refused)
    assert (second.code, ca.context.policy.digest) == ("policy_changed", first.digest)
    assert ca.context.policy_refused is False
    (ca.home / "policy.toml").write_text(ca.policy.replace(*LAX))
    (again,) = ca.say_all([m.LoadPolicy(dry_run=False)], "admin")
    assert getattr(again, "code", "") == "never_broken"


def test_the_operator_accepts_it_and_the_log_says_so(ca: Installation) -> None:
    load(ca, NEVER)
    answer = tried(ca, LAX, accept=True)
    assert isinstance(answer, m.PolicyLoadReply)
    assert answer.loaded
    (*_, last) = [entries.read(row.entry) for row in ca.store.rows()]
    assert isinstance(last, events.PolicyLoaded)
    assert last.accepted == ("prod-approval",)
    assert ca.context.policy_refused is False


def test_the_one_in_force_goes_on_after_a_reload_and_after_a_start(ca: Installation) -> None:
    load(ca, NEVER)
    before = ca.context.policy.digest
    lax = ca.policy.replace(*LAX)
    with pytest.raises(Refused) as refused:
        ca.authority.change_policy(ca.authority.look_at_policy(lax))
    assert refused.value.code == "never_broken"
    (ca.home / "policy.toml").write_text(lax)
    ca.restart()
    assert (ca.context.policy.digest, ca.context.policy_refused) == (before, True)
    assert ca.ask(ca.native(DANA), "db1").request.state == "pending"
    (ca.home / "policy.toml").write_text(ca.policy.replace('grant = "8h"', 'grant = "7h"'))
    ca.restart()
    assert ca.context.policy.digest != before
    assert ca.context.policy_refused is False


def test_the_first_policy_does_not_break_its_own_sentence_either(issuers: dict[str, Issuer], tmp_path: Path) -> None:
    home = tmp_path / "new"
    home.mkdir()
    broken = POLICY.replace(*NEVER).replace(*LAX)
    with pytest.raises(Failed) as caught:
        Installation(home, issuers, policy=broken)
    assert caught.value.code == "never_broken"
    assert '"prod-approval": rule "database" allows' in caught.value.message


def test_nor_does_one_after_a_policy_that_this_release_cannot_read(
    ca: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load(ca, NEVER)
    before = ca.context.policy.digest
    monkeypatch.setattr(Store, "policy_texts", lambda _: [(before, "version = 99\n")])
    (ca.home / "policy.toml").write_text(ca.policy.replace(*LAX))
    with pytest.raises(Failed) as caught:
        ca.restart()
    assert caught.value.code == "never_broken"
    ca.stop()
    (ca.home / "policy.toml").write_text(ca.policy.replace('grant = "8h"', 'grant = "7h"'))
    ca.start()
    assert ca.context.policy.digest != before
    assert "its sentences count for nothing" in caplog.text


STAGING = '[[allow]]\nname = "staging"'
FREEZE = '[[deny]]\nname = "freeze"\nhosts = { env = "staging" }\nhours = "HOURS"\nzone = "UTC"\n'


def freeze(ca: Installation, after: int) -> tuple[str, str]:
    """A freeze that begins so many hours from now, for one hour."""
    hour = int(ca.time) // 3600 % 24 + after
    return STAGING, FREEZE.replace("HOURS", f"{hour % 24:02}:00-{(hour + 1) % 24:02}:00") + STAGING


def test_what_a_freeze_that_begins_later_ends_sooner_is_listed(ca: Installation) -> None:
    """By the dry run and by the load; not again by a change that has nothing to do with it."""
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.ask(ca.native(DANA), "db1")
    for dry_run in (True, False):
        reply = load(ca, freeze(ca, 2), dry_run=dry_run)
        assert (reply.closes, reply.ask_again) == ((), ())
        (view,) = reply.sooner
        assert (view.request, view.code) == (request.id, "ends_sooner")
        assert request.ends is not None
        assert ca.time < view.until < request.ends
        assert view.until == read(ca, login, request).ends or dry_run
        would = "would end" if dry_run else "ends"
        assert f"1 open grant {would} sooner:" in cli_policies.loaded(reply)
    assert load(ca, ('certificate = "5m"', 'certificate = "4m"')).sooner == ()


def test_labels_that_a_later_freeze_is_about_list_it_too(ca: Installation) -> None:
    relabel(ca, dry_run=False, env="staging", role="loud")
    request = ca.ask(ca.native(ALICE), "web1").request
    old, new = freeze(ca, 2)
    load(ca, (old, new.replace('{ env = "staging" }', '{ env = "staging", role = "quiet" }')))
    assert relabel(ca, dry_run=True, env="staging", role="noisy").sooner == ()
    (view,) = relabel(ca, dry_run=True, env="staging", role="quiet").sooner
    assert view.request == request.id


def test_a_rule_that_is_renamed_begins_at_nothing_and_it_is_said(ca: Installation) -> None:
    limited = ('name = "staging"\n', 'name = "staging"\nlimits = { person = { week = 1 } }\n')
    ca.ask(ca.native(ALICE), "web1")
    assert load(ca, limited).notes == (), "the rule was there, and counts what it gave"
    reply = load(ca, ('name = "staging"\nlimits', 'name = "stage"\nlimits'), dry_run=True)
    assert reply.notes == (
        'the limits of rule "stage", which is new, begin at nothing; what was granted by staging does not count',
    )
    assert reply.notes[0] in cli_policies.loaded(reply)
