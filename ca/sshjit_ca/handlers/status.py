"""How the CA is: what a front end, a load balancer and the operator are told, also while nothing is signed."""

from __future__ import annotations

from sshjit import requests, versions
from sshjit.api.views import RequestState
from sshjit.ca_protocol.keys import KeyStanding
from sshjit.ca_protocol.operating import Health, HealthReply, PlaceView, ProviderView, Status, StatusReply, WitnessView
from sshjit.errors import Failed
from sshjit.lineage import Traced
from sshjit_ca import state as states
from sshjit_ca.access import checks
from sshjit_ca.access.held_checkpoints import hold_log_against
from sshjit_ca.config import changed_files
from sshjit_ca.context import Context
from sshjit_ca.keys import references, succession
from sshjit_ca.keys.probe import ProbeResult, ProbeResults
from sshjit_ca.oidc.provider_keys import ProviderKeys
from sshjit_ca.public_errors import public_message
from sshjit_ca.sources.on_call import counting
from sshjit_ca.state import CaKey, request_index
from sshjit_ca.state.hosts import ending
from sshjit_ca.storage.database import kind_of
from sshjit_ca.witness.places import Follower as PlaceFollower
from sshjit_ca.witness.witnesses import Follower


def health(context: Context, message: Health) -> HealthReply:
    """Whether the CA signs now, and if not, why. Whoever asks may hold a checkpoint that the log does not reach."""
    hold_log_against(context, message.checkpoint, message.lineage, "a front end")
    newest = _newest_checkpoint(context)
    return HealthReply(
        checks.ready(context),
        _problems(context, public=True),
        context.state.size,
        context.policy.digest,
        context.now,
        versions.PROTOCOL,
        versions.OLDEST,
        context.release,
        newest.note,
        checks.look(context),
        newest.lineage,
    )


def _newest_checkpoint(context: Context) -> Traced:
    """The newest checkpoint with its lineage; without that it would be taken for another one's."""
    try:
        return context.journal.traced()
    except Failed:
        return Traced()


def status(context: Context, _: Status) -> StatusReply:
    """The operator's view: how the CA is, and whether each key can sign just now."""
    results = context.prepared(ProbeResults)
    state, now = context.state, context.now
    standing = [requests.state_at(request, now) for request in request_index.going_on(state)]
    head = succession.verified(context.journal.checkpoint, succession.raw(context.journal.checkpoint_key))
    return StatusReply(
        installation=context.config.installation,
        ready=checks.ready(context),
        problems=_problems(context, public=False),
        started=context.started,
        time=now,
        size=head.size,
        head=head.root.hex(),
        checkpoint=context.journal.checkpoint,
        last_entry=state.time,
        epoch=context.journal.epoch,
        state_digest=states.digest(state),
        policy=context.policy.digest,
        policy_rules=len(context.policy.allows) + len(context.policy.denies) + len(context.policy.break_glass),
        keys=tuple(_key(key, results) for key in context.keys.signing()),
        providers=tuple(_provider(context, name, keys) for name, keys in context.published.items()),
        database=kind_of(context.config.database),
        clock_drift=round(1000 * context.clock.drift),
        disk_free=context.reserve.free(),
        disk_reserved=context.reserve.kept,
        hosts=len(state.hosts),
        live_logins=sum(login.alive(now) for login in state.logins.values()),
        pending=standing.count(RequestState.PENDING),
        live_grants=standing.count(RequestState.APPROVED),
        live_certificates=sum(
            each.valid_before > now and serial not in state.revoked for serial, each in state.certificates.items()
        ),
        hosts_ending=tuple(ending(state, now).items()),
        witnesses=tuple(_witness(follower) for follower in context.witnesses.followers),
        changed_files=changed_files(context.at_start),
        places=tuple(_place(follower) for follower in context.witnesses.places.followers),
    )


def _problems(context: Context, *, public: bool) -> tuple[str, ...]:
    """What is wrong, also what stops nothing; why a policy was refused is for the CA's own log and doctor.

    ``public``: in words for anybody, who may read a front end's /readyz.
    """
    troubles = [*context.troubles, *([] if context.unwritten is None else [context.unwritten])]
    problems = [public_message(trouble) if public else trouble.message for trouble in troubles]
    problems += context.socket_problems.values()
    if context.policy_refused:
        problems.append("the policy file cannot be loaded; the one before it stays in force")
    if not public:
        problems += _rota_problems(context)
    return tuple(dict.fromkeys(problems))


def _place(follower: PlaceFollower) -> PlaceView:
    problem = "" if follower.problem is None else follower.problem.message
    return PlaceView(follower.place.name, follower.size, follower.time, problem)


def _witness(follower: Follower) -> WitnessView:
    address, signed = follower.address, follower.standing
    problem = "" if follower.problem is None else follower.problem.message
    return WitnessView(
        address.witness.name, address.url, follower.size, 0 if signed is None else signed.cosignature.time, problem
    )


def _rota_problems(context: Context) -> list[str]:
    """Rotas that name nobody, and why the newest text of one was not taken."""
    fresh = counting(context.policy, context.state, context.now)
    stale = (name for name in context.policy.rotas if name not in fresh)
    return [*context.rota_problems.values(), *(f"the rota {name} is stale or was never read" for name in stale)]


def _key(key: CaKey, results: ProbeResults) -> KeyStanding:
    """A key that came since the others were tried is tried next time."""
    result = results.get(key.fingerprint, ProbeResult("it has not been tried yet", "ask again"))
    device = references.device(key.reference)
    return KeyStanding(key.purpose, key.fingerprint, key.state, device, result.problem, result.hint)


def _provider(context: Context, name: str, keys: ProviderKeys) -> ProviderView:
    sign_ins, seen = context.group_claims.of(name)
    people = context.providers.get(name)  # an issuer of workloads has no groups
    paths = () if people is None or not sign_ins else people.groups_claim
    missing = tuple(path for path in paths if path not in seen)
    return ProviderView(name, keys.problem, keys.age(), sign_ins, missing)
