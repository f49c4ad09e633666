"""What Slack sends to an app, as docs.slack.dev describes each. Pure; no I/O."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.slack.users import Enterprise, User, UserGroup
from sandbox.slack.validation import parameters_of
from sandbox.slack.workspace import (
    APP,
    BOT_USER,
    TEAM,
    TEAM_NAME,
    Channel,
    FunctionExecution,
    OpenView,
    Post,
    Workspace,
)

VERIFICATION_TOKEN = "sandbox-verification"  # noqa: S105 - the field that Slack has long told apps not to use


@dataclass(frozen=True)
class PayloadSource:
    """Where a payload comes from: a workspace, and whether the app is there with its whole organisation."""

    team: str
    domain: str
    bot_user: str
    enterprise: Enterprise | None = None
    org_wide: bool = False


FIRST = PayloadSource(TEAM, TEAM_NAME.lower(), BOT_USER)


def slash_command(
    command: str,
    text: str,
    person: User,
    channel: Channel,
    *,
    trigger_id: str,
    response_url: str,
    origin: PayloadSource = FIRST,
) -> dict[str, str]:
    """A slash command; a form in HTTP mode."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": origin.team,
        "team_domain": origin.domain,
        **_grid(origin.enterprise),
        "channel_id": channel.id,
        "channel_name": {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name),
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": str(origin.org_wide).lower(),
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def event(
    inner: Mapping[str, Any], *, shared_outside: bool = False, origin: PayloadSource = FIRST
) -> dict[str, Any]:
    """An event in its envelope; `shared_outside`: in a channel with people of another company.

    Of an app that is installed in a whole organisation the authorization names no workspace; the envelope does.
    """
    enterprise_id = origin.enterprise.id if origin.enterprise else None
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": origin.team,
        **({"enterprise_id": enterprise_id} if enterprise_id else {}),
        "context_team_id": origin.team,
        "context_enterprise_id": enterprise_id,
        "api_app_id": APP,
        "event": dict(inner),
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": enterprise_id,
                "team_id": None if origin.org_wide else origin.team,
                "user_id": origin.bot_user,
                "is_bot": True,
                "is_enterprise_install": origin.org_wide,
            }
        ],
        "is_ext_shared_channel": shared_outside,
        "event_context": secrets.token_hex(8),
    }


def uninstall_event(inner: Mapping[str, Any], origin: PayloadSource) -> dict[str, Any]:
    """An event after which the app is gone: it has no authorization any more (docs.slack.dev, "app_uninstalled").

    One of a whole organisation names no workspace.
    """
    envelope = event(inner, origin=origin)
    for name in ("authorizations", "context_team_id", "context_enterprise_id"):
        del envelope[name]
    return envelope | {"team_id": None if origin.org_wide else origin.team}


def user(
    person: User,
    team: str,
    *,
    primary_owner: bool,
    with_email: bool,
    enterprise: Enterprise | None = None,
) -> dict[str, Any]:
    """A person as users.info and user_change have them; of one who left it is little more than the name.

    People of other companies have the workspace that they are of. `is_stranger` is false for those of them who are in
    a channel with the app (docs.slack.dev, "User object"). People of an organisation have it as `enterprise_user`.
    """
    home = person.workspace or team
    organisation = person.organisation or (enterprise.id if enterprise and not person.workspace else "")
    profile = {"display_name": person.name, "real_name": person.real_name, "team": home}
    if with_email:
        profile["email"] = person.email
    least: dict[str, Any] = {
        "id": person.id,
        "team_id": home,
        "name": person.name,
        "deleted": person.deleted,
        "is_bot": False,
        "is_app_user": False,
        "profile": profile,
    }
    if person.deleted:
        return least
    if organisation:
        least["enterprise_user"] = {
            "id": person.id,
            "enterprise_id": organisation,
            "enterprise_name": organisation,
            "is_admin": False,
            "is_owner": False,
            "teams": [home],
        }
    return least | {
        "real_name": person.real_name,
        "is_admin": person.is_admin,
        "is_owner": person.owner,
        "is_primary_owner": primary_owner,
        "is_restricted": person.guest or person.single_channel,
        "is_stranger": person.stranger,
        "is_ultra_restricted": person.single_channel,
        "tz": person.zone,
    }


def user_group(group: UserGroup, team: str) -> dict[str, Any]:
    """A user group as usergroups.list has it, without its people."""
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
    """A workflow has come to a step of the app's."""

    def listed(declared: Any) -> list[dict[str, Any]]:
        return [{"name": name, **one} for name, one in parameters_of(declared).items()]

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


def in_a_step(run: FunctionExecution, token: str) -> dict[str, Any]:
    """What an interaction has where its message or modal was made for a workflow's step."""
    return {
        "function_data": {
            "execution_id": run.id,
            "function": {"callback_id": run.function},
            "inputs": run.inputs,
        },
        "bot_access_token": token,
    }


def conversation(channel: Channel, workspace: Workspace, *, with_count: bool = False) -> dict[str, Any]:
    """A channel, or a direct message, as the Conversations API has it."""
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


