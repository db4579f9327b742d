"""The options of ``join``, and what they mean for ``host.json``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sshjit_host.errors import ConfigError
from sshjit_host.front_end.enrolment import Ask
from sshjit_host.joining.join import Wish

LONGEST_TOKEN = 4096
_PATHS = ("home", "sshd", "ssh_keygen", "sshd_config", "dropin")


def add_join(parser: argparse.ArgumentParser) -> None:
    """Describe ``join``."""
    flag = argparse.BooleanOptionalAction
    parser.add_argument("--url", help="the front end's address")
    parser.add_argument("--root", metavar="SHA256:…", help="the bundle key that this host pins")
    parser.add_argument("--name", help="this host's name; default: the short host name, in lower case")
    parser.add_argument("--login", action="append", dest="logins", help="an account that certificates open; repeatable")
    text = "this host is a bastion: the account by which people pass through, and do nothing else; '' for none"
    parser.add_argument("--jump-login", metavar="ACCOUNT", help=text)
    parser.add_argument("--token-file", metavar="FILE", help="the joining token; - for standard input")
    parser.add_argument("--invitation", default="", metavar="ID", help="of a fleet: which invitation the token is of")
    parser.add_argument("--address", default="", help="of a fleet: where people reach this host")
    parser.add_argument("--port", type=int, default=0, help="of a fleet: and at which port")
    parser.add_argument("--beside", action=flag, default=None, help="keep the CA that this server trusts already")
    parser.add_argument("--host-certificates", action=flag, default=None, help="whether sshd shows host certificates")
    parser.add_argument("--some-keys", action="store_true", help="host certificates even if not for every host key")
    parser.add_argument(
        "--only-certificates", action=flag, default=None, help="close every other way into these accounts"
    )
    text = "take bundles by a systemd timer, so many seconds apart, instead of by a daemon; 0: by the daemon"
    parser.add_argument("--refresh-every", type=int, metavar="SECONDS", help=text)
    parser.add_argument("--log", default="", metavar="FILE", help="with --only-certificates: sshd's log")
    for name in _PATHS:
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="PATH", help=argparse.SUPPRESS)


def wish(arguments: argparse.Namespace, path: Path) -> Wish:
    """What the command line asks for; what it does not name stays as it is."""
    names = ("url", "root", "name", "logins", "beside", "host_certificates", "only_certificates", "jump_login")
    given = {name: getattr(arguments, name) for name in (*names, "refresh_every", *_PATHS)}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    ask = None
    if arguments.token_file:
        ask = Ask(_token(arguments.token_file), arguments.invitation, arguments.address, arguments.port)
    return Wish(path, settings, ask, some_keys=arguments.some_keys, log=arguments.log)


def _token(name: str) -> str:
    try:
        data = sys.stdin.buffer.read(LONGEST_TOKEN) if name == "-" else Path(name).read_bytes()[:LONGEST_TOKEN]
        return data.decode("ascii")
    except OSError as error:
        raise ConfigError(f"cannot read the token in {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError("that is no joining token") from None
