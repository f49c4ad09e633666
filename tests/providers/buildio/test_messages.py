"""Build.io's messages: sizes with much data, display of values, and reading of forms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.build import App, BuildState
from domain.message import Message
from domain.notifications.deploy_link import DeployLink
from messages.kit import mrkdwn
from messages.kit.button_values import InvalidButtonValue
from messages.kit.views import FormValues
from providers.buildio import teams as team_messages
from providers.buildio.api.models import (
    BuildioApp,
    CommandResult,
    Deployment,
    Domain,
    Dyno,
    Environment,
    Namespace,
    Pipeline,
    PipelineApp,
    ProcessFormation,
    Team,
)
from providers.buildio.apps import create
from providers.buildio.apps import messages as app_messages
from providers.buildio.config_vars import forms
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.forms import UnsetConfigVarsForm, VarsOrigin
from providers.buildio.config_vars.messages import ConfigDiff, ConfigVarOwner, count_keys_that_fit, mask_value
from providers.buildio.deploy_links import messages as deploy_link_messages
from providers.buildio.deploys import form as deploy_form
from providers.buildio.deploys.form import DeployForm
from providers.buildio.domains import forms as domain_forms
from providers.buildio.domains import messages as domain_messages
from providers.buildio.domains.forms import ClearOrigin, RemoveDomainsForm
from providers.buildio.namespaces import forms as namespace_forms
from providers.buildio.namespaces import messages as namespace_messages
from providers.buildio.pipelines import messages as pipeline_messages
from providers.buildio.processes import messages as process_messages
from providers.buildio.processes import run_form
from providers.buildio.processes.run_commands import ReviewCommandForm, RunCommandForm
from providers.buildio.processes.run_form import RunForm, RunOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup, type_to_confirm
from providers.buildio.shared.arguments import format_array
from providers.buildio.shared.button_values import ConfigVarsButton, DynoButton, RemoveVarsButton
from providers.buildio.shared.type_to_confirm import ConfirmationName
from services.request.forms import FieldError
from tests.providers.buildio.renderer_cases import (
    APPS,
    BUILDIO_APPS,
    DOMAINS,
    DYNOS,
    ENVIRONMENTS,
    KEYS,
    NAMESPACES,
    PIPELINE_APPS,
    PIPELINES,
    TEAMS,
    TIES,
    VARS_OF,
)
from tests.support.canary_secrets import CANARIES, leaked_kinds, log_with_secrets
from tests.support.drawn_forms import NO_REQUEST
from tests.support.examples import examples
from tests.support.factories import NOON
from tests.support.untrusted_text import UNTRUSTED_TEXT, assert_message, assert_view

SHOP = App(provider=BUILDIO, slug="8eb495d0", title="shop")
OF_SHOP = ConfigVarOwner.of_app(SHOP)
MANY = examples(10)


def visible_text(message: Message) -> str:
    return json.dumps([message.text, message.blocks], ensure_ascii=False)


def section_texts(message: Message) -> list[str]:
    return [block["text"]["text"] for block in message.blocks if block["type"] == "section"]


def button_values(message: Message) -> dict[str, str]:
    """Return the values of the message's buttons, by action ID."""
    pressed = [block.get("accessory") for block in message.blocks]
    pressed += [
        element for block in message.blocks if block["type"] == "actions" for element in block["elements"]
    ]
    return {button["action_id"]: button.get("value", "") for button in pressed if button}


@MANY
@given(BUILDIO_APPS, DYNOS.filter(bool), st.lists(DOMAINS, min_size=1, max_size=3), APPS)
def test_messages_about_an_app_fit_whatever_it_has(
    one: BuildioApp, dynos: Sequence[Dyno], domains: Sequence[Domain], app: App
) -> None:
    assert_message(app_messages.app_list([one] * 20, total=50, page=2, size=20, team=one.team))
    assert_message(process_messages.dyno_list(app, [*dynos] * 30, now=NOON))
    assert_message(domain_messages.domain_list(app, [*domains] * 30))
    assert_message(
        domain_messages.domains_cleared(app, [domain.hostname for domain in domains] * 30, by="U0ASKER")
    )
    origin = ClearOrigin(channel="C1")
    remove = RemoveDomainsForm(NO_REQUEST, origin, ConfirmationName(), app, [*domains] * 60)
    assert_view(remove.render())
    run = RunOrigin(channel="C1")
    assert_view(RunCommandForm(NO_REQUEST, run, RunForm(), [*dynos] * 60).render())


