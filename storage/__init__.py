"""What survives a restart: the SQLite schema, its migrations, and one repository per aggregate."""

from bot.watched import AskedRestart, Baseline, OpenBuild, Sighting, Snapshot, WatchedApp, WatchState
from storage.accounts import Account, Accounts, NoKey
from storage.anew import Beginning, watch_anew, watched_apps
from storage.audit import Audit, Verdict, links_of, seal_chains, teams_with_chains, verify_chain
from storage.backup import BackupProblem, BackupUnsound, Restored, Saved, back_up, restore
from storage.channels import Channels
from storage.database import (
    Database,
    DatabaseDamaged,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseOlder,
    DatabaseProblem,
    WorkspaceGone,
    check,
)
from storage.deliveries import Deliveries
from storage.failures import Failures, Unread
from storage.installations import Installations, KeptInstallation, States, TooManyTaken, kept_installations
from storage.messages import Messages, MessageStatus, NewMessage, RunningMessage, SlackMessage
from storage.outbox import Notification, Outbox, Owed, Status
from storage.people import Known, NameTaken, Person
from storage.persons import Erased, erase_everywhere, export_person
from storage.policies import Policies, SetRule
from storage.proposals import Deciders, Proposal, Proposals, ProposalState, Unreadable, signed_text
from storage.pruning import prune
from storage.recipient import Recipient
from storage.recording import Recorder
from storage.requests import subject_of_request
from storage.rotation import Rotated, Unopened, rotate_key
from storage.sign_ins import Allowed, SignIn, SignIns, is_code
from storage.steps import Outcome, Steps, Wait
from storage.store import Storage, WorkspaceStorage
from storage.subscriptions import Scope, SeenAs, Stopped, Subscription, Subscriptions
from storage.ties import Ties
from storage.watching import SeenBuild, Watching
from storage.workspace_subscriptions import StartedRun, WorkspaceSubscriptions

__all__ = [
    "Account",
    "Accounts",
    "Allowed",
    "AskedRestart",
    "Audit",
    "BackupProblem",
    "BackupUnsound",
    "Baseline",
    "Beginning",
    "Channels",
    "Database",
    "DatabaseDamaged",
    "DatabaseInUse",
    "DatabaseMissing",
    "DatabaseNewer",
    "DatabaseOlder",
    "DatabaseProblem",
    "Deciders",
    "Deliveries",
    "Erased",
    "Failures",
    "Installations",
    "KeptInstallation",
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
    "Restored",
    "Rotated",
    "RunningMessage",
    "Saved",
    "Scope",
    "SeenAs",
    "SeenBuild",
    "SetRule",
    "Sighting",
    "SignIn",
    "SignIns",
    "SlackMessage",
    "Snapshot",
    "StartedRun",
    "States",
    "Status",
    "Steps",
    "Stopped",
    "Storage",
    "Subscription",
    "Subscriptions",
    "Ties",
    "TooManyTaken",
    "Unopened",
    "Unread",
    "Unreadable",
    "Verdict",
    "Wait",
    "WatchState",
    "WatchedApp",
    "Watching",
    "WorkspaceGone",
    "WorkspaceStorage",
    "WorkspaceSubscriptions",
    "back_up",
    "check",
    "erase_everywhere",
    "export_person",
    "is_code",
    "kept_installations",
    "links_of",
    "prune",
    "restore",
    "rotate_key",
    "seal_chains",
    "signed_text",
    "subject_of_request",
    "teams_with_chains",
    "verify_chain",
    "watch_anew",
    "watched_apps",
]
