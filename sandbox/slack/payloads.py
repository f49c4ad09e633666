"""Payloads that Slack sends to an app, as described on docs.slack.dev. Pure; no I/O."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.slack.models import APP, BOT_USER, TEAM, TEAM_NAME, Channel, FunctionExecution, OpenView, Post
from sandbox.slack.users import Enterprise, User, UserGroup
from sandbox.slack.validation import declared_parameters
from sandbox.slack.workspace import Workspace

VERIFICATION_TOKEN = "sandbox-verification"  # noqa: S105 - the field that Slack has long told apps not to use


@dataclass(frozen=True)
class PayloadSource:
    """The source of a payload: a workspace, and whether the installation is organisation-wide."""

    team: str
    domain: str
    bot_user: str
    enterprise: Enterprise | None = None
    org_wide: bool = False


DEFAULT_SOURCE = PayloadSource(TEAM, TEAM_NAME.lower(), BOT_USER)


def slash_command(
    command: str,
    text: str,
    user: User,
    channel: Channel,
    *,
    trigger_id: str,
    response_url: str,
    source: PayloadSource = DEFAULT_SOURCE,
) -> dict[str, str]:
    """Return a slash command payload; a form over HTTP."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": source.team,
        "team_domain": source.domain,
        **_grid(source.enterprise),
        "channel_id": channel.id,
        "channel_name": {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": str(source.org_wide).lower(),
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def event_envelope(
    inner: Mapping[str, Any], *, shared_outside: bool = False, source: PayloadSource = DEFAULT_SOURCE
) -> dict[str, Any]:
    """Return an event in its envelope; `shared_outside` marks a channel with external users.

    With an organisation-wide installation the authorization names no workspace, but the envelope does.
    """
    enterprise_id = source.enterprise.id if source.enterprise else None
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": source.team,
        **({"enterprise_id": enterprise_id} if enterprise_id else {}),
        "context_team_id": source.team,
        "context_enterprise_id": enterprise_id,
        "api_app_id": APP,
        "event": dict(inner),
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": enterprise_id,
                "team_id": None if source.org_wide else source.team,
                "user_id": source.bot_user,
                "is_bot": True,
                "is_enterprise_install": source.org_wide,
            }
        ],
        "is_ext_shared_channel": shared_outside,
        "event_context": secrets.token_hex(8),
    }


def uninstall_event(inner: Mapping[str, Any], source: PayloadSource) -> dict[str, Any]:
    """Return an event about a removed app, without authorizations (docs.slack.dev, "app_uninstalled").

    For an organisation it names no workspace.
    """
    envelope = event_envelope(inner, source=source)
    for name in ("authorizations", "context_team_id", "context_enterprise_id"):
        del envelope[name]
    return envelope | {"team_id": None if source.org_wide else source.team}


def serialize_user(
    user: User,
    team: str,
    *,
    primary_owner: bool,
    with_email: bool,
    enterprise: Enterprise | None = None,
) -> dict[str, Any]:
    """Return a user as in users.info and user_change; a deactivated one has little more than a name.

    External users have the team of their own workspace. `is_stranger` is false if they share a channel with the app
    (docs.slack.dev, "User object"). Users of an organisation have an `enterprise_user`.
    """
    home = user.workspace or team
    organisation = user.organisation or (enterprise.id if enterprise and not user.workspace else "")
    profile = {"display_name": user.name, "real_name": user.real_name, "team": home}
    if with_email:
        profile["email"] = user.email
    minimal: dict[str, Any] = {
        "id": user.id,
        "team_id": home,
        "name": user.name,
        "deleted": user.deleted,
        "is_bot": False,
        "is_app_user": False,
        "profile": profile,
    }
    if user.deleted:
        return minimal
    if organisation:
        minimal["enterprise_user"] = {
            "id": user.id,
            "enterprise_id": organisation,
            "enterprise_name": organisation,
            "is_admin": False,
            "is_owner": False,
            "teams": [home],
        }
    return minimal | {
        "real_name": user.real_name,
        "is_admin": user.is_admin,
        "is_owner": user.owner,
        "is_primary_owner": primary_owner,
        "is_restricted": user.guest or user.single_channel,
        "is_stranger": user.stranger,
        "is_ultra_restricted": user.single_channel,
        "tz": user.zone,
    }


