"""Executors of Build.io's actions."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from domain.message import Message
from domain.provider_errors import ProviderError, ResponseLost
from domain.redaction.known_values import redact_values
from domain.redaction.redactor import redact
from providers.buildio.actions import (
    AddDomainAction,
    ClusterLoginAction,
    CreateAppAction,
    CreateNamespaceAction,
    DeleteNamespaceAction,
    DeployAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    RestartAction,
    RevealConfigAction,
    RevealEnvironmentAction,
    RunCommandAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
    UpdateCertificateAction,
)
from providers.buildio.api.access import own_client
from providers.buildio.api.models import CommandResult
from providers.buildio.apps import messages as app_messages
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.config_diff import ConfigDiff
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.config_vars.reveal_grant import sign_grant
from providers.buildio.deploy_links import messages
from providers.buildio.deploys import form
from providers.buildio.deploys.deploy_syntax import Deploy
from providers.buildio.domains import messages as domain_messages
from providers.buildio.login import messages as login_messages
from providers.buildio.namespaces import messages as namespace_messages
from providers.buildio.polling.deployments import deployment_slug
from providers.buildio.processes import messages as process_messages
from providers.buildio.processes import run_form
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import error_texts
from services.actions.action_spec import ActionSpec
from services.actions.result import ActionResult
from services.features.builds.started_runs import follow_build
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError
from services.slack import file_upload
from services.slack.errors import SlackCallFailed
from services.worker_processes.pool import WorkFailed

log = structlog.get_logger()

RUN_SECONDS = 30.0
NOT_SHOWN = "I couldn't take the values of config vars out of what it said, so I don't show it."
# An upper limit, however long the credential is valid: the file only has to be saved once.
FILE_LIVES = timedelta(minutes=10)


async def _deploy(action: DeployAction, context: RequestContext) -> ActionResult:
    started = await own_client(context).start_build(
        action.app.slug, branch=action.branch, commitish=action.commitish, description=action.description
    )
    if action.built is not None and action.commitish is not None:
        note = messages.deployed_build(action.app, action.built, started, action.commitish, by=context.person)
    else:
        command = Deploy(branch=action.branch, commit=action.commitish, message=action.description)
        note = form.deployment_requested(action.app, command, started, by=context.person)
    slug = deployment_slug(action.app.slug, started.id) if started.id is not None else None
    answer = await follow_build(action.app, slug, note, context, buttons=form.deployment_row(action.app))
    facts = {"app": redact(action.app.title), "build": started.id or "", "url": started.url or ""}
    return ActionResult(answer, facts, f"started {started.id or 'a build'}")


async def _record_restart(
    action: RestartAction | SetConfigAction | UnsetConfigAction, context: RequestContext, dyno: str = ""
) -> None:
    """Record a requested restart in advance, so that the poller does not report a crash."""
    await context.services.storage.watched_builds.record_restart(
        action.provider, action.app.slug, dyno, context.now()
    )


async def _restart(action: RestartAction, context: RequestContext) -> ActionResult:
    await _record_restart(action, context, action.dyno or "")
    if action.dyno is None:
        await own_client(context).restart_all(action.app.slug)
    else:
        await own_client(context).restart(action.app.slug, action.dyno)
    return _channel_result(process_messages.dynos_restarted(action.app, action.dyno, by=context.person))


async def _run(action: RunCommandAction, context: RequestContext) -> ActionResult:
    """Run the command. Its output goes to the person who runs it and is stored nowhere else."""
    try:
        result = await own_client(context).execute(
            action.app.slug, action.dyno, action.command, seconds=RUN_SECONDS
        )
    except ResponseLost as error:
        raise UserError(
            f"No answer came within {RUN_SECONDS:.0f} seconds. The command may still run in {action.dyno}, and I can't"
            " stop it."
        ) from error
    redacted = result.model_copy(update={"output": await _remove_config_values(result, action, context)})
    share_channel = context.channel if context.channel and not context.channel.startswith("D") else None
    await _send_direct_message(
        run_form.command_result(action.app, action.dyno, action.command, redacted, channel=share_channel),
        context,
        action,
    )
    message = run_form.command_run(
        action.app, action.dyno, action.command, by=context.person, exit_code=result.exit_code
    )
    return _channel_result(
        message, f"ended with {result.exit_code}" if result.exit_code is not None else "ended"
    )


async def _send_direct_message(message: Message, context: RequestContext, action: RunCommandAction) -> None:
    """Send a direct message at once: queueing it in the outbox would store the output in the database."""
    try:
        channel = await context.direct_message_alone()
        await context.slack.chat_postMessage(
            channel=channel, text=message.text, blocks=message.blocks, unfurl_links=False, unfurl_media=False
        )
    except SlackCallFailed as error:
        raise UserError(
            f"The command ran in {action.dyno}, but Slack did not take what it said ({error.reason})."
        ) from error


async def _remove_config_values(
    result: CommandResult, action: RunCommandAction, context: RequestContext
) -> str:
    """Return the output without the values of the app's config vars, which a command may print."""
    try:
        values = (await own_client(context).config_vars(action.app.slug)).values()
    except ProviderError as problem:
        log.info("run.config_unknown", reason=type(problem).__name__)
        return result.output
    try:
        return await context.services.runner.run(redact_values, result.output, tuple(values))
    except WorkFailed:
        return NOT_SHOWN  # the command has run all the same


