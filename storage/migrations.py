"""The schema, as the steps that made it. A step that has been released is never changed; a new one follows it."""

from __future__ import annotations

import json

import sqlite_utils
from sqlite_utils import Migrations

migrations = Migrations("buildbell")


def known_migrations() -> set[str]:
    """The names of all steps that this version knows."""
    memory = sqlite_utils.Database(memory=True)
    try:
        return {step.name for step in migrations.pending(memory)}
    finally:
        memory.close()


def audit_triggers() -> dict[str, str]:
    """The triggers that keep the audit log from being changed, by name, as the steps have made them."""
    made = [one for one in (*_FOURTH, *_ELEVENTH) if one.startswith("CREATE TRIGGER audit")]
    return {one.split()[2]: one for one in made}


@migrations()
def m001_watch_and_tell(db: sqlite_utils.Database) -> None:
    """Apps, builds, subscriptions, the outbox, and what a channel has chosen."""
    for statement in _FIRST:
        db.execute(statement)


@migrations()
def m002_terms_series_and_messages(db: sqlite_utils.Database) -> None:
    """What subscriptions ask for beyond a filter, series of builds, Slack messages that can be edited, people."""
    for statement in _SECOND:
        db.execute(statement)
    for identity, words in db.execute("SELECT id, terms FROM subscriptions").fetchall():
        db.execute("UPDATE subscriptions SET terms = ? WHERE id = ?", [_as_terms(words), identity])


@migrations()
def m003_at_the_fingertips(db: sqlite_utils.Database) -> None:
    """What modals, Home and steps of workflows remember."""
    for statement in _THIRD:
        db.execute(statement)


@migrations()
def m004_many_workspaces(db: sqlite_utils.Database) -> None:
    """Whose each row is, and who may do what."""
    # Until now there was one workspace; what no subscription names is its own too.
    known = db.execute(
        "SELECT team_id FROM subscriptions UNION SELECT team_id FROM people LIMIT 1"
    ).fetchone()
    for statement in _FOURTH:
        db.execute(statement)
    for table in ("notifications", "messages", "workflow_steps"):
        db.execute(f"UPDATE {table} SET team_id = ?", [known[0] if known else ""])


@migrations()
def m005_snapshots(db: sqlite_utils.Database) -> None:
    """What is watched by comparing how an app stands with how it stood."""
    for statement in _FIFTH:
        db.execute(statement)


@migrations()
def m006_accounts_elsewhere(db: sqlite_utils.Database) -> None:
    """Accounts that are renewed, how they are signed in for, files that do not stay, and rules about everything."""
    for statement in _SIXTH:
        db.execute(statement)
    for identity, body in db.execute("SELECT id, body FROM policies").fetchall():
        db.execute("UPDATE policies SET body = ? WHERE id = ?", [_about_everything(body), identity])


@migrations()
def m007_ties(db: sqlite_utils.Database) -> None:
    """Apps of one provider that channels have tied to apps of another."""
    for statement in _SEVENTH:
        db.execute(statement)


@migrations()
def m008_decided_proposals(db: sqlite_utils.Database) -> None:
    """What decided proposals were about is kept no longer: it may hold sealed config values."""
    db.execute("UPDATE proposals SET act = '' WHERE state NOT IN ('open', 'agreed')")


@migrations()
def m009_access_lost(db: sqlite_utils.Database) -> None:
    """Whether the makers of subscriptions still see what they show, apart from why those are told nothing."""
    for statement in _NINTH:
        db.execute(statement)


@migrations()
def m010_deliveries(db: sqlite_utils.Database) -> None:
    """What Slack has delivered and was taken up."""
    for statement in _TENTH:
        db.execute(statement)


