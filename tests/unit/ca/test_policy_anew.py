"""New labels and stricter rules reach open grants and waiting requests: everything is evaluated anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import sshcert
from sshjit.errors import Refused
from tests.support.break_glass import GLASS, break_glass
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.signatures import answer, by

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
HOUR = 3600
PROD_WEB = """[[allow]]
name = "prod-web"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["deploy"]
approvals = [{ from = "lead", count = 1 }]
grant = "1h"
certificate = "5m"
"""
STEPS = 'approvals = [{ from = "lead", count = 1 }]\npending = "30m"'
KEEP = ('name = "staging"\n', 'name = "staging"\nkeep_open = true\n')
MORE = {
    "another rule": ('name = "database"', 'name = "databases"'),
    "an approval more": (STEPS, STEPS.replace("count = 1", "count = 2")),
    "a signature": (STEPS, STEPS.replace("count = 1", "count = 1, signed = true")),
    "a second factor": (STEPS, f"{STEPS}\nmfa = true"),
    "a signed request": (STEPS, f"{STEPS}\nsigned_request = true"),
    "a hardware key": (STEPS, f"{STEPS}\nhardware_key = true"),
    "an address": (STEPS, f'{STEPS}\nsource = "client"'),
    "other networks": (STEPS, f'{STEPS}\nsource = ["198.51.100.0/24"]'),
}
MORE_TO_APPROVE = {
    **MORE,
    "a fresh sign-in": (STEPS, f'{STEPS}\nfresh_login = "5m"'),
    "another reason": ("(INC|CHG)-[0-9]+", "INC-[0-9]+"),
}


def relabel(ca: Installation, name: str, *, dry_run: bool = False, **labels: str) -> m.HostReply:
    """The operator replaces the labels of a host."""
    message = m.LabelHost(name, tuple(labels.items()), None, None)
    return ca.say(replace(message, dry_run=True) if dry_run else message, m.HostReply, "admin")


def draw(ca: Installation, login: str, request: m.RequestView) -> m.CertificateView:
    return ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate


def refused(ca: Installation, message: m.Message) -> Refused:
    (error,) = ca.say_all([message])
    assert isinstance(error, Refused), error
    return error


def database(ca: Installation) -> tuple[str, m.RequestView]:
    """Dana's grant on the database, which Bob approved by a word."""
    login = ca.native(DANA)
    return login, ca.approve(ca.web(BOB), ca.ask(login, "db1").request)


# --------------------------------------------------------------------------------------------------------- the attacks


def test_t73_a_host_that_becomes_prod_does_not_keep_its_automatic_grant(ca: Installation) -> None:
    ca.change_policy('[[allow]]\nname = "database"', f'{PROD_WEB}[[allow]]\nname = "database"')
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    draw(ca, login, request)
    relabel(ca, "web1", env="prod")
    error = refused(ca, m.SignUser(login, request.id))
    assert (error.code, error.hint) == ("policy_changed", "ssh-jit request --reason 'CHG-7 add index' deploy@web1")
    assert error.message == f'{request.id} is out of date: rule "prod-web" decides now, not "staging"'
    again = ca.ask(login, "web1")
    assert (again.existing, again.request.rule, again.request.state, again.certificate) == (
        False,
        "prod-web",
        "pending",
        None,
    )


@pytest.mark.parametrize("change", MORE)
def test_t73_a_grant_ends_where_the_rule_asks_for_more(ca: Installation, change: str) -> None:
    login, request = database(ca)
    draw(ca, login, request)
    ca.change_policy(*MORE[change])
    assert refused(ca, m.SignUser(login, request.id)).code == "policy_changed"
    if change in {"a second factor", "a hardware key", "a signed request"}:
        with pytest.raises(Refused, match=r"rule .database. needs a"):
            ca.ask(login, "db1")
    else:
        assert ca.ask(login, "db1").request.id != request.id
    assert request.id not in {each.id for each in standing(ca, login)}


def standing(ca: Installation, login: str) -> list[m.RequestView]:
    """The person's requests that go on."""
    mine = ca.say(m.ReadRequests(login, "mine", 10, None), m.RequestsReply).requests
    return [each for each in mine if each.state in ("pending", "approved") and not each.blocked]