def on_message(
    channel: Channel, post: Post, *, state: Mapping[str, Any] | None = None, unfurled: str | None = None
) -> dict[str, Any]:
    """Where an element is: on a message; an ephemeral one does not come along.

    `state` is what is chosen in the message, `unfurled` the address in whose preview the element is.
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
    return place if post.only_for else place | {"message": post.as_slack_sends_it()}


def on_view(view: Mapping[str, Any]) -> dict[str, Any]:
    """Where an element is: in a modal or the Home."""
    return {"container": {"type": "view", "view_id": view["id"]}, "view": dict(view)}


def block_actions(
    person: User,
    action: Mapping[str, Any],
    place: Mapping[str, Any],
    *,
    trigger_id: str,
    response_url: str | None = None,
    origin: PayloadSource = FIRST,
) -> dict[str, Any]:
    """Something was pressed or chosen."""
    payload = {
        "type": "block_actions",
        **_from(person, origin, in_a_view="view" in place),
        "trigger_id": trigger_id,
        **_installed_view(place, origin),
        "actions": [{**action, "action_ts": f"{time.time():.6f}"}],
    }
    return payload | ({"response_url": response_url} if response_url else {})


def block_suggestion(
    person: User,
    block_id: str,
    element: Mapping[str, Any],
    typed: str,
    place: Mapping[str, Any],
    *,
    origin: PayloadSource = FIRST,
) -> dict[str, Any]:
    """Somebody types into a select whose options the app gives."""
    return {
        "type": "block_suggestion",
        **_from(person, origin, in_a_view="view" in place),
        **_installed_view(place, origin),
        "action_id": element.get("action_id", ""),
        "block_id": block_id,
        "value": typed,
    }


def shortcut(
    person: User, callback_id: str, *, trigger_id: str, origin: PayloadSource = FIRST
) -> dict[str, Any]:
    """A global shortcut."""
    return {
        "type": "shortcut",
        **_from(person, origin),
        "callback_id": callback_id,
        "trigger_id": trigger_id,
        "action_ts": f"{time.time():.6f}",
    }


def message_shortcut(
    person: User,
    callback_id: str,
    channel: Channel,
    post: Post,
    *,
    trigger_id: str,
    response_url: str,
    origin: PayloadSource = FIRST,
) -> dict[str, Any]:
    """A message's shortcut."""
    return {
        **shortcut(person, callback_id, trigger_id=trigger_id, origin=origin),
        "type": "message_action",
        "channel": {"id": channel.id, "name": channel.name},
        "message_ts": post.ts,
        "message": post.as_slack_sends_it(),
        "response_url": response_url,
    }


def view_submission(
    person: User,
    opened: OpenView,
    values: Mapping[str, Any],
    *,
    trigger_id: str,
    response_urls: Sequence[Mapping[str, str]] = (),
    origin: PayloadSource = FIRST,
) -> dict[str, Any]:
    """A modal was submitted; `response_urls` are those of the channels that were chosen for an answer."""
    return {
        "type": "view_submission",
        **_from(person, origin, in_a_view=True),
        "trigger_id": trigger_id,
        "view": {
            **opened.as_slack_sends_it(),
            "app_installed_team_id": _installed_at(origin),
            "state": {"values": values},
        },
        "response_urls": [dict(one) for one in response_urls],
    }


def view_closed(
    person: User, opened: OpenView, *, is_cleared: bool, origin: PayloadSource = FIRST
) -> dict[str, Any]:
    """A modal that asked to hear of it was closed."""
    return {
        "type": "view_closed",
        **_from(person, origin, in_a_view=True),
        "view": {**opened.as_slack_sends_it(), "app_installed_team_id": _installed_at(origin)},
        "is_cleared": is_cleared,
    }


def _from(person: User, origin: PayloadSource, *, in_a_view: bool = False) -> dict[str, Any]:
    """Who and where from: what every interaction carries.

    A view of an app that is installed in a whole organisation belongs to no workspace; one that somebody of another
    workspace has before them names theirs, and the app's only in `app_installed_team_id` (Bolt, "extract_team_id").
    """
    enterprise = origin.enterprise
    home = person.workspace or origin.team
    team: dict[str, str] | None = {"id": origin.team, "domain": origin.domain, **_grid(enterprise)}
    if in_a_view and origin.org_wide:
        team = None
    elif in_a_view and person.workspace:
        team = {"id": home, "domain": home.lower()}
    return {
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": home},
        "team": team,
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "enterprise": {"id": enterprise.id, "name": enterprise.name} if enterprise else None,
        "is_enterprise_install": origin.org_wide,
    }


def from_elsewhere(person: User) -> dict[str, str]:
    """What an event has of somebody who is not of the app's workspace: theirs, or their organisation (Bolt,
    "extract_actor_team_id").
    """
    if not person.workspace:
        return {}
    home = person.organisation or person.workspace
    return {"team": home, "user_team": home, "source_team": home}


def _installed_view(place: Mapping[str, Any], origin: PayloadSource) -> dict[str, Any]:
    """The place, where a view says in which workspace the app is installed."""
    if "view" not in place:
        return dict(place)
    return {**place, "view": {**place["view"], "app_installed_team_id": _installed_at(origin)}}


def _installed_at(origin: PayloadSource) -> str | None:
    return None if origin.org_wide else origin.team


def _grid(enterprise: Enterprise | None) -> dict[str, str]:
    """The organisation beside a team."""
    if enterprise is None:
        return {}
    return {"enterprise_id": enterprise.id, "enterprise_name": enterprise.name}
