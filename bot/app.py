"""The assembly: the one place that knows every part and joins them.

Ask and act: Slack → handlers → Bitrise → answer.
Watch and tell: look → changes → matches → one transaction → outbox → relay → Slack.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import structlog
from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.http_server import HttpServer
from bot.providers_setup import (
    SPECS,
    asking_parts,
    check_service_token,
    failure_analyzers,
    make_clients,
    make_pollers,
    service_probes,
    sign_in_pages,
)
from bot.run_messages import RunMessageRenderer
from bot.settings import Settings
from bot.slack.http_session import create_slack_session
from bot.slack.socket_mode import PING_SECONDS, SocketModeConnections
from bot.slack.tenancy import SlackTenancy, create_tenancy
from domain.errors import ProviderError
from domain.provider import Provider
from handlers.lifecycle_events import is_departure
from handlers.listeners import register
from providers.bitrise.logs.follower import SECONDS_EACH as FOLLOW_SECONDS
from providers.http.provider_clock import ProviderClock
from providers.http.transport import HttpTransport
from services.accounts.provider_clients import Clients
from services.actions.expiry import PendingActionExpiry
from services.actions.registry import ActionRegistry
from services.authorization.authorizer import Authorizer
from services.authorization.user_groups import UserGroups
from services.container import ChangeEvents, Services, Uninstallation
from services.home.build_cache import RecentBuildsCache
from services.home.refresher import HomeEvents, HomeRefresher
from services.jobs.access_checker import EVERY as SIGHT_EVERY
from services.jobs.access_checker import AccessChecker
from services.jobs.audit_anchor import AnchorWriter, use_anchor
from services.jobs.background_job import BackgroundJob, WorkspaceCache
from services.jobs.hidden_messages import SHOWN_SECONDS, MessageExpiry
from services.jobs.temporary_files import TemporaryFileCleanup
from services.jobs.workflow_steps import WorkflowStepCompletion
from services.lookup.duration_estimates import DurationEstimates
from services.lookup.option_cache import OptionCache
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.rate_limits import RateLimits
from services.polling.pollers import Pollers
from services.provider_connection import AddRoutes
from services.provider_spec import ProviderRegistry
from services.request.context import context_outside, workspace_id
from services.request.late_replies import LateReplies
from services.request.request_tracker import RequestTracker
from services.slack.response_urls import SlackUrls
from services.slack.web_client import (
    SlackNotReachable,
    TokenRefused,
    client_options,
    open_connection,
    web_client,
)
from services.slack.workspace_clients import WorkspaceClients
from services.slack.workspace_members import MemberDirectory
from services.worker_processes.pool import WorkerPool
from storage.database import Database
from storage.repositories import Repositories
from storage.retention import prune

log = structlog.get_logger()

NextCall = Callable[[], Awaitable[Any]]

DRAIN_SECONDS = 20.0
NOT_INSTALLED = "I am not installed in this workspace. Ask an admin to install me."
NOT_SERVED = (
    "This Buildbell is for other workspaces. Ask whoever runs it to add this one to SLACK_WORKSPACES."
)
SLACK_RETRY_SECONDS = 5.0
# After which a token that was refused is tried once more: a refusal may be a hiccup of theirs.
RECHECK_SECONDS = 2.0
# How long the start waits for a provider to say whether it accepts the token.
PROVIDER_SECONDS = 10.0
# How long a request of Slack's waits for the outcome of the first call to Slack: less than the three seconds that
# Slack itself waits for its answer.
FIRST_ATTEMPT_SECONDS = 2.0
HOUR_SECONDS, HOURS_OF_A_DAY = 3600.0, 24
SIGHT_SECONDS = SIGHT_EVERY.total_seconds()


def utc_now() -> datetime:
    """The clock that every part is given."""
    return datetime.now(UTC)


class Application:
    """One bot, from its settings; `run` is its whole life."""

    def __init__(
        self,
        settings: Settings,
        *,
        registry: ProviderRegistry = SPECS,
        clock: Callable[[], datetime] = utc_now,
        ping_seconds: float = PING_SECONDS,
        follow_seconds: float = FOLLOW_SECONDS,
        sight_seconds: float = SIGHT_SECONDS,
        shown_seconds: float = SHOWN_SECONDS,
        recheck_seconds: float = RECHECK_SECONDS,
        slack_retry_seconds: float = SLACK_RETRY_SECONDS,
        progress_seconds: float = RateLimits.progress,
    ) -> None:
        """Raises InvalidAccessRule where POLICY_FILE can't be read, or needs a key that is not there."""
        self._settings = settings
        self._registry = registry
        self._actions = ActionRegistry(action for spec in registry for action in spec.actions)
        self._rules = settings.operator_rules()
        self._sight_seconds = sight_seconds
        self._ping_seconds = ping_seconds
        self._follow_seconds = follow_seconds
        self._shown_seconds = shown_seconds
        self._recheck_seconds = recheck_seconds
        self._slack_retry_seconds = slack_retry_seconds
        self._progress_seconds = progress_seconds
        self._clock = clock
        self._stopping = asyncio.Event()
        self._arrived = self._tokens_checked = False
        self._tried_to_arrive = asyncio.Event()
        self._sockets: SocketModeConnections | None = None
        self.metrics = Metrics()
        self.workers = WorkerPool()
        self.ready = asyncio.Event()
        self.port = 0

    def stop(self) -> None:
        """Finish what was begun, and end `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until stopped.

        Raises DatabaseProblem, AnchorNotWritable, CannotServe, TokenRefused or ServiceTokenRefused where the bot can't
        start.
        """
        async with AsyncExitStack() as open_things:
            database = await Database.open(self._settings.database_path)
            open_things.push_async_callback(database.close)
            session = await open_things.enter_async_context(create_slack_session())
            # A provider that is slow or away keeps nobody from the other.
            https = {
                spec.provider: await open_things.enter_async_context(
                    HttpTransport(ProviderClock(self._clock))
                )
                for spec in self._registry
            }
            storage = Repositories(
                database,
                self._settings.secret_box(),
                read_action=self._actions.read,
                run_messages=RunMessageRenderer(),
            )
            anchor = await self._anchor(open_things, database)
            client = web_client(
                self._settings.slack_api_url, self._settings.slack_bot_token, session, patient=True
            )
            slack = create_tenancy(self._settings, client, storage, self._clock)
            open_things.push_async_callback(slack.close)
            patient = WorkspaceClients(
                slack.token_for, **client_options(self._settings.slack_api_url, session, patient=True)
            )
            hasty = WorkspaceClients(
                slack.token_for, **client_options(self._settings.slack_api_url, session, patient=False)
            )

            def is_current(provider: Provider) -> bool:
                return lookout.is_current(provider)  # which comes into being only after the relay

            relay = self._relay(hasty, storage, is_current, {one: http.clock for one, http in https.items()})
            open_things.push_async_callback(self.workers.close)
            clients = make_clients(
                self._registry,
                self._settings,
                https,
                storage,
                members=MemberDirectory(patient, clock=self._clock),
                runner=self.workers,
                asked=relay.wake,
                follow_seconds=self._follow_seconds,
                clock=self._clock,
            )
            open_things.push_async_callback(clients.close)
            analyzers = failure_analyzers(
                clients, storage, runner=self.workers, found=relay.wake, clock=self._clock
            )
            states = {one.provider: one.state for one in clients.all if one.state is not None}
            # The provider whose builds Home shows and workflows' steps wait for.
            first = clients.at(self._registry.first.provider)
            news, step_news = HomeEvents(), asyncio.Event()
            proposal_news, access_news, file_news = asyncio.Event(), asyncio.Event(), asyncio.Event()
            found = _all(
                relay.wake, *(one.wake for one in analyzers.values()), news.note_change, step_news.set
            )
            lookout = make_pollers(self._settings, clients, storage, found=found, clock=self._clock)
            listening = RequestTracker(self.metrics, storage.slack_deliveries, self._clock)
            vanishing, late_answers = MessageExpiry(seconds=self._shown_seconds), LateReplies()
            groups, choices = UserGroups(patient, clock=self._clock), OptionCache(clock=self._clock)
            # Whoever remembers something of a workspace; when the app leaves it, they forget it.
            forgetful: list[WorkspaceCache] = [
                patient,
                hasty,
                relay,
                clients,
                groups,
                *states.values(),
                vanishing,
                late_answers,
                choices,
            ]

            async def departed(departure: Uninstallation) -> None:
                for team in await slack.remove_workspace(departure):
                    for one in forgetful:
                        one.forget(team)

            services = Services(
                registry=self._registry,
                actions=self._actions,
                clients=clients,
                runner=self.workers,
                authorizer=Authorizer(self._rules, storage, clients, groups),
                storage=storage,
                slack=patient,
                session=session,
                response_urls=SlackUrls(self._settings.slack_api_url),
                pollers=lookout,
                events=ChangeEvents(
                    outbox_changed=relay.wake,
                    home_changed=news.note_change_by,
                    workflow_steps_changed=step_news.set,
                    pending_actions_changed=proposal_news.set,
                    access_changed=access_news.set,
                    temporary_files_changed=file_news.set,
                ),
                handle_uninstallation=departed,
                message_expiry=vanishing,
                late_replies=late_answers,
                recent_builds=RecentBuildsCache(
                    first.provider, first.service_builds, storage, clock=self._clock
                ),
                option_cache=choices,
                duration_estimates=DurationEstimates(
                    lambda provider: clients.at(provider).service_builds, storage, clock=self._clock
                ),
                clock=self._clock,
            )
            slack_app = self._slack_app(slack, client, database)
            homes = HomeRefresher(
                services.recent_builds,
                services.duration_estimates,
                clients,
                lookout,
                news,
                clock=self._clock,
                progress_seconds=self._progress_seconds,
            )
            forgetful.append(homes)
            register(slack_app, self._registry, services, listening, homes)
            await self._serve(open_things, slack_app, slack, storage, lookout, clients, anchor)
            parts: dict[str, BackgroundJob] = {
                "relay": relay,
                "homes": homes,
                **{f"state of {provider}": state for provider, state in states.items()},
                "vanishing": vanishing,
                "late answers": late_answers,
                "expiring": PendingActionExpiry(
                    storage,
                    proposal_news,
                    outbox_changed=relay.wake,
                    steps_changed=step_news.set,
                    clock=self._clock,
                ),
                "passing": TemporaryFileCleanup(storage, patient, file_news, clock=self._clock),
                "sight": AccessChecker(
                    clients,
                    storage,
                    lookout,
                    access_news,
                    registry=self._registry,
                    context_for=partial(context_outside, services),
                    outbox_changed=relay.wake,
                    clock=self._clock,
                    every=timedelta(seconds=self._sight_seconds),
                ),
            }
            if anchor is not None:
                parts["anchor"] = anchor
            if first.service_builds is not None:
                parts["waiting"] = WorkflowStepCompletion(
                    first, first.service_builds, storage, patient, step_news, clock=self._clock
                )
            asking = asking_parts(lookout, clients, analyzers, found=relay.wake)
            keeper = asyncio.create_task(self._keep_house(storage, relay.wake), name="housekeeping")
            try:
                await self._live(slack, slack_app, listening, clients, parts, asking)
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)

    async def _live(
        self,
        slack: SlackTenancy,
        slack_app: AsyncApp,
        listening: RequestTracker,
        clients: Clients,
        parts: Mapping[str, BackgroundJob],
        asking: Mapping[str, BackgroundJob],
    ) -> None:
        """Everything that runs side by side, from the first word with Slack until all of it has drained."""
        checking = asyncio.create_task(self._check_service_tokens(clients), name="service tokens")
        tasks = {
            checking,
            asyncio.create_task(self._reach_slack(slack, slack_app, checking), name="slack"),
            *(
                asyncio.create_task(self._run_once_checked(part, checking), name=name)
                for name, part in asking.items()
            ),
            *(asyncio.create_task(part.run(), name=name) for name, part in parts.items()),
        }
        until_stopped = asyncio.create_task(self._stopping.wait(), name="until stopped")
        try:
            while not until_stopped.done():
                done, _ = await asyncio.wait({until_stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & tasks:
                    tasks.discard(task)
                    task.result()  # a part that broke ends the bot: one that only looks alive would lie
        finally:
            log.info("draining", answers=listening.under_way)
            until_stopped.cancel()
            if self._sockets is not None:
                self._sockets.stop_accepting()
            for part in (*asking.values(), *parts.values()):
                part.stop()
            _, late = await asyncio.wait(
                {*tasks, asyncio.create_task(listening.drain(), name="answers")}, timeout=DRAIN_SECONDS
            )
            for task in late:
                log.warning("drain.late", task=task.get_name())
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            if self._sockets is not None:
                await self._sockets.close()
            log.info("stopped")

    async def _keep_house(self, storage: Repositories, outbox_changed: Callable[[], None]) -> None:
        """Forget what is old, now and once a day; write the file anew, within the hour, after somebody has left."""
        hours = 0
        while True:
            if hours % HOURS_OF_A_DAY == 0:
                await self._forget_what_is_old(storage, outbox_changed)
            try:
                if await storage.database.rewrite_if_marked():
                    log.info("database.rewritten")
            except Exception:
                # In an hour it is tried again.
                log.exception("database.not_rewritten")
            hours += 1
            await asyncio.sleep(HOUR_SECONDS)

    async def _forget_what_is_old(self, storage: Repositories, outbox_changed: Callable[[], None]) -> None:
        before = self._clock() - timedelta(days=self._settings.history_days)
        try:
            if ended := await storage.unfollow_forgotten_runs(self._clock()):
                log.info("runs.unfollowed", runs=ended)
                outbox_changed()
            audit_before = self._clock() - timedelta(days=self._settings.audit_days)
            pruned = await prune(
                storage.database, before=before, audit_before=audit_before, vault=self._settings.secret_box()
            )
            log.info("pruned", rows=pruned)
        except Exception:
            # The bot can do without; tomorrow it is tried again.
            log.exception("prune.broken")

    async def _reach_slack(
        self, slack: SlackTenancy, slack_app: AsyncApp, checking: asyncio.Task[None]
    ) -> None:
        """Learn who we are and, in Socket Mode, connect; Slack being away is waited out. Raises TokenRefused."""
        where = await self._patiently(slack.connect)
        if where is None:
            return
        self._arrived = True
        self._tried_to_arrive.set()
        if self._settings.slack_app_token is not None:
            token = self._settings.slack_app_token.get_secret_value()
            address = await self._patiently(partial(open_connection, slack_app.client, token))
            if address is None:
                return
            self._sockets = SocketModeConnections(
                slack_app, token, first_address=address, ping_seconds=self._ping_seconds
            )
            await self._until_stopped(self._sockets.open())
        await asyncio.wait({checking})
        if self._tokens_checked and not self._stopping.is_set():
            self.ready.set()
            log.info("ready", port=self.port, team=where)

    async def _patiently(self, ask: Callable[[], Awaitable[str]]) -> str | None:
        """Slack's answer, however long it is away; None where the bot is stopped meanwhile.

        A refusal counts once it comes twice in a row. Raises TokenRefused.
        """
        refused = False
        while not self._stopping.is_set():
            try:
                return await ask()
            except TokenRefused as problem:
                if refused:
                    raise
                refused = True
                self._tried_to_arrive.set()
                log.warning("slack.refused", reason=str(problem), again_in_seconds=self._recheck_seconds)
                await self._pause(self._recheck_seconds)
            except SlackNotReachable as problem:
                refused = False  # two refusals count only where nothing else came between
                self._tried_to_arrive.set()
                log.warning(
                    "slack.not_reachable", reason=str(problem), again_in_seconds=self._slack_retry_seconds
                )
                await self._pause(self._slack_retry_seconds)
        return None

    async def _check_service_tokens(self, clients: Clients) -> None:
        """Find out whether the providers accept the tokens that the bot watches with. Raises ServiceTokenRefused.

        A provider that is away or slow keeps the bot from nothing: watching it begins when it is back, and what it
        then says of the token is told like any trouble with it.
        """

        async def check(name: str, probe: Callable[[], Awaitable[None]]) -> None:
            try:
                async with asyncio.timeout(PROVIDER_SECONDS):
                    await check_service_token(name, probe, pause=partial(self._pause, self._recheck_seconds))
            except (TimeoutError, ProviderError) as problem:
                log.warning("provider.not_reachable", setting=name, reason=str(problem) or "it is slow")

        probes = service_probes(self._registry, clients)
        checks = asyncio.gather(*(check(name, probe) for name, probe in probes.items()))
        await self._until_stopped(checks)
        self._tokens_checked = True

    async def _run_once_checked(self, part: BackgroundJob, checking: asyncio.Task[None]) -> None:
        """Run a part that asks a provider, once it is known that the token for it is not refused."""
        await asyncio.wait({checking})
        if self._tokens_checked and not self._stopping.is_set():
            await part.run()

    async def _until_stopped(self, work: Awaitable[object]) -> None:
        """Wait for something that may take long, but no longer than the bot runs. Raises what it raises."""
        working = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            stopped.cancel()
            working.cancel()

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the bot runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _anchor(self, open_things: AsyncExitStack, database: Database) -> AnchorWriter | None:
        """What carries the audit log's lines to AUDIT_ANCHOR. Raises AnchorNotWritable."""
        address = self._settings.audit_anchor
        writer = None
        if address is not None:
            writer = AnchorWriter(database, address, clock=self._clock)
            await writer.check()
            open_things.push_async_callback(
                writer.write_waiting
            )  # what was written down while the bot drained
        await use_anchor(database, self._settings.secret_box(), address, self._clock)
        return writer

    def _relay(
        self,
        slack: WorkspaceClients,
        storage: Repositories,
        is_current: Callable[[Provider], bool],
        provider_clocks: Mapping[Provider, ProviderClock],
    ) -> Dispatcher:
        return Dispatcher(
            slack,
            storage,
            counts=self.metrics,
            clock=self._clock,
            new_key=lambda: secrets.token_hex(8),
            presentation_of=self._registry.presentation_of,
            provider_clocks=provider_clocks,
            limits=RateLimits(
                backlog=self._settings.backlog_count,
                backlog_age=timedelta(minutes=self._settings.backlog_minutes),
                flood=self._settings.flood_limit,
                progress=self._progress_seconds,
            ),
            is_current=is_current,
        )

    def _slack_app(self, slack: SlackTenancy, client: AsyncWebClient, database: Database) -> AsyncApp:
        secret = self._settings.slack_signing_secret

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            # Bolt takes None, too, for an app that is not installed there; its types do not say so.
            return cast(AuthorizeResult, await slack.authorize(enterprise_id, team_id))

        app = AsyncApp(
            name="buildbell",  # without one Bolt looks through the whole stack for it
            logger=logging.getLogger("slack_bolt"),
            client=client,
            authorize=authorize,
            user_facing_authorize_error_message=NOT_INSTALLED,
            signing_secret=secret.get_secret_value() if secret else "",
            # Socket Mode's envelopes come over a connection that we opened; they carry no signature.
            request_verification_enabled=self._settings.slack_app_token is None,
        )

        @app.middleware
        async def met(
            context: AsyncBoltContext,
            body: dict[str, Any],
            next: NextCall,  # noqa: A002
        ) -> BoltResponse | None:
            team = workspace_id(body)
            if not is_departure(body):
                if not await slack.serves(context.enterprise_id, team):
                    # What a command is acknowledged with is shown to whoever typed it.
                    return BoltResponse(status=200, body=NOT_SERVED if "command" in body else "")
                database.mark_present(team)
            if context.is_enterprise_install and context.enterprise_id and team:
                await slack.remember_organisation(context.enterprise_id, team)
            await next()
            return None

        return app

    async def _serve(
        self,
        open_things: AsyncExitStack,
        slack_app: AsyncApp,
        slack: SlackTenancy,
        storage: Repositories,
        lookout: Pollers,
        clients: Clients,
        anchor: AnchorWriter | None,
    ) -> None:
        async def readiness() -> tuple[bool, Mapping[str, Any]]:
            sockets = await self._sockets.connected() if self._sockets else 0
            reached = self._arrived and (self._settings.slack_app_token is None or sockets > 0)
            return reached and self._tokens_checked and not self._stopping.is_set(), {
                "slack": reached,
                "sockets": sockets,
                **{f"{name}_failures": one.failures for name, one in lookout.pollers.items()},
                **(
                    {"audit_anchor": anchor.state, "audit_anchor_waiting": await anchor.waiting()}
                    if anchor is not None
                    else {}
                ),
                "last_look": lookout.last_success.isoformat() if lookout.last_success else None,
            }

        async def reached() -> bool:
            """Return whether Slack's Web API has answered; the first attempt is waited for, but not for long."""
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_ATTEMPT_SECONDS):
                    await self._tried_to_arrive.wait()
            return self._arrived

        async def metrics() -> bytes:
            self.metrics.outbox_depth.set(await storage.outbox.depth())
            self.metrics.audit_anchor_waiting.set(await anchor.waiting() if anchor is not None else 0)
            self.metrics.subscriptions.set(await storage.subscriptions.count())
            for provider, watcher in lookout.pollers.items():
                last = watcher.last_success.timestamp() if watcher.last_success else 0
                self.metrics.record_poll_state(
                    provider, failures=watcher.failures, circuit_open=watcher.is_circuit_open, last=last
                )
            self.metrics.sockets.set(await self._sockets.connected() if self._sockets else 0)
            return self.metrics.render()

        over_http = self._settings.slack_app_token is None
        server = HttpServer(
            readiness=readiness,
            metrics=metrics,
            slack=slack_app if over_http else None,
            slack_reached=reached,
            signing_secret=self._settings.slack_signing_secret,
            metrics_token=self._settings.metrics_token,
            add_routes=_all_of(
                slack.add_routes,
                *(one.add_routes for one in sign_in_pages(clients, storage, clock=self._clock)),
                *_provider_routes(clients, lookout),
            ),
        )
        open_things.push_async_callback(server.stop)
        await server.start(self._settings.host, self._settings.port)
        self.port = server.port
        log.info("serving", port=self.port, mode="http" if over_http else "socket")


def _all(*calls: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        for one in calls:
            one()

    return call


def _provider_routes(clients: Clients, pollers: Pollers) -> Iterator[Callable[[web.Application], None]]:
    """Return what adds the routes of each provider that has its own."""
    for provider_clients in clients.all:
        if (add_routes := provider_clients.connection.add_routes) is not None:
            poll_now = partial(pollers.poll_now, provider_clients.provider)
            yield partial(_add_with_poll, add_routes, poll_now)


def _add_with_poll(add: AddRoutes, poll_now: Callable[[], None], app: web.Application) -> None:
    add(app, poll_now)


def _all_of(*adding: Callable[[web.Application], None]) -> Callable[[web.Application], None]:
    def add(app: web.Application) -> None:
        for one in adding:
            one(app)

    return add
