"""Every error that the source can raise, as it reaches people: no host, path, address or command of the operator's.

The errors are read from the source, so that a new one is looked at without being listed here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca.public_errors import _HINTS, _MESSAGES, NotDone, public_error
from sshjit_web import errors
from sshjit_web.error_help import help_for
from tests.support.in_process_ca import FrontEnd

ROOT = Path(__file__).parents[3]
KINDS: dict[str, type[SshJitError]] = {"Failed": Failed, "Invalid": Invalid, "Refused": Refused}
AT_THE_CA = ("ca/sshjit_ca", "sshjit")
AT_THE_FRONT_END = ("webapp/sshjit_web",)
OPERATORS = ("cli", "operations", "report", "machine", "migrations", "notify")
"""Folders whose errors only a command of the operator's shows."""
AT_THE_START = (
    "config.py",
    "move_command.py",
    "notify_config.py",
    "migrate.py",
    "serve.py",
    "settings.py",
    "providers.py",
)
"""Files whose errors end a program before it answers anybody."""
DETAIL = "postgresql://ssh_jit@db.internal:5432/x, /var/lib/ssh-jit-ca/ca.db, uid 997"
HINT = "chown root /var/lib/ssh-jit-ca; ssh-jit-ca restore"
SECRETS = re.compile(
    r"/(?:tmp|var|run|home|etc|root|usr)\b|sqlite|psycopg|postgres|\.db\b|\.sock\b|ssh-jit-ca\b|ssh-jit-web\b|\.toml\b"
    r"|\bchown\b|\bchmod\b|\bsystemctl\b|db\.internal|\b997\b",
)


@dataclass(frozen=True)
class Raised:
    """An error where the source makes it, with the parts of its text that always stand there."""

    place: str
    kind: str
    code: str
    message: str
    hint: str

    def error(self, detail: str = "") -> SshJitError:
        return KINDS[self.kind](self.code, self.message + detail, hint=self.hint)


def raised(*folders: str) -> Iterator[Raised]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if set(inside.parts) & set(OPERATORS) or inside.name in AT_THE_START:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                    yield from of_call(f"{folder}/{inside}:{node.lineno}", node.func.id, node)


def of_call(place: str, kind: str, call: ast.Call) -> Iterator[Raised]:
    """One for each code, where a condition chooses it; none where the code is another error's."""
    hint = next((text(keyword.value) for keyword in call.keywords if keyword.arg == "hint"), "")
    for node in ast.walk(call.args[0]) if call.args else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield Raised(place, kind, node.value, text(call.args[1]) if len(call.args) > 1 else "", hint)


def text(node: ast.expr) -> str:
    """What an expression says in any case: the constants in it."""
    parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return " ".join(part for part in parts if isinstance(part, str))


CA = tuple(raised(*AT_THE_CA))
FRONT_END = tuple(raised(*AT_THE_FRONT_END))
FAILURES = sorted({*(each.code for each in CA if each.kind == "Failed"), *_MESSAGES, *_HINTS})
"""Some codes stand in variables; those that have words of their own are looked at as well."""


def test_the_source_was_read() -> None:
    codes = {each.code for each in (*CA, *FRONT_END)}
    assert {"not_signing", "no_database", "locked", "unknown_host", "database_down", "busy"} <= codes
    assert len(FAILURES) > 20
    assert SECRETS.search(DETAIL)
    assert SECRETS.search(HINT)


def assert_clean(world: FrontEnd, error: SshJitError, place: str = "") -> None:
    """As JSON and as a page, whatever status it has."""
    with world.app.test_request_context("/requests", base_url=world.origin):
        shown = errors.page(error, errors.status_of(error)).get_data(as_text=True)
        # What stands around it is the same for every error.
        plain = errors.page(Invalid("x", "x"), 400).get_data(as_text=True)
        told = " ".join((*map(str, errors.document(error).values()), help_for(error).text))
    assert not SECRETS.search(told), (place, told)
    assert len(SECRETS.findall(shown)) == len(SECRETS.findall(plain)), (place, shown)


@pytest.mark.parametrize("code", FAILURES)
def test_no_failure_of_the_cas_says_where_or_of_what(code: str, world: FrontEnd) -> None:
    """Whatever stands in it: people hear the code and words that are chosen for it."""
    failure = Failed(code, DETAIL, hint=HINT)
    for told in (public_error(failure), public_error(NotDone("the lock is NOT in force", failure))):
        assert (told.family, told.code) == ("failed", code)
        assert told.message
        assert told.hint
        assert_clean(world, told)


def test_no_answer_of_the_cas_names_what_is_the_operators(world: FrontEnd) -> None:
    """Answers to what people ask wrongly, or may not, keep their words: none of them may hold such a thing."""
    for each in CA:
        if each.kind != "Failed":
            assert_clean(world, public_error(each.error()), each.place)


def test_no_error_of_the_front_end_names_what_is_the_operators(world: FrontEnd) -> None:
    for each in FRONT_END:
        assert_clean(world, each.error(), each.place)
