"""What is said to people who are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.policy import Ask, Denied, Host, Subject, explain, load
from tests.unit.sshjit.policy_world import (
    ALICE,
    BARE,
    CACHE1,
    CAROL,
    DANA,
    DB1,
    DB2,
    FIRE,
    FRESH_ALICE,
    LAX,
    MIGRATE,
    WEB1,
    WEB2,
    decide,
)

STAGING = 'rule "staging" allows {} on web1'
NEEDS_SRE = "{} on web1 needs the role sre or dba (rule staging); roles held: none"


@pytest.mark.parametrize(
    ("who", "hosts", "ask", "expected"),
    [
        (
            CAROL,
            [WEB1],
            Ask(None),
            (
                "no_rule",
                "no rule allows logging in to web1",
                NEEDS_SRE.format("deploy or the requester's own user name"),
            ),
        ),
        (
            CAROL,
            [WEB1],
            Ask("deploy"),
            (
                "no_rule",
                "no rule allows logging in to web1 as deploy",
                NEEDS_SRE.format("deploy"),
            ),
        ),
        (
            ALICE,
            [WEB1],
            Ask("bob"),
            (
                "no_rule",
                "no rule allows logging in to web1 as bob",
                STAGING.format("deploy and the requester's own user name"),
            ),
        ),
        (
            replace(ALICE, unix_name=None),
            [WEB1],
            Ask("bob"),
            (
                "no_rule",
                "no rule allows logging in to web1 as bob",
                STAGING.format("deploy and the requester's own user name") + "; the sign-in gives no user name",
            ),
        ),
        (
            ALICE,
            [WEB2],
            Ask("deploy", "migrate"),
            (
                "no_rule",
                'no rule allows running "migrate" on web2 as deploy',
                'rule "staging" allows the action shell on web2',
            ),
        ),
        (
            ALICE,
            [DB1],
            Ask("postgres"),
            (
                "no_rule",
                "no rule allows logging in to db1 as postgres",
                "postgres on db1 needs the role dba (rule prod-database); roles held: sre",
            ),
        ),
        (
            ALICE,
            [CACHE1],
            Ask("postgres", "command", command="ls"),
            (
                "no_rule",
                "no rule allows running an exact command on cache1 as postgres",
                (
                    "postgres on cache1 needs the role dba, for the actions shell and migrate (rule prod-database); "
                    "roles held: sre"
                ),
            ),
        ),
        (ALICE, [], Ask(None), ("no_host", "no host is named", "name at least one host")),
        (
            ALICE,
            [WEB1],
            Ask(None, "migrat"),
            (
                "unknown_action",
                'there is no action "migrat"',
                "the actions are shell, command and migrate",
            ),
        ),
        (
            ALICE,
            [WEB1],
            Ask(None, "command"),
            (
                "bad_command",
                "an exact command is missing",
                'an exact command goes with the action "command", and only with it',
            ),
        ),
        (
            ALICE,
            [WEB1],
            Ask(None, "shell", command="ls"),
            (
                "bad_command",
                'the action "shell" takes no command',
                'an exact command goes with the action "command", and only with it',
            ),
        ),
        (
            ALICE,
            [WEB1],
            Ask(None, duration=0),
            ("bad_duration", "the duration must be longer than 0", 'write it like "30m" or "8h"'),
        ),
        (
            DANA,
            [WEB1, DB1],
            Ask(None),
            (
                "different_rules",
                'the hosts fall under different rules: web1 under "staging" and db1 under "prod-database"',
                "request them separately",
            ),
        ),
        (
            DANA,
            [DB1, CACHE1],
            replace(LAX, action="shell", command=None, login=None),
            (
                "bad_reason",
                'rule "prod-database" needs a reason',
                "Incident or change number",
            ),
        ),
        (
            ALICE,
            [WEB1],
            Ask("root"),
            (
                "denied_by_rule",
                'rule "no-root" denies access to web1',
                "it does not apply to break-glass access",
            ),
        ),
        (
            DANA,
            [DB1, DB2, CACHE1],
            MIGRATE,
            (
                "too_many_hosts",
                'rule "prod-database" allows at most 2 hosts at a time, not 3',
                "ask for fewer hosts at a time",
            ),
        ),
        (
            DANA,
            [DB1],
            replace(MIGRATE, reason="just because"),
            (
                "bad_reason",
                'rule "prod-database" needs a reason like (INC|CHG)-[0-9]+',
                "Incident or change number",
            ),
        ),
        (
            DANA,
            [DB1],
            replace(MIGRATE, address=None),
            (
                "no_address",
                'rule "prod-database" allows access only from the address of the requester, which is not known',
                "send the request from the machine that will connect",
            ),
        ),
        (
            FRESH_ALICE,
            [DB1],
            replace(FIRE, reason="fire!    "),
            (
                "bad_reason",
                'rule "on-call" needs a reason of at least 10 characters',
                "Say why you need it, in at least 10 characters",
            ),
        ),
        (
            DANA,
            [DB1],
            FIRE,
            (
                "no_rule",
                "no break-glass rule allows logging in to db1 as root",
                "root on db1 needs the role sre (rule on-call); roles held: dba",
            ),
        ),
        (
            ALICE,
            [WEB1],
            replace(FIRE, login="deploy"),
            (
                "no_rule",
                "no break-glass rule allows logging in to web1 as deploy",
                "no break-glass rule is about a host with env=staging",
            ),
        ),
        (
            ALICE,
            [BARE],
            Ask(None),
            (
                "no_rule",
                "no rule allows logging in to bare",
                "no rule is about a host with no labels",
            ),
        ),
        (
            DANA,
            [WEB2, BARE],
            Ask("dana"),
            (
                "no_rule",
                "no rule allows logging in to bare as dana",
                "no rule is about a host with no labels",
            ),
        ),
    ],
)
def test_refused_with_a_reason(who: Subject, hosts: list[Host], ask: Ask, expected: tuple[str, str, str]) -> None:
    outcome = decide(who, hosts, ask)
    assert isinstance(outcome, Denied)
    assert (outcome.code, outcome.message, outcome.hint) == expected


def test_it_is_said_that_there_is_no_login_to_choose() -> None:
    rule = 'name = "{0}"\nlogins = ["{1}"]\n'
    terms = 'roles = ["r"]\nhosts = { env = "prod" }\napprovals = []\ngrant = "1h"\ncertificate = "5m"\n'
    policy = load(
        'version = 1\n[labels]\nenv = {}\n[roles]\nr = ["acme/group:SRE"]\n'
        f"[[deny]]\n{rule.format('no-root', 'root')}[[allow]]\n{rule.format('own', '@own')}{terms}"
    )
    host = Host("h", "h", (("env", "prod"),))
    found = explain(policy, replace(ALICE, unix_name=None), [host], Ask(None), 0)
    assert [miss.reason for report in found.rules for miss in report.misses] == [
        "it is for root, and no login is chosen",
        "it is for the requester's own user name, and there is none",
    ]
