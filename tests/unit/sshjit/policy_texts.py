"""Small policies to spoil, and what is said about spoilt ones."""

from __future__ import annotations

import pytest

from sshjit.policy import PolicyError, load

HEAD = """\
version = 1
[labels]
env = { values = ["prod", "staging"] }
[roles]
sre = ["acme/group:SRE"]
"""
ALLOW = """\
[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "8h"
certificate = "5m"
"""
BREAK_GLASS = """\
[[break_glass]]
name = "on-call"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["root"]
grant = "30m"
certificate = "5m"
review_within = "24h"
"""


def problems(text: str) -> list[str]:
    """What is said about ``text``, a line each, without the file's name."""
    with pytest.raises(PolicyError) as caught:
        load(text)
    assert caught.value.code == "bad_policy"
    assert [str(problem) for problem in caught.value.problems] == str(caught.value).split("\n")
    return [line.removeprefix("policy.toml:") for line in str(caught.value).split("\n")]


def with_line(old: str, new: str) -> str:
    """A good policy in which one line was replaced."""
    text = HEAD + ALLOW
    assert text.count(old) == 1
    return text.replace(old, new)
