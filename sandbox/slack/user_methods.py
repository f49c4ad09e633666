"""Web API methods for users, user groups, bots and the workspace (docs.slack.dev, "users.*" and so on)."""

from __future__ import annotations

from typing import Any

from sandbox.slack import payloads
from sandbox.slack.arguments import Arguments, paginate, read_flag, read_required_text, read_text
from sandbox.slack.method_context import MethodContext
from sandbox.slack.models import APP
from sandbox.slack.users import User
from sandbox.slack.validation import SlackError

MAX_USERS = 1000


class UserMethods(MethodContext):
    """Users, user groups, bots and the workspace."""

    def users_info(self, arguments: Arguments) -> dict[str, Any]:
        """users.info: also for the app's own bot."""
        named = read_required_text(arguments, "user", "user_not_found")
        if named == self.workspace.bot_user:
            return {"user": self._bot()}
        user = self.workspace.users.get(named)
        if user is None:
            raise SlackError("user_not_found")
        return {"user": self._user(user)}

    def users_list(self, arguments: Arguments) -> dict[str, Any]:
        """users.list: all users, including deactivated ones, and the app's bot.

        Strangers only if they are in a channel.
        """
        found = [self._user(user) for user in self.workspace.users.values() if not user.stranger]
        serialized, cursor = paginate([*found, self._bot()], arguments, default=MAX_USERS, maximum=MAX_USERS)
        return {
            "members": serialized,
            "cache_ts": int(self.workspace.clock()),
            "response_metadata": {"next_cursor": cursor},
        }

    def users_lookup_by_email(self, arguments: Arguments) -> dict[str, Any]:
        """users.lookupByEmail."""
        email = read_required_text(arguments, "email", "users_not_found").strip().casefold()
        found = [user for user in self.workspace.users.values() if user.email == email and not user.deleted]
        if not found:
            raise SlackError("users_not_found")
        return {"user": self._user(found[0])}

    def users_get_presence(self, arguments: Arguments) -> dict[str, Any]:
        """users.getPresence: everybody is always active."""
        self.find_user_id(arguments)
        return {"presence": "active"}

    def usergroups_list(self, arguments: Arguments) -> dict[str, Any]:
        """usergroups.list."""
        found = []
        for group in self.workspace.groups.values():
            if group.date_delete and not read_flag(arguments, "include_disabled"):
                continue
            serialized = payloads.serialize_user_group(group, self.workspace.team)
            if read_flag(arguments, "include_users"):
                serialized["users"] = list(group.users)
            if read_flag(arguments, "include_count"):
                serialized["user_count"] = len(group.users)
            found.append(serialized)
        return {"usergroups": found}

    def usergroups_users_list(self, arguments: Arguments) -> dict[str, Any]:
        """usergroups.users.list."""
        group = self.workspace.groups.get(read_required_text(arguments, "usergroup", "no_such_subteam"))
        if group is None or (group.date_delete and not read_flag(arguments, "include_disabled")):
            raise SlackError("no_such_subteam")
        return {"users": list(group.users)}

    def bots_info(self, arguments: Arguments) -> dict[str, Any]:
        """bots.info: only for the app's own bot."""
        if read_text(arguments, "bot") not in ("", self.workspace.bot_id):
            raise SlackError("bot_not_found")
        return {
            "bot": {
                "id": self.workspace.bot_id,
                "deleted": False,
                "name": self.workspace.bot.name,
                "updated": 1_700_000_000,
                "app_id": APP,
                "user_id": self.workspace.bot_user,
                "icons": {},
            }
        }

    def team_info(self, arguments: Arguments) -> dict[str, Any]:
        """team.info."""
        workspace = self.workspace
        if read_text(arguments, "team") not in ("", workspace.team):
            raise SlackError("team_not_found")
        team: dict[str, Any] = {
            "id": workspace.team,
            "name": workspace.name,
            "domain": workspace.domain,
            "email_domain": "example.com",
            "icon": {"image_default": True},
        }
        if workspace.enterprise is not None:
            team |= {"enterprise_id": workspace.enterprise.id, "enterprise_name": workspace.enterprise.name}
        return {"team": team}

    def emoji_list(self, _: Arguments) -> dict[str, Any]:
        """emoji.list: the workspace has no custom emoji."""
        return {"emoji": {}, "cache_ts": f"{self.workspace.clock():.6f}"}

    def _user(self, user: User) -> dict[str, Any]:
        owners = [
            member.id for member in self.workspace.users.values() if member.owner and not member.deleted
        ]
        return payloads.serialize_user(
            user,
            self.workspace.team,
            primary_owner=user.id in owners[:1],
            with_email="users:read.email" in self.scopes,
            enterprise=self.workspace.enterprise,
        )

    def _bot(self) -> dict[str, Any]:
        serialized = payloads.serialize_user(
            self.workspace.bot, self.workspace.team, primary_owner=False, with_email=False
        )
        profile = {**serialized["profile"], "api_app_id": APP, "bot_id": self.workspace.bot_id}
        return {**serialized, "is_bot": True, "profile": profile}


USER_METHODS: dict[str, tuple[str, str | None]] = {
    "bots.info": ("bots_info", "users:read"),
    "emoji.list": ("emoji_list", "emoji:read"),
    "team.info": ("team_info", "team:read"),
    "usergroups.list": ("usergroups_list", "usergroups:read"),
    "usergroups.users.list": ("usergroups_users_list", "usergroups:read"),
    "users.getPresence": ("users_get_presence", "users:read"),
    "users.info": ("users_info", "users:read"),
    "users.list": ("users_list", "users:read"),
    "users.lookupByEmail": ("users_lookup_by_email", "users:read.email"),
}
