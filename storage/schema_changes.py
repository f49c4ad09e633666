"""Changes of the schema since PostgreSQL can be used: statements that SQLite and PostgreSQL both understand."""

from __future__ import annotations

FIFTEENTH = (
    # Whether the latest build failed; when it last succeeded.
    "ALTER TABLE series ADD COLUMN is_red INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE series ADD COLUMN green_at TEXT",
)

SIXTEENTH = (
    # What active subscriptions ask for, a row for each app and search key (storage.subscribed_apps). `app_slug` is
    # empty for every app of the provider.
    """CREATE TABLE apps_of (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, search_key TEXT NOT NULL, rule_key TEXT NOT NULL,
        subscription_id INTEGER NOT NULL,
        PRIMARY KEY (provider, app_slug, search_key, rule_key, subscription_id)) WITHOUT ROWID""",
    "CREATE INDEX apps_by_subscription ON apps_of (subscription_id)",
    # Whose build it is, in whatever workspace.
    "CREATE INDEX people_by_any_name ON people (name) WHERE name IS NOT NULL",
    "CREATE INDEX people_by_email ON people (email) WHERE email IS NOT NULL",
    # Kinds of subscriptions that polls ask for, and of which there are few. The conditions are those of the queries.
    "CREATE INDEX subscriptions_with_limits ON subscriptions (provider) WHERE terms LIKE '%_over%'",
    """CREATE INDEX subscriptions_to_attempts ON subscriptions (provider) WHERE terms LIKE '%"attempts":%'""",
)

EIGHTEENTH = (
    # How the polls with each token go (domain.poll_status), if several bots share the database. `token`: a fingerprint,
    # or the name of another poll with the provider's token.
    """CREATE TABLE polls (
        token TEXT PRIMARY KEY, provider TEXT NOT NULL, polled INTEGER NOT NULL DEFAULT 0,
        revision INTEGER NOT NULL DEFAULT 0, requested INTEGER NOT NULL DEFAULT 0,
        answered INTEGER NOT NULL DEFAULT 0, next_at TEXT, not_before TEXT, failures INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '', last_success TEXT, last_read TEXT NOT NULL DEFAULT '') WITHOUT ROWID""",
    # Until when no request is sent with a token, of the bot or of a user, because the provider has asked for a pause.
    "CREATE TABLE pauses (token TEXT PRIMARY KEY, until TEXT NOT NULL) WITHOUT ROWID",
)

NINETEENTH = (
    # Workspaces that have removed the app lately, by a hash: what still runs for them writes nothing.
    "CREATE TABLE removed_workspaces (fingerprint TEXT PRIMARY KEY, removed_at TEXT NOT NULL) WITHOUT ROWID",
    # The process (storage.session_locks) that carries out a step, or an approved action. Others report that it was
    # interrupted once that process is gone.
    "ALTER TABLE workflow_steps ADD COLUMN begun_by TEXT",
    "ALTER TABLE proposals ADD COLUMN begun_by TEXT",
    # Slack's limits of a kind of call, as token buckets: how many were free at a time, in seconds since 1970.
    """CREATE TABLE budgets (
        team_id TEXT NOT NULL, kind TEXT NOT NULL, free DOUBLE PRECISION NOT NULL, at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (team_id, kind)) WITHOUT ROWID""",
)

TWENTIETH = (
    # If several bots share the database: when a bot has begun to edit the message, by the database's clock. It is NULL
    # again once the edit has ended, so what is left is of a bot that was killed, and may still arrive in Slack.
    "ALTER TABLE messages ADD COLUMN edit_begun_at TEXT",
)
