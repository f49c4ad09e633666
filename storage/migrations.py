"""The schema as a list of migrations. A released migration is never changed; changes need a new one."""

from __future__ import annotations

import json

import sqlite_utils
from sqlite_utils import Migrations

from storage.schema_changes import EIGHTEENTH, FIFTEENTH, NINETEENTH, SIXTEENTH, TWENTIETH
from storage.subscribed_apps import index_rows

migrations = Migrations("buildbell")


def known_migrations() -> set[str]:
    """Return the names of all migrations that this version knows."""
    memory = sqlite_utils.Database(memory=True)
    try:
        return {step.name for step in migrations.pending(memory)}
    finally:
        memory.close()


def audit_triggers() -> dict[str, str]:
    """Return the SQL of the triggers that protect the audit log from changes, by name."""
    made = [one for one in (*_FOURTH, *_ELEVENTH) if one.startswith("CREATE TRIGGER audit")]
    return {one.split()[2]: one for one in made}


@migrations()
def m001_watch_and_tell(db: sqlite_utils.Database) -> None:
    """Add apps, builds, subscriptions, the outbox and channel settings."""
    for statement in _FIRST:
        db.execute(statement)


@migrations()
def m002_terms_series_and_messages(db: sqlite_utils.Database) -> None:
    """Add terms of subscriptions, failure streaks, editable Slack messages and user profiles."""
    for statement in _SECOND:
        db.execute(statement)
    for identity, words in db.execute("SELECT id, terms FROM subscriptions").fetchall():
        db.execute("UPDATE subscriptions SET terms = ? WHERE id = ?", [_as_terms(words), identity])


@migrations()
def m003_at_the_fingertips(db: sqlite_utils.Database) -> None:
    """Add data of forms, Home tabs and workflow steps."""
    for statement in _THIRD:
        db.execute(statement)


@migrations()
def m004_many_workspaces(db: sqlite_utils.Database) -> None:
    """Add the workspace of each row, accounts, access rules, pending actions and the audit log."""
    # Until now there was only one workspace, so all rows belong to it.
    known = db.execute(
        "SELECT team_id FROM subscriptions UNION SELECT team_id FROM people LIMIT 1"
    ).fetchone()
    for statement in _FOURTH:
        db.execute(statement)
    for table in ("notifications", "messages", "workflow_steps"):
        db.execute(f"UPDATE {table} SET team_id = ?", [known[0] if known else ""])


@migrations()
def m005_snapshots(db: sqlite_utils.Database) -> None:
    """Add snapshots of apps, for providers that list no builds."""
    for statement in _FIFTH:
        db.execute(statement)


@migrations()
def m006_accounts_elsewhere(db: sqlite_utils.Database) -> None:
    """Add token refresh, OAuth sign-ins and temporary files, and convert access rules about all actions."""
    for statement in _SIXTH:
        db.execute(statement)
    for identity, body in db.execute("SELECT id, body FROM policies").fetchall():
        db.execute("UPDATE policies SET body = ? WHERE id = ?", [_about_everything(body), identity])


@migrations()
def m007_ties(db: sqlite_utils.Database) -> None:
    """Add deploy links."""
    for statement in _SEVENTH:
        db.execute(statement)


@migrations()
def m008_decided_proposals(db: sqlite_utils.Database) -> None:
    """Delete the content of decided actions: it may contain encrypted config values."""
    db.execute("UPDATE proposals SET act = '' WHERE state NOT IN ('open', 'agreed')")


@migrations()
def m009_access_lost(db: sqlite_utils.Database) -> None:
    """Store lost access of creators separately from the reason why a subscription is stopped."""
    for statement in _NINTH:
        db.execute(statement)


@migrations()
def m010_deliveries(db: sqlite_utils.Database) -> None:
    """Add handled deliveries from Slack."""
    for statement in _TENTH:
        db.execute(statement)


