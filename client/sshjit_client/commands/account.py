"""``ssh-jit login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import time
from pathlib import Path

from sshjit import durations, wire, workloads
from sshjit.api.session import LoginView
from sshjit.api.views import TurnView
from sshjit.errors import Invalid, SshJitError
from sshjit.terminal_text import fitted
from sshjit_client import trusted_bundle
from sshjit_client.api.basic import Away, BasicApi
from sshjit_client.console import exit_codes, json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at
from sshjit_client.identity import sessions, sign_in, sign_out, workload
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.requests.request_details import token_text
from sshjit_client.requests.request_text import person
from sshjit_client.ssh import openssh
from sshjit_client.storage.machine import Machine


def _login(parser: Parser) -> Act:
    parser.description = "Signs in with the provider; the sign-in is bound to a new key."
    parser.add_argument("--provider", metavar="P", help="the provider to sign in with, if there are several")
    parser.add_argument(
        "--key", metavar="FILE", type=Path, help="use this key instead of a new one, for example of a security key"
    )
    parser.add_argument(
        "--new-key",
        choices=(sign_in.ED25519, sign_in.POST_QUANTUM),
        help="the kind of the new key; a post-quantum one opens only hosts that take it",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    parser.add_argument("--fresh", action="store_true", help="sign in at the provider now, as some rules require")
    job = parser.add_argument_group("for jobs and machines, where nobody signs in")
    job.add_argument("--workload", action="store_true", help="sign in with the token of this job")
    job.add_argument(
        "--token-file", metavar="FILE", help="where the token is, - for standard input; else it is asked for"
    )
    job.add_argument("--audience", action="store_true", help="print what a token for --key must be for, and stop")
    return login


def login(machine: Machine, options: Options) -> int:
    """Signs in, even if somebody is signed in already."""
    if options.workload:
        return _login_workload(machine, options)
    if options.token_file is not None or options.audience:
        raise Invalid("usage", "--token-file and --audience go with --workload", hint="ssh-jit login --help")
    new_key = _new_key(options)
    chosen = sign_in.SignInOptions(
        options.provider, options.key, not options.no_browser, options.fresh, new_key=new_key
    )
    session = sign_in.once(machine, chosen, machine.session(time.time()))
    machine.terminal.say(f"signed in as {person(session.login.person)} until {at(session.login.expires)}")
    for remark in session.login.remarks:
        machine.terminal.warn(remark)
    if options.fresh and session.login.auth_time is None:
        machine.terminal.warn("the provider does not say when you signed in: no sign-in is fresh (claim auth_time)")
        machine.terminal.hint("tell your administrator: the provider must put auth_time into ID tokens")
    return ExitCode.OK


def _new_key(options: Options) -> str:
    """The kind of the key to make."""
    if options.new_key and options.key is not None:
        raise Invalid("usage", "--key names a key, so none is made: it goes without --new-key")
    return options.new_key or sign_in.ED25519


def _login_workload(machine: Machine, options: Options) -> int:
    """A job signs in; nobody is asked anything."""
    if options.fresh or options.no_browser:
        raise Invalid("usage", "nobody signs in with --workload: it takes no --fresh and no --no-browser")
    if options.audience and options.key is None:
        hint = "ssh-keygen -q -t ed25519 -N '' -f KEY makes one"
        raise Invalid("usage", "an audience is that of a key: --audience needs --key", hint=hint)
    issuer = options.provider or workload.wanted(machine.environ)[1]
    if options.audience:
        settings = machine.settings()
        bundle = trusted_bundle.current(machine, settings, fresh=0).bundle
        fixed = workload.choose(bundle, issuer, machine.environ).audience
        machine.terminal.out(fixed or workloads.audience_of(openssh.public_key(options.key).blob))
        return ExitCode.OK
    chosen = sign_in.SignInOptions(
        issuer, options.key, workload=True, token_file=options.token_file, new_key=_new_key(options)
    )
    session = sign_in.once(machine.silent(), chosen, machine.session(time.time()))
    machine.terminal.say(f"signed in as {person(session.login.person)} until {at(session.login.expires)}")
    for remark in session.login.remarks:
        machine.terminal.warn(remark)
    if not session.login.roles:
        machine.terminal.warn("this workload has no role: policy names none for its claims")
        machine.terminal.hint(f"its claims are {', '.join(session.login.claims)}")
    return ExitCode.OK


def _logout(parser: Parser) -> Act:
    parser.description = "Signs out, and removes the key and the certificates."
    return logout


def logout(machine: Machine, _: Options) -> int:
    """Signs out on this machine in any case, and at the server if it can be reached."""
    session = machine.session(time.time())
    sign_out.forget(machine)
    if session is None:
        machine.terminal.say("you are not signed in")
        return ExitCode.OK
    try:
        BasicApi(session.url, session.token).logout()
    except Away as error:
        if error.code == "ca_down":  # the front end has ended its session, and goes on telling the CA
            machine.terminal.warn("signed out on this machine; the server tells the CA as soon as that answers")
            machine.terminal.hint("if somebody else may use this sign-in, tell the operator")
            return ExitCode.REACH
        ends = f"the sign-in goes on there until {at(session.login.expires)}"
        machine.terminal.warn(f"signed out on this machine, but the CA does not know: {error.message}; {ends}")
        revoke = f"ssh-jit revoke --login {session.login.id}"
        machine.terminal.hint(f"if its key may be in wrong hands, have it ended by somebody who may lock: {revoke}")
        return ExitCode.REACH
    except SshJitError as error:
        if exit_codes.of(error) is not ExitCode.LOGIN:
            raise
        machine.terminal.say("signed out on this machine; the server had ended the sign-in already")
        return ExitCode.OK
    machine.terminal.say(f"{session.login.person.name} is signed out")
    return ExitCode.OK


def _whoami(parser: Parser) -> Act:
    parser.description = "Shows who is signed in, with which roles, and until when."
    parser.add_argument("--json", action="store_true", help="print JSON")
    return whoami


def whoami(machine: Machine, options: Options) -> int:
    """Shows the sign-in as the server knows it."""
    session = sessions.kept(machine)
    login = BasicApi(session.url, session.token).whoami()
    if options.json:
        json_output.print_json(machine.terminal, wire.encode(login))
    else:
        machine.terminal.out(sign_in_details(login))
    return ExitCode.OK


def sign_in_details(login: LoginView) -> str:
    """A sign-in as a small table."""
    left = durations.show(max(login.expires - int(time.time()), 0) // 60 * 60)
    who = [["person", person(login.person)], ["groups", _groups(login)]]
    if login.workload:
        who = [["workload", person(login.person).removeprefix("workload ")], ["token", token_text(login)]]
        who += [["claim", claim] for claim in login.claims]
    rows = [
        *who,
        *([["subject", login.subject]] if login.subject else []),
        ["roles", ", ".join(login.roles) or "none"],
        *([["on call", turn_text(turn)] for turn in login.on_call if turn.begin <= time.time() < turn.end]),
        *([["permissions", ", ".join(login.permissions)]] if login.permissions else []),
        ["signed in", f"{at(login.signed_in)}, until {at(login.expires)} ({left} left)"],
        *([] if login.workload else [["second factor", _second_factor(login)]]),
        ["key", login.fingerprint or "none"],
        *([["missing", remark] for remark in login.remarks]),
    ]
    return fitted(rows, table_width())


def _groups(login: LoginView) -> str:
    """As policy spells them: ``acme/group:SRE``."""
    return ", ".join(f"{login.person.provider}/group:{group}" for group in login.groups) or "none"


def turn_text(turn: TurnView) -> str:
    """``primary until …``."""
    return f"{turn.rota} until {at(turn.end)}"


def _second_factor(login: LoginView) -> str:
    """Whether there was one, and what the provider said."""
    said = f" (the provider said {', '.join(login.said_factors)})" if login.said_factors else ""
    return f"{'yes' if login.mfa else 'no'}{said}"


BUILD: dict[str, Build] = {"login": _login, "logout": _logout, "whoami": _whoami}
"""Command -> what adds its options."""