def test_a_confirmation_names_all_keys_that_its_button_removes() -> None:
    of = ConfigVarOwner(app="a", title="shop")
    for size, total in ((3, 60), (52, 40), (52, 60), (120, 30)):
        keys = [f"K{number:02}".rjust(size, "K") for number in range(total)]
        most = count_keys_that_fit(of, keys)
        assert 0 < most < total
        message = config_var_messages.unset_question(of, keys[:most])
        [text] = section_texts(message)
        assert all(f"`{key}`" in text for key in keys[:most])
        assert "can't be undone" in text
        [value] = button_values(message).values()
        assert RemoveVarsButton.decode(value).keys == tuple(keys[:most])
    assert count_keys_that_fit(of, ["KEY"]) == 1
    assert count_keys_that_fit(of, ["no key"]) == 0


@MANY
@given(VARS_OF, st.lists(KEYS, min_size=1, max_size=3), UNTRUSTED_TEXT)
def test_messages_about_many_config_vars_fit(of: ConfigVarOwner, keys: Sequence[str], value: str) -> None:
    many = {f"{key}{number}": value for key in keys for number in range(60)}
    assert_message(config_var_messages.vars_list(of, many, changed=dict.fromkeys(many, NOON)))
    assert_message(
        config_var_messages.vars_changed(of, ConfigDiff(added=tuple(many), removed=tuple(many)), by="U0ASKER")
    )
    origin = VarsOrigin(channel="C1", app="a")
    filled = UnsetConfigVarsForm(keys=tuple(many))
    assert_view(forms.UnsetVarsForm(NO_REQUEST, origin, filled, [*many]).render())


@MANY
@given(
    PIPELINES,
    PIPELINE_APPS.filter(bool),
    st.lists(ENVIRONMENTS, min_size=1, max_size=2),
    NAMESPACES,
    TEAMS.filter(bool),
    st.lists(TIES, min_size=1),
)
def test_messages_about_a_workspace_fit_whatever_it_has(
    one: Pipeline,
    apps: Sequence[PipelineApp],
    environments: Sequence[Environment],
    namespace: Namespace,
    teams: Sequence[Team],
    ties: Sequence[DeployLink],
) -> None:
    staged = [app.model_copy(update={"stage": f"{app.stage}{n}"}) for app in apps for n in range(20)]
    crowded = one.model_copy(update={"environments": tuple(environments) * 20})
    assert_message(pipeline_messages.pipeline_card(crowded, [*staged, *[*apps] * 40]))
    assert_message(pipeline_messages.pipeline_list([crowded] * 60))
    assert_message(pipeline_messages.environment_list([(one.name, each) for each in environments] * 60))
    assert_message(namespace_messages.namespace_list([namespace] * 60))
    assert_message(team_messages.team_list([*teams] * 60))
    assert_message(deploy_link_messages.deploy_link_list([*ties] * 60))
    assert_message(deploy_link_messages.deploy_links_removed([*ties] * 9, by="U0ASKER"))


@given(st.lists(UNTRUSTED_TEXT, max_size=5), UNTRUSTED_TEXT)
def test_messages_about_a_command_of_any_length_fit(command: Sequence[str], output: str) -> None:
    done = CommandResult(output=output * 20, exit_code=1, cut=True)
    words = [mrkdwn.replace_surrogates(word) for word in command]
    assert_message(run_form.command_result(SHOP, "web.1", words, done))
    assert_message(run_form.command_run(SHOP, "web.1", words, by="U0ASKER", exit_code=None))


# Only where a person asked to see this one value.


@pytest.mark.parametrize("kind", sorted(CANARIES))
def test_a_value_is_only_in_the_message_that_reveals_it(kind: str) -> None:
    value = CANARIES[kind]
    key = "API_KEY"
    everything = [
        config_var_messages.vars_list(
            OF_SHOP, {key: value, "OTHER": log_with_secrets()}, changed={key: NOON}
        ),
        config_var_messages.vars_changed(
            OF_SHOP, ConfigDiff.between({key: "old"}, {key: value, "NEW": value}), by="U0ASKER"
        ),
        config_var_messages.vars_hidden(OF_SHOP, key),
    ]
    for message in everything:
        assert key in visible_text(message)
        assert value not in visible_text(message)
        assert leaked_kinds(visible_text(message)) == []
    revealed = config_var_messages.vars_revealed(OF_SHOP, key, value)
    assert value not in revealed.text
    assert value in section_texts(revealed)[1]


