"""What every form does, whichever feature it belongs to: it keeps its input, and its reply reaches the user."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from messages.apps import PickedApp
from messages.kit.button_values import BuildButton, LogButton
from messages.kit.views import FormValues, ViewMetadata
from messages.profile_form import ProfileForm
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds.abort_form import AbortForm, AbortOrigin
from providers.bitrise.builds.find_form import BuildSearch, FindForm
from providers.bitrise.builds.trigger_form import StartForm, StartOrigin, TriggerForm
from providers.bitrise.logs.buttons import LogSearchForm
from providers.buildio.apps.create import CreateAppForm, CreateForm, NamespaceForm
from providers.buildio.config_vars.forms import UnsetConfigVarsForm, UnsetVarsForm, VarsOrigin
from providers.buildio.deploys.commands import DeployAppForm
from providers.buildio.deploys.form import DeployForm
from providers.buildio.namespaces.forms import CreateNamespaceForm
from providers.buildio.processes.commands import RestartProcessesForm
from providers.buildio.processes.restart_form import RestartForm
from providers.buildio.processes.run_commands import RunCommandForm
from providers.buildio.processes.run_form import RunForm, RunOrigin
from providers.buildio.shared.lookup import AppOrigin
from sandbox.slack.input_values import view_state
from sandbox.slack.validation import validate_view
from services.features.apps import ChooseAppForm
from services.features.profile.form import EditProfileForm
from services.request.context import RequestContext
from services.request.forms import Form, FormSubmission
from tests.support.bot_harness import BotHarness
from tests.support.factories import ANDROID

# None of these forms needs it to be drawn or read.
CONTEXT = cast(RequestContext, None)
ORIGIN = ViewMetadata(channel="C1")
BUILD = BuildButton(app="a1", build="b1", title="Android", number=1)
FORMS: tuple[Form[Any, Any, Any], ...] = (
    ChooseAppForm(CONTEXT, ORIGIN, PickedApp(slug="a1", title="Android")),
    EditProfileForm(CONTEXT, ORIGIN, ProfileForm(name="octo", mention=True)),
    AbortForm(
        CONTEXT, AbortOrigin(button=BUILD, channel="C1"), AbortRequest(reason="typo", with_success=True)
    ),
    FindForm(CONTEXT, ORIGIN, BuildSearch(app="a1", title="Android", words="status:failed")),
    LogSearchForm(CONTEXT, LogButton(app="a1", build="b1"), "error:"),
    TriggerForm(
        CONTEXT,
        StartOrigin(channel="C1", rows=(2, 5)),
        StartForm(app=ANDROID.slug, branch="main", workflow="deploy", variables={2: "A=1", 5: "B = x"}),
        ANDROID,
    ),
    CreateAppForm(CONTEXT, ORIGIN, CreateForm(name="shop", team="t1", team_title="Shop team", region="eu")),
    CreateNamespaceForm(CONTEXT, ORIGIN, NamespaceForm(name="payments", description="All of it")),
    DeployAppForm(CONTEXT, ORIGIN, DeployForm(app=ANDROID.slug, branch="fix/1", message="Now"), ANDROID),
    RestartProcessesForm(CONTEXT, AppOrigin(app="a1", title="shop"), RestartForm(dyno="web.1")),
    RunCommandForm(
        CONTEXT,
        RunOrigin(app="a1", title="shop"),
        RunForm(dyno="web.1", command=("ls", "a b"), typed="ls 'a b'"),
    ),
    UnsetVarsForm(CONTEXT, VarsOrigin(app="a1", title="shop"), UnsetConfigVarsForm(keys=("OLD", "OLDER"))),
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
def test_a_form_that_is_shown_again_says_why_and_has_all_input(form: Form[Any, Any, Any]) -> None:
    view = form.render_error("Try again later.")
    validate_view(view)
    assert "Try again later." in json.dumps(view)
    values = FormValues(view_state(view["blocks"], {}, submitting=True))
    submission = FormSubmission(cast(Any, None), CONTEXT, "V1", values, view["private_metadata"])
    again = type(form).read(submission)
    assert (again.origin, again.filled) == (form.origin, form.filled)


async def choose_app(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/bitrise use")
    await harness.slack.wait_for_modal("anna", "Commands that name no app will use this one")
    app = (await harness.users.options("anna", "pick_app", "andr"))[0]
    await harness.users.submit("anna", {"app": app})


async def test_a_reply_that_the_channel_does_not_take_goes_to_the_user(harness: BotHarness) -> None:
    harness.slack.fault("chat.postMessage", "error", words="is_archived")
    await choose_app(harness)
    await harness.wait_for_message("set this channel's app to", channel="D0ANNA")


async def test_a_reply_during_an_outage_of_slack_is_posted_later(harness: BotHarness) -> None:
    harness.slack.fault("chat.postMessage", "status", status=503)
    await choose_app(harness)
    await harness.wait_for_message("set this channel's app to")
    assert not harness.messages_with("set this channel's app to", channel="D0ANNA")
