"""Nobody gets the rights of somebody else: by an address that looks alike, a provider's id, or an older sign-in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit_ca.authority import Authority
from sshjit_ca.context import LATELY
from sshjit_ca.keys import files
from sshjit_ca.log import verification
from sshjit_ca.log.journal import Journal
from sshjit_ca.service import daemon
from sshjit_ca.storage.store import Store
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

EVE = Person("e-5", ("SRE Leads", "Database"), "eve@example.com")


def code(ca: Installation, message: m.Message) -> str:
    (answer,) = ca.say_all([message], "web")
    assert isinstance(answer, SshJitError), answer
    return answer.code


def providers(ca: Installation, old: str, new: str) -> None:
    """Changes ``providers.toml``; it counts from the next start on."""
    path = ca.home / "providers.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def forget(ca: Installation) -> None:
    """Erases what is older than 32 days."""
    ca.say(m.Forget(int(ca.time) - 32 * 24 * 3600, dry_run=False), m.ForgetReply, "admin")


def whole(ca: Installation) -> bool:
    """The log verifies, and the state is what it folds to."""
    return verification.verify(ca.store, files.load_public(ca.config.key_file("log"))).problems == ()


def trusting(ca: Installation, domain: str) -> None:
    """The provider partner vouches for one more domain, as an operator may have written it."""
    head, mark, partner = (ca.home / "providers.toml").read_text().partition("[providers.partner]")
    partner = partner.replace('["example.com"]', f'["example.com", "{domain}"]')
    (ca.home / "providers.toml").write_text(f"{head}{mark}{partner}")
    ca.restart()


# ------------------------------------------------------------------------------------------------ addresses that permit


@pytest.mark.parametrize(
    ("owner", "attacker"),
    [
        ("boss@strasse.example", "boss@straße.example"),
        ("kim@example.com", "\N{KELVIN SIGN}im@example.com"),
        ("susan@example.com", "\N{LATIN SMALL LETTER LONG S}u\N{LATIN SMALL LETTER LONG S}an@example.com"),
        ("office@example.com", "o\N{LATIN SMALL LIGATURE FFI}ce@example.com"),
    ],
)
def test_t74_an_address_that_folds_to_somebody_elses_gives_no_role(ca: Installation, owner: str, attacker: str) -> None:
    trusting(ca, "strasse.example")
    ca.change_policy("partner/email:dana@example.com", f"partner/email:{owner}")
    real = ca.web(Person("o-1", (), owner.upper(), provider="partner"))
    assert ca.logins[real].roles == ("dba",)
    false = ca.web(Person("x-1", (), attacker, provider="partner"))
    assert ca.logins[false].roles == ()
    assert ca.logins[false].verified == ()
    login = ca.context.login(false)
    assert ca.context.accounts.verified_address(login) is None, "mail for the owner goes to the owner alone"
    with pytest.raises(Refused, match="no rule"):
        ca.ask(ca.native(Person("x-1", (), attacker, provider="partner")), "db1")


def test_t74_nor_somebody_elses_unix_name(tmp_path: Path, ca: Installation) -> None:
    home = tmp_path / "own"
    home.mkdir()
    named = Installation(home, ca.issuers, own={"acme": '"email:kim@example.com" = "kim"'})
    assert named.logins[named.web(Person("k-1", ("SRE",), "Kim@example.com"))].own == "kim"
    assert named.logins[named.web(Person("k-2", ("SRE",), "\N{KELVIN SIGN}im@example.com"))].own is None
    assert named.logins[named.web(Person("k-3", ("SRE",), "kim+ssh@example.com"))].own is None
    named.stop()


def test_t74_a_policy_that_names_an_address_outside_ascii_is_refused_with_a_hint(ca: Installation) -> None:
    with pytest.raises(Invalid) as caught:
        ca.change_policy("partner/email:dana@example.com", "partner/email:boss@straße.example")
    assert "ASCII" in str(caught.value)
    assert "xn--" in str(caught.value)


def test_t74_an_operator_who_names_a_person_gets_that_person(ca: Installation) -> None:
    """A hardware key or a lock is for whom the address says, letter by letter."""
    ca.web(Person("k-2", (), "\N{KELVIN SIGN}im@example.com"))
    with pytest.raises(Invalid) as caught:
        ca.say(m.Lock(None, "person", "acme/kim@example.com", "left"), m.LockReply, "admin")
    assert caught.value.code == "unknown_person"
    ca.web(Person("k-1", (), "kim@example.com"))
    reply = ca.say(m.Lock(None, "person", "acme/KIM@example.com", "left"), m.LockReply, "admin")
    assert reply.lock.title == "k-1 (acme)"


# ------------------------------------------------------------------------------------------------ addresses that forbid

TWINS = [
    "EVE@EXAMPLE.COM",
    "eve@example.com.",
    " eve@example.com ",
    "\N{FULLWIDTH LATIN SMALL LETTER E}ve@example.com",
    "eve@example\N{IDEOGRAPHIC FULL STOP}com",
    '"eve"@example.com',
    "eve+second@example.com",
]
DENY = """
[[deny]]
name = "outsiders"
roles = ["outsider"]
[[allow]]
name = "staging"
"""


@pytest.fixture
def denying(ca: Installation) -> Installation:
    """A CA that denies everything to a group, and to one address."""
    outsiders = 'outsider = ["acme/group:Outsiders", "acme/email:eve@example.com"]'
    ca.change_policy("[permissions]", f"{outsiders}\n[permissions]")
    ca.change_policy('[[allow]]\nname = "staging"\n', DENY.lstrip())
    return ca


@pytest.mark.parametrize("address", TWINS)
def test_a_deny_is_not_escaped_by_another_spelling(denying: Installation, address: str) -> None:
    for person in (replace(ALICE, email=address, verified=False), ALICE):  # and what was shown once counts
        with pytest.raises(Refused) as caught:
            denying.ask(denying.native(person), "web1")
        assert caught.value.code == "denied_by_rule"


def test_a_deny_is_not_escaped_by_an_older_sign_in(denying: Installation) -> None:
    old = denying.native(ALICE)
    grant = denying.ask(old, "web1").request
    denying.web(replace(ALICE, groups=("SRE", "Outsiders")))
    (answer,) = denying.say_all([m.SignUser(old, grant.id)], "web")
    assert isinstance(answer, Refused)
    assert answer.code == "denied_by_rule"


@pytest.mark.parametrize("address", TWINS)
def test_t74_whoever_may_be_the_requester_by_any_mail_system_cannot_approve(ca: Installation, address: str) -> None:
    ca.web(BOB)
    request = ca.ask(ca.native(EVE), "db1").request
    twin = ca.web(replace(EVE, sub="e-6", email=address, verified=False))
    assert code(ca, m.Approve(twin, request.id, request.digest, "", None)) == "own_request"


@pytest.mark.parametrize(
    ("first", "second"),
    [("b@straße.example", "b@xn--strae-oqa.example"), ("b@straße.example", "b@STRASSE.example")],
)
def test_t74_one_mailbox_in_two_spellings_of_its_domain_is_one_approval(
    ca: Installation, first: str, second: str
) -> None:
    ca.change_policy("count = 1", "count = 2")
    ca.web(BOB)
    request = ca.ask(ca.native(DANA), "db1").request
    ca.approve(ca.web(replace(EVE, email=first, verified=False)), request)
    ca.approve(ca.web(replace(EVE, sub="e-6", email=second, verified=False)), request)
    assert ca.context.state.requests[request.id].state == "pending"


@pytest.mark.parametrize("address", TWINS)
def test_t74_a_lock_falls_on_every_spelling(ca: Installation, address: str) -> None:
    ca.web(EVE)
    ca.say(m.Lock(None, "person", "acme/eve@example.com", "left"), m.LockReply, "admin")
    with pytest.raises(Refused) as caught:
        ca.web(replace(EVE, sub="e-6", email=address, verified=False))
    assert caught.value.code == "locked"


# --------------------------------------------------------------------------------------------- links that do not fade


def test_a_link_between_two_accounts_does_not_fade(ca: Installation) -> None:
    """The account in between signed in once, long ago; who could approve is another question."""
    second = Person("e-6", EVE.groups, "eve@home.example", verified=False)
    ca.web(replace(EVE, sub="e-mid", groups=()))
    ca.web(replace(second, sub="e-mid", groups=()))
    ca.later(LATELY + 3600)
    ca.web(BOB)
    request = ca.ask(ca.native(EVE), "db1").request
    twin = ca.web(second)
    assert code(ca, m.Approve(twin, request.id, request.digest, "", None)) == "own_request"
    assert ca.context.state.requests[request.id].state == "pending"


def test_nor_are_two_linked_approvers_two_people_later(ca: Installation) -> None:
    ca.change_policy("count = 1", "count = 2")
    second = Person("e-6", EVE.groups, "eve@home.example", verified=False)
    ca.web(replace(EVE, sub="e-mid", groups=()))
    ca.web(replace(second, sub="e-mid", groups=()))
    ca.later(LATELY + 3600)
    ca.web(BOB)
    request = ca.ask(ca.native(DANA), "db1").request
    for one in (EVE, second):
        ca.approve(ca.web(one), request)
    assert ca.context.state.requests[request.id].state == "pending"


def test_nor_when_the_account_in_between_is_forgotten(ca: Installation) -> None:
    """It is kept for as long as two others are one person by it, and goes when they do."""
    second = Person("e-6", EVE.groups, "eve@home.example", verified=False)
    ca.web(replace(EVE, sub="e-mid", groups=()))
    ca.web(replace(second, sub="e-mid", groups=()))
    ca.web(Person("old", (), "old@example.com"))
    ca.later(40 * 24 * 3600)
    ca.web(BOB)
    eve, twin = ca.native(EVE), ca.web(second)
    forget(ca)
    assert "acme/old" not in ca.context.state.subjects
    request = ca.ask(eve, "db1").request
    assert code(ca, m.Approve(twin, request.id, request.digest, "", None)) == "own_request"
    assert whole(ca)
    ca.restart()
    assert "acme/e-mid" in ca.context.state.subjects
    ca.later(40 * 24 * 3600)
    forget(ca)
    assert not {"acme/e-mid", "acme/e-6"} & ca.context.state.subjects.keys()
    assert whole(ca)


# ---------------------------------------------------------------------------------------------------- older sign-ins


def test_an_older_sign_in_loses_what_the_newest_one_lost(ca: Installation) -> None:
    old = ca.native(ALICE)
    grant = ca.ask(old, "web1", certificate=False).request
    ca.later(60)
    ca.web(replace(ALICE, groups=()))
    assert ca.context.roles(ca.context.login(old)) == frozenset()
    with pytest.raises(Refused, match="no rule"):
        ca.ask(old, "web1")
    with pytest.raises(Refused):
        ca.say(m.SignUser(old, grant.id), m.CertificateReply)


def test_nor_does_it_keep_a_permission_or_an_address(ca: Installation) -> None:
    bob, dana = ca.web(BOB), ca.web(DANA)
    ca.web(replace(BOB, groups=()))
    with pytest.raises(Refused) as caught:
        ca.say(m.Lock(bob, "everything", None, "because"), m.LockReply)
    assert caught.value.code == "not_permitted"
    ca.web(replace(DANA, verified=False))
    assert ca.context.roles(ca.context.login(dana)) == frozenset()


def test_a_newer_sign_in_gives_an_older_one_nothing(ca: Installation) -> None:
    old = ca.web(replace(ALICE, groups=("Other",)))
    ca.web(ALICE)
    assert ca.context.roles(ca.context.login(old)) == frozenset()


# ---------------------------------------------------------------------------------------- providers that were removed


def removed(ca: Installation, name: str) -> None:
    text = (ca.home / "providers.toml").read_text()
    start = text.index(f"[providers.{name}]")
    end = text.find("[providers.", start + 1)
    (ca.home / "providers.toml").write_text(text[:start] + (text[end:] if end > 0 else ""))
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.restart()


def test_t73_the_people_of_a_provider_that_was_removed_are_out_at_once(ca: Installation) -> None:
    ca.web(BOB)
    bob = ca.web(BOB)
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1").request
    ca.approve(bob, request)
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    removed(ca, "partner")
    for message in (m.SignUser(dana, request.id), m.ReadLogin(dana)):
        (answer,) = ca.say_all([message], "web")
        assert isinstance(answer, Refused)
        assert answer.code == "login_over"
        assert "partner" in answer.message


def test_t73_nor_does_what_they_approved_count(ca: Installation) -> None:
    ca.change_policy('lead = ["acme/group:SRE Leads"]', 'lead = ["acme/group:SRE Leads", "partner/group:Leads"]')
    ca.change_policy('dba = ["acme/group:Database"', 'dba = ["acme/group:SRE"')
    alice = ca.native(ALICE)
    request = ca.ask(alice, "db1").request
    ca.approve(ca.web(Person("p-1", ("Leads",), "pat@example.com", provider="partner")), request)
    ca.say(m.SignUser(alice, request.id), m.CertificateReply)
    removed(ca, "partner")
    with pytest.raises(Refused) as caught:
        ca.say(m.SignUser(alice, request.id), m.CertificateReply)
    assert caught.value.code == "approval_gone"


def test_t73_an_address_of_a_domain_that_was_taken_out_gives_nothing(ca: Installation) -> None:
    dana = ca.web(DANA)
    assert ca.logins[dana].roles == ("dba",)
    providers(ca, 'email_domains = ["example.com"]', 'email_domains = ["example.org"]')
    ca.restart()
    assert ca.context.roles(ca.context.login(dana)) == frozenset()


# ------------------------------------------------------------------------------------------ what a provider's id means


def test_t75_a_providers_id_stays_with_its_issuer(ca: Installation) -> None:
    """Somebody else's issuer under the same id: its ``a-1`` would be our alice."""
    ca.web(ALICE)
    mine, other = ca.issuers["acme"].url, ca.issuers["partner"].url
    providers(ca, mine, "http://127.0.0.1:1/")
    providers(ca, other, mine)
    providers(ca, "http://127.0.0.1:1/", other)
    entries = ca.kinds()
    ca.stop()
    before = ca.store.head()
    with pytest.raises(Invalid) as caught:
        ca.start()
    assert ca.store.head() == before, "nor does it take the log over"
    assert caught.value.code == "provider_changed"
    assert "acme" in caught.value.message
    assert mine in caught.value.message
    assert "another id" in caught.value.hint
    assert ca.kinds() == entries, "a start that is refused writes nothing"
    providers(ca, other, "http://127.0.0.1:1/")
    providers(ca, mine, other)
    providers(ca, "http://127.0.0.1:1/", mine)
    ca.restart()