@given(UNTRUSTED_TEXT.filter(lambda value: value and "://" not in value))
def test_the_list_is_the_same_for_all_values_of_one_length(value: str) -> None:
    other = config_var_messages.vars_list(OF_SHOP, {"A_KEY": "x" * len(value)}, changed={})
    assert config_var_messages.vars_list(OF_SHOP, {"A_KEY": value}, changed={}) == other


@pytest.mark.parametrize(
    ("value", "mark"),
    [
        ("postgres://u:p@db.example.com/x", "postgres://…"),
        ("HTTPS://example.com", "https://…"),
        ("hunter2://x", "…"),
        ("x" * 40, "…"),
        ("", "empty"),
    ],
)
def test_only_a_well_known_scheme_of_a_value_is_shown(value: str, mark: str) -> None:
    assert mask_value(value) == mark


def test_the_list_has_the_length_the_last_change_and_a_button_for_each_key() -> None:
    message = config_var_messages.vars_list(
        OF_SHOP, {"DATABASE_URL": "postgres://u:p@db/x"}, changed={"DATABASE_URL": NOON}
    )
    line = section_texts(message)[1]
    assert line.startswith("`DATABASE_URL` = postgres://… · 19 characters · changed <!date^")
    about = ConfigVarsButton.decode(button_values(message)["buildio_reveal"])
    assert about == ConfigVarsButton(app="8eb495d0", title="shop", key="DATABASE_URL")


def test_a_key_that_no_button_can_carry_is_shown_without_one() -> None:
    message = config_var_messages.vars_list(OF_SHOP, {"<!here> key": "x"}, changed={})
    assert "buildio_reveal" not in button_values(message)
    assert "`&lt;!here&gt; key`" in section_texts(message)[1]


def test_a_long_value_is_truncated_with_a_note() -> None:
    message = config_var_messages.vars_revealed(OF_SHOP, "KEY", "a" + "&" * 5000)
    assert_message(message)
    assert section_texts(message)[1].startswith("```\na&amp;")
    assert "Only the beginning of 5001 characters is shown." in visible_text(message)


def test_a_change_is_shown_as_a_diff_of_keys() -> None:
    diff = ConfigDiff.between(
        {"SAME": "1", "OTHER": "1", "GONE": "1"},
        {"SAME": "1", "OTHER": "2", "GONE": None, "NEW": "3", "NEVER": None},
    )
    assert diff == ConfigDiff(added=("NEW",), changed=("OTHER",), removed=("GONE",))
    message = config_var_messages.vars_changed(OF_SHOP, diff, by="U0ASKER")
    assert section_texts(message)[1] == "+ `NEW`\n~ `OTHER`\n− `GONE`"
    assert message.text == "<@U0ASKER> changed config vars of *shop*: added NEW; changed OTHER; removed GONE"
    nothing = config_var_messages.vars_changed(
        OF_SHOP, ConfigDiff.between({"A": "1"}, {"A": "1"}), by="U0ASKER"
    )
    assert nothing.text == "<@U0ASKER> set config vars of *shop* to the values they already had"


# Cards and lists.


def test_an_app_shows_its_deployment_and_why_it_failed() -> None:
    app = BuildioApp(
        id="8eb495d0",
        name="shop",
        team="acme",
        region="us-east-1",
        web_url="https://shop.example.com",
        formation=(ProcessFormation(type="web", quantity=2, size="standard-1x", command="bundle exec puma"),),
        buildpacks=("heroku/ruby",),
        deployment=Deployment(
            status="failed", state=BuildState.FAILED, version=12, branch="main", error="no Procfile"
        ),
    )
    message = app_messages.app_card(app)
    assert message.text == "shop: deployment v12 from main failed: no Procfile."
    assert section_texts(message)[0] == (
        "*<https://shop.example.com|shop>*\n❌ v12 *failed* · `main`\nError: no Procfile"
    )
    assert "`web` × 2 · standard-1x · `bundle exec puma`" in visible_text(message)
    assert [*button_values(message)] == [
        "buildio_deploy",
        "buildio_ps",
        "buildio_vars",
        "buildio_domains",
        "buildio_restart_all",
        "subscribe",
        "buildio_refresh",
        "open_link",
    ]


