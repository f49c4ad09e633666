"""Every renderer with untrusted text: a new renderer without a case here fails the first test."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import messages
import providers
from bot.providers_setup import SPECS
from domain import message
from domain.access_policy import (
    AccessRequest,
    AllowRule,
    ApprovalRule,
    Permission,
    Principals,
    Verdict,
    judge,
)
from domain.audit_chain import AuditEntry, Event, PersonalFields, link
from domain.build import App
from domain.build_diff import compare_builds
from domain.commands.shared_commands import ListBuilds, TriggerBuild
from domain.log.log_parser import ParsedLog, SearchHit, Step, StepResult
from domain.message import CardState, Message, RunNote
from domain.notifications.rule import BuildEvent, NotificationRule
from messages import (
    access_rules,
    accounts,
    apps,
    audit_log,
    build_card,
    home,
    notices,
    notification_reasons,
    notifications,
    pending_actions,
    pipeline_card,
    profile,
    profile_form,
    started_run,
    subscription_form,
    subscriptions,
)
from messages.access_rules import FilledRule, RulePermissions, ShownRule
from messages.accounts import ConnectedAccount
from messages.apps import PickedApp
from messages.home import HomeContent, PlacedSubscription
from messages.kit import views
from messages.kit.button_values import ArtifactButton, BuildButton, ListButton, LogButton, ProposalButton
from messages.kit.mrkdwn import replace_surrogates
from messages.notification_reasons import NotificationReason
from messages.pending_actions import approval_details
from messages.profile_form import ProfileForm
from messages.provider_presentation import ProviderPresentation
from messages.subscription_form import FilterTooLong, SubscriptionForm, SubscriptionOrigin
from messages.subscriptions import ProviderUnavailable, SubscriptionRow
from providers.bitrise import interactions as bitrise_interactions
from providers.bitrise.api.config import YmlValidation
from providers.bitrise.api.models import ArtifactLinks
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.builds import messages as build_messages
from providers.bitrise.builds import trigger_form
from providers.bitrise.builds.abort_form import AbortForm, AbortOrigin
from providers.bitrise.builds.find_form import BuildSearch, FindForm
from providers.bitrise.builds.trigger_form import StartForm, StartOrigin, TriggerForm
from providers.bitrise.config import messages as config_messages
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.buttons import LogSearchForm
from providers.bitrise.logs.messages import LogView
from providers.bitrise.provider import BITRISE
from providers.buildio import interactions as buildio_interactions
from providers.buildio.deploy_links import messages as deploy_link_messages
from providers.buildio.provider import BUILDIO
from services.request.forms import Form
from tests.providers.buildio import renderer_cases
from tests.support.commands import BITRISE_PARSER, BUILDIO_PARSER, PARSERS
from tests.support.drawn_forms import draw
from tests.support.examples import examples
from tests.support.factories import NOON
from tests.support.presentations import presentation_of
from tests.support.strategies import (
    APPS,
    BOOL,
    BUILDS,
    BY,
    CONTENTS,
    COUNT,
    FILTERS,
    LINES,
    NUMBER,
    ORIGIN,
    PIPELINES,
    REQUESTS,
    SLUG,
    TIME,
    USUAL,
)
from tests.support.untrusted_text import (
    OPTIONAL_UNTRUSTED_TEXT,
    UNTRUSTED_TEXT,
    assert_message,
    assert_mrkdwn,
    assert_options,
    assert_view,
)

# Functions that read submitted or pressed values; they render nothing.
READERS = {
    *(f"buildio.{name}" for name in renderer_cases.READERS),
    "artifacts_of_block",
    "log_of_block",
    "missing_places",
    "read_abort",
    "read_any_app",
    "read_provider",
    "read_deploy_button",
    "read_rule",
    "read_search",
    "read_start",
    "read_subscription",
    "read_token",
    "read_profile",
    "read_word",
}

TIES = st.lists(renderer_cases.TIES, max_size=7)
PROVIDER = st.sampled_from([BITRISE, BUILDIO])
PRESENTATION = PROVIDER.map(presentation_of)
CHOICES = [RulePermissions(spec.presentation, spec.permissions) for spec in SPECS]
NOW = st.just(NOON)
ADDRESS = OPTIONAL_UNTRUSTED_TEXT | st.just("https://app.bitrise.io/x?a=1&b=2")
CHANNEL = st.just("C1")
TERMS = st.builds(NotificationRule, filter=FILTERS)
PAIRS = st.lists(st.tuples(BUILDS, APPS), max_size=4)
TEXTS = st.lists(UNTRUSTED_TEXT, max_size=4)
STEPS = st.lists(
    st.builds(
        Step,
        number=st.integers(1, 300),
        title=UNTRUSTED_TEXT,
        result=st.sampled_from(StepResult),
        took=USUAL,
        error=OPTIONAL_UNTRUSTED_TEXT,
    ),
    max_size=4,
)
BUTTONS = st.builds(BuildButton.of, BUILDS, APPS)
LOG_BUTTONS = st.builds(LogButton, app=SLUG, build=SLUG)
LINKS = st.builds(
    ArtifactLinks,
    slug=SLUG,
    title=UNTRUSTED_TEXT,
    size=NUMBER,
    public_page=BOOL,
    download_url=ADDRESS,
    install_page_url=ADDRESS,
)
TRIGGERED_BUILD = st.builds(
    TriggeredBuild,
    number=NUMBER,
    url=ADDRESS,
    workflow=OPTIONAL_UNTRUSTED_TEXT,
    ok=BOOL,
    words=OPTIONAL_UNTRUSTED_TEXT,
)
TRIGGERED_BUILDS = st.lists(TRIGGERED_BUILD, min_size=1, max_size=3)
NOTES = st.builds(
    build_messages.start_note, APPS, TRIGGERED_BUILD, by=BY, like=st.none() | st.tuples(BUILDS, APPS)
)


def _run_started(note: RunNote) -> Message:
    """Render the first message about a run."""
    return started_run.run_started(note, [])


def _with_row(row: list[message.Block]) -> Message:
    """Return a message with these buttons."""
    return Message("below", row)


ROWS = st.lists(
    st.builds(
        SubscriptionRow,
        presentation=PRESENTATION,
        number=COUNT,
        app=APPS,
        terms=TERMS,
        created_by=BY,
        stopped=st.none() | UNTRUSTED_TEXT,
    ),
    max_size=3,
)
OUTAGES = st.lists(st.builds(ProviderUnavailable, PROVIDER, TIME, UNTRUSTED_TEXT), max_size=2)
ERRORS = st.builds(notices.error_message, UNTRUSTED_TEXT)
ACCOUNTS = st.none() | st.builds(ConnectedAccount, name=UNTRUSTED_TEXT, works=BOOL)
PROFILES = st.builds(ProfileForm, name=OPTIONAL_UNTRUSTED_TEXT, mention=BOOL, ends=BOOL)
FORMS = st.builds(
    StartForm.of,
    st.builds(
        TriggerBuild,
        branch=OPTIONAL_UNTRUSTED_TEXT,
        tag=OPTIONAL_UNTRUSTED_TEXT,
        commit=OPTIONAL_UNTRUSTED_TEXT,
        workflow=OPTIONAL_UNTRUSTED_TEXT,
        message=OPTIONAL_UNTRUSTED_TEXT,
        environments=st.lists(st.tuples(UNTRUSTED_TEXT, UNTRUSTED_TEXT), max_size=2).map(tuple),
    ),
)
VERDICTS = st.none() | st.builds(YmlValidation, errors=TEXTS.map(tuple), warnings=TEXTS.map(tuple))
HITS = st.lists(
    st.builds(SearchHit, line=st.integers(1, 99), step=OPTIONAL_UNTRUSTED_TEXT, text=UNTRUSTED_TEXT),
    max_size=3,
).map(tuple)
READINGS = st.builds(ParsedLog, hits=HITS, hit_count=COUNT, lines=COUNT, size=COUNT)
HOMES = st.builds(
    HomeContent,
    profile=PROFILES,
    account=ACCOUNTS,
    service_acts=BOOL,
    running=PAIRS,
    running_count=COUNT,
    mine=PAIRS,
    subscriptions=st.lists(
        st.builds(PlacedSubscription, ROWS.filter(bool).map(lambda rows: rows[0]), st.none() | CHANNEL),
        max_size=2,
    ),
    covers_all_apps=BOOL,
    outages=OUTAGES,
    providers=st.lists(PRESENTATION, min_size=1, max_size=2, unique=True),
    build_list=st.none() | PRESENTATION,
    other_accounts=st.lists(st.tuples(PROVIDER, ACCOUNTS), max_size=1),
)
GLOBS = st.lists(
    UNTRUSTED_TEXT.map(replace_surrogates).filter(lambda text: 0 < len(text) <= 200), max_size=3
).map(tuple)
RULES = st.builds(
    ShownRule,
    rule=st.builds(AllowRule, apps=GLOBS, channels=st.just(("C123",)), providers=st.just((BUILDIO,)))
    | st.builds(ApprovalRule, apps=GLOBS, branches=GLOBS, workflows=GLOBS, stages=GLOBS),
    who=UNTRUSTED_TEXT,
    app=OPTIONAL_UNTRUSTED_TEXT,
    number=st.none() | COUNT,
)
AUDIT_RECORDS = st.lists(
    st.builds(
        lambda seq, entry: link(entry, seq=seq, at=NOON, previous="", salt="s"),
        COUNT,
        st.builds(
            AuditEntry,
            event=st.sampled_from(Event),
            act=UNTRUSTED_TEXT.map(replace_surrogates),
            personal=st.builds(
                PersonalFields,
                person=BY,
                agreed_by=st.none() | BY,
                reason=st.none() | UNTRUSTED_TEXT.map(replace_surrogates),
            ),
            channel=CHANNEL,
            about=st.dictionaries(
                st.sampled_from(["label", "branch", "name"]), UNTRUSTED_TEXT.map(replace_surrogates)
            ),
            answer=UNTRUSTED_TEXT.map(replace_surrogates),
        ),
    ),
    max_size=3,
)
PRINCIPALS = st.builds(
    Principals, people=st.sampled_from([("U0ANNA",), ("U0BEN", "U0ANNA"), ()]), groups=st.just(("S0TEAM",))
)
ACCESS_VERDICTS = st.dictionaries(
    st.sampled_from(Permission),
    st.lists(
        st.builds(AllowRule, who=PRINCIPALS, apps=GLOBS)
        | st.builds(ApprovalRule, who=PRINCIPALS, apps=GLOBS, branches=GLOBS),
        max_size=8,
    ),
    min_size=1,
    max_size=9,
).map(
    lambda rules: {
        permission: judge(rule_list, rule_list, AccessRequest(permission=permission, provider=BITRISE))
        for permission, rule_list in rules.items()
    }
)
RULE_FORMS = st.builds(
    FilledRule,
    kind=st.sampled_from(["allow", "protect"]),
    acts=st.just(("abort",)),
    app=st.none() | SLUG,
    app_title=OPTIONAL_UNTRUSTED_TEXT,
    channel=st.none() | CHANNEL,
    people=st.just(("U0ASKER",)),
    groups=GLOBS.map(lambda globs: tuple(glob for glob in globs if views.is_pickable(glob))),
    branches=GLOBS,
    workflows=GLOBS,
    stages=GLOBS,
    providers=st.just(("buildio",)),
    minutes=st.just("60"),
)
REASONS = st.lists(
    st.builds(
        NotificationReason,
        number=COUNT,
        app=APPS,
        terms=TERMS,
        presentation=PRESENTATION,
        notified=BOOL,
        text=UNTRUSTED_TEXT,
    ),
    max_size=3,
)
SIGN_IN = st.none() | st.just("https://bell.example.com/buildio/connect?state=abc")


def _subscription_modal(
    app: App | None, terms: NotificationRule, presentation: ProviderPresentation, problem: str | None
) -> dict[str, Any] | None:
    with suppress(FilterTooLong):
        origin = SubscriptionOrigin(channel="C1", number=1)
        return subscription_form.subscription_modal(
            app, SubscriptionForm.of(terms), presentation, origin=origin, problem=problem
        )
    return None


def _access_rule_list(verdicts: Mapping[Permission, Verdict], name: str, **more: Any) -> Message:
    named = {
        who: name
        for verdict in verdicts.values()
        for who in (*verdict.approvers, *(requirement.who for requirement in verdict.requirements))
    }
    return access_rules.access_rule_list(more.pop("app"), more.pop("provider"), verdicts, named, **more)


def _with_fields(fields: list[message.Block]) -> message.Block:
    return views.modal("Form", fields, submit="Send")


# Each renderer with all arguments that it can have.
RENDERED: Mapping[str, st.SearchStrategy[Any]] = {
    "account_title": st.builds(accounts.account_title, PROVIDER),
    "build_aborted": st.builds(
        build_messages.build_aborted,
        BUILDS,
        APPS,
        by=BY,
        order=st.builds(AbortRequest, reason=OPTIONAL_UNTRUSTED_TEXT, with_success=BOOL),
    ),
    "any_app_options": st.builds(
        apps.any_app_options, UNTRUSTED_TEXT | st.just(""), st.lists(APPS, max_size=4)
    ).map(lambda rendered: rendered.get("option_groups") or rendered["options"]),
    "app_list": st.builds(
        apps.app_list,
        st.lists(APPS, max_size=4),
        presentation=PRESENTATION,
        total=COUNT,
        page=st.integers(1, 9),
        size=st.just(20),
    ),
    "app_options": st.builds(apps.app_options, UNTRUSTED_TEXT | st.just(""), st.lists(APPS, max_size=4)),
    "artifact_link": st.builds(
        artifact_messages.artifact_link,
        LINKS,
        st.just(ArtifactButton(app="a", build="b", artifact="c")),
        may_act=BOOL,
    ),
    "artifact_links": st.builds(artifact_messages.artifact_links, BUILDS, APPS, st.lists(LINKS, max_size=3)),
    "artifacts": st.builds(
        artifact_messages.artifacts, BUILDS, APPS, LINES.map(lambda lines: lines[:5]), total=COUNT
    ),
    "audit_list": st.builds(audit_log.audit_list, AUDIT_RECORDS, where=UNTRUSTED_TEXT),
    "add_connect_button": st.builds(
        notices.add_connect_button,
        st.just(notices.error_message("Nothing is here.")),
        st.just("Type `/bitrise connect` to connect your account."),
        PROVIDER,
    ),
    "join_messages": st.builds(
        notices.join_messages,
        st.lists(st.builds(apps.app_chosen, APPS, by=BY), min_size=1, max_size=3),
    ),
    "build_card": st.builds(
        build_card.build_card,
        BUILDS,
        APPS,
        presentation=PRESENTATION,
        now=NOW,
        usual_duration=USUAL,
        deploy_links=TIES,
    ),
    "build_list": st.builds(
        build_card.build_list,
        APPS,
        st.lists(BUILDS, max_size=3),
        presentation=PRESENTATION,
        command=st.builds(ListBuilds, filter=FILTERS),
        older=st.none() | st.builds(ListButton, words=UNTRUSTED_TEXT, start=SLUG),
        now=NOW,
    ),
    "build_log": st.builds(
        log_messages.build_log,
        BUILDS,
        APPS,
        st.builds(
            LogView,
            steps=STEPS,
            end=UNTRUSTED_TEXT,
            of=OPTIONAL_UNTRUSTED_TEXT,
            complete=BOOL,
            still_growing=BOOL,
            whole_url=ADDRESS,
            size=COUNT,
            ai_summary=OPTIONAL_UNTRUSTED_TEXT,
        ),
    ),
    "buildable_options": st.builds(
        trigger_form.buildable_options, UNTRUSTED_TEXT | st.just(""), TEXTS, TEXTS
    ),
    "subscription_changed": st.builds(
        subscriptions.subscription_changed, st.none() | APPS, TERMS, TERMS, PRESENTATION, by=BY
    ),
    "choose_app_fields": st.builds(
        apps.choose_app_fields,
        st.none() | st.builds(PickedApp, slug=SLUG, title=UNTRUSTED_TEXT),
        PROVIDER,
    ).map(_with_fields),
    "build_comparison": st.builds(
        lambda app, build, success, now, then: build_messages.build_comparison(
            app, compare_builds(app, build, success, steps=now, success_steps=then)
        ),
        APPS,
        BUILDS,
        BUILDS,
        STEPS,
        STEPS,
    ),
    "connect_prompt": st.builds(accounts.connect_prompt, st.just("Connect your account first."), PROVIDER),
    "connect_modal": st.builds(
        accounts.connect_modal,
        PRESENTATION,
        origin=ORIGIN,
        current=ACCOUNTS,
        problem=OPTIONAL_UNTRUSTED_TEXT,
        sign_in=SIGN_IN,
    ),
    # It returns a sentence, like errors do, and is escaped where it is shown.
    "account_connected": st.builds(accounts.account_connected, UNTRUSTED_TEXT, PROVIDER).map(
        lambda said: notices.notice_modal("Connected", said)
    ),
    "account_disconnected": st.builds(accounts.account_disconnected, OPTIONAL_UNTRUSTED_TEXT, PROVIDER),
    "flood_digest": st.builds(
        notifications.flood_digest, st.lists(CONTENTS, min_size=1, max_size=3), limit=COUNT
    ),
    "followed_log": st.builds(
        log_messages.followed_log, BUILDS, APPS, UNTRUSTED_TEXT, until=TIME, ended=BOOL
    ),
    "open_form_prompt": st.builds(
        notices.open_form_prompt, st.just("Ready."), st.just("Open"), st.just("a"), st.just("{}")
    ),
    "build_digest": st.builds(
        notifications.build_digest, st.lists(CONTENTS, min_size=1, max_size=3), title=st.just("They finished")
    ),
    "user_group_options": st.builds(
        access_rules.user_group_options,
        st.just(""),
        st.dictionaries(st.just("S1"), UNTRUSTED_TEXT, max_size=1),
    ),
    "help_message": st.builds(
        notices.help_message,
        st.none()
        | st.sampled_from([entry.name for entry in (*BITRISE_PARSER.catalogue, *BUILDIO_PARSER.catalogue)])
        | UNTRUSTED_TEXT,
        st.sampled_from(PARSERS),
    ),
    "render_closed_home": st.builds(home.render_closed_home, UNTRUSTED_TEXT.filter(str.strip), now=NOW),
    "render_home": st.builds(home.render_home, HOMES, now=NOW),
    "log_hits": st.builds(
        log_messages.log_hits, BUILDS, APPS, UNTRUSTED_TEXT, READINGS, complete=BOOL, still_growing=BOOL
    ),
    "log_shared": st.builds(log_messages.log_shared, BUILDS, APPS, by=BY),
    "profile_card": st.builds(
        profile.profile_card,
        provider=PROVIDER,
        name=OPTIONAL_UNTRUSTED_TEXT,
        email=OPTIONAL_UNTRUSTED_TEXT,
        mention=BOOL,
        ends=BOOL,
    ),
    "own_builds": st.builds(
        profile.own_builds,
        PAIRS,
        presentation=PRESENTATION,
        name=OPTIONAL_UNTRUSTED_TEXT,
        looked_at=COUNT,
        now=NOW,
    ),
    "no_log": st.builds(log_messages.no_log, BUILDS, APPS, now=NOW),
    "no_successful_build": st.builds(build_messages.no_successful_build, BUILDS, APPS),
    "notice_modal": st.builds(
        notices.notice_modal, st.just("Buildbell"), UNTRUSTED_TEXT.map("It is {}.".format)
    ),
    "in_progress": st.builds(notices.in_progress),
    "name_options": st.builds(subscription_form.name_options, UNTRUSTED_TEXT | st.just(""), TEXTS),
    "scheduled_digest": st.builds(
        notifications.scheduled_digest, st.lists(CONTENTS, min_size=1, max_size=3), TERMS
    ),
    "delayed_digest": st.builds(notifications.delayed_digest, st.lists(CONTENTS, min_size=1, max_size=3)),
    "outage_digest": st.builds(notifications.outage_digest, st.lists(CONTENTS, min_size=1, max_size=3)),
    "page_changed": st.builds(artifact_messages.page_changed, LINKS, BUILDS, APPS, by=BY),
    "subscription_paused": st.builds(
        subscriptions.subscription_paused, st.none() | APPS, TERMS, PRESENTATION, by=BY
    ),
    "pipeline_aborted": st.builds(
        pipeline_card.pipeline_aborted, PIPELINES, APPS, by=BY, reason=OPTIONAL_UNTRUSTED_TEXT
    ),
    "pipeline_card": st.builds(
        pipeline_card.pipeline_card, PIPELINES, APPS, now=NOW, presentation=st.none() | PRESENTATION
    ),
    "pipeline_list": st.builds(pipeline_card.pipeline_list, st.lists(PIPELINES, max_size=2), APPS, now=NOW),
    "pipeline_rebuilt": st.builds(
        pipeline_card.pipeline_rebuilt, PIPELINES, APPS, by=BY, failed_only=BOOL
    ).map(_run_started),
    "pipeline_run_row": st.builds(
        pipeline_card.pipeline_run_row,
        APPS,
        SLUG,
        name=OPTIONAL_UNTRUSTED_TEXT,
        number=st.none() | COUNT,
        url=ADDRESS,
    ).map(_with_row),
    "access_rule_list": st.builds(
        _access_rule_list,
        ACCESS_VERDICTS,
        UNTRUSTED_TEXT,
        app=st.none() | APPS,
        provider=PROVIDER,
        operators=st.lists(RULES, max_size=14),
        admins=st.lists(RULES, max_size=14),
        is_admin=BOOL,
        you=UNTRUSTED_TEXT.map("You: {}".format),
    ),
    "access_rule_fields": st.builds(
        access_rules.access_rule_fields, RULE_FORMS, st.just(CHOICES), PROVIDER
    ).map(_with_fields),
    "subscription_preview": st.builds(
        notification_reasons.subscription_preview,
        APPS,
        TERMS,
        PRESENTATION,
        notified=st.lists(BUILDS, max_size=3),
        not_notified=st.lists(st.tuples(BUILDS, UNTRUSTED_TEXT), max_size=3),
    ),
    "error_message": st.builds(
        notices.error_message, UNTRUSTED_TEXT.map("Unknown command {}. `/bitrise help` lists them.".format)
    ),
    "approval_request": st.builds(
        pending_actions.approval_request,
        UNTRUSTED_TEXT,
        by=BY,
        who=TEXTS,
        until=NOW,
        value=st.just(ProposalButton(id="0" * 32, seal="0" * 32)),
        themselves=BOOL,
        details=st.lists(st.tuples(UNTRUSTED_TEXT, UNTRUSTED_TEXT), max_size=4)
        .map(approval_details)
        .filter(lambda rendered: rendered is not None),
    ),
    "approved_action_interrupted": st.builds(
        pending_actions.approved_action_interrupted,
        UNTRUSTED_TEXT,
        by=BY,
        at=PROVIDER.map(lambda at: at.label),
    ),
    "approval_decided": st.builds(
        pending_actions.approval_decided, UNTRUSTED_TEXT, by=BY, decided_by=BY, agreed=BOOL
    ),
    "approval_declined": st.builds(
        pending_actions.approval_declined,
        UNTRUSTED_TEXT,
        decided_by=BY,
        channel=CHANNEL,
        reason=OPTIONAL_UNTRUSTED_TEXT,
    ),
    "approval_timed_out": st.builds(
        pending_actions.approval_timed_out, UNTRUSTED_TEXT, channel=CHANNEL, reason=OPTIONAL_UNTRUSTED_TEXT
    ),
    "approval_request_expired": st.builds(pending_actions.approval_request_expired, UNTRUSTED_TEXT, by=BY),
    "approved_action_failed": st.builds(
        pending_actions.approved_action_failed, UNTRUSTED_TEXT, by=BY, decided_by=BY, problem=UNTRUSTED_TEXT
    ),
    "approval_request_unreadable": st.builds(pending_actions.approval_request_unreadable, was_agreed=BOOL),
    "approval_requested": st.builds(
        pending_actions.approval_requested, UNTRUSTED_TEXT, channel=CHANNEL, until=NOW
    ),
    "qr_comment": st.builds(artifact_messages.qr_comment, LINKS, BUILDS, APPS),
    "request_card": st.builds(build_request_messages.request_card, REQUESTS, APPS),
    "request_decided": st.builds(
        build_request_messages.request_decided, REQUESTS, APPS, approved=BOOL, by=BY
    ),
    "request_gone": st.builds(build_request_messages.request_gone, REQUESTS, APPS),
    "request_list": st.builds(build_request_messages.request_list, st.lists(REQUESTS, max_size=3), APPS),
    "subscription_resumed": st.builds(
        subscriptions.subscription_resumed, st.none() | APPS, TERMS, PRESENTATION, by=BY
    ),
    "run_started": NOTES.map(_run_started),
    "run_no_longer_updated": st.builds(started_run.run_no_longer_updated, NOTES, st.just("{by} has left")),
    "run_row": st.builds(build_messages.run_row, APPS, SLUG, TRIGGERED_BUILD).map(_with_row),
    "builds_not_started": st.builds(build_messages.builds_not_started, APPS, TRIGGERED_BUILDS),
    "combine_messages": st.lists(NOTES.map(_run_started), min_size=1, max_size=3).map(
        build_messages.combine_messages
    ),
    "start_note": NOTES.map(_run_started),
    "add_notice": st.builds(
        started_run.add_notice,
        st.builds(notifications.build_notification, CONTENTS, now=NOW),
        st.just("Notice."),
    ),
    "add_starter": st.builds(
        started_run.add_starter, st.builds(notifications.build_notification, CONTENTS, now=NOW), NOTES
    ),
    "rule_added": st.builds(access_rules.rule_added, RULES, PROVIDER.map(lambda at: at.command)),
    "rule_removed": st.builds(access_rules.rule_removed, RULES),
    "sent_as_direct_message": st.builds(notices.sent_as_direct_message, st.just("Sent to your DMs.")),
    "streak_card": st.builds(
        notifications.streak_card,
        st.lists(CONTENTS, min_size=1, max_size=3),
        st.builds(CardState, claimed_by=st.none() | BY, snoozed_until=TIME),
        now=NOW,
    ),
    "profile_fields": st.builds(profile_form.profile_fields, PROFILES, PROVIDER).map(_with_fields),
    "shown_in_modal": st.builds(views.shown_in_modal, st.just("Log"), ERRORS),
    "app_status": st.builds(
        build_card.app_status,
        APPS,
        presentation=PRESENTATION,
        running=st.lists(BUILDS, max_size=3),
        last_by_branch=st.lists(BUILDS, max_size=3),
        now=NOW,
    ),
    "step_line": STEPS.filter(bool).map(lambda steps: log_messages.step_line(steps[0])),
    "subscriptions_stopped": st.builds(
        subscriptions.subscriptions_stopped,
        CHANNEL,
        UNTRUSTED_TEXT,
        st.lists(st.tuples(APPS, TERMS), max_size=3),
        st.just(presentation_of),
    ),
    "subscription_added": st.builds(subscriptions.subscription_added, APPS, TERMS, PRESENTATION, by=BY),
    "subscription_exists": st.builds(subscriptions.subscription_exists, ROWS.filter(bool).map(itemgetter(0))),
    "subscription_modal": st.builds(
        _subscription_modal, st.none() | APPS, TERMS, PRESENTATION, OPTIONAL_UNTRUSTED_TEXT
    ),
    "subscription_list": st.builds(
        subscriptions.subscription_list,
        ROWS,
        PROVIDER,
        outages=OUTAGES,
        deploy_links=TIES.map(deploy_link_messages.list_below_subscriptions),
    ),
    "outdated_notification": st.builds(
        notifications.outdated_notification, CONTENTS, st.sampled_from(BuildEvent)
    ),
    "thread_head": st.builds(notifications.thread_head, CONTENTS),
    "build_notification": st.builds(notifications.build_notification, CONTENTS, now=NOW),
    "pipeline_notification": st.builds(
        pipeline_card.pipeline_notification, PIPELINES, st.lists(CONTENTS, min_size=1, max_size=2), now=NOW
    ),
    "token_refused": st.builds(accounts.token_refused, UNTRUSTED_TEXT, PROVIDER),
    "access_lost": st.builds(
        subscriptions.access_lost, ROWS.filter(bool), by=BY, why=UNTRUSTED_TEXT, provider=PROVIDER
    ),
    "subscriptions_resumed": st.builds(subscriptions.subscriptions_resumed, ROWS, by=BY),
    "unsubscribe_question": st.builds(subscriptions.unsubscribe_question, ROWS.filter(bool)),
    "disconnect_question": st.builds(
        accounts.disconnect_question, UNTRUSTED_TEXT, PROVIDER, st.dictionaries(CHANNEL, COUNT, max_size=3)
    ),
    "subscription_ended": st.builds(subscriptions.subscription_ended, st.none() | APPS, COUNT, by=BY),
    "app_chosen": st.builds(apps.app_chosen, APPS, by=BY),
    "whoami": st.builds(
        accounts.whoami,
        ACCOUNTS,
        PROVIDER,
        service=OPTIONAL_UNTRUSTED_TEXT,
        service_acts=BOOL,
        service_reads=BOOL,
        can_link=BOOL,
    ),
    "explain_notifications": st.builds(
        notification_reasons.explain_notifications, BUILDS, APPS, REASONS, started_by=st.just("") | BY
    ),
    "end_notification_set": st.builds(profile.end_notification_set, BUILDS, APPS),
    "yml_comment": st.builds(config_messages.yml_comment, APPS, st.none() | BUILDS, VERDICTS),
    "yml_message": st.builds(config_messages.yml_message, APPS, st.none() | BUILDS, VERDICTS),
} | {f"buildio.{name}": strategy for name, strategy in renderer_cases.RENDERED.items()}
DRAWN: Mapping[type[Form[Any, Any, Any]], st.SearchStrategy[Any]] = {
    **renderer_cases.DRAWN,
    AbortForm: draw(
        AbortForm,
        st.builds(AbortOrigin, button=BUTTONS, channel=st.just("C1")),
        st.builds(AbortRequest, reason=OPTIONAL_UNTRUSTED_TEXT, with_success=BOOL),
    ),
    FindForm: draw(
        FindForm,
        ORIGIN,
        st.builds(BuildSearch, app=st.none() | SLUG, title=OPTIONAL_UNTRUSTED_TEXT, words=UNTRUSTED_TEXT),
    ),
    LogSearchForm: draw(LogSearchForm, LOG_BUTTONS, UNTRUSTED_TEXT),
    TriggerForm: draw(
        TriggerForm,
        st.builds(StartOrigin, channel=st.just("C1"), rows=st.sampled_from([(), (1,), (2, 5)])),
        FORMS,
        app=st.none() | APPS,
        is_remembered=BOOL,
    ),
}
CASES = {**RENDERED, **{form_class.__name__: case for form_class, case in DRAWN.items()}}


# Parts of other renderers, never shown by themselves.
PIECES = {
    "any_app_option",
    "build_row",
    "buildio.array_blocks",
    "buildio.environment_row",
    "buildio.restart_all_button",
    "buildio.list_below_subscriptions",
    "buildio.deploy_link_rows",
    "card_row",
    "connect_account_button",
    "buildio.typed_name",
    "failure_blocks",
    "subscription_buttons",
    "deploy_row",
    "open_button",
    "streak_row",
}


RENDERING = re.compile(
    r"messages\.\w+|providers\.\w+\..*(messages|forms?|create|login|lookup|teams|type_to_confirm)"
)


def renderers() -> dict[str, Callable[..., Any]]:
    """Return every public function of the rendering modules by name; names of Build.io's begin with `buildio.`."""
    functions: dict[str, Callable[..., Any]] = {"shown_in_modal": views.shown_in_modal}
    for package in (messages, providers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.ispkg or not RENDERING.fullmatch(module.name):
                continue
            for name, function in vars(importlib.import_module(module.name)).items():
                if (
                    inspect.isfunction(function)
                    and not inspect.iscoroutinefunction(function)
                    and function.__module__ == module.name
                    and not name.startswith("_")
                ):
                    functions[f"buildio.{name}" if "buildio" in module.name else name] = function
    return functions


def test_every_renderer_has_a_case_and_only_readers_and_parts_have_none() -> None:
    functions = renderers()
    assert set(functions) >= set(RENDERED) | READERS | PIECES
    forms = {*bitrise_interactions.INTERACTIONS.forms, *buildio_interactions.INTERACTIONS.forms}
    assert {form.callback_id for form in DRAWN} == forms
    for name in READERS:
        returned = get_type_hints(functions[name])["return"]
        bare = name.removeprefix("buildio.")
        assert bare.startswith(("read_", "picked_", "missing_")) or bare.endswith("_of_block"), name
        assert returned not in (Message, message.Block), name
    for name in set(functions) - set(RENDERED) - READERS - PIECES:
        returned = get_type_hints(functions[name])["return"]
        assert "dict" not in str(returned), f"{name} has no case"
        assert returned is not Message, f"{name} has no case"


@examples(6)
@pytest.mark.parametrize("name", sorted(CASES))
@given(data=st.data())
def test_untrusted_text_never_becomes_markup_or_a_mention(name: str, data: st.DataObject) -> None:
    rendered = data.draw(CASES[name])
    match rendered:
        case Message():
            assert_message(rendered)
        case str():
            assert_mrkdwn(rendered)
            assert len(rendered) <= 4000
        case list():
            if rendered:
                assert_options(rendered)
        case dict():
            assert_view(rendered, home=rendered["type"] == "home")
        case _:
            assert name == "subscription_modal"