def test_t75_also_where_the_writer_before_binds_it_at_the_very_end(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    providers(ca, ca.issuers["acme"].url, "http://127.0.0.1:1/")
    store = Store(ca.config.database)
    context = daemon.open_context(ca.config, store, ca.places, ca.context.clock)
    read = Journal.read

    def read_and_then_somebody_signs_in(journal: Journal) -> None:
        read(journal)
        if not ca.context.state.providers:
            ca.web(ALICE)

    monkeypatch.setattr(Journal, "read", read_and_then_somebody_signs_in)
    with pytest.raises(Invalid) as caught:
        Authority(context).begin()
    assert caught.value.code == "provider_changed"
    store.close()


def test_t75_and_with_the_claim_that_says_who_somebody_is(ca: Installation) -> None:
    ca.web(ALICE)
    providers(ca, "[providers.acme]", '[providers.acme]\nsubject_claim = "oid"')
    ca.stop()
    with pytest.raises(Invalid) as caught:
        ca.start()
    assert caught.value.code == "provider_changed"
    providers(ca, '[providers.acme]\nsubject_claim = "oid"', "[providers.acme]")
    ca.start()


def test_t75_what_nobody_has_signed_in_with_may_be_corrected(ca: Installation) -> None:
    ca.web(ALICE)
    providers(ca, ca.issuers["partner"].url, "http://127.0.0.1:1/corrected")
    ca.restart()
    assert ca.kinds().count("provider") == 1
    ca.web(BOB)
    assert ca.kinds().count("provider") == 1


def test_t75_the_binding_outlives_what_is_forgotten_and_the_provider_itself(ca: Installation) -> None:
    ca.web(DANA)
    ca.later(400 * 24 * 3600)
    ca.web(BOB)
    forget(ca)
    assert "d-4" not in repr(ca.context.state.subjects)
    text = (ca.home / "providers.toml").read_text()
    removed(ca, "partner")
    (ca.home / "providers.toml").write_text(text.replace(ca.issuers["partner"].url, "http://127.0.0.1:1/other"))
    ca.stop()
    with pytest.raises(Invalid, match="partner"):
        ca.start()
    (ca.home / "providers.toml").write_text(text)
    ca.start()
    assert whole(ca)
