"""Messages about the environments of pipelines."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from messages.kit.blocks import section, text_message
from messages.kit.mrkdwn import code, escape
from providers.buildio import action_ids
from providers.buildio.api.models import Environment
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.shared.blocks import COMMAND, fit_rows, optional_button


def environment_list(environments: Sequence[tuple[str, Environment]]) -> Message:
    """The environments of all pipelines, each with the name of its pipeline and a button for its config vars."""
    if not environments:
        return text_message("There are no environments in the pipelines that you can see at Build.io.")
    head = section(f"*{len(environments)} environment{'s' if len(environments) != 1 else ''} of pipelines*")
    rows = [
        [environment_row(environment, f"{escape(pipeline, 100)} · ")]
        for pipeline, environment in environments
    ]
    summary = ", ".join(f"{pipeline} {environment.name}" for pipeline, environment in environments)
    return Message(
        escape(f"Environments: {summary}", 2000),
        [head, *fit_rows(rows, hint=f": `{COMMAND} envs ID` shows one.")],
    )


def environment_row(environment: Environment, before: str) -> Block:
    """One environment with a button for its config vars; `before` is trusted markup."""
    value = ConfigVarOwner.of_environment(environment).value()
    show_config = optional_button("Config", action_ids.VARS, value, label=f"Config of {environment.name}")
    return section(
        f"{before}*{escape(environment.name, 100) or '…'}* · {code(environment.id, 80)}", show_config
    )
