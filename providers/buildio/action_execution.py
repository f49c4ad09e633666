"""What is asked of Build.io."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from domain.errors import ProviderError, ResponseLost
from domain.message import Message
from domain.provider import Provider
from domain.redaction.known_values import without_values
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
from providers.buildio.api.models import CommandResult
from providers.buildio.apps import messages as app_messages
from providers.buildio.commands import Deploy as Asked
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.config_diff import ConfigDiff
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.config_vars.reveal_grant import grant
from providers.buildio.deploy_links import messages
from providers.buildio.deploys import form
from providers.buildio.domains import messages as domain_messages
from providers.buildio.login import messages as login_messages
from providers.buildio.namespaces import messages as namespace_messages
from providers.buildio.polling.deployments import deployment_slug
from providers.buildio.processes import messages as processe_messages
from providers.buildio.processes import run_form
from providers.buildio.shared import error_texts
from services.actions.result import ActionResult
from services.features.builds.started_runs import follow_build
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError
from services.slack import file_upload
from services.slack.errors import SlackCallFailed
from services.worker_processes.pool import WorkFailed

log = structlog.get_logger()

RUN_SECONDS = 30.0
NOT_SHOWN = "I couldn't take the values of config vars out of what it said, so I don't show it."
# However long the credential is good for: its file is there to be saved, at once.
FILE_LIVES = timedelta(minutes=10)


async def _deploy(act: DeployAction, context: RequestContext) -> ActionResult:
    started = await context.own_buildio.start_build(
        act.app.slug, branch=act.branch, commitish=act.commitish, description=act.description
    )
    if act.built is not None and act.commitish is not None:
        note = messages.deployed_build(act.app, act.built, started, act.commitish, by=context.person)
    else:
        asked = Asked(branch=act.branch, commit=act.commitish, message=act.description)
        note = form.deployment_asked(act.app, asked, started, by=context.person)
    slug = deployment_slug(act.app.slug, started.id) if started.id is not None else None
    answer = await follow_build(act.app, slug, note, context, buttons=form.deployment_row(act.app))
    facts = {"app": redact(act.app.title), "build": started.id or "", "url": started.url or ""}
    return ActionResult(answer, facts, f"started {started.id or 'a build'}")


async def _expect_restart(
    act: RestartAction | SetConfigAction | UnsetConfigAction, context: RequestContext, dyno: str = ""
) -> None:
    """Let the watcher know, before it happens, that what goes down now has not crashed."""
    await context.services.storage.watching.restart_asked(act.provider, act.app.slug, dyno, context.now())


async def _restart(act: RestartAction, context: RequestContext) -> ActionResult:
    await _expect_restart(act, context, act.dyno or "")
    if act.dyno is None:
        await context.own_buildio.restart_all(act.app.slug)
    else:
        await context.own_buildio.restart(act.app.slug, act.dyno)
    return _told(processe_messages.restarted(act.app, act.dyno, by=context.person))


async def _run(act: RunCommandAction, context: RequestContext) -> ActionResult:
    """What the command says goes to the one who runs it, and is kept nowhere else."""
    try:
        result = await context.own_buildio.execute(act.app.slug, act.dyno, act.command, seconds=RUN_SECONDS)
    except ResponseLost as error:
        raise UserError(
            f"No answer came within {RUN_SECONDS:.0f} seconds. The command may still run in {act.dyno}, and I can't"
            " stop it."
        ) from error
    shown = result.model_copy(update={"output": await _without_values(result, act, context)})
    shares = context.channel if context.channel and not context.channel.startswith("D") else None
    await _say_alone(run_form.executed(act.app, act.dyno, act.command, shown, channel=shares), context, act)
    said = run_form.ran(act.app, act.dyno, act.command, by=context.person, exit_code=result.exit_code)
    return _told(said, f"ended with {result.exit_code}" if result.exit_code is not None else "ended")


async def _say_alone(message: Message, context: RequestContext, act: RunCommandAction) -> None:
    """Say it in their direct messages: it must not wait in the database, as what the outbox carries does."""
    try:
        channel = await context.direct_message_alone()
        await context.slack.chat_postMessage(
            channel=channel, text=message.text, blocks=message.blocks, unfurl_links=False, unfurl_media=False
        )
    except SlackCallFailed as error:
        raise UserError(
            f"The command ran in {act.dyno}, but Slack did not take what it said ({error.reason})."
        ) from error


async def _without_values(result: CommandResult, act: RunCommandAction, context: RequestContext) -> str:
    """The output without the values of the app's config vars, which a command may print."""
    try:
        values = (await context.own_buildio.config_vars(act.app.slug)).values()
    except ProviderError as problem:
        log.info("run.config_unknown", reason=type(problem).__name__)
        return result.output
    try:
        return await context.services.runner.run(without_values, result.output, tuple(values))
    except WorkFailed:
        return NOT_SHOWN  # it has run all the same


