"""The Web API methods that the sandbox has, each with the errors that its page on docs.slack.dev names."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.slack.arguments import Arguments, needed, structure, text, whole_number
from sandbox.slack.chat_methods import CHAT_METHODS, ChatMethods
from sandbox.slack.conversation_methods import CONVERSATION_METHODS, ConversationMethods
from sandbox.slack.reaction_methods import REACTION_METHODS, ReactionMethods
from sandbox.slack.user_methods import USER_METHODS, UserMethods
from sandbox.slack.validation import SlackError, check_parameters, validate_view
from sandbox.slack.workspace import FunctionExecution, OpenView, Post, Upload

MOST_VIEWS = 3
LARGEST_FILE = 999_999_999


class WebApiMethods(ChatMethods, ConversationMethods, ReactionMethods, UserMethods):
    """Answers the methods in one workspace."""

    def api_test(self, arguments: Arguments) -> dict[str, Any]:
        """api.test: what it was given, or the error that was asked for."""
        given = {name: value for name, value in arguments.items() if name != "token"}
        args = {"args": given} if given else {}
        if error := text(arguments, "error"):
            raise SlackError(error, **args)
        return args

    def auth_test(self, _: Arguments) -> dict[str, Any]:
        """auth.test: of an organisation's token, the organisation."""
        workspace, enterprise = self.workspace, self.workspace.enterprise
        whole = enterprise if self.installation.org_wide else None
        return {
            "url": f"{self.base_url()}/",
            "team": whole.name if whole else workspace.name,
            "user": workspace.bot.name,
            "team_id": whole.id if whole else workspace.team,
            "user_id": workspace.bot_user,
            "bot_id": workspace.bot_id,
            "is_enterprise_install": whole is not None,
            **({"enterprise_id": enterprise.id} if enterprise else {}),
        }

    def views_open(self, arguments: Arguments) -> dict[str, Any]:
        """views.open."""
        view = validate_view(structure(arguments, "view"))
        person = self.handles.use_trigger(needed(arguments, "trigger_id", "invalid_arguments"))
        return {"view": self.workspace.open_view(person, view, run=self.run).as_slack_sends_it()}

    def views_push(self, arguments: Arguments) -> dict[str, Any]:
        """views.push."""
        view = validate_view(structure(arguments, "view"))
        person = self.handles.use_trigger(needed(arguments, "trigger_id", "invalid_arguments"))
        if len(self.workspace.views.get(person, [])) >= MOST_VIEWS:
            raise SlackError("push_limit_reached")
        return {"view": self._push(person, view).as_slack_sends_it()}

    def views_update(self, arguments: Arguments) -> dict[str, Any]:
        """views.update."""
        view = validate_view(structure(arguments, "view"))
        opened = self._view(arguments)
        if (known := text(arguments, "hash")) and known != opened.hash:
            raise SlackError("hash_conflict")
        opened.show(view)
        self.workspace.changed()
        return {"view": opened.as_slack_sends_it()}

    def views_publish(self, arguments: Arguments) -> dict[str, Any]:
        """views.publish."""
        view = validate_view(structure(arguments, "view"), home=True)
        person = needed(arguments, "user_id", "user_not_found")
        if person not in self.workspace.people or self.workspace.people[person].deleted:
            raise SlackError("user_not_found")
        if not self.home_enabled:
            raise SlackError("not_enabled")
        self.workspace.homes[person] = view
        self.workspace.changed()
        return {"view": self.workspace.home_as_slack_sends_it(person)}

    def files_get_upload_url_external(self, arguments: Arguments) -> dict[str, Any]:
        """files.getUploadURLExternal: the address is Slack's file host, not the Web API's."""
        filename = needed(arguments, "filename", "invalid_arguments")
        whole_number(arguments, "length", 0, most=LARGEST_FILE, error="invalid_arguments")
        if not text(arguments, "length"):
            raise SlackError("invalid_arguments", "missing required field: length")
        name = f"F{secrets.token_hex(5).upper()}"
        self.workspace.files[name] = b""
        self.workspace.uploads[name] = Upload(filename, text(arguments, "alt_txt"))
        return {"upload_url": f"{self.base_url()}/upload/{name}", "file_id": name}

    def files_complete_upload_external(self, arguments: Arguments) -> dict[str, Any]:
        """files.completeUploadExternal."""
        files = structure(arguments, "files") or []
        if not isinstance(files, list) or not all(isinstance(one, dict) for one in files):
            raise SlackError("invalid_arguments", "must be an array of files [json-pointer:/files]")
        if not files:
            raise SlackError("file_not_found")
        shared = [self._shared(one) for one in files]
        if text(arguments, "channel_id"):
            channel = self.channel_to_post_in({"channel": arguments["channel_id"]})
            post = Post(
                self.workspace.new_ts(),
                self.workspace.bot_user,
                text(arguments, "initial_comment"),
                thread_ts=text(arguments, "thread_ts") or None,
                by_bot=True,
                files=shared,
            )
            self.workspace.post(channel, post)
        return {"files": shared}

    def files_delete(self, arguments: Arguments) -> dict[str, Any]:
        """files.delete: it is gone from every message that shows it (docs.slack.dev, "files.delete")."""
        name = needed(arguments, "file", "file_not_found")
        there = next((place for place in self.reach if name in place.files), None)
        if there is None:
            raise SlackError("file_not_found")
        del there.files[name]
        for channel in there.channels.values():
            for post in channel.posts:
                if any(one["id"] == name for one in post.files):
                    post.files = [one for one in post.files if one["id"] != name]
                    there.touch(post)
        return {}

    def _shared(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """A file that was uploaded with this token, whichever of its workspaces that was for."""
        name = str(one.get("id"))
        there = next((place for place in self.reach if name in place.files), None)
        if there is None:
            raise SlackError("file_not_found")
        upload = there.uploads[name]
        return {
            "id": name,
            "title": text(one, "title") or name,
            "url_private": f"{self.base_url()}/upload/{name}",
            "alt_txt": upload.alt,
            **_kind_of_file(upload.name, there.files[name]),
        }

    def functions_complete_success(self, arguments: Arguments) -> dict[str, Any]:
        """functions.completeSuccess: the outputs that the manifest names, each of its type."""
        run = self._step_run(arguments)
        outputs = structure(arguments, "outputs")
        if not isinstance(outputs, dict):
            raise SlackError("invalid_arguments", "outputs is missing")
        check_parameters(outputs, self.functions[run.function]["output_parameters"])
        run.outputs = outputs
        self.workspace.changed()
        return {}

    def functions_complete_error(self, arguments: Arguments) -> dict[str, Any]:
        """functions.completeError."""
        run = self._step_run(arguments)
        run.error = needed(arguments, "error", "invalid_arguments")
        self.workspace.changed()
        return {}

    def _step_run(self, arguments: Arguments) -> FunctionExecution:
        run = self.workspace.runs.get(needed(arguments, "function_execution_id", "invalid_arguments"))
        if run is None:
            raise SlackError("function_execution_not_found")
        if run.status != "running":
            raise SlackError("execution_not_in_running_state")
        return run

    def _push(self, person: str, view: dict[str, Any]) -> OpenView:
        return self.workspace.open_view(person, view, on_top=True, run=self.run)

    def _view(self, arguments: Arguments) -> OpenView:
        view_id, external_id = text(arguments, "view_id"), text(arguments, "external_id")
        if not view_id and not external_id:
            raise SlackError("invalid_arguments", "either view_id or external_id is needed")
        for stack in self.workspace.views.values():
            for one in stack:
                if one.id == view_id or (external_id and one.view.get("external_id") == external_id):
                    return one
        raise SlackError("not_found")


def _kind_of_file(name: str, content: bytes) -> dict[str, Any]:
    """What Slack makes of a file by its name; of a text it shows the beginning."""
    ending = name.rpartition(".")[2]
    kinds = {"png": ("image/png", "PNG"), "yml": ("text/yaml", "YAML"), "log": ("text/plain", "Log")}
    mimetype, pretty = kinds.get(ending, ("application/octet-stream", "Binary"))
    kind: dict[str, Any] = {"name": name, "mimetype": mimetype, "pretty_type": pretty, "size": len(content)}
    if mimetype.startswith("text/"):
        kind["preview"] = "\n".join(content[:4000].decode("utf-8", "replace").split("\n")[:12])
    return kind


# The method's name, what answers it, and the scope that it needs (None: none, or decided inside).
METHODS: dict[str, tuple[str, str | None]] = {
    "api.test": ("api_test", None),
    "auth.test": ("auth_test", None),
    "files.completeUploadExternal": ("files_complete_upload_external", "files:write"),
    "files.delete": ("files_delete", "files:write"),
    "files.getUploadURLExternal": ("files_get_upload_url_external", "files:write"),
    "functions.completeError": ("functions_complete_error", None),
    "functions.completeSuccess": ("functions_complete_success", None),
    "views.open": ("views_open", None),
    "views.publish": ("views_publish", None),
    "views.push": ("views_push", None),
    "views.update": ("views_update", None),
    **CHAT_METHODS,
    **CONVERSATION_METHODS,
    **REACTION_METHODS,
    **USER_METHODS,
}
# Those whose page names no other content type than a form's: a JSON body is not read.
FORM_ONLY = frozenset({"users.info", "users.list", "users.lookupByEmail"})
