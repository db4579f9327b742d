"""``ssh-jit web1 true`` against ``ssh web1 true`` with the same certificate: what the wrapper costs a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.environment import Environment
from bench.measurement import differences, seconds
from bench.results import Result, milliseconds

ROUNDS = 15
OURS = ["ssh-jit", "web1", "true"]


def alive(environment: Environment) -> Iterator[Result]:
    """A certificate is alive: nothing is asked."""
    _run(environment, OURS)
    plain = _plain(environment)
    ours, ssh, more = differences(
        lambda: seconds(lambda: _run(environment, OURS)), lambda: _seconds(environment, plain), ROUNDS
    )
    yield Result(
        "alive", "ssh-jit web1 true, certificate alive", milliseconds(ours), f"{milliseconds(ssh)} ssh", more, "ms", 25
    )


def issued(environment: Environment) -> Iterator[Result]:
    """No certificate and no window: an ask, the automatic approval, a certificate, and ssh."""
    _run(environment, OURS)

    def ours() -> float:
        environment.api("POST", f"requests/{environment.grant()}/end")
        for path in _plain(environment).parent.iterdir():
            path.unlink()
        return seconds(lambda: _run(environment, OURS))

    def ssh() -> float:
        return _seconds(environment, _plain(environment))

    mine, its, more = differences(ours, ssh, ROUNDS)
    what = "ssh-jit web1 true, ask and certificate"
    yield Result("issued", what, milliseconds(mine), f"{milliseconds(its)} ssh", more, "ms", 120)


def _plain(environment: Environment) -> Path:
    """The configuration that ssh is run with while alice's certificate for web1 lives."""
    return next((environment.alice.runtime / "open").glob("web1*.conf"))


def _seconds(environment: Environment, config: Path) -> float:
    return seconds(lambda: _run(environment, ["ssh", "-F", str(config), "web1", "true"]))


def _run(environment: Environment, command: list[str]) -> None:
    done = environment.alice.run(command)
    if done.code:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
