"""Any untrusted text: Slack accepts the message, and the text is never markup or a mention."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import App, Build, BuildRequest
from domain.build_diff import compare_builds
from domain.build_filter import BuildFilter
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import ListBuilds, TriggerBuild
from domain.log.log_parser import ParsedLog, SearchHit, Step, StepResult
from domain.message import CardState, Message
from domain.notifications.rule import NotificationRule
from domain.pipeline import Pipeline
from messages import apps as message_apps
from messages import (
    build_card,
    home,
    notices,
    notification_reasons,
    notifications,
    pipeline_card,
    profile,
    started_run,
    subscription_form,
    subscriptions,
)
from messages.accounts import ConnectedAccount
from messages.apps import PickedApp
from messages.home import HomeContent, PlacedSubscription
from messages.kit.button_values import ArtifactButton, BuildButton, ListButton, LogButton
from messages.kit.mrkdwn import block_of_code, cut_markup, escape, format_duration, link, plain, size, when
from messages.notification_reasons import NotificationReason
from messages.notifications import NotificationContent
from messages.profile_form import ProfileForm
from messages.subscription_form import FilterTooLong, SubscriptionForm, SubscriptionOrigin
from messages.subscriptions import ProviderUnavailable, SubscriptionRow
from providers.bitrise.api.config import YmlValidation
from providers.bitrise.api.models import Artifact, ArtifactLinks
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.builds import messages, trigger_form
from providers.bitrise.builds.abort_form import AbortForm, AbortOrigin
from providers.bitrise.builds.find_form import BuildSearch, FindForm
from providers.bitrise.builds.trigger_form import StartForm, StartOrigin, TriggerForm
from providers.bitrise.config import messages as config_messages
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.buttons import LogSearchForm
from providers.bitrise.logs.messages import LogView
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from services.features.apps import ChooseAppForm
from services.features.profile.form import EditProfileForm
from tests.support.commands import BITRISE_PARSER, PARSERS
from tests.support.drawn_forms import NO_REQUEST
from tests.support.examples import examples
from tests.support.factories import ANDROID, NOON, make_build
from tests.support.presentations import AT_BITRISE, AT_BUILDIO, presentation_of
from tests.support.strategies import (
    APPS,
    BUILDS,
    CONTENTS,
    FILTERS,
    LINES,
    NUMBER,
    PIPELINES,
    REQUESTS,
    RUNS,
    SLUG,
    TIME,
    USUAL,
    make_content,
)
from tests.support.untrusted_text import (
    OPTIONAL_UNTRUSTED_TEXT,
    UNTRUSTED_TEXT,
    assert_message,
    assert_options,
    assert_view,
)

# Each of these examples consists of some hundred texts.
large = examples(12)


@given(RUNS, APPS, USUAL)
def test_a_build_card(build: Build, app: App, usual: timedelta | None) -> None:
    assert_message(
        build_card.build_card(
            build, app, presentation=presentation_of(build.provider), now=NOON, usual_duration=usual
        )
    )


@large
@given(st.lists(st.tuples(RUNS, APPS), min_size=2, max_size=20))
def test_a_digest_contains_every_build(builds: list[tuple[Build, App]]) -> None:
    contents = [make_content(build, app) for build, app in builds]
    message = notifications.build_digest(contents, title="They ended")
    assert_message(message)
    shown = json.dumps(message.blocks)
    assert all(build.slug in shown for build, _ in builds)


@large
@given(APPS, st.lists(BUILDS, max_size=12), st.lists(BUILDS, max_size=30))
def test_a_status(app: App, running: list[Build], last: list[Build]) -> None:
    assert_message(
        build_card.app_status(app, presentation=AT_BITRISE, running=running, last_by_branch=last, now=NOON)
    )


@large
@given(APPS, st.lists(BUILDS, max_size=10), FILTERS, st.none() | SLUG)
def test_a_list_of_builds(
    app: App, builds: list[Build], build_filter: BuildFilter, start: str | None
) -> None:
    command = ListBuilds(filter=build_filter)
    line = BITRISE_PARSER.format_line(command.model_copy(update={"app": app.slug}))
    older = ListButton(words=line, start=start) if start is not None else None
    assert_message(
        build_card.build_list(app, builds, presentation=AT_BITRISE, command=command, older=older, now=NOON)
    )


@given(st.lists(APPS, max_size=20))
def test_apps(apps: list[App]) -> None:
    assert_message(message_apps.app_list(apps, presentation=AT_BITRISE, total=50, page=2, size=20))


@large
@given(BUILDS, APPS, LINES)
def test_artifacts(build: Build, app: App, lines: list[Artifact]) -> None:
    assert_message(artifact_messages.artifacts(build, app, lines, total=len(lines) + 3))


@given(UNTRUSTED_TEXT, OPTIONAL_UNTRUSTED_TEXT, OPTIONAL_UNTRUSTED_TEXT)
def test_an_artifacts_link(title: str, download: str | None, page: str | None) -> None:
    for public in (True, False):
        artifact = ArtifactLinks(
            slug="a", title=title, size=9, public_page=public, download_url=download, install_page_url=page
        )
        value = ArtifactButton(app="a", build="b", artifact="c")
        assert_message(artifact_messages.artifact_link(artifact, value, may_act=True))
        assert_message(artifact_messages.artifact_links(make_build(1), ANDROID, [artifact] * 10))
        assert_message(artifact_messages.page_changed(artifact, make_build(1), ANDROID, by="U0ASKER"))
        assert "<!" not in artifact_messages.qr_comment(artifact, make_build(1), ANDROID)


@large
@given(BUILDS, APPS, UNTRUSTED_TEXT, st.booleans())
def test_a_log(build: Build, app: App, text: str, growing: bool) -> None:
    steps = [
        Step(number=number, title=text or "x", result=result, took=timedelta(seconds=number), error=text)
        for number, result in enumerate([*StepResult] * 20, 1)
    ]
    view = LogView(
        steps=steps, end=text, of=text, complete=not growing, still_growing=growing, ai_summary=text, size=9
    )
    assert_message(log_messages.build_log(build, app, view))
    hits = (SearchHit(line=9, step=text, text=text),) * 15
    reading = ParsedLog(steps=(), end=(), of=None, hits=hits, hit_count=99, lines=1000, size=9)
    assert_message(
        log_messages.log_hits(build, app, text, reading, complete=not growing, still_growing=growing)
    )
    assert_message(log_messages.followed_log(build, app, text, until=NOON, ended=growing))
    value = LogButton(app=build.app_slug, build=build.slug)
    assert_view(LogSearchForm(NO_REQUEST, value, text).render(text))


@given(
    BUILDS,
    APPS,
    OPTIONAL_UNTRUSTED_TEXT,
    st.lists(
        st.builds(TriggeredBuild, number=NUMBER, ok=st.booleans(), words=OPTIONAL_UNTRUSTED_TEXT), min_size=1
    ),
)
def test_the_messages_about_aborted_and_started_builds(
    build: Build, app: App, words: str | None, started: list[TriggeredBuild]
) -> None:
    assert_message(
        messages.build_aborted(build, app, by="U0ASKER", order=AbortRequest(reason=words, with_success=True))
    )
    for build_started in started:
        note = messages.start_note(app, build_started, by="U0ASKER", like=(build, app))
        message = started_run.run_started(note, messages.run_row(app, "a-build", build_started))
        assert_message(message)
        assert_message(started_run.add_starter(message, note))
        command = TriggerBuild(branch="main", commit="0d5b3c")
        sentence = messages.start_note(app, build_started, by="U0ASKER", command=command).said
        assert "on branch `main` at commit `0d5b3c`" in sentence
    assert_message(messages.builds_not_started(app, started))


@large
@given(APPS, FILTERS, st.none() | st.sampled_from(["is_archived", "channel_not_found", "<!here>"]))
def test_subscriptions(app: App, build_filter: BuildFilter, stopped: str | None) -> None:
    rows = [
        SubscriptionRow(
            number=n,
            app=app,
            terms=NotificationRule(filter=build_filter),
            created_by="U0ASKER",
            presentation=AT_BITRISE,
            stopped=stopped,
        )
        for n in range(45)
    ]
    assert_message(subscriptions.subscription_list(rows, BITRISE))
    assert_message(
        subscriptions.subscription_added(app, NotificationRule(filter=build_filter), AT_BITRISE, by="U0ASKER")
    )
    assert_message(subscriptions.subscription_ended(app, 2, by="U0ASKER"))
    assert_message(message_apps.app_chosen(app, by="U0ASKER"))


@large
@given(CONTENTS, st.builds(CardState, claimed_by=st.none() | st.just("U0ASKER"), snoozed_until=TIME))
def test_a_notification_a_streak_card_and_a_thread_head(
    content: NotificationContent, note: CardState
) -> None:
    assert_message(notifications.build_notification(content, now=NOON))
    assert_message(notifications.streak_card([content], note, now=NOON))
    assert_message(notifications.thread_head(content))


@large
@given(st.lists(CONTENTS, min_size=1, max_size=20))
def test_digests_of_many_builds(contents: list[NotificationContent]) -> None:
    assert_message(notifications.outage_digest(contents))
    assert_message(notifications.flood_digest(contents, limit=60))


@large
@given(APPS, FILTERS, BUILDS, UNTRUSTED_TEXT)
def test_explanations(app: App, build_filter: BuildFilter, build: Build, text: str) -> None:
    terms = NotificationRule(filter=build_filter)
    reasons = [
        NotificationReason(
            number=number,
            app=app,
            terms=terms,
            presentation=AT_BITRISE,
            notified=False,
            text=f"because {text}",
        )
        for number in range(9)
    ]
    assert_message(notification_reasons.explain_notifications(build, app, reasons))
    assert_message(
        notification_reasons.subscription_preview(
            app, terms, AT_BITRISE, notified=[build] * 30, not_notified=[(build, f"x {text}")] * 9
        )
    )
    assert_message(subscriptions.subscription_changed(app, terms, terms, AT_BITRISE, by="U0ASKER"))
    assert_message(
        subscriptions.subscriptions_stopped("C1", "is_archived", [(app, terms)] * 20, presentation_of)
    )
    assert_message(
        profile.own_builds([(build, app)] * 30, presentation=AT_BITRISE, name=text, looked_at=200, now=NOON)
    )
    with suppress(FilterTooLong):
        filled = SubscriptionForm.of(terms)
        for number in (0, 1):
            origin = SubscriptionOrigin(channel="C1", number=number)
            assert_view(
                subscription_form.subscription_modal(app, filled, AT_BITRISE, origin=origin, problem=text)
            )


@given(
    APPS,
    st.builds(
        TriggerBuild,
        branch=OPTIONAL_UNTRUSTED_TEXT,
        tag=OPTIONAL_UNTRUSTED_TEXT,
        commit=OPTIONAL_UNTRUSTED_TEXT,
        workflow=OPTIONAL_UNTRUSTED_TEXT,
        message=OPTIONAL_UNTRUSTED_TEXT,
    ),
    st.lists(st.tuples(UNTRUSTED_TEXT, UNTRUSTED_TEXT), max_size=20),
    UNTRUSTED_TEXT,
)
def test_the_modals_for_builds_and_subscriptions(
    app: App, command: TriggerBuild, variables: list[tuple[str, str]], text: str
) -> None:
    form = StartForm.of(command.model_copy(update={"environments": tuple(variables)}))
    origin = StartOrigin(channel="C1", app=app.slug, rows=tuple(form.variables))
    trigger = TriggerForm(NO_REQUEST, origin, form, app)
    assert_view(trigger.render(text))
    assert_view(trigger.render_progress())
    assert_view(trigger.render_refusal(text))
    search = BuildSearch(app=app.slug, title=app.title, words=text)
    assert_view(FindForm(NO_REQUEST, origin, search).render(text))
    assert_view(ChooseAppForm(NO_REQUEST, origin, PickedApp(slug=app.slug, title=text)).render(text))
    assert_view(EditProfileForm(NO_REQUEST, origin, ProfileForm(name=text, ends=True)).render(text))
    assert_options(message_apps.app_options("", [app]))
    assert_options(trigger_form.buildable_options(text, [text, "primary"], [text]))


@large
@given(
    st.lists(st.tuples(BUILDS, APPS), max_size=12),
    st.lists(FILTERS, max_size=17),
    APPS,
    OPTIONAL_UNTRUSTED_TEXT,
    UNTRUSTED_TEXT,
)
def test_a_home(
    builds: list[tuple[Build, App]], filters: list[BuildFilter], app: App, name: str | None, text: str
) -> None:
    rows = [
        SubscriptionRow(n, app, NotificationRule(filter=build_filter), "U0ASKER", AT_BITRISE, text)
        for n, build_filter in enumerate(filters)
    ]
    content = HomeContent(
        profile=ProfileForm(name=name, ends=True),
        account=ConnectedAccount(name=text, works=False),
        service_acts=True,
        running=builds,
        running_count=40,
        mine=builds,
        usual_durations={build.slug: timedelta(minutes=5) for build, _ in builds},
        subscriptions=[PlacedSubscription(row, "C1" if row.number else None) for row in rows],
        outages=[ProviderUnavailable(BUILDIO, NOON, text)],
        providers=[AT_BITRISE, AT_BUILDIO],
        build_list=AT_BITRISE,
        other_accounts=[(BUILDIO, ConnectedAccount(name=text))],
    )
    view = home.render_home(content, now=NOON)
    assert_view(view, home=True)


@large
@given(PIPELINES, APPS, st.lists(CONTENTS, min_size=1, max_size=4), OPTIONAL_UNTRUSTED_TEXT)
def test_a_pipeline(
    pipeline: Pipeline, app: App, contents: list[NotificationContent], text: str | None
) -> None:
    assert_message(pipeline_card.pipeline_card(pipeline, app, now=NOON, presentation=AT_BITRISE))
    assert_message(pipeline_card.pipeline_notification(pipeline, contents, now=NOON))
    assert_message(pipeline_card.pipeline_list([pipeline] * 10, app, now=NOON))
    assert_message(pipeline_card.pipeline_aborted(pipeline, app, by="U0ASKER", reason=text))
    note = pipeline_card.pipeline_rebuilt(pipeline, app, by="U0ASKER", failed_only=True)
    message = pipeline_card.pipeline_notification(pipeline, contents, now=NOON)
    assert_message(started_run.add_starter(message, note))


@given(REQUESTS, APPS)
def test_build_requests_that_wait_for_approval(build_request: BuildRequest, app: App) -> None:
    assert_message(build_request_messages.request_card(build_request, app))
    assert_message(build_request_messages.request_decided(build_request, app, approved=True, by="U0ASKER"))
    assert_message(build_request_messages.request_gone(build_request, app))
    assert_message(build_request_messages.request_list([build_request] * 12, app))


@given(APPS, BUILDS, BUILDS, UNTRUSTED_TEXT)
def test_a_comparison(app: App, build: Build, success: Build, text: str) -> None:
    then = [
        Step(number=1, title=f"{n} {text}", result=StepResult.SUCCEEDED, took=timedelta(seconds=n))
        for n in range(30)
    ]
    now = [step.model_copy(update={"result": StepResult.FAILED, "error": text}) for step in then[:20]]
    comparison = compare_builds(app, build, success, steps=now, success_steps=then)
    assert_message(messages.build_comparison(app, comparison))
    assert_message(messages.no_successful_build(build, app))
    verdict = YmlValidation(errors=(text,) * 20, warnings=(text,))
    assert_message(config_messages.yml_message(app, build, verdict))
    assert_message(Message(config_messages.yml_comment(app, None, None)))


@given(UNTRUSTED_TEXT)
def test_an_error_message(words: str) -> None:
    assert_message(notices.error_message(f"I don't know {words}. `/bitrise help` lists them."))


@pytest.mark.parametrize(
    ("parser", "topic"),
    [(parser, topic) for parser in PARSERS for topic in (None, *(entry.name for entry in parser.catalogue))],
)
def test_help(parser: CommandParser, topic: str | None) -> None:
    message = notices.help_message(topic, parser)
    assert_message(message)
    shown = json.dumps(message.blocks, ensure_ascii=False)
    assert "more_" not in shown
    assert parser.provider.command in shown
    for entry in parser.catalogue if topic is None else ():
        assert entry.summary in shown


@given(BUILDS, APPS, OPTIONAL_UNTRUSTED_TEXT, OPTIONAL_UNTRUSTED_TEXT)
def test_the_abort_modal(build: Build, app: App, reason: str | None, problem: str | None) -> None:
    button = BuildButton.of(build, app)
    origin = AbortOrigin(button=button, response_url="https://hooks.slack.com/" + "x" * 200)
    form = AbortForm(NO_REQUEST, origin, AbortRequest(reason=reason, with_success=True))
    assert_view(form.render(problem))
    assert_view(form.render_progress())
    assert_view(form.render_result(None) or {})
    assert_view(form.render_refusal(problem or "x"))


@given(UNTRUSTED_TEXT, st.integers(20, 500))
def test_escaped_text_keeps_its_size_and_is_never_markup(text: str, most: int) -> None:
    escaped = escape(text, most)
    assert len(escaped) <= most
    assert not set(escaped) & set("<>`")
    assert len(plain(text, most)) <= most


@given(UNTRUSTED_TEXT, st.integers(50, 3000))
def test_a_block_of_code_keeps_its_size_and_shows_the_end(text: str, most: int) -> None:
    block = block_of_code(text, most)
    assert len(block) <= most
    assert block.count("```") == 2
    if len(text) > most and text.isalpha():
        assert block.endswith(f"{text[-5:]}\n```")


@given(OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT)
def test_a_link_has_one_address_and_one_label(url: str | None, label: str) -> None:
    linked = link(url, label)
    assert linked.count("<") <= 1
    assert linked.count("|") <= 1


def test_text_that_looks_like_markup_is_shown_as_typed() -> None:
    assert escape("<!channel> &lt;!here&gt; a & b") == "&lt;!channel&gt; &amp;lt;!here&amp;gt; a &amp; b"


def test_invisible_reversing_and_stacked_characters_are_removed() -> None:
    assert plain("a\u202eb\u200bc\x1b[0m\ud83dd", 99) == "a b c [0m d"
    assert plain("e\u0301\u0301\u0301\u0301\u0301\u0301", 99) == "e\u0301\u0301\u0301\u0301"
    assert plain("Zażółć gęślą jaźń, 👩‍💻", 99) == "Zażółć gęślą jaźń, 👩 💻"


def test_an_unsafe_address_is_encoded_or_not_linked() -> None:
    assert link("https://a.example/?x=1&y=2", "b") == "<https://a.example/?x=1&y=2|b>"
    assert link("https://a.example/?x=1&lt;y", "b") == "<https://a.example/?x=1&amp;lt;y|b>"
    assert link("https://a.example/ä b>|c", "b") == "<https://a.example/%C3%A4%20b%3E%7Cc|b>"
    assert link("javascript:alert(1)", "b") == "b"


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("a &lt; b", 99, "a &lt; b"),
        ("a &lt; b", 7, "a &lt;…"),
        ("a &lt; b", 6, "a…"),
        ("a &lt; b", 4, "a…"),
        ("a <https://b|c> d", 12, "a…"),
        ("a <https://b|c> d", 16, "a <https://b|c>…"),
    ],
)
def test_markup_is_not_cut_in_half(text: str, most: int, shown: str) -> None:
    assert cut_markup(text, most) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-0.6, "0s"),
        (0, "0s"),
        (59.6, "1m"),
        (61, "1m 1s"),
        (3600, "1h"),
        (3725, "1h 2m"),
        (90_000, "1 day 1h"),
        (259_200, "3 days"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == words


def test_sizes_and_times_in_words() -> None:
    assert [size(n) for n in (0, 999, 1000, 4_200_000, 3 * 10**12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "4.2 MB",
        "3000.0 GB",
    ]
    assert (
        when(NOON)
        == f"<!date^{int(NOON.timestamp())}^{{date_short_pretty}} at {{time}}|2026-11-21 12:00 UTC>"
    )
