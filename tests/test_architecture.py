"""The borders between the parts: who imports whom, how pure the core is, what the CA can load, how long files are.

What the CA has loaded while it serves is asked of the real process in ``integration/test_running_ca.py``.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "sshjit": ROOT / "sshjit",
    "sshjit_ca": ROOT / "ca/sshjit_ca",
    "sshjit_web": ROOT / "webapp/sshjit_web",
    "sshjit_client": ROOT / "client/sshjit_client",
    "sshjit_host": ROOT / "hostconfig/sshjit_host",
}
MAY_IMPORT = {
    "sshjit": set[str](),
    "sshjit_ca": {"sshjit"},
    "sshjit_web": {"sshjit"},
    "sshjit_client": {"sshjit"},
    "sshjit_host": set[str](),
}
EXTRAS = {
    "sshjit_ca": ("ca", "hsm", "postgres", "report", "calendar", "fleet"),
    "sshjit_web": ("web", "postgres", "traces"),
}
"""The extras of pyproject.toml whose packages a program may import."""
CARRIED = {"flask": {"werkzeug", "jinja2", "markupsafe"}, "icalendar": {"dateutil"}, "cryptography": {"bcrypt"}}
"""What comes with a package and is part of how it is used."""
NOT_OURS_TO_SHIP = {"demo", "tests", "bench", "tools"}

PURE = {
    *("__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses", "datetime"),
    *(
        "difflib",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "importlib",  # to load modules of the core when they are needed
        "io",  # files in memory
        "ipaddress",
        "itertools",
        "json",
        "math",
    ),
    *("operator", "re", "string", "struct", "textwrap", "tomllib", "types", "typing", "unicodedata"),
    "shlex",  # to quote what people type
    "zipfile",  # in memory: the host program as one file
    "urllib.parse",  # taking addresses apart; the rest of urllib opens them
    "zoneinfo",  # reads the system's table of zones, which policy cannot do without
}
"""The part of the standard library that the core may use: nothing here reads, waits, guesses or asks the system."""
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint", "id", "hash"}
CLOCKS = {"now", "utcnow", "today"}

FLOORS: dict[str, list[tuple[str, ...]]] = {
    "sshjit_web": [
        ("__main__",),
        ("check_command", "move_command", "init_command", "serve"),
        ("worker",),
        ("listener",),
        ("app", "server"),
        ("api", "metrics", "pages", "public", "spans", "template_filters", "wsgi_middleware"),
        ("gateway",),
        ("auth", "notify"),
        ("errors",),
        ("security",),
        ("services",),
        ("banner", "drafts", "error_help", "forms", "oidc", "policy_preview", "sessions", "shared_memory"),
        ("ca_cache", "client_authentication", "migrate", "provider_transport"),
        ("ca_client", "migrations", "store"),
        ("ca_pool",),
        ("ca_socket", "config", "postgres", "schema"),
        (
            "escape_controls",
            "failed_sign_in",
            "notify_config",
            "pending_sign_in",
            "proxies",
            "security_txt",
            "structured_log",
            "supervised",
        ),
    ],
    "sshjit_web.server": [
        ("application",),
        ("api_calls", "long_polls"),
        ("async_ca_client",),
        ("admission", "async_connection", "bundle_follower", "connections", "threads", "wsgi"),
        ("bodies",),
        ("rsgi",),
    ],
    "sshjit_web.api": [("hosts", "account", "locks", "passkeys", "requests"), ("json_io",), ("calls",)],
    "sshjit_web.pages": [
        ("continued",),
        ("approvals", "locks", "passkeys", "request_form"),
        ("explain", "history", "hosts", "log", "break_glass", "policy", "requests", "sign_ins"),
        ("common",),
    ],
    "sshjit_web.notify": [
        ("command",),
        ("channels", "notifier"),
        ("delivery", "log_follower", "webhooks", "status"),
        ("ledger",),
        ("planner",),
        ("payload", "recipients"),
        ("messages",),
        ("notices",),
    ],
    "sshjit_ca": [
        ("__main__",),
        ("cli",),
        ("operations",),
        ("service",),
        ("authority",),
        ("outages",),
        ("routes",),
        ("handlers", "preparations"),
        ("access", "report"),
        ("context",),
        ("question",),
        ("accounts", "witness"),
        ("log", "sources"),
        ("keys",),
        ("oidc", "state", "storage"),
        ("machine",),
        ("config", "counters", "ephemeral", "public_errors", "sockets"),
        ("passkey_config", "place_config", "source_config"),
    ],
    "sshjit_ca.report": [
        ("html_page",),
        ("csv_files", "highlights"),
        ("builder",),
        ("counts",),
        ("access",),
        ("gathering",),
        ("requests",),
        ("access_lines", "activity", "changes"),
        ("people", "spool", "tables"),
        ("columns", "evidence", "period"),
    ],
    "sshjit.policy": [
        ("reevaluate",),
        ("evaluate", "explain"),
        ("proof",),
        ("analysis", "refusals"),
        ("approval_steps", "host_kinds"),
        ("load", "query"),
        ("near_groups", "requirements", "roles", "rota", "rule_text", "sentences"),
        ("rules",),
        ("calendars", "compiled", "limits", "rule_approvals", "sections", "shared_terms", "tickets"),
        ("fields", "index", "types", "words"),
        ("model", "reader", "toml_text"),
        ("networks", "owners", "problems", "schedule"),
    ],
    "sshjit_client": [
        ("__main__",),
        ("cli",),
        ("manual",),
        ("commands", "run"),
        ("plain_ssh",),
        ("diagnosis",),
        ("connecting",),
        ("policy", "requests"),
        ("option_parser",),
        ("identity",),
        ("host_certificates", "trusted_bundle"),
        ("ssh",),
        ("storage",),
        ("api", "console"),
        ("network",),
    ],
    "sshjit_client.connecting": [
        ("connection",),
        ("way",),
        ("kept",),
        ("agent_mode",),
        ("certificate", "forwarding", "host_lookup", "unknown_host"),
        ("dialects",),
    ],
    "sshjit_client.identity": [
        ("sessions", "signed_request"),
        ("login_key", "sign_in"),
        ("sign_out",),
        ("browser", "installation", "oidc", "provider_endpoints", "workload"),
    ],
    "sshjit_client.plain_ssh": [
        ("placement",),
        ("ensure",),
        ("certificates", "deadline", "own_settings"),
        ("ssh_config",),
        ("failure", "fast", "hosts", "layout", "person_config", "putty"),
    ],
    "sshjit_client.requests": [
        ("earlier_request", "request_details", "waiting"),
        ("explained_hosts", "explanation", "reason_prompt", "request_args", "request_text", "run_options"),
    ],
    "sshjit_client.ssh": [
        ("hardening", "jumps", "reachability", "sshconfig"),
        ("agent_certificates", "known_hosts", "own_known_hosts", "sharing"),
        ("agent", "certificate_index"),
        ("connection_args", "openssh", "private_key"),
        ("person_file", "program"),
    ],
    "sshjit_client.storage": [
        ("host_names",),
        ("machine",),
        ("logins", "settings"),
        ("file_locks",),
        ("files", "one_line"),
        ("paths",),
    ],
    "sshjit_client.api": [("full",), ("basic",)],
    "sshjit_host": [
        ("__main__",),
        ("status",),
        ("joining",),
        ("doctor",),
        ("sessions",),
        ("watch",),
        ("refresh",),
        ("front_end",),
        ("alarms", "openssh", "pins"),
        ("config", "machine"),
        ("formats",),
        ("errors", "findings", "program", "times", "version"),
    ],
    "sshjit_client.commands": [
        ("decisions", "history", "hosts", "locks", "passkeys", "plain_ssh", "request_lists", "requests"),
        ("doctor", "permissions", "reachable", "status"),
        (
            "account",
            "break_glass",
            "entry_text",
            "kept_certificates",
            "resolve_request",
            "setup",
            "short_names",
            "signatures",
        ),
    ],
    "sshjit_client.diagnosis": [("host_checks", "machine_checks", "trial"), ("finding", "quantum")],
    "sshjit_client.manual": [("command",), ("completion", "man_page"), ("command_table",)],
    "sshjit_client.policy": [
        ("command",),
        ("test_runner",),
        ("proof_text",),
        ("expectations", "explanation"),
        ("comparison_text", "outcome_json"),
        ("comparison", "question"),
        ("inventory", "lint"),
        ("fall_through",),
        ("declaration_changes",),
        ("covering", "policy_files", "schedule_text", "schema", "term_changes"),
    ],
}
"""The members of a package, files and folders alike, from the top floor down: imports go to lower floors only."""

LONGEST = 400
"""Lines of a file; tests may be longer."""


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path, *, running: bool = False) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names taken from it) of every import in a file, wherever in the file it stands.

    With ``running``, without those that stand under ``if TYPE_CHECKING`` and so never happen.
    """
    unused = {
        inner
        for node in ast.walk(tree(path))
        if running and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree(path)):
        if node in unused:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield absolute(path, node), tuple(alias.name for alias in node.names)


