"""A person's Unix name is one person's: by the operator's table, else by the claim, unchanged, and never a system's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Refused
from sshjit_ca.keys import files
from sshjit_ca.log import verification
from tests.support.installation import ALICE, POLICY, Installation, Person
from tests.support.issuer import Issuer

OWN = POLICY.replace('logins = ["deploy"]', 'logins = ["@own", "deploy"]')


def named(person: Person, name: str) -> Person:
    return replace(person, claims={"preferred_username": name})


ANNE = named(ALICE, "anne")
OTHER = Person("o-9", ("SRE",), "other@example.com", claims={"preferred_username": "anne"})


def installed(tmp_path: Path, issuers: dict[str, Issuer], own: dict[str, str] | None = None) -> Installation:
    ca = Installation(tmp_path, issuers, policy=OWN, own=own or {})
    ca.add_host("web1", env="staging")
    return ca


@pytest.fixture
def ca(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    installation = installed(tmp_path, issuers)
    yield installation
    installation.stop()


def login_of(ca: Installation, login_id: str) -> str:
    """Which login the rule chooses for this person."""
    return ca.ask(login_id, "web1", certificate=False).request.login


def whole(ca: Installation) -> bool:
    """The state is the one that its log folds to."""
    return verification.verify(ca.store, files.load_public(ca.config.key_file("log"))).problems == ()


def test_the_claim_names_the_person(ca: Installation) -> None:
    assert login_of(ca, ca.web(ANNE)) == "anne"


@pytest.mark.parametrize(
    "name", ["root", "postgres", "Root", "POSTGRES", "anne,root", "anne@example.com", "ánne", "-anne", "a" * 33]
)
def test_t2_t3_nothing_is_made_to_fit(ca: Installation, name: str) -> None:
    assert login_of(ca, ca.web(named(ALICE, name))) == "deploy"
    assert ca.context.state.own_names == {}


@pytest.mark.parametrize("name", ["Anne", "anne.smith", "Anne_S", "anne$"])
def test_a_name_as_directories_make_them_is_taken_unchanged(ca: Installation, name: str) -> None:
    assert login_of(ca, ca.web(named(ALICE, name))) == name
    assert whole(ca)


def test_t3_a_name_in_another_case_is_the_same_name(ca: Installation) -> None:
    """Some directories take ``ANNE`` for ``anne``: whoever has one of them has both."""
    first = ca.web(ANNE)
    assert login_of(ca, ca.web(named(OTHER, "ANNE"))) == "deploy"
    assert login_of(ca, first) == "anne"
    ca.restart()
    assert login_of(ca, ca.web(named(OTHER, "Anne"))) == "deploy"
    assert whole(ca)


def test_t3_whoever_has_a_name_keeps_it_and_who_comes_later_has_none(ca: Installation) -> None:
    first, second = ca.web(ANNE), ca.web(OTHER)
    assert login_of(ca, second) == "deploy"
    with pytest.raises(Refused) as caught:
        ca.ask(second, "web1", login="anne")
    assert caught.value.code == "no_rule"
    assert caught.value.hint.endswith("the sign-in gives no user name")
    assert login_of(ca, first) == "anne"
    partner = replace(OTHER, provider="partner", groups=(), email="dana@example.com")
    assert ca.context.policy_subject(ca.context.login(ca.web(partner))).unix_name is None
    ca.restart()
    assert login_of(ca, ca.web(OTHER)) == "deploy"
    assert login_of(ca, ca.web(ANNE)) == "anne"
    assert whole(ca)


def test_a_name_that_is_given_back_is_free_and_an_older_login_has_lost_it(ca: Installation) -> None:
    before = ca.web(ANNE)
    ca.later(10)
    ca.web(named(ALICE, "anne2"))
    assert login_of(ca, ca.web(OTHER)) == "anne"
    assert ca.context.policy_subject(ca.context.login(before)).unix_name is None
    assert sorted(ca.context.state.own_names) == ["anne", "anne2"]
    assert whole(ca)


def test_the_operators_table_comes_before_the_claim(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    ca = installed(tmp_path, issuers, {"acme": '"sub:a-1" = "al", "email:other@example.com" = "oscar"'})
    assert login_of(ca, ca.web(ANNE)) == "al"
    assert login_of(ca, ca.web(OTHER)) == "oscar"
    unverified = replace(OTHER, sub="o-10", verified=False, claims={})
    assert login_of(ca, ca.web(unverified)) == "deploy"
    elsewhere = replace(ALICE, provider="partner", groups=(), email="dana@example.com")
    assert ca.context.policy_subject(ca.context.login(ca.web(elsewhere))).unix_name is None


def test_a_name_in_a_table_is_nobody_elses_whoever_came_first(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    ca = installed(tmp_path, issuers, {"acme": '"sub:a-1" = "anne"'})
    assert login_of(ca, ca.web(OTHER)) == "deploy"
    assert login_of(ca, ca.web(ALICE)) == "anne"
    assert login_of(ca, ca.web(OTHER)) == "deploy"


def test_names_stay_the_same_when_old_details_are_forgotten(ca: Installation) -> None:
    ca.web(ANNE)
    ca.later(40 * 86400)
    ca.web(OTHER)
    ca.web(ANNE)
    gone = Person("g-1", ("SRE",), "gone@example.com", claims={"preferred_username": "gone"})
    ca.later(100)
    ca.say(m.Forget(int(ca.time) - 35 * 86400, dry_run=False), m.ForgetReply, "admin")
    assert login_of(ca, ca.web(gone)) == "gone"
    assert ca.context.state.own_names["anne"] == ca.context.state.subjects["acme/a-1"]
    assert whole(ca)
    ca.restart()
    assert login_of(ca, ca.web(ANNE)) == "anne"


def test_a_name_of_somebody_forgotten_is_free(ca: Installation) -> None:
    ca.web(ANNE)
    ca.later(40 * 86400)
    ca.say(m.Forget(int(ca.time) - 35 * 86400, dry_run=False), m.ForgetReply, "admin")
    assert ca.context.state.own_names == {}
    assert login_of(ca, ca.web(OTHER)) == "anne"
    assert whole(ca)


SHARED = """
[[allow]]
name = "deployment"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["Deployer"]
approvals = [{ from = "lead", count = 1 }]
grant = "1h"
certificate = "5m"
"""


@pytest.mark.parametrize("by", ["claim", "table"])
def test_an_account_that_a_rule_writes_out_is_nobody_s_own_but_by_the_table(
    tmp_path: Path, issuers: dict[str, Issuer], by: str
) -> None:
    """Else whoever gets a directory to say "deployer" would have that account wherever a rule says "@own"."""
    ca = installed(tmp_path, issuers, {"acme": '"sub:a-1" = "deployer"'} if by == "table" else {})
    person = ALICE if by == "table" else named(ALICE, "deployer")
    assert login_of(ca, ca.web(person)) == "deployer"
    ca.policy += SHARED
    ca.authority.change_policy(ca.authority.look_at_policy(ca.policy))
    login = ca.web(person)
    assert ca.logins[login].own == ("deployer" if by == "table" else None)
    if by == "table":
        assert ca.ask(login, "web1", login="deployer", certificate=False).request.login == "deployer"
    else:
        ca.say(m.End(login, ca.ask(login, "web1", login="deploy", certificate=False).request.id), m.RequestReply)
        with pytest.raises(Refused) as guarded:
            ca.ask(login, "web1", login="deployer")
        assert guarded.value.code == "no_rule"
    ca.stop()