async def _set_config(action: SetConfigAction, context: RequestContext) -> ActionResult:
    values = {key: value.get_secret_value() for key, value in action.values.items()}
    before = await own_client(context).config_vars(action.app.slug)
    await _record_restart(action, context)  # Build.io restarts the dynos when config vars change
    await own_client(context).set_config_vars(action.app.slug, values)
    return _report_changes(ConfigVarOwner.of_app(action.app), ConfigDiff.between(before, values), context)


async def _unset_config(action: UnsetConfigAction, context: RequestContext) -> ActionResult:
    async def unset(key: str) -> None:
        await own_client(context).remove_config_var(action.app.slug, key)

    await _record_restart(action, context)
    await _unset_one_by_one(action.keys, unset)
    return _report_changes(ConfigVarOwner.of_app(action.app), ConfigDiff(removed=action.keys), context)


async def _reveal_config(action: RevealConfigAction, context: RequestContext) -> ActionResult:
    return _grant_reveal(
        action,
        ConfigVarOwner.of_app(action.app),
        await own_client(context).config_vars(action.app.slug),
        context,
    )


async def _reveal_environment(action: RevealEnvironmentAction, context: RequestContext) -> ActionResult:
    return _grant_reveal(
        action, _environment_owner(action), await own_client(context).environment(action.environment), context
    )


def _grant_reveal(
    action: RevealConfigAction | RevealEnvironmentAction,
    owner: ConfigVarOwner,
    existing_keys: Collection[str],
    context: RequestContext,
) -> ActionResult:
    """Build the reply that lets the person reveal the value; it never contains the value itself. Raises UserError."""
    if action.key not in existing_keys:
        list_command = f"config {owner.title}" if owner.environment is None else f"envs {owner.environment}"
        raise UserError(error_texts.unknown_key(action.key, existing_keys, lists=list_command))
    message = config_var_messages.vars_granted(
        owner, action.key, by=context.person, value=sign_grant(action, owner, context)
    )
    return ActionResult(Reply(message, Visibility.CHANNEL), provider_answer="shown to them alone")


async def _add_domain(action: AddDomainAction, context: RequestContext) -> ActionResult:
    certificate = action.certificate.get_secret_value() if action.certificate is not None else None
    domain = await own_client(context).add_domain(action.app.slug, action.hostname, certificate=certificate)
    return _channel_result(domain_messages.domain_added(action.app, domain, by=context.person))


async def _update_certificate(action: UpdateCertificateAction, context: RequestContext) -> ActionResult:
    certificate = action.certificate.get_secret_value()
    domain = await own_client(context).update_certificate(action.app.slug, action.domain, certificate)
    # The response may lack the hostname.
    updated = domain.model_copy(update={"hostname": action.hostname})
    return _channel_result(domain_messages.certificate_changed(action.app, updated, by=context.person))


async def _remove_domain(action: RemoveDomainAction, context: RequestContext) -> ActionResult:
    await own_client(context).remove_domain(action.app.slug, action.domain)
    return _channel_result(domain_messages.domain_removed(action.app, action.hostname, by=context.person))


async def _remove_all_domains(action: RemoveAllDomainsAction, context: RequestContext) -> ActionResult:
    hostnames = [
        domain.hostname
        for domain in await own_client(context).domains(action.app.slug)
        if not domain.platform
    ]
    if not set(hostnames) <= set(action.hostnames):
        raise UserError(
            f"{action.app.title} has got more domains meanwhile, so I removed none. Ask for it again."
        )
    await own_client(context).remove_all_domains(action.app.slug)
    return _channel_result(domain_messages.domains_cleared(action.app, hostnames, by=context.person))


async def _create_app(action: CreateAppAction, context: RequestContext) -> ActionResult:
    created = await own_client(context).create_app(action.name, team=action.team, region=action.region)
    _forget_app_lists(context)
    message = app_messages.app_created(created, by=context.person)
    return ActionResult(
        Reply(message, Visibility.CHANNEL), {"app": redact(created.name)}, f"created {created.id}"
    )


