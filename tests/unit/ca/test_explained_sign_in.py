"""What an explanation says of the sign-in itself: almost the right group, an address that counts for nothing."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit.policy import near_groups
from tests.support.installation import ALICE, DANA, Installation, Person

PATH = (
    "the sign-in has the group '/SRE', and the role sre names 'SRE': groups count letter by letter, and Keycloak "
    'writes whole paths unless "Full group path" is off'
)


def explained(ca: Installation, login: str) -> m.ExplainReply:
    asked = m.Explain(login, None, ("web1",), (), None, "shell", None, None, "CHG-7", None, False, "")  # noqa: FBT003
    return ca.say(asked, m.ExplainReply)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (("/SRE",), (PATH,)),
        (("/Ops/SRE",), (PATH.replace("'/SRE'", "'/Ops/SRE'"),)),
        (
            ("sre",),
            ("the sign-in has the group 'sre', and the role sre names 'SRE': groups count letter by letter",),
        ),
        (("SRE", "/SRE"), ()),
        (("SRE2", "Other"), ()),
        ((), ()),
    ],
)
def test_a_group_that_is_almost_the_right_one_is_said(ca: Installation, groups: tuple[str, ...], said: object) -> None:
    reply = explained(ca, ca.web(Person("k-1", groups, "kay@example.com")))
    assert tuple(text for text in reply.remarks if "the group" in text) == said
    assert (reply.verdict == "allow") == ("SRE" in groups), "and it permits nothing"


def test_the_other_way_round_too(ca: Installation) -> None:
    ca.change_policy('"acme/group:SRE"]', '"acme/group:/SRE"]')
    (remark,) = explained(ca, ca.web(ALICE)).remarks
    assert "the group 'SRE', and the role sre names '/SRE'" in remark


def test_a_group_of_another_provider_is_not_almost_the_right_one(ca: Installation) -> None:
    login = ca.web(Person("k-1", ("/SRE",), "kay@example.com", provider="partner"))
    assert not [text for text in explained(ca, login).remarks if "the group" in text]


def test_of_many_near_groups_a_few_are_said(ca: Installation) -> None:
    roles = "".join(f'r{number} = ["acme/group:G{number}"]\n' for number in range(9))
    ca.change_policy("[permissions]", f"{roles}[permissions]")
    login = ca.web(Person("k-1", tuple(f"/G{number}" for number in range(9)), "kay@example.com"))
    subject = ca.context.policy_subject(ca.context.state.logins[login])
    assert len(near_groups(ca.context.policy, subject)) == 5


@pytest.mark.parametrize(
    ("verified", "said"),
    [
        (None, "the ID token of partner has no claim 'email_verified'"),
        ("true", "email_verified is the text 'true', not true"),
        (False, "email_verified is 'false', not true"),
    ],
)
def test_an_address_that_counts_for_nothing_is_said_in_an_explanation(
    ca: Installation, verified: object, said: str
) -> None:
    login = ca.web(Person(DANA.sub, (), DANA.email, provider="partner", claims={"email_verified": verified}))
    remarks = explained(ca, login).remarks
    assert f"the address dana@example.com counts for no role: {said}" in remarks
