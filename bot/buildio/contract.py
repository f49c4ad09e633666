"""Build.io's API reference against the bot: each endpoint, in the reference's order, and what of the bot is for it.

docs/buildio-api.md shows it. Pure; no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: `asks` as the reference writes it, and the client's method.

    `command` is what people type behind `/buildio`, `guard` what keeps others from it, `test` what shows that it works.
    """

    resource: str
    asks: str
    method: str
    command: str = ""
    guard: str = ""
    test: str = ""


ENDPOINTS = (
    Endpoint("Apps", "GET /apps", "apps", "apps"),
    Endpoint("Apps", "GET /apps/{app_id_or_name}", "app", "app"),
    Endpoint("Apps", "POST /apps", "create_app", "create"),
    Endpoint("Builds", "POST /apps/{app_id_or_name}/builds", "start_build", "deploy"),
    Endpoint("Config Vars", "GET /apps/{app_id_or_name}/config-vars", "config_vars", "config"),
    Endpoint("Config Vars", "PATCH /apps/{app_id_or_name}/config-vars", "set_config_vars", "config set"),
    Endpoint(
        "Config Vars", "DELETE /apps/{app_id_or_name}/config-vars/{key}", "remove_config_var", "config unset"
    ),
    Endpoint("Domains", "GET /apps/{app_id_or_name}/domains", "domains", "domains"),
    Endpoint("Domains", "POST /apps/{app_id_or_name}/domains", "add_domain", "domains add"),
    Endpoint("Domains", "GET /apps/{app_id_or_name}/domains/{domain_id}", "domain", "domains remove"),
    Endpoint("Domains", "PATCH /apps/{app_id_or_name}/domains/{domain_id}", "update_certificate", "domains"),
    Endpoint(
        "Domains", "DELETE /apps/{app_id_or_name}/domains/{domain_id}", "remove_domain", "domains remove"
    ),
    Endpoint("Domains", "DELETE /apps/{app_id_or_name}/domains", "remove_all_domains", "domains clear"),
    Endpoint("Dynos", "GET /apps/{app_id_or_name}/dynos/list", "dynos", "ps"),
    Endpoint("Dynos", "DELETE /apps/{app_id_or_name}/dynos", "restart_all", "restart"),
    Endpoint("Dynos", "DELETE /apps/{app_id_or_name}/dynos/{dyno}", "restart", "restart"),
    Endpoint("Dynos", "POST /apps/{app_id_or_name}/dynos/{dyno}/exec", "execute", "run"),
    Endpoint("Namespaces", "GET /namespaces", "namespaces", "namespaces"),
    Endpoint("Namespaces", "POST /namespaces", "create_namespace", "namespaces create"),
    Endpoint("Namespaces", "GET /namespaces/{namespace_id_or_name}", "namespace", "namespace"),
    Endpoint(
        "Namespaces", "DELETE /namespaces/{namespace_id_or_name}", "delete_namespace", "namespaces delete"
    ),
    Endpoint("Pipelines", "GET /pipelines", "pipelines", "pipelines"),
    Endpoint("Pipelines", "GET /pipelines/{pipeline_id_or_name}", "pipeline", "pipeline"),
    Endpoint("Pipelines", "GET /pipelines/{pipeline_id_or_name}/apps", "pipeline_apps", "pipeline"),
    Endpoint("Environments", "GET /environments/{id}", "environment", "envs"),
    Endpoint("Environments", "PATCH /environments/{id}", "set_environment", "envs set"),
    Endpoint("Environments", "DELETE /environments/{id}/{key}", "remove_from_environment", "envs unset"),
    Endpoint("Teams", "GET /teams", "teams", "teams"),
    Endpoint("Teams", "GET /teams/{id}", "team", "team"),
    Endpoint("Identity", "GET /me", "me", "whoami"),
    Endpoint("OIDC Login", "GET /oidc-login", "cluster_login", "login"),
)


def contract_table() -> str:
    """The contract as a Markdown table; a column that says nothing yet is not shown."""
    columns = {
        "resource": [one.resource for one in ENDPOINTS],
        "endpoint": [f"`{one.asks}`" for one in ENDPOINTS],
        "client": [f"`Buildio.{one.method}`" for one in ENDPOINTS],
        "command": [f"`/buildio {one.command}`" if one.command else "" for one in ENDPOINTS],
        "guard": [one.guard for one in ENDPOINTS],
        "test": [one.test for one in ENDPOINTS],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [list(shown), ["---"] * len(shown), *zip(*shown.values(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