def test_an_app_shows_how_many_processes_are_up_and_which_crashed() -> None:
    app = BuildioApp(id="8eb495d0", name="shop")
    up = Dyno(name="web.1", type="web", state="up", up=True)
    down = Dyno(name="web.2", type="web", state="crashed", up=False, crashed=True)
    assert "1 of 2 up · 💥 crashed: `web.2`" in visible_text(app_messages.app_card(app, [up, down]))
    assert "None running" in visible_text(app_messages.app_card(app, []))
    assert "up" not in visible_text(app_messages.app_card(app))


def test_an_app_whose_id_no_button_can_carry_is_shown_without_them() -> None:
    message = app_messages.app_card(BuildioApp(id="../../me", name="shop"))
    assert button_values(message) == {}
    assert "Build.io reports no deployment" in message.text


def test_a_process_shows_its_state_uptime_and_restarts() -> None:
    since = NOON - timedelta(minutes=5)
    dynos = [
        Dyno(name="web.1", type="web", state="up", up=True, restarts=1, since=since),
        Dyno(name="worker.1", type="worker", state="crashed", up=False, crashed=True, restarts=9),
    ]
    message = process_messages.dyno_list(SHOP, dynos, now=NOON)
    assert section_texts(message) == [
        "*shop*: 2 processes, 1 crashed",
        "❌ `worker.1` *crashed* · 9 restarts",
        "✅ `web.1` *up* for 5m · 1 restart",
    ]
    about = DynoButton.decode(button_values(message)["buildio_restart_one"])
    assert about == DynoButton(app="8eb495d0", dyno="web.1", title="shop")


def test_a_pipeline_has_one_column_per_stage_in_order() -> None:
    apps = [
        PipelineApp(id="3", name="shop", stage="production"),
        PipelineApp(id="1", name="shop-pr-7", stage="review"),
        PipelineApp(id="2", name="shop-staging", stage="staging"),
        PipelineApp(id="4", name="lost"),
    ]
    pipeline = Pipeline(
        id="p1", name="shop", environments=(Environment(id="17", name="review"),), review_apps=True
    )
    message = pipeline_messages.pipeline_card(pipeline, apps)
    columns = [column["text"] for column in message.blocks[1]["fields"]]
    assert columns == [
        "*review*\nshop-pr-7",
        "*staging*\nshop-staging",
        "*production*\nshop",
        "*no stage*\nlost",
    ]
    about = ConfigVarsButton.decode(button_values(message)["buildio_vars"])
    assert about == ConfigVarsButton(environment="17", title="review")


def test_the_platform_domain_comes_first_and_can_not_be_removed() -> None:
    domains = [
        Domain(
            id="2", hostname="www.example.com", ssl="pending", target="x.build.io", problem="no DNS record"
        ),
        Domain(id="1", hostname="shop.build.io", platform=True, ssl="issued"),
    ]
    message = domain_messages.domain_list(SHOP, domains)
    first, second = section_texts(message)[1:]
    assert first == "*<https://shop.build.io|shop.build.io>* · Build.io's own\n✅ certificate issued"
    assert "⏳ certificate pending" in second
    assert "DNS target `x.build.io`" in second
    assert "⚠️ no DNS record" in second
    removing = [
        block for block in json.dumps(message.blocks).split('"action_id": ') if "domain_remove" in block
    ]
    assert len(removing) == 1


# The array is shown exactly as it will run.


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=6))
def test_the_array_that_is_shown_is_the_one_that_runs(command: list[str]) -> None:
    origin = RunOrigin(channel="C1", dyno="web.1", command=tuple(command))
    view = ReviewCommandForm(NO_REQUEST, origin, None).render()
    pieces = [block["text"]["text"] for block in view["blocks"][1:-1]]
    text = "".join(piece.removeprefix("```\n").removesuffix("\n```") for piece in pieces)
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, letter)
    assert text == format_array(command)
    assert json.loads(text) == command
    assert RunOrigin.read(view["private_metadata"]).command == tuple(command)


