"""Formats of tomorrow, tried today: classes of ``sshjit`` with one field more, in a process of their own.

``python -m tests.support.grown_classes`` reads lines of JSON, each the name of a check and its arguments. For each it
forks before anything of ``sshjit`` is imported, lets the classes grow as they are compiled (as somebody who adds a
field does, by a line at their end), and does the check. It answers each line with what the check returned, or with
what went wrong. ``run`` does that from a test.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "newer"
"""The field that is added."""
FACT = f"{NAME}: str | None = __import__('sshjit.events.parts', fromlist=['']).added(default=None)"
DETAIL = f"{NAME}: str | None = __import__('sshjit.events.parts', fromlist=['']).added(default=None, detail=True)"
INSIDE = f"{NAME}: str | None = None"
MESSAGE = f"{NAME}: str | None = __import__('sshjit.wire', fromlist=['']).added(99, default=None)"
FIELDS = {"fact": FACT, "detail": DETAIL, "inside": INSIDE, "message": MESSAGE}


class _Growing(importlib.abc.MetaPathFinder):
    """Finds modules below a package, and adds a line to the end of some of their dataclasses."""

    def __init__(self, package: str, line: str, classes: frozenset[str]) -> None:
        """``classes`` grow; without any, every dataclass does."""
        self._package, self._line, self._classes = package, line, classes
        self.grown: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._package and not fullname.startswith(f"{self._package}."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path, self._grow)
        return spec

    def _grow(self, tree: ast.Module) -> None:
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and self._grows(node):
                node.body += ast.parse(self._line).body
                self.grown.append(node.name)

    def _grows(self, node: ast.ClassDef) -> bool:
        record = any("dataclass" in ast.unparse(each) for each in node.decorator_list)
        return record and (not self._classes or node.name in self._classes)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, grow: Callable[[ast.Module], None]) -> None:
        super().__init__(name, path)
        self._grow = grow

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - only the module that it was made for
        tree = ast.parse(Path(self.path).read_bytes(), self.path)
        self._grow(tree)
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


@contextmanager
def growing(package: str, field: str, *classes: str) -> Iterator[_Growing]:
    """While this lasts, classes grow as their modules are imported for the first time."""
    assert package not in sys.modules
    finder = _Growing(package, FIELDS[field], frozenset(classes))
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)


# --------------------------------------------------------------------------------------------------------------- checks


def check_log(database: str, cls: str, field: str) -> dict[str, Any]:
    """Reads, folds and verifies the frozen log with a class of its events grown; returns an entry that uses the field.

    ``StepAsked`` is no event but a part of one.
    """
    with growing("sshjit.events", field, cls) as finder:
        import dataclasses

        from sshjit import entries, events
        from sshjit_ca import state as states
        from sshjit_ca.keys.succession import Succession
        from sshjit_ca.log import fast_reader, snapshots, verification
        from sshjit_ca.state import State
        from sshjit_ca.storage.store import Store
        from tests.support.frozen_log import FIRST_KEY, expected, rows
    assert finder.grown == [cls]
    found = []
    folds = {reader: State() for reader in (entries, fast_reader)}
    for row in rows():
        for reader, state in folds.items():
            event = reader.read(row.entry) or reader.read_erased(row.entry)
            states.apply(state, event, row.entry.index, row.entry.time)
        if type(event).__name__ == cls:
            assert getattr(event, NAME) is None
            found.append((row.entry, event))
    state, then = folds[entries], expected()
    assert states.digest(state) == states.digest(folds[fast_reader])
    assert [state.size, state.epoch, state.sequence] == [then[name] for name in ("size", "epoch", "sequence")]
    assert {key.fingerprint: [key.purpose, key.state, key.revoked] for key in state.keys.values()} == then["keys"]
    assert sorted([serial, until] for serial, until in state.revoked.items()) == then["revoked"]
    store = Store(f"sqlite:///{database}", read_only=True)
    try:
        verdict = verification.verify(store, FIRST_KEY, processes=1)
        assert (verdict.problems, verdict.newer, verdict.head.hex()) == ((), "", then["head"]), verdict
        begun = snapshots.newest(store, "test/ssh-jit", then["size"], Succession.of(FIRST_KEY, store).verified)
        assert begun.size <= then["size"]
    finally:
        store.close()
    if field == "inside":
        return {}
    entry, event = next((entry, event) for entry, event in found if entry.detail is not None)
    newer = dataclasses.replace(event, **{NAME: "something new"})
    written = entries.write(newer, entry.index, entry.time, entry.salt or b"")
    assert entries.read(written) == fast_reader.read(written) == newer
    assert events.kind_of(newer) == entry.kind
    return {"index": entry.index, "fact": written.fact.decode(), "detail": (written.detail or b"").decode()}


def check_messages() -> int:
    """Reads every frozen question and answer with all messages and views grown, and says them to an older peer."""
    with growing("sshjit.api", "message") as views, growing("sshjit.ca_protocol", "message") as messages:
        from sshjit import ca_protocol as m
        from sshjit import wire
        from tests.support.frozen_protocol import ANSWERS, QUESTIONS, SIGNED, signed_text
    assert len(views.grown) > 30
    assert len(messages.grown) > 30
    for said in QUESTIONS:
        message = wire.decode(m.MESSAGES[said.heading[0]], said.value["body"])
        assert wire.encode_for(message, 1, "the CA") == said.value["body"], said.heading
    for said in ANSWERS:
        reply: Any = m.REPLIES[m.MESSAGES[said.heading[0]]]
        assert wire.encode_for(wire.decode_answer(reply, said.value["body"]), 1, "ssh-jit") == said.value["body"]
    for said in SIGNED:
        assert signed_text(said) == said.value, said.heading
    return len(QUESTIONS) + len(ANSWERS) + len(SIGNED)


CHECKS: Mapping[str, Callable[..., Any]] = {"log": check_log, "messages": check_messages}


# ----------------------------------------------------------------------------------------------- in their own processes


def run(checks: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """What became of each check: what it returned as ``found``, or what went wrong as ``problem``."""
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input="".join(f"{json.dumps(check)}\n" for check in checks),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(checks), done.stderr
    return answers


def _one(check: Sequence[str]) -> dict[str, Any]:
    try:
        return {"found": CHECKS[check[0]](*check[1:])}
    except BaseException:  # noqa: BLE001 - whatever it is, the test says it
        return {"problem": traceback.format_exc()}


def main() -> None:
    """Answers every line, each in a fork in which nothing of ``sshjit`` was imported yet."""
    import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 - once for all forks
    import msgspec  # noqa: F401
    import sqlalchemy.dialects.postgresql
    import sqlalchemy.dialects.sqlite  # noqa: F401

    assert "sshjit" not in sys.modules
    for line in sys.stdin:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            print(json.dumps(_one(json.loads(line))), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
