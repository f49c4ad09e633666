"""What survives a restart: the SQLite schema, its migrations, and one repository per aggregate."""

from storage.channels import Channels
from storage.database import Database, DatabaseDamaged, DatabaseInUse, DatabaseNewer, DatabaseProblem, check
from storage.failures import Failures, Unread
from storage.messages import Messages, MessageStatus, NewMessage, SlackMessage
from storage.outbox import Notification, Outbox, Owed, Status
from storage.people import Known, NameTaken, Person
from storage.pruning import prune
from storage.recording import Recorder
from storage.steps import Outcome, Steps, Wait
from storage.store import Storage
from storage.subscriptions import Stopped, Subscription, Subscriptions
from storage.watching import Baseline, OpenBuild, SeenBuild, Sighting, WatchedApp, Watching, WatchState

__all__ = [
    "Baseline",
    "Channels",
    "Database",
    "DatabaseDamaged",
    "DatabaseInUse",
    "DatabaseNewer",
    "DatabaseProblem",
    "Failures",
    "Known",
    "MessageStatus",
    "Messages",
    "NameTaken",
    "NewMessage",
    "Notification",
    "OpenBuild",
    "Outbox",
    "Outcome",
    "Owed",
    "Person",
    "Recorder",
    "SeenBuild",
    "Sighting",
    "SlackMessage",
    "Status",
    "Steps",
    "Stopped",
    "Storage",
    "Subscription",
    "Subscriptions",
    "Unread",
    "Wait",
    "WatchState",
    "WatchedApp",
    "Watching",
    "check",
    "prune",
]
