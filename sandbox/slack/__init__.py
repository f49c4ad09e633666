"""A simulated Slack: Web API, Socket Mode, signed HTTP, response addresses, modals; as strict as the real one."""

from sandbox.slack.fields import CannotDo
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSandbox
from sandbox.slack.workspace import OpenView, Post

__all__ = ["APP_TOKEN", "BOT_TOKEN", "SIGNING_SECRET", "CannotDo", "OpenView", "Post", "SlackSandbox"]
