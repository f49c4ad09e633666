"""Messages about namespaces."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Message
from messages.kit.blocks import button_row, section, text_message
from messages.kit.mrkdwn import code, escape, join_facts, mention
from providers.buildio import action_ids
from providers.buildio.api.models import Namespace
from providers.buildio.shared.blocks import COMMAND, fit_rows, optional_button, resource_list
from providers.buildio.shared.button_values import ResourceButton


def namespace_list(namespaces: Sequence[Namespace]) -> Message:
    """The namespaces, each with its team and region."""
    create = button_row(optional_button("Create a namespace…", action_ids.NAMESPACE_CREATE, "create"))
    rows = [[section(_line(namespace))] for namespace in namespaces]
    return resource_list(
        "namespace",
        [namespace.name for namespace in namespaces],
        fit_rows(rows, hint=f": `{COMMAND} namespace NAME` shows one."),
        empty="No namespaces that you can see at Build.io.",
        below=create,
    )


def namespace_card(namespace: Namespace) -> Message:
    """One namespace, with the button that deletes it."""
    delete = optional_button(
        "Delete…",
        action_ids.NAMESPACE_DELETE,
        ResourceButton.fitting(name=namespace.name),
        style="danger",
    )
    summary = f"Namespace {namespace.name}. {namespace.description or ''}"
    return Message(escape(summary, 900), [section(_line(namespace)), *button_row(delete)])


def namespace_created(namespace: Namespace, *, by: str) -> Message:
    """Channel message: a namespace was created."""
    return text_message(
        f"{mention(by)} created the Build.io namespace {escape(namespace.name, 150)}", symbol="🆕"
    )


def namespace_deleted(name: str, *, by: str) -> Message:
    """Channel message: a namespace was deleted."""
    return text_message(f"{mention(by)} deleted the Build.io namespace {escape(name, 150)}", symbol="🗑️")


def _line(namespace: Namespace) -> str:
    head = join_facts(
        f"*{escape(namespace.name, 150) or '…'}*",
        namespace.team and f"Team {escape(namespace.team, 100)}",
        namespace.region and f"Region {code(namespace.region, 60)}",
    )
    return f"{head}\n{escape(namespace.description, 300)}" if namespace.description else head