@migrations()
def m011_audit_register(db: sqlite_utils.Database) -> None:
    """Add the register of all audit log chains, and lines that wait to be sent to the anchor."""
    for statement in _ELEVENTH:
        db.execute(statement)
    # From now on every workspace with data has a chain, even if it is empty, so that none can vanish.
    db.execute(
        "INSERT OR IGNORE INTO audit_chains (team_id) SELECT team_id FROM accounts UNION SELECT team_id FROM policies"
        " UNION SELECT team_id FROM proposals UNION SELECT team_id FROM subscriptions"
    )
    rows = db.execute(
        "SELECT team_id, first_seq, before_first, last_seq, last_hash FROM audit_chains"
    ).fetchall()
    chains = {team: ends for team, *ends in sorted(rows)}
    db.execute(
        "INSERT INTO audit_register (id, chains) VALUES (1, ?)", [json.dumps(chains, separators=(",", ":"))]
    )


@migrations()
def m013_edit_order_and_numbers(db: sqlite_utils.Database) -> None:
    """Count log excerpts separately among stale changes, and number subscriptions in each channel."""
    for statement in _THIRTEENTH:
        db.execute(statement)


@migrations()
def m014_threads_of_people(db: sqlite_utils.Database) -> None:
    """Store the ts of another user's message that a message replies to."""
    db.execute("ALTER TABLE messages ADD COLUMN thread_ts TEXT")


@migrations()
def m015_streaks_in_columns(db: sqlite_utils.Database) -> None:
    """Add what of a failure streak is searched for as columns: not every database searches in JSON."""
    for statement in FIFTEENTH:
        db.execute(statement)
    db.execute(
        "UPDATE series SET is_red = json_extract(body, '$.red') IS NOT NULL,"
        " green_at = substr(json_extract(body, '$.green.at'), 1, 19) || '.000000+00:00'"
    )


@migrations()
def m016_subscribed_apps(db: sqlite_utils.Database) -> None:
    """Add an index of subscriptions by app and by what they ask for, and indexes for rare kinds of them."""
    for statement in SIXTEENTH:
        db.execute(statement)
    rows = db.execute(
        "SELECT id, provider, app_slug, apps, terms FROM subscriptions WHERE stopped_reason IS NULL"
    ).fetchall()
    db.conn.executemany(
        "INSERT INTO apps_of (subscription_id, provider, app_slug, search_key, rule_key) VALUES (?, ?, ?, ?, ?)",
        [(identity, *row) for identity, *columns in rows for row in sorted(index_rows(*columns))],
    )


@migrations()
def m018_polls(db: sqlite_utils.Database) -> None:
    """Add what several bots on one database share about polls: whose turn it is, failures, and pauses."""
    for statement in EIGHTEENTH:
        db.execute(statement)


@migrations()
def m019_several_bots(db: sqlite_utils.Database) -> None:
    """Add what several bots on one database have to know of each other."""
    for statement in NINETEENTH:
        db.execute(statement)


@migrations()
def m020_edits(db: sqlite_utils.Database) -> None:
    """Add when a bot has begun to edit a message."""
    for statement in TWENTIETH:
        db.execute(statement)


def _about_everything(body: str) -> str:
    """Convert a rule about all permissions of that time into a rule about all permissions."""
    rule = json.loads(body)
    all_there_was = {"abort", "trigger", "artifacts", "approve"}
    if rule.get("kind") == "allow":
        all_there_was.add("subscribe")
    return (
        json.dumps(rule | {"permissions": []}) if all_there_was <= set(rule.get("permissions", ())) else body
    )


def _as_terms(filter_words: str) -> str:
    """Convert a filter of the first version: its states were the notified results."""
    before = json.loads(filter_words)
    return json.dumps({"results": before.pop("states", []), "filter": before})


