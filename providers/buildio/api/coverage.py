"""Coverage of Build.io's API reference: every endpoint with its client method, command, permission and test.

The table in docs/buildio-api.md is generated from it. Pure; no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: `asks` as in the reference, and the client's method.

    `command` follows `/buildio`; `guard` is the required permission and further conditions;
    `test` is the test in `tests/` that plays the endpoint through the bot.
    """

    resource: str
    asks: str
    method: str
    command: str
    guard: str
    test: str


# Read-only endpoints need no permission; each user sees what their own account sees.
_OWN = "own account"
_SEEN = "own account, or a channel that follows the app"
_MASKED = "`config`; values are masked, one at a time is shown to one user for a minute"
_BY_FORM = "`config`; values only with a form, the channel is notified of the keys"
_APP = "/apps/{app_id_or_name}"

ENDPOINTS = (
    Endpoint(
        "Apps",
        "GET /apps",
        "apps",
        command="apps",
        guard=_SEEN,
        test="providers/test_both_providers.py::test_apps_are_those_that_somebodys_own_account_sees",
    ),
    Endpoint(
        "Apps",
        f"GET {_APP}",
        "app",
        command="app",
        guard=_SEEN,
        test="providers/test_both_providers.py::test_an_app_is_shown_as_it_stands_and_brought_up_to_date",
    ),
    Endpoint(
        "Apps",
        "POST /apps",
        "create_app",
        command="create",
        guard="`create`",
        test="providers/buildio/test_apps.py::test_an_app_is_created_by_command_and_deployed_from_its_message",
    ),
    Endpoint(
        "Builds",
        f"POST {_APP}/builds",
        "start_build",
        command="deploy",
        guard="`deploy`",
        test="providers/buildio/test_deploys.py::test_a_branch_is_deployed_and_the_channel_sees_build_ios_response",
    ),
    Endpoint(
        "Config Vars",
        f"GET {_APP}/config-vars",
        "config_vars",
        command="config",
        guard=_MASKED,
        test="providers/buildio/test_config_vars.py::test_the_list_shows_only_the_length_of_values",
    ),
    Endpoint(
        "Config Vars",
        f"PATCH {_APP}/config-vars",
        "set_config_vars",
        command="config set",
        guard=_BY_FORM,
        test="providers/buildio/test_config_vars.py::test_a_value_reaches_build_io_unchanged_and_the_channel_sees_its_key",
    ),
    Endpoint(
        "Config Vars",
        f"DELETE {_APP}/config-vars/{{key}}",
        "remove_config_var",
        command="config unset",
        guard="`config`",
        test="providers/buildio/test_config_vars.py::test_named_config_vars_are_removed",
    ),
    Endpoint(
        "Domains",
        f"GET {_APP}/domains",
        "domains",
        command="domains",
        guard=_SEEN,
        test="providers/buildio/test_domains.py::test_a_named_domain_is_removed_after_confirmation",
    ),
    Endpoint(
        "Domains",
        f"POST {_APP}/domains",
        "add_domain",
        command="domains add",
        guard="`domains`",
        test="providers/buildio/test_domains.py::test_a_domain_is_added_and_the_channel_sees_where_it_must_point",
    ),
    Endpoint(
        "Domains",
        f"GET {_APP}/domains/{{domain_id}}",
        "domain",
        command="domains",
        guard=_SEEN,
        test="providers/buildio/test_domains.py::test_domains_are_listed_with_the_status_of_their_certificates",
    ),
    Endpoint(
        "Domains",
        f"PATCH {_APP}/domains/{{domain_id}}",
        "update_certificate",
        command="domains",
        guard="`domains`; certificate and key only with a form",
        test="providers/buildio/test_domains.py::test_the_certificate_of_a_domain_is_replaced",
    ),
    Endpoint(
        "Domains",
        f"DELETE {_APP}/domains/{{domain_id}}",
        "remove_domain",
        command="domains remove",
        guard="`domains`; after confirmation",
        test="providers/buildio/test_domains.py::test_a_named_domain_is_removed_after_confirmation",
    ),
    Endpoint(
        "Domains",
        f"DELETE {_APP}/domains",
        "remove_all_domains",
        command="domains clear",
        guard="`domains`; after typing the app's name",
        test="providers/buildio/test_domains.py::test_all_domains_are_removed_after_the_apps_name_was_typed",
    ),
    Endpoint(
        "Dynos",
        f"GET {_APP}/dynos/list",
        "dynos",
        command="ps",
        guard=_SEEN,
        test="providers/buildio/test_processes.py::test_processes_are_listed_with_crashed_ones_first",
    ),
    Endpoint(
        "Dynos",
        f"DELETE {_APP}/dynos",
        "restart_all",
        command="restart",
        guard="`restart`; after confirmation",
        test="providers/buildio/test_processes.py::test_restarting_all_processes_asks_for_confirmation",
    ),
    Endpoint(
        "Dynos",
        f"DELETE {_APP}/dynos/{{dyno}}",
        "restart",
        command="restart",
        guard="`restart`",
        test="providers/buildio/test_processes.py::test_a_named_process_is_restarted_at_once",
    ),
    Endpoint(
        "Dynos",
        f"POST {_APP}/dynos/{{dyno}}/exec",
        "execute",
        command="run",
        guard="`run`, which is off by default; shown exactly before it runs; its output is for one user",
        test="providers/buildio/test_run_commands.py::test_a_command_is_shown_exactly_before_it_runs",
    ),
    Endpoint(
        "Namespaces",
        "GET /namespaces",
        "namespaces",
        command="namespaces",
        guard=_OWN,
        test="providers/buildio/test_namespaces.py::test_namespaces_are_listed_and_one_is_shown",
    ),
    Endpoint(
        "Namespaces",
        "POST /namespaces",
        "create_namespace",
        command="namespaces create",
        guard="`create`",
        test="providers/buildio/test_namespaces.py::test_a_namespace_is_created_by_command",
    ),
    Endpoint(
        "Namespaces",
        "GET /namespaces/{namespace_id_or_name}",
        "namespace",
        command="namespace",
        guard=_OWN,
        test="providers/buildio/test_namespaces.py::test_namespaces_are_listed_and_one_is_shown",
    ),
    Endpoint(
        "Namespaces",
        "DELETE /namespaces/{namespace_id_or_name}",
        "delete_namespace",
        command="namespaces delete",
        guard="`delete`; after typing its name",
        test="providers/buildio/test_namespaces.py::test_a_namespace_is_deleted_after_its_name_was_typed",
    ),
    Endpoint(
        "Pipelines",
        "GET /pipelines",
        "pipelines",
        command="pipelines",
        guard=_OWN,
        test="providers/buildio/test_pipelines_and_teams.py::test_pipelines_are_listed_and_one_shows_its_stages",
    ),
    Endpoint(
        "Pipelines",
        "GET /pipelines/{pipeline_id_or_name}",
        "pipeline",
        command="pipeline",
        guard=_OWN,
        test="providers/buildio/test_pipelines_and_teams.py::test_pipelines_are_listed_and_one_shows_its_stages",
    ),
    Endpoint(
        "Pipelines",
        "GET /pipelines/{pipeline_id_or_name}/apps",
        "pipeline_apps",
        command="pipeline",
        guard=_OWN,
        test="providers/buildio/test_pipelines_and_teams.py::test_pipelines_are_listed_and_one_shows_its_stages",
    ),
    Endpoint(
        "Environments",
        "GET /environments/{id}",
        "environment",
        command="envs",
        guard=_MASKED,
        test="providers/buildio/test_environments.py::test_a_value_is_revealed_to_one_person_for_a_minute",
    ),
    Endpoint(
        "Environments",
        "PATCH /environments/{id}",
        "set_environment",
        command="envs set",
        guard=_BY_FORM,
        test="providers/buildio/test_environments.py::test_a_change_is_reported_by_its_keys",
    ),
    Endpoint(
        "Environments",
        "DELETE /environments/{id}/{key}",
        "remove_from_environment",
        command="envs unset",
        guard="`config`",
        test="providers/buildio/test_environments.py::test_one_key_is_deleted_and_several_are_set_to_null_at_once",
    ),
    Endpoint(
        "Teams",
        "GET /teams",
        "teams",
        command="teams",
        guard=_OWN,
        test="providers/buildio/test_pipelines_and_teams.py::test_teams_are_listed_and_one_has_a_button_for_its_apps",
    ),
    Endpoint(
        "Teams",
        "GET /teams/{id}",
        "team",
        command="team",
        guard=_OWN,
        test="providers/buildio/test_pipelines_and_teams.py::test_teams_are_listed_and_one_has_a_button_for_its_apps",
    ),
    Endpoint(
        "Identity",
        "GET /me",
        "me",
        command="connect",
        guard="the token of the account that is being connected",
        test="providers/buildio/test_accounts.py::test_a_person_has_accounts_at_both_providers",
    ),
    Endpoint(
        "OIDC Login",
        "GET /oidc-login",
        "cluster_login",
        command="login",
        guard="`login`, which is off by default; a file for one user, deleted after some minutes",
        test="providers/buildio/test_login.py::test_the_credential_is_a_file_for_the_person_alone",
    ),
)


def contract_table() -> str:
    """Return the coverage as a Markdown table."""
    columns = {
        "resource": [endpoint.resource for endpoint in ENDPOINTS],
        "endpoint": [f"`{endpoint.asks}`" for endpoint in ENDPOINTS],
        "client": [f"`BuildioClient.{endpoint.method}`" for endpoint in ENDPOINTS],
        "command": [f"`/buildio {endpoint.command}`" for endpoint in ENDPOINTS],
        "guard": [endpoint.guard for endpoint in ENDPOINTS],
        "test": [f"`{endpoint.test}`" for endpoint in ENDPOINTS],
    }
    rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