@migrations()
def m011_audit_register(db: sqlite_utils.Database) -> None:
    """One row over all chains of the audit log, and lines that wait for the place where it is anchored."""
    for statement in _ELEVENTH:
        db.execute(statement)
    # A workspace that has told the bot anything has a chain from now on, if an empty one, so that none can vanish.
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
    """Which edits of messages can wait for others, and the numbers of subscriptions in their channels."""
    for statement in _THIRTEENTH:
        db.execute(statement)


@migrations()
def m014_threads_of_people(db: sqlite_utils.Database) -> None:
    """Which message of somebody's a message answers, where that is none of the bot's own."""
    db.execute("ALTER TABLE messages ADD COLUMN thread_ts TEXT")


def _about_everything(body: str) -> str:
    """A rule about all that there was, as one about all that there is."""
    rule = json.loads(body)
    all_there_was = {"abort", "trigger", "artifacts", "approve"}
    if rule.get("kind") == "allow":
        all_there_was.add("subscribe")
    return (
        json.dumps(rule | {"permissions": []}) if all_there_was <= set(rule.get("permissions", ())) else body
    )


def _as_terms(filter_words: str) -> str:
    """A filter as it was kept before: its states were the results that were told."""
    before = json.loads(filter_words)
    return json.dumps({"results": before.pop("states", []), "filter": before})