# Times are ISO 8601 in UTC with microseconds, so that they sort as text.
_FIRST = (
    # An app with at least one subscription. `baseline_at`: builds triggered before it existed when watching started.
    # `joined` is 0 until the app was polled separately once since then.
    """CREATE TABLE watched_apps (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
        baseline_at TEXT, joined INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (provider, app_slug)) WITHOUT ROWID""",
    """CREATE TABLE builds (
        provider TEXT NOT NULL, build_slug TEXT NOT NULL, app_slug TEXT NOT NULL, number INTEGER,
        state TEXT NOT NULL, ended INTEGER NOT NULL, triggered_at TEXT, finished_at TEXT,
        misses INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
        PRIMARY KEY (provider, build_slug))""",
    "CREATE INDEX open_builds ON builds (provider, app_slug) WHERE ended = 0",
    "CREATE INDEX builds_by_app ON builds (provider, app_slug, triggered_at)",
    # How a token is polled: all apps at once or each separately, and up to which trigger time all builds are known.
    """CREATE TABLE looks (
        token TEXT PRIMARY KEY, per_app INTEGER NOT NULL DEFAULT 0, seen_until TEXT) WITHOUT ROWID""",
    """CREATE TABLE subscriptions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, channel_id TEXT NOT NULL,
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, filter TEXT NOT NULL,
        created_by TEXT NOT NULL, created_at TEXT NOT NULL, stopped_reason TEXT, stopped_at TEXT)""",
    "CREATE INDEX subscriptions_by_app ON subscriptions (provider, app_slug)",
    "CREATE INDEX subscriptions_by_channel ON subscriptions (channel_id)",
    # The outbox. A row is pending (`owed`), in a message (`parcel`) that Slack may have, delivered or dropped.
    """CREATE TABLE notifications (
        id INTEGER PRIMARY KEY AUTOINCREMENT, subscription_id INTEGER NOT NULL, channel_id TEXT NOT NULL,
        provider TEXT NOT NULL, build_slug TEXT NOT NULL, event TEXT NOT NULL, created_at TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'owed', parcel TEXT, attempts INTEGER NOT NULL DEFAULT 0,
        sent_at TEXT, ts TEXT, error TEXT,
        UNIQUE (subscription_id, provider, build_slug, event))""",
    "CREATE INDEX notifications_due ON notifications (channel_id, id) WHERE status IN ('owed', 'sending')",
    """CREATE TABLE channels (
        team_id TEXT NOT NULL, channel_id TEXT NOT NULL, provider TEXT NOT NULL, app_slug TEXT NOT NULL,
        set_by TEXT NOT NULL, set_at TEXT NOT NULL,
        PRIMARY KEY (team_id, channel_id, provider)) WITHOUT ROWID""",
)

