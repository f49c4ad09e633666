"""Every renderer, fed with text from outside: a new one that is not fed here fails the first test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import messages
from bot.audit import Entry, Event, Personal, link
from bot.bitrise import AbortOrder, ArtifactLinks, Started, YmlVerdict
from bot.build import App
from bot.commands import BITRISE, BUILDIO, GRAMMARS, ListBuilds, TriggerBuild
from bot.comparing import compare_builds
from bot.log_reader import Hit, LogReading, Step, StepResult
from bot.messages import Message
from bot.messages.proposals import details_of_proposal
from bot.messages.text import whole
from bot.policy import Allow, Permission, Protect, Question, Verdict, Who, judge
from bot.provider import Provider
from bot.terms import Happening, Terms
from tests.builds import NOON
from tests.examples import examples
from tests.messages import buildio_rendered
from tests.messages.outside import MAYBE, TEXT, assert_message, assert_mrkdwn, assert_options, assert_view
from tests.messages.test_limits import (
    APPS,
    BUILDS,
    FILTERS,
    LINES,
    NUMBER,
    PIPELINES,
    REQUESTS,
    SLUG,
    TELLINGS,
    TIME,
    USUAL,
)

# What reads what people have filled in or pressed shows nothing.
READERS = {
    *(f"buildio.{name}" for name in buildio_rendered.READERS),
    "artifacts_of_block",
    "log_of_block",
    "missing_places",
    "picked_app",
    "read_abort",
    "read_any_app",
    "read_provider",
    "read_offer",
    "read_picked",
    "read_rule",
    "read_sought",
    "read_start",
    "read_subscription",
    "read_token",
    "read_wishes",
    "read_word",
}

BY = st.just("U0ASKER")
TIES = st.lists(buildio_rendered.TIES, max_size=7)
PROVIDER = st.sampled_from([Provider.BITRISE, Provider.BUILDIO])
NOW = st.just(NOON)
BOOL = st.booleans()
COUNT = st.integers(0, 10**6)
ADDRESS = MAYBE | st.just("https://app.bitrise.io/x?a=1&b=2")
PEOPLE = st.just("C1")
TERMS = st.builds(Terms, filter=FILTERS)
PAIRS = st.lists(st.tuples(BUILDS, APPS), max_size=4)
SEVERAL = st.lists(TEXT, max_size=4)
STEPS = st.lists(
    st.builds(
        Step,
        number=st.integers(1, 300),
        title=TEXT,
        result=st.sampled_from(StepResult),
        took=USUAL,
        error=MAYBE,
    ),
    max_size=4,
)
BUTTONS = st.builds(messages.BuildButton.of, BUILDS, APPS)
LOG_BUTTONS = st.builds(messages.LogButton, app=SLUG, build=SLUG)
LINKS = st.builds(
    ArtifactLinks,
    slug=SLUG,
    title=TEXT,
    size=NUMBER,
    public_page=BOOL,
    download_url=ADDRESS,
    install_page_url=ADDRESS,
)
ONE_STARTED = st.builds(Started, number=NUMBER, url=ADDRESS, workflow=MAYBE, ok=BOOL, words=MAYBE)
STARTED = st.lists(ONE_STARTED, min_size=1, max_size=3)
NOTES = st.builds(messages.start_note, APPS, ONE_STARTED, by=BY, like=st.none() | st.tuples(BUILDS, APPS))


def _begun(note: messages.RunNote) -> Message:
    """What is said of a run at first."""
    return messages.run_begun(note, [])


def _with_row(row: list[messages.message.Block]) -> Message:
    """A message with what can be pressed below it."""
    return Message("below", row)


ROWS = st.lists(
    st.builds(
        messages.SubscriptionRow,
        provider=PROVIDER,
        number=COUNT,
        app=APPS,
        terms=TERMS,
        created_by=BY,
        stopped=st.none() | TEXT,
    ),
    max_size=3,
)
BLIND = st.lists(st.builds(messages.Blind, PROVIDER, TIME, TEXT), max_size=2)
SAID = st.builds(messages.problem, TEXT)
LINKED = st.none() | st.builds(messages.Linked, name=TEXT, works=BOOL)
WISHES = st.builds(messages.Wishes, name=MAYBE, mention=BOOL, ends=BOOL)
FORMS = st.builds(
    messages.StartForm.of,
    st.builds(
        TriggerBuild,
        branch=MAYBE,
        tag=MAYBE,
        commit=MAYBE,
        workflow=MAYBE,
        message=MAYBE,
        environments=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    ),
)
VERDICTS = st.none() | st.builds(YmlVerdict, errors=SEVERAL.map(tuple), warnings=SEVERAL.map(tuple))
HITS = st.lists(st.builds(Hit, line=st.integers(1, 99), step=MAYBE, text=TEXT), max_size=3).map(tuple)
READINGS = st.builds(LogReading, hits=HITS, hit_count=COUNT, lines=COUNT, size=COUNT)
HOMES = st.builds(
    messages.HomeContent,
    wishes=WISHES,
    account=LINKED,
    service_acts=BOOL,
    running=PAIRS,
    running_count=COUNT,
    mine=PAIRS,
    subscriptions=st.lists(
        st.builds(
            messages.PlacedSubscription, ROWS.filter(bool).map(lambda rows: rows[0]), st.none() | PEOPLE
        ),
        max_size=2,
    ),
    whole=BOOL,
    blind=BLIND,
    providers=st.lists(PROVIDER, min_size=1, max_size=2, unique=True),
    elsewhere=st.lists(st.tuples(PROVIDER, LINKED), max_size=1),
)
GLOBS = st.lists(TEXT.map(whole).filter(lambda text: 0 < len(text) <= 200), max_size=3).map(tuple)
RULES = st.builds(
    messages.ShownRule,
    rule=st.builds(Allow, apps=GLOBS, channels=st.just(("C123",)), providers=st.just((Provider.BUILDIO,)))
    | st.builds(Protect, apps=GLOBS, branches=GLOBS, workflows=GLOBS, stages=GLOBS),
    who=TEXT,
    app=MAYBE,
    number=st.none() | COUNT,
)
LINKS_OF_THE_LOG = st.lists(
    st.builds(
        lambda seq, entry: link(entry, seq=seq, at=NOON, previous="", salt="s"),
        COUNT,
        st.builds(
            Entry,
            event=st.sampled_from(Event),
            act=TEXT.map(whole),
            personal=st.builds(
                Personal, person=BY, agreed_by=st.none() | BY, reason=st.none() | TEXT.map(whole)
            ),
            channel=PEOPLE,
            about=st.dictionaries(st.sampled_from(["label", "branch", "name"]), TEXT.map(whole)),
            answer=TEXT.map(whole),
        ),
    ),
    max_size=3,
)
SOME = st.builds(
    Who, people=st.sampled_from([("U0ANNA",), ("U0BEN", "U0ANNA"), ()]), groups=st.just(("S0TEAM",))
)
VERDICTS_ON_ACTS = st.dictionaries(
    st.sampled_from(Permission),
    st.lists(
        st.builds(Allow, who=SOME, apps=GLOBS) | st.builds(Protect, who=SOME, apps=GLOBS, branches=GLOBS),
        max_size=8,
    ),
    min_size=1,
    max_size=9,
).map(lambda rules: {one: judge(said, said, Question(permission=one)) for one, said in rules.items()})
RULE_FORMS = st.builds(
    messages.FilledRule,
    kind=st.sampled_from(["allow", "protect"]),
    acts=st.just(("abort",)),
    app=st.none() | SLUG,
    app_title=MAYBE,
    channel=st.none() | PEOPLE,
    people=st.just(("U0ASKER",)),
    groups=GLOBS.map(lambda globs: tuple(one for one in globs if messages.modals.pickable(one))),
    branches=GLOBS,
    workflows=GLOBS,
    stages=GLOBS,
    providers=st.just(("buildio",)),
    minutes=st.just("60"),
)
REASONS = st.lists(
    st.builds(messages.Reason, number=COUNT, app=APPS, terms=TERMS, told=BOOL, said=TEXT), max_size=3
)
ORIGIN = st.just(messages.Origin(channel="C1"))
SIGN_IN = st.none() | st.just("https://bell.example.com/buildio/connect?state=abc")


def _of_terms(app: App | None, terms: Terms, problem: str | None) -> dict[str, Any] | None:
    with suppress(messages.TooLongForAModal):
        origin = messages.SubscriptionOrigin(channel="C1", number=1)
        return messages.subscription_modal(app, messages.Filled.of(terms), origin=origin, problem=problem)
    return None


def _of_form(app: App | None, form: messages.StartForm, problem: str | None) -> dict[str, Any]:
    origin = messages.StartOrigin(channel="C1", rows=tuple(form.variables))
    return messages.start_modal(form, app, origin=origin, problem=problem, remembered=True)


def _of_verdicts(verdicts: Mapping[Permission, Verdict], name: str, **more: Any) -> Message:
    named = {
        who: name
        for one in verdicts.values()
        for who in (*one.agreeing, *(it.who for it in one.requirements))
    }
    return messages.policy(more.pop("app"), more.pop("provider"), verdicts, named, **more)


# Each renderer with all that it can be given.
RENDERED: Mapping[str, st.SearchStrategy[Any]] = {
    "account_title": st.builds(messages.account_title, PROVIDER),
    "abort_done": st.builds(messages.abort_done, BUTTONS),
    "abort_modal": st.builds(
        messages.abort_modal,
        BUTTONS,
        private_metadata=st.just("{}"),
        order=st.none() | st.builds(AbortOrder, reason=MAYBE),
        problem=MAYBE,
    ),
    "aborted": st.builds(
        messages.aborted, BUILDS, APPS, by=BY, order=st.builds(AbortOrder, reason=MAYBE, with_success=BOOL)
    ),
    "aborting": st.builds(messages.aborting, BUTTONS),
    "any_app_options": st.builds(
        messages.any_app_options, TEXT | st.just(""), st.lists(APPS, max_size=4)
    ).map(lambda made: made.get("option_groups") or made["options"]),
    "app_list": st.builds(
        messages.app_list,
        st.lists(APPS, max_size=4),
        total=COUNT,
        page=st.integers(1, 9),
        size=st.just(20),
    ),
    "app_options": st.builds(messages.app_options, TEXT | st.just(""), st.lists(APPS, max_size=4)),
    "artifact_link": st.builds(
        messages.artifact_link,
        LINKS,
        st.just(messages.ArtifactButton(app="a", build="b", artifact="c")),
        may_act=BOOL,
    ),
    "artifact_links": st.builds(messages.artifact_links, BUILDS, APPS, st.lists(LINKS, max_size=3)),
    "artifacts": st.builds(messages.artifacts, BUILDS, APPS, LINES.map(lambda lines: lines[:5]), total=COUNT),
    "audit": st.builds(messages.audit, LINKS_OF_THE_LOG, where=TEXT),
    "with_connect_button": st.builds(
        messages.with_connect_button,
        st.just(messages.problem("Nothing is here.")),
        st.just("Type `/bitrise connect` to link your account."),
        PROVIDER,
    ),
    "below_each_other": st.builds(
        messages.below_each_other,
        st.lists(st.builds(messages.using_app, APPS, by=BY), min_size=1, max_size=3),
    ),
    "build_card": st.builds(messages.build_card, BUILDS, APPS, now=NOW, usual=USUAL, ties=TIES),
    "build_list": st.builds(
        messages.build_list,
        APPS,
        st.lists(BUILDS, max_size=3),
        ask=st.builds(ListBuilds, filter=FILTERS),
        next=st.none() | SLUG,
        now=NOW,
    ),
    "build_log": st.builds(
        messages.build_log,
        BUILDS,
        APPS,
        st.builds(
            messages.LogView,
            steps=STEPS,
            end=TEXT,
            of=MAYBE,
            complete=BOOL,
            still_growing=BOOL,
            whole_url=ADDRESS,
            size=COUNT,
            ai_summary=MAYBE,
        ),
    ),
    "buildable_options": st.builds(messages.buildable_options, TEXT | st.just(""), SEVERAL, SEVERAL),
    "changed": st.builds(messages.changed, st.none() | APPS, TERMS, TERMS, by=BY),
    "choose_app_modal": st.builds(messages.choose_app_modal, origin=ORIGIN, problem=MAYBE),
    "compared": st.builds(
        lambda app, build, success, now, then: messages.compared(
            app, compare_builds(app, build, success, steps=now, success_steps=then)
        ),
        APPS,
        BUILDS,
        BUILDS,
        STEPS,
        STEPS,
    ),
    "connect_button": st.builds(messages.connect_button, st.just("Link your account first."), PROVIDER),
    "connect_modal": st.builds(
        messages.connect_modal, PROVIDER, origin=ORIGIN, before=LINKED, problem=MAYBE, sign_in=SIGN_IN
    ),
    # It is a sentence, as errors are: whoever shows it escapes it.
    "connected": st.builds(messages.connected, TEXT, PROVIDER).map(
        lambda said: messages.notice("Linked", said)
    ),
    "disconnected": st.builds(messages.disconnected, MAYBE, PROVIDER),
    "find_modal": st.builds(
        messages.find_modal,
        st.builds(messages.Sought, app=st.none() | SLUG, title=MAYBE, words=TEXT),
        origin=ORIGIN,
        problem=MAYBE,
    ),
    "flood": st.builds(messages.flood, st.lists(TELLINGS, min_size=1, max_size=3), limit=COUNT),
    "following": st.builds(messages.following, BUILDS, APPS, TEXT, until=TIME, ended=BOOL),
    "form_button": st.builds(
        messages.form_button, st.just("Ready."), st.just("Open"), st.just("a"), st.just("{}")
    ),
    "found_builds": st.builds(messages.found_builds, SAID, origin=ORIGIN),
    "gathered": st.builds(
        messages.gathered, st.lists(TELLINGS, min_size=1, max_size=3), title=st.just("They ended")
    ),
    "group_options": st.builds(
        messages.group_options, st.just(""), st.dictionaries(st.just("S1"), TEXT, max_size=1)
    ),
    "help_message": st.builds(
        messages.help_message,
        st.none() | st.sampled_from([one.name for one in (*BITRISE.catalogue, *BUILDIO.catalogue)]) | TEXT,
        st.sampled_from(GRAMMARS),
    ),
    "closed_home": st.builds(messages.closed_home, TEXT.filter(str.strip), now=NOW),
    "home": st.builds(messages.home, HOMES, now=NOW),
    "log_hits": st.builds(messages.log_hits, BUILDS, APPS, TEXT, READINGS, complete=BOOL, still_growing=BOOL),
    "log_shared": st.builds(messages.log_shared, BUILDS, APPS, by=BY),
    "looking": st.builds(messages.looking),
    "me": st.builds(messages.me, name=MAYBE, email=MAYBE, mention=BOOL, ends=BOOL),
    "mine": st.builds(messages.mine, PAIRS, name=MAYBE, looked_at=COUNT, now=NOW),
    "no_log": st.builds(messages.no_log, BUILDS, APPS, now=NOW),
    "no_success": st.builds(messages.no_success, BUILDS, APPS),
    "not_aborted": st.builds(messages.not_aborted, TEXT.filter(str.strip)),
    "not_started": st.builds(messages.not_started, TEXT.filter(str.strip)),
    "notice": st.builds(messages.notice, st.just("Buildbell"), TEXT.map("It is {}.".format)),
    "one_moment": st.builds(messages.one_moment),
    "options_for": st.builds(messages.options_for, TEXT | st.just(""), SEVERAL),
    "outage": st.builds(messages.outage, st.lists(TELLINGS, min_size=1, max_size=3)),
    "page_changed": st.builds(messages.page_changed, LINKS, BUILDS, APPS, by=BY),
    "paused": st.builds(messages.paused, st.none() | APPS, TERMS, by=BY),
    "pipeline_aborted": st.builds(messages.pipeline_aborted, PIPELINES, APPS, by=BY, reason=MAYBE),
    "pipeline_card": st.builds(messages.pipeline_card, PIPELINES, APPS, now=NOW),
    "pipeline_list": st.builds(messages.pipeline_list, st.lists(PIPELINES, max_size=2), APPS, now=NOW),
    "pipeline_rebuilt": st.builds(messages.pipeline_rebuilt, PIPELINES, APPS, by=BY, failed_only=BOOL).map(
        _begun
    ),
    "pipeline_run_row": st.builds(messages.pipeline_run_row, APPS, SLUG, ONE_STARTED).map(_with_row),
    "policy": st.builds(
        _of_verdicts,
        VERDICTS_ON_ACTS,
        TEXT,
        app=st.none() | APPS,
        provider=PROVIDER,
        operators=st.lists(RULES, max_size=14),
        admins=st.lists(RULES, max_size=14),
        is_admin=BOOL,
        you=TEXT.map("You: {}".format),
    ),
    "policy_modal": st.builds(messages.policy_modal, RULE_FORMS, origin=ORIGIN, problem=MAYBE),
    "preview": st.builds(
        messages.preview,
        APPS,
        TERMS,
        told=st.lists(BUILDS, max_size=3),
        silent=st.lists(st.tuples(BUILDS, TEXT), max_size=3),
    ),
    "problem": st.builds(messages.problem, TEXT.map("I don't know {}. `/bitrise help` lists them.".format)),
    "proposal": st.builds(
        messages.proposal,
        TEXT,
        by=BY,
        who=SEVERAL,
        until=NOW,
        value=st.just(messages.ProposalButton(id="0" * 32, seal="0" * 32)),
        themselves=BOOL,
        details=st.lists(st.tuples(TEXT, TEXT), max_size=4)
        .map(details_of_proposal)
        .filter(lambda made: made is not None),
    ),
    "proposal_cut_off": st.builds(
        messages.proposal_cut_off, TEXT, by=BY, at=PROVIDER.map(lambda at: at.label)
    ),
    "proposal_decided": st.builds(messages.proposal_decided, TEXT, by=BY, decided_by=BY, agreed=BOOL),
    "proposal_declined": st.builds(
        messages.proposal_declined, TEXT, decided_by=BY, channel=PEOPLE, reason=MAYBE
    ),
    "proposal_ran_out": st.builds(messages.proposal_ran_out, TEXT, channel=PEOPLE, reason=MAYBE),
    "proposal_expired": st.builds(messages.proposal_expired, TEXT, by=BY),
    "proposal_failed": st.builds(messages.proposal_failed, TEXT, by=BY, decided_by=BY, problem=TEXT),
    "proposal_unreadable": st.builds(messages.proposal_unreadable, was_agreed=BOOL),
    "proposed": st.builds(messages.proposed, TEXT, channel=PEOPLE, until=NOW),
    "qr_comment": st.builds(messages.qr_comment, LINKS, BUILDS, APPS),
    "request_card": st.builds(messages.request_card, REQUESTS, APPS),
    "request_decided": st.builds(messages.request_decided, REQUESTS, APPS, approved=BOOL, by=BY),
    "request_gone": st.builds(messages.request_gone, REQUESTS, APPS),
    "request_list": st.builds(messages.request_list, st.lists(REQUESTS, max_size=3), APPS),
    "resumed": st.builds(messages.resumed, st.none() | APPS, TERMS, by=BY),
    "run_begun": NOTES.map(_begun),
    "run_unfollowed": st.builds(messages.run_unfollowed, NOTES, st.just("{by} has left")),
    "run_row": st.builds(messages.run_row, APPS, SLUG, ONE_STARTED).map(_with_row),
    "did_not_start": st.builds(messages.did_not_start, APPS, STARTED),
    "joined": st.lists(NOTES.map(_begun), min_size=1, max_size=3).map(messages.joined),
    "start_note": NOTES.map(_begun),
    "with_starter": st.builds(
        messages.with_starter, st.builds(messages.told_build, TELLINGS, now=NOW), NOTES
    ),
    "rule_added": st.builds(messages.rule_added, RULES),
    "rule_removed": st.builds(messages.rule_removed, RULES),
    "search_modal": st.builds(messages.search_modal, LOG_BUTTONS, typed=TEXT, problem=MAYBE),
    "sent_to_you": st.builds(messages.sent_to_you, st.just("The log is in our direct messages.")),
    "series_card": st.builds(
        messages.series_card,
        st.lists(TELLINGS, min_size=1, max_size=3),
        st.builds(messages.CardNote, claimed_by=st.none() | BY, snoozed_until=TIME),
        now=NOW,
    ),
    "settings_modal": st.builds(messages.settings_modal, WISHES, origin=ORIGIN),
    "shown_in_modal": st.builds(messages.shown_in_modal, st.just("Log"), SAID),
    "start_done": st.builds(messages.start_done, APPS),
    "start_modal": st.builds(_of_form, st.none() | APPS, FORMS, MAYBE),
    "starting": st.builds(messages.starting, APPS),
    "status": st.builds(
        messages.status,
        APPS,
        running=st.lists(BUILDS, max_size=3),
        last_by_branch=st.lists(BUILDS, max_size=3),
        now=NOW,
    ),
    "step_line": STEPS.filter(bool).map(lambda steps: messages.step_line(steps[0])),
    "stopped": st.builds(messages.stopped, PEOPLE, TEXT, st.lists(st.tuples(APPS, TERMS), max_size=3)),
    "subscribed": st.builds(messages.subscribed, APPS, TERMS, by=BY),
    "subscribed_already": st.builds(messages.subscribed_already, ROWS.filter(bool).map(itemgetter(0))),
    "subscription_modal": st.builds(_of_terms, st.none() | APPS, TERMS, MAYBE),
    "subscription_note": st.builds(messages.subscription_note, TEXT.map("It is {}.".format)),
    "subscriptions": st.builds(messages.subscriptions, ROWS, PROVIDER, blind=BLIND, ties=TIES),
    "earlier_moment": st.builds(messages.earlier_moment, TELLINGS, st.sampled_from(Happening)),
    "thread_head": st.builds(messages.thread_head, TELLINGS),
    "told_build": st.builds(messages.told_build, TELLINGS, now=NOW),
    "told_pipeline": st.builds(
        messages.told_pipeline, PIPELINES, st.lists(TELLINGS, min_size=1, max_size=2), now=NOW
    ),
    "token_refused": st.builds(messages.token_refused, TEXT, PROVIDER),
    "unseen": st.builds(messages.unseen, ROWS.filter(bool), by=BY, why=TEXT),
    "all_resumed": st.builds(messages.all_resumed, ROWS, by=BY),
    "unsubscribe_question": st.builds(messages.unsubscribe_question, ROWS.filter(bool)),
    "disconnect_question": st.builds(
        messages.disconnect_question, TEXT, PROVIDER, st.dictionaries(PEOPLE, COUNT, max_size=3)
    ),
    "unsubscribed": st.builds(messages.unsubscribed, st.none() | APPS, COUNT, by=BY),
    "using_app": st.builds(messages.using_app, APPS, by=BY),
    "whoami": st.builds(
        messages.whoami,
        BY,
        LINKED,
        PROVIDER,
        service=MAYBE,
        service_acts=BOOL,
        service_reads=BOOL,
        can_link=BOOL,
    ),
    "why": st.builds(messages.why, BUILDS, APPS, REASONS, started_by=st.just("") | BY),
    "will_tell": st.builds(messages.will_tell, BUILDS, APPS),
    "yml_comment": st.builds(messages.yml_comment, APPS, st.none() | BUILDS, VERDICTS),
    "yml_shown": st.builds(messages.yml_shown, APPS, st.none() | BUILDS, VERDICTS),
} | {f"buildio.{name}": strategy for name, strategy in buildio_rendered.RENDERED.items()}


def exported() -> dict[str, Callable[..., Any]]:
    """Every function that bot.messages exports, and what a provider's own renderers export, by where it stands."""
    named = {name: getattr(messages, name) for name in messages.__all__}
    named |= {f"buildio.{name}": getattr(messages.buildio, name) for name in messages.buildio.__all__}
    return {name: one for name, one in named.items() if inspect.isfunction(one)}


