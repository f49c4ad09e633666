"""A simulated Slack: Web API, Socket Mode, signed HTTP, modals, installs; as strict as the real one."""

from sandbox.slack.accounts import Enterprise, Group, Person
from sandbox.slack.fields import CannotDo
from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSandbox
from sandbox.slack.workplace import Workplace
from sandbox.slack.workspace import Channel, OpenView, Post

__all__ = [
    "APP_TOKEN",
    "BOT_TOKEN",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "SIGNING_SECRET",
    "CannotDo",
    "Channel",
    "Enterprise",
    "Group",
    "OpenView",
    "Person",
    "Post",
    "SlackSandbox",
    "Workplace",
]
