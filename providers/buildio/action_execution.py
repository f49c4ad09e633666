"""What is asked of Build.io."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from domain.errors import AnswerLost, ProviderError
from domain.message import Message
from domain.provider import Provider
from domain.redaction.known_values import without_values
from domain.redaction.redactor import redact
from providers.buildio.actions import (
    AddDomain,
    ClusterLogin,
    CreateApp,
    CreateNamespace,
    DeleteNamespace,
    Deploy,
    RemoveAllDomains,
    RemoveDomain,
    Restart,
    RevealConfig,
    RevealEnvironment,
    Run,
    SetConfig,
    SetEnvironment,
    UnsetConfig,
    UnsetEnvironment,
    UpdateCertificate,
)
from providers.buildio.api.models import Executed
from providers.buildio.apps import messages as app_messages
from providers.buildio.commands import Deploy as Asked
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.config_diff import ConfigDiff
from providers.buildio.config_vars.messages import VarsOf
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
from services.actions.result import Done
from services.features.builds.started_runs import follow_build
from services.request.context import Answer, Audience, Caller
from services.request.finder import NotNamed
from services.slack import file_upload
from services.slack.errors import SlackCallFailed
from services.worker_processes.pool import WorkFailed

log = structlog.get_logger()

RUN_SECONDS = 30.0
NOT_SHOWN = "I couldn't take the values of config vars out of what it said, so I don't show it."
# However long the credential is good for: its file is there to be saved, at once.
FILE_LIVES = timedelta(minutes=10)


async def _deploy(act: Deploy, caller: Caller) -> Done:
    started = await caller.own_buildio.start_build(
        act.app.slug, branch=act.branch, commitish=act.commitish, description=act.description
    )
    if act.built is not None and act.commitish is not None:
        note = messages.deployed_build(act.app, act.built, started, act.commitish, by=caller.person)
    else:
        asked = Asked(branch=act.branch, commit=act.commitish, message=act.description)
        note = form.deployment_asked(act.app, asked, started, by=caller.person)
    slug = deployment_slug(act.app.slug, started.id) if started.id is not None else None
    answer = await follow_build(act.app, slug, note, caller, buttons=form.deployment_row(act.app))
    facts = {"app": redact(act.app.title), "build": started.id or "", "url": started.url or ""}
    return Done(answer, facts, f"started {started.id or 'a build'}")


async def _expect_restart(act: Restart | SetConfig | UnsetConfig, caller: Caller, dyno: str = "") -> None:
    """Let the watcher know, before it happens, that what goes down now has not crashed."""
    await caller.desk.storage.watching.restart_asked(act.provider, act.app.slug, dyno, caller.now())


async def _restart(act: Restart, caller: Caller) -> Done:
    await _expect_restart(act, caller, act.dyno or "")
    if act.dyno is None:
        await caller.own_buildio.restart_all(act.app.slug)
    else:
        await caller.own_buildio.restart(act.app.slug, act.dyno)
    return _told(processe_messages.restarted(act.app, act.dyno, by=caller.person))


async def _run(act: Run, caller: Caller) -> Done:
    """What the command says goes to the one who runs it, and is kept nowhere else."""
    try:
        result = await caller.own_buildio.execute(act.app.slug, act.dyno, act.command, seconds=RUN_SECONDS)
    except AnswerLost as error:
        raise NotNamed(
            f"No answer came within {RUN_SECONDS:.0f} seconds. The command may still run in {act.dyno}, and I can't"
            " stop it."
        ) from error
    shown = result.model_copy(update={"output": await _without_values(result, act, caller)})
    shares = caller.channel if caller.channel and not caller.channel.startswith("D") else None
    await _say_alone(run_form.executed(act.app, act.dyno, act.command, shown, channel=shares), caller, act)
    said = run_form.ran(act.app, act.dyno, act.command, by=caller.person, exit_code=result.exit_code)
    return _told(said, f"ended with {result.exit_code}" if result.exit_code is not None else "ended")


async def _say_alone(message: Message, caller: Caller, act: Run) -> None:
    """Say it in their direct messages: it must not wait in the database, as what the outbox carries does."""
    try:
        channel = await caller.direct_message_alone()
        await caller.slack.chat_postMessage(
            channel=channel, text=message.text, blocks=message.blocks, unfurl_links=False, unfurl_media=False
        )
    except SlackCallFailed as error:
        raise NotNamed(
            f"The command ran in {act.dyno}, but Slack did not take what it said ({error.reason})."
        ) from error


async def _without_values(result: Executed, act: Run, caller: Caller) -> str:
    """The output without the values of the app's config vars, which a command may print."""
    try:
        values = (await caller.own_buildio.config_vars(act.app.slug)).values()
    except ProviderError as problem:
        log.info("run.config_unknown", reason=type(problem).__name__)
        return result.output
    try:
        return await caller.desk.runner.run(without_values, result.output, tuple(values))
    except WorkFailed:
        return NOT_SHOWN  # it has run all the same