async def _create_namespace(action: CreateNamespaceAction, context: RequestContext) -> ActionResult:
    created = await own_client(context).create_namespace(
        action.name, team=action.team, description=action.description, region=action.region
    )
    return _channel_result(
        namespace_messages.namespace_created(created, by=context.person), f"created {created.id}"
    )


async def _delete_namespace(action: DeleteNamespaceAction, context: RequestContext) -> ActionResult:
    await own_client(context).delete_namespace(action.name)
    _forget_app_lists(context)
    return _channel_result(namespace_messages.namespace_deleted(action.name, by=context.person))


async def _set_environment(action: SetEnvironmentAction, context: RequestContext) -> ActionResult:
    values = {
        key: value.get_secret_value() if value is not None else None for key, value in action.values.items()
    }
    before = await own_client(context).environment(action.environment)
    await own_client(context).set_environment(action.environment, values)
    return _report_changes(_environment_owner(action), ConfigDiff.between(before, values), context)


async def _unset_environment(action: UnsetEnvironmentAction, context: RequestContext) -> ActionResult:
    async def unset(key: str) -> None:
        await own_client(context).remove_from_environment(action.environment, key)

    await _unset_one_by_one(action.keys, unset)
    return _report_changes(_environment_owner(action), ConfigDiff(removed=action.keys), context)


async def _log_in(action: ClusterLoginAction, context: RequestContext) -> ActionResult:
    """Send the credential as a file in a direct message; the file is deleted when it expires."""
    login = await own_client(context).cluster_login(action.region)
    until = context.now() + FILE_LIVES
    if login.expires_at is not None:
        until = min(until, login.expires_at)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "credential"
        path.write_text(login.content.get_secret_value(), encoding="utf-8")
        try:
            await file_upload.share_file(
                context,
                path,
                name="exec-credential.json",
                title="Kubernetes credential",
                comment=login_messages.login_comment(
                    action.region, expires_at=login.expires_at, deleted_at=until
                ),
                channel=await context.direct_message_alone(),
                until=until,
            )
        except SlackCallFailed as error:
            raise UserError(file_upload.explain_upload_failure(error)) from error
    return _channel_result(login_messages.login_sent(action.region, by=context.person, deleted_at=until))


ACTIONS: Sequence[ActionSpec[Any, RequestContext, ActionResult]] = (
    ActionSpec(DeployAction, _deploy),
    ActionSpec(RestartAction, _restart),
    ActionSpec(RunCommandAction, _run),
    ActionSpec(SetConfigAction, _set_config),
    ActionSpec(UnsetConfigAction, _unset_config),
    ActionSpec(RevealConfigAction, _reveal_config),
    ActionSpec(AddDomainAction, _add_domain),
    ActionSpec(UpdateCertificateAction, _update_certificate),
    ActionSpec(RemoveDomainAction, _remove_domain),
    ActionSpec(RemoveAllDomainsAction, _remove_all_domains),
    ActionSpec(CreateAppAction, _create_app),
    ActionSpec(CreateNamespaceAction, _create_namespace),
    ActionSpec(DeleteNamespaceAction, _delete_namespace),
    ActionSpec(SetEnvironmentAction, _set_environment),
    ActionSpec(UnsetEnvironmentAction, _unset_environment),
    ActionSpec(RevealEnvironmentAction, _reveal_environment),
    ActionSpec(ClusterLoginAction, _log_in),
)


def _channel_result(message: Message, provider_answer: str = "ok") -> ActionResult:
    return ActionResult(Reply(message, Visibility.CHANNEL), provider_answer=provider_answer)


def _report_changes(owner: ConfigVarOwner, diff: ConfigDiff, context: RequestContext) -> ActionResult:
    return _channel_result(config_var_messages.vars_changed(owner, diff, by=context.person))


def _environment_owner(
    action: SetEnvironmentAction | UnsetEnvironmentAction | RevealEnvironmentAction,
) -> ConfigVarOwner:
    return ConfigVarOwner(environment=action.environment, title=action.label)


def _forget_app_lists(context: RequestContext) -> None:
    """Clear the caches of app lists: the person's and the bot's."""
    context.own_apps(BUILDIO).forget()
    context.services.clients.at(BUILDIO).service_apps.forget()


async def _unset_one_by_one(keys: tuple[str, ...], unset: Callable[[str], Awaitable[None]]) -> None:
    """Unset keys one request at a time, as Build.io requires. Raises UserError if only some could be unset."""
    removed: list[str] = []
    for key in keys:
        try:
            await unset(key)
        except ProviderError as problem:
            if not removed:
                raise
            raise UserError(
                f"I unset {', '.join(removed)}, but not {key} and what follows: {problem}"
            ) from problem
        removed.append(key)
