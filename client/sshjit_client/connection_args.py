"""What was typed after ``ssh-jit``, when it is a connection and not a subcommand.

Our own options are long (``--action``); all others are ssh's and are handed on in their order, untouched. Which of
ssh's options take a value is from ssh(1), 9.2 to 10. Whether the host exists or the login is a proper name is not
decided here. This file is read on every connection: it imports nothing.
"""

from __future__ import annotations

WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
"""ssh's options that take a value, in the same word or the next."""

OURS = {"--action": "action", "--reason": "reason", "--for": "duration"}
"""Our own options; each takes a value."""

LOCAL = frozenset("VQGO")
"""ssh's options that do not open a session: version, queries, the configuration, and a master's control commands."""


class Usage(Exception):  # it is what the person is told, not a fault
    """The command line cannot be understood; the text says why."""


class ConnectionArgs:
    """One command line. ``ssh`` is what ssh gets, without ``-F``; ``options`` the part of it before the command."""

    __slots__ = (
        "action",
        "command",
        "config",
        "duration",
        "flags",
        "glass",
        "host",
        "local",
        "login",
        "options",
        "reason",
        "ssh",
    )

    def __init__(self) -> None:
        self.action = "shell"
        self.reason = ""
        self.duration = ""
        self.config = ""
        """The value of ``-F``; empty when there is none."""
        self.host = ""
        """The host as typed; empty when there is none."""
        self.login = ""
        """The account as args, by ``user@``, ``-l`` or ``-o User=``, whichever ssh takes; empty when there is none."""
        self.command: list[str] = []
        self.options: list[str] = []
        self.ssh: list[str] = []
        self.local = False
        self.flags: set[str] = set()
        self.glass = False
        """Whether the access is by break-glass."""

    @property
    def exact(self) -> str:
        """The exact command that is asked for with ``--action command``, as ssh would send it; else empty."""
        return " ".join(self.command) if self.action == "command" else ""


def read(words: list[str], flags: tuple[str, ...] = ()) -> ConnectionArgs:
    """Reads the words after ``ssh-jit`` the way ssh would: options may stand before and after the host.

    ``flags`` are long options without a value that are taken too.

    Raises:
        Usage: an unknown long option, or one without its value.

    """
    args = ConnectionArgs()
    at, closed = 0, False
    while at < len(words):
        word = words[at]
        at += 1
        if not closed and word == "--":
            closed = True
            args.options.append(word)
        elif not closed and word.startswith("--"):
            if word in flags:
                args.flags.add(word)
            else:
                at = _ours(args, word, words, at)
        elif not closed and word.startswith("-") and word != "-":
            at = short(args, word, words, at)
        elif not args.host:
            destination(args, word)
            args.options.append(word)
        else:
            args.command = words[at - 1 :]
            break
        if closed and args.host:
            args.command = words[at:]
            break
    args.ssh = args.options + args.command
    if args.action == "command" and not args.command:
        raise Usage("--action command needs the command that is asked for")
    return args


def _ours(args: ConnectionArgs, word: str, words: list[str], at: int) -> int:
    name = word.partition("=")[0]
    if name not in OURS:
        raise Usage(f"{name} is not an option of ssh-jit")
    value, at = value_of(word, words, at)
    setattr(args, OURS[name], value)
    return at


def value_of(word: str, words: list[str], at: int) -> tuple[str, int]:
    """The value of ``--name=value``, or of ``--name`` in the word after it, and where to go on."""
    name, equals, value = word.partition("=")
    if not equals:
        if at == len(words):
            raise Usage(f"{name} needs a value")
        value = words[at]
        at += 1
    if not value:
        raise Usage(f"{name} needs a value that is not empty")
    return value, at


def short(args: ConnectionArgs, word: str, words: list[str], at: int) -> int:
    """One word of ssh's short options: ``-v``, ``-tt``, ``-p22``, ``-vp 22``."""
    for place, letter in enumerate(word[1:], start=1):
        if letter in LOCAL:
            args.local = True
        if letter not in WITH_VALUE:
            continue
        value, end = word[place + 1 :], at
        if not value:
            if at == len(words):
                break  # ssh says it better
            value, end = words[at], at + 1
        if letter == "F":
            args.config = value
            if place > 1:
                args.options.append(word[:place])
            return end
        if letter == "l":
            args.login = args.login or value
        elif letter == "o":
            args.login = args.login or _user(value)
        args.options += words[at - 1 : end]
        return end
    args.options.append(word)
    return at


def _user(option: str) -> str:
    """The value of ``-o User=…``, or of ``-o 'User …'``; empty for any other option."""
    name, _, value = option.replace("=", " ", 1).strip().partition(" ")
    return value.strip().strip('"') if name.lower() == "user" else ""


def destination(args: ConnectionArgs, word: str) -> None:
    """``host``, ``user@host`` or ``ssh://user@host:port``. As in ssh, a login given before counts. Raises ``Usage``."""
    if word.startswith("ssh://"):
        word = word[len("ssh://") :].rstrip("/")
        head, colon, port = word.rpartition(":")
        if colon and port.isdecimal():
            word = head
    user, at, host = word.rpartition("@")
    if not host or (at and not user):
        raise Usage(f"{word!r} is not a destination")
    args.host = host
    args.login = args.login or user