@pytest.mark.parametrize("change", MORE_TO_APPROVE)
def test_t73_an_older_request_is_not_approved_under_a_stricter_rule(ca: Installation, change: str) -> None:
    login, bob = ca.native(DANA), ca.web(BOB)
    request = ca.ask(login, "db1").request
    ca.change_policy(*MORE_TO_APPROVE[change])
    error = refused(ca, m.Approve(bob, request.id, request.digest, "", None))
    assert (error.code, error.hint) == ("policy_changed", "the requester has to make a new request")


def test_t73_one_unsigned_yes_to_an_older_request_is_not_two_signed_ones_and_a_hardware_key(ca: Installation) -> None:
    login, bob = ca.native(DANA), ca.web(BOB)
    request = ca.ask(login, "db1").request
    ca.change_policy(STEPS, STEPS.replace("count = 1", "count = 2, signed = true") + "\nhardware_key = true")
    error = refused(ca, m.Approve(bob, request.id, request.digest, "", None))
    assert "needs approval by 2 of lead, signed and needs a registered hardware key" in error.message
    assert ca.context.state.requests[request.id].decisions == ()


def test_t73_a_waiting_request_is_not_approved_against_a_deny_that_came(ca: Installation) -> None:
    login, bob = ca.native(DANA), ca.web(BOB)
    request = ca.ask(login, "db1").request
    ca.change_policy(
        '[[allow]]\nname = "staging"',
        '[[deny]]\nname = "freeze"\nhosts = { env = "prod" }\n[[allow]]\nname = "staging"',
    )
    assert refused(ca, m.Approve(bob, request.id, request.digest, "", None)).code == "denied_by_rule"


def test_t73_nor_when_the_requester_lost_the_role_meanwhile(ca: Installation) -> None:
    login, bob = ca.native(Person("d-9", ("Database",), "dave@example.com")), ca.web(BOB)
    request = ca.ask(login, "db1").request
    ca.web(Person("d-9", (), "dave@example.com"))
    assert refused(ca, m.Approve(bob, request.id, request.digest, "", None)).code == "no_rule"


