"""``ssh-jit web1 true`` against ``ssh web1 true`` with the same certificate: what the wrapper costs a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.results import Result, milliseconds
from bench.timing import differences, seconds
from bench.world import World

ROUNDS = 15
OURS = ["ssh-jit", "web1", "true"]


def alive(world: World) -> Iterator[Result]:
    """A certificate is alive: nothing is asked."""
    _run(world, OURS)
    plain = _plain(world)
    ours, ssh, more = differences(lambda: seconds(lambda: _run(world, OURS)), lambda: _seconds(world, plain), ROUNDS)
    yield Result(
        "alive", "ssh-jit web1 true, certificate alive", milliseconds(ours), f"{milliseconds(ssh)} ssh", more, "ms", 25
    )


def issued(world: World) -> Iterator[Result]:
    """No certificate and no window: an ask, the automatic approval, a certificate, and ssh."""
    _run(world, OURS)

    def ours() -> float:
        world.api("POST", f"requests/{world.grant()}/end")
        for path in _plain(world).parent.iterdir():
            path.unlink()
        return seconds(lambda: _run(world, OURS))

    def ssh() -> float:
        return _seconds(world, _plain(world))

    mine, its, more = differences(ours, ssh, ROUNDS)
    what = "ssh-jit web1 true, ask and certificate"
    yield Result("issued", what, milliseconds(mine), f"{milliseconds(its)} ssh", more, "ms", 120)


def _plain(world: World) -> Path:
    """The configuration that ssh is run with while alice's certificate for web1 lives."""
    return next((world.alice.runtime / "open").glob("web1*.conf"))


def _seconds(world: World, config: Path) -> float:
    return seconds(lambda: _run(world, ["ssh", "-F", str(config), "web1", "true"]))


def _run(world: World, command: list[str]) -> None:
    done = world.alice.run(command)
    if done.code:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
