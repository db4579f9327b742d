"""Two batches at a time: while one becomes durable, the next one is decided.

Waiting for the disk takes about as long as deciding, so a busy CA answers half as many again. The promise stays: no
answer leaves before its own batch is durable, and a batch is sealed only once the one before it is. If that one is
lost, what was decided on top of it is thrown away with it and decided anew. Only what is asked at every connection goes
this way; everything else waits until nothing is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sshjit import messages as m
from sshjit_ca.authority import Answer, Authority, Question

OFTEN = frozenset({m.SignUser, m.Ask, m.ReadLogin, m.ReadRequest, m.ReadRequests, m.ReadHosts, m.ReadPolicy})
"""Messages whose handlers do no more than look at the state and record."""


class Pipeline:
    """Takes batches in turn. All methods but ``close`` are for the authority's thread alone."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._writer = ThreadPoolExecutor(1, "log")
        self._writing: Future[None] | None = None

    def take(self, questions: Sequence[Question]) -> Future[list[Answer]]:
        """Decides a batch. Its answers come once it is durable; if it is lost, the error, which ``mend`` takes."""
        whole = Future[list[Answer]]()
        if self._authority.ahead or not all(type(question.message) in OFTEN for question in questions):
            self.settle()
            whole.set_result(self._authority.answer(questions))
            return whole
        try:
            answers = self._authority.decide(questions)
        except Exception as error:  # noqa: BLE001 - whatever it is: this batch is lost, and the one before it is not
            self.settle()
            whole.set_result(self._authority.lost(questions, error))
            return whole
        if not self.settle():
            whole.set_result(self._authority.answer(questions))
            return whole
        self._writing = self._writer.submit(self._authority.seal())
        self._writing.add_done_callback(lambda done: _pass_on(done, answers, whole))
        return whole

    def mend(self, questions: Sequence[Question], error: BaseException) -> list[Answer]:
        """The answers to a batch that did not become durable."""
        self.settle()
        return self._authority.lost(questions, error)

    def between(self, action: Callable[[], None]) -> None:
        """Does something while no batch is under way."""
        self.settle()
        action()

    def settle(self) -> bool:
        """Waits until nothing is being written; false if that was lost: then the log must be read again."""
        writing, self._writing = self._writing, None
        if writing is None or writing.exception() is None:
            return True
        self._authority.ahead = True
        return False

    def close(self) -> None:
        """Waits for what is being written. Nothing can be taken any more."""
        self._writer.shutdown()


def _pass_on(done: Future[None], answers: list[Answer], whole: Future[list[Answer]]) -> None:
    error = done.exception()
    if error is None:
        whole.set_result(answers)
    else:
        whole.set_exception(error)
