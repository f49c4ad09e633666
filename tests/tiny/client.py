"""The API client of Tiny CI, with one token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from domain.build import App
from domain.credentials import Credentials
from domain.provider_errors import InvalidToken, NotFound, ProviderDown
from services.request.context import RequestContext
from tests.tiny.provider import TINY
from tests.tiny.simulator import Job, TinySimulator


class TinyClient:
    """Calls Tiny CI with a user's token or the bot's. Each method raises ProviderError."""

    def __init__(
        self, service: TinySimulator, credentials: Credentials, clock: Callable[[], datetime]
    ) -> None:
        self._service = service
        self._credentials = credentials
        self._clock = clock

    async def user(self) -> str:
        """Return the name of the token's owner."""
        return await self._authenticate(changes=False)

    async def apps(self) -> list[App]:
        """Return the projects."""
        await self._authenticate(changes=False)
        return [_app(project) for project in self._service.jobs]

    async def app(self, slug: str) -> App:
        """Return one project."""
        await self.jobs(slug)
        return _app(slug)

    async def jobs(self, project: str) -> list[Job]:
        """Return the jobs of a project."""
        await self._authenticate(changes=False)
        if project not in self._service.jobs:
            raise NotFound(provider=TINY)
        return self._service.jobs[project]

    async def start(self, project: str) -> Job:
        """Start a job of a project, as the token's owner."""
        user = await self._authenticate(changes=True)
        return self._service.run(project, self._clock(), by=user)

    async def probe(self) -> None:
        """Check that Tiny CI responds and accepts the token."""
        await self._authenticate(changes=False)

    async def _authenticate(self, *, changes: bool) -> str:
        if self._service.away:
            raise ProviderDown(provider=TINY)
        token = await self._credentials.token(changes=changes)
        user = self._service.users.get(token.get_secret_value()) if token is not None else None
        if user is None:
            raise InvalidToken(provider=TINY)
        return user


def _app(project: str) -> App:
    return App(provider=TINY, slug=project, title=project.title())


def reading_client(context: RequestContext) -> TinyClient:
    """Return the client that reads for the requesting user."""
    client: TinyClient = context.client_for(TINY).reading
    return client


def own_client(context: RequestContext) -> TinyClient:
    """Return the client that uses only the user's own token."""
    client: TinyClient = context.client_for(TINY).own
    return client
