"""The commands ``ssh-jit policy check | explain | test | diff | prove | schema``.

They ask no server and need no sign-in. This file is imported only when one of them is run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sshjit import durations
from sshjit.errors import Invalid
from sshjit.policy import ASSUMED, Ask, PolicyError
from sshjit.policy.problems import did_you_mean
from sshjit.terminal_text import inert
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import terminal_styles
from sshjit_client.option_parser import Parser
from sshjit_client.policy import (
    comparison,
    comparison_text,
    expectations,
    lint,
    outcome_json,
    proof_text,
    schema,
    test_runner,
)
from sshjit_client.policy.explanation import explanation_text
from sshjit_client.policy.inventory import FILE, Inventory, load_inventory
from sshjit_client.policy.policy_files import parse_local_time, read_policy
from sshjit_client.policy.question import Question, explain
from sshjit_client.storage.machine import Machine

Options = argparse.Namespace
DIFFERENT = 1
"""Exit code if a ``test`` fails or a ``diff`` finds differences, like that of diff(1)."""


def run(machine: Machine, words: list[str]) -> int:
    """Runs one of them. Problems of a file are printed one to a line, and the exit code is 2."""
    options = _parser().parse_args(words)
    try:
        return int(options.run(machine, options))
    except PolicyError as error:
        machine.terminal.plain("".join(f"{inert(str(problem))}\n" for problem in error.problems))
        count = len(error.problems)
        machine.terminal.say(f"{error.problems[0].file}: {count} problem{'s' if count != 1 else ''}")
        return ExitCode.USAGE


def _parser() -> Parser:
    parser = Parser("ssh-jit policy", usage="ssh-jit policy COMMAND …")
    parser.description = "Checks, explains, tests and compares policy files, without any server."
    commands = parser.add_subparsers(required=True, metavar="COMMAND …", prog="ssh-jit policy", parser_class=Parser)
    check = _add(commands, "check", "report everything that is wrong with a policy", _check)
    check.add_argument("file", metavar="FILE", type=Path)
    explain = _add(commands, "explain", "what a policy answers to a person, and why", _explain)
    explain.add_argument("file", metavar="FILE", type=Path)
    _asked(explain)
    test = _add(commands, "test", "run the tests of a policy", _test)
    test.add_argument("file", metavar="FILE", type=Path, help="the tests: TOML with [[test]]")
    test.add_argument("--policy", metavar="FILE", type=Path, help="[what the tests name, or policy.toml beside them]")
    diff = _add(commands, "diff", "who gains and who loses by a change", _diff)
    diff.add_argument("old", metavar="OLD", type=Path)
    diff.add_argument("new", metavar="NEW", type=Path)
    diff.add_argument("--at", metavar="TIME", default="now", help="compare the week that begins then [now]")
    prove = _add(commands, "prove", "decide what a policy says must never be", _prove)
    prove.add_argument("file", metavar="FILE", type=Path)
    prove.add_argument("--at", metavar="TIME", default="now", help="from then on [now]")
    _add(commands, "schema", "print the JSON Schema of policy files, for editors", _schema)
    for command in (explain, test, diff):
        command.add_argument("--inventory", metavar="FILE", type=Path, help=f"hosts and people [{FILE} beside FILE]")
    for command in (check, explain, test, diff, prove):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _asked(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--person", metavar="NAME", required=True, help="who makes the request, from the inventory")
    add("--host", metavar="NAME", required=True, action="append", help="a host; may be repeated")
    add("--login", metavar="L", help="the account on the host [what the rule chooses]")
    add("--action", metavar="A", help="shell, a named action, or command [shell]")
    add("--command", metavar="C", help="the exact command, which makes the action command")
    add("--for", metavar="30m", dest="duration", help="for how long [as long as the rule allows]")
    add("--reason", metavar="R", default="", help="why")
    add("--at", metavar="TIME", default="now", help='when: "2026-03-04 12:00", "… Europe/Berlin" [now]')
    add("--start", metavar="TIME", help="when access is to begin, if later")
    add("--break-glass", action="store_true", help="by the rules for emergencies")


def _add(commands: Any, name: str, text: str, function: Callable[[Machine, Options], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(f"{name}", help=text)
    parser.description = f"{text[0].upper()}{text[1:]}."
    parser.set_defaults(run=function)
    return parser


def _check(machine: Machine, options: Options) -> int:
    try:
        policy = read_policy(options.file)
    except PolicyError as error:
        if not options.json:
            raise
        machine.terminal.out(
            json.dumps({"problems": [_problem(problem) for problem in error.problems], "warnings": []}, indent=2)
        )
        return ExitCode.USAGE
    warnings = lint.warnings(policy, options.file, int(time.time()))
    if options.json:
        machine.terminal.out(
            json.dumps({"problems": [], "warnings": [_problem(problem) for problem in warnings]}, indent=2)
        )
        return ExitCode.OK
    styles = terminal_styles(machine.environ)
    for problem in warnings:
        machine.terminal.out(f"{styles('wait', 'warning')} {inert(str(problem))}")
    rules = f"{len(policy.allows)} allow, {len(policy.denies)} deny, {len(policy.break_glass)} break-glass"
    machine.terminal.out(f"{styles('good', 'good')}: {inert(str(options.file))}, rules: {rules}; {policy.digest[:12]}")
    return ExitCode.OK


def _problem(problem: Any) -> dict[str, object]:
    return {name: getattr(problem, name) for name in ("file", "line", "key", "message", "suggestion")}


def _explain(machine: Machine, options: Options) -> int:
    policy = read_policy(options.file)
    inventory = load_inventory(options.inventory or options.file.parent / FILE, policy)
    now = parse_local_time(options.at)
    member = inventory.people.get(options.person)
    if member is None:
        raise _unknown("person", options.person, inventory)
    for name in options.host:
        if name not in inventory.hosts:
            raise _unknown("host", name, inventory)
    ask = Ask(
        login=options.login,
        action=options.action or ("shell" if options.command is None else "command"),
        command=options.command,
        duration=None if options.duration is None else durations.parse(options.duration),
        reason=options.reason,
        address=expectations.ADDRESS,
        break_glass=options.break_glass,
        start=None if options.start is None else parse_local_time(options.start),
        ticket=ASSUMED,
    )
    hosts = tuple(inventory.hosts[name] for name in dict.fromkeys(options.host))
    question = Question(policy, inventory, member.at(now), hosts, ask, now)
    explanation = explain(question)
    if options.json:
        machine.terminal.out(json.dumps(outcome_json.explanation_values(question, explanation), indent=2))
    else:
        machine.terminal.out(explanation_text(question, explanation, terminal_styles(machine.environ)))
    return ExitCode.OK


def _unknown(what: str, name: str, inventory: Inventory) -> Invalid:
    known = inventory.people if what == "person" else inventory.hosts
    return Invalid(f"unknown_{what}", f'there is no {what} "{name}" in the inventory', hint=did_you_mean(name, known))


def _test(machine: Machine, options: Options) -> int:
    suite = expectations.load_suite(options.file, options.policy, options.inventory, int(time.time()))
    failed = test_runner.run_all(machine, suite, as_json=options.json)
    return DIFFERENT if failed else ExitCode.OK


def _diff(machine: Machine, options: Options) -> int:
    old, new = read_policy(options.old), read_policy(options.new)
    path = options.inventory or options.new.parent / FILE
    differences = comparison.compare(old, new, load_inventory(path, new, old), parse_local_time(options.at))
    if options.json:
        machine.terminal.out(json.dumps(comparison_text.comparison_json(differences), indent=2))
    else:
        machine.terminal.out(comparison_text.comparison_text(differences, terminal_styles(machine.environ)))
    return ExitCode.OK if differences.same else DIFFERENT


def _prove(machine: Machine, options: Options) -> int:
    policy = read_policy(options.file)
    proofs = proof_text.decide(policy, policy.nevers, parse_local_time(options.at))
    if options.json:
        machine.terminal.out(json.dumps([proof_text.proof_json(proof) for proof in proofs], indent=2))
    else:
        machine.terminal.out(proof_text.proofs_text(proofs, terminal_styles(machine.environ)))
    return ExitCode.OK if all(proof.answer is None for proof in proofs) else DIFFERENT


def _schema(machine: Machine, _: Options) -> int:
    machine.terminal.out(schema.text().rstrip())
    return ExitCode.OK