# Times are ISO 8601 in UTC with microseconds, so that they sort as text.
_FIRST = (
    # An app that at least one subscription waits for. `baseline_at`: builds triggered before it were there when
    # the watching began. `joined` is 0 until the app was looked at by itself once since then.
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
    # How one token is looked at: all apps at once or each by itself, and up to which trigger time all is known.
    """CREATE TABLE looks (
        token TEXT PRIMARY KEY, per_app INTEGER NOT NULL DEFAULT 0, seen_until TEXT) WITHOUT ROWID""",
    """CREATE TABLE subscriptions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, channel_id TEXT NOT NULL,
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, filter TEXT NOT NULL,
        created_by TEXT NOT NULL, created_at TEXT NOT NULL, stopped_reason TEXT, stopped_at TEXT)""",
    "CREATE INDEX subscriptions_by_app ON subscriptions (provider, app_slug)",
    "CREATE INDEX subscriptions_by_channel ON subscriptions (channel_id)",
    # The outbox. A row is owed, then in a parcel (Slack may or may not have it), then told or given up.
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
    # Since when the list of all apps was found not to be of use to the token; one that is old is tried again. It takes
    # the place of `per_app`, which stays: SQLite drops columns only since 3.35.
    "ALTER TABLE looks ADD COLUMN per_app_since TEXT",
    "UPDATE looks SET per_app_since = '2000-01-01T00:00:00.000000+00:00' WHERE per_app = 1",
    "ALTER TABLE subscriptions RENAME COLUMN filter TO terms",
    # Columns that statistics need stay when a build's body is pruned. `standing`: its place in its series.
    # `failure`: what its log says; `failure_due`: when the log is to be read next, for as long as that is wanted.
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
    # When it may be told; NULL: at once.
    "ALTER TABLE notifications ADD COLUMN due_at TEXT",
    "CREATE INDEX notifications_by_parcel ON notifications (parcel) WHERE parcel IS NOT NULL",
    "CREATE INDEX notifications_by_build ON notifications (provider, build_slug)",
    # A message in Slack. It is owed (its `content` says what), being sent (Slack may or may not have it), told, or
    # gone from Slack. `subject` is what it is about, where more may join it; `thread` is the parcel that it answers.
    # `stale`: how often what it says has changed since it was said. `note` is what people have added to it.
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
    # What a person has chosen. `name` is theirs at Bitrise, in lower case; nobody else in the workspace can have it.
    """CREATE TABLE people (
        team_id TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT, email TEXT, mention INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (team_id, user_id)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX people_by_name ON people (team_id, name) WHERE name IS NOT NULL",
)

_THIRD = (
    # How long builds of a workflow and branch usually take.
    "CREATE INDEX successes ON builds (provider, app_slug, workflow, branch, finished_at) WHERE state = 'succeeded'",
    # The latest builds of all apps together.
    "CREATE INDEX latest_builds ON builds (provider, triggered_at)",
    # What each person started last of each app, to be filled in the next time.
    """CREATE TABLE starts (
        team_id TEXT NOT NULL, user_id TEXT NOT NULL, app_slug TEXT NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (team_id, user_id, app_slug)) WITHOUT ROWID""",
    # Pipelines as they were last seen, one row an attempt. `held_for`: the notification waits for the end of one.
    """CREATE TABLE pipelines (
        provider TEXT NOT NULL, pipeline_id TEXT NOT NULL, attempt INTEGER NOT NULL, app_slug TEXT NOT NULL,
        ended INTEGER NOT NULL, seen_at TEXT, body TEXT NOT NULL,
        PRIMARY KEY (provider, pipeline_id, attempt))""",
    "CREATE INDEX open_pipelines ON pipelines (provider) WHERE ended = 0",
    "ALTER TABLE notifications ADD COLUMN held_for TEXT",
    "CREATE INDEX notifications_held ON notifications (held_for) WHERE held_for IS NOT NULL",
    # Builds that wait for somebody's approval, until they were decided.
    """CREATE TABLE build_requests (
        provider TEXT NOT NULL, slug TEXT NOT NULL, app_slug TEXT NOT NULL, seen_at TEXT NOT NULL,
        ended INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
        PRIMARY KEY (provider, slug)) WITHOUT ROWID""",
    "CREATE INDEX requests_open ON build_requests (provider, app_slug) WHERE ended = 0",
    # Steps of Slack's workflows, by Slack's name for each run of one. With a build: it waits for the build's end.
    # `outcome` is owed to Slack until it has `ended`.
    """CREATE TABLE workflow_steps (
        execution TEXT PRIMARY KEY, kind TEXT NOT NULL, begun_at TEXT NOT NULL, app_slug TEXT, build_slug TEXT,
        until TEXT, outcome TEXT, ended INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    "CREATE INDEX steps_under_way ON workflow_steps (begun_at) WHERE ended = 0",
)

_FOURTH = (
    "ALTER TABLE notifications ADD COLUMN team_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE messages ADD COLUMN team_id TEXT NOT NULL DEFAULT ''",
    # Slack's name for a run tells nothing about another workspace's: it is looked up by both.
    "ALTER TABLE workflow_steps RENAME TO steps_before",
    """CREATE TABLE workflow_steps (
        team_id TEXT NOT NULL, execution TEXT NOT NULL, kind TEXT NOT NULL, begun_at TEXT NOT NULL, app_slug TEXT,
        build_slug TEXT, until TEXT, outcome TEXT, ended INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (team_id, execution)) WITHOUT ROWID""",
    """INSERT INTO workflow_steps
        SELECT '', execution, kind, begun_at, app_slug, build_slug, until, outcome, ended FROM steps_before""",
    "DROP TABLE steps_before",
    "CREATE INDEX steps_under_way ON workflow_steps (begun_at) WHERE ended = 0",
    # `seen_as`: whose access it shows, its maker's own or the bot's. `apps`: what its maker sees, where it is for all
    # apps. `sees_logs`: whether they may read logs. `checked_at`: when that was asked last; `unsure_since`: since when
    # it could not be asked.
    "ALTER TABLE subscriptions ADD COLUMN seen_as TEXT NOT NULL DEFAULT 'service'",
    "ALTER TABLE subscriptions ADD COLUMN apps TEXT",
    "ALTER TABLE subscriptions ADD COLUMN sees_logs INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE subscriptions ADD COLUMN checked_at TEXT",
    "ALTER TABLE subscriptions ADD COLUMN unsure_since TEXT",
    # People's links to a provider. `sealed` holds the token. `broken_at`: since when the provider refuses it.
    """CREATE TABLE accounts (
        team_id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL, provider_user TEXT NOT NULL,
        name TEXT NOT NULL, sealed TEXT NOT NULL, connected_at TEXT NOT NULL, broken_at TEXT,
        checked_at TEXT,
        PRIMARY KEY (team_id, user_id, provider)) WITHOUT ROWID""",
    # Rules that a workspace's admins have set, in the order in which they are asked.
    """CREATE TABLE policies (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, body TEXT NOT NULL,
        set_by TEXT NOT NULL, set_at TEXT NOT NULL)""",
    "CREATE INDEX policies_by_team ON policies (team_id)",
    # What somebody wants to do and somebody else must agree to. `execution`: the workflow's step that waits for it.
    """CREATE TABLE proposals (
        id TEXT PRIMARY KEY, team_id TEXT NOT NULL, channel_id TEXT NOT NULL, asked_by TEXT NOT NULL,
        act TEXT NOT NULL, deciders TEXT NOT NULL, asked_at TEXT NOT NULL, expires_at TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'open', decided_by TEXT, decided_at TEXT, execution TEXT) WITHOUT ROWID""",
    "CREATE INDEX proposals_open ON proposals (expires_at) WHERE state = 'open'",
    # What was done and refused, each workspace's a chain by hash. `body` is what the hash covers; of who it was and
    # what they wrote it holds only a fingerprint, so that `personal` can be erased and the chain still holds.
    """CREATE TABLE audit (
        team_id TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL, personal TEXT, salt TEXT,
        previous TEXT NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (team_id, seq)) WITHOUT ROWID""",
    # Where each chain begins and ends; `seal` is over the end, so that nobody without the key can write another one.
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
    # Slack's installations of the app; the tokens are in `sealed`. An organisation's has no team, a workspace's own
    # maybe no organisation.
    """CREATE TABLE installations (
        enterprise_id TEXT NOT NULL, team_id TEXT NOT NULL, name TEXT, installed_by TEXT NOT NULL,
        installed_at TEXT NOT NULL, sealed TEXT NOT NULL,
        PRIMARY KEY (enterprise_id, team_id)) WITHOUT ROWID""",
    # A workspace that has joined an organisation meanwhile is still the same one.
    "CREATE UNIQUE INDEX installations_by_team ON installations (team_id) WHERE team_id <> ''",
    # Which organisation a workspace belongs to, as Slack's requests say.
    """CREATE TABLE workspaces (
        team_id TEXT PRIMARY KEY, enterprise_id TEXT NOT NULL, seen_at TEXT NOT NULL) WITHOUT ROWID""",
    # Installations that somebody has begun, by a fingerprint of the state that travels with them.
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
    # How an app stood at the last look, where its provider lists no builds; it changes in the same transaction as the
    # builds that were found by comparing with it. It holds marks and times, and nothing that somebody wrote.
    """CREATE TABLE snapshots (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (provider, app_slug)) WITHOUT ROWID""",
    # Restarts that somebody has asked for: what goes down by them has not crashed. `dyno` is empty for all of an app's.
    """CREATE TABLE restarts (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, dyno TEXT NOT NULL, asked_at TEXT NOT NULL,
        PRIMARY KEY (provider, app_slug, dyno)) WITHOUT ROWID""",
)

_SIXTH = (
    # Whether `sealed` holds more than a token: what it can be renewed with, and when it ends.
    "ALTER TABLE accounts ADD COLUMN renewable INTEGER NOT NULL DEFAULT 0",
    # People who sign in at a provider: `begun`, until they come back from its page, then `allowed`, until they bring
    # the code that they were shown there. The fingerprint is of what travels with them, the state or the code.
    """CREATE TABLE sign_ins (
        fingerprint TEXT PRIMARY KEY, team_id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL,
        state TEXT NOT NULL, sealed TEXT NOT NULL, expires_at TEXT NOT NULL) WITHOUT ROWID""",
    # Files in Slack that are deleted after a time.
    """CREATE TABLE passing_files (
        team_id TEXT NOT NULL, file_id TEXT NOT NULL, user_id TEXT NOT NULL, delete_at TEXT NOT NULL,
        PRIMARY KEY (team_id, file_id)) WITHOUT ROWID""",
)

_SEVENTH = (
    # Apps of Build.io that a channel has tied to apps of Bitrise, each with the title that it had then. `branch` holds
    # globs, split by commas; empty for any. A number is never given again: a button that carries one means that tie.
    """CREATE TABLE ties (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, channel_id TEXT NOT NULL,
        buildio_app TEXT NOT NULL, buildio_title TEXT NOT NULL,
        bitrise_app TEXT NOT NULL, bitrise_title TEXT NOT NULL,
        branch TEXT NOT NULL DEFAULT '', set_by TEXT NOT NULL, set_at TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX ties_by_channel ON ties (team_id, channel_id, bitrise_app, buildio_app, branch)",
)

_NINTH = (
    # `confirmed_at`: when the provider last said that its maker sees what it shows. `unseen_at`: since when they do
    # not, or their account is gone; whatever it was stopped for.
    "ALTER TABLE subscriptions ADD COLUMN confirmed_at TEXT",
    "ALTER TABLE subscriptions ADD COLUMN unseen_at TEXT",
    "UPDATE subscriptions SET unseen_at = IFNULL(stopped_at, created_at) WHERE stopped_reason = 'unseen'",
    # Those that were paused or stopped were not asked about until now, whatever it says; running ones were.
    """UPDATE subscriptions SET confirmed_at = IFNULL(unsure_since, IFNULL(checked_at, created_at))
        WHERE seen_as = 'own' AND stopped_reason IS NULL""",
    "UPDATE subscriptions SET checked_at = NULL",
    # Whether lines of logs may be shown in it, which outlives the subscription.
    "ALTER TABLE notifications ADD COLUMN sees_logs INTEGER",
    """UPDATE notifications SET sees_logs =
        (SELECT sees_logs FROM subscriptions WHERE subscriptions.id = notifications.subscription_id)""",
)

_TENTH = (
    # Requests of Slack's that were taken up, by a fingerprint of what tells them from all others, for as long as one of
    # them could come again.
    """CREATE TABLE deliveries (
        team_id TEXT NOT NULL, fingerprint TEXT NOT NULL, expires_at TEXT NOT NULL,
        PRIMARY KEY (team_id, fingerprint)) WITHOUT ROWID""",
    "CREATE INDEX deliveries_by_end ON deliveries (expires_at)",
)

_ELEVENTH = (
    # Over all chains: `chains` are the ends of each by its workspace, as audit_chains has them. `anchor` is a short
    # name of where lines are sent to, empty for nowhere; `line_number` and `line_hash` are those of the last line. The
    # seal is over all of it; NULL is what is from before there was a key, or a register.
    """CREATE TABLE audit_register (
        id INTEGER PRIMARY KEY CHECK (id = 1), chains TEXT NOT NULL DEFAULT '{}', anchor TEXT NOT NULL DEFAULT '',
        line_number INTEGER NOT NULL DEFAULT 0, line_hash TEXT NOT NULL DEFAULT '', seal TEXT)""",
    """CREATE TRIGGER audit_register_stays BEFORE DELETE ON audit_register
        BEGIN SELECT RAISE(ABORT, 'the register of the audit log is not deleted'); END""",
    # Lines that wait to be sent, in their order.
    "CREATE TABLE audit_anchor_lines (id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL)",
)

_THIRTEENTH = (
    # How many of the changes counted by `stale` only add an excerpt of a log: those wait for changes of state.
    "ALTER TABLE messages ADD COLUMN stale_excerpts INTEGER NOT NULL DEFAULT 0",
    # How people of its channel call a subscription. One that has been called by its id goes on to be called so.
    "ALTER TABLE subscriptions ADD COLUMN number INTEGER",
    "UPDATE subscriptions SET number = id",
)
