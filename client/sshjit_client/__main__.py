"""The command ``ssh-jit``.

The common case comes first and alone: a connection for which a certificate is alive becomes ssh right here, with next
to nothing imported. Everything else is ``run.py``'s, and the subcommands are ``cli.py``'s.
"""

from __future__ import annotations

import os
import sys

from sshjit_client import certificate_index, connection_args, paths

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
        "status",
        "setup",
        "hosts",
        "policy",
    )
)
"""First words that are not a host. ``ssh-jit -- login`` reaches a host of such a name."""

OF_OUR_OWN = frozenset(("-h", "--help", "help", "--version"))


def main() -> int:
    """Runs the command line; only returns, with an exit code, when it did not become ssh."""
    words = sys.argv[1:]
    if not words or words[0] in SUBCOMMANDS or words[0] in OF_OUR_OWN:
        from sshjit_client import cli  # noqa: PLC0415  # a live certificate needs none of it

        return cli.subcommand(words)
    try:
        args = connection_args.read(words)
    except connection_args.Usage as error:
        from sshjit_client import run  # noqa: PLC0415

        return run.usage(str(error))
    if args.local and not args.host:
        os.execvp("ssh", ["ssh", *words])  # noqa: S606  # no shell is wanted
    path = certificate_index.alive(args, paths.state_folder(os.environ)) if args.host else ""
    if path:
        os.execvp("ssh", ["ssh", "-F", path, *args.ssh])  # noqa: S606
    from sshjit_client import run  # noqa: PLC0415

    return run.connect(args)


if __name__ == "__main__":
    sys.exit(main())
