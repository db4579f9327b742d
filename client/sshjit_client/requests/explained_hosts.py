"""What a shell at each of many hosts would take: one question for many of them, where the server knows that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from sshjit.api.explain import MOST_EACH, ExplainBody, ExplainReply, HostAnswer, Verdict
from sshjit.errors import SshJitError
from sshjit_client.api.full import FullApi

AT_ONCE = 6
"""Questions that an older server gets at the same time."""
EACH = 2
"""The version of servers that answer for each host of a question."""
_NO: Verdict = "denied"


def ask(new_api: Callable[[], FullApi], version: int, hosts: Sequence[str]) -> dict[str, HostAnswer]:
    """The answer for each of these hosts, by its name. ``version``: what the server speaks.

    Raises:
        SshJitError: what the server answers.

    """
    if version < EACH:
        return _one_by_one(new_api, hosts)
    try:
        replies = [new_api().explain(question(part, each=True)) for part in _parts(hosts)]
    except SshJitError as error:
        if error.code != "too_old":  # the front end knows the question, and the CA behind it does not
            raise
        return _one_by_one(new_api, hosts)
    answers = {answer.host: answer for reply in replies for answer in reply.each}
    return {host: answers.get(host, HostAnswer(host, _NO, "", None, ())) for host in hosts}


def question(hosts: Sequence[str], login: str | None = None, *, each: bool = False) -> ExplainBody:
    """The question what would become of a request for a shell."""
    return ExplainBody(None, tuple(hosts), (), login, "shell", None, None, "", None, break_glass=False, each=each)


def _parts(hosts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(hosts), MOST_EACH):
        yield hosts[start : start + MOST_EACH]


def _one_by_one(new_api: Callable[[], FullApi], hosts: Sequence[str]) -> dict[str, HostAnswer]:
    def one(host: str) -> HostAnswer:
        try:
            return _of(host, new_api().explain(question((host,))))
        except SshJitError as error:
            if error.family == "failed" or error.code.startswith("login"):
                raise
            return HostAnswer(host, _NO, error.code, None, ())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(hosts, pool.map(one, hosts), strict=True))


def _of(host: str, reply: ExplainReply) -> HostAnswer:
    approvals = tuple(step.role for step in reply.steps for _ in range(step.count))
    return HostAnswer(host, reply.verdict, reply.code, reply.login, approvals)
