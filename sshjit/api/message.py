"""What questions to the CA and their answers have in common: that each question names the class of its answer."""

from __future__ import annotations

from typing import Any, ClassVar


class Reply:
    """The answer to a question when all is well."""

    __slots__ = ()


class Message:
    """A question to the CA: ``class Ask(Message, answer=AskReply)``. An answer further down is named as text."""

    __slots__ = ()
    answer: ClassVar[type[Reply] | str]

    def __init_subclass__(cls, answer: type[Reply] | str | None = None, **named: Any) -> None:
        super().__init_subclass__(**named)
        if answer is not None:  # the class that ``dataclass(slots=True)`` makes anew has it already
            cls.answer = answer
