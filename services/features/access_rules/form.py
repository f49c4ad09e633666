"""The form for a new access rule; its fields depend on the kind of rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.message import Block
from domain.provider import Provider
from messages import access_rules
from messages.access_rules import KIND, FilledRule, RulePermissions
from messages.kit import action_ids
from messages.kit.views import ViewMetadata
from services.features.access_rules import commands
from services.request.context import Reply, RequestContext
from services.request.forms import Form, open_in_time
from services.request.interactions import ViewAction, ViewActionHandler


@dataclass
class AddRuleForm(Form[ViewMetadata, FilledRule, Reply]):
    """Adds an access rule, and announces it in the channel."""

    callback_id = action_ids.POLICY_MODAL
    title = "Add a rule"
    error_field = KIND
    success = "✅ The rule counts from now on; the channel was told."
    is_refused_for_good = True
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
