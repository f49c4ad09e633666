"""The commands that every provider has: their help, with a provider's own words, and their handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from domain.commands import arguments
from domain.commands.shared_commands import (
    ConnectAccount,
    DisconnectAccount,
    ExplainNotification,
    ListAccessRules,
    ListApps,
    ListSubscriptions,
    ShowAuditLog,
    ShowHelp,
    Subscribe,
    Unsubscribe,
    UseApp,
    WhoAmI,
)
from domain.provider import Provider
from messages import notices
from services.features import apps, audit_log
from services.features.access_rules import commands as access_rule_commands
from services.features.accounts import commands as account_commands
from services.features.apps import open_choose_app
from services.features.subscriptions import commands as subscription_commands
from services.features.subscriptions import explain
from services.features.subscriptions.form import open_subscribe_unless_one_app
from services.provider_spec import CommandHandler, CommandSpec
from services.request.context import Reply, RequestContext

RESULTS = (
    "`status:` limits what is posted: `failed` is every failure, `broken` only the first of a failure streak, "
    "`still-failing` every later one, `fixed` the first success after failures; `success`, `aborted`, "
    "`aborted-with-success`, `started`. A streak is one app's failures of a workflow on a branch; aborted builds don't "
    "count. Without `status:` everything that finishes is posted. `on-hold:15m` and `running:1h` post what takes too "
    "long."
)
STYLES = (
    "`style:` is the form: `each` (one message per build), `live` (one message per build, updated live), `card` (one "
    "updating card per failure streak), `thread` (one thread per branch or pull request; `broadcast:yes` also shows "
    "replies in the channel), `daily` and `weekly` (a summary: `at:9:00` `on:mon` `zone:Europe/Berlin`). "
    "`quiet:22:00-7:00` holds notifications and posts a summary afterwards."
)


def shared_commands(provider: Provider, *, app: str) -> Mapping[str, CommandSpec]:
    """Return them by name. Their examples use `app`."""
    bind = partial(_bind, provider=provider)
    commands = (
        CommandSpec(
            ShowHelp,
            "help",
            "List the commands, or explain one.",
            ("help", "help subscribe"),
            handler=bind(_help),
            read_only=True,
            aliases=("?",),
            open_to_external_users=True,
            usable_without_token=True,
        ),
        CommandSpec(
            UseApp,
            "use",
            "Set this channel's app, for commands that name none.",
            (f"use {app}", "use"),
            handler=bind(_use),
        ),
        CommandSpec(
            ListApps,
            "apps",
            "List your apps.",
            ("apps", "apps page:2"),
            handler=bind(apps.list_apps),
            usage="apps",
            read_only=True,
            open_to_external_users=True,
        ),
        CommandSpec(
            Subscribe,
            "subscribe",
            "Subscribe this channel to builds: all that finish, or those that match.",
            ("subscribe", f"subscribe {app} branch:main status:failed"),
            handler=bind(_subscribe),
            usage="subscribe [APP] [FILTERS] [status:…] [style:…] [preview]",
            notes=(RESULTS, STYLES),
            options=arguments.FILTER_KEYS,
        ),
        CommandSpec(
            Unsubscribe,
            "unsubscribe",
            "Unsubscribe this channel from an app, or delete one subscription by its number.",
            (f"unsubscribe {app}", "unsubscribe 3"),
            handler=bind(subscription_commands.unsubscribe),
            usage="unsubscribe [APP | NUMBER]",
            usable_without_token=True,
        ),
        CommandSpec(
            ListSubscriptions,
            "subscriptions",
            "List this channel's subscriptions.",
            handler=bind(subscription_commands.list_subscriptions),
            read_only=True,
            aliases=("subs",),
            open_to_external_users=True,
            usable_without_token=True,
        ),
        CommandSpec(
            ConnectAccount,
            "connect",
            f"Connect your {provider.label} account, to act with your own permissions.",
            handler=bind(account_commands.connect),
            notes=("Paste the token into the dialog. Never type it in a message: Slack keeps messages.",),
            aliases=("link", "login"),
            secret=True,
        ),
        CommandSpec(
            DisconnectAccount,
            "disconnect",
            "Disconnect your account and delete its token.",
            handler=bind(account_commands.disconnect),
            aliases=("logout", "unlink"),
            open_to_external_users=True,
            usable_without_token=True,
        ),
        CommandSpec(
            WhoAmI,
            "whoami",
            f"Show your connected {provider.label} account.",
            handler=bind(account_commands.who_am_i),
            read_only=True,
        ),
        CommandSpec(
            ListAccessRules,
            "policy",
            "Show the access rules; admins can add rules.",
            ("policy", f"policy {app}"),
            handler=bind(access_rule_commands.show),
            read_only=True,
            aliases=("rules",),
        ),
        CommandSpec(
            ShowAuditLog,
            "audit",
            "Show what was done and refused in this channel; admins can see all channels.",
            ("audit", f"audit {app}", "audit all"),
            handler=bind(audit_log.show),
            read_only=True,
            usage="audit [APP | all]",
        ),
    )
    return {command.name: command for command in commands}


def why_command(provider: Provider, *, summary: str, examples: tuple[str, ...]) -> CommandSpec:
    """Return `why`, for a provider whose builds can be named."""
    return CommandSpec(
        ExplainNotification,
        "why",
        summary,
        examples,
        handler=_bind(explain.explain_notification, provider),
        read_only=True,
        open_to_external_users=True,
    )


def _bind(handler: Callable[..., Awaitable[Reply | None]], provider: Provider) -> CommandHandler:
    return partial(handler, provider=provider)


async def _help(command: ShowHelp, context: RequestContext, provider: Provider) -> Reply:
    return Reply(notices.help_message(command.topic, context.services.registry.get(provider).parser))


async def _subscribe(command: Subscribe, context: RequestContext, provider: Provider) -> Reply | None:
    asks_for_form = command == Subscribe() and bool(context.trigger_id)
    if asks_for_form and await open_subscribe_unless_one_app(context, provider):
        return None
    return await subscription_commands.subscribe(command, context, provider)


async def _use(command: UseApp, context: RequestContext, provider: Provider) -> Reply | None:
    if command.app or not context.trigger_id:
        return await apps.use_app(command, context, provider)
    await open_choose_app(context, provider)
    return None
