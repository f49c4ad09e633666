"""Namespaces: listed, made, deleted once their name was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import section
from messages.kit.mrkdwn import code, escape, mention
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, field, modal, text_element, warning
from providers.buildio.api.models import Namespace
from providers.buildio.shared.blocks import COMMAND, button_row, fit_rows, join_facts, optional_button
from providers.buildio.shared.button_values import ResourceButton
from providers.buildio.shared.type_to_confirm import ConfirmationName, name_field, read_typed_name

NAMESPACE = "namespace"


class NamespaceOrigin(ViewMetadata):
    """Also which namespace, where that is known."""

    name: Annotated[str, Field(max_length=200)] = ""


class DeleteForm(ConfirmationName):
    """What was filled in: the namespace, where it was not known, and its name once more."""

    namespace: str = ""

    def problems(self, name: str) -> Mapping[str, str]:
        """What is wrong, by field; `name` is that of the namespace that was found."""
        if not name:
            return {NAMESPACE: "Which namespace?"}
        return super().problems(name)


def namespace_list(namespaces: Sequence[Namespace]) -> Message:
    """The namespaces, each with where it is."""
    make = button_row(optional_button("Create a namespace…", action_ids.BUILDIO_NAMESPACE_CREATE, "create"))
    if not namespaces:
        words = "There are no namespaces that you can see at Build.io."
        return Message(words, [section(words), *make])
    head = section(f"*{len(namespaces)} namespace{'s' if len(namespaces) != 1 else ''}*")
    rows = [[section(_line(one))] for one in namespaces]
    shown = fit_rows(rows, hint=f": `{COMMAND} namespace NAME` shows one.")
    return Message(
        escape(f"Namespaces: {', '.join(one.name for one in namespaces)}", 2000), [head, *shown, *make]
    )


def namespace_card(one: Namespace) -> Message:
    """One namespace, with the button that deletes it."""
    delete = optional_button(
        "Delete…", action_ids.BUILDIO_NAMESPACE_DELETE, ResourceButton.fitting(name=one.name), style="danger"
    )
    spoken = f"Namespace {one.name}. {one.description or ''}"
    return Message(escape(spoken, 900), [section(_line(one)), *button_row(delete)])


def namespace_created(one: Namespace, *, by: str) -> Message:
    """To the channel: somebody made a namespace."""
    text = f"{mention(by)} created the namespace {escape(one.name, 150)} at Build.io"
    return Message(text, [section(f"🆕 {text}")])


def namespace_deleted(name: str, *, by: str) -> Message:
    """To the channel: somebody deleted a namespace."""
    text = f"{mention(by)} deleted the namespace {escape(name, 150)} at Build.io"
    return Message(text, [section(f"🗑️ {text}")])


def delete_namespace_modal(*, origin: NamespaceOrigin, problem: str | None = None) -> Block:
    """The question before a namespace is deleted: its name is typed. Without one it is asked which."""
    if origin.name:
        which = [section(f"The namespace {code(origin.name, 200)} is deleted with all that is in it.")]
    else:
        which = [
            section("The namespace is deleted with all that is in it."),
            field(NAMESPACE, "Namespace", text_element(None, most=200), optional=False),
        ]
    return modal(
        "Delete a namespace",
        [
            *warning(problem),
            *which,
            name_field("Type its name" if origin.name else "Type its name once more"),
        ],
        callback_id=action_ids.BUILDIO_DELETE_NAMESPACE_MODAL,
        private_metadata=origin.encode(),
        submit="Delete",
        close="Keep it",
    )


def read_delete_namespace(values: Mapping[str, Any]) -> DeleteForm:
    """What was filled in. `values` is the view's state as Slack sends it."""
    namespace = FormValues(values).text(NAMESPACE).strip()
    return DeleteForm(typed=read_typed_name(values).typed, namespace=namespace)


def _line(one: Namespace) -> str:
    head = join_facts(
        f"*{escape(one.name, 150) or '…'}*",
        one.team and f"Team {escape(one.team, 100)}",
        one.region and f"Region {code(one.region, 60)}",
    )
    return f"{head}\n{escape(one.description, 300)}" if one.description else head
