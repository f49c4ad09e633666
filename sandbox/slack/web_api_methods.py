"""Web API methods of the sandbox, each with the errors that its page on docs.slack.dev documents."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.slack.arguments import Arguments, read_integer, read_json, read_required_text, read_text
from sandbox.slack.chat_methods import CHAT_METHODS, ChatMethods
from sandbox.slack.conversation_methods import CONVERSATION_METHODS, ConversationMethods
from sandbox.slack.models import FunctionExecution, OpenView, Post, Upload
from sandbox.slack.reaction_methods import REACTION_METHODS, ReactionMethods
from sandbox.slack.user_methods import USER_METHODS, UserMethods
from sandbox.slack.validation import SlackError, validate_parameters, validate_view

MAX_VIEWS = 3
MAX_FILE_SIZE = 999_999_999


class WebApiMethods(ChatMethods, ConversationMethods, ReactionMethods, UserMethods):
    """The methods in one workspace."""

    def api_test(self, arguments: Arguments) -> dict[str, Any]:
        """api.test: its arguments, or the requested error."""
        given = {name: value for name, value in arguments.items() if name != "token"}
        args = {"args": given} if given else {}
        if error := read_text(arguments, "error"):
            raise SlackError(error, **args)
        return args

    def auth_test(self, _: Arguments) -> dict[str, Any]:
        """auth.test: for an organisation's token, the organisation."""
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
        view = validate_view(read_json(arguments, "view"))
        user_id = self.handles.use_trigger(read_required_text(arguments, "trigger_id", "invalid_arguments"))
        return {"view": self.workspace.open_view(user_id, view, execution=self.execution).to_json()}

    def views_push(self, arguments: Arguments) -> dict[str, Any]:
        """views.push."""
        view = validate_view(read_json(arguments, "view"))
        user_id = self.handles.use_trigger(read_required_text(arguments, "trigger_id", "invalid_arguments"))
        if len(self.workspace.views.get(user_id, [])) >= MAX_VIEWS:
            raise SlackError("push_limit_reached")
        return {"view": self._push(user_id, view).to_json()}

    def views_update(self, arguments: Arguments) -> dict[str, Any]:
        """views.update."""
        view = validate_view(read_json(arguments, "view"))
        opened = self._view(arguments)
        if (known := read_text(arguments, "hash")) and known != opened.hash:
            raise SlackError("hash_conflict")
        opened.show(view)
        self.workspace.notify_change()
        return {"view": opened.to_json()}

    def views_publish(self, arguments: Arguments) -> dict[str, Any]:
        """views.publish."""
        view = validate_view(read_json(arguments, "view"), home=True)
        user_id = read_required_text(arguments, "user_id", "user_not_found")
        if user_id not in self.workspace.users or self.workspace.users[user_id].deleted:
            raise SlackError("user_not_found")
        if not self.home_enabled:
            raise SlackError("not_enabled")
        self.workspace.homes[user_id] = view
        self.workspace.notify_change()
        return {"view": self.workspace.home_json(user_id)}

    def files_get_upload_url_external(self, arguments: Arguments) -> dict[str, Any]:
        """files.getUploadURLExternal: the address belongs to Slack's file host, not to the Web API."""
        filename = read_required_text(arguments, "filename", "invalid_arguments")
        read_integer(arguments, "length", 0, maximum=MAX_FILE_SIZE, error="invalid_arguments")
        if not read_text(arguments, "length"):
            raise SlackError("invalid_arguments", "missing required field: length")
        name = f"F{secrets.token_hex(5).upper()}"
        self.workspace.files[name] = b""
        self.workspace.uploads[name] = Upload(filename, read_text(arguments, "alt_txt"))
        return {"upload_url": f"{self.base_url()}/upload/{name}", "file_id": name}

    def files_complete_upload_external(self, arguments: Arguments) -> dict[str, Any]:
        """files.completeUploadExternal."""
        files = read_json(arguments, "files") or []
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise SlackError("invalid_arguments", "must be an array of files [json-pointer:/files]")
        if not files:
            raise SlackError("file_not_found")
        shared = [self._shared(file) for file in files]
        if read_text(arguments, "channel_id"):
            channel = self.find_channel_to_post({"channel": arguments["channel_id"]})
            post = Post(
                self.workspace.new_ts(),
                self.workspace.bot_user,
                read_text(arguments, "initial_comment"),
                thread_ts=read_text(arguments, "thread_ts") or None,
                by_bot=True,
                files=shared,
            )
            self.workspace.post(channel, post)
        return {"files": shared}

    def files_delete(self, arguments: Arguments) -> dict[str, Any]:
        """files.delete: also removes it from every message (docs.slack.dev, "files.delete")."""
        name = read_required_text(arguments, "file", "file_not_found")
        workspace = next((candidate for candidate in self.workspaces if name in candidate.files), None)
        if workspace is None:
            raise SlackError("file_not_found")
        del workspace.files[name]
        for channel in workspace.channels.values():
            for post in channel.posts:
                if any(file["id"] == name for file in post.files):
                    post.files = [file for file in post.files if file["id"] != name]
                    workspace.touch(post)
        return {}

    def _shared(self, file: Mapping[str, Any]) -> dict[str, Any]:
        """Return a file that was uploaded with this token, in any of its workspaces."""
        name = str(file.get("id"))
        workspace = next((candidate for candidate in self.workspaces if name in candidate.files), None)
        if workspace is None:
            raise SlackError("file_not_found")
        upload = workspace.uploads[name]
        return {
            "id": name,
            "title": read_text(file, "title") or name,
            "url_private": f"{self.base_url()}/upload/{name}",
            "alt_txt": upload.alt,
            **_kind_of_file(upload.name, workspace.files[name]),
        }

    def functions_complete_success(self, arguments: Arguments) -> dict[str, Any]:
        """functions.completeSuccess: the outputs of the manifest, with their types."""
        run = self._step_run(arguments)
        outputs = read_json(arguments, "outputs")
        if not isinstance(outputs, dict):
            raise SlackError("invalid_arguments", "outputs is missing")
        validate_parameters(outputs, self.functions[run.function]["output_parameters"])
        run.outputs = outputs
        self.workspace.notify_change()
        return {}

    def functions_complete_error(self, arguments: Arguments) -> dict[str, Any]:
        """functions.completeError."""
        run = self._step_run(arguments)
        run.error = read_required_text(arguments, "error", "invalid_arguments")
        self.workspace.notify_change()
        return {}

    def _step_run(self, arguments: Arguments) -> FunctionExecution:
        run = self.workspace.executions.get(
            read_required_text(arguments, "function_execution_id", "invalid_arguments")
        )
        if run is None:
            raise SlackError("function_execution_not_found")
        if run.status != "running":
            raise SlackError("execution_not_in_running_state")
        return run

    def _push(self, user_id: str, view: dict[str, Any]) -> OpenView:
        return self.workspace.open_view(user_id, view, on_top=True, execution=self.execution)

    def _view(self, arguments: Arguments) -> OpenView:
        view_id, external_id = read_text(arguments, "view_id"), read_text(arguments, "external_id")
        if not view_id and not external_id:
            raise SlackError("invalid_arguments", "either view_id or external_id is needed")
        for stack in self.workspace.views.values():
            for view in stack:
                if view.id == view_id or (external_id and view.view.get("external_id") == external_id):
                    return view
        raise SlackError("not_found")


def _kind_of_file(name: str, content: bytes) -> dict[str, Any]:
    """Return the type fields of a file by its name; a text file also has a preview."""
    ending = name.rpartition(".")[2]
    kinds = {"png": ("image/png", "PNG"), "yml": ("text/yaml", "YAML"), "log": ("text/plain", "Log")}
    mimetype, pretty = kinds.get(ending, ("application/octet-stream", "Binary"))
    kind: dict[str, Any] = {"name": name, "mimetype": mimetype, "pretty_type": pretty, "size": len(content)}
    if mimetype.startswith("text/"):
        kind["preview"] = "\n".join(content[:4000].decode("utf-8", "replace").split("\n")[:12])
    return kind


# By method: the Python method, and the required scope (None: none, or the method checks it).
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
# Methods whose page names only the form content type; a JSON body is ignored.
FORM_ONLY = frozenset({"users.info", "users.list", "users.lookupByEmail"})
