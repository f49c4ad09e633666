"""An action of a made-up provider: registered, prepared, approved, executed and audited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, Self, cast
from unittest import mock

import pytest

from domain.access_policy import ApprovalRule, Permission, Principals
from domain.build import App
from domain.commands.errors import UserError
from domain.message import Message
from messages.kit.button_values import ProposalButton
from messages.provider_presentation import ProviderPresentation
from messages.started_run import RunMessageRenderer
from services.actions.action import ActionRegistry, ActionResult, ExecutableAction, UnknownAction
from services.actions.run import decide_pending_action, run_action
from services.authorization.authorizer import Authorizer
from services.authorization.user_groups import UserGroups
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import Reply, RequestContext
from storage.database import Database
from storage.encryption import SecretBox
from storage.pending_actions import signed_text
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase
from tests.support.factories import NOON
from tests.tiny.provider import TINY

TEAM, ANNA, BEN, CHANNEL = "T0ONE", "U0ANNA", "U0BEN", "C0BUILDS"
LIBRARY = App(provider=TINY, slug="library", title="Library")
ANNA_AGREES = ApprovalRule(
    permissions=frozenset({Permission.TRIGGER}), stages=("live",), who=Principals(people=(ANNA,))
)


class RetryJob(ExecutableAction):
    """Run a job of Tiny CI again; `name` is known once it has been prepared."""

    permission: ClassVar = Permission.TRIGGER
    provider: ClassVar = TINY
    stage: ClassVar = None
    act: Literal["tiny_retry"] = "tiny_retry"
    job: str
    name: str | None = None

    def audit_fields(self) -> dict[str, str]:
        return {"job": self.job}

    def summary(self) -> str:
        return f"retry {self.name}"

    def details(self) -> list[tuple[str, str]]:
        return [("job", str(self.name))]

    async def prepare(self, context: RequestContext) -> Self:
        tiny: Tiny = context.client_for(TINY).own
        return self.model_copy(update={"name": tiny.job_name(self.job)})

    async def execute(self, context: RequestContext) -> ActionResult:
        tiny: Tiny = context.client_for(TINY).own
        tiny.retry(self.job, self.name, context.person)
        return ActionResult(Reply(Message("Retried.")), {"job": self.job}, f"retried {self.job}")


class Tiny:
    """Tiny CI: what was retried there, and by whom."""

    def __init__(self) -> None:
        self.retried: list[tuple[str, str | None, str]] = []
        self.refuses = False

    def job_name(self, job: str) -> str:
        return f"job {job}"

    def retry(self, job: str, name: str | None, person: str) -> None:
        if self.refuses:
            raise UserError("Tiny CI is closed.")
        self.retried.append((job, name, person))


async def find_stage(app: App, _service: Tiny, _own: Tiny) -> str | None:
    return "live" if app.slug == LIBRARY.slug else "test"


class TinyServices:
    """The parts of the bot that running an action needs, with Tiny CI as its only provider."""

    def __init__(self, database: Database) -> None:
        self.tiny = Tiny()
        spec = ProviderSpec(
            provider=TINY,
            presentation=ProviderPresentation(TINY),
            actions=[RetryJob],
        )
        actions = ActionRegistry(spec.actions)
        self.vault = SecretBox(["key-" * 10])
        self.storage = Repositories(
            database, self.vault, read_action=actions.read, run_messages=RunMessageRenderer()
        )
        account = SimpleNamespace(works=True)
        apps = SimpleNamespace(fetch=mock.AsyncMock(side_effect=_app))
        at_tiny = SimpleNamespace(
            account_of=mock.AsyncMock(return_value=account),
            is_linked=mock.AsyncMock(return_value=True),
            service=self.tiny,
            connection=SimpleNamespace(find_stage=find_stage),
            for_user=lambda *_: SimpleNamespace(apps=apps, own=self.tiny),
        )
        members = SimpleNamespace(refusal=mock.AsyncMock(return_value=None))
        clients: Any = SimpleNamespace(members=members, at={TINY: at_tiny}.__getitem__)
        slack = mock.Mock(users_info=mock.AsyncMock(return_value={"user": {"real_name": "Anna Berg"}}))
        groups = UserGroups(lambda _: slack, clock=lambda: NOON)
        services = SimpleNamespace(
            registry=ProviderRegistry([spec]),
            clients=clients,
            authorizer=Authorizer([ANNA_AGREES], self.storage, clients, groups),
            storage=self.storage,
            pollers=mock.AsyncMock(),
            events=mock.Mock(),
            clock=lambda: NOON,
        )
        self.services = cast(Services, services)

    def context(self, person: str) -> RequestContext:
        return RequestContext(services=self.services, person=person, team=TEAM, channel=CHANNEL)

    async def approve(self, person: str) -> Reply | None:
        [(pending_id,)] = await self.storage.database.read(
            lambda db: db.execute("SELECT id FROM proposals").fetchall()
        )
        button = ProposalButton(id=pending_id, seal=self.vault.sign(signed_text(TEAM, pending_id)))
        return await decide_pending_action(button, self.context(person), agreed=True)

    async def audited(self) -> list[tuple[str, str, str]]:
        records = await self.storage.of(TEAM).audit_log.latest(10)
        entries = [record.entry for record in reversed(records)]
        return [(entry.event, entry.act, entry.answer) for entry in entries]


def _app(slug: str) -> App:
    return App(provider=TINY, slug=slug, title=slug.title())


@pytest.fixture
async def tiny_services(tmp_path: Path) -> AsyncIterator[TinyServices]:
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    yield TinyServices(database)
    await database.close()


async def test_an_action_is_prepared_approved_executed_as_the_requester_and_audited(
    tiny_services: TinyServices,
) -> None:
    result = await run_action(RetryJob(app=LIBRARY, job="7"), tiny_services.context(BEN))
    assert result.is_pending
    assert tiny_services.tiny.retried == []
    reply = await tiny_services.approve(ANNA)
    assert reply is not None
    assert reply.message.text == "Retried."
    assert tiny_services.tiny.retried == [("7", "job 7", BEN)]
    assert await tiny_services.audited() == [
        ("proposed", "tiny_retry", ""),
        ("agreed", "tiny_retry", ""),
        ("begun", "tiny_retry", ""),
        ("done", "tiny_retry", "retried 7"),
    ]


async def test_an_action_needs_no_approval_for_an_app_in_another_stage(tiny_services: TinyServices) -> None:
    result = await run_action(RetryJob(app=_app("sandbox"), job="8"), tiny_services.context(BEN))
    assert not result.is_pending
    assert result.outputs == {"job": "8"}
    assert tiny_services.tiny.retried == [("8", "job 8", BEN)]


async def test_a_failed_action_is_raised_and_audited(tiny_services: TinyServices) -> None:
    tiny_services.tiny.refuses = True
    with pytest.raises(UserError, match="Tiny CI is closed"):
        await run_action(RetryJob(app=_app("sandbox"), job="8"), tiny_services.context(BEN))
    assert [event for event, *_ in await tiny_services.audited()] == ["begun", "failed"]


def test_a_stored_action_of_an_unknown_class_is_not_read() -> None:
    registry = ActionRegistry([RetryJob])
    assert registry.read(RetryJob(job="7").to_json_with_secrets()) == RetryJob(job="7")
    with pytest.raises(UnknownAction):
        registry.read('{"act": "launch", "job": "7"}')
    with pytest.raises(ValueError, match="act"):
        registry.read('{"job": "7"}')


def test_two_actions_must_not_have_the_same_stored_name() -> None:
    with pytest.raises(ValueError, match="tiny_retry"):
        ActionRegistry([RetryJob, RetryJob])
