"""Build.io's API reference against the bot: each endpoint, in the reference's order, and what of the bot is for it.

docs/buildio-api.md shows it. Pure; no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: `asks` as the reference writes it, and the client's method.

    `command` is what people type, `guard` what keeps others from it, `test` what shows that it works.
    """

    resource: str
    asks: str
    method: str
    command: str = ""
    guard: str = ""
    test: str = ""


ENDPOINTS = (
    Endpoint("Apps", "GET /apps", "apps"),
    Endpoint("Apps", "GET /apps/{app_id_or_name}", "app"),
    Endpoint("Apps", "POST /apps", "create_app"),
    Endpoint("Builds", "POST /apps/{app_id_or_name}/builds", "start_build"),
    Endpoint("Config Vars", "GET /apps/{app_id_or_name}/config-vars", "config_vars"),
    Endpoint("Config Vars", "PATCH /apps/{app_id_or_name}/config-vars", "set_config_vars"),
    Endpoint("Config Vars", "DELETE /apps/{app_id_or_name}/config-vars/{key}", "remove_config_var"),
    Endpoint("Domains", "GET /apps/{app_id_or_name}/domains", "domains"),
    Endpoint("Domains", "POST /apps/{app_id_or_name}/domains", "add_domain"),
    Endpoint("Domains", "GET /apps/{app_id_or_name}/domains/{domain_id}", "domain"),
    Endpoint("Domains", "PATCH /apps/{app_id_or_name}/domains/{domain_id}", "update_certificate"),
    Endpoint("Domains", "DELETE /apps/{app_id_or_name}/domains/{domain_id}", "remove_domain"),
    Endpoint("Domains", "DELETE /apps/{app_id_or_name}/domains", "remove_all_domains"),
    Endpoint("Dynos", "GET /apps/{app_id_or_name}/dynos/list", "dynos"),
    Endpoint("Dynos", "DELETE /apps/{app_id_or_name}/dynos", "restart_all"),
    Endpoint("Dynos", "DELETE /apps/{app_id_or_name}/dynos/{dyno}", "restart"),
    Endpoint("Dynos", "POST /apps/{app_id_or_name}/dynos/{dyno}/exec", "execute"),
    Endpoint("Namespaces", "GET /namespaces", "namespaces"),
    Endpoint("Namespaces", "POST /namespaces", "create_namespace"),
    Endpoint("Namespaces", "GET /namespaces/{namespace_id_or_name}", "namespace"),
    Endpoint("Namespaces", "DELETE /namespaces/{namespace_id_or_name}", "delete_namespace"),
    Endpoint("Pipelines", "GET /pipelines", "pipelines"),
    Endpoint("Pipelines", "GET /pipelines/{pipeline_id_or_name}", "pipeline"),
    Endpoint("Pipelines", "GET /pipelines/{pipeline_id_or_name}/apps", "pipeline_apps"),
    Endpoint("Environments", "GET /environments/{id}", "environment"),
    Endpoint("Environments", "PATCH /environments/{id}", "set_environment"),
    Endpoint("Environments", "DELETE /environments/{id}/{key}", "remove_from_environment"),
    Endpoint("Teams", "GET /teams", "teams"),
    Endpoint("Teams", "GET /teams/{id}", "team"),
    Endpoint("Identity", "GET /me", "me"),
    Endpoint("OIDC Login", "GET /oidc-login", "cluster_login"),
)


def contract_table() -> str:
    """The contract as a Markdown table; a column that says nothing yet is not shown."""
    columns = {
        "resource": [one.resource for one in ENDPOINTS],
        "endpoint": [f"`{one.asks}`" for one in ENDPOINTS],
        "client": [f"`Buildio.{one.method}`" for one in ENDPOINTS],
        "command": [one.command for one in ENDPOINTS],
        "guard": [one.guard for one in ENDPOINTS],
        "test": [one.test for one in ENDPOINTS],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [list(shown), ["---"] * len(shown), *zip(*shown.values(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
