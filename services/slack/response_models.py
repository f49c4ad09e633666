"""Models of the Web API's responses, with the fields that the bot reads (docs.slack.dev, "Web API methods").

Pure; no I/O. A response is validated once, when it comes in, so that all code can rely on it. Other fields are ignored,
and null stands for "none".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

_Required = Annotated[str, StringConstraints(min_length=1)]
_Text: TypeAlias = str | None
_Flag: TypeAlias = bool | None


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Named(_Answer):
    id: _Required


class _Place(_Answer):
    id: _Text = None
    name: _Text = None


class _Cursor(_Answer):
    next_cursor: _Text = None


class _Page(_Answer):
    response_metadata: _Cursor | None = None


class _AuthTest(_Answer):
    user_id: _Required
    team_id: _Text = None
    team: _Text = None
    enterprise_id: _Text = None
    bot_id: _Text = None


class _Profile(_Answer):
    display_name: _Text = None
    email: _Text = None


class _EnterpriseUser(_Answer):
    enterprise_id: _Text = None


class _User(_Answer):
    id: _Required
    team_id: _Text = None
    name: _Text = None
    real_name: _Text = None
    tz: _Text = None
    deleted: _Flag = None
    is_admin: _Flag = None
    is_owner: _Flag = None
    is_primary_owner: _Flag = None
    is_restricted: _Flag = None
    is_ultra_restricted: _Flag = None
    is_stranger: _Flag = None
    profile: _Profile | None = None
    enterprise_user: _EnterpriseUser | None = None


class _UsersInfo(_Answer):
    user: _User


class _Channel(_Answer):
    channel: _Named


class _ChannelState(_Answer):
    is_archived: _Flag = None
    is_member: _Flag = None
    is_private: _Flag = None


class _ChannelInfo(_Answer):
    channel: _ChannelState


class _Channels(_Page):
    channels: list[_Named]


class _Group(_Named):
    handle: str


class _Groups(_Answer):
    usergroups: list[_Group]


class _GroupMembers(_Answer):
    users: list[str]


class _Posted(_Answer):
    ts: _Required


class _Messages(_Page):
    messages: list[_Posted]


class _View(_Answer):
    view: _Named


class _UploadUrl(_Answer):
    upload_url: _Required
    file_id: _Required


class _Connection(_Answer):
    url: _Required


class _AccessToken(_Answer):
    access_token: _Text = None
    token_type: _Text = None
    refresh_token: _Text = None
    expires_in: int | None = None
    scope: _Text = None
    bot_user_id: _Text = None
    app_id: _Text = None
    team: _Place | None = None
    enterprise: _Place | None = None
    is_enterprise_install: _Flag = None
    authed_user: _Place | None = None


# Of other methods the bot reads only `ok`; a test checks all calls.
_ANSWERS: Mapping[str, type[_Answer]] = {
    "apps.connections.open": _Connection,
    "auth.test": _AuthTest,
    "chat.postMessage": _Posted,
    "chat.update": _Posted,
    "conversations.history": _Messages,
    "conversations.info": _ChannelInfo,
    "conversations.open": _Channel,
    "conversations.replies": _Messages,
    "files.getUploadURLExternal": _UploadUrl,
    "oauth.v2.access": _AccessToken,
    "usergroups.list": _Groups,
    "usergroups.users.list": _GroupMembers,
    "users.conversations": _Channels,
    "users.info": _UsersInfo,
    "views.open": _View,
    "views.push": _View,
    "views.update": _View,
}


CHECKED_METHODS = frozenset(_ANSWERS)


def unexpected_field(method: str, answer: Mapping[str, Any]) -> str | None:
    """Return the first field of a successful response that is missing or has the wrong type; None if there is none."""
    model = _ANSWERS.get(method)
    if model is None:
        return None
    try:
        model.model_validate(answer)
    except ValidationError as error:
        location = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        return ".".join(str(name) for name in location if isinstance(name, str))
    return None
