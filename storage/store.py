"""All repositories over one database."""

from __future__ import annotations

from storage.channels import Channels
from storage.database import Database
from storage.failures import Failures
from storage.messages import Messages
from storage.outbox import Outbox
from storage.people import People
from storage.requests import Requests
from storage.starts import Starts
from storage.steps import Steps
from storage.subscriptions import Subscriptions
from storage.watching import Watching


class Storage:
    """The bot's memory: one attribute per aggregate."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.channels = Channels(database)
        self.subscriptions = Subscriptions(database)
        self.watching = Watching(database)
        self.outbox = Outbox(database)
        self.messages = Messages(database)
        self.failures = Failures(database)
        self.people = People(database)
        self.requests = Requests(database)
        self.starts = Starts(database)
        self.steps = Steps(database)
