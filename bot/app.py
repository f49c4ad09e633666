"""The assembly of the bot: creates all parts and connects them.

Commands: Slack → handlers → provider → reply.
Notifications: poll → changes → matches → one transaction → outbox → dispatcher → Slack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

import structlog

from bot.health import Health
from bot.http_server import HttpServer
from bot.providers_setup import SPECS, create_provider_parts, provider_routes
from bot.roles import Role, select_jobs
from bot.service_tokens import ServiceTokenCheck
from bot.services_setup import (
    create_dispatcher,
    create_engine,
    create_home_refresher,
    create_jobs,
    create_process_jobs,
    create_services,
)
from bot.settings import Settings
from bot.slack.bolt_app import create_bolt_app
from bot.slack.connection import SlackConnection
from bot.slack.setup import create_slack_parts
from bot.timings import Timings
from handlers.listeners import register
from messages.started_run import RunMessageRenderer
from services.actions.action import ActionRegistry
from services.events import EventBus, PersonChanged
from services.jobs.audit_anchor import AnchorWriter, use_anchor
from services.jobs.background_job import BackgroundJob, WorkspaceCache
from services.jobs.removed_workspaces import RemovedWorkspaces
from services.jobs.supervisor import Supervisor
from services.metrics import Metrics
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.request_tracker import RequestTracker
from services.slack.workspace_clients import Uninstallation
from services.worker_processes.pool import WorkerPool
from storage.database import Database
from storage.database_url import open_database
from storage.repositories import Repositories

log = structlog.get_logger()

DEFAULT_TIMINGS = Timings()


# The default clock of all parts.
utc_now: Callable[[], datetime] = partial(datetime.now, UTC)


class Application:
    """One bot with its settings; `run` starts it and returns once it has stopped."""

    def __init__(
        self,
        settings: Settings,
        *,
        registry: ProviderRegistry[ProviderSpec] = SPECS,
        clock: Callable[[], datetime] = utc_now,
        timings: Timings = DEFAULT_TIMINGS,
    ) -> None:
        """Raises InvalidAccessRule if POLICY_FILE can't be read, or needs a key that is not set."""
        self._settings = settings
        self._registry = registry
        self._rules = settings.operator_rules()
        self._clock = clock
        self._timings = timings
        self._events = EventBus()
        self._engine = create_engine(settings.database_url, clock=clock)
        self._supervisor = Supervisor(self._engine)
        self.metrics = Metrics()
        self.workers = WorkerPool()
        self.ready = asyncio.Event()
        self.port = 0

    def stop(self) -> None:
        """End `run` once the work in progress is done."""
        self._supervisor.stop()

    async def run(self) -> None:
        """Run until stopped.

        Raises DatabaseProblem, AnchorNotWritable, CannotServe, TokenRefused, ServiceTokenRefused or WrongProviderUrl
        if the bot can't start.
        """
        async with AsyncExitStack() as exit_stack:
            storage = await self._open_storage(exit_stack)
            anchor = await self._open_anchor(exit_stack, storage.database)
            slack = await create_slack_parts(exit_stack, self._settings, storage, clock=self._clock)
            exit_stack.push_async_callback(self.workers.close)
            providers = await create_provider_parts(
                exit_stack,
                self._registry,
                self._settings,
                storage,
                members=slack.members,
                runner=self.workers,
                events=self._events,
                metrics=self.metrics,
                timings=self._timings,
                clock=self._clock,
            )
            dispatcher = create_dispatcher(
                self._settings,
                storage,
                slack,
                providers,
                metrics=self.metrics,
                timings=self._timings,
                clock=self._clock,
            )
            services = create_services(
                self._settings,
                storage,
                slack,
                providers,
                rules=self._rules,
                runner=self.workers,
                events=self._events,
                timings=self._timings,
                clock=self._clock,
            )
            home_refresher = create_home_refresher(
                services, progress_seconds=self._timings.home_progress_seconds
            )
            # Everything that keeps data of a workspace in memory; cleared when the app is uninstalled from it.
            caches: list[WorkspaceCache] = [
                *slack.caches,
                *providers.caches,
                dispatcher,
                services.slack.message_expiry,
                services.slack.late_replies,
                services.lookups.options,
                home_refresher,
            ]

            def forget_workspace(team: str) -> None:
                for cache in caches:
                    cache.forget(team)

            async def handle_uninstallation(uninstallation: Uninstallation) -> None:
                await slack.tenancy.remove_workspace(uninstallation)

            removals = RemovedWorkspaces(storage, forget_workspace)
            self._events.subscribe(PersonChanged, services.clients.note_person_changed)

            request_tracker = RequestTracker(self.metrics, storage.slack_deliveries, self._clock)
            bolt_app = create_bolt_app(
                slack.tenancy,
                slack.client,
                storage.database,
                lookup_seconds=self._timings.lookup_seconds,
            )
            register(
                bolt_app, self._registry, services, request_tracker, home_refresher, handle_uninstallation
            )
            connection = SlackConnection(
                slack.tenancy,
                bolt_app,
                self._supervisor,
                app_token=self._settings.slack_app_token if self._settings.takes_requests else None,
                timings=self._timings,
            )
            token_check = ServiceTokenCheck(
                self._registry,
                providers.clients,
                self._supervisor,
                recheck_seconds=self._timings.recheck_seconds,
            )
            health = Health(
                self.metrics,
                storage,
                providers.pollers,
                connection,
                token_check,
                anchor,
                self._supervisor,
                home_refresher,
                self._settings.roles,
                self._clock,
            )
            pages = (slack.tenancy.add_routes, *provider_routes(providers, storage, clock=self._clock))
            server = HttpServer(
                readiness=health.readiness,
                metrics=health.render_metrics,
                slack=bolt_app if self._mode == "http" else None,
                slack_reached=connection.wait_for_first_call,
                signing_secret=self._settings.slack_signing_secret,
                metrics_token=self._settings.metrics_token,
                add_routes=pages if self._settings.takes_requests else (),
            )
            await self._start_server(exit_stack, server)

            self._supervisor.start("service tokens", token_check.run())
            self._supervisor.start("slack", self._connect(connection, token_check))
            self._start_jobs(
                storage, home_refresher, removals, *create_process_jobs(self._settings, services)
            )
            if Role.DISPATCH in self._settings.roles:
                self._start_jobs(storage, dispatcher)
            if Role.JOBS in self._settings.roles:
                self._start_jobs(storage, *create_jobs(self._settings, services, anchor, self._timings))
            # These send requests with the tokens that are checked at the start.
            provider_jobs = select_jobs(providers.jobs, self._settings.roles)
            self._start_jobs(storage, *provider_jobs, condition=token_check.wait)
            try:
                await self._supervisor.run()
            finally:
                log.info("draining", answers=request_tracker.under_way)
                connection.stop_accepting()
                await self._supervisor.drain(_finish_requests(server, request_tracker))
                await connection.close()
                log.info("stopped")

    async def _open_storage(self, exit_stack: AsyncExitStack) -> Repositories:
        """Open the database. Raises DatabaseProblem."""
        database = await open_database(
            self._settings.database_url, wait_seconds=self._timings.database_wait_seconds
        )
        database.use_engine(self._engine.wake)
        exit_stack.push_async_callback(database.close)
        self._events.connect(database)
        exit_stack.push_async_callback(self._events.close)
        actions = ActionRegistry(action for spec in self._registry for action in spec.actions)
        storage = Repositories(
            database,
            self._settings.secret_box(),
            read_action=actions.read,
            run_messages=RunMessageRenderer(),
        )

        def look_for_changes() -> None:
            storage.subscriptions.mark_changed()
            self._supervisor.wake_all()

        database.when_unconfirmed(look_for_changes)
        return storage

    async def _open_anchor(self, exit_stack: AsyncExitStack, database: Database) -> AnchorWriter | None:
        """Return the writer of audit log lines to AUDIT_ANCHOR; None if it is not set. Raises AnchorNotWritable."""
        address = self._settings.audit_anchor
        writer = None
        if address is not None and Role.JOBS in self._settings.roles:
            writer = AnchorWriter(database, address, clock=self._clock)
            await writer.check()
            # At the end, write the entries that were recorded while the bot was stopping.
            exit_stack.push_async_callback(writer.finish)
        await use_anchor(database, self._settings.secret_box(), address, self._clock)
        return writer

    async def _start_server(self, exit_stack: AsyncExitStack, server: HttpServer) -> None:
        """Start the HTTP server. Raises CannotServe."""
        exit_stack.push_async_callback(server.stop)
        await server.start(self._settings.host, self._settings.port)
        self.port = server.port
        log.info("serving", port=self.port, mode=self._mode, roles=",".join(self._settings.roles))

    @property
    def _mode(self) -> str:
        """How Slack's requests come to this process."""
        if not self._settings.takes_requests:
            return "none"
        return "socket" if self._settings.uses_socket_mode else "http"

    def _start_jobs(
        self,
        storage: Repositories,
        *jobs: BackgroundJob,
        condition: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        for job in jobs:
            job.locks = storage.database.session_locks
            self._supervisor.start_job(job, condition=condition)

    async def _connect(self, connection: SlackConnection, token_check: ServiceTokenCheck) -> None:
        """Connect to Slack, and report that the bot is ready. Raises TokenRefused.

        A process that takes no requests is ready without Slack; only a refused token ends it.
        """
        team = await connection.open() if self._settings.takes_requests else ""
        if team is not None and await token_check.wait():
            self.ready.set()
            log.info("ready", port=self.port, team=team)
            if not self._settings.takes_requests:
                await connection.open()


async def _finish_requests(server: HttpServer, request_tracker: RequestTracker) -> None:
    """Accept no more requests over HTTP, and wait until all that were acknowledged have been handled."""
    await server.stop()
    await request_tracker.drain()