_SECOND = (
    # Since when the list of all apps is known to be useless for the token; it is tried again after some time. Replaces
    # `per_app`, which stays: SQLite drops columns only since 3.35.
    "ALTER TABLE looks ADD COLUMN per_app_since TEXT",
    "UPDATE looks SET per_app_since = '2000-01-01T00:00:00.000000+00:00' WHERE per_app = 1",
    "ALTER TABLE subscriptions RENAME COLUMN filter TO terms",
    # Columns that statistics need stay when a build's body is pruned. `standing`: the state of its failure streak.
    # `failure`: the cause found in its log; `failure_due`: when the log is to be read next, NULL if it is not.
    "ALTER TABLE builds ADD COLUMN branch TEXT",
    "ALTER TABLE builds ADD COLUMN workflow TEXT",
    "ALTER TABLE builds ADD COLUMN abort_kind TEXT",
    "ALTER TABLE builds ADD COLUMN standing TEXT",
    "ALTER TABLE builds ADD COLUMN failure TEXT",
    "ALTER TABLE builds ADD COLUMN failure_due TEXT",
    "ALTER TABLE builds ADD COLUMN failure_tries INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX failures_due ON builds (failure_due) WHERE failure_due IS NOT NULL",
    """CREATE TABLE series (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, workflow TEXT NOT NULL, branch TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (provider, app_slug, workflow, branch)) WITHOUT ROWID""",
    # When it may be sent; NULL: at once.
    "ALTER TABLE notifications ADD COLUMN due_at TEXT",
    "CREATE INDEX notifications_by_parcel ON notifications (parcel) WHERE parcel IS NOT NULL",
    "CREATE INDEX notifications_by_build ON notifications (provider, build_slug)",
    # A message in Slack: pending with its `content` (`owed`), being sent (Slack may have it), delivered (`told`), or
    # deleted (`gone`). More notifications may join a message with the same `subject`; `thread` is the parcel that it
    # replies to. `stale`: how many changes it does not show yet. `note` is what users have added to it.
    """CREATE TABLE messages (
        parcel TEXT PRIMARY KEY, channel_id TEXT NOT NULL, subject TEXT NOT NULL, status TEXT NOT NULL,
        thread TEXT, ts TEXT, sent_at TEXT NOT NULL, stale INTEGER NOT NULL DEFAULT 0, content TEXT, note TEXT)""",
    "CREATE INDEX messages_by_subject ON messages (channel_id, subject)",
    "CREATE INDEX messages_by_thread ON messages (thread) WHERE thread IS NOT NULL",
    "CREATE INDEX messages_by_time ON messages (channel_id, sent_at)",
    "CREATE INDEX messages_due ON messages (channel_id) WHERE status IN ('owed', 'sending') OR stale > 0",
    """INSERT OR IGNORE INTO messages (parcel, channel_id, subject, status, ts, sent_at)
        SELECT parcel, channel_id, 'before', CASE status WHEN 'sending' THEN 'sending' ELSE 'told' END, MAX(ts),
            MIN(sent_at)
        FROM notifications WHERE parcel IS NOT NULL AND status IN ('sending', 'told') GROUP BY parcel""",
    # User profiles. `name` is the name at Bitrise in lower case, unique in the workspace.
    """CREATE TABLE people (
        team_id TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT, email TEXT, mention INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (team_id, user_id)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX people_by_name ON people (team_id, name) WHERE name IS NOT NULL",
)

_THIRD = (
    # For the usual duration of a workflow and branch.
    "CREATE INDEX successes ON builds (provider, app_slug, workflow, branch, finished_at) WHERE state = 'succeeded'",
    # For the latest builds of all apps.
    "CREATE INDEX latest_builds ON builds (provider, triggered_at)",
    # The last trigger of each user for each app, to prefill the form.
    """CREATE TABLE starts (
        team_id TEXT NOT NULL, user_id TEXT NOT NULL, app_slug TEXT NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (team_id, user_id, app_slug)) WITHOUT ROWID""",
    # Pipelines as last polled, one row per attempt. `held_for`: the notification waits for the end of this pipeline.
    """CREATE TABLE pipelines (
        provider TEXT NOT NULL, pipeline_id TEXT NOT NULL, attempt INTEGER NOT NULL, app_slug TEXT NOT NULL,
        ended INTEGER NOT NULL, seen_at TEXT, body TEXT NOT NULL,
        PRIMARY KEY (provider, pipeline_id, attempt))""",
    "CREATE INDEX open_pipelines ON pipelines (provider) WHERE ended = 0",
    "ALTER TABLE notifications ADD COLUMN held_for TEXT",
    "CREATE INDEX notifications_held ON notifications (held_for) WHERE held_for IS NOT NULL",
    # Builds that wait for approval, until they are decided.
    """CREATE TABLE build_requests (
        provider TEXT NOT NULL, slug TEXT NOT NULL, app_slug TEXT NOT NULL, seen_at TEXT NOT NULL,
        ended INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
        PRIMARY KEY (provider, slug)) WITHOUT ROWID""",
    "CREATE INDEX requests_open ON build_requests (provider, app_slug) WHERE ended = 0",
    # Steps of Slack workflows by Slack's ID of the run. With a build, a step waits for its end. `outcome` still has to
    # be reported to Slack until the step has `ended`.
    """CREATE TABLE workflow_steps (
        execution TEXT PRIMARY KEY, kind TEXT NOT NULL, begun_at TEXT NOT NULL, app_slug TEXT, build_slug TEXT,
        until TEXT, outcome TEXT, ended INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    "CREATE INDEX steps_under_way ON workflow_steps (begun_at) WHERE ended = 0",
)

_FOURTH = (
    "ALTER TABLE notifications ADD COLUMN team_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE messages ADD COLUMN team_id TEXT NOT NULL DEFAULT ''",
    # Slack's ID of a run is only unique within a workspace, so both are the key.
    "ALTER TABLE workflow_steps RENAME TO steps_before",
    """CREATE TABLE workflow_steps (
        team_id TEXT NOT NULL, execution TEXT NOT NULL, kind TEXT NOT NULL, begun_at TEXT NOT NULL, app_slug TEXT,
        build_slug TEXT, until TEXT, outcome TEXT, ended INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (team_id, execution)) WITHOUT ROWID""",
    """INSERT INTO workflow_steps
        SELECT '', execution, kind, begun_at, app_slug, build_slug, until, outcome, ended FROM steps_before""",
    "DROP TABLE steps_before",
    "CREATE INDEX steps_under_way ON workflow_steps (begun_at) WHERE ended = 0",
    # `seen_as`: whose access it uses, its creator's or the bot's. `apps`: the apps that its creator can see, if it is
    # for all apps. `sees_logs`: whether the creator may read logs. `checked_at`: the last access check; `unsure_since`:
    # since when the access could not be checked.
    "ALTER TABLE subscriptions ADD COLUMN seen_as TEXT NOT NULL DEFAULT 'service'",
    "ALTER TABLE subscriptions ADD COLUMN apps TEXT",
    "ALTER TABLE subscriptions ADD COLUMN sees_logs INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE subscriptions ADD COLUMN checked_at TEXT",
    "ALTER TABLE subscriptions ADD COLUMN unsure_since TEXT",
    # Accounts of users at a provider. `sealed` is the encrypted token. `broken_at`: since when the provider refuses it.
    """CREATE TABLE accounts (
        team_id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL, provider_user TEXT NOT NULL,
        name TEXT NOT NULL, sealed TEXT NOT NULL, connected_at TEXT NOT NULL, broken_at TEXT,
        checked_at TEXT,
        PRIMARY KEY (team_id, user_id, provider)) WITHOUT ROWID""",
    # Access rules that a workspace's admins have set, in the order of evaluation.
    """CREATE TABLE policies (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, body TEXT NOT NULL,
        set_by TEXT NOT NULL, set_at TEXT NOT NULL)""",
    "CREATE INDEX policies_by_team ON policies (team_id)",
    # Pending actions, which another user must approve. `execution`: the workflow step that waits for the decision.
    """CREATE TABLE proposals (
        id TEXT PRIMARY KEY, team_id TEXT NOT NULL, channel_id TEXT NOT NULL, asked_by TEXT NOT NULL,
        act TEXT NOT NULL, deciders TEXT NOT NULL, asked_at TEXT NOT NULL, expires_at TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'open', decided_by TEXT, decided_at TEXT, execution TEXT) WITHOUT ROWID""",
    "CREATE INDEX proposals_open ON proposals (expires_at) WHERE state = 'open'",
    # The audit log, a hash chain per workspace. The hash covers `body`, which contains only a fingerprint of the user
    # and their texts, so that `personal` can be erased and the chain stays valid.
    """CREATE TABLE audit (
        team_id TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL, personal TEXT, salt TEXT,
        previous TEXT NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (team_id, seq)) WITHOUT ROWID""",
    # The ends of each chain; `seal` protects them, so that nobody without the key can forge a chain.
    """CREATE TABLE audit_chains (
        team_id TEXT PRIMARY KEY, first_seq INTEGER NOT NULL DEFAULT 1, before_first TEXT NOT NULL DEFAULT '',
        last_seq INTEGER NOT NULL DEFAULT 0, last_hash TEXT NOT NULL DEFAULT '', seal TEXT) WITHOUT ROWID""",
    """CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        WHEN NEW.team_id IS NOT OLD.team_id OR NEW.seq IS NOT OLD.seq OR NEW.at IS NOT OLD.at
            OR NEW.body IS NOT OLD.body OR NEW.previous IS NOT OLD.previous OR NEW.hash IS NOT OLD.hash
            OR NEW.personal IS NOT NULL OR NEW.salt IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END""",
    """CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit
        WHEN OLD.seq >= (SELECT first_seq FROM audit_chains WHERE team_id = OLD.team_id)
        BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END""",
    # Installations of the Slack app; `sealed` has the encrypted tokens. An organisation's installation has no team, a
    # workspace's own may have no organisation.
    """CREATE TABLE installations (
        enterprise_id TEXT NOT NULL, team_id TEXT NOT NULL, name TEXT, installed_by TEXT NOT NULL,
        installed_at TEXT NOT NULL, sealed TEXT NOT NULL,
        PRIMARY KEY (enterprise_id, team_id)) WITHOUT ROWID""",
    # A workspace that has joined an organisation is still the same workspace.
    "CREATE UNIQUE INDEX installations_by_team ON installations (team_id) WHERE team_id <> ''",
    # The organisation of each workspace, as Slack's requests say.
    """CREATE TABLE workspaces (
        team_id TEXT PRIMARY KEY, enterprise_id TEXT NOT NULL, seen_at TEXT NOT NULL) WITHOUT ROWID""",
    # Used OAuth states of installations, by fingerprint.
    "CREATE TABLE oauth_states (fingerprint TEXT PRIMARY KEY, expires_at TEXT NOT NULL) WITHOUT ROWID",
    "DROP INDEX messages_by_subject",
    "CREATE INDEX messages_by_subject ON messages (team_id, channel_id, subject)",
    "DROP INDEX messages_by_time",
    "CREATE INDEX messages_by_time ON messages (team_id, channel_id, sent_at)",
    "DROP INDEX messages_due",
    "CREATE INDEX messages_due ON messages (team_id, channel_id) WHERE status IN ('owed', 'sending') OR stale > 0",
    "DROP INDEX notifications_due",
    "CREATE INDEX notifications_due ON notifications (team_id, channel_id, id) WHERE status IN ('owed', 'sending')",
    "DROP INDEX subscriptions_by_channel",
    "CREATE INDEX subscriptions_by_channel ON subscriptions (team_id, channel_id)",
)

_FIFTH = (
    # Snapshots of apps at the last poll, for providers that list no builds. They change in the same transaction as the
    # builds that were found by comparison. They contain IDs and times, but no texts of users.
    """CREATE TABLE snapshots (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (provider, app_slug)) WITHOUT ROWID""",
    # Requested restarts: processes that go down because of them have not crashed. `dyno` is empty for all of an app's.
    """CREATE TABLE restarts (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, dyno TEXT NOT NULL, asked_at TEXT NOT NULL,
        PRIMARY KEY (provider, app_slug, dyno)) WITHOUT ROWID""",
)

_SIXTH = (
    # Whether `sealed` contains a refresh token and an expiry time, too.
    "ALTER TABLE accounts ADD COLUMN renewable INTEGER NOT NULL DEFAULT 0",
    # OAuth sign-ins at a provider: `begun` until the redirect comes back, then `allowed` until the user enters the code
    # that was shown. The fingerprint is that of the state or the code.
    """CREATE TABLE sign_ins (
        fingerprint TEXT PRIMARY KEY, team_id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL,
        state TEXT NOT NULL, sealed TEXT NOT NULL, expires_at TEXT NOT NULL) WITHOUT ROWID""",
    # Files in Slack that are deleted after some time.
    """CREATE TABLE passing_files (
        team_id TEXT NOT NULL, file_id TEXT NOT NULL, user_id TEXT NOT NULL, delete_at TEXT NOT NULL,
        PRIMARY KEY (team_id, file_id)) WITHOUT ROWID""",
)

_SEVENTH = (
    # Deploy links from Bitrise apps to Build.io apps in a channel, with the titles at that time. `branch` has globs,
    # separated by commas; empty for any. IDs are never reused, because buttons refer to them.
    """CREATE TABLE ties (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, channel_id TEXT NOT NULL,
        buildio_app TEXT NOT NULL, buildio_title TEXT NOT NULL,
        bitrise_app TEXT NOT NULL, bitrise_title TEXT NOT NULL,
        branch TEXT NOT NULL DEFAULT '', set_by TEXT NOT NULL, set_at TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX ties_by_channel ON ties (team_id, channel_id, bitrise_app, buildio_app, branch)",
)

_NINTH = (
    # `confirmed_at`: when the provider last confirmed the creator's access. `unseen_at`: since when the access or the
    # account is gone, whatever the reason for stopping is.
    "ALTER TABLE subscriptions ADD COLUMN confirmed_at TEXT",
    "ALTER TABLE subscriptions ADD COLUMN unseen_at TEXT",
    "UPDATE subscriptions SET unseen_at = IFNULL(stopped_at, created_at) WHERE stopped_reason = 'unseen'",
    # Until now only active subscriptions were checked, whatever the row of a paused or stopped one says.
    """UPDATE subscriptions SET confirmed_at = IFNULL(unsure_since, IFNULL(checked_at, created_at))
        WHERE seen_as = 'own' AND stopped_reason IS NULL""",
    "UPDATE subscriptions SET checked_at = NULL",
    # Whether log lines may be shown; stored here because the subscription may be removed.
    "ALTER TABLE notifications ADD COLUMN sees_logs INTEGER",
    """UPDATE notifications SET sees_logs =
        (SELECT sees_logs FROM subscriptions WHERE subscriptions.id = notifications.subscription_id)""",
)

_TENTH = (
    # Handled requests from Slack by a fingerprint of what identifies them, as long as they could be sent again.
    """CREATE TABLE deliveries (
        team_id TEXT NOT NULL, fingerprint TEXT NOT NULL, expires_at TEXT NOT NULL,
        PRIMARY KEY (team_id, fingerprint)) WITHOUT ROWID""",
    "CREATE INDEX deliveries_by_end ON deliveries (expires_at)",
)

_ELEVENTH = (
    # The register: `chains` has the ends of each workspace's chain, as in audit_chains. `anchor` is a short hash of the
    # anchor's address, empty for none; `line_number` and `line_hash` are those of the last line. The seal covers all of
    # it; it is NULL if the row is older than the key or the register.
    """CREATE TABLE audit_register (
        id INTEGER PRIMARY KEY CHECK (id = 1), chains TEXT NOT NULL DEFAULT '{}', anchor TEXT NOT NULL DEFAULT '',
        line_number INTEGER NOT NULL DEFAULT 0, line_hash TEXT NOT NULL DEFAULT '', seal TEXT)""",
    """CREATE TRIGGER audit_register_stays BEFORE DELETE ON audit_register
        BEGIN SELECT RAISE(ABORT, 'the register of the audit log is not deleted'); END""",
    # Lines that wait to be sent, in order.
    "CREATE TABLE audit_anchor_lines (id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL)",
)

_THIRTEENTH = (
    # How many of the changes counted by `stale` only add a log excerpt: these edits wait until state changes are shown.
    "ALTER TABLE messages ADD COLUMN stale_excerpts INTEGER NOT NULL DEFAULT 0",
    # The number of a subscription in its channel. Older ones keep their ID as number.
    "ALTER TABLE subscriptions ADD COLUMN number INTEGER",
    "UPDATE subscriptions SET number = id",
)
