"""Programs of two releases together: what people, hosts and the operator do works, whichever was upgraded first.

Laptops, hosts, front ends and the CA are never upgraded in the same minute. So a lab is started once for each way in
which this tree and an older commit can be mixed, and the same commands are typed in each: the older laptops and hosts
with newer servers, the newer ones with older servers, and a front end and a CA of different releases. Takes some
minutes; ``make test-releases`` runs it, ``make test`` does not::

    .venv/bin/python tests/releases.py [COMMIT] [--mix NAME …]
    .venv/bin/python tests/releases.py --tomorrow [--mix NAME …]

With ``--tomorrow`` this tree is the older one, and the newer one is a copy of it in which every message and everything
in one has one field more: what is released today must get along with it.

The other tree is checked out and set up in a temporary folder, which is removed in the end. What is around the programs
(configuration, providers, sshd) is the older tree's: configuration is not upgraded by itself either. Standard library
only. Prints a table, and what was said where something differs; exit code 1 if anything does.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
OLDEST = "24add08"
"""The last commit of protocol version 1, release 0.1.0."""
TOMORROW = 99
"""The version that tomorrow's programs speak."""
PATIENCE = 120
"""Seconds for one command."""
PROGRAMS = {"ca": "ssh-jit-ca", "web": "ssh-jit-web", "client": "ssh-jit", "host": "ssh-jit-host"}
MIXES: dict[str, frozenset[str]] = {
    "newer laptops and hosts": frozenset({"client", "host"}),
    "newer servers": frozenset({"ca", "web"}),
    "newer CA": frozenset({"ca"}),
    "older CA": frozenset({"web", "client", "host"}),
    "newer front end": frozenset({"web"}),
    "older front end": frozenset({"ca", "client", "host"}),
}
"""Which programs are the newer tree's."""
IS_TOMORROW = f"""
from sshjit import ca_protocol, versions, wire
assert versions.PROTOCOL == {TOMORROW}
assert all(wire.grew(cls, {TOMORROW - 1}) for pair in ca_protocol.REPLIES.items() for cls in pair), "nothing grew"
"""
"""Checks that the installed package is the one that has grown: else all would be well for nothing."""
DRIVER = """
import json, sys
from pathlib import Path
from demo import isolate
from demo.lab import hosting, lab, people
bin, *trees = map(Path, sys.argv[1:])
hosting.BIN = lab.BIN = people.BIN = bin
before = isolate.surroundings
isolate.surroundings = lambda: sorted({*before(), bin, *trees})
def refresh(host):
    config = str(host.folder / "host.json")
    command = host.inside([str(bin / "ssh-jit-host"), "--config", config, "refresh"])
    return {"command": command, "env": people.base_env(host.folder) | host.additions}
with lab.Lab.start() as running:
    hosts = {name: refresh(host) for name, host in running.hosting.hosts.items()}
    print(json.dumps(running.as_json() | {"refresh": hosts}), flush=True)
    sys.stdin.read()
"""
"""Starts a lab with the programs of a folder, says in a line of JSON how to use it, and ends it with its input."""


class Differs(Exception):
    """A command did not do what it does within one release; the message is what it said."""


# --------------------------------------------------------------------------------------------------------- two releases


@dataclass(frozen=True)
class Trees:
    """Two work trees that are set up."""

    older: Path
    newer: Path

    def program(self, part: str, mix: frozenset[str]) -> Path:
        """The program of a part (a key of ``PROGRAMS``) in a mix."""
        return (self.newer if part in mix else self.older) / ".venv" / "bin" / PROGRAMS[part]


@contextmanager
def with_older(commit: str) -> Iterator[Trees]:
    """This tree and an older commit, until the block is left."""
    with _checked_out(commit) as tree:
        _run(["make", "-s", "setup"], cwd=tree)
        yield Trees(tree, REPOSITORY)


@contextmanager
def with_tomorrow() -> Iterator[Trees]:
    """This tree and what may come after it: the last commit, in which all messages have grown."""
    with _checked_out("HEAD") as tree:
        for folder in ("sshjit/api", "sshjit/ca_protocol"):
            for path in sorted((tree / folder).glob("*.py")):
                path.write_text(grown(path.read_text()))
        versions = tree / "sshjit" / "versions.py"
        number = f"PROTOCOL = {TOMORROW}"
        versions.write_text(re.sub(r"^PROTOCOL = \d+$", number, versions.read_text(), flags=re.MULTILINE))
        _run(["make", "-s", "setup"], cwd=tree)
        _run([str(tree / ".venv" / "bin" / "python"), "-c", IS_TOMORROW], cwd=REPOSITORY.parent)
        yield Trees(REPOSITORY, tree)


