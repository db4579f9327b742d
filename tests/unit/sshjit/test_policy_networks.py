"""Where requests come from: denies on networks, and rules that require one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit.policy import Allow, Ask, Denied, Outcome, evaluate, explain, load
from sshjit.policy.networks import client_address, inside, one_of_each, within
from tests.unit.sshjit.policy_texts import ALLOW, HEAD, problems
from tests.unit.sshjit.policy_world import ALICE, WEB1, WEDNESDAY

OFFICE = 'networks = ["10.0.0.0/8", "2001:db8::/32"]\n'
DENY = '[[deny]]\nname = "place"\nhosts = { env = "staging" }\n'
HERE, THERE = "10.1.2.3", "203.0.113.9"


def answer(text: str, address: str | None) -> Outcome:
    policy, ask = load(text), Ask("deploy", address=address)
    outcome = evaluate(policy, ALICE, [WEB1], ask, WEDNESDAY)
    assert explain(policy, ALICE, [WEB1], ask, WEDNESDAY).outcome == outcome
    return outcome


def code(text: str, address: str | None) -> str:
    outcome = answer(text, address)
    return outcome.code if isinstance(outcome, Denied) else ""


def test_a_deny_is_about_requests_from_networks_or_from_elsewhere() -> None:
    from_office, elsewhere = HEAD + DENY + OFFICE + ALLOW, HEAD + DENY + f"not_{OFFICE}" + ALLOW
    assert [code(from_office, each) for each in (HERE, "2001:db8::1", THERE)] == ["denied_by_rule"] * 2 + [""]
    assert [code(elsewhere, each) for each in (HERE, "2001:db8::1", THERE)] == ["", "", "denied_by_rule"]
    refused = answer(elsewhere, THERE)
    assert isinstance(refused, Denied)
    assert refused.hint == "it applies to requests from anywhere but 10.0.0.0/8, 2001:db8::/32"
    reports = explain(load(elsewhere), ALICE, [WEB1], Ask("deploy", address=HERE), WEDNESDAY).rules
    assert [miss.reason for miss in reports[0].misses] == [
        "it is for requests from anywhere but 10.0.0.0/8, 2001:db8::/32"
    ]


@pytest.mark.parametrize("address", [None, "", "nonsense", "10.1.2"])
def test_an_address_that_is_not_known_comes_from_everywhere_that_forbids(address: str | None) -> None:
    assert code(HEAD + DENY + OFFICE + ALLOW, address) == "denied_by_rule"
    assert code(HEAD + DENY + f"not_{OFFICE}" + ALLOW, address) == "denied_by_rule"
    assert code(HEAD + ALLOW + OFFICE, address) == "wrong_network"


@pytest.mark.parametrize("address", ["::ffff:10.1.2.3", "2001:db8::1%eth0", "10.1.2.3%eth0"])
def test_other_spellings_of_an_address_are_the_same_address(address: str) -> None:
    assert code(HEAD + ALLOW + OFFICE, address) == ""


def test_a_rule_that_requires_a_network_binds_the_certificates_to_it() -> None:
    allowed = answer(HEAD + ALLOW + OFFICE, HERE)
    assert isinstance(allowed, Allow)
    assert allowed.terms.source == ("10.0.0.0/8", "2001:db8::/32")
    refused = answer(HEAD + ALLOW + OFFICE, THERE)
    assert isinstance(refused, Denied)
    assert (refused.code, refused.rule) == ("wrong_network", "staging")
    assert refused.message == (
        'rule "staging" takes requests from 10.0.0.0/8 or 2001:db8::/32 alone, and this one comes from 203.0.113.9'
    )
    own = answer(HEAD + ALLOW + OFFICE + 'source = "client"\n', HERE)
    assert isinstance(own, Allow)
    assert own.terms.source == ("client",)
    part = answer(HEAD + ALLOW + OFFICE + 'source = ["10.1.0.0/16"]\n', HERE)
    assert isinstance(part, Allow)
    assert part.terms.source == ("10.1.0.0/16",)


def test_it_is_a_requirement_and_never_the_next_rules_turn() -> None:
    later = ALLOW.replace('"staging"', '"later"', 1)
    assert code(HEAD + ALLOW + OFFICE + later, THERE) == "wrong_network"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DENY + OFFICE + f"not_{OFFICE}", "deny[0].not_networks: cannot stand beside networks; write a deny for each"),
        (DENY + 'networks = ["10.0.0.1/8"]\n', "deny[0].networks[0]: is not a network: 10.0.0.1/8 has host bits set"),
        (DENY + "networks = []\n", "deny[0].networks: must not be empty: it would match no address"),
        (ALLOW + OFFICE + 'source = ["0.0.0.0/0"]\n', "allow[0].source: is wider than networks; make it a part"),
        (ALLOW + f"not_{OFFICE}", "allow[0].not_networks: unknown key"),
        (ALLOW + 'networks = ["x"]\n', "allow[0].networks[0]: is not a network"),
    ],
)
def test_what_is_wrong_with_networks(text: str, problem: str) -> None:
    said = [line.partition(": ")[2] for line in problems(HEAD + text)]
    assert len(said) == 1
    assert said[0].startswith(problem)


CIDRS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32"]
nets = st.lists(st.sampled_from(CIDRS), unique=True)
addresses = st.ip_addresses().map(str) | st.sampled_from(["10.1.2.3", "10.1.9.9", "10.9.9.9", "2001:db8::1"])


@given(nets, addresses)
def test_one_of_each_kind_stands_for_every_address(some: list[str], address: str) -> None:
    def where(text: str) -> list[str]:
        known = client_address(text)
        return [cidr for cidr in some if known is not None and inside(known, [cidr])]

    assert where(address) in list(map(where, one_of_each(some)))


@given(nets, nets, addresses)
def test_what_is_within_is_inside(inner: list[str], outer: list[str], address: str) -> None:
    known = client_address(address)
    if known is not None and within(inner, outer) and inside(known, inner):
        assert inside(known, outer)


def test_one_of_each_kind_of_address_is_never_another_spelling() -> None:
    """An IPv4 address that is written as IPv6 counts as IPv4, so no such one stands for a kind of IPv6."""
    for address in one_of_each(("::ffff:0:0/96", "10.0.0.0/8")):
        assert str(client_address(address)) == address
