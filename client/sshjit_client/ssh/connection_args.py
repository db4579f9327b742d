"""The words of a connection: ``ssh-jit [options] [user@]host [command]``.

Our own options are long (``--action``); all others are ssh's and go to ssh in their order, unchanged. Which of them
take a value is from ssh(1), 9.2 to 10. Other modules check host and account. Every connection loads this module: it
imports nothing.
"""

from __future__ import annotations

WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
"""ssh's options that take a value, in the same word or the next."""

OURS = {"--action": "action", "--reason": "reason", "--for": "duration", "--start": "start"}
"""Our own options; each takes a value."""

FLAGS = frozenset(("--break-glass", "--no-wait", "--non-interactive", "--quiet", "--yes"))
"""Our own options without a value."""

LOCAL = frozenset("VQGO")
"""ssh's options that do not open a session: version, queries, the configuration, and a master's control commands."""


class Usage(Exception):  # it is a message to the person, not a fault
    """The command line makes no sense; the text says why."""


class ConnectionArgs:
    """One command line. ``ssh``: the words for ssh, without ``-F``; ``options``: those before the command."""

    __slots__ = (
        "action",
        "break_glass",
        "command",
        "config",
        "duration",
        "flags",
        "host",
        "jump",
        "local",
        "login",
        "options",
        "reason",
        "ssh",
        "start",
    )

    def __init__(self) -> None:
        self.action = "shell"
        self.reason = ""
        self.duration = ""
        self.start = ""
        self.config = ""
        """The value of ``-F``; empty if there is none."""
        self.host = ""
        """The host as typed; empty if there is none."""
        self.jump = ""
        """The value of ``-J``; empty if there is none. It is not among ``options``."""
        self.login = ""
        """The account that ssh takes from ``user@``, ``-l`` or ``-o User=``; empty if there is none."""
        self.command: list[str] = []
        self.options: list[str] = []
        self.ssh: list[str] = []
        self.local = False
        self.flags: set[str] = set()
        self.break_glass = False
        """Whether this is access by break-glass."""

    @property
    def exact_command(self) -> str:
        """The command for ``--action command``, as ssh would send it; else empty."""
        return " ".join(self.command) if self.action == "command" else ""


def read(words: list[str], flags: tuple[str, ...] = ()) -> ConnectionArgs:
    """Reads the words after ``ssh-jit`` as ssh does: options may come before and after the host.

    ``flags``: long options without a value that this command has too.

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
            if word in flags or word in FLAGS:
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
        raise Usage("--action command needs a command")
    return args


def _ours(args: ConnectionArgs, word: str, words: list[str], at: int) -> int:
    name = word.partition("=")[0]
    if name not in OURS:
        raise Usage(f"{name} is not an option of ssh-jit")
    value, at = value_of(word, words, at)
    setattr(args, OURS[name], value)
    return at


def value_of(word: str, words: list[str], at: int) -> tuple[str, int]:
    """The value of ``--name=value``, or of ``--name value``, and the position after it."""
    name, equals, value = word.partition("=")
    if not equals:
        if at == len(words):
            raise Usage(f"{name} needs a value")
        value = words[at]
        at += 1
    if not value:
        raise Usage(f"{name} needs a value")
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
                break  # ssh has a better message
            value, end = words[at], at + 1
        if _taken(args, letter, value):
            args.options += [word[:place]] if place > 1 else []
        else:
            args.options += words[at - 1 : end]
        return end
    args.options.append(word)
    return at


def _taken(args: ConnectionArgs, letter: str, value: str) -> bool:
    """Notes the value of an option; whether it is one that goes to ssh in another form. Raises ``Usage``."""
    if letter == "F":
        args.config = value
    elif letter == "J":
        if args.jump:
            raise Usage("-J stands once, with commas between its hosts")
        args.jump = value
    elif letter == "l":
        args.login = args.login or value
    elif letter == "o":
        args.login = args.login or _user(value)
    return letter in "FJ"


def _user(option: str) -> str:
    """The value of ``-o User=…``, or of ``-o 'User …'``; empty for any other option."""
    name, _, value = option.replace("=", " ", 1).strip().partition(" ")
    return value.strip().strip('"') if name.lower() == "user" else ""


def destination(args: ConnectionArgs, word: str) -> None:
    """``host``, ``user@host`` or ``ssh://user@host:port``. As in ssh, an earlier login wins. Raises ``Usage``."""
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
