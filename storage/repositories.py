"""All repositories over one database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cachetools import LRUCache

from domain.action import Action
from domain.message import RunMessages
from storage.accounts import Accounts
from storage.audit_log import AuditLog, start_chain_if_missing
from storage.budgets import Budgets
from storage.build_requests import BuildRequests
from storage.connection import Connection
from storage.database import Database, is_removed
from storage.deploy_links import DeployLinks
from storage.encryption import SHORTEST_KEY, SecretBox
from storage.failure_analyses import FailureAnalyses
from storage.last_triggers import LastTriggers
from storage.oauth_sessions import OAuthSessions
from storage.outbox import Outbox
from storage.pauses import Pauses
from storage.pending_actions import PendingActions
from storage.personal_data import WITH_TOKENS, known_teams, lock_workspaces, wipe_workspaces
from storage.polls import Polls
from storage.slack_deliveries import SlackDeliveries
from storage.slack_messages import SlackMessages
from storage.started_runs import unfollow_forgotten_runs
from storage.subscriptions import Subscriptions
from storage.temporary_files import TemporaryFiles, expired_files, forget_file, next_file_expiry
from storage.timestamps import to_text
from storage.user_profiles import UserProfiles
from storage.watched_builds import WatchedBuilds, lock_watching
from storage.workflow_steps import WorkflowSteps
from storage.workspace_settings import AccessRules, ChannelSettings
from storage.workspace_subscriptions import WorkspaceSubscriptions

# How many workspaces' repositories are kept; they hold no data, so any of them can be made again.
MAX_WORKSPACES = 1000


class WorkspaceRepositories:
    """The data of one workspace. No query reads or changes rows of another workspace.

    Every write raises WorkspaceGone once the workspace was wiped.
    """

    def __init__(self, storage: Repositories, team: str) -> None:
        database, vault = storage.database.of(team), storage.vault
        self.team = team
        self.accounts = Accounts(database, team, vault)
        self.audit_log = AuditLog(database, team, vault)
        self.channel_settings = ChannelSettings(database, team)
        self.temporary_files = TemporaryFiles(database, team)
        self.user_profiles = UserProfiles(database, team)
        self.access_rules = AccessRules(database, team)
        self.last_triggers = LastTriggers(database, team)
        self.subscriptions = WorkspaceSubscriptions(
            database, team, storage.subscriptions, storage.run_messages
        )
        self.deploy_links = DeployLinks(database, team)


class Repositories:
    """All stored data: one attribute per aggregate. Data from the providers belongs to no workspace.

    Without a `vault` nothing that must be encrypted is stored. `read_action` reads a stored action from its JSON and
    raises ValueError for one that it does not know.
    """

    def __init__(
        self,
        database: Database,
        vault: SecretBox | None = None,
        *,
        read_action: Callable[[str], Action],
        run_messages: RunMessages,
    ) -> None:
        self.database = database
        self.vault = vault
        self.run_messages = run_messages
        database.before_first_write(
            lambda db, team: start_chain_if_missing(db, vault, team, datetime.now(UTC))
        )
        # Signs values that we only have to recognize as ours. Without a configured key they are valid until a restart.
        self.signing = vault if vault is not None else SecretBox([secrets.token_urlsafe(SHORTEST_KEY)])
        self.subscriptions = Subscriptions(database)
        self.watched_builds = WatchedBuilds(database)
        self.polls = Polls(database)
        self.pauses = Pauses(database)
        self.outbox = Outbox(database)
        self.slack_messages = SlackMessages(database)
        self.failure_analyses = FailureAnalyses(database)
        self.build_requests = BuildRequests(database)
        self.pending_actions = PendingActions(database, vault, read_action)
        self.oauth_sessions = OAuthSessions(database, vault)
        self.workflow_steps = WorkflowSteps(database)
        self.slack_deliveries = SlackDeliveries(database)
        self.budgets = Budgets(database, time.time)
        self._workspaces = LRUCache[str, WorkspaceRepositories](MAX_WORKSPACES)

    async def accounts_to_check(self, before: datetime, most: int) -> list[tuple[str, str]]:
        """Return users with accounts, of all workspaces, that were not checked to be still members since then."""
        query = (
            "SELECT team_id, user_id FROM accounts WHERE COALESCE(checked_at, connected_at) < ?"
            " GROUP BY team_id, user_id ORDER BY MIN(COALESCE(checked_at, connected_at)) LIMIT ?"
        )
        arguments = [to_text(before), most]
        return await self.database.read(
            lambda db: [(team, user) for team, user in db.execute(query, arguments)]
        )

    async def mark_account_checked(self, team: str, person: str, at: datetime) -> None:
        """Store that the user was a member of the workspace at this time."""
        query = "UPDATE accounts SET checked_at = ? WHERE team_id = ? AND user_id = ?"
        row = [to_text(at), team, person]
        await self.database.write(lambda db: db.execute(query, row))

    async def expired_files(self, now: datetime) -> list[tuple[str, str]]:
        """Return the expired temporary files of all workspaces, as pairs of workspace and file ID."""
        return await self.database.read(lambda db: expired_files(db, now))

    async def next_file_expiry(self) -> datetime | None:
        """Return when the next temporary file expires."""
        return await self.database.read(next_file_expiry)

    async def forget_file(self, team: str, file: str) -> None:
        """Delete the record of a file that was deleted in Slack."""
        await self.database.write(lambda db: forget_file(db, team, file))

    async def unfollow_forgotten_runs(self, now: datetime) -> int:
        """Stop following runs that were started too long ago, and say so in their messages. Returns how many."""

        def work(db: Connection) -> int:
            lock_watching(db)
            return unfollow_forgotten_runs(db, now, self.run_messages)

        ended = await self.database.write(work)
        if ended:
            self.subscriptions.mark_changed()
        return ended

    async def teams(self) -> list[str]:
        """Return every workspace with stored data."""
        return await self.database.read(known_teams)

    async def wipe(self, team: str) -> None:
        """Delete all data of a workspace."""
        now = datetime.now(UTC)

        def work(db: Connection) -> None:
            lock_workspaces(db, [team])
            wipe_workspaces(db, [team], self.vault, now)

        await self.database.erase(work, tables=WITH_TOKENS)
        self.subscriptions.mark_changed()

    async def removed_teams(self) -> list[str]:
        """Return the workspaces that this process has worked for, and that have removed the app since."""
        teams = list(self._workspaces)
        return await self.database.read(lambda db: [team for team in teams if is_removed(db, team)])

    async def forget_removed_workspaces(self, before: datetime) -> int:
        """Forget which workspaces removed the app before then: nothing runs for them any more. Returns how many."""
        query = "DELETE FROM removed_workspaces WHERE removed_at < ?"
        return await self.database.write(lambda db: db.execute(query, [to_text(before)]).rowcount)

    def of(self, team: str) -> WorkspaceRepositories:
        """Return the repositories of one workspace."""
        if (repositories := self._workspaces.get(team)) is None:
            repositories = self._workspaces[team] = WorkspaceRepositories(self, team)
        return repositories