def absolute(path: Path, node: ast.ImportFrom) -> str:
    """The full name of the module that a possibly relative import means."""
    if node.level == 0:
        return node.module or ""
    base = path
    for _ in range(node.level):
        base = base.parent
    folder = next(folder for folder in PACKAGES.values() if base.is_relative_to(folder))
    return ".".join([folder.name, *base.relative_to(folder).parts, *([node.module] if node.module else [])])


def tops(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    return {module.partition(".")[0] for module, _ in imports(path)}


@functools.cache
def third_party(package: str) -> frozenset[str]:
    """The import names that a program may use, by its extras."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    lines = [line for extra in EXTRAS.get(package, ()) for line in extras[extra]]
    wanted = {_plain(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in lines}
    carried = {name for each in wanted for name in CARRIED.get(each, ())}
    provided = importlib.metadata.packages_distributions()
    return frozenset(carried) | {
        name for name, owners in provided.items() if wanted & {_plain(owner) for owner in owners}
    }


def _plain(name: str) -> str:
    """The name of a package, as registries compare them."""
    return name.lower().replace("_", "-")


def every(*packages: str) -> pytest.MarkDecorator:
    """Runs a test for each source file of these packages."""
    cases = [(package, path) for package in packages for path in sources(PACKAGES[package])]
    return pytest.mark.parametrize(("package", "path"), cases, ids=[shown(path) for _, path in cases])


@every(*PACKAGES)
def test_imports_go_where_they_may(package: str, path: Path) -> None:
    """``_typeshed`` exists for type checkers only."""
    allowed = {package, "_typeshed"} | MAY_IMPORT[package] | third_party(package) | sys.stdlib_module_names
    assert tops(path) <= allowed, f"may not import {sorted(tops(path) - allowed)}"


@every("sshjit")
def test_the_core_is_pure(package: str, path: Path) -> None:
    foreign = {module for module, _ in imports(path) if module.partition(".")[0] != "sshjit"}
    impure = {module for module in foreign if module not in PURE and module.partition(".")[0] not in PURE}
    assert not impure, f"may not import {sorted(impure)}"
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name):
                assert name not in IMPURE_CALLS, f"line {node.lineno} calls {name}()"
            case ast.Attribute(attr=name):
                assert name not in CLOCKS, f"line {node.lineno} reads a clock by {name}()"


@every("sshjit_client", "sshjit_host")
def test_what_runs_on_other_peoples_machines_needs_no_package(package: str, path: Path) -> None:
    assert not third_party(package)
    assert tops(path) <= sys.stdlib_module_names | MAY_IMPORT[package] | {package}


@every("sshjit_client")
def test_a_laptop_loads_nothing_of_what_only_the_ca_s_sockets_carry(package: str, path: Path) -> None:
    """Making those hundred classes would take longer than all else that a connection does."""
    assert not {module for module, _ in imports(path) if module.startswith("sshjit.ca_protocol")}


@pytest.mark.parametrize("path", sources(PACKAGES["sshjit"] / "api"), ids=shown)
def test_what_http_carries_needs_nothing_of_it_either(path: Path) -> None:
    assert not {module for module, _ in imports(path) if module.startswith("sshjit.ca_protocol")}


@every("sshjit_host")
def test_the_host_program_is_python_3_9(package: str, path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))
    assert not newer_than_3_9(path)


def newer_than_3_9(path: Path) -> list[str]:
    """Uses of the library that Python 3.9 lacks and that are easily made by habit."""
    missing_names = {
        "enum": {"StrEnum", "verify"},
        "typing": {"Self", "TypeAlias", "ParamSpec", "assert_never", "Never", "override", "NotRequired", "TypeGuard"},
        "datetime": {"UTC"},
        "contextlib": {"chdir", "aclosing"},
        "itertools": {"pairwise", "batched"},
        "collections.abc": {"Buffer"},
    }
    missing_modules = {"tomllib"}
    missing_arguments = {"dataclass": {"slots", "kw_only"}, "zip": {"strict"}, "field": {"kw_only"}}
    found = []
    for module, names in imports(path):
        found += [f"{module}.{name}" for name in names if name in missing_names.get(module, ())]
        found += [module] if module in missing_modules else []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            arguments = {keyword.arg for keyword in node.keywords}
            found += [f"{node.func.id}({name}=…)" for name in missing_arguments.get(node.func.id, set()) & arguments]
            if node.func.id in {"isinstance", "issubclass"} and isinstance(node.args[-1], ast.BinOp):
                found.append(f"{node.func.id}(…, A | B) in line {node.lineno}")
    return found


def test_nothing_that_the_ca_can_load_brings_a_web_framework() -> None:
    """Every module of it in one process, also those that only some commands load."""
    names = sorted(name for name in graph("sshjit_ca") if ".migrations" not in name)
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"sshjit_ca", "sqlalchemy", "joserfc"} <= loaded
    assert loaded.isdisjoint({"flask", "werkzeug", "jinja2", "granian", "authlib", "sshjit_web"})


def test_only_the_page_of_a_report_is_made_by_templates() -> None:
    """The operator's command imports Jinja2 when it makes one; the other test holds that nothing else loads it."""
    users = {path for path in sources(PACKAGES["sshjit_ca"]) if "jinja2" in tops(path)}
    assert users == {PACKAGES["sshjit_ca"] / "report/html_page.py"}


def test_only_the_operator_s_probe_connects_to_hosts() -> None:
    """It is loaded when somebody probes; the running CA is asked in ``integration/test_running_ca.py``."""
    users = {path for path in sources(PACKAGES["sshjit_ca"]) if "asyncssh" in tops(path)}
    assert users == {PACKAGES["sshjit_ca"] / "operations/probe_connection.py"}
    code = "import sys, sshjit_ca.cli.commands, sshjit_ca.operations.host_probe\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "asyncssh" not in done.stdout.split()


def test_the_pages_never_load_what_delivers_and_the_notifier_never_loads_the_pages() -> None:
    """Apprise and its hundred services are the notifier's alone."""
    for module, absent in (
        ("sshjit_web.serve", {"apprise", "standardwebhooks"}),
        ("sshjit_web.worker", {"apprise", "standardwebhooks", "alembic"}),
        ("sshjit_web.listener", {"flask", "sqlalchemy", "cryptography", "msgspec"}),
        ("sshjit_web.notify.channels", {"flask"}),
    ):
        code = f"import sys, {module}\nprint(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = {name.partition(".")[0] for name in done.stdout.split()}
        assert {"sshjit_web"} <= loaded
        assert not absent & loaded
    code = "import sys, sshjit_web.__main__, sshjit_web.notify.command\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"apprise", "standardwebhooks", "flask"} & {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("package", PACKAGES)
def test_inside_a_program_imports_go_downward_only(package: str) -> None:
    cycle = find_cycle(graph(package))
    assert cycle is None, f"these modules import each other: {' -> '.join(cycle or ())}"


@pytest.mark.parametrize("package", FLOORS)
def test_each_file_and_folder_has_its_floor_and_imports_from_lower_ones_only(package: str) -> None:
    depth = {member: number for number, floor in enumerate(FLOORS[package]) for member in floor}
    assert len(depth) == sum(map(len, FLOORS[package])), "a member has two floors"
    edges = member_edges(graph(package.partition(".")[0]), package)
    assert depth.keys() == edges.keys()
    assert not climbs(edges, depth)


def climbs(edges: dict[str, set[str]], depth: dict[str, int]) -> list[str]:
    """The imports that do not go to a lower floor; ``depth`` counts floors from the top."""
    return [f"{name} imports {to}" for name, targets in edges.items() for to in targets if depth[to] <= depth[name]]


def test_an_import_that_climbs_or_stays_is_found() -> None:
    depth = {"cli": 0, "log": 1, "state": 1, "keys": 2}
    assert climbs({"cli": {"log", "keys"}, "log": {"keys"}, "keys": set()}, depth) == []
    assert climbs({"keys": {"cli"}, "log": {"state"}}, depth) == ["keys imports cli", "log imports state"]


def member_edges(edges: dict[str, set[str]], package: str) -> dict[str, set[str]]:
    """Which members of a package import which others; its ``__init__``, which may import all of them, is none."""

    def member(module: str) -> str:
        return module.removeprefix(f"{package}.").partition(".")[0] if module.startswith(f"{package}.") else ""

    found: dict[str, set[str]] = {member(module): set() for module in edges}
    for module, targets in edges.items():
        found[member(module)] |= {member(target) for target in targets} - {"", member(module)}
    return {name: targets for name, targets in found.items() if name}


def test_what_a_folder_imports_counts_for_all_of_it() -> None:
    edges = {"p": {"p.a"}, "p.a": {"p.b.c"}, "p.b": {"p.b.c"}, "p.b.c": {"p.d"}, "p.d": set[str](), "other": {"p.a"}}
    assert member_edges(edges, "p") == {"a": {"b"}, "b": {"d"}, "d": set()}
    assert member_edges(edges, "p.b") == {"c": set()}


def graph(package: str) -> dict[str, set[str]]:
    """Which modules of a package import which: ``from a import b`` counts for the module ``a.b`` if there is one."""
    folder = PACKAGES[package]
    modules = {".".join([package, *path.relative_to(folder).with_suffix("").parts]): path for path in sources(folder)}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    edges: dict[str, set[str]] = {}
    for name, path in modules.items():
        targets: set[str] = set()
        for module, names in imports(path, running=True):
            below = {f"{module}.{each}" for each in names} & modules.keys()
            targets |= below
            if module in modules and (not names or len(below) < len(names)):
                targets.add(module)
        edges[name] = targets - {name}
    return edges


def find_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    """A way from a module back to itself, or ``None``."""
    finished: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str] | None:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in finished:
            return None
        for target in sorted(edges[name]):
            found = visit(target, [*way, name])
            if found:
                return found
        finished.add(name)
        return None

    return next((cycle for name in sorted(edges) if (cycle := visit(name, []))), None)


