"""The methods about people, user groups, bots and the workspace (docs.slack.dev, "users.*" and so on)."""

from __future__ import annotations

from typing import Any

from sandbox.slack import payloads
from sandbox.slack.arguments import Arguments, flag, needed, page, text
from sandbox.slack.method_context import MethodContext
from sandbox.slack.users import User
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import APP

MOST_USERS = 1000


class UserMethods(MethodContext):
    """Who and what there is."""

    def users_info(self, arguments: Arguments) -> dict[str, Any]:
        """users.info: also of the app's own bot."""
        named = needed(arguments, "user", "user_not_found")
        if named == self.workspace.bot_user:
            return {"user": self._bot()}
        person = self.workspace.people.get(named)
        if person is None:
            raise SlackError("user_not_found")
        return {"user": self._user(person)}

    def users_list(self, arguments: Arguments) -> dict[str, Any]:
        """users.list: everybody who ever was here, and the app's bot; strangers only where they are in a channel."""
        found = [self._user(one) for one in self.workspace.people.values() if not one.stranger]
        shown, cursor = page([*found, self._bot()], arguments, default=MOST_USERS, most=MOST_USERS)
        return {
            "members": shown,
            "cache_ts": int(self.workspace.clock()),
            "response_metadata": {"next_cursor": cursor},
        }

    def users_lookup_by_email(self, arguments: Arguments) -> dict[str, Any]:
        """users.lookupByEmail."""
        email = needed(arguments, "email", "users_not_found").strip().casefold()
        found = [one for one in self.workspace.people.values() if one.email == email and not one.deleted]
        if not found:
            raise SlackError("users_not_found")
        return {"user": self._user(found[0])}

    def users_get_presence(self, arguments: Arguments) -> dict[str, Any]:
        """users.getPresence: everybody is always there."""
        self.person_named(arguments)
        return {"presence": "active"}

    def usergroups_list(self, arguments: Arguments) -> dict[str, Any]:
        """usergroups.list."""
        found = []
        for group in self.workspace.groups.values():
            if group.date_delete and not flag(arguments, "include_disabled"):
                continue
            shown = payloads.user_group(group, self.workspace.team)
            if flag(arguments, "include_users"):
                shown["users"] = list(group.users)
            if flag(arguments, "include_count"):
                shown["user_count"] = len(group.users)
            found.append(shown)
        return {"usergroups": found}

    def usergroups_users_list(self, arguments: Arguments) -> dict[str, Any]:
        """usergroups.users.list."""
        group = self.workspace.groups.get(needed(arguments, "usergroup", "no_such_subteam"))
        if group is None or (group.date_delete and not flag(arguments, "include_disabled")):
            raise SlackError("no_such_subteam")
        return {"users": list(group.users)}

    def bots_info(self, arguments: Arguments) -> dict[str, Any]:
        """bots.info: the app's own bot is the only one."""
        if text(arguments, "bot") not in ("", self.workspace.bot_id):
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
        if text(arguments, "team") not in ("", workspace.team):
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
        """emoji.list: the workspace has none of its own."""
        return {"emoji": {}, "cache_ts": f"{self.workspace.clock():.6f}"}

    def _user(self, person: User) -> dict[str, Any]:
        owners = [one.id for one in self.workspace.people.values() if one.owner and not one.deleted]
        return payloads.user(
            person,
            self.workspace.team,
            primary_owner=person.id in owners[:1],
            with_email="users:read.email" in self.scopes,
            enterprise=self.workspace.enterprise,
        )

    def _bot(self) -> dict[str, Any]:
        shown = payloads.user(self.workspace.bot, self.workspace.team, primary_owner=False, with_email=False)
        profile = {**shown["profile"], "api_app_id": APP, "bot_id": self.workspace.bot_id}
        return {**shown, "is_bot": True, "profile": profile}


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