def test_output_is_redacted_and_truncated_and_the_exit_code_is_shown() -> None:
    done = CommandResult(output="line\n" * 2000 + log_with_secrets(), exit_code=3)
    message = run_form.command_result(SHOP, "web.1", ["env"], done)
    assert_message(message)
    assert leaked_kinds(visible_text(message)) == []
    assert "The command in `web.1` of *shop* finished with exit code 3" in section_texts(message)[0]
    assert '```\n["env"]\n```' in section_texts(message)
    assert "Only the end of the output is shown." in visible_text(message)
    told = run_form.command_run(SHOP, "web.1", ["env", log_with_secrets()], by="U0ASKER", exit_code=None)
    assert leaked_kinds(visible_text(told)) == []


# Values of buttons are validated.


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{}",
        '{"app":"../me","key":"A"}',
        '{"app":"a","environment":"b"}',
        '{"app":"a","key":"A B"}',
        '{"app":"a","key":"A\\n"}',
    ],
)
def test_a_button_without_an_owner_is_invalid(value: str) -> None:
    with pytest.raises(InvalidButtonValue):
        ConfigVarsButton.decode(value)


# Forms.


def state(picked: Mapping[str, Any] | None = None, /, **typed: str | None) -> FormValues:
    texts: Any = {name: {name: {"type": "plain_text_input", "value": value}} for name, value in typed.items()}
    return FormValues({**(picked or {}), **texts})


def picked(*values: str) -> dict[str, Any]:
    options = [{"value": value, "text": {"type": "plain_text", "text": value}} for value in values]
    return {"x": {"selected_option": options[0], "selected_options": options}}


def test_one_value_and_further_pairs_are_read_unchanged() -> None:
    form = forms.read_vars(state(key=" PEM ", value="a\nb ", more="# both\nA=1=2\n\n B = 'x y'\r\n"))
    assert form.problems == {}
    assert {key: value.get_secret_value() for key, value in form.values.items()} == {
        "PEM": "a\nb ",
        "A": "1=2",
        "B": " 'x y'",
    }
    assert "1=2" not in repr(form)


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, {"key": "Enter a key."}),
        ({"key": "A"}, {"value": "Enter a value. Another form removes config vars."}),
        ({"value": "hunter2"}, {"key": "Enter the key of this value."}),
        (
            {"key": "A B", "value": "hunter2"},
            {"key": "A key has letters, digits and underscores, and doesn't begin with a digit."},
        ),
        ({"more": "A=1\nhunter2"}, {"more": "Line 2 isn't KEY=value."}),
        ({"key": "A", "value": "1", "more": "A=hunter2"}, {"more": "A is given twice."}),
    ],
)
def test_invalid_config_vars_are_explained_at_their_field_without_a_value(
    fields: dict[str, str], problems: dict[str, str]
) -> None:
    assert forms.read_vars(state(**fields)).problems == problems


def test_no_form_puts_a_value_into_a_view_again() -> None:
    origin = VarsOrigin.for_owner(OF_SHOP, channel="C1")
    filled = forms.read_vars(state(key="A", value="hunter2", rest="hunter3", more="B=hunter4"))
    view = forms.SetVarsForm(NO_REQUEST, origin, filled).render("Build.io does not answer.")
    assert [block["element"].get("initial_value") for block in view["blocks"] if "element" in block] == [
        "A",
        None,
        None,
        None,
    ]
    assert VarsOrigin.read(view["private_metadata"]).owner == OF_SHOP


def test_keys_to_remove_are_picked_or_typed() -> None:
    assert forms.read_unset(state({"keys": picked("A", "B")})).keys == ("A", "B")
    assert forms.read_unset(state(keys="A, B A")).keys == ("A", "B")
    assert forms.read_unset(state()).problems == {"keys": "Pick at least one key."}
    assert UnsetConfigVarsForm(keys=("A=1",)).problems


def test_a_deployment_needs_an_app_and_not_both_branch_and_commit() -> None:
    form = deploy_form.read_deploy(
        state({"app": picked("8eb495d0")}, branch=" main ", commit="", message="why")
    )
    assert form == DeployForm(app="8eb495d0", branch="main", message="why")
    assert form.problems == {}
    assert deploy_form.read_deploy(state(branch="main", commit="1f3a9bc")).problems == {
        "app": "Pick an app.",
        "commit": "Give a branch or a commit, not both.",
    }


