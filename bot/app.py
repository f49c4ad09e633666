"""The assembly of the bot: creates all parts and connects them.

Commands: Slack → handlers → provider → reply.
Notifications: poll → changes → matches → one transaction → outbox → dispatcher → Slack.
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
from domain.provider import Provider
from domain.provider_errors import ProviderError
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
from services.jobs.access_checker import EVERY as CHECK_ACCESS_EVERY
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
# Wait before a refused token is tried once more: the refusal may be a temporary fault of the provider or Slack.
RECHECK_SECONDS = 2.0
# How long the start waits for a provider to accept or refuse the token.
PROVIDER_SECONDS = 10.0
# How long a request from Slack waits for the outcome of the first call to Slack: less than the three seconds that
# Slack waits for a response.
FIRST_ATTEMPT_SECONDS = 2.0
HOUR_SECONDS, HOURS_OF_A_DAY = 3600.0, 24
SIGHT_SECONDS = CHECK_ACCESS_EVERY.total_seconds()


def utc_now() -> datetime:
    """Return the current time in UTC; the default clock of all parts."""
    return datetime.now(UTC)


class Application:
    """One bot with its settings; `run` starts it and returns once it has stopped."""

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
        """Raises InvalidAccessRule if POLICY_FILE can't be read, or needs a key that is not set."""
        self._settings = settings
        self._registry = registry
        self._actions = ActionRegistry(action for spec in registry for action in spec.actions)
        self._rules = settings.operator_rules()
        self._access_check_seconds = sight_seconds
        self._ping_seconds = ping_seconds
        self._follow_seconds = follow_seconds
        self._shown_seconds = shown_seconds
        self._recheck_seconds = recheck_seconds
        self._slack_retry_seconds = slack_retry_seconds
        self._progress_seconds = progress_seconds
        self._clock = clock
        self._stopping = asyncio.Event()
        self._slack_reached = self._tokens_checked = False
        self._slack_attempted = asyncio.Event()
        self._sockets: SocketModeConnections | None = None
        self.metrics = Metrics()
        self.workers = WorkerPool()
        self.ready = asyncio.Event()
        self.port = 0

    def stop(self) -> None:
        """End `run` once the work in progress is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until stopped.

        Raises DatabaseProblem, AnchorNotWritable, CannotServe, TokenRefused or ServiceTokenRefused if the bot can't
        start.
        """
        async with AsyncExitStack() as exit_stack:
            database = await Database.open(self._settings.database_path)
            exit_stack.push_async_callback(database.close)
            session = await exit_stack.enter_async_context(create_slack_session())
            # One transport per provider, so that a slow or unreachable provider does not delay requests to the others.
            transports = {
                spec.provider: await exit_stack.enter_async_context(HttpTransport(ProviderClock(self._clock)))
                for spec in self._registry
            }
            storage = Repositories(
                database,
                self._settings.secret_box(),
                read_action=self._actions.read,
                run_messages=RunMessageRenderer(),
            )
            anchor = await self._open_anchor(exit_stack, database)
            client = web_client(
                self._settings.slack_api_url, self._settings.slack_bot_token, session, patient=True
            )
            slack = create_tenancy(self._settings, client, storage, self._clock)
            exit_stack.push_async_callback(slack.close)
            patient_clients = WorkspaceClients(
                slack.token_for, **client_options(self._settings.slack_api_url, session, patient=True)
            )
            impatient_clients = WorkspaceClients(
                slack.token_for, **client_options(self._settings.slack_api_url, session, patient=False)
            )

            def is_current(provider: Provider) -> bool:
                return pollers.is_current(provider)  # created below, after the dispatcher

            dispatcher = self._make_dispatcher(
                impatient_clients,
                storage,
                is_current,
                {provider: transport.clock for provider, transport in transports.items()},
            )
            exit_stack.push_async_callback(self.workers.close)
            clients = make_clients(
                self._registry,
                self._settings,
                transports,
                storage,
                members=MemberDirectory(patient_clients, clock=self._clock),
                runner=self.workers,
                asked=dispatcher.wake,
                follow_seconds=self._follow_seconds,
                clock=self._clock,
            )
            exit_stack.push_async_callback(clients.close)
            analyzers = failure_analyzers(
                clients, storage, runner=self.workers, found=dispatcher.wake, clock=self._clock
            )
            states = {
                provider_clients.provider: provider_clients.state
                for provider_clients in clients.all
                if provider_clients.state is not None
            }
            # The provider whose builds Home shows and Workflow Builder steps wait for.
            first_clients = clients.at(self._registry.first.provider)
            home_events, late_replies, option_cache = (
                HomeEvents(),
                LateReplies(),
                OptionCache(clock=self._clock),
            )
            workflow_steps_changed, pending_actions_changed, access_changed, temporary_files_changed = (
                asyncio.Event() for _ in range(4)
            )
            notify_update = _call_all(
                dispatcher.wake,
                *(analyzer.wake for analyzer in analyzers.values()),
                home_events.note_change,
                workflow_steps_changed.set,
            )
            pollers = make_pollers(self._settings, clients, storage, found=notify_update, clock=self._clock)
            request_tracker = RequestTracker(self.metrics, storage.slack_deliveries, self._clock)
            message_expiry = MessageExpiry(seconds=self._shown_seconds)
            user_groups = UserGroups(patient_clients, clock=self._clock)
            # Everything that keeps data of a workspace in memory; cleared when the app is uninstalled from it.
            caches: list[WorkspaceCache] = [
                patient_clients,
                impatient_clients,
                dispatcher,
                clients,
                user_groups,
                *states.values(),
                message_expiry,
                late_replies,
                option_cache,
            ]

            async def handle_uninstallation(uninstallation: Uninstallation) -> None:
                for team in await slack.remove_workspace(uninstallation):
                    for cache in caches:
                        cache.forget(team)

            services = Services(
                registry=self._registry,
                actions=self._actions,
                clients=clients,
                runner=self.workers,
                authorizer=Authorizer(self._rules, storage, clients, user_groups),
                storage=storage,
                slack=patient_clients,
                session=session,
                response_urls=SlackUrls(self._settings.slack_api_url),
                pollers=pollers,
                events=ChangeEvents(
                    outbox_changed=dispatcher.wake,
                    home_changed=home_events.note_change_by,
                    workflow_steps_changed=workflow_steps_changed.set,
                    pending_actions_changed=pending_actions_changed.set,
                    access_changed=access_changed.set,
                    temporary_files_changed=temporary_files_changed.set,
                ),
                handle_uninstallation=handle_uninstallation,
                message_expiry=message_expiry,
                late_replies=late_replies,
                recent_builds=RecentBuildsCache(
                    first_clients.provider, first_clients.service_builds, storage, clock=self._clock
                ),
                option_cache=option_cache,
                duration_estimates=DurationEstimates(
                    lambda provider: clients.at(provider).service_builds, storage, clock=self._clock
                ),
                clock=self._clock,
            )
            slack_app = self._make_slack_app(slack, client, database)
            home_refresher = HomeRefresher(
                services.recent_builds,
                services.duration_estimates,
                clients,
                pollers,
                home_events,
                clock=self._clock,
                progress_seconds=self._progress_seconds,
            )
            caches.append(home_refresher)
            register(slack_app, self._registry, services, request_tracker, home_refresher)
            await self._start_server(exit_stack, slack_app, slack, storage, pollers, clients, anchor)
            jobs: dict[str, BackgroundJob] = {
                "relay": dispatcher,
                "homes": home_refresher,
                **{f"state of {provider}": state for provider, state in states.items()},
                "vanishing": message_expiry,
                "late answers": late_replies,
                "expiring": PendingActionExpiry(
                    storage,
                    pending_actions_changed,
                    outbox_changed=dispatcher.wake,
                    steps_changed=workflow_steps_changed.set,
                    clock=self._clock,
                ),
                "passing": TemporaryFileCleanup(
                    storage, patient_clients, temporary_files_changed, clock=self._clock
                ),
                "sight": AccessChecker(
                    clients,
                    storage,
                    pollers,
                    access_changed,
                    registry=self._registry,
                    context_for=partial(context_outside, services),
                    outbox_changed=dispatcher.wake,
                    clock=self._clock,
                    every=timedelta(seconds=self._access_check_seconds),
                ),
            }
            if anchor is not None:
                jobs["anchor"] = anchor
            if first_clients.service_builds is not None:
                jobs["waiting"] = WorkflowStepCompletion(
                    first_clients,
                    first_clients.service_builds,
                    storage,
                    patient_clients,
                    workflow_steps_changed,
                    clock=self._clock,
                )
            provider_jobs = asking_parts(pollers, clients, analyzers, found=dispatcher.wake)
            housekeeping = asyncio.create_task(
                self._run_housekeeping(storage, dispatcher.wake), name="housekeeping"
            )
            try:
                await self._run_jobs(slack, slack_app, request_tracker, clients, jobs, provider_jobs)
            finally:
                housekeeping.cancel()
                await asyncio.gather(housekeeping, return_exceptions=True)

    async def _run_jobs(
        self,
        slack: SlackTenancy,
        slack_app: AsyncApp,
        request_tracker: RequestTracker,
        clients: Clients,
        jobs: Mapping[str, BackgroundJob],
        provider_jobs: Mapping[str, BackgroundJob],
    ) -> None:
        """Connect to Slack and run all jobs side by side until the bot is stopped and the work in progress is done.

        Raises what the first failed job raises.
        """
        token_checks = asyncio.create_task(self._check_service_tokens(clients), name="service tokens")
        tasks = {
            token_checks,
            asyncio.create_task(self._connect_to_slack(slack, slack_app, token_checks), name="slack"),
            *(
                asyncio.create_task(self._run_after_token_checks(job, token_checks), name=name)
                for name, job in provider_jobs.items()
            ),
            *(asyncio.create_task(job.run(), name=name) for name, job in jobs.items()),
        }
        until_stopped = asyncio.create_task(self._stopping.wait(), name="until stopped")
        try:
            while not until_stopped.done():
                done, _ = await asyncio.wait({until_stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & tasks:
                    tasks.discard(task)
                    task.result()  # a failed job ends the bot, which would otherwise look healthy without it
        finally:
            log.info("draining", answers=request_tracker.under_way)
            until_stopped.cancel()
            if self._sockets is not None:
                self._sockets.stop_accepting()
            for job in (*provider_jobs.values(), *jobs.values()):
                job.stop()
            _, unfinished = await asyncio.wait(
                {*tasks, asyncio.create_task(request_tracker.drain(), name="answers")}, timeout=DRAIN_SECONDS
            )
            for task in unfinished:
                log.warning("drain.late", task=task.get_name())
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            if self._sockets is not None:
                await self._sockets.close()
            log.info("stopped")

    async def _run_housekeeping(self, storage: Repositories, outbox_changed: Callable[[], None]) -> None:
        """Delete old data now and once a day; within an hour, rewrite the file if a deletion requires it."""
        hours = 0
        while True:
            if hours % HOURS_OF_A_DAY == 0:
                await self._delete_old_data(storage, outbox_changed)
            try:
                if await storage.database.rewrite_if_marked():
                    log.info("database.rewritten")
            except Exception:
                # It is tried again in an hour.
                log.exception("database.not_rewritten")
            hours += 1
            await asyncio.sleep(HOUR_SECONDS)

    async def _delete_old_data(self, storage: Repositories, outbox_changed: Callable[[], None]) -> None:
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
            # The bot works without it; it is tried again tomorrow.
            log.exception("prune.broken")

    async def _connect_to_slack(
        self, slack: SlackTenancy, slack_app: AsyncApp, token_checks: asyncio.Task[None]
    ) -> None:
        """Get the bot's identity; in Socket Mode, connect. Retry while Slack is unreachable. Raises TokenRefused."""
        team = await self._retry_until_reachable(slack.connect)
        if team is None:
            return
        self._slack_reached = True
        self._slack_attempted.set()
        if self._settings.slack_app_token is not None:
            token = self._settings.slack_app_token.get_secret_value()
            address = await self._retry_until_reachable(partial(open_connection, slack_app.client, token))
            if address is None:
                return
            self._sockets = SocketModeConnections(
                slack_app, token, first_address=address, ping_seconds=self._ping_seconds
            )
            await self._wait_until_stopped(self._sockets.open())
        await asyncio.wait({token_checks})
        if self._tokens_checked and not self._stopping.is_set():
            self.ready.set()
            log.info("ready", port=self.port, team=team)

    async def _retry_until_reachable(self, call_slack: Callable[[], Awaitable[str]]) -> str | None:
        """Return Slack's answer, however long Slack is unreachable; None if the bot is stopped meanwhile.

        Raises TokenRefused after two refusals in a row.
        """
        refused = False
        while not self._stopping.is_set():
            try:
                return await call_slack()
            except TokenRefused as problem:
                if refused:
                    raise
                refused = True
                self._slack_attempted.set()
                log.warning("slack.refused", reason=str(problem), again_in_seconds=self._recheck_seconds)
                await self._pause(self._recheck_seconds)
            except SlackNotReachable as problem:
                refused = False  # refusals count only if they come directly after each other
                self._slack_attempted.set()
                log.warning(
                    "slack.not_reachable", reason=str(problem), again_in_seconds=self._slack_retry_seconds
                )
                await self._pause(self._slack_retry_seconds)
        return None

    async def _check_service_tokens(self, clients: Clients) -> None:
        """Check that the providers accept the bot's tokens. Raises ServiceTokenRefused.

        A provider that is slow or unreachable does not stop the bot from starting: polling begins once it responds,
        and a refusal of the token is then reported like any other problem with the provider.
        """

        async def check(name: str, probe: Callable[[], Awaitable[None]]) -> None:
            try:
                async with asyncio.timeout(PROVIDER_SECONDS):
                    await check_service_token(name, probe, pause=partial(self._pause, self._recheck_seconds))
            except (TimeoutError, ProviderError) as problem:
                log.warning("provider.not_reachable", setting=name, reason=str(problem) or "it is slow")

        probes = service_probes(self._registry, clients)
        checks = asyncio.gather(*(check(name, probe) for name, probe in probes.items()))
        await self._wait_until_stopped(checks)
        self._tokens_checked = True

    async def _run_after_token_checks(self, job: BackgroundJob, token_checks: asyncio.Task[None]) -> None:
        """Run a job that sends requests to a provider, once the check of its token has not failed."""
        await asyncio.wait({token_checks})
        if self._tokens_checked and not self._stopping.is_set():
            await job.run()

    async def _wait_until_stopped(self, work: Awaitable[object]) -> None:
        """Wait for the work, which is cancelled when the bot is stopped. Raises what the work raises."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            stopped.cancel()
            task.cancel()

    async def _pause(self, seconds: float) -> None:
        """Wait this long, or until the bot is stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _open_anchor(self, exit_stack: AsyncExitStack, database: Database) -> AnchorWriter | None:
        """Return the writer of audit log lines to AUDIT_ANCHOR; None if it is not set. Raises AnchorNotWritable."""
        address = self._settings.audit_anchor
        writer = None
        if address is not None:
            writer = AnchorWriter(database, address, clock=self._clock)
            await writer.check()
            # At the end, write the entries that were recorded while the bot was stopping.
            exit_stack.push_async_callback(writer.write_waiting)
        await use_anchor(database, self._settings.secret_box(), address, self._clock)
        return writer

    def _make_dispatcher(
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

    def _make_slack_app(self, slack: SlackTenancy, client: AsyncWebClient, database: Database) -> AsyncApp:
        secret = self._settings.slack_signing_secret

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            # Bolt also accepts None, for an app that is not installed in the workspace; its types do not say so.
            return cast(AuthorizeResult, await slack.authorize(enterprise_id, team_id))

        app = AsyncApp(
            name="buildbell",  # without a name, Bolt searches the whole stack for one
            logger=logging.getLogger("slack_bolt"),
            client=client,
            authorize=authorize,
            user_facing_authorize_error_message=NOT_INSTALLED,
            signing_secret=secret.get_secret_value() if secret else "",
            # Socket Mode's envelopes come over a connection that we opened and are not signed.
            request_verification_enabled=self._settings.slack_app_token is None,
        )

        @app.middleware
        async def check_workspace(
            context: AsyncBoltContext,
            body: dict[str, Any],
            next: NextCall,  # noqa: A002
        ) -> BoltResponse | None:
            team = workspace_id(body)
            if not is_departure(body):
                if not await slack.serves(context.enterprise_id, team):
                    # Slack shows the response to a command to the user who typed it.
                    return BoltResponse(status=200, body=NOT_SERVED if "command" in body else "")
                database.mark_present(team)
            if context.is_enterprise_install and context.enterprise_id and team:
                await slack.remember_organisation(context.enterprise_id, team)
            await next()
            return None

        return app

    async def _start_server(
        self,
        exit_stack: AsyncExitStack,
        slack_app: AsyncApp,
        slack: SlackTenancy,
        storage: Repositories,
        pollers: Pollers,
        clients: Clients,
        anchor: AnchorWriter | None,
    ) -> None:
        async def readiness() -> tuple[bool, Mapping[str, Any]]:
            sockets = await self._sockets.connected() if self._sockets else 0
            reached = self._slack_reached and (self._settings.slack_app_token is None or sockets > 0)
            return reached and self._tokens_checked and not self._stopping.is_set(), {
                "slack": reached,
                "sockets": sockets,
                **{f"{provider}_failures": poller.failures for provider, poller in pollers.pollers.items()},
                **(
                    {"audit_anchor": anchor.state, "audit_anchor_waiting": await anchor.waiting()}
                    if anchor is not None
                    else {}
                ),
                "last_look": pollers.last_success.isoformat() if pollers.last_success else None,
            }

        async def has_reached_slack() -> bool:
            """Return whether Slack's Web API has answered; wait a short time for the first attempt."""
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_ATTEMPT_SECONDS):
                    await self._slack_attempted.wait()
            return self._slack_reached

        async def metrics() -> bytes:
            self.metrics.outbox_depth.set(await storage.outbox.depth())
            self.metrics.audit_anchor_waiting.set(await anchor.waiting() if anchor is not None else 0)
            self.metrics.subscriptions.set(await storage.subscriptions.count())
            for provider, poller in pollers.pollers.items():
                last = poller.last_success.timestamp() if poller.last_success else 0
                self.metrics.record_poll_state(
                    provider, failures=poller.failures, circuit_open=poller.is_circuit_open, last=last
                )
            self.metrics.sockets.set(await self._sockets.connected() if self._sockets else 0)
            return self.metrics.render()

        over_http = self._settings.slack_app_token is None
        server = HttpServer(
            readiness=readiness,
            metrics=metrics,
            slack=slack_app if over_http else None,
            slack_reached=has_reached_slack,
            signing_secret=self._settings.slack_signing_secret,
            metrics_token=self._settings.metrics_token,
            add_routes=_combine_routes(
                slack.add_routes,
                *(pages.add_routes for pages in sign_in_pages(clients, storage, clock=self._clock)),
                *_provider_routes(clients, pollers),
            ),
        )
        exit_stack.push_async_callback(server.stop)
        await server.start(self._settings.host, self._settings.port)
        self.port = server.port
        log.info("serving", port=self.port, mode="http" if over_http else "socket")


def _call_all(*calls: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        for single_call in calls:
            single_call()

    return call


def _provider_routes(clients: Clients, pollers: Pollers) -> Iterator[Callable[[web.Application], None]]:
    """Yield the function that adds the routes of each provider that has its own."""
    for provider_clients in clients.all:
        if (add_routes := provider_clients.connection.add_routes) is not None:
            poll_now = partial(pollers.poll_now, provider_clients.provider)
            yield partial(_add_with_poll, add_routes, poll_now)


def _add_with_poll(add: AddRoutes, poll_now: Callable[[], None], app: web.Application) -> None:
    add(app, poll_now)


def _combine_routes(*add_routes: Callable[[web.Application], None]) -> Callable[[web.Application], None]:
    def add(app: web.Application) -> None:
        for add_to in add_routes:
            add_to(app)

    return add