def grown(text: str) -> str:
    """A module whose dataclasses have one field more, at their end, since tomorrow's version."""
    line = f"    newer: str = __import__('sshjit.wire', fromlist=['']).added({TOMORROW}, default='something new')"
    lines = text.split("\n")
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list):
            lines.insert(node.end_lineno or 0, line)
    return "\n".join(lines)


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    """A work tree of a commit in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="ssh-jit-releases-"))
    folder.chmod(0o755)  # the front end runs as nobody and reads its packages
    tree = folder / "tree"
    try:
        _git("worktree", "add", "--detach", "--force", str(tree), commit)
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=REPOSITORY, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["git", "worktree", "prune"], cwd=REPOSITORY, check=False, capture_output=True)


def _git(*arguments: str) -> None:
    _run(["git", *arguments], cwd=REPOSITORY)


def _run(command: Sequence[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"releases: {' '.join(command)}: {done.stdout}{done.stderr}".rstrip())


# ---------------------------------------------------------------------------------------------------------------- a lab


@dataclass
class Lab:
    """A running lab, as its driver describes it; ``ids`` are what earlier commands made."""

    line: Mapping[str, Any]
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def web_login(self) -> str:
        """The account on web1."""
        return self._login("web1")

    @property
    def database_login(self) -> str:
        """The account on db1."""
        return self._login("db1")

    def _login(self, host: str) -> str:
        return str(next(each["login"] for each in self.line["hosts"] if each["name"] == host))

    def types(self, who: str, command: str, *, code: int = 0, has: str = "") -> str:
        """``who`` (a person, or the operator) types a command; what it said.

        Raises:
            Differs: when it ends with another code, or what it says does not match ``has``.

        """
        env = self.line["admin_env"] if who == "operator" else self.line["people"][who]["env"]
        return self.runs(["/bin/sh", "-c", command], env, f"{who}$ {command}", code=code, has=has)

    @staticmethod
    def runs(command: Sequence[str], env: Mapping[str, str], shown: str, *, code: int = 0, has: str = "") -> str:
        """Runs a command. Raises ``Differs``, as ``types``."""
        try:
            done = subprocess.run(
                command,
                env=dict(env),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Differs(f"{shown}\ndid not end within {PATIENCE} s") from None
        if done.returncode != code or not re.search(has, done.stdout, re.MULTILINE):
            wanted = f"code {code}" + (f" and {has!r}" if has else "")
            raise Differs(f"{shown}\n{done.stdout}ended with {done.returncode}, where {wanted} was expected")
        return done.stdout

    def makes(self, name: str, what: str, who: str, command: str, *, code: int = 0) -> None:
        """A command that makes, or shows, something with an id; kept in ``ids`` as ``name``."""
        said = self.types(who, command, code=code, has=what)
        found = re.search(what, said)
        assert found is not None
        self.ids[name] = found[0]


@contextmanager
def lab(trees: Trees, mix: frozenset[str]) -> Iterator[Lab]:
    """A lab in which the programs of ``mix`` are the newer tree's, and the others the older one's."""
    with tempfile.TemporaryDirectory(prefix="ssh-jit-mix-") as name:
        bin_ = Path(name)
        bin_.chmod(0o755)
        for part, program in PROGRAMS.items():
            (bin_ / program).symlink_to(trees.program(part, mix))
        python, older = trees.older / ".venv" / "bin" / "python", trees.older
        command = [str(python), "-c", DRIVER, name, str(older), str(trees.newer)]
        said = bin_ / "said"
        with (
            said.open("w") as errors,
            subprocess.Popen(
                command, cwd=older, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as driver,
        ):
            assert driver.stdin is not None
            assert driver.stdout is not None
            text = driver.stdout.readline()
            if not text:
                raise Differs(f"the lab did not come up\n{said.read_text()}")
            try:
                yield Lab(json.loads(text))
            finally:
                driver.stdin.close()
                try:
                    driver.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    driver.kill()  # the lab's janitor then ends the rest


# --------------------------------------------------------------------------------------------------- what is done in it

REQUEST, LOCK = r"req-[0-9a-z]{8,}", r"lock-[0-9a-z]{8,}"
REASON = "--reason 'CHG-7 add index'"
Step = tuple[str, Callable[[Lab], object]]


def _refreshed(lab: Lab) -> None:
    for name, how in lab.line["refresh"].items():
        lab.runs(how["command"], how["env"], f"{name}$ ssh-jit-host refresh")


def _pages(lab: Lab) -> None:
    alice = ("", "requests", f"requests/{lab.ids['glass']}", "requests/new", "history", "break-glass")
    bob = ("approvals", "reviews", f"requests/{lab.ids['asked']}", "explain", "locks", "log")
    for person, pages in (("alice", alice), ("bob", bob)):
        for page in pages:
            lab.types(person, f'eval "$BROWSER {lab.line["web"]}/{page}"')


def _extended(lab: Lab) -> None:
    lab.makes("longer", REQUEST, "dana", "ssh-jit extend --reason 'CHG-7 takes longer' db1")
    lab.types("bob", f"ssh-jit approve --yes {lab.ids['longer']}")


def _denied(lab: Lab) -> None:
    lab.makes("migrate", REQUEST, "dana", f"ssh-jit request --action migrate {REASON} {lab.database_login}@db1")
    lab.types("bob", f"ssh-jit deny --reason 'not today' {lab.ids['migrate']}")
    lab.types("dana", f"ssh-jit show {lab.ids['migrate']}", has="not today")


def _broken_glass(lab: Lab) -> None:
    reason = "--reason 'the database is on fire'"
    where = f"{lab.database_login}@db1"
    lab.makes("glass", REQUEST, "alice", f"ssh-jit break-glass --yes {reason} {where} whoami")
    lab.types("bob", "ssh-jit requests", has=lab.ids["glass"][:12])
    lab.types("bob", f"ssh-jit review --justified --yes --comment 'it was' {lab.ids['glass']}")


def _signs(lab: Lab, command: str, instead: str) -> None:
    """Bob signs what he was shown. Where a program between is too old for that it says so, and the operator acts."""
    try:
        lab.types("bob", command)
    except Differs as differs:
        if "is too old for this: it does not know 'shown'" not in str(differs):
            raise
        lab.types("operator", instead)


def _locked(lab: Lab) -> None:
    lab.makes("lock", LOCK, "bob", "ssh-jit lock --host db1 --reason 'a drill' --yes")
    lab.types("bob", "ssh-jit locks", has=lab.ids["lock"])
    unlock = f"unlock {lab.ids['lock']} --reason 'it was a drill'"
    _signs(lab, f"ssh-jit {unlock}", f"ssh-jit-ca {unlock}")
    lab.types("bob", "ssh-jit locks")


def _revoked(lab: Lab) -> None:
    lab.makes("open", rf"{REQUEST}(?= +{lab.web_login}@web1)", "alice", "ssh-jit requests")
    lab.types("bob", f"ssh-jit revoke {lab.ids['open']} --reason 'enough'")
    lab.makes("again", REQUEST, "alice", "ssh-jit request web1")


def _labelled(lab: Lab) -> None:
    labels = "label web1 --label env=staging --label role=web"
    _signs(lab, f"ssh-jit hosts {labels}", "ssh-jit-ca host label web1 env=staging role=web")
    lab.types("bob", "ssh-jit hosts", has="role=web")


STEPS: tuple[Step, ...] = (
    ("setup", lambda lab: lab.types("alice", "ssh-jit --version")),  # the lab has done it: it would not be up else
    ("login", lambda lab: [lab.types(name, "ssh-jit login") for name in ("alice", "bob", "carol", "dana")]),
    ("whoami", lambda lab: lab.types("alice", "ssh-jit whoami", has="alice@example.com")),
    ("connect", lambda lab: lab.types("alice", "ssh-jit web1 whoami", has=f"^{lab.web_login}$")),
    ("connect again", lambda lab: lab.types("alice", "ssh-jit web1 whoami", has=f"^{lab.web_login}$")),
    ("status", lambda lab: lab.types("alice", "ssh-jit status && ssh-jit status web1", has=f"{lab.web_login}@web1")),
    ("hosts", lambda lab: lab.types("alice", "ssh-jit hosts", has=r"^(?:db1 [\s\S]*^web1|web1 [\s\S]*^db1) ")),
    ("explain", lambda lab: lab.types("dana", f"ssh-jit explain {REASON} db1", has="prod-database")),
    ("explain --json", lambda lab: json.loads(lab.types("dana", f"ssh-jit explain --json {REASON} db1"))),
    ("denied", lambda lab: lab.types("carol", "ssh-jit web1 whoami", code=4)),
    ("request", lambda lab: lab.makes("asked", REQUEST, "dana", f"ssh-jit request {REASON} {lab.database_login}@db1")),
    ("requests", lambda lab: lab.types("bob", "ssh-jit requests", has="CHG-7")),
    ("show", lambda lab: lab.types("bob", f"ssh-jit show {lab.ids['asked']}", has="CHG-7")),
    ("comment", lambda lab: lab.types("bob", f"ssh-jit comment {lab.ids['asked']} 'why not at night?'")),
    ("approve", lambda lab: lab.types("bob", f"ssh-jit approve --yes --for 30m {lab.ids['asked']}")),
    ("connect approved", lambda lab: lab.types("dana", "ssh-jit db1 whoami", has=f"^{lab.database_login}$")),
    ("extend", _extended),
    ("deny", _denied),
    ("find", lambda lab: lab.types("bob", "ssh-jit requests --all --find CHG-7 --since 30d", has="CHG-7")),
    ("break-glass, review", _broken_glass),
    ("hosts label (signed)", _labelled),
    ("lock, unlock (signed)", _locked),
    ("revoke", _revoked),
    ("pages", _pages),
    ("done", lambda lab: lab.types("alice", "ssh-jit done web1")),
    ("logout", lambda lab: lab.types("alice", "ssh-jit logout; ssh-jit whoami", code=7)),
    ("ssh-jit-host refresh", _refreshed),
    ("ssh-jit-ca status", lambda lab: lab.types("operator", "ssh-jit-ca status && ssh-jit-ca host list", has="^web1 ")),
    ("ssh-jit-ca log verify", lambda lab: lab.types("operator", "ssh-jit-ca log verify && ssh-jit-ca log tail")),
)
"""What is done, in this order. Words of the programs' are not looked for: they differ from release to release."""


