"""Repositories as the bot's assembly makes them."""

from __future__ import annotations

from bot.providers_setup import ACTIONS
from domain.notifications.matching import match_changes
from domain.poll_state import find_changes
from messages.started_run import RunMessageRenderer
from storage.database import Database
from storage.encryption import SecretBox
from storage.poll_recorder import Match, PollRecorder
from storage.repositories import Repositories


def make_repositories(database: Database, vault: SecretBox | None = None) -> Repositories:
    """Make all repositories over a database, with the bot's own actions and messages."""
    return Repositories(database, vault, read_action=ACTIONS.read, run_messages=RunMessageRenderer())


def make_poll_recorder(database: Database, match: Match = match_changes) -> PollRecorder:
    """Make a poll recorder over a database, with the bot's own rules and messages."""
    return PollRecorder(database, compare=find_changes, match=match, run_messages=RunMessageRenderer())