def serialize_user_group(group: UserGroup, team: str) -> dict[str, Any]:
    """Return a user group as in usergroups.list, without its users."""
    return {
        "id": group.id,
        "team_id": team,
        "is_usergroup": True,
        "is_subteam": True,
        "name": group.name,
        "description": group.description,
        "handle": group.handle,
        "is_external": False,
        "date_create": 1_700_000_000,
        "date_update": group.date_delete or 1_700_000_000,
        "date_delete": group.date_delete,
        "auto_type": None,
        "prefs": {"channels": [], "groups": []},
    }


def function_executed(run: FunctionExecution, function: Mapping[str, Any], ts: str) -> dict[str, Any]:
    """Return the event of a workflow that reaches one of the app's steps."""

    def listed(declared: Any) -> list[dict[str, Any]]:
        return [{"name": name, **one} for name, one in declared_parameters(declared).items()]

    return {
        "type": "function_executed",
        "function": {
            "id": f"Fn{run.function[:8].upper()}",
            "callback_id": run.function,
            "title": function["title"],
            "description": function.get("description", ""),
            "type": "app",
            "app_id": APP,
            "date_created": 1_700_000_000,
            "date_updated": 1_700_000_000,
            "date_deleted": 0,
            "input_parameters": listed(function.get("input_parameters")),
            "output_parameters": listed(function.get("output_parameters")),
        },
        "inputs": run.inputs,
        "function_execution_id": run.id,
        "workflow_execution_id": f"Wx{run.id[2:]}",
        "event_ts": ts,
        "bot_access_token": run.token,
    }


def step_fields(run: FunctionExecution, token: str) -> dict[str, Any]:
    """Return the extra fields of an interaction whose message or modal belongs to a workflow step."""
    return {
        "function_data": {
            "execution_id": run.id,
            "function": {"callback_id": run.function},
            "inputs": run.inputs,
        },
        "bot_access_token": token,
    }


def serialize_channel(channel: Channel, workspace: Workspace, *, with_count: bool = False) -> dict[str, Any]:
    """Return a channel or direct message as in the Conversations API."""
    common: dict[str, Any] = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.archived,
        "is_org_shared": False,
        "context_team_id": workspace.team,
        "updated": channel.created * 1000,
    }
    if channel.kind == "im":
        return common | {"is_im": True, "user": channel.im_with, "is_user_deleted": channel.archived}
    shown = common | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.private,
        "is_group": channel.private,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.private,
        "is_general": False,
        "is_shared": channel.shared_outside,
        "is_ext_shared": channel.shared_outside,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "is_member": workspace.bot_user in channel.members,
        "creator": channel.creator,
        "unlinked": 0,
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": channel.purpose, "creator": "", "last_set": 0},
        "previous_names": [],
    }
    return shown | ({"num_members": len(channel.members)} if with_count else {})


def message_container(
    channel: Channel, post: Post, *, state: Mapping[str, Any] | None = None, unfurled: str | None = None
) -> dict[str, Any]:
    """Return the container fields for an element of a message; ephemeral messages are not included.

    `state` has the selections, `unfurled` the address of the preview that contains the element.
    """
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": post.ts,
        "channel_id": channel.id,
        "is_ephemeral": post.only_for is not None,
    }
    if unfurled is not None:
        container |= {
            "type": "message_attachment",
            "attachment_id": 1,
            "is_app_unfurl": True,
            "app_unfurl_url": unfurled,
        }
    place: dict[str, Any] = {
        "container": container,
        "channel": {"id": channel.id, "name": channel.name},
        "state": {"values": dict(state or {})},
    }
    return place if post.only_for else place | {"message": post.to_json()}


