"""Lists every column that holds personal data, and which kind of ID it holds.

A new column must be added here (a test compares the list with the schema), so that export and erasure miss nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """The columns of one table, each in exactly one group.

    owner: the Slack ID of the user that the whole row belongs to. user_ids: a Slack ID of another user in the row.
    channels: a channel ID, or a user ID for a direct message; then the whole row belongs to that user. texts: text or
    JSON that may contain a Slack ID or a name at the provider. encrypted: never shown, neither to its owner nor to the
    operator. impersonal: identifies nobody, or only the row's owner.
    """

    owner: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    encrypted: tuple[str, ...] = ()
    impersonal: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        """Every column."""
        return [*self.owner, *self.user_ids, *self.channels, *self.texts, *self.encrypted, *self.impersonal]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLUMNS = {
    "accounts": Columns(
        owner=_names("user_id"),
        encrypted=_names("sealed"),
        impersonal=_names("team_id provider provider_user name connected_at broken_at checked_at renewable"),
    ),
    # storage.audit_log exports and erases the log, whose rows can only be blanked.
    "audit": Columns(impersonal=_names("team_id seq at body personal salt previous hash")),
    "audit_chains": Columns(
        encrypted=_names("seal"), impersonal=_names("team_id first_seq before_first last_seq last_hash")
    ),
    "audit_anchor_lines": Columns(impersonal=_names("id line")),
    "audit_register": Columns(
        encrypted=_names("seal"), impersonal=_names("id chains anchor line_number line_hash")
    ),
    # Search keys are hashes.
    "apps_of": Columns(impersonal=_names("provider app_slug search_key rule_key subscription_id")),
    "budgets": Columns(impersonal=_names("team_id kind free at")),
    "build_requests": Columns(
        texts=_names("body"), impersonal=_names("provider slug app_slug seen_at ended")
    ),
    "builds": Columns(
        texts=_names("body standing failure"),
        impersonal=_names(
            "provider build_slug app_slug number state ended triggered_at finished_at misses branch workflow"
            " abort_kind failure_due failure_tries"
        ),
    ),
    "channels": Columns(
        user_ids=_names("set_by"),
        channels=_names("channel_id"),
        impersonal=_names("team_id provider app_slug set_at"),
    ),
    "deliveries": Columns(impersonal=_names("team_id fingerprint expires_at")),
    "installations": Columns(
        user_ids=_names("installed_by"),
        encrypted=_names("sealed"),
        impersonal=_names("enterprise_id team_id name installed_at"),
    ),
    "looks": Columns(impersonal=_names("token per_app seen_until per_app_since")),
    "messages": Columns(
        channels=_names("channel_id"),
        texts=_names("content note"),
        # A parcel contains a user ID only in messages to that user.
        impersonal=_names(
            "parcel subject status thread thread_ts ts sent_at stale stale_excerpts team_id edit_begun_at"
        ),
    ),
    "notifications": Columns(
        channels=_names("channel_id"),
        impersonal=_names(
            "id subscription_id provider build_slug event created_at status parcel attempts sent_at ts error"
            " due_at held_for team_id sees_logs"
        ),
    ),
    "oauth_states": Columns(impersonal=_names("fingerprint expires_at")),
    "passing_files": Columns(owner=_names("user_id"), impersonal=_names("team_id file_id delete_at")),
    "pauses": Columns(impersonal=_names("token until")),
    "people": Columns(owner=_names("user_id"), impersonal=_names("team_id name email mention")),
    "pipelines": Columns(
        texts=_names("body"), impersonal=_names("provider pipeline_id attempt app_slug ended seen_at")
    ),
    "policies": Columns(
        user_ids=_names("set_by"), texts=_names("body"), impersonal=_names("id team_id set_at")
    ),
    "polls": Columns(
        impersonal=_names(
            "token provider polled revision requested answered next_at not_before failures reason last_success"
            " last_read"
        ),
    ),
    "proposals": Columns(
        owner=_names("asked_by"),
        user_ids=_names("decided_by"),
        channels=_names("channel_id"),
        texts=_names("deciders"),
        encrypted=_names("act"),
        impersonal=_names("id team_id asked_at expires_at state decided_at execution begun_by"),
    ),
    "removed_workspaces": Columns(impersonal=_names("fingerprint removed_at")),
    "restarts": Columns(impersonal=_names("provider app_slug dyno asked_at")),
    "series": Columns(
        texts=_names("body"), impersonal=_names("provider app_slug workflow branch is_red green_at")
    ),
    "snapshots": Columns(impersonal=_names("provider app_slug body")),
    "sign_ins": Columns(
        owner=_names("user_id"),
        encrypted=_names("sealed"),
        impersonal=_names("fingerprint team_id provider state expires_at"),
    ),
    "starts": Columns(owner=_names("user_id"), impersonal=_names("team_id app_slug body at")),
    "subscriptions": Columns(
        user_ids=_names("created_by"),
        channels=_names("channel_id"),
        texts=_names("terms"),
        impersonal=_names(
            "id number team_id provider app_slug created_at stopped_reason stopped_at seen_as apps sees_logs checked_at"
            " confirmed_at unseen_at unsure_since"
        ),
    ),
    "ties": Columns(
        user_ids=_names("set_by"),
        channels=_names("channel_id"),
        impersonal=_names("id team_id buildio_app buildio_title bitrise_app bitrise_title branch set_at"),
    ),
    "watched_apps": Columns(impersonal=_names("provider app_slug title body baseline_at joined")),
    "workflow_steps": Columns(
        texts=_names("outcome"),
        impersonal=_names("execution kind begun_at begun_by app_slug build_slug until ended team_id"),
    ),
    "workspaces": Columns(impersonal=_names("team_id enterprise_id seen_at")),
}