async def _set_config(act: SetConfigAction, context: RequestContext) -> ActionResult:
    values = {key: value.get_secret_value() for key, value in act.values.items()}
    before = await context.own_buildio.config_vars(act.app.slug)
    await _expect_restart(act, context)  # what runs is started anew with them
    await context.own_buildio.set_config_vars(act.app.slug, values)
    return _changed(ConfigVarOwner.of_app(act.app), ConfigDiff.between(before, values), context)


async def _unset_config(act: UnsetConfigAction, context: RequestContext) -> ActionResult:
    async def unset(key: str) -> None:
        await context.own_buildio.remove_config_var(act.app.slug, key)

    await _expect_restart(act, context)
    await _one_by_one(act.keys, unset)
    return _changed(ConfigVarOwner.of_app(act.app), ConfigDiff(removed=act.keys), context)


async def _reveal_config(act: RevealConfigAction, context: RequestContext) -> ActionResult:
    return _granted(
        act, ConfigVarOwner.of_app(act.app), await context.own_buildio.config_vars(act.app.slug), context
    )


async def _reveal_environment(act: RevealEnvironmentAction, context: RequestContext) -> ActionResult:
    return _granted(
        act, _of_environment(act), await context.own_buildio.environment(act.environment), context
    )


def _granted(
    act: RevealConfigAction | RevealEnvironmentAction,
    of: ConfigVarOwner,
    there: Collection[str],
    context: RequestContext,
) -> ActionResult:
    """Whoever asked may look; the value itself is in no answer, which others may be shown. Raises UserError."""
    if act.key not in there:
        lists = f"config {of.title}" if of.environment is None else f"envs {of.environment}"
        raise UserError(error_texts.unknown_key(act.key, there, lists=lists))
    said = config_var_messages.vars_granted(of, act.key, by=context.person, value=grant(act, of, context))
    return ActionResult(Reply(said, Visibility.CHANNEL), said="shown to them alone")


async def _add_domain(act: AddDomainAction, context: RequestContext) -> ActionResult:
    certificate = act.certificate.get_secret_value() if act.certificate is not None else None
    domain = await context.own_buildio.add_domain(act.app.slug, act.hostname, certificate=certificate)
    return _told(domain_messages.domain_added(act.app, domain, by=context.person))


async def _update_certificate(act: UpdateCertificateAction, context: RequestContext) -> ActionResult:
    certificate = act.certificate.get_secret_value()
    domain = await context.own_buildio.update_certificate(act.app.slug, act.domain, certificate)
    # Its answer need not name the domain as people do.
    named = domain.model_copy(update={"hostname": act.hostname})
    return _told(domain_messages.certificate_changed(act.app, named, by=context.person))


async def _remove_domain(act: RemoveDomainAction, context: RequestContext) -> ActionResult:
    await context.own_buildio.remove_domain(act.app.slug, act.domain)
    return _told(domain_messages.domain_removed(act.app, act.hostname, by=context.person))


async def _remove_all_domains(act: RemoveAllDomainsAction, context: RequestContext) -> ActionResult:
    there = [one.hostname for one in await context.own_buildio.domains(act.app.slug) if not one.platform]
    if not set(there) <= set(act.hostnames):
        raise UserError(
            f"{act.app.title} has got more domains meanwhile, so I removed none. Ask for it again."
        )
    await context.own_buildio.remove_all_domains(act.app.slug)
    return _told(domain_messages.domains_cleared(act.app, there, by=context.person))


