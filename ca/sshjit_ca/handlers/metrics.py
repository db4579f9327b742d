"""The CA in numbers: what it counted since it started, and how it is now (``docs/monitoring.md``).

Labels are words of a fixed set, or ids of providers, witnesses and places; never a person, a host, a request or a
reason. Nothing here walks over all people, hosts of the past or certificates: it is asked every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.ca_protocol.metrics import FamilyView, MetricsReply, ReadMetrics, SampleView
from sshjit_ca.access import checks
from sshjit_ca.context import Context
from sshjit_ca.counters import MICROSECONDS, Histogram
from sshjit_ca.state import request_index
from sshjit_ca.state.hosts import ending

STALE = 6 * 3600
"""Seconds without a word from a host, after which it counts as stale: one that is well is in the log every hour."""


def read_metrics(context: Context, _: ReadMetrics) -> MetricsReply:
    """All numbers."""
    return MetricsReply((*_counted(context), *_work(context), *_now(context), *_checks(context), *_outside(context)))


def _counted(context: Context) -> list[FamilyView]:
    counters = context.journal.counters
    refused = {key: counters.refused[key] for key in sorted(counters.refused)}
    return [
        _counter("certificates_issued", "Certificates that were issued.", counters.certificates, "kind"),
        _counter("grants_opened", "Grants, by how they were given.", counters.opened, "how"),
        _counter("decisions", "Answers of people to requests.", counters.decisions, "verdict"),
        FamilyView(
            "refused",
            "counter",
            "Messages that policy or a check refused.",
            tuple(SampleView(key, value) for key, value in refused.items()),
            ("message", "code"),
        ),
        _counter("failed", "Messages that could not be answered.", counters.failed, "code"),
        _counter("entries", "Durable entries of the log.", counters.entries, "kind"),
        _histogram("approval_seconds", "From a request to the approval that opened it.", counters.approval),
    ]


def _work(context: Context) -> list[FamilyView]:
    counters = context.journal.counters
    return [
        _histogram("batch_messages", "Messages in a batch.", counters.batch, scale=1),
        _histogram("batch_seconds", "Until a batch was answered, durably.", counters.batch_time),
        _histogram("prepare_seconds", "Waiting for a provider, a device or a checker.", counters.prepare_time),
        _gauge("queue_messages", "Messages that wait for their turn.", counters.queue),
        _gauge("preparing_messages", "Messages that wait for somebody else.", counters.preparing),
    ]


def _now(context: Context) -> list[FamilyView]:
    state, now = context.state, context.now
    standing = [requests.state_at(request, now) for request in request_index.going_on(state)]
    newest = context.bundles.in_log
    joined = [host for host in state.hosts.values() if host.host_keys]
    return [
        _gauge("requests_waiting", "Requests that nobody has answered.", standing.count(RequestState.PENDING)),
        _gauge("grants_open", "Grants that are open or will be.", standing.count(RequestState.APPROVED)),
        _gauge("reviews_waiting", "Emergency access that nobody has reviewed.", len(state.unreviewed)),
        _gauge("locks", "Locks in force.", len(state.locks)),
        _gauge("hosts", "Enrolled hosts.", len(state.hosts)),
        _gauge("hosts_stale", "Joined hosts unheard of for six hours.", sum(now - h.seen > STALE for h in joined)),
        _gauge("hosts_ending", "Hosts whose certificates end within three days.", len(ending(state, now))),
        *(
            [_gauge("krl_age_seconds", "Since the bundle with the revocation list was signed.", now - newest.issued)]
            if newest is not None
            else []
        ),
        _gauge("log_entries", "Entries of the log.", state.size),
        _gauge("last_entry_seconds", "When the last entry was written.", state.time),
        _gauge("epoch", "Rises with each start of a CA.", context.journal.epoch),
        _gauge("start_time_seconds", "When this CA started.", context.started),
        _gauge("clock_drift_seconds", "Of the wall clock.", round(context.clock.drift * MICROSECONDS), MICROSECONDS),
        _gauge("disk_free_bytes", "Beside the log.", context.reserve.free()),
    ]


def _checks(context: Context) -> list[FamilyView]:
    known = checks.look(context)
    return [
        _gauge("ready", "Whether the CA signs.", int(checks.ready(context))),
        FamilyView(
            "check",
            "gauge",
            "Whether a part is well.",
            tuple(SampleView((check.name,), int(not check.problem)) for check in known),
            ("name",),
        ),
    ]


def _outside(context: Context) -> list[FamilyView]:
    """What depends on others: the age of their keys, and how far behind the log they are."""
    ages = {name: keys.age() for name, keys in context.published.items()}
    size = context.journal.durable
    followers = {each.address.witness.name: each.problem for each in context.witnesses.followers}
    followers |= {one.place.name: one.problem for one in context.witnesses.places.followers}
    witnesses = {each.address.witness.name: size - each.size for each in context.witnesses.followers}
    return [
        _labelled(
            "provider_keys_age_seconds",
            "Since a provider's keys were fetched.",
            {name: age for name, age in ages.items() if age is not None},
            "provider",
        ),
        _labelled(
            "checkpoint_behind_entries",
            "Entries that a place outside has no checkpoint over.",
            {one.place.name: size - one.size for one in context.witnesses.places.followers},
            "place",
        ),
        _labelled(
            "outside_unwell",
            "Whether a witness or a place outside did not take the head when it was tried last.",
            {name: int(problem is not None) for name, problem in followers.items()},
            "name",
        ),
        _labelled("witness_behind_entries", "Entries that a witness has not signed yet.", witnesses, "witness"),
    ]


def _counter(name: str, text: str, values: Mapping[str, int], label: str) -> FamilyView:
    return FamilyView(name, "counter", text, _samples(values), (label,))


def _labelled(name: str, text: str, values: Mapping[str, int], label: str) -> FamilyView:
    return FamilyView(name, "gauge", text, _samples(values), (label,))


def _samples(values: Mapping[str, int]) -> tuple[SampleView, ...]:
    return tuple(SampleView((key,), values[key]) for key in sorted(values))


def _gauge(name: str, text: str, value: int, scale: int = 1) -> FamilyView:
    return FamilyView(name, "gauge", text, (SampleView((), value),), scale=scale)


def _histogram(name: str, text: str, observed: Histogram, *, scale: int = MICROSECONDS) -> FamilyView:
    sample = SampleView((), observed.total, tuple(observed.buckets))
    return FamilyView(name, "histogram", text, (sample,), scale=scale, bounds=observed.bounds)
