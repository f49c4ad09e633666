"""The list of access rules and what they mean, and the form in which an admin adds one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.access_policy import (
    DEFAULT_MINUTES,
    AllowRule,
    ApprovalRule,
    Part,
    Permission,
    Principals,
    Verdict,
)
from domain.build import App, FrozenModel
from domain.message import Block, Message
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import (
    button,
    confirm,
    context,
    header,
    paragraphs,
    plain_text,
    row,
    section,
    text_message,
)
from messages.kit.button_values import PolicyButton
from messages.kit.mrkdwn import code, cut_markup, escape
from messages.kit.views import (
    FormValues,
    app_option,
    checkboxes,
    field,
    multi_search_select,
    option,
    pickable_options,
    radio_buttons,
    search_select,
    text_element,
)
from messages.provider_presentation import ProviderPresentation

KIND, ACTS, APP, CHANNEL = "kind", "acts", "app", "channel"
PROVIDERS, WHO, PEOPLE, GROUPS = "providers", "who", "people", "groups"
BRANCHES, WORKFLOWS, STAGES, MINUTES = "branches", "workflows", "stages", "minutes"
# The option that stands for all actions.
EVERYTHING = "everything"
MAX_RULES = 12
# A rule names at most this many; the number of the others is shown.
MAX_NAMED = 20
MAX_CLAUSES = 10
EVERYONE_LINKED = "anyone with a connected account"
# What a permission lets people do, as it follows "can".
_PHRASES = {
    Permission.ABORT: "abort builds",
    Permission.TRIGGER: "start builds",
    Permission.ARTIFACTS: "change artifacts",
    Permission.APPROVE: "approve fork builds",
    Permission.DEPLOY: "deploy",
    Permission.RESTART: "restart dynos",
    Permission.RUN: "run commands in dynos",
    Permission.CONFIG: "view and change config vars",
    Permission.DOMAINS: "change domains",
    Permission.CREATE: "create apps and namespaces",
    Permission.DELETE: "delete namespaces and all domains",
    Permission.LOGIN: "log in to clusters",
    Permission.SUBSCRIBE: "change subscriptions",
}
_KINDS = {
    "allow": ("Allow only these people", "The first matching rule decides"),
    "protect": ("Require approval", "A second person must approve, within a time limit"),
}
_WHO = {
    "everyone": "Anyone with a connected account",
    "chosen": "The people and groups below",
    "nobody": "No one",
}


@dataclass(frozen=True)
class RulePermissions:
    """The permissions that rules can grant at one provider."""

    presentation: ProviderPresentation
    permissions: Sequence[Permission]


class ShownRule(FrozenModel):
    """A rule with its people by name; only a rule with a `number` can be removed."""

    rule: AllowRule | ApprovalRule
    who: str
    app: str | None = None
    number: int | None = None


class FilledRule(FrozenModel):
    """The filled-in form, not yet checked. `everything`: the rule is about all actions."""

    kind: str = "allow"
    everything: bool = False
    acts: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    app: str | None = None
    app_title: str | None = None
    channel: str | None = None
    who: str = ""
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    minutes: str = str(DEFAULT_MINUTES)


def access_rule_list(
    app: App | None,
    provider: Provider,
    verdicts: Mapping[Permission, Verdict],
    names: Mapping[Principals, str],
    operators: Sequence[ShownRule],
    admins: Sequence[ShownRule],
    *,
    is_admin: bool,
    you: str,
) -> Message:
    """List who may do what at the provider in this channel, and the rules; `names` are those of the principals."""
    of = f" in {escape(app.title, 100)}" if app is not None else ""
    lines = [
        f"• {permission_name(permission)}: {describe_verdict(verdict, names)}"
        for permission, verdict in verdicts.items()
    ]
    blocks = [
        section(f"*Who can do what{of} at {provider.label} in this channel*"),
        *paragraphs(lines, max_blocks=10),
        *(context(note) for note in _notes(app, provider, verdicts.values())),
        context(escape(you, 1000)),
    ]
    if operators:
        blocks += [section("*Rules of whoever runs Buildbell*; admins can narrow them, not widen them")]
        blocks += paragraphs([_rule_line(rule) for rule in operators[:MAX_RULES]], max_blocks=4)
        blocks += _count_left_out(operators)
    if admins:
        blocks += [section("*Rules of this workspace*")]
        for rule in admins[:MAX_RULES]:
            question = confirm("Delete this rule?", "It stops applying immediately.", "Delete rule")
            number = str(rule.number)
            remove = button(
                "Delete", action_ids.POLICY_REMOVE, number, confirm=question, label=f"Delete rule {number}"
            )
            blocks.append(section(_rule_line(rule), remove if is_admin else None))
        blocks += _count_left_out(admins)
    if not operators and not admins:
        blocks.append(context(f"No rules yet. What {provider.label} allows people to do, they can do here."))
    if is_admin:
        about = PolicyButton(provider=provider, app=app.slug if app is not None else "")
        blocks.append(row(button("Add a rule…", action_ids.POLICY_ADD, about.encode())))
    else:
        blocks.append(context("Admins and owners of this workspace can add rules."))
    return Message(cut_markup("Who can do what: " + " ".join(lines), 2500), blocks)


def describe_verdict(verdict: Verdict, names: Mapping[Principals, str]) -> str:
    """Describe who may do something and who must approve it, as markup; `names` are those of the principals."""
    parts = [_describe_principals(verdict, names)]
    clauses = [_describe_approval(rule, names) for rule in dict.fromkeys(verdict.protections)]
    parts += clauses[:MAX_CLAUSES]
    if len(clauses) > MAX_CLAUSES:
        parts.append(f"requires approval by {len(clauses) - MAX_CLAUSES} more rules")
    parts += [f"_depends on the {part}_" for part in (Part.APP, Part.CHANNEL) if part in verdict.unknown]
    return "; ".join(parts)


def _describe_principals(verdict: Verdict, names: Mapping[Principals, str]) -> str:
    restrictions = [
        who
        for who in dict.fromkeys(requirement.who for requirement in verdict.requirements)
        if not who.everyone
    ]
    if verdict.off or any(who.nobody for who in restrictions):
        return "no one"
    if not restrictions:
        return EVERYONE_LINKED
    if len(restrictions) == 1:
        return f"only {escape(names[restrictions[0]], 500)}"
    groups = [f"[{escape(names[who], 300)}]" for who in restrictions[:MAX_CLAUSES]]
    left = len(restrictions) - len(groups)
    more = f" and {left} more" if left else ""
    return f"only people who are in each of {' '.join(groups)}{more}"


def _describe_approval(rule: ApprovalRule, names: Mapping[Principals, str]) -> str:
    what = _describe_scope(rule)
    approvers = escape(names[rule.who], 500)
    return f"requires approval by {approvers} within {_minutes(rule)}{what and f', if{what}'}"


def _notes(app: App | None, provider: Provider, verdicts: Iterable[Verdict]) -> list[str]:
    """Return the notes that explain the lines above them."""
    verdicts = list(verdicts)
    unknown = frozenset[Part]().union(*(verdict.unknown for verdict in verdicts))
    notes = []
    if Part.APP in unknown:
        more = f" `{provider.command} policy APP` shows one app." if app is None else ""
        notes.append(
            "Where it depends on the app, every rule that could match applies. All of them apply to actions without an"
            f" app.{more}"
        )
    if Part.CHANNEL in unknown:
        notes.append("Where it depends on the channel, every rule that could match applies.")
    if any(protection.is_conditional for verdict in verdicts for protection in verdict.protections):
        notes.append("Approval is also required if the branch, workflow or stage is unknown.")
    if any(len(verdict.protections) > 1 for verdict in verdicts):
        notes.append(
            "If several rules require approval, the approver must be named by all of them. The shortest time applies."
        )
    return notes


def _count_left_out(rules: Sequence[ShownRule]) -> list[Block]:
    left = len(rules) - MAX_RULES
    return [context(f"…and {left} more {'rule' if left == 1 else 'rules'}.")] if left > 0 else []


def permission_name(permission: Permission) -> str:
    """Return what the permission lets people do, as it follows "can"."""
    return _PHRASES[permission]


def access_rule_fields(
    filled: FilledRule, choices: Sequence[RulePermissions], provider: Provider
) -> list[Block]:
    """Render the fields of the form that adds a rule: its `choices` are those of all providers, in order.

    Its apps are those of the provider.
    """
    kinds = [option(text, value, description) for value, (text, description) in _KINDS.items()]
    who = [option(text, value) for value, text in _WHO.items()]
    app = None
    if filled.app:
        title = filled.app_title or filled.app
        app = app_option(App(provider=provider, slug=filled.app, title=title))
    return [
        # Fields that only one kind of rule has appear once that kind is picked.
        field(
            KIND,
            "Type",
            radio_buttons(kinds, filled.kind) | {"action_id": action_ids.POLICY_KIND},
            optional=False,
            dispatch=True,
        ),
        *_permission_fields(filled, choices),
        field(
            PROVIDERS,
            "Providers",
            checkboxes(
                [option(choice.presentation.label, choice.presentation.provider) for choice in choices],
                filled.providers,
            ),
            hint="Leave empty for all.",
        ),
        field(APP, f"{provider.label} app", search_select(action_ids.PICK_APP, "All apps", app)),
        field(
            CHANNEL,
            "Channel",
            {"type": "conversations_select", "placeholder": plain_text("All channels", 150)}
            | ({"initial_conversation": filled.channel} if filled.channel else {}),
        ),
        field(WHO, "Who", radio_buttons(who, filled.who), optional=False),
        field(
            PEOPLE,
            "People",
            {"type": "multi_users_select", "placeholder": plain_text("Select people", 150)}
            | ({"initial_users": list(filled.people)} if filled.people else {}),
        ),
        field(
            GROUPS,
            "User groups",
            multi_search_select(
                action_ids.PICK_GROUPS,
                "Select groups",
                pickable_options(filled.groups),
            ),
        ),
        *(_approval_fields(filled, choices) if filled.kind == "protect" else []),
    ]


def _approval_fields(filled: FilledRule, choices: Sequence[RulePermissions]) -> list[Block]:
    staged = [choice.presentation.label for choice in choices if choice.presentation.has_pipeline_stages]
    return [
        header("When approval is required"),
        field(
            BRANCHES,
            "Branches",
            text_element(" ".join(filled.branches), placeholder="main release/*", most=300),
            hint="Separate names with spaces; * stands for any text. Leave empty for all branches.",
        ),
        field(
            WORKFLOWS,
            "Workflows",
            text_element(" ".join(filled.workflows), placeholder="deploy", most=300),
        ),
        field(
            STAGES,
            "Stages",
            text_element(" ".join(filled.stages), placeholder="production", most=300),
            hint=f"Pipeline stages{' at ' if staged else ''}{' and '.join(staged)}. Leave empty for all stages.",
        ),
        field(
            MINUTES, "Request expires after (minutes)", text_element(filled.minutes, most=4), optional=False
        ),
    ]


def _permission_fields(filled: FilledRule, choices: Sequence[RulePermissions]) -> list[Block]:
    """Return a field for each provider, with the permissions that those before it do not have."""
    first, *others = choices
    known = list(first.permissions)
    fields = [
        field(
            ACTS,
            "Actions",
            checkboxes(
                [option("All actions", EVERYTHING), *_permission_options(known)],
                (EVERYTHING, *filled.acts) if filled.everything else filled.acts,
            ),
        )
    ]
    for choice in others:
        # Slack takes ten boxes in one field (Slack's rules, "Elements").
        new = [permission for permission in choice.permissions if permission not in known]
        known += new
        if new:
            fields.append(
                field(
                    f"{choice.presentation.provider}_{ACTS}",
                    f"Actions at {choice.presentation.label}",
                    checkboxes(_permission_options(new), filled.acts),
                    hint=choice.presentation.permissions_hint,
                )
            )
    return fields


def read_rule(values: FormValues) -> FilledRule:
    """Read the submitted form."""
    others = sorted(name for name in values.names if name.endswith(f"_{ACTS}"))
    acts = tuple(action for name in (ACTS, *others) for action in values.several(name))
    return FilledRule(
        kind=values.picked(KIND) or "allow",
        everything=EVERYTHING in acts,
        acts=tuple(action for action in acts if action != EVERYTHING),
        providers=tuple(values.several(PROVIDERS)),
        app=values.picked(APP),
        app_title=values.picked_words(APP),
        channel=values.conversation(CHANNEL),
        who=values.picked(WHO) or "",
        people=tuple(values.users(PEOPLE)),
        groups=tuple(values.several(GROUPS)),
        branches=_split_words(values.text(BRANCHES)),
        workflows=_split_words(values.text(WORKFLOWS)),
        stages=_split_words(values.text(STAGES)),
        minutes=values.text(MINUTES).strip() or str(DEFAULT_MINUTES),
    )


def user_group_options(typed: str, handles: Mapping[str, str]) -> list[Block]:
    """Return the options of user groups whose handle contains what was typed."""
    query = typed.strip().casefold().removeprefix("@")
    matches = sorted((handle, group) for group, handle in handles.items() if query in handle.casefold())
    return [option(handle, group) for handle, group in matches[:100]]


def rule_added(shown: ShownRule, command: str) -> Message:
    """Tell the channel that a new rule applies from now on; `command` is the slash command that lists all rules."""
    text = f"📜 New access rule: {_describe_rule(shown)}."
    return text_message(text, context(f"`{command} policy` lists all rules."))


def rule_removed(shown: ShownRule) -> Message:
    """Tell the channel that a rule was removed."""
    return text_message(f"📜 Access rule deleted: {_describe_rule(shown)}.")


def _rule_line(shown: ShownRule) -> str:
    number = f"{shown.number}. " if shown.number is not None else "• "
    return number + _describe_rule(shown)


def _describe_rule(shown: ShownRule) -> str:
    rule = shown.rule
    title = f" in {escape(shown.app, 100)}" if shown.app else _describe_globs(" in", rule.apps)
    at = (
        f" at {' and '.join(escape(provider.label, 100) for provider in rule.providers)}"
        if rule.providers
        else ""
    )
    where = title + at + "".join(f" in <#{channel}>" for channel in rule.channels[:MAX_NAMED])
    where += _and_more(rule.channels)
    if isinstance(rule, AllowRule):
        return f"{_describe_allowed(shown)} can {_describe_permissions(rule)}{where}"
    what = where + _describe_scope(rule)
    return (
        f"Approval by {escape(shown.who, 500)} within {_minutes(rule)} is required to"
        f" {_describe_permissions(rule)}{what}"
    )


def _describe_allowed(shown: ShownRule) -> str:
    if shown.rule.who.nobody:
        return "No one"
    if shown.rule.who.everyone:
        return _capitalize(EVERYONE_LINKED)
    return f"Only {escape(shown.who, 500)}"


def _minutes(rule: ApprovalRule) -> str:
    return f"{rule.minutes} minute{'s' if rule.minutes > 1 else ''}"


def _describe_permissions(rule: AllowRule | ApprovalRule) -> str:
    if not rule.permissions:
        return "do anything"
    phrases = [phrase for permission, phrase in _PHRASES.items() if permission in rule.permissions]
    return " or ".join(part for part in (", ".join(phrases[:-1]), phrases[-1]) if part)


def _capitalize(words: str) -> str:
    return words[:1].upper() + words[1:]


def _describe_scope(rule: ApprovalRule) -> str:
    return (
        _describe_globs(" on branch", rule.branches)
        + _describe_globs(" with workflow", rule.workflows)
        + _describe_globs(" in stage", rule.stages)
    )


def _describe_globs(words: str, globs: Sequence[str]) -> str:
    if not globs:
        return ""
    return f"{words} {' or '.join(code(glob, 200) for glob in globs[:MAX_NAMED])}{_and_more(globs)}"


def _and_more(things: Sequence[str]) -> str:
    left = len(things) - MAX_NAMED
    return f" or {left} more" if left > 0 else ""


def _split_words(typed: str) -> tuple[str, ...]:
    return tuple(typed.replace(",", " ").split())


def _permission_options(permissions: Iterable[Permission]) -> list[Block]:
    return [option(_capitalize(permission_name(permission)), permission.value) for permission in permissions]
