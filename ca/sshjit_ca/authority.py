"""The authority: answers a batch of messages, and lets no answer out before the log is durable.

One batch is one transaction: every message that waited is decided and signed in turn, all entries and one signed
checkpoint are committed, and then all answers leave. If anything unforeseen happens in between, the whole batch is
forgotten, the log is read again, and nobody got anything.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sshjit import ca_protocol as m
from sshjit import policy, wire
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit.events import Started, Turned
from sshjit.policy import PolicyError
from sshjit_ca import outages
from sshjit_ca.access import absence, emergency_certificates, policy_change, provider_bindings, rota_change
from sshjit_ca.access.expiry import Sweeper
from sshjit_ca.access.later_endings import LaterEndings
from sshjit_ca.access.policy_change import PolicyFile
from sshjit_ca.config import load_policy
from sshjit_ca.context import Context
from sshjit_ca.counters import Counters
from sshjit_ca.keys import first_keys
from sshjit_ca.question import Question, in_words
from sshjit_ca.routes import DESPITE, ROUTES
from sshjit_ca.sources.rotas import FetchedRota
from sshjit_ca.witness.submission import Head

_log = logging.getLogger(__name__)


REST = 4
"""How many times as long as reading the log again took it is left alone then, for other work."""
QUICK = 0.05
"""Seconds of reading that disturb nobody."""
UNPROVED = 2.5
"""Seconds after which nothing is answered before the database was asked who writes: more than a beat, half a lease."""
_elapsed = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
Answer = m.Reply | SshJitError


class Authority:
    """Answers questions by the batch. Not for two threads at once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.ahead = False
        """What is in memory may be ahead of the log: it must be read again first."""
        self._sweeper, self._later_endings = Sweeper(), LaterEndings()
        self._offset = context.clock.offset
        """Of the clock, when the batch began."""
        self._in_force = context.policy, context.policy_text
        """The policy, when the batch began."""
        self._rest = 0.0
        """Until then the log is not read again, by the monotonic clock."""
        self.tell: Callable[[Sequence[tuple[Question, int]], int], None] | None = None
        """Gets the questions of a batch that became durable, each with its first entry, and the size of the log."""
        self._recorded: list[tuple[Question, int]] = []
        self._why: Failed | None = None
        """Why the last batch was lost, as it is told to those who were not in it."""
        self._proved = _elapsed()
        """When the database last said that this writer is the one that counts, or was asked."""
        self.fenced: Failed | None = None
        """Set once another process writes the log: this one can never sign again."""

    @property
    def counters(self) -> Counters:
        """What is counted while this CA runs."""
        return self._context.journal.counters

    @property
    def durable(self) -> int:
        """How many entries of the log are durable."""
        return self._context.journal.durable

    def begin(self, holder: str = "") -> None:
        """Takes the log over as ``holder`` and writes down with which keys and policy.

        Raises:
            Failed: when the log is not whole, the database does not take it, or somebody else is the writer; or
                ``never_broken``.
            Invalid: ``provider_changed``.

        """
        context = self._context
        context.reserve.look()  # on a full disk not even reading is possible
        context.journal.read_to_begin()
        context.witnesses.require_none_ahead(Head.of(context.journal), context.store, time.monotonic)
        provider_bindings.refuse_changed(context)
        epoch = context.journal.take_over(holder)
        provider_bindings.refuse_changed(context)  # the writer before may have written on
        self._look()
        if not context.state.keys:
            record_first_keys(context)
        context.keys.open()
        context.record(Started(epoch, context.config.installation, context.keys.fingerprints(), context.release))
        self._take_policy()
        provider_bindings.bind_used(context)
        emergency_certificates.take_in(context)
        context.journal.commit()
        context.keys.remember(context.keys.turns())
        emergency_certificates.taken_in(context)

    def _take_policy(self) -> None:
        """Puts the policy of the file in force; the one of before goes on if it says that this one must never be.

        Raises:
            Failed: ``never_broken``: it breaks its own sentence, and there is none of before that can go on.

        """
        context = self._context
        if context.state.policy == context.policy.digest:
            return
        before, in_force = dict(context.store.policy_texts()).get(context.state.policy or ""), None
        with contextlib.suppress(PolicyError):  # a policy that this release cannot read says nothing
            in_force = None if before is None else policy.load(before)
        if context.state.policy and in_force is None:
            _log.warning("the text of the policy in force is gone or cannot be read: its sentences count for nothing")
        hosts = context.state.hosts.values()
        broken, decided = policy_change.decide_sentences(in_force, context.policy, hosts, context.now)
        if not broken:
            policy_change.put_in_force(context, context.policy, context.policy_text, decided=decided)
            return
        if before is None or in_force is None:  # nor can the one of before go on
            text = "; ".join(how for _, how in broken)
            hint = "mend the policy file, or its sentence; ssh-jit policy prove explains it"
            raise Failed("never_broken", f"the policy gives what it says must never be: {text}", hint=hint)
        _log.error("the policy file was not loaded, it gives what must never be: %s", dict(broken))
        context.policy, context.policy_text, context.policy_refused = in_force, before, True

    def beat(self) -> None:
        """Shows others that this writer lives, and learns whether it is the writer still.

        Raises:
            Failed: ``fenced``, ``not_signing``.

        """
        self._proved = _elapsed()
        try:
            self._context.journal.beat()
        except Failed as error:
            self._note(error)
            self._context.unwritten = error
            raise
        self._context.unwritten = None

    def sweep(self) -> int:
        """Writes down what time has ended, durably; how much, and nothing while anything is wrong.

        Raises:
            Failed: ``fenced``, ``not_signing``; then it is tried again.

        """
        try:
            self._ready()
            if self._context.troubles:
                return 0
            swept = self._sweeper.sweep(self._context) + self._later_endings.close_due(self._context)
            absence.remove_absent(self._context)
            self._commit()
        except Exception as error:
            self.ahead = True  # whatever it is, the log is read again
            if isinstance(error, Failed):
                self._note(error)
            raise
        return swept

    def take_rotas(self, fetched: Mapping[str, FetchedRota | Invalid]) -> int:
        """Writes down, durably, what rotas say that were fetched just now; how many say something new.

        What is wrong with the others is kept for the operator. Raises as ``sweep``.
        """
        try:
            self._ready()
            if self._context.troubles:
                return 0
            taken = rota_change.take(self._context, fetched)
            self._commit()
        except Exception as error:
            self.ahead = True
            if isinstance(error, Failed):
                self._note(error)
            raise
        return taken

    def end(self) -> None:
        """Says that this writer stops, so that the next one need not wait."""
        with contextlib.suppress(Failed):
            self._context.journal.release()

    def look_at_policy(self, text: str) -> PolicyFile:
        """What a text says, and which sentences it breaks. It may take seconds: for any thread.

        Raises:
            Invalid: ``bad_policy``, with every problem.

        """
        context = self._context
        new, in_force, hosts = load_policy(context.config, text), context.policy, tuple(context.state.hosts.values())
        broken, decided = policy_change.decide_sentences(in_force, new, hosts, context.now)
        return PolicyFile(text, new, in_force.digest, broken, decided)

    def change_policy(self, file: PolicyFile) -> m.PolicyLoadReply:
        """Puts a policy in force that was looked at, anew if another one came meanwhile; a bad one changes nothing.

        Raises:
            Refused: ``never_broken``.
            Failed: ``clock``, ``disk_full``, ``not_signing``, ``fenced``.

        """
        self._ready()
        if file.against != self._context.policy.digest:
            file = self.look_at_policy(file.text)
        new = policy_change.require_loadable(self._context, file, file.broken)
        changed = new.digest != self._context.policy.digest
        for trouble in self._context.troubles if changed else ():
            raise trouble
        reply = policy_change.change_policy(self._context, new, file.text, decided=file.decided)
        if changed:
            self._commit()
        return reply

    def answer(self, questions: Iterable[Question]) -> list[Answer]:
        """Answers a batch, durably, in order; an answer that is an error is returned, not raised.

        A question is taken when the one before it was decided.
        """
        coming, taken = iter(questions), list[Question]()

        def noted() -> Iterator[Question]:
            for question in coming:
                taken.append(question)
                yield question

        try:
            return self._batch(noted())
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing leaves and the log is read again
            return self._lost([*taken, *coming], error)

    def _lost(self, questions: Sequence[Question], error: BaseException) -> list[Answer]:
        """The answers to a batch that did not become durable; the log is read again before the next one."""
        try:
            self.ahead = True
            if isinstance(error, Failed) and error.code == "disk_full" and self._context.reserve.let_go():
                return self._batch(questions)  # nothing left yet, and now there is room for what may not wait
        except Exception as again:  # noqa: BLE001 - as above
            self.ahead, error = True, again
        if not isinstance(error, Failed):
            _log.error("a batch was lost because of a bug", exc_info=error)
            return [Failed("defect", "the CA has a bug: an unexpected error; nothing was signed") for _ in questions]
        self._note(error)
        if error is not self._why:
            _log.error("a batch was lost: %s", error.message)
            self._why = outages.untried(error)
        self._context.troubles = (error, *self._context.troubles)
        return [outages.answer(self._context, question, error) for question in questions]

    def _batch(self, questions: Iterable[Question]) -> list[Answer]:
        self._ready()
        self._recorded.clear()
        answers = [self._one(question) for question in questions]
        self._commit()
        if self.tell is not None:
            self.tell(self._recorded, self.durable)
        return answers

    def _ready(self) -> None:
        """Makes the context fit for a batch, and finds out what is wrong that does not stop everything."""
        self._prove()
        if self.fenced is not None:
            raise self.fenced
        if self._context.journal.contradicted is not None:
            raise self._context.journal.contradicted
        if self.ahead:
            if self._why is not None and time.monotonic() < self._rest:
                raise self._why
            if self._context.clock.offset != self._offset:
                self._context.clock.settle(self._offset)
            self._context.policy, self._context.policy_text = self._in_force  # a load may be what was lost
            self._context.bundles.forget()
            self._context.logout_tokens.forget()
            self._read_again()
            self.ahead = False
        self._look()

    def _prove(self) -> None:
        """A process that was paused may have been replaced meanwhile: it asks, before it says what it once knew."""
        if self.fenced is None and _elapsed() - self._proved >= UNPROVED:
            with contextlib.suppress(Failed):  # what else is wrong than ``fenced`` a batch finds out by itself
                self.beat()

    def _read_again(self) -> None:
        """Reads the log again; not all the time, where that takes long and every batch is lost."""
        began = time.monotonic()
        try:
            self._context.journal.read()
        except Failed as error:
            self._context.unwritten = error
            raise
        finally:
            took = time.monotonic() - began
            self._rest = began + took * (1 + REST if took > QUICK else 1)

    def _look(self) -> None:
        context, troubles = self._context, []
        self._offset = context.clock.offset
        self._in_force = context.policy, context.policy_text
        try:
            context.now = context.clock.now(context.state.time)
        except Failed as error:
            troubles.append(error)
            context.now = context.clock.steady(context.state.time)
        if (full := context.reserve.look()) is not None:
            troubles.append(full)
        if (silent := context.store.silent) is not None:
            troubles.append(silent)
        context.troubles = tuple(troubles)

    def _one(self, question: Question) -> Answer:
        kind = type(question.message)
        for trouble in self._context.troubles:
            if trouble.code not in DESPITE.get(kind, ()):
                return outages.answer(self._context, question, trouble)
        self._context.begin(question)
        recorded = self._context.journal.size
        self._recorded.append((question, recorded))
        try:
            return ROUTES[kind].handler(self._context, question.message)
        except Refused as error:
            self._context.journal.counters.refuse(wire.type_name(kind), error)
            self._write_refusal(question.message, error)
            return error
        except Failed as error:
            if self._context.journal.size == recorded:
                return error  # a key's device is away, say: nothing was written, and the others go on
            self.ahead = True
            raise
        except SshJitError as error:
            return error

    def _note(self, error: Failed) -> None:
        if error.code == "fenced":
            self.fenced = error

    def _commit(self) -> None:
        context = self._context
        written = context.journal.size > context.journal.durable
        try:
            context.journal.commit()
        except Failed as error:
            self.ahead, context.unwritten = True, error
            raise
        if written:
            self._proved, context.unwritten = _elapsed(), None
            context.bundles.settle()
        context.logout_tokens.settle()
        self._context.keys.remember(self._context.keys.turns())

    def _write_refusal(self, message: m.Message, error: Refused) -> None:
        """A refused person who is signed in goes into the log; a flood of the same is counted, not written."""
        login_id = getattr(message, "login_id", None)
        login = self._context.state.logins.get(login_id or "")
        if login is None or login_id is None or self._context.troubles:
            return
        kind = wire.type_name(type(message))
        subject = login.opened.subject
        count = self._context.refusals.count(subject, kind, error.code, self._context.now)
        if count:
            self._context.record(
                Turned(subject, login_id, kind, error.code, count, in_words(message)[:300], error.message[:500])
            )


def record_first_keys(context: Context) -> None:
    """Writes down the keys that ``init`` made, in a log that knows none.

    Raises:
        Failed: ``no_key``, ``key_exposed``, ``bad_key_file``, ``same_key``.

    """
    for event in first_keys.entries(context.config.home / "keys", context.keys.key_store):
        context.record(event)