def test_t73_nor_when_the_requester_s_provider_is_trusted_no_more(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1").request
    path = ca.home / "providers.toml"
    path.write_text(path.read_text().partition("[providers.partner]")[0])
    ca.restart()
    assert refused(ca, m.Approve(ca.web(BOB), request.id, request.digest, "", None)).code == "no_rule"


def test_t73_a_second_factor_that_does_not_count_any_more_is_none(ca: Installation) -> None:
    ca.change_policy('approvals = []\ngrant = "8h"', 'approvals = []\nmfa = true\ngrant = "8h"')
    (ca.home / "policy.toml").write_text(ca.policy)
    login = ca.native(replace(ALICE, claims={"amr": ["pwd", "otp"]}))
    request = ca.ask(login, "web1").request
    draw(ca, login, request)
    path = ca.home / "providers.toml"
    path.write_text(path.read_text().replace('title = "acme"', 'title = "acme"\nmfa_values = ["hwk"]'))
    ca.restart()
    assert refused(ca, m.SignUser(login, request.id)).code == "step_up"
    strong = ca.native(replace(ALICE, claims={"amr": ["pwd", "hwk"]}))
    draw(ca, strong, request)


def test_t73_nor_for_another_machine_of_the_name(ca: Installation) -> None:
    login, bob = ca.native(DANA), ca.web(BOB)
    ca.change_policy(STEPS, STEPS.replace("count = 1", "count = 2"))
    request = ca.ask(login, "db1").request
    ca.say(m.RemoveHost("db1", "scrapped", None, None), m.Done, "admin")
    ca.add_host("db1", env="prod", role="db")
    assert refused(ca, m.Approve(bob, request.id, request.digest, "", None)).code == "host_gone"
    assert not ca.ask(login, "db1").existing


def test_t73_emergency_access_is_evaluated_anew_too(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    login = ca.native(ALICE)
    request = break_glass(ca, login).request
    draw(ca, login, request)
    ca.change_policy('fresh_login = "15m"', 'fresh_login = "15m"\nmfa = true')
    error = refused(ca, m.SignUser(login, request.id))
    assert (error.code, error.hint) == (
        "policy_changed",
        "ssh-jit break-glass --reason 'the database is on fire' root@db1",
    )
    with pytest.raises(Refused, match="needs a sign-in with a second factor"):
        break_glass(ca, login)


def test_t73_access_that_begins_later_is_evaluated_anew_before_it_begins(ca: Installation) -> None:
    login = ca.native(DANA)
    start = int(ca.time) + HOUR
    request = ca.ask(login, "db1", start=start).request
    ca.approve(ca.web(BOB), request)
    ca.change_policy(*MORE["a signature"])
    assert not ca.ask(login, "db1", start=start).existing
    ca.later(HOUR)
    assert refused(ca, m.SignUser(login, request.id)).code == "policy_changed"


def test_t73_a_grant_over_several_hosts_ends_when_one_of_them_is_relabelled(ca: Installation) -> None:
    ca.change_policy('[[allow]]\nname = "database"', f'{PROD_WEB}[[allow]]\nname = "database"')
    ca.add_host("web2", env="staging")
    login = ca.native(ALICE)
    request = ca.ask(login, "", hosts=("web1", "web2")).request
    relabel(ca, "web2", env="prod")
    error = refused(ca, m.SignUser(login, request.id))
    assert error.code == "policy_changed"
    assert 'web1 under "staging" and web2 under "prod-web"' in error.message
    assert not ca.ask(login, "web1").existing, "nor for the host that is as it was"


EXTEND = ('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by')


def extend(login: str, request: m.RequestView) -> m.Extend:
    return m.Extend(login, request.id, "CHG-7 takes longer", "192.0.2.7")


def test_t73_more_time_is_not_asked_of_a_grant_that_has_to_be_asked_again(ca: Installation) -> None:
    ca.change_policy(*EXTEND)
    login, request = database(ca)
    draw(ca, login, request)
    waiting = ca.say(extend(login, request), m.AskReply).request
    erin = ca.web(ERIN)
    ca.change_policy(*MORE["a signature"])
    assert refused(ca, extend(login, request)).code == "policy_changed"
    assert refused(ca, m.Approve(erin, waiting.id, waiting.digest, "", None)).code == "policy_changed"


def test_t73_an_extension_by_a_laxer_rule_does_not_outlive_that_rule(ca: Installation) -> None:
    ca.change_policy(*EXTEND)
    login, request = database(ca)
    draw(ca, login, request)
    ca.change_policy(STEPS.partition("\n")[0] + '\npending = "30m"\nextend', 'approvals = []\npending = "30m"\nextend')
    assert ca.say(extend(login, request), m.AskReply).request.state == "approved"
    ca.change_policy('approvals = []\npending = "30m"\nextend', STEPS + "\nextend")
    draw(ca, login, request)
    ca.later(HOUR)
    for message in (m.SignUser(login, request.id), extend(login, request)):
        error = refused(ca, message)
        assert (error.code, error.hint) == ("policy_changed", "ssh-jit request --reason 'CHG-7 add index' postgres@db1")
    assert not ca.ask(login, "db1").existing, "what the hint says leads on"


def test_t27_more_time_is_not_approved_for_a_grant_whose_approver_is_gone(ca: Installation) -> None:
    ca.change_policy(*EXTEND)
    login, request = database(ca)
    draw(ca, login, request)
    waiting = ca.say(extend(login, request), m.AskReply).request
    ca.web(replace(BOB, groups=()))
    assert refused(ca, m.Approve(ca.web(ERIN), waiting.id, waiting.digest, "", None)).code == "approval_gone"


def test_a_request_for_more_time_is_not_approved_when_the_rule_does_not_extend_any_more(ca: Installation) -> None:
    ca.change_policy(*EXTEND)
    login, request = database(ca)
    draw(ca, login, request)
    waiting = ca.say(extend(login, request), m.AskReply).request
    ca.change_policy('extend = { count = 2, by = "30m" }\n', "")
    assert refused(ca, m.Approve(ca.web(ERIN), waiting.id, waiting.digest, "", None)).code == "policy_changed"
    draw(ca, login, request)


# ----------------------------------------------------------------------------------------------------- and what goes on


def test_a_signed_yes_counts_where_a_signature_is_asked_for_later(ca: Installation) -> None:
    login, bob = ca.native(DANA), ca.native(BOB)
    request = ca.ask(login, "db1").request
    ca.say(answer(ca, bob, by(ca.key(BOB)), request), m.RequestReply)
    ca.change_policy(*MORE["a signature"])
    draw(ca, login, request)
    ca.change_policy("count = 1, signed = true", "count = 2, signed = true")
    assert refused(ca, m.SignUser(login, request.id)).code == "policy_changed"


def test_what_gives_less_makes_certificates_that_give_less(ca: Installation) -> None:
    rule = 'certificate = "5m"\n[[allow]]'
    ca.change_policy(rule, f'forwarding = ["port", "agent"]\n{rule}')
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.change_policy(f'forwarding = ["port", "agent"]\n{rule}', 'forwarding = ["port"]\ncertificate = "2m"\n[[allow]]')
    ca.change_policy('grant = "8h"', 'grant = "1h"')
    certificate = draw(ca, login, request)
    assert certificate.valid_before == int(ca.time) + 120
    assert certificate.grant_ends == int(ca.time) + HOUR
    extensions = dict(sshcert.parse_line(certificate.text)[0].extensions)
    assert "permit-port-forwarding" in extensions
    assert "permit-agent-forwarding" not in extensions
    ca.later(HOUR)
    error = refused(ca, m.SignUser(login, request.id))
    assert (error.code, error.message) == (
        "policy_changed",
        f'{request.id} is out of date: rule "staging" now allows 1 h at a time',
    )
    assert not ca.ask(login, "web1").existing


def test_what_gives_more_gives_an_older_grant_no_more(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.change_policy('grant = "8h"\ncertificate = "5m"', 'grant = "9h"\ncertificate = "10m"\nforwarding = ["agent"]')
    certificate = draw(ca, login, request)
    assert certificate.valid_before == int(ca.time) + 300
    assert certificate.grant_ends == request.ends
    assert "permit-agent-forwarding" not in dict(sshcert.parse_line(certificate.text)[0].extensions)


def test_a_window_is_no_longer_than_the_rule_allows_when_it_is_approved(ca: Installation) -> None:
    login = ca.native(DANA)
    request = ca.ask(login, "db1").request
    ca.change_policy('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\ngrant = "20m"')
    assert ca.approve(ca.web(BOB), request).ends == int(ca.time) + 1200


def test_certificates_end_where_hours_and_timed_denies_of_now_begin(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request  # it is 08:00
    ca.change_policy('name = "staging"\n', 'name = "staging"\nhours = "08:00-08:03"\nzone = "UTC"\n')
    assert draw(ca, login, request).valid_before == int(ca.time) + 180
    ca.later(180)
    assert refused(ca, m.SignUser(login, request.id)).code == "no_rule"


def test_approvers_do_not_see_what_they_cannot_approve(ca: Installation) -> None:
    login, bob = ca.native(DANA), ca.web(BOB)
    request = ca.ask(login, "db1").request

    def queue() -> list[str]:
        found = ca.say(m.ReadRequests(bob, "approve", 10, None), m.RequestsReply).requests
        return [each.id for each in found]

    assert queue() == [request.id]
    ca.change_policy(*MORE["a signature"])
    assert queue() == []
    reply = ca.say(m.ReadRequest(bob, request.id), m.RequestReply)
    assert reply.because == ()
    assert reply.request.blocked.endswith('rule "database" now needs approval by 1 of lead, signed')
    new = ca.ask(login, "db1")
    assert (new.existing, new.request.blocked) == (False, "")
    assert queue() == [new.request.id]


def test_explaining_says_what_asking_would(ca: Installation) -> None:
    login, request = database(ca)

    def explained() -> str:
        message = m.Explain(
            login, None, ("db1",), (), None, "shell", None, None, "CHG-7", None, break_glass=False, address="192.0.2.7"
        )
        return ca.say(message, m.ExplainReply).message

    assert request.id in explained()
    ca.change_policy(*MORE["a signature"])
    assert request.id not in explained()


def test_t27_asked_again_a_grant_whose_approver_is_gone_is_not_returned(ca: Installation) -> None:
    login, request = database(ca)
    ca.web(ERIN)
    ca.web(replace(BOB, groups=()))
    assert refused(ca, m.SignUser(login, request.id)).code == "approval_gone"
    again = ca.ask(login, "db1")
    assert (again.existing, again.request.state) == (False, "pending")


def test_who_asks_again_hears_that_what_was_open_does_not_go_on(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", reason="").request
    stricter = 'approvals = [{ from = "lead", count = 1 }]'
    ca.change_policy('approvals = []\ngrant = "8h"', f'{stricter}\nreason = {{}}\ngrant = "8h"')
    closed = f'your access {request.id} does not go on: rule "staging" now needs approval by 1 of lead'
    error = refused(ca, m.Ask(login, ("web1",), None, "shell", None, None, "", certificate=True, address="192.0.2.7"))
    assert (error.code, error.message) == ("bad_reason", f'rule "staging" needs a reason; {closed}')
    again = ca.ask(login, "web1", reason="CHG-8 again")
    assert (again.existing, again.request.state) == (False, "pending")
    assert f"{closed}; this is a new request" in again.notes
    assert ca.ask(login, "web1", reason="CHG-8 again").existing


def test_and_that_what_waited_does_not(ca: Installation) -> None:
    ca.web(BOB)
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1").request
    ca.change_policy(*MORE["another rule"])
    again = ca.ask(dana, "db1")
    assert (again.existing, again.request.state) == (False, "pending")
    (note,) = [note for note in again.notes if note.startswith(f"your request {request.id} does not go on: ")]
    assert note.count(request.id) == 1


def test_who_asks_again_from_elsewhere_hears_that_it_does_not_work_there(ca: Installation) -> None:
    ca.change_policy('approvals = []\ngrant = "8h"', 'approvals = []\nsource = "client"\ngrant = "8h"')
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", address="192.0.2.7").request
    assert ca.ask(login, "web1", address="192.0.2.7").notes == ()
    elsewhere = ca.ask(login, "web1", address="198.51.100.9")
    assert (elsewhere.existing, elsewhere.request.id) == (True, request.id)
    (note,) = elsewhere.notes
    assert note.startswith(f"{request.id} works from 192.0.2.7 alone, and not from 198.51.100.9")
    assert f"ssh-jit done {request.id}" in note
    assert ca.ask(login, "web1", address="").notes == (), "from nobody knows where"


def test_what_is_bound_to_no_address_works_from_everywhere(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", address="192.0.2.7").request
    again = ca.ask(login, "web1", address="198.51.100.9")
    assert (again.existing, again.request.id, again.notes) == (True, request.id, ())


def test_an_address_counts_without_the_interface_at_which_it_was_seen(ca: Installation) -> None:
    """A server compares addresses alone."""
    ca.change_policy('approvals = []\ngrant = "8h"', 'approvals = []\nsource = "client"\ngrant = "8h"')
    login = ca.native(ALICE)
    certificate = ca.ask(login, "web1", address="fe80::1%eth0").certificate
    assert certificate is not None
    assert ("source-address", "fe80::1") in sshcert.parse_line(certificate.text)[0].critical
    assert ca.ask(login, "web1", address="fe80::1%eth1").notes == ()
    assert ca.ask(login, "web1", address="fe80::2%eth0").notes != ()


def test_nor_does_what_waits_still(ca: Installation) -> None:
    ca.change_policy(*MORE["an address"])
    ca.web(BOB)
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1", address="192.0.2.7").request
    (note,) = ca.ask(dana, "db1", address="198.51.100.9").notes
    assert f"ssh-jit cancel {request.id}" in note


# ------------------------------------------------------------------------------------------------------------ keep_open


@pytest.mark.parametrize(
    "change",
    [
        (
            'approvals = []\ngrant = "8h"',
            'approvals = [{ from = "lead", count = 2 }]\ngrant = "8h"\nhardware_key = true',
        ),
        ('name = "staging"\n', 'name = "renamed"\n'),
        ('roles = ["sre"]\nhosts = { env = "staging" }', 'roles = ["dba"]\nhosts = { env = "staging" }'),
        ("keep_open = true\n", ""),
        None,
    ],
)
def test_keep_open_keeps_a_grant_under_the_rule_that_it_was_given_under(
    ca: Installation, change: tuple[str, str] | None
) -> None:
    ca.change_policy(*KEEP)
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    if change is None:
        relabel(ca, "web1", env="prod")
    else:
        ca.change_policy(*change)
    draw(ca, login, request)
    again = ca.ask(login, "web1")
    assert (again.existing, again.request.id) == (True, request.id)
    ca.restart()
    draw(ca, login, request)


def test_denies_roles_approvers_and_locks_of_now_count_for_it_all_the_same(ca: Installation) -> None:
    ca.change_policy(*KEEP)
    ca.change_policy('approvals = []\ngrant = "8h"', 'approvals = [{ from = "lead", count = 1 }]\ngrant = "8h"')
    login, bob = ca.native(ALICE), ca.web(BOB)
    request = ca.approve(bob, ca.ask(login, "web1").request)
    draw(ca, login, request)

    def code() -> str:
        return refused(ca, m.SignUser(login, request.id)).code

    ca.change_policy(
        '[[allow]]\nname = "staging"',
        '[[deny]]\nname = "freeze"\nhosts = { env = "staging" }\n[[allow]]\nname = "staging"',
    )
    assert code() == "denied_by_rule"
    ca.change_policy('[[deny]]\nname = "freeze"\nhosts = { env = "staging" }\n', "")
    ca.change_policy('sre = ["acme/group:SRE"]', 'sre = ["acme/group:Platform"]')
    assert code() == "no_rule"
    ca.change_policy('sre = ["acme/group:Platform"]', 'sre = ["acme/group:SRE"]')
    draw(ca, login, request)
    ca.web(replace(BOB, groups=()))
    assert code() == "approval_gone"
    ca.web(BOB)
    draw(ca, login, request)
    ca.say(m.Lock(None, "host", "web1", "odd"), m.LockReply, "admin")
    with pytest.raises(Exception, match=r"locked|revoked"):
        draw(ca, login, request)


def test_a_request_that_waits_is_not_kept(ca: Installation) -> None:
    ca.change_policy(STEPS, f"{STEPS}\nkeep_open = true")
    login, bob = ca.native(DANA), ca.web(BOB)
    request = ca.ask(login, "db1").request
    ca.change_policy('name = "database"', 'name = "databases"')
    assert refused(ca, m.Approve(bob, request.id, request.digest, "", None)).code == "policy_changed"


def test_a_rule_that_says_so_later_keeps_no_older_grant(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.change_policy(*KEEP)
    draw(ca, login, request)
    ca.change_policy('name = "staging"\n', 'name = "renamed"\n')
    assert refused(ca, m.SignUser(login, request.id)).code == "policy_changed"


# ------------------------------------------------------------------------------------------ where a request came from

OFFICE = 'networks = ["192.0.2.0/24"]'


def test_a_network_that_is_required_now_counts_for_what_was_granted(ca: Installation) -> None:
    login, request = database(ca)
    ca.change_policy(STEPS, f"{STEPS}\n{OFFICE}")
    assert refused(ca, m.SignUser(login, request.id)).code == "policy_changed", "its certificates work from anywhere"
    again = ca.approve(ca.web(BOB), ca.ask(login, "db1").request)
    draw(ca, login, again)
    assert ca.context.state.requests[again.id].asked.source == ("192.0.2.0/24",)
    ca.change_policy(OFFICE, OFFICE.replace("192.0.2", "198.51.100"))
    assert refused(ca, m.SignUser(login, again.id)).code == "policy_changed"


def test_a_deny_on_networks_closes_what_was_asked_for_from_elsewhere(ca: Installation) -> None:
    deny = '[[deny]]\nname = "away"\nhosts = { env = "prod" }\nnot_networks = ["192.0.2.0/24"]\n'
    login, bob = ca.native(DANA), ca.web(BOB)
    here = ca.approve(bob, ca.ask(login, "db1").request)
    away = ca.ask(login, "db1", action="migrate", address="203.0.113.9").request
    ca.change_policy('[[allow]]\nname = "staging"', deny + '[[allow]]\nname = "staging"')
    draw(ca, login, here)
    assert refused(ca, m.Approve(bob, away.id, away.digest, "", None)).code == "denied_by_rule"