def test_a_cycle_is_found_where_there_is_one() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def public_functions(path: Path) -> list[ast.FunctionDef]:
    """The functions of a module that others may call."""
    return [node for node in tree(path).body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def is_handler(function: ast.FunctionDef) -> bool:
    """Whether a function is ``(context: Context, message: …) -> …`` and no more; a message not looked at is ``_``."""
    arguments = function.args
    named = [(argument.arg, argument.annotation and ast.unparse(argument.annotation)) for argument in arguments.args]
    alone = not (arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg)
    return (
        alone
        and not arguments.defaults
        and not function.decorator_list
        and function.returns is not None
        and [kind for _, kind in named[:1]] == ["Context"]
        and [name for name, _ in named] in (["context", "message"], ["context", "_"])
    )


HANDLERS = [path for path in sources(PACKAGES["sshjit_ca"] / "handlers") if path.name != "__init__.py"]


@pytest.mark.parametrize("path", HANDLERS, ids=shown)
def test_a_module_of_handlers_offers_handlers_and_nothing_else(path: Path) -> None:
    """What handlers share lies on lower floors, so no handler's module is imported by another one."""
    functions = public_functions(path)
    assert functions
    assert [function.name for function in functions if not is_handler(function)] == []
    assert not [module for module, _ in imports(path) if module.startswith("sshjit_ca.handlers")]


def test_each_handler_answers_one_message_and_each_message_has_one() -> None:
    """The table names each public function of ``handlers/`` once: none is left over, and none answers two messages."""
    routes = tree(PACKAGES["sshjit_ca"] / "routes.py")
    named = [
        ast.unparse(call.args[1])
        for call in ast.walk(routes)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Route"
    ]
    offered = [f"{path.stem}.{function.name}" for path in HANDLERS for function in public_functions(path)]
    assert sorted(named) == sorted(offered)


def test_what_is_no_handler_is_recognised() -> None:
    source = """
def good(context: Context, message: m.Ask) -> m.AskReply: ...
def blind(context: Context, _: m.Health) -> m.HealthReply: ...
def third(context: Context, message: m.Ask, socket: Socket) -> m.AskReply: ...
def other(store: Store, message: m.Ask) -> m.AskReply: ...
def default(context: Context, message: m.Ask = None) -> m.AskReply: ...
"""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions if is_handler(function)] == ["good", "blind"]


