"""What survives a restart: the SQLite schema, its migrations, and one repository per aggregate."""

from storage.channels import Channels
from storage.database import Database, DatabaseDamaged, DatabaseInUse, DatabaseNewer, DatabaseProblem, check
from storage.outbox import Notification, Outbox, Owed, Status
from storage.recording import Recorder
from storage.store import Storage
from storage.subscriptions import Stopped, Subscription, Subscriptions
from storage.watching import Baseline, OpenBuild, Sighting, WatchedApp, Watching, WatchState

__all__ = [
    "Baseline",
    "Channels",
    "Database",
    "DatabaseDamaged",
    "DatabaseInUse",
    "DatabaseNewer",
    "DatabaseProblem",
    "Notification",
    "OpenBuild",
    "Outbox",
    "Owed",
    "Recorder",
    "Sighting",
    "Status",
    "Stopped",
    "Storage",
    "Subscription",
    "Subscriptions",
    "WatchState",
    "WatchedApp",
    "Watching",
    "check",
]
