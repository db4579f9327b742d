"""``evaluate`` with many rules and hosts against few: the cost of a decision must not follow the size of a policy."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from bench.environment import Environment
from bench.measurement import paired
from bench.results import Result
from sshjit import policy

NOW = 1_800_000_000
CALLS = 2000


def lines(_: Environment) -> Iterator[Result]:
    """As a ratio, and as a time."""
    large, small, ratio = paired(_Measure(1000, 10_000), _Measure(10, 10), 7)
    shown, against = f"{large * 1e6:.1f} us", f"{small * 1e6:.1f} us, 10 rules, 10 hosts"
    yield Result("evaluate", "decision, 1,000 rules, 10,000 hosts", shown, against, ratio, "x", 3)
    yield Result("evaluate", "the same as a time", shown, "", large * 1e6, "us", 100)


class _Measure:
    """Seconds of processor time that one decision takes, over many people and hosts."""

    def __init__(self, rules: int, hosts: int) -> None:
        self._policy = policy.load(_text(rules))
        pairs = [(f"h{i}", f"t{i % rules}") for i in range(hosts)]
        self._hosts = [policy.Host(name, name, (("env", "prod"), ("team", team))) for name, team in pairs]
        self._subjects = [
            policy.Subject(f"sub-{i}", "acme", frozenset({f"G{i}", "Everybody"}), frozenset()) for i in range(rules)
        ]

    def __call__(self) -> float:
        ask, count = policy.Ask(login="deploy"), len(self._subjects)
        numbers = [i * 37 % len(self._hosts) for i in range(CALLS)]
        asks = [(self._subjects[number % count], (self._hosts[number],)) for number in numbers]
        began = time.thread_time()
        outcomes = [policy.evaluate(self._policy, subject, hosts, ask, NOW) for subject, hosts in asks]
        spent = time.thread_time() - began
        if not all(isinstance(outcome, policy.Allow) for outcome in itertools.islice(outcomes, 50)):
            raise RuntimeError("the policy of this measurement refuses what it should allow")
        return spent / CALLS


def _text(rules: int) -> str:
    teams = range(rules)
    roles = "\n".join(f'r{i} = ["acme/group:G{i}"]' for i in teams)
    allows = "\n".join(
        f'[[allow]]\nname = "a{i}"\nroles = ["r{i}"]\nhosts = {{ env = "prod", team = "t{i}" }}\nlogins = ["deploy"]\n'
        'approvals = []\ngrant = "1h"\ncertificate = "5m"'
        for i in teams
    )
    return f"version = 1\n[labels]\nenv = {{}}\nteam = {{}}\n[roles]\n{roles}\n{allows}\n"