def test_an_app_and_a_namespace_need_a_name() -> None:
    form = create.read_create(state({"team": picked("t1")}, name="shop", region=""))
    assert (form.name, form.team, form.region, form.problems) == ("shop", "t1", None, {})
    assert create.read_create(state()).problems == {"name": "Enter a name."}
    assert create.read_namespace(state(name="a b")).problems == {
        "name": "A name can't contain spaces or slashes."
    }
    assert create.read_namespace(state(name="a", description="x")).description == "x"


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
PRIVATE = "-----BEGIN " + "PRIVATE KEY-----\ny\n-----END " + "PRIVATE KEY-----"


def test_a_domain_has_a_complete_certificate_or_none() -> None:
    bare = domain_forms.read_domain(state(host="https://WWW.example.com/"))
    assert (bare.hostname, bare.pem, bare.problems) == ("www.example.com", None, {})
    whole = domain_forms.read_domain(
        state(host="a.example", certificate=f" {CERTIFICATE}\n", private=PRIVATE)
    )
    assert whole.problems == {}
    assert whole.pem == SecretStr(f"{CERTIFICATE}\n{PRIVATE}\n")
    assert domain_forms.read_domain(state(host="no host", private=PRIVATE)).problems == {
        "host": "Enter a domain, such as www.example.com.",
        "certificate": "The certificate is missing.",
    }
    assert set(domain_forms.read_certificate(state(certificate=CERTIFICATE)).problems) == {"private"}
    assert set(domain_forms.read_certificate(state(certificate="x", chain="y", private="z")).problems) == {
        "certificate",
        "chain",
        "private",
    }


def test_an_irreversible_change_needs_the_exact_name() -> None:
    type_to_confirm.read_typed_name(state(typed_name=" shop ")).require_name("shop")
    namespace_forms.read_delete_namespace(state(typed_name="payments")).require_name("payments")
    form = namespace_forms.read_delete_namespace(state(namespace="payments", typed_name=""))
    assert form.namespace == "payments"
    for confirmation, name, wrong_field in (
        (type_to_confirm.read_typed_name(state(typed_name="Shop")), "shop", "typed_name"),
        (form, "payments", "typed_name"),
        (namespace_forms.read_delete_namespace(FormValues({})), "", "namespace"),
    ):
        with pytest.raises(FieldError) as refused:
            confirmation.require_name(name)
        assert refused.value.field == wrong_field


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "Enter a command."),
        ('echo "a', "A quote in the command isn't closed."),
        ("x" * 1500, "It's longer than 1500 characters."),
    ],
)
def test_an_invalid_command_is_explained_at_its_field(typed: str, problem: str) -> None:
    form = run_form.read_run(state({"dyno": picked("web.1")}, typed=typed))
    assert form.problems["typed"].startswith(problem)
    assert form.typed == typed


def test_a_command_in_a_form_is_parsed_as_in_a_line() -> None:
    form = run_form.read_run(state({"dyno": picked("web.1")}, typed='/bin/sh -c "rails console"'))
    assert (form.dyno, form.command) == ("web.1", ("/bin/sh", "-c", "rails console"))
    assert form.problems == {}


def test_an_unknown_name_gets_similar_ones_and_the_command_that_lists_all() -> None:
    text = lookup.unknown_thing("pipeline", "shpo", ["shop", "api"], lists="pipelines")
    assert text == ("No pipeline named `shpo`. Did you mean `shop`? `/buildio pipelines` lists all 2.")
    text = lookup.unknown_thing("environment", "x", ["review"], lists="envs")
    assert text == "No environment named `x`. `/buildio envs` lists the only one."


@pytest.mark.parametrize("text", ["```x```", ["```x```"], 5, None])
def test_only_the_code_blocks_of_a_press_are_shared(text: Any) -> None:
    app = App(provider=BUILDIO, slug="a1", title="shop")
    shown = [
        {"type": "section", "text": text},
        {"type": "section", "text": {"type": "mrkdwn", "text": "```hello```"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "Only you see this"}},
    ]
    said = run_form.command_result_shared(app, "web.1", shown, by="U0ANNA")
    assert [block["text"]["text"] for block in said.blocks[1:]] == ["```hello```"]
