"""One connection to the CA for many questions at a time, on the event loop: how frames go out, and how it ends.

What was asked in one turn of the loop goes out in one ``send``, and answers find their question by its number. When a
question may be asked again is decided in ``async_ca_client.py``; so it has to be known of each whether all of it was
sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from sshjit import ca_protocol
from sshjit_web.ca_socket import Answer, Broken, Connection, Unsent, read_answer, write_question

MOST_SENT = 128
"""Questions without an answer on one connection: the CA reads no more of it until it answered some."""
_READ = 1 << 18


@dataclass(slots=True, eq=False)
class _Question:
    number: int
    frame: bytes
    answer: asyncio.Future[Answer]
    until: float
    """When it has waited too long, by the loop's clock."""
    end: int = 0
    """Where its frame ends in all that was ever to be sent."""


class AsyncConnection:
    """Asks on ``connection``, which was greeted. An answer may take ``timeout`` seconds.

    ``left`` is called once nothing more may be asked here, ``ended`` once the connection can be closed.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        timeout: float,
        left: Callable[[AsyncConnection], None],
        ended: Callable[[Connection], None],
    ) -> None:
        self.path = connection.path
        self._version = connection.version
        self._connection = connection
        self._channel = connection.release()
        self._timeout = timeout
        self._left, self._ended = left, ended
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._unsent: deque[_Question] = deque()
        self._sent: dict[int, _Question] = {}
        """Those without an answer, the oldest first; of the last ones the frame may still be in ``_out``."""
        self._late: set[int] = set()
        """Numbers of questions whose answer nobody waits for any more."""
        self._out = bytearray()
        self._put = self._gone = 0
        """Bytes that were ever put into ``_out``, and those of them that were sent."""
        self._received = bytearray()
        self._flush: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = self._closing = self._over = False
        self._loop.add_reader(self._channel, self._read)

    def ask(self, message: ca_protocol.Message, reader: int) -> asyncio.Future[Answer]:
        """Its answer, as a future, which may raise ``Unsent``, ``Broken`` or ``TimeoutError``.

        Raises:
            Invalid: ``too_large``; nothing was sent.
            Refused: ``too_old``, where the CA does not know what the question needs; nothing was sent.

        """
        number, until = next(self._numbers), self._loop.time() + self._timeout
        frame = write_question(number, message, self._version, reader)
        question = _Question(number, frame, self._loop.create_future(), until)
        if self._closing:
            _fail(question, Unsent())
            return question.answer
        self._unsent.append(question)
        if self._flush is None:
            self._flush = self._loop.call_soon(self._send)
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._expire)
        return question.answer

    def leave(self) -> None:
        """Nothing more is asked here. What was sent is still waited for; what was not, is ``Unsent``."""
        if self._closing:
            return
        self._closing = True
        self._left(self)
        while self._unsent:
            _fail(self._unsent.popleft(), Unsent())
        self._end_if_idle()

    def end(self) -> None:
        """Ends it under whoever waits for an answer."""
        if self._over:
            return
        self._over = True
        self._loop.remove_reader(self._channel)
        self._loop.remove_writer(self._channel)
        if self._timer is not None:
            self._timer.cancel()
        self.leave()
        for question in self._sent.values():
            _fail(question, Broken() if question.end <= self._gone else Unsent())
        self._sent.clear()
        self._ended(self._connection)

    def _end_if_idle(self) -> None:
        if self._closing and not self._sent:
            self.end()

    def _send(self) -> None:
        """Sends what waits, as far as the CA takes it."""
        self._flush = None
        while self._unsent and len(self._sent) < MOST_SENT:
            question = self._unsent.popleft()
            self._out += question.frame
            self._put += len(question.frame)
            question.end = self._put
            self._sent[question.number] = question
        if self._out and not self._blocked and not self._over:
            self._write()

    def _write(self) -> None:
        try:
            gone = self._channel.send(self._out)
        except BlockingIOError:
            gone = 0
        except OSError:
            self.end()
            return
        self._gone += gone
        del self._out[:gone]
        if bool(self._out) != self._blocked:
            self._blocked = bool(self._out)
            if self._blocked:
                self._loop.add_writer(self._channel, self._write)
            else:
                self._loop.remove_writer(self._channel)

    def _read(self) -> None:
        try:
            data = self._channel.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += data
        if not data or not self._take_answers():
            self.end()
            return
        if self._unsent:
            self._send()
        self._end_if_idle()

    def _take_answers(self) -> bool:
        """Gives every whole answer to whoever waits for it; whether all is as it should be."""
        received, at = self._received, 0
        while (begin := at + 4) <= len(received):
            size = int.from_bytes(received[at:begin], "big")
            if size > ca_protocol.MAX_REPLY:
                return False
            if begin + size > len(received):
                break
            at = begin + size
            try:
                answer = read_answer(bytes(received[begin:at]))
            except Broken:
                return False
            if (question := self._sent.pop(answer.id, None)) is not None:
                if not question.answer.done():
                    question.answer.set_result(answer)
            elif answer.id not in self._late:
                return False
        del received[:at]
        return True

    def _expire(self) -> None:
        """Gives up what has waited too long; a connection on which something did is used no more."""
        now, self._timer = self._loop.time(), None
        for question in [one for one in self._sent.values() if one.until <= now]:
            del self._sent[question.number]
            self._late.add(question.number)
            _fail(question, TimeoutError())
            self.leave()
        self._end_if_idle()
        oldest = next(iter(self._sent.values()), None) or next(iter(self._unsent), None)
        if oldest is not None and not self._over:
            self._timer = self._loop.call_at(oldest.until, self._expire)


def _fail(question: _Question, error: Exception) -> None:
    if not question.answer.done():
        question.answer.set_exception(error)
