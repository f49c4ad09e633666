"""Messages and forms for namespaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from domain.message import Block, Message
from messages.kit.blocks import section
from messages.kit.mrkdwn import code, escape, mention
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, field, modal, text_element, warning
from providers.buildio import action_ids
from providers.buildio.api.models import Namespace
from providers.buildio.shared.blocks import COMMAND, button_row, fit_rows, join_facts, optional_button
from providers.buildio.shared.button_values import ResourceButton
from providers.buildio.shared.type_to_confirm import ConfirmationName, read_typed_name, typed_name

NAMESPACE = "namespace"


class NamespaceOrigin(ViewMetadata):
    """Metadata with the namespace, if it is known."""

    name: Annotated[str, Field(max_length=200)] = ""


class DeleteForm(ConfirmationName):
    """The input: the namespace, if it was not known, and its name again."""

    namespace: str = ""

    def problems(self, name: str) -> Mapping[str, str]:
        """Return errors by field; `name` is the name of the namespace that was found."""
        if not name:
            return {NAMESPACE: "Which namespace?"}
        return super().problems(name)


def namespace_list(namespaces: Sequence[Namespace]) -> Message:
    """The namespaces, each with its team and region."""
    create = button_row(optional_button("Create a namespace…", action_ids.NAMESPACE_CREATE, "create"))
    if not namespaces:
        text = "There are no namespaces that you can see at Build.io."
        return Message(text, [section(text), *create])
    head = section(f"*{len(namespaces)} namespace{'s' if len(namespaces) != 1 else ''}*")
    rows = [[section(_line(namespace))] for namespace in namespaces]
    shown = fit_rows(rows, hint=f": `{COMMAND} namespace NAME` shows one.")
    return Message(
        escape(f"Namespaces: {', '.join(namespace.name for namespace in namespaces)}", 2000),
        [head, *shown, *create],
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
    text = f"{mention(by)} created the namespace {escape(namespace.name, 150)} at Build.io"
    return Message(text, [section(f"🆕 {text}")])


def namespace_deleted(name: str, *, by: str) -> Message:
    """Channel message: a namespace was deleted."""
    text = f"{mention(by)} deleted the namespace {escape(name, 150)} at Build.io"
    return Message(text, [section(f"🗑️ {text}")])


def delete_namespace_modal(*, origin: NamespaceOrigin, problem: str | None = None) -> Block:
    """Build the confirmation before a namespace is deleted: its name must be typed.

    If none is known, the form asks for it.
    """
    if origin.name:
        intro = [section(f"The namespace {code(origin.name, 200)} is deleted with all that is in it.")]
    else:
        intro = [
            section("The namespace is deleted with all that is in it."),
            field(NAMESPACE, "Namespace", text_element(None, most=200), optional=False),
        ]
    return modal(
        "Delete a namespace",
        [
            *warning(problem),
            *intro,
            typed_name("Type its name" if origin.name else "Type its name once more"),
        ],
        callback_id=action_ids.DELETE_NAMESPACE_MODAL,
        private_metadata=origin.encode(),
        submit="Delete",
        close="Keep it",
    )


def read_delete_namespace(values: FormValues) -> DeleteForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    namespace = values.text(NAMESPACE).strip()
    return DeleteForm(typed=read_typed_name(values).typed, namespace=namespace)


def _line(namespace: Namespace) -> str:
    head = join_facts(
        f"*{escape(namespace.name, 150) or '…'}*",
        namespace.team and f"Team {escape(namespace.team, 100)}",
        namespace.region and f"Region {code(namespace.region, 60)}",
    )
    return f"{head}\n{escape(namespace.description, 300)}" if namespace.description else head
