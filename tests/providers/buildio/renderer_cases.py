"""Build.io's resources with any outside data, and each renderer with every possible input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from domain.build import App, BuildState
from domain.message import Message, RunNote
from domain.notifications.deploy_link import DeployLink
from messages import notices, started_run
from messages.kit.mrkdwn import replace_surrogates
from providers.buildio import login, teams
from providers.buildio.api.models import (
    BuildioApp,
    CommandResult,
    Deployment,
    Domain,
    Dyno,
    Environment,
    Namespace,
    Pipeline,
    PipelineApp,
    ProcessFormation,
    StartedBuild,
    Team,
)
from providers.buildio.apps import create
from providers.buildio.apps import messages as app_messages
from providers.buildio.apps.create import CreateAppForm, CreateForm, NamespaceForm
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.forms import (
    SetConfigVarsForm,
    SetVarsForm,
    UnsetConfigVarsForm,
    UnsetVarsForm,
    VarsOrigin,
)
from providers.buildio.config_vars.messages import ConfigDiff, ConfigVarOwner
from providers.buildio.deploy_links import messages as deploy_link_messages
from providers.buildio.deploy_links.messages import SourceBuild
from providers.buildio.deploys import form
from providers.buildio.deploys.commands import DeployAppForm
from providers.buildio.deploys.form import Deploy, DeployForm
from providers.buildio.domains import messages as domain_messages
from providers.buildio.domains.forms import (
    AddDomainForm,
    CertificateForm,
    ClearOrigin,
    DomainForm,
    DomainOrigin,
    RemoveDomainsForm,
    ReplaceCertificateForm,
)
from providers.buildio.namespaces import messages as namespace_messages
from providers.buildio.namespaces.forms import (
    CreateNamespaceForm,
    DeleteForm,
    DeleteNamespaceForm,
    NamespaceOrigin,
)
from providers.buildio.pipelines import messages as pipeline_messages
from providers.buildio.processes import messages as process_messages
from providers.buildio.processes import restart_form, run_form
from providers.buildio.processes.commands import RestartProcessesForm
from providers.buildio.processes.restart_form import RestartForm
from providers.buildio.processes.run_commands import ReviewCommandForm, RunCommandForm
from providers.buildio.processes.run_form import RunCommand, RunForm, RunOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from providers.buildio.shared.lookup import AppOrigin
from providers.buildio.shared.type_to_confirm import ConfirmationName
from services.request.forms import Form
from tests.support.drawn_forms import draw
from tests.support.factories import NOON
from tests.support.strategies import BOOL, BY, COUNT, NUMBER, ORIGIN, SLUG, TIME
from tests.support.untrusted_text import OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT

# The format of IDs is not guaranteed.
ID = SLUG | UNTRUSTED_TEXT
WHOLE = UNTRUSTED_TEXT.map(lambda text: replace_surrogates(text)[:90])


def _first_message(note: RunNote) -> Message:
    """Return the first message about a run."""
    return started_run.run_started(note, [])


APPS = st.builds(App, provider=st.just(BUILDIO), slug=ID, title=UNTRUSTED_TEXT)
DEPLOYMENTS = st.builds(
    Deployment,
    status=UNTRUSTED_TEXT,
    state=st.sampled_from(BuildState),
    version=NUMBER,
    branch=OPTIONAL_UNTRUSTED_TEXT,
    commit=OPTIONAL_UNTRUSTED_TEXT,
    description=OPTIONAL_UNTRUSTED_TEXT,
    error=OPTIONAL_UNTRUSTED_TEXT,
    by=OPTIONAL_UNTRUSTED_TEXT,
    created_at=TIME,
    finished_at=TIME,
)
BUILDIO_APPS = st.builds(
    BuildioApp,
    id=ID,
    name=UNTRUSTED_TEXT,
    team=OPTIONAL_UNTRUSTED_TEXT,
    region=OPTIONAL_UNTRUSTED_TEXT,
    stack=OPTIONAL_UNTRUSTED_TEXT,
    namespace=OPTIONAL_UNTRUSTED_TEXT,
    web_url=OPTIONAL_UNTRUSTED_TEXT,
    formation=st.lists(
        st.builds(
            ProcessFormation,
            type=UNTRUSTED_TEXT,
            quantity=NUMBER,
            size=OPTIONAL_UNTRUSTED_TEXT,
            command=OPTIONAL_UNTRUSTED_TEXT,
        ),
        max_size=3,
    ).map(lambda found: tuple(found * 5)),
    buildpacks=st.lists(UNTRUSTED_TEXT, max_size=3).map(lambda found: tuple(found * 5)),
    deployment=st.none() | DEPLOYMENTS,
    created_at=TIME,
)
DYNOS = st.lists(
    st.builds(
        Dyno,
        name=UNTRUSTED_TEXT,
        type=UNTRUSTED_TEXT,
        state=UNTRUSTED_TEXT,
        up=st.none() | BOOL,
        crashed=BOOL,
        size=OPTIONAL_UNTRUSTED_TEXT,
        command=OPTIONAL_UNTRUSTED_TEXT,
        restarts=NUMBER,
        since=TIME,
    ),
    max_size=4,
)
DOMAINS = st.builds(
    Domain,
    id=ID,
    hostname=UNTRUSTED_TEXT,
    platform=BOOL,
    target=OPTIONAL_UNTRUSTED_TEXT,
    status=OPTIONAL_UNTRUSTED_TEXT,
    ssl=OPTIONAL_UNTRUSTED_TEXT | st.sampled_from(["issued", "failed", "off", "pending"]),
    problem=OPTIONAL_UNTRUSTED_TEXT,
    expires_at=TIME,
)
ENVIRONMENTS = st.builds(Environment, id=ID, name=UNTRUSTED_TEXT)
PIPELINES = st.builds(
    Pipeline,
    id=ID,
    name=UNTRUSTED_TEXT,
    team=OPTIONAL_UNTRUSTED_TEXT,
    environments=st.lists(ENVIRONMENTS, max_size=3).map(tuple),
    review_apps=st.none() | BOOL,
    review_settings=st.dictionaries(UNTRUSTED_TEXT, UNTRUSTED_TEXT | BOOL | COUNT, max_size=3),
)
PIPELINE_APPS = st.lists(
    st.builds(PipelineApp, id=ID, name=UNTRUSTED_TEXT, stage=OPTIONAL_UNTRUSTED_TEXT), max_size=5
)
NAMESPACES = st.builds(
    Namespace,
    id=ID,
    name=UNTRUSTED_TEXT,
    team=OPTIONAL_UNTRUSTED_TEXT,
    region=OPTIONAL_UNTRUSTED_TEXT,
    description=OPTIONAL_UNTRUSTED_TEXT,
)
TEAMS = st.lists(st.builds(Team, id=ID, name=UNTRUSTED_TEXT), max_size=4)
VARS_OF = st.builds(ConfigVarOwner, app=ID, title=UNTRUSTED_TEXT) | st.builds(
    ConfigVarOwner, environment=ID, title=UNTRUSTED_TEXT
)
KEYS = UNTRUSTED_TEXT | st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True)
VALUES = st.dictionaries(KEYS, UNTRUSTED_TEXT, max_size=5)
SEVERAL_KEYS = st.lists(KEYS, max_size=3).map(tuple)
DIFFS = st.builds(ConfigDiff, added=SEVERAL_KEYS, changed=SEVERAL_KEYS, removed=SEVERAL_KEYS)
# A command is typed text, which has only whole characters.
COMMANDS = st.lists(UNTRUSTED_TEXT.map(replace_surrogates), max_size=3).map(tuple)
SHORT_COMMANDS = st.lists(UNTRUSTED_TEXT.map(lambda text: replace_surrogates(text)[:60]), max_size=3).map(
    tuple
)
VARS_ORIGINS = st.builds(VarsOrigin, channel=st.just("C1"), app=st.just("a"), title=WHOLE) | st.builds(
    VarsOrigin, channel=st.just("C1"), environment=st.just("e"), title=WHOLE
)
RUN_ORIGINS = st.builds(RunOrigin, channel=st.just("C1"), title=WHOLE, dyno=WHOLE, command=SHORT_COMMANDS)
GLOBS = st.lists(UNTRUSTED_TEXT, max_size=7).map(tuple)
TIES = st.builds(DeployLink, number=COUNT, app=APPS, bitrise=APPS, branches=GLOBS, set_by=BY)
STARTED = st.builds(StartedBuild, status=OPTIONAL_UNTRUSTED_TEXT, version=NUMBER, url=OPTIONAL_UNTRUSTED_TEXT)
BUILT = st.builds(
    SourceBuild,
    app=ID,
    title=UNTRUSTED_TEXT,
    slug=ID,
    label=UNTRUSTED_TEXT,
    url=UNTRUSTED_TEXT | st.just("https://app.bitrise.io/build/1"),
)

RENDERED: Mapping[str, st.SearchStrategy[Any]] = {
    "app_card": st.builds(app_messages.app_card, BUILDIO_APPS, st.none() | DYNOS),
    "app_created": st.builds(app_messages.app_created, BUILDIO_APPS, by=BY),
    "app_list": st.builds(
        app_messages.app_list,
        st.lists(BUILDIO_APPS, max_size=4),
        total=COUNT,
        page=st.integers(1, 9),
        size=st.just(20),
        team=OPTIONAL_UNTRUSTED_TEXT,
    ),
    "certificate_changed": st.builds(domain_messages.certificate_changed, APPS, DOMAINS, by=BY),
    "deployment_requested": st.builds(
        form.deployment_requested,
        APPS,
        st.builds(
            Deploy,
            branch=OPTIONAL_UNTRUSTED_TEXT,
            commit=OPTIONAL_UNTRUSTED_TEXT,
            message=OPTIONAL_UNTRUSTED_TEXT,
        ),
        STARTED,
        by=BY,
    ).map(_first_message),
    "deployment_row": APPS.map(form.deployment_row).map(lambda row: Message("below", row)),
    "restart_note": st.builds(
        config_var_messages.restart_note, VARS_OF.filter(lambda of: of.app is not None)
    ),
    "unset_question": st.builds(
        config_var_messages.unset_question, VARS_OF, st.lists(ID, min_size=1, max_size=3)
    ),
    "remove_links_question": st.builds(
        deploy_link_messages.remove_links_question, st.lists(TIES, min_size=1, max_size=3)
    ),
    "describe_deployment": st.builds(app_messages.describe_deployment, DEPLOYMENTS),
    "deployed_build": st.builds(
        deploy_link_messages.deployed_build, APPS, BUILT, STARTED, UNTRUSTED_TEXT, by=BY
    ).map(_first_message),
    "domain_added": st.builds(domain_messages.domain_added, APPS, DOMAINS, by=BY),
    "domain_list": st.builds(domain_messages.domain_list, APPS, st.lists(DOMAINS, max_size=4)),
    "domain_question": st.builds(domain_messages.domain_question, APPS, DOMAINS),
    "domain_removed": st.builds(domain_messages.domain_removed, APPS, UNTRUSTED_TEXT, by=BY),
    "domains_cleared": st.builds(
        domain_messages.domains_cleared, APPS, st.lists(UNTRUSTED_TEXT, max_size=4), by=BY
    ),
    "dyno_list": st.builds(process_messages.dyno_list, APPS, DYNOS, now=st.just(NOON)),
    "environment_list": st.builds(
        pipeline_messages.environment_list, st.lists(st.tuples(UNTRUSTED_TEXT, ENVIRONMENTS), max_size=4)
    ),
    "command_result": st.builds(
        run_form.command_result,
        APPS,
        UNTRUSTED_TEXT,
        COMMANDS,
        st.builds(CommandResult, output=UNTRUSTED_TEXT, exit_code=NUMBER, cut=BOOL),
        channel=st.none() | st.just("C1"),
    ),
    "login_comment": st.builds(
        login.login_comment, UNTRUSTED_TEXT, expires_at=TIME, deleted_at=st.just(NOON)
    ),
    "login_sent": st.builds(login.login_sent, UNTRUSTED_TEXT, by=BY, deleted_at=st.just(NOON)),
    "namespace_card": st.builds(namespace_messages.namespace_card, NAMESPACES),
    "namespace_created": st.builds(namespace_messages.namespace_created, NAMESPACES, by=BY),
    "namespace_deleted": st.builds(namespace_messages.namespace_deleted, UNTRUSTED_TEXT, by=BY),
    "namespace_list": st.builds(namespace_messages.namespace_list, st.lists(NAMESPACES, max_size=4)),
    # They are sentences like errors, escaped where they are shown.
    "no_process": st.builds(lookup.no_process).map(notices.error_message),
    "platform_domain": st.builds(lookup.platform_domain, UNTRUSTED_TEXT).map(notices.error_message),
    "unknown_key": st.builds(
        lookup.unknown_key, UNTRUSTED_TEXT, st.lists(KEYS, max_size=4), lists=st.just("config")
    ).map(notices.error_message),
    "unknown_thing": st.builds(
        lookup.unknown_thing,
        st.just("pipeline"),
        UNTRUSTED_TEXT,
        st.lists(UNTRUSTED_TEXT, max_size=4),
        lists=st.just("pipelines"),
    ).map(notices.error_message),
    "which_process": st.builds(lookup.which_process, st.lists(UNTRUSTED_TEXT, max_size=4)).map(
        notices.error_message
    ),
    "pipeline_card": st.builds(pipeline_messages.pipeline_card, PIPELINES, PIPELINE_APPS),
    "pipeline_list": st.builds(pipeline_messages.pipeline_list, st.lists(PIPELINES, max_size=4)),
    "command_run": st.builds(run_form.command_run, APPS, UNTRUSTED_TEXT, COMMANDS, by=BY, exit_code=NUMBER),
    "dynos_restarted": st.builds(process_messages.dynos_restarted, APPS, OPTIONAL_UNTRUSTED_TEXT, by=BY),
    "restart_question": st.builds(restart_form.restart_question, APPS),
    "run_button": st.builds(
        run_form.run_button, APPS, st.builds(RunCommand, dyno=st.none() | WHOLE, command=SHORT_COMMANDS)
    ),
    "command_result_shared": st.builds(
        run_form.command_result_shared,
        APPS,
        UNTRUSTED_TEXT,
        st.builds(
            run_form.command_result,
            APPS,
            UNTRUSTED_TEXT,
            COMMANDS,
            st.builds(CommandResult, output=UNTRUSTED_TEXT, exit_code=NUMBER),
        ).map(lambda message: message.blocks),
        by=BY,
    ),
    "result_shared_notice": st.builds(run_form.result_shared_notice, st.just("C1")),
    "team_card": st.builds(teams.team_card, TEAMS.filter(bool).map(lambda teams: teams[0])),
    "team_list": st.builds(teams.team_list, TEAMS),
    "team_options": st.builds(create.team_options, UNTRUSTED_TEXT | st.just(""), TEAMS),
    "deploy_link_list": st.builds(deploy_link_messages.deploy_link_list, st.lists(TIES, max_size=30)),
    "deploy_link_added": st.builds(deploy_link_messages.deploy_link_added, TIES, by=BY),
    "deploy_links_removed": st.builds(
        deploy_link_messages.deploy_links_removed, st.lists(TIES, min_size=1, max_size=7), by=BY
    ),
    "vars_changed": st.builds(config_var_messages.vars_changed, VARS_OF, DIFFS, by=BY),
    "vars_granted": st.builds(
        config_var_messages.vars_granted, VARS_OF, KEYS, by=BY, value=st.none() | st.just("{}")
    ),
    "vars_hidden": st.builds(config_var_messages.vars_hidden, VARS_OF, KEYS),
    "vars_list": st.builds(
        config_var_messages.vars_list,
        VARS_OF,
        VALUES,
        changed=st.dictionaries(KEYS, st.just(NOON), max_size=2),
    ),
    "vars_revealed": st.builds(config_var_messages.vars_revealed, VARS_OF, KEYS, UNTRUSTED_TEXT),
}
CREATED = dict.fromkeys(("name", "team", "team_title", "region"), OPTIONAL_UNTRUSTED_TEXT)
DRAWN: Mapping[type[Form[Any, Any, Any]], st.SearchStrategy[Any]] = {
    AddDomainForm: draw(AddDomainForm, ORIGIN, st.builds(DomainForm, host=UNTRUSTED_TEXT), app=APPS),
    CreateAppForm: draw(CreateAppForm, ORIGIN, st.builds(CreateForm, **CREATED)),
    CreateNamespaceForm: draw(
        CreateNamespaceForm,
        ORIGIN,
        st.builds(NamespaceForm, **CREATED, description=OPTIONAL_UNTRUSTED_TEXT),
    ),
    DeleteNamespaceForm: draw(
        DeleteNamespaceForm,
        st.builds(NamespaceOrigin, channel=st.just("C1"), name=WHOLE | st.just("")),
        st.just(DeleteForm()),
    ),
    DeployAppForm: draw(
        DeployAppForm,
        ORIGIN,
        st.builds(
            DeployForm,
            branch=OPTIONAL_UNTRUSTED_TEXT,
            commit=OPTIONAL_UNTRUSTED_TEXT,
            message=OPTIONAL_UNTRUSTED_TEXT,
        ),
        app=st.none() | APPS,
        previous=st.none()
        | st.builds(Deploy, branch=OPTIONAL_UNTRUSTED_TEXT, commit=OPTIONAL_UNTRUSTED_TEXT),
    ),
    RemoveDomainsForm: draw(
        RemoveDomainsForm,
        st.just(ClearOrigin(channel="C1", shown="0" * 64)),
        st.just(ConfirmationName()),
        app=APPS,
        domains=st.lists(DOMAINS, max_size=4),
    ),
    ReplaceCertificateForm: draw(
        ReplaceCertificateForm,
        st.builds(DomainOrigin, domain=st.just("d"), host=WHOLE),
        st.just(CertificateForm()),
        app=APPS,
    ),
    RestartProcessesForm: draw(
        RestartProcessesForm,
        st.builds(AppOrigin, channel=st.just("C1"), title=WHOLE),
        st.builds(RestartForm, dyno=OPTIONAL_UNTRUSTED_TEXT),
        dynos=DYNOS,
    ),
    ReviewCommandForm: draw(ReviewCommandForm, RUN_ORIGINS, st.none()),
    RunCommandForm: draw(
        RunCommandForm,
        RUN_ORIGINS,
        st.builds(RunForm, dyno=OPTIONAL_UNTRUSTED_TEXT, typed=UNTRUSTED_TEXT),
        dynos=DYNOS,
    ),
    SetVarsForm: draw(SetVarsForm, VARS_ORIGINS, st.builds(SetConfigVarsForm, key=UNTRUSTED_TEXT)),
    UnsetVarsForm: draw(
        UnsetVarsForm, VARS_ORIGINS, st.builds(UnsetConfigVarsForm, keys=SEVERAL_KEYS), keys=SEVERAL_KEYS
    ),
}
READERS = {
    "read_certificate",
    "read_create",
    "read_delete_namespace",
    "read_deploy",
    "read_domain",
    "read_namespace",
    "read_restart",
    "read_run",
    "read_typed_name",
    "read_unset",
    "read_vars",
}
