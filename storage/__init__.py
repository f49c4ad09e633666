"""What survives a restart: the SQLite schema, its migrations, and one repository per aggregate."""

from storage.accounts import Account, Accounts, NoKey
from storage.audit import Audit, Verdict
from storage.channels import Channels
from storage.database import Database, DatabaseDamaged, DatabaseInUse, DatabaseNewer, DatabaseProblem, check
from storage.failures import Failures, Unread
from storage.installations import Installations, States
from storage.messages import Messages, MessageStatus, NewMessage, SlackMessage
from storage.outbox import Notification, Outbox, Owed, Status
from storage.people import Known, NameTaken, Person
from storage.policies import Policies, SetRule
from storage.proposals import Deciders, Proposal, Proposals, ProposalState, signed_text
from storage.pruning import prune
from storage.recipient import Recipient
from storage.recording import Recorder
from storage.steps import Outcome, Steps, Wait
from storage.store import Storage, WorkspaceStorage
from storage.subscriptions import SeenAs, Stopped, Subscription, Subscriptions
from storage.watching import Baseline, OpenBuild, SeenBuild, Sighting, WatchedApp, Watching, WatchState
from storage.workspace_subscriptions import WorkspaceSubscriptions

__all__ = [
    "Account",
    "Accounts",
    "Audit",
    "Baseline",
    "Channels",
    "Database",
    "DatabaseDamaged",
    "DatabaseInUse",
    "DatabaseNewer",
    "DatabaseProblem",
    "Deciders",
    "Failures",
    "Installations",
    "Known",
    "MessageStatus",
    "Messages",
    "NameTaken",
    "NewMessage",
    "NoKey",
    "Notification",
    "OpenBuild",
    "Outbox",
    "Outcome",
    "Owed",
    "Person",
    "Policies",
    "Proposal",
    "ProposalState",
    "Proposals",
    "Recipient",
    "Recorder",
    "SeenAs",
    "SeenBuild",
    "SetRule",
    "Sighting",
    "SlackMessage",
    "States",
    "Status",
    "Steps",
    "Stopped",
    "Storage",
    "Subscription",
    "Subscriptions",
    "Unread",
    "Verdict",
    "Wait",
    "WatchState",
    "WatchedApp",
    "Watching",
    "WorkspaceStorage",
    "WorkspaceSubscriptions",
    "check",
    "prune",
    "signed_text",
]