@dataclass(frozen=True)
class Difference:
    """A step that did not go as within one release."""

    mix: str
    step: str
    said: str


def play(trees: Trees, name: str, steps: Sequence[Step]) -> list[Difference]:
    """Does every step in one mix; those that need what an earlier one should have made are differences as well."""
    found = []
    try:
        with lab(trees, MIXES[name]) as running:
            for step, do in steps:
                try:
                    do(running)
                except (Differs, ValueError) as error:
                    found.append(Difference(name, step, str(error)))
                except KeyError as error:
                    found.append(Difference(name, step, f"there is no {error} to go on with"))
    except Differs as error:
        found += [Difference(name, step, str(error) if not found else "the lab is not there") for step, _ in steps]
    return found


def show(mixes: Sequence[str], differences: Sequence[Difference], seconds: Mapping[str, float]) -> None:
    """The table, and what was said where something differs."""
    wrong = {(each.mix, each.step) for each in differences}
    width = max(len(step) for step, _ in STEPS)
    columns = [max(len(mix), 6) for mix in mixes]
    print(f"\n{'':<{width}}  " + "  ".join(f"{mix:<{size}}" for mix, size in zip(mixes, columns, strict=True)))
    for step, _ in STEPS:
        cells = ["DIFFERS" if (mix, step) in wrong else "ok" for mix in mixes]
        print(f"{step:<{width}}  " + "  ".join(f"{cell:<{size}}" for cell, size in zip(cells, columns, strict=True)))
    times = [f"{seconds[mix]:.0f} s" for mix in mixes]
    print(f"{'':<{width}}  " + "  ".join(f"{each:<{size}}" for each, size in zip(times, columns, strict=True)))
    for each in differences:
        print(f"\n--- {each.mix}: {each.step}\n{each.said.rstrip()}")


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/releases.py", description="Try this tree with an older one.")
    parser.add_argument("commit", nargs="?", default=OLDEST, help=f"the older one [{OLDEST}]")
    parser.add_argument("--tomorrow", action="store_true", help="try it with what may come after it instead")
    parser.add_argument("--mix", action="append", choices=MIXES, metavar="NAME", help=f"only: {'; '.join(MIXES)}")
    arguments = parser.parse_args()
    if not (REPOSITORY / ".venv" / "bin" / "ssh-jit").exists():
        sys.exit("releases: make setup first")
    mixes = arguments.mix or list(MIXES)
    differences: list[Difference] = []
    seconds: dict[str, float] = {}
    with with_tomorrow() if arguments.tomorrow else with_older(arguments.commit) as trees:
        for name in mixes:
            began = time.monotonic()
            found = play(trees, name, STEPS)
            seconds[name] = time.monotonic() - began
            differences += found
            print(f"{name}: {len(STEPS) - len(found)} of {len(STEPS)} as within one release", flush=True)
    show(mixes, differences, seconds)
    return 1 if differences else 0


if __name__ == "__main__":
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was begun is taken away
    sys.exit(main())