async def _set_config(act: SetConfig, caller: Caller) -> Done:
    values = {key: value.get_secret_value() for key, value in act.values.items()}
    before = await caller.own_buildio.config_vars(act.app.slug)
    await _expect_restart(act, caller)  # what runs is started anew with them
    await caller.own_buildio.set_config_vars(act.app.slug, values)
    return _changed(VarsOf.of_app(act.app), ConfigDiff.between(before, values), caller)


async def _unset_config(act: UnsetConfig, caller: Caller) -> Done:
    async def unset(key: str) -> None:
        await caller.own_buildio.remove_config_var(act.app.slug, key)

    await _expect_restart(act, caller)
    await _one_by_one(act.keys, unset)
    return _changed(VarsOf.of_app(act.app), ConfigDiff(removed=act.keys), caller)


async def _reveal_config(act: RevealConfig, caller: Caller) -> Done:
    return _granted(act, VarsOf.of_app(act.app), await caller.own_buildio.config_vars(act.app.slug), caller)


async def _reveal_environment(act: RevealEnvironment, caller: Caller) -> Done:
    return _granted(act, _of_environment(act), await caller.own_buildio.environment(act.environment), caller)


def _granted(
    act: RevealConfig | RevealEnvironment, of: VarsOf, there: Collection[str], caller: Caller
) -> Done:
    """Whoever asked may look; the value itself is in no answer, which others may be shown. Raises NotNamed."""
    if act.key not in there:
        lists = f"config {of.title}" if of.environment is None else f"envs {of.environment}"
        raise NotNamed(error_texts.unknown_key(act.key, there, lists=lists))
    said = config_var_messages.vars_granted(of, act.key, by=caller.person, value=grant(act, of, caller))
    return Done(Answer(said, Audience.CHANNEL), said="shown to them alone")


async def _add_domain(act: AddDomain, caller: Caller) -> Done:
    certificate = act.certificate.get_secret_value() if act.certificate is not None else None
    domain = await caller.own_buildio.add_domain(act.app.slug, act.hostname, certificate=certificate)
    return _told(domain_messages.domain_added(act.app, domain, by=caller.person))


async def _update_certificate(act: UpdateCertificate, caller: Caller) -> Done:
    certificate = act.certificate.get_secret_value()
    domain = await caller.own_buildio.update_certificate(act.app.slug, act.domain, certificate)
    # Its answer need not name the domain as people do.
    named = domain.model_copy(update={"hostname": act.hostname})
    return _told(domain_messages.certificate_changed(act.app, named, by=caller.person))


async def _remove_domain(act: RemoveDomain, caller: Caller) -> Done:
    await caller.own_buildio.remove_domain(act.app.slug, act.domain)
    return _told(domain_messages.domain_removed(act.app, act.hostname, by=caller.person))


async def _remove_all_domains(act: RemoveAllDomains, caller: Caller) -> Done:
    there = [one.hostname for one in await caller.own_buildio.domains(act.app.slug) if not one.platform]
    if not set(there) <= set(act.hostnames):
        raise NotNamed(
            f"{act.app.title} has got more domains meanwhile, so I removed none. Ask for it again."
        )
    await caller.own_buildio.remove_all_domains(act.app.slug)
    return _told(domain_messages.domains_cleared(act.app, there, by=caller.person))


async def _create_app(act: CreateApp, caller: Caller) -> Done:
    created = await caller.own_buildio.create_app(act.name, team=act.team, region=act.region)
    _apps_are_others(caller)
    said = app_messages.app_created(created, by=caller.person)
    return Done(Answer(said, Audience.CHANNEL), {"app": redact(created.name)}, f"created {created.id}")