def test_every_renderer_is_fed_and_nothing_else_is_left_out() -> None:
    functions = exported()
    assert set(functions) - READERS == set(RENDERED)
    assert set(functions) >= READERS
    for name in READERS:
        shows = get_type_hints(functions[name])["return"]
        bare = name.removeprefix("buildio.")
        assert bare.startswith(("read_", "picked_", "missing_")) or bare.endswith("_of_block"), name
        assert shows not in (Message, messages.message.Block), name
    public = {name for name in vars(messages) if inspect.isfunction(getattr(messages, name))}
    of_buildio = vars(messages.buildio)
    public |= {f"buildio.{name}" for name, one in of_buildio.items() if inspect.isfunction(one)}
    assert public == set(functions), "a renderer that is imported but not exported"


@examples(15)
@pytest.mark.parametrize("name", sorted(RENDERED))
@given(data=st.data())
def test_nothing_from_outside_is_markup_pings_or_deceives(name: str, data: st.DataObject) -> None:
    made = data.draw(RENDERED[name])
    match made:
        case Message():
            assert_message(made)
        case str():
            assert_mrkdwn(made)
            assert len(made) <= 4000
        case list():
            if made:
                assert_options(made)
        case dict():
            assert_view(made, home=made["type"] == "home")
        case _:
            assert name == "subscription_modal"
