"""The environments of pipelines, which have config vars of their own."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import section
from messages.kit.mrkdwn import code, escape
from providers.buildio.api.models import Environment
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.shared.blocks import COMMAND, fit_rows, optional_button


def environment_list(environments: Sequence[tuple[str, Environment]]) -> Message:
    """The environments of all pipelines, each with the name of its pipeline and a button for its config vars."""
    if not environments:
        words = "There are no environments in the pipelines that you can see at Build.io."
        return Message(words, [section(words)])
    head = section(f"*{len(environments)} environment{'s' if len(environments) != 1 else ''} of pipelines*")
    rows = [[environment_row(one, f"{escape(pipeline, 100)} · ")] for pipeline, one in environments]
    spoken = ", ".join(f"{pipeline} {one.name}" for pipeline, one in environments)
    return Message(
        escape(f"Environments: {spoken}", 2000),
        [head, *fit_rows(rows, hint=f": `{COMMAND} envs ID` shows one.")],
    )


def environment_row(one: Environment, before: str) -> Block:
    """One environment with the button for its config vars; `before` is markup of our own."""
    value = ConfigVarOwner.of_environment(one).value()
    look = optional_button("Config", action_ids.BUILDIO_VARS, value, label=f"Config of {one.name}")
    return section(f"{before}*{escape(one.name, 100) or '…'}* · {code(one.id, 80)}", look)
