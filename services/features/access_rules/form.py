"""The form for a new access rule, whose fields depend on the kind of rule, and the buttons of the list of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.message import Block
from domain.provider import Provider
from messages import access_rules
from messages.access_rules import KIND, FilledRule, RulePermissions
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue, PolicyButton
from messages.kit.views import ViewMetadata
from services.features.access_rules import commands
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.forms import Form, open_in_time
from services.request.interactions import ViewAction, ViewActionHandler


@dataclass
class AddRuleForm(Form[ViewMetadata, FilledRule, Reply]):
    """Adds an access rule, and announces it in the channel."""

    callback_id = action_ids.POLICY_MODAL
    title = "Add a rule"
    error_field = KIND
    success = "✅ Rule added."
    is_refusal_final = True
    read_origin = ViewMetadata.read
    read_input = staticmethod(access_rules.read_rule)

    def render(self, problem: str | None = None) -> Block:
        """Draw the fields of the selected kind of rule, with the input."""
        registry = self.context.services.registry
        choices = [RulePermissions(spec.presentation, spec.permissions) for spec in registry]
        fields = access_rules.access_rule_fields(self.filled, choices, self.origin.provider)
        return self.draw(*fields, submit="Add", problem=problem)

    async def submit(self) -> Reply:
        """Add the rule. Raises PermissionDenied, RuleProblem."""
        return await commands.add(self.filled, self.context, self.origin.provider)


async def open_add_rule(context: RequestContext, provider: Provider, slug: str = "") -> None:
    """Open the form for a new rule, about the app with this slug.

    Raises PermissionDenied, ProviderError, SlackCallFailed.
    """
    await commands.check_admin(context)

    async def load() -> AddRuleForm:
        app = await context.visible_apps(provider).require(slug) if slug else None
        rule = FilledRule(app=app.slug, app_title=app.title) if app is not None else FilledRule()
        return AddRuleForm(context, ViewMetadata(channel=context.channel, provider=provider), rule)

    await open_in_time(load(), context, AddRuleForm.title)


async def select_kind(action: ViewAction) -> None:
    """Show the fields of the selected kind of rule, with the input so far. Raises SlackCallFailed."""
    origin, rule = ViewMetadata.read(action.view.private_metadata), access_rules.read_rule(action.view.values)
    form = AddRuleForm(action.context, origin, rule)
    await action.context.update_view(action.view.id, form.render())


VIEW_ACTIONS: Mapping[str, ViewActionHandler] = {action_ids.POLICY_KIND: select_kind}


async def _add_rule(press: ButtonPress) -> None:
    about = PolicyButton.decode(press.value)
    await open_add_rule(press.context, about.provider, about.app)


async def _remove_rule(press: ButtonPress) -> Reply:
    if not press.value.isdecimal() or len(press.value) > 15:
        raise InvalidButtonValue
    return await commands.remove(int(press.value), press.context)


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.POLICY_REMOVE: _remove_rule}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.POLICY_ADD: _add_rule}
