"""``signed`` of an approval step: a word, a passkey, a device-bound passkey, the key of a sign-in; in that order."""

from __future__ import annotations

import itertools

import pytest

from sshjit import approvals, passkeys
from sshjit.approvals import Approver, Person, Step
from sshjit.policy import PolicyError, load, words

POLICY = """
version = 1
[labels]
env = {{ values = ["prod"], required = true }}
[roles]
lead = ["acme/group:Leads"]
{terms}
[[allow]]
name = "prod"
roles = ["lead"]
hosts = {{ env = "prod" }}
logins = ["root"]
{rule}
grant = "1h"
certificate = "5m"
"""
SAME = '"passkey"'
WRITTEN = ("false", '"passkey"', '"device-bound-passkey"', "true")
STEPS = (Step("lead", 1), *(Step("lead", 1, signed=True, passkey=kind) for kind in ("any", "device-bound", "")))


def text(signed: str, terms: str = "", rule: str = "") -> str:
    approvals = f'approvals = [{{ from = "lead", count = 1, signed = {signed} }}]'
    return POLICY.format(terms=terms, rule=rule or approvals)


@pytest.mark.parametrize(("signed", "step"), list(zip(WRITTEN, STEPS, strict=True)))
def test_what_a_policy_writes_is_read_and_written_back(signed: str, step: Step) -> None:
    (read,) = load(text(signed), file="policy.toml").named["prod"].approvals
    assert read == step
    assert str(passkeys.written(read)).casefold() == signed.strip('"').casefold()


@pytest.mark.parametrize(
    ("signed", "says"), [('"passkeys"', 'did you mean "passkey"'), ("1", "must be true, false or")]
)
def test_another_word_is_refused_with_what_was_meant(signed: str, says: str) -> None:
    with pytest.raises(PolicyError) as error:
        load(text(signed), file="policy.toml")
    assert says in f"{error.value}"


def test_a_stronger_signature_meets_what_asks_for_a_weaker_one_and_no_other_way_round() -> None:
    ways = [("", False), ("synced", False), ("device-bound", False), ("", True)]
    requester = Person("ann", frozenset(), frozenset())
    for (weak, step), (strong, (kind, signed)) in itertools.product(enumerate(STEPS), enumerate(ways)):
        by = Approver("bob", frozenset(), frozenset({"lead"}), signed=signed, passkey=kind)  # type: ignore[arg-type]
        assert approvals.complete((step,), requester, [by]) is (strong >= weak)
    for (one, given), (two, wanted) in itertools.product(enumerate(STEPS), repeat=2):
        assert approvals.covers((given,), (wanted,)) is (one >= two)


def test_terms_may_be_tightened_and_not_loosened() -> None:
    def under(terms: str, rule: str) -> str:
        shared = f'[terms.strict]\napprovals = [{{ from = "lead", count = 1, signed = {terms} }}]'
        own = f'terms = ["strict"]\napprovals = [{{ from = "lead", count = 1, signed = {rule} }}]'
        return text("", shared, own)

    for (weak, terms), (strong, rule) in itertools.product(enumerate(WRITTEN), repeat=2):
        if strong >= weak:
            assert load(under(terms, rule), file="policy.toml")
        else:
            with pytest.raises(PolicyError):
                load(under(terms, rule), file="policy.toml")


def test_explanations_say_which_signatures_count() -> None:
    assert [words.step(step) for step in STEPS] == [
        "1 of lead",
        "1 of lead, signed (a passkey counts)",
        "1 of lead, signed (a device-bound passkey counts)",
        "1 of lead, signed",
    ]


def test_one_role_has_no_two_steps_of_one_kind() -> None:
    pair = '[{ from = "lead", count = 1, signed = "passkey" }, { from = "lead", count = 1, signed = SECOND }]'
    assert load(text("", rule=f"approvals = {pair.replace('SECOND', 'true')}"), file="policy.toml")
    with pytest.raises(PolicyError):
        load(text("", rule=f"approvals = {pair.replace('SECOND', SAME)}"), file="policy.toml")