def view_container(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container fields for an element of a modal or the Home."""
    return {"container": {"type": "view", "view_id": view["id"]}, "view": dict(view)}


def block_actions(
    user: User,
    action: Mapping[str, Any],
    container: Mapping[str, Any],
    *,
    trigger_id: str,
    response_url: str | None = None,
    source: PayloadSource = DEFAULT_SOURCE,
) -> dict[str, Any]:
    """Return a block_actions payload."""
    payload = {
        "type": "block_actions",
        **_from(user, source, in_a_view="view" in container),
        "trigger_id": trigger_id,
        **_installed_view(container, source),
        "actions": [{**action, "action_ts": f"{time.time():.6f}"}],
    }
    return payload | ({"response_url": response_url} if response_url else {})


def block_suggestion(
    user: User,
    block_id: str,
    element: Mapping[str, Any],
    typed: str,
    container: Mapping[str, Any],
    *,
    source: PayloadSource = DEFAULT_SOURCE,
) -> dict[str, Any]:
    """Return a block_suggestion payload, for a select whose options the app loads."""
    return {
        "type": "block_suggestion",
        **_from(user, source, in_a_view="view" in container),
        **_installed_view(container, source),
        "action_id": element.get("action_id", ""),
        "block_id": block_id,
        "value": typed,
    }


def shortcut(
    user: User, callback_id: str, *, trigger_id: str, source: PayloadSource = DEFAULT_SOURCE
) -> dict[str, Any]:
    """Return the payload of a global shortcut."""
    return {
        "type": "shortcut",
        **_from(user, source),
        "callback_id": callback_id,
        "trigger_id": trigger_id,
        "action_ts": f"{time.time():.6f}",
    }


def message_shortcut(
    user: User,
    callback_id: str,
    channel: Channel,
    post: Post,
    *,
    trigger_id: str,
    response_url: str,
    source: PayloadSource = DEFAULT_SOURCE,
) -> dict[str, Any]:
    """Return the payload of a message shortcut."""
    return {
        **shortcut(user, callback_id, trigger_id=trigger_id, source=source),
        "type": "message_action",
        "channel": {"id": channel.id, "name": channel.name},
        "message_ts": post.ts,
        "message": post.to_json(),
        "response_url": response_url,
    }


def view_submission(
    user: User,
    opened: OpenView,
    values: Mapping[str, Any],
    *,
    trigger_id: str,
    response_urls: Sequence[Mapping[str, str]] = (),
    source: PayloadSource = DEFAULT_SOURCE,
) -> dict[str, Any]:
    """Return a view_submission payload; `response_urls` are those of channels selected for a response."""
    return {
        "type": "view_submission",
        **_from(user, source, in_a_view=True),
        "trigger_id": trigger_id,
        "view": {
            **opened.to_json(),
            "app_installed_team_id": _installed_at(source),
            "state": {"values": values},
        },
        "response_urls": [dict(url) for url in response_urls],
    }


def view_closed(
    user: User, opened: OpenView, *, is_cleared: bool, source: PayloadSource = DEFAULT_SOURCE
) -> dict[str, Any]:
    """Return a view_closed payload."""
    return {
        "type": "view_closed",
        **_from(user, source, in_a_view=True),
        "view": {**opened.to_json(), "app_installed_team_id": _installed_at(source)},
        "is_cleared": is_cleared,
    }


def _from(user: User, source: PayloadSource, *, in_a_view: bool = False) -> dict[str, Any]:
    """Return the user and source fields of every interaction.

    A view of an organisation-wide installation belongs to no workspace; for a user of another workspace it names
    theirs, and the app's only in `app_installed_team_id` (Bolt, "extract_team_id").
    """
    enterprise = source.enterprise
    home = user.workspace or source.team
    team: dict[str, str] | None = {"id": source.team, "domain": source.domain, **_grid(enterprise)}
    if in_a_view and source.org_wide:
        team = None
    elif in_a_view and user.workspace:
        team = {"id": home, "domain": home.lower()}
    return {
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": home},
        "team": team,
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "enterprise": {"id": enterprise.id, "name": enterprise.name} if enterprise else None,
        "is_enterprise_install": source.org_wide,
    }


def external_user_fields(user: User) -> dict[str, str]:
    """Return the extra event fields of a user from another workspace (Bolt, "extract_actor_team_id")."""
    if not user.workspace:
        return {}
    home = user.organisation or user.workspace
    return {"team": home, "user_team": home, "source_team": home}


def _installed_view(container: Mapping[str, Any], source: PayloadSource) -> dict[str, Any]:
    """Return the container; in a view it also names the workspace of the installation."""
    if "view" not in container:
        return dict(container)
    return {**container, "view": {**container["view"], "app_installed_team_id": _installed_at(source)}}


def _installed_at(source: PayloadSource) -> str | None:
    return None if source.org_wide else source.team


def _grid(enterprise: Enterprise | None) -> dict[str, str]:
    """Return the organisation fields of a team."""
    if enterprise is None:
        return {}
    return {"enterprise_id": enterprise.id, "enterprise_name": enterprise.name}
