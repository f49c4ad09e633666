"""How the database names people: for every column of every table, whether it does, and by what.

Whoever adds a column says here what it holds (a test compares), so that nothing about a person is left out when it is
handed over or erased.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """One table's columns, each in one part.

    own: the Slack id of the person whose the whole row is. ids: a Slack id of somebody whom the row names beside other
    things. places: a channel's id, or a person's where it is their direct message; the whole row is theirs then. words:
    text or JSON in which a Slack id, or a name at the provider, may stand. sealed: never shown, as little to its owner
    as to the operator. silent: names nobody, or nobody but whose the row is.
    """

    own: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        """Every column."""
        return [*self.own, *self.ids, *self.places, *self.words, *self.sealed, *self.silent]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLUMNS = {
    "accounts": Columns(
        own=_names("user_id"),
        sealed=_names("sealed"),
        silent=_names("team_id provider provider_user name connected_at broken_at checked_at renewable"),
    ),
    # The log itself is read and erased by storage.audit_log: a row of it can only be blanked, never changed.
    "audit": Columns(silent=_names("team_id seq at body personal salt previous hash")),
    "audit_chains": Columns(
        sealed=_names("seal"), silent=_names("team_id first_seq before_first last_seq last_hash")
    ),
    "audit_anchor_lines": Columns(silent=_names("id line")),
    "audit_register": Columns(sealed=_names("seal"), silent=_names("id chains anchor line_number line_hash")),
    "build_requests": Columns(words=_names("body"), silent=_names("provider slug app_slug seen_at ended")),
    "builds": Columns(
        words=_names("body standing failure"),
        silent=_names(
            "provider build_slug app_slug number state ended triggered_at finished_at misses branch workflow"
            " abort_kind failure_due failure_tries"
        ),
    ),
    "channels": Columns(
        ids=_names("set_by"),
        places=_names("channel_id"),
        silent=_names("team_id provider app_slug set_at"),
    ),
    "deliveries": Columns(silent=_names("team_id fingerprint expires_at")),
    "installations": Columns(
        ids=_names("installed_by"),
        sealed=_names("sealed"),
        silent=_names("enterprise_id team_id name installed_at"),
    ),
    "looks": Columns(silent=_names("token per_app seen_until per_app_since")),
    "messages": Columns(
        places=_names("channel_id"),
        words=_names("content note"),
        # A parcel names somebody only where the message is theirs.
        silent=_names("parcel subject status thread thread_ts ts sent_at stale stale_excerpts team_id"),
    ),
    "notifications": Columns(
        places=_names("channel_id"),
        silent=_names(
            "id subscription_id provider build_slug event created_at status parcel attempts sent_at ts error"
            " due_at held_for team_id sees_logs"
        ),
    ),
    "oauth_states": Columns(silent=_names("fingerprint expires_at")),
    "passing_files": Columns(own=_names("user_id"), silent=_names("team_id file_id delete_at")),
    "people": Columns(own=_names("user_id"), silent=_names("team_id name email mention")),
    "pipelines": Columns(
        words=_names("body"), silent=_names("provider pipeline_id attempt app_slug ended seen_at")
    ),
    "policies": Columns(ids=_names("set_by"), words=_names("body"), silent=_names("id team_id set_at")),
    "proposals": Columns(
        own=_names("asked_by"),
        ids=_names("decided_by"),
        places=_names("channel_id"),
        words=_names("deciders"),
        sealed=_names("act"),
        silent=_names("id team_id asked_at expires_at state decided_at execution"),
    ),
    "restarts": Columns(silent=_names("provider app_slug dyno asked_at")),
    "series": Columns(words=_names("body"), silent=_names("provider app_slug workflow branch")),
    "snapshots": Columns(silent=_names("provider app_slug body")),
    "sign_ins": Columns(
        own=_names("user_id"),
        sealed=_names("sealed"),
        silent=_names("fingerprint team_id provider state expires_at"),
    ),
    "starts": Columns(own=_names("user_id"), silent=_names("team_id app_slug body at")),
    "subscriptions": Columns(
        ids=_names("created_by"),
        places=_names("channel_id"),
        words=_names("terms"),
        silent=_names(
            "id number team_id provider app_slug created_at stopped_reason stopped_at seen_as apps sees_logs checked_at"
            " confirmed_at unseen_at unsure_since"
        ),
    ),
    "ties": Columns(
        ids=_names("set_by"),
        places=_names("channel_id"),
        silent=_names("id team_id buildio_app buildio_title bitrise_app bitrise_title branch set_at"),
    ),
    "watched_apps": Columns(silent=_names("provider app_slug title body baseline_at joined")),
    "workflow_steps": Columns(
        words=_names("outcome"),
        silent=_names("execution kind begun_at app_slug build_slug until ended team_id"),
    ),
    "workspaces": Columns(silent=_names("team_id enterprise_id seen_at")),
}