async def _create_app(act: CreateAppAction, context: RequestContext) -> ActionResult:
    created = await context.own_buildio.create_app(act.name, team=act.team, region=act.region)
    _apps_are_others(context)
    said = app_messages.app_created(created, by=context.person)
    return ActionResult(
        Reply(said, Visibility.CHANNEL), {"app": redact(created.name)}, f"created {created.id}"
    )


async def _create_namespace(act: CreateNamespaceAction, context: RequestContext) -> ActionResult:
    created = await context.own_buildio.create_namespace(
        act.name, team=act.team, description=act.description, region=act.region
    )
    return _told(namespace_messages.namespace_created(created, by=context.person), f"created {created.id}")


async def _delete_namespace(act: DeleteNamespaceAction, context: RequestContext) -> ActionResult:
    await context.own_buildio.delete_namespace(act.name)
    _apps_are_others(context)
    return _told(namespace_messages.namespace_deleted(act.name, by=context.person))


async def _set_environment(act: SetEnvironmentAction, context: RequestContext) -> ActionResult:
    values = {
        key: value.get_secret_value() if value is not None else None for key, value in act.values.items()
    }
    before = await context.own_buildio.environment(act.environment)
    await context.own_buildio.set_environment(act.environment, values)
    return _changed(_of_environment(act), ConfigDiff.between(before, values), context)


async def _unset_environment(act: UnsetEnvironmentAction, context: RequestContext) -> ActionResult:
    async def unset(key: str) -> None:
        await context.own_buildio.remove_from_environment(act.environment, key)

    await _one_by_one(act.keys, unset)
    return _changed(_of_environment(act), ConfigDiff(removed=act.keys), context)


async def _log_in(act: ClusterLoginAction, context: RequestContext) -> ActionResult:
    """The credential goes into a file in the person's direct messages, which is deleted after its time."""
    login = await context.own_buildio.cluster_login(act.region)
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
                    act.region, expires_at=login.expires_at, deleted_at=until
                ),
                channel=await context.direct_message_alone(),
                until=until,
            )
        except SlackCallFailed as error:
            raise UserError(file_upload.why_not(error)) from error
    return _told(login_messages.login_sent(act.region, by=context.person, deleted_at=until))


PERFORM: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[ActionResult]]] = {
    DeployAction: _deploy,
    RestartAction: _restart,
    RunCommandAction: _run,
    SetConfigAction: _set_config,
    UnsetConfigAction: _unset_config,
    RevealConfigAction: _reveal_config,
    AddDomainAction: _add_domain,
    UpdateCertificateAction: _update_certificate,
    RemoveDomainAction: _remove_domain,
    RemoveAllDomainsAction: _remove_all_domains,
    CreateAppAction: _create_app,
    CreateNamespaceAction: _create_namespace,
    DeleteNamespaceAction: _delete_namespace,
    SetEnvironmentAction: _set_environment,
    UnsetEnvironmentAction: _unset_environment,
    RevealEnvironmentAction: _reveal_environment,
    ClusterLoginAction: _log_in,
}


def _told(said: Message, answer: str = "ok") -> ActionResult:
    return ActionResult(Reply(said, Visibility.CHANNEL), said=answer)


def _changed(of: ConfigVarOwner, diff: ConfigDiff, context: RequestContext) -> ActionResult:
    return _told(config_var_messages.vars_changed(of, diff, by=context.person))


def _of_environment(
    act: SetEnvironmentAction | UnsetEnvironmentAction | RevealEnvironmentAction,
) -> ConfigVarOwner:
    return ConfigVarOwner(environment=act.environment, title=act.label)


def _apps_are_others(context: RequestContext) -> None:
    """The lists of apps are read anew: the person's own, and the bot's."""
    context.own_apps(Provider.BUILDIO).forget()
    context.services.clients.buildio.service_apps.forget()


async def _one_by_one(keys: tuple[str, ...], unset: Callable[[str], Awaitable[None]]) -> None:
    """Build.io takes away one key a request. Raises UserError where it refuses after some have gone already."""
    gone: list[str] = []
    for key in keys:
        try:
            await unset(key)
        except ProviderError as problem:
            if not gone:
                raise
            raise UserError(
                f"I unset {', '.join(gone)}, but not {key} and what follows: {problem}"
            ) from problem
        gone.append(key)
