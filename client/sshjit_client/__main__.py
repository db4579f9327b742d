"""The command ``ssh-jit``.

The common case comes first: a connection that still has a live certificate becomes ssh right here, with almost nothing
imported. ``run.py`` makes every other connection, ``cli.py`` has the subcommands.
"""

from __future__ import annotations

import os
import sys

from sshjit_client.ssh import certificate_index, connection_args, program
from sshjit_client.storage import paths

SUBCOMMANDS = frozenset(
    (
        "login",
        "logout",
        "whoami",
        "request",
        "requests",
        "show",
        "extend",
        "approve",
        "deny",
        "comment",
        "review",
        "cancel",
        "done",
        "explain",
        "break-glass",
        "lock",
        "unlock",
        "locks",
        "revoke",
        "passkey",
        "status",
        "setup",
        "hosts",
        "doctor",
        "log",
        "open",
        "completion",
        "policy",
        "config",
        "ensure",
        "path",
        "export",
    )
)
"""First words that are not a host. ``ssh-jit -- login`` connects to a host of that name."""

HELP = frozenset(("-h", "--help", "help"))
"""First words that ask for help."""


GARBAGE = 100_000
"""New objects after which the garbage collector looks: more than loading the client makes, where it finds nothing."""


def main() -> int:
    """Runs the command line. It returns an exit code unless the process became ssh."""
    words = sys.argv[1:]
    if words and words[0] == "--version":
        from sshjit_client.console import helptext  # noqa: PLC0415

        print(helptext.version())
        return 0
    if not words or words[0] in SUBCOMMANDS or words[0] in HELP:
        from sshjit_client import cli  # noqa: PLC0415  # a live certificate does not need it

        return cli.subcommand(words)
    try:
        args = connection_args.read(words)
    except connection_args.Usage as error:
        from sshjit_client import run  # noqa: PLC0415

        return run.usage(str(error), words[0])
    if "--break-glass" in args.flags:
        from sshjit_client import cli  # noqa: PLC0415

        return cli.subcommand(["break-glass", *words])
    if ready := _ready(args):
        return _become(ready, silent=args.silent)
    import gc  # noqa: PLC0415

    gc.set_threshold(GARBAGE)
    from sshjit_client import run  # noqa: PLC0415

    return run.connect(args)


def _ready(args: connection_args.ConnectionArgs) -> list[str]:
    """The words for ssh where nothing has to be asked: a certificate is alive, or none is needed; else none."""
    if args.local and not args.host:
        return args.typed
    direct = args.host and args.plain and certificate_index.settle_config(args)
    path = _live_config(args) if direct else ""
    if path and certificate_index.held_by_agents(path):  # which may have it no more
        return []
    return [*certificate_index.STRICT, "-F", path, *args.ssh] if path else []


def _live_config(args: connection_args.ConnectionArgs) -> str:
    """The configuration of a live certificate, of the installation that the host belongs to; else an empty string."""
    name = paths.installation_for(os.environ, args.host, args.installation)
    return certificate_index.live_config(args, paths.login_folders(os.environ, name)) if name else ""


def _become(words: list[str], *, silent: bool) -> int:
    """Becomes ssh; returns an exit code if that cannot be."""
    try:
        program.become(words, silent=silent)
    except program.NoSsh:
        from sshjit_client import run  # noqa: PLC0415

        return run.plain(words)


if __name__ == "__main__":
    sys.exit(main())