def stray_strings(module: ast.Module) -> list[int]:
    """Lines of string expressions that document nothing: neither first in a body nor right after an assignment."""
    found = []
    for node in ast.walk(module):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if not isinstance(body, list):
                continue
            first = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            for before, statement in zip([None, *body], body, strict=False):
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                    continue
                documents = first if before is None else isinstance(before, ast.Assign | ast.AnnAssign)
                if isinstance(statement.value.value, str) and not documents:
                    found.append(statement.lineno)
    return found


@pytest.mark.parametrize("path", [path for package in PACKAGES for path in sources(PACKAGES[package])], ids=shown)
def test_each_docstring_stands_under_what_it_documents(path: Path) -> None:
    assert stray_strings(tree(path)) == []


def test_a_docstring_under_the_wrong_field_is_found() -> None:
    source = 'class A:\n    """A."""\n    b: int\n    """B."""\n    c: int = 1\n    """D."""\n    """C."""\n'
    assert stray_strings(ast.parse(source)) == [7]
    assert stray_strings(ast.parse('def f():\n    """F."""\n    g()\n    """stray"""\n')) == [4]
    assert stray_strings(ast.parse('class A:\n    def f(self):\n        """F."""\n    """stray"""\n')) == [4]


def test_what_is_shipped_is_the_five_packages() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {Path(name).name for name in build["packages"]} == PACKAGES.keys()
    for package, folder in PACKAGES.items():
        assert folder.is_dir()
        assert not NOT_OURS_TO_SHIP & {top for path in sources(folder) for top in tops(path)}, package


