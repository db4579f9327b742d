"""Every policy that ever decided is kept by its digest, and whoever reads the log finds what it said."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa

from sshjit import ca_protocol as m
from sshjit.ca_protocol.operating import SentenceView
from sshjit.errors import Failed, Invalid, Refused
from sshjit_ca.cli import policies as cli_policies
from sshjit_ca.cli import show as cli_show
from sshjit_ca.keys import files
from sshjit_ca.log import verification
from sshjit_ca.storage.schema import policies
from tests.support.installation import ALICE, BOB, POLICY, Installation


def read(ca: Installation, digest: str | None) -> m.PolicyReply:
    return ca.say(m.ReadPolicy(digest), m.PolicyReply, "admin")


def listed(ca: Installation) -> tuple[m.PolicyView, ...]:
    return ca.say(m.ReadPolicies(), m.PoliciesReply, "admin").policies


def problems(ca: Installation) -> tuple[str, ...]:
    return verification.verify(ca.store, files.load_public(ca.config.key_file("log"))).problems


def test_a_request_names_the_policy_it_was_decided_by_and_its_text_is_found(ca: Installation) -> None:
    asked = ca.ask(ca.web(ALICE), "web1", certificate=False).request
    ca.change_policy('grant = "8h"', 'grant = "4h"')
    then, now = read(ca, asked.policy), read(ca, None)
    assert then.text == POLICY
    assert hashlib.sha256(then.text.encode()).hexdigest() == then.digest == asked.policy
    assert now.text == ca.policy != then.text
    assert read(ca, now.digest) == now
    assert read(ca, then.digest[:8]) == then
    assert problems(ca) == ()


def test_the_list_says_when_each_was_in_force_and_what_followed(ca: Installation) -> None:
    first = ca.context.policy.digest
    began = int(ca.time)
    ca.later(60)
    ca.change_policy('grant = "8h"', 'grant = "4h"')
    second = ca.context.policy.digest
    ca.later(60)
    ca.change_policy('grant = "4h"', 'grant = "8h"')
    again, middle, oldest = listed(ca)
    assert (oldest.digest, oldest.loaded, oldest.replaced, oldest.replaced_by) == (first, began, began + 60, second)
    assert (middle.digest, middle.replaced, middle.replaced_by) == (second, began + 120, first)
    assert (again.digest, again.rules, again.replaced, again.replaced_by) == (first, 2, None, None)
    assert ca.kinds()[again.entry] == "policy"
    ca.restart()
    assert listed(ca) == (again, middle, oldest)
    lines = cli_policies.listing(m.PoliciesReply((again, middle, oldest))).splitlines()
    assert lines[0].split() == ["DIGEST", "RULES", "FROM", "(UTC)", "UNTIL", "(UTC)", "REPLACED", "BY", "ENTRY"]
    assert "in force" in lines[1]
    assert lines[2].split()[-2:] == [first[:16], str(middle.entry)]


@pytest.mark.parametrize("wrong", ["", "abc", "ABCD", "0x12", "g" * 8, "a" * 65, "abcd/../e"])
def test_what_is_no_digest_is_said_to_be_none(ca: Installation, wrong: str) -> None:
    with pytest.raises(Invalid, match="is not a digest") as caught:
        read(ca, wrong)
    assert caught.value.code == "bad_digest"


def test_unknown_and_ambiguous_prefixes(ca: Installation) -> None:
    with pytest.raises(Invalid, match="no policy ffff0000 was ever in force here") as caught:
        read(ca, "ffff0000")
    assert (caught.value.code, caught.value.hint) == ("unknown_policy", "ssh-jit-ca policy list")
    with ca.store.engine.begin() as connection:
        for last in "01":
            connection.execute(sa.insert(policies).values(digest="feed" + "0" * 59 + last, text="x"))
    with pytest.raises(Invalid, match="2 policies begin with feed: feed0") as caught:
        read(ca, "feed")
    assert caught.value.code == "ambiguous_policy"


def test_a_text_that_is_not_its_digests_is_not_shown_and_verify_finds_it(ca: Installation) -> None:
    first = ca.context.policy.digest
    ca.change_policy('grant = "8h"', 'grant = "4h"')
    with ca.store.engine.begin() as connection:
        connection.execute(sa.update(policies).where(policies.c.digest == first).values(text="version = 1"))
    with pytest.raises(Failed, match=f"the policy {first[:12]} was changed"):
        read(ca, first)
    assert problems(ca) == (f"the text stored for the policy {first[:12]} was changed",)
    with ca.store.engine.begin() as connection:
        connection.execute(sa.delete(policies).where(policies.c.digest == first))
    assert problems(ca) == (f"the text of the policy {first[:12]} is missing",)


def test_the_web_door_reads_the_policy_in_force_and_no_other(ca: Installation) -> None:
    first = ca.context.policy.digest
    ca.change_policy('grant = "8h"', 'grant = "4h"')
    assert ca.say(m.ReadPolicy(None), m.PolicyReply).digest == ca.context.policy.digest
    assert ca.say(m.ReadPolicy(ca.context.policy.digest), m.PolicyReply).text == ca.policy
    with pytest.raises(Invalid) as caught:
        ca.say(m.ReadPolicy(first), m.PolicyReply)
    assert caught.value.code == "not_permitted"
    with pytest.raises(Refused) as refused:
        ca.say(m.ReadPolicies(), m.PoliciesReply)
    assert refused.value.code == "not_permitted"


def test_who_may_audit_reads_which_policies_there_were_and_what_was_proved(ca: Installation) -> None:
    with pytest.raises(Refused) as refused:
        ca.say(m.ReadPolicies(ca.web(ALICE)), m.PoliciesReply)
    assert refused.value.code == "not_permitted"
    text = ca.policy + '[[never]]\nname = "no-root"\nlogin = "root"\nwithin = 2027-12-31\n'
    ca.authority.change_policy(ca.authority.look_at_policy(text))
    (now, first) = ca.say(m.ReadPolicies(ca.web(BOB)), m.PoliciesReply).policies
    assert now.decided == (SentenceView("no-root", "proved", 1_830_297_600),)
    assert (now.loaded, first.decided) == (int(ca.time), ())
    printed = cli_policies.listing(m.PoliciesReply((now, first))).splitlines()
    when = cli_show.instant(int(ca.time))
    assert printed[2] == f"    proved at {when}, until {cli_show.instant(1_830_297_600)}: no-root"
    assert len(printed) == 4


def test_a_sentence_that_was_over_when_the_policy_came_was_not_proved(ca: Installation) -> None:
    """It is so in the log, in every list, and after a start; and it keeps no policy from being loaded."""
    sentence = '[[never]]\nname = "no-deploy"\nlogin = "deploy"\nwithin = 2026-12-31\n'
    assert ca.say_policy(ca.policy + sentence, accept=False).loaded
    ended = 1_798_761_600
    for _ in range(2):
        (now, _before) = listed(ca)
        assert now.decided == (SentenceView("no-deploy", "over", ended),)
        ca.restart()
    printed = cli_policies.listing(m.PoliciesReply((now,))).splitlines()
    assert printed[2] == f"    OVER at {cli_show.instant(now.loaded)}, until {cli_show.instant(ended)}: no-deploy"
    assert problems(ca) == ()