async def _create_namespace(act: CreateNamespace, caller: Caller) -> Done:
    created = await caller.own_buildio.create_namespace(
        act.name, team=act.team, description=act.description, region=act.region
    )
    return _told(namespace_messages.namespace_created(created, by=caller.person), f"created {created.id}")


async def _delete_namespace(act: DeleteNamespace, caller: Caller) -> Done:
    await caller.own_buildio.delete_namespace(act.name)
    _apps_are_others(caller)
    return _told(namespace_messages.namespace_deleted(act.name, by=caller.person))


async def _set_environment(act: SetEnvironment, caller: Caller) -> Done:
    values = {
        key: value.get_secret_value() if value is not None else None for key, value in act.values.items()
    }
    before = await caller.own_buildio.environment(act.environment)
    await caller.own_buildio.set_environment(act.environment, values)
    return _changed(_of_environment(act), ConfigDiff.between(before, values), caller)


async def _unset_environment(act: UnsetEnvironment, caller: Caller) -> Done:
    async def unset(key: str) -> None:
        await caller.own_buildio.remove_from_environment(act.environment, key)

    await _one_by_one(act.keys, unset)
    return _changed(_of_environment(act), ConfigDiff(removed=act.keys), caller)


async def _log_in(act: ClusterLogin, caller: Caller) -> Done:
    """The credential goes into a file in the person's direct messages, which is deleted after its time."""
    login = await caller.own_buildio.cluster_login(act.region)
    until = caller.now() + FILE_LIVES
    if login.expires_at is not None:
        until = min(until, login.expires_at)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "credential"
        path.write_text(login.content.get_secret_value(), encoding="utf-8")
        try:
            await file_upload.share_file(
                caller,
                path,
                name="exec-credential.json",
                title="Kubernetes credential",
                comment=login_messages.login_comment(
                    act.region, expires_at=login.expires_at, deleted_at=until
                ),
                channel=await caller.direct_message_alone(),
                until=until,
            )
        except SlackCallFailed as error:
            raise NotNamed(file_upload.why_not(error)) from error
    return _told(login_messages.login_sent(act.region, by=caller.person, deleted_at=until))


PERFORM: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Done]]] = {
    Deploy: _deploy,
    Restart: _restart,
    Run: _run,
    SetConfig: _set_config,
    UnsetConfig: _unset_config,
    RevealConfig: _reveal_config,
    AddDomain: _add_domain,
    UpdateCertificate: _update_certificate,
    RemoveDomain: _remove_domain,
    RemoveAllDomains: _remove_all_domains,
    CreateApp: _create_app,
    CreateNamespace: _create_namespace,
    DeleteNamespace: _delete_namespace,
    SetEnvironment: _set_environment,
    UnsetEnvironment: _unset_environment,
    RevealEnvironment: _reveal_environment,
    ClusterLogin: _log_in,
}


def _told(said: Message, answer: str = "ok") -> Done:
    return Done(Answer(said, Audience.CHANNEL), said=answer)


def _changed(of: VarsOf, diff: ConfigDiff, caller: Caller) -> Done:
    return _told(config_var_messages.vars_changed(of, diff, by=caller.person))


def _of_environment(act: SetEnvironment | UnsetEnvironment | RevealEnvironment) -> VarsOf:
    return VarsOf(environment=act.environment, title=act.label)


def _apps_are_others(caller: Caller) -> None:
    """The lists of apps are read anew: the person's own, and the bot's."""
    caller.own_apps(Provider.BUILDIO).forget()
    caller.desk.clients.buildio.service_apps.forget()


async def _one_by_one(keys: tuple[str, ...], unset: Callable[[str], Awaitable[None]]) -> None:
    """Build.io takes away one key a request. Raises NotNamed where it refuses after some have gone already."""
    gone: list[str] = []
    for key in keys:
        try:
            await unset(key)
        except ProviderError as problem:
            if not gone:
                raise
            raise NotNamed(
                f"I unset {', '.join(gone)}, but not {key} and what follows: {problem}"
            ) from problem
        gone.append(key)