FOLDERS = ("sshjit", "ca", "webapp", "client", "hostconfig", "demo", "bench", "tools", "docs")
FILES = [path for folder in FOLDERS for path in sources(ROOT / folder)]


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_no_file_is_longer_than_a_person_reads(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST, f"{lines} lines"


WRITERS = {
    "sshjit": set[str](),
    "sshjit_ca": {"machine/durable.py", "machine/owner.py", "sockets.py"},
    "sshjit_web": {"config.py"},
    "sshjit_client": {"storage/files.py", "ssh/openssh.py", "trusted_bundle.py"},
    "sshjit_host": {"machine/files.py"},
}
"""The files of each program that write, rename or change files: they follow no link and leave nothing half written.

``openssh.py`` and ``trusted_bundle.py`` write in a folder that is the person's alone, as ``paths.private`` has seen.
"""
WRITING = {
    *("write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "symlink", "link", "mkfifo", "mkstemp"),
    *("chmod", "lchmod", "fchmod", "chown", "lchown", "fchown", "setxattr", "rename", "mkdir", "makedirs", "truncate"),
    *("copy", "copy2", "copyfile", "copytree", "move", "NamedTemporaryFile", "ftruncate", "pwrite"),
}
COPIES = {"copy", "move", "link", "truncate"}
"""Names that other objects have too: they count as the functions of these modules."""


def writes(module: ast.Module) -> list[str]:
    """The calls of a module by which a file is written, renamed, made or changed."""
    found = []
    for call in ast.walk(module):
        if not isinstance(call, ast.Call):
            continue
        bare = isinstance(call.func, ast.Name)  # beside ``open``, what somebody imported from the place that writes
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        of = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        text = [ast.unparse(argument) for argument in (*call.args, *(keyword.value for keyword in call.keywords))]
        if name == "open":
            modes = [part.strip("'") for part in text if re.fullmatch(r"'[rwaxbt+]{1,3}'", part)]
            opens = any(set(mode) & set("wax+") for mode in modes) and "os.devnull" not in text
            opens = opens and not {"force_zip64", "fileobj"} & {word.arg for word in call.keywords}  # in an archive
            opens = opens or bool(re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", " ".join(text)))
        elif name == "replace":
            opens = not bare and (of == "os" or (len(call.args) == 1 and not call.keywords))
        else:
            opens = name in WRITING and not bare and (of in {"os", "shutil"} or name not in COPIES) and of != "durable"
        found += [f"line {call.lineno}: {ast.unparse(call)[:80]}"] if opens else []
    return found


@every(*PACKAGES)
def test_t84_files_are_written_in_one_place_of_each_program(package: str, path: Path) -> None:
    if str(path.relative_to(PACKAGES[package])) not in WRITERS[package]:
        assert not writes(tree(path))


def test_t84_the_places_that_write_are_there() -> None:
    for package, names in WRITERS.items():
        assert not [name for name in names if not writes(tree(PACKAGES[package] / name))]


def test_t84_a_file_that_is_written_by_other_means_is_seen() -> None:
    bad = """
path.write_text(text)
path.open("wb")
open(path, mode="a")
os.open(path, os.O_WRONLY | os.O_CREAT)
shutil.copy(a, b)
new.replace(path)
os.rename(a, b)
path.chmod(0o600)
os.chown(path, 0, 0)
path.mkdir()
"""
    assert len(writes(ast.parse(bad))) == 10
    good = """
path.read_text()
path.open("rb")
open(os.devnull, "wb")
text.replace("a", "b")
replace(settings, root=1)
value.copy()
chain.link(other)
os.open(path, os.O_RDONLY)
"""
    assert writes(ast.parse(good)) == []


BARE = {"found", "said", "each", "heard", "told", "whoever"}
"""Names that say nothing of what they hold: for a line or two they do."""


@every(*PACKAGES)
def test_a_name_that_says_nothing_is_gone_after_three_lines(package: str, path: Path) -> None:
    assert not bare_names(tree(path))


def bare_names(module: ast.Module) -> list[str]:
    """Functions in which such a name is used over more than three lines."""
    long = []
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            lines: dict[str, list[int]] = {}
            for node in ast.walk(function):
                match node:
                    case ast.Name(id=name, lineno=line) | ast.arg(arg=name, lineno=line) if name in BARE:
                        lines.setdefault(name, []).append(line)
            long += [f"{function.name}: {name}" for name, at in lines.items() if max(at) - min(at) >= 3]
    return long


def test_a_name_that_says_nothing_is_seen() -> None:
    text = "def look(each):\n    found = 1\n    x = 2\n    y = 3\n    return found\n"
    assert bare_names(ast.parse(text)) == ["look: found"]


def test_the_lock_file_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)
    pins = re.findall(r"^([a-z0-9.-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0
