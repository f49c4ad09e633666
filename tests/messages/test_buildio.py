"""What people see of Build.io: sizes when there is much of everything, what values show, and forms read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot import messages
from bot.build import App, State
from bot.buildio.config_diff import ConfigDiff
from bot.buildio.things import (
    BuildioApp,
    Deployment,
    Domain,
    Dyno,
    Environment,
    Executed,
    Formation,
    Namespace,
    Pipeline,
    PipelineApp,
    Team,
)
from bot.commands.buildio import array_of
from bot.messages import Message, NotAButton, buildio
from bot.messages.buildio.masking import masked
from bot.messages.buildio.variables import keys_in_question
from bot.provider import Provider
from bot.ties import Tie
from tests.builds import NOON
from tests.canaries import CANARIES, planted, seen_in
from tests.examples import examples
from tests.messages.buildio_rendered import (
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
from tests.messages.outside import TEXT, assert_message, assert_view

SHOP = App(provider=Provider.BUILDIO, slug="8eb495d0", title="shop")
OF_SHOP = buildio.VarsOf.of_app(SHOP)
MANY = examples(10)


def shown(message: Message) -> str:
    return json.dumps([message.text, message.blocks], ensure_ascii=False)


def section_texts(message: Message) -> list[str]:
    return [block["text"]["text"] for block in message.blocks if block["type"] == "section"]


def values_of(message: Message) -> dict[str, str]:
    """What the message's buttons carry, by their action."""
    pressed = [block.get("accessory") for block in message.blocks]
    pressed += [one for block in message.blocks if block["type"] == "actions" for one in block["elements"]]
    return {one["action_id"]: one.get("value", "") for one in pressed if one}


@MANY
@given(BUILDIO_APPS, DYNOS.filter(bool), st.lists(DOMAINS, min_size=1, max_size=3), APPS)
def test_much_of_what_an_app_has(
    one: BuildioApp, dynos: Sequence[Dyno], domains: Sequence[Domain], app: App
) -> None:
    assert_message(buildio.app_list([one] * 20, total=50, page=2, size=20, team=one.team))
    assert_message(buildio.dyno_list(app, [*dynos] * 30, now=NOON))
    assert_message(buildio.domain_list(app, [*domains] * 30))
    assert_message(buildio.domains_cleared(app, [one.hostname for one in domains] * 30, by="U0ASKER"))
    origin = buildio.ClearOrigin(channel="C1")
    assert_view(buildio.clear_domains_modal(app, [*domains] * 60, origin=origin))
    run = buildio.RunOrigin(channel="C1")
    assert_view(buildio.run_modal(buildio.RunForm(), app, [*dynos] * 60, origin=run))


def test_a_question_names_all_the_keys_that_its_button_removes() -> None:
    of = buildio.VarsOf(app="a", title="shop")
    for size, total in ((3, 60), (52, 40), (52, 60), (120, 30)):
        keys = [f"K{number:02}".rjust(size, "K") for number in range(total)]
        most = keys_in_question(of, keys)
        assert 0 < most < total
        message = buildio.unset_question(of, keys[:most])
        [text] = section_texts(message)
        assert all(f"`{key}`" in text for key in keys[:most])
        assert "can't be undone" in text
        [value] = values_of(message).values()
        assert buildio.RemoveVarsButton.decode(value).keys == tuple(keys[:most])
    assert keys_in_question(of, ["KEY"]) == 1
    assert keys_in_question(of, ["no key"]) == 0


@MANY
@given(VARS_OF, st.lists(KEYS, min_size=1, max_size=3), TEXT)
def test_many_config_vars(of: buildio.VarsOf, keys: Sequence[str], value: str) -> None:
    many = {f"{key}{number}": value for key in keys for number in range(60)}
    assert_message(buildio.vars_list(of, many, changed=dict.fromkeys(many, NOON)))
    assert_message(buildio.vars_changed(of, ConfigDiff(added=tuple(many), removed=tuple(many)), by="U0ASKER"))
    origin = buildio.VarsOrigin(channel="C1", app="a")
    assert_view(buildio.unset_modal(of, [*many], origin=origin, chosen=[*many]))


@MANY
@given(
    PIPELINES,
    PIPELINE_APPS.filter(bool),
    st.lists(ENVIRONMENTS, min_size=1, max_size=2),
    NAMESPACES,
    TEAMS.filter(bool),
    st.lists(TIES, min_size=1),
)
def test_much_of_what_a_workspace_has(
    one: Pipeline,
    apps: Sequence[PipelineApp],
    environments: Sequence[Environment],
    namespace: Namespace,
    teams: Sequence[Team],
    ties: Sequence[Tie],
) -> None:
    staged = [app.model_copy(update={"stage": f"{app.stage}{n}"}) for app in apps for n in range(20)]
    crowded = one.model_copy(update={"environments": tuple(environments) * 20})
    assert_message(buildio.pipeline_card(crowded, [*staged, *[*apps] * 40]))
    assert_message(buildio.pipeline_list([crowded] * 60))
    assert_message(buildio.environment_list([(one.name, each) for each in environments] * 60))
    assert_message(buildio.namespace_list([namespace] * 60))
    assert_message(buildio.team_list([*teams] * 60))
    assert_message(buildio.tie_list([*ties] * 60))
    assert_message(buildio.untied([*ties] * 9, by="U0ASKER"))


@given(st.lists(TEXT, max_size=5), TEXT)
def test_a_command_and_its_output_of_any_length(command: Sequence[str], output: str) -> None:
    done = Executed(output=output * 20, exit_code=1, cut=True)
    words = [messages.text.whole(word) for word in command]
    assert_message(buildio.executed(SHOP, "web.1", words, done))
    assert_message(buildio.ran(SHOP, "web.1", words, by="U0ASKER", exit_code=None))


# Nowhere but where somebody asked to see this one value.


@pytest.mark.parametrize("kind", sorted(CANARIES))
def test_a_value_shows_nowhere_but_where_it_is_revealed(kind: str) -> None:
    value = CANARIES[kind]
    key = "API_KEY"
    everything = [
        buildio.vars_list(OF_SHOP, {key: value, "OTHER": planted()}, changed={key: NOON}),
        buildio.vars_changed(
            OF_SHOP, ConfigDiff.between({key: "old"}, {key: value, "NEW": value}), by="U0ASKER"
        ),
        buildio.vars_hidden(OF_SHOP, key),
    ]
    for message in everything:
        assert key in shown(message)
        assert value not in shown(message)
        assert seen_in(shown(message)) == []
    revealed = buildio.vars_revealed(OF_SHOP, key, value)
    assert value not in revealed.text
    assert value in section_texts(revealed)[1]


@given(TEXT.filter(lambda value: value and "://" not in value))
def test_the_list_is_the_same_for_all_values_of_one_length(value: str) -> None:
    other = buildio.vars_list(OF_SHOP, {"A_KEY": "x" * len(value)})
    assert buildio.vars_list(OF_SHOP, {"A_KEY": value}) == other


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
def test_only_a_scheme_that_everybody_knows_is_told_of_a_value(value: str, mark: str) -> None:
    assert masked(value) == mark


def test_the_list_tells_the_length_and_the_last_change_and_has_a_button_a_key() -> None:
    message = buildio.vars_list(
        OF_SHOP, {"DATABASE_URL": "postgres://u:p@db/x"}, changed={"DATABASE_URL": NOON}
    )
    line = section_texts(message)[1]
    assert line.startswith("`DATABASE_URL` = postgres://… · 19 characters · changed <!date^")
    about = buildio.VarsButton.decode(values_of(message)["buildio_reveal"])
    assert about == buildio.VarsButton(app="8eb495d0", title="shop", key="DATABASE_URL")


def test_a_key_that_no_button_can_carry_is_shown_without_one() -> None:
    message = buildio.vars_list(OF_SHOP, {"<!here> key": "x"})
    assert "buildio_reveal" not in values_of(message)
    assert "`&lt;!here&gt; key`" in section_texts(message)[1]


def test_a_long_value_is_cut_at_its_end_and_says_so() -> None:
    message = buildio.vars_revealed(OF_SHOP, "KEY", "a" + "&" * 5000)
    assert_message(message)
    assert section_texts(message)[1].startswith("```\na&amp;")
    assert "It has 5001 characters; here is the beginning." in shown(message)


def test_a_change_is_told_as_a_diff_of_keys() -> None:
    diff = ConfigDiff.between(
        {"SAME": "1", "OTHER": "1", "GONE": "1"},
        {"SAME": "1", "OTHER": "2", "GONE": None, "NEW": "3", "NEVER": None},
    )
    assert diff == ConfigDiff(added=("NEW",), changed=("OTHER",), removed=("GONE",))
    message = buildio.vars_changed(OF_SHOP, diff, by="U0ASKER")
    assert section_texts(message)[1] == "+ `NEW`\n~ `OTHER`\n− `GONE`"
    assert message.text == "<@U0ASKER> changed config vars of shop: set NEW; changed OTHER; removed GONE"
    nothing = buildio.vars_changed(OF_SHOP, ConfigDiff.between({"A": "1"}, {"A": "1"}), by="U0ASKER")
    assert nothing.text == "<@U0ASKER> set config vars of shop to what they were"


# Cards and lists.


def test_an_app_says_how_its_deployment_stands_and_why() -> None:
    app = BuildioApp(
        id="8eb495d0",
        name="shop",
        team="acme",
        region="us-east-1",
        web_url="https://shop.example.com",
        formation=(Formation(type="web", quantity=2, size="standard-1x", command="bundle exec puma"),),
        buildpacks=("heroku/ruby",),
        deployment=Deployment(
            status="failed", state=State.FAILED, version=12, branch="main", error="no Procfile"
        ),
    )
    message = buildio.app_card(app)
    assert message.text == "shop: the deployment v12 of main is failed: no Procfile."
    assert section_texts(message)[0] == (
        "*<https://shop.example.com|shop>*\n❌ v12 *failed* · `main`\nWhy: no Procfile"
    )
    assert "`web` × 2 · standard-1x · `bundle exec puma`" in shown(message)
    assert [*values_of(message)] == [
        "buildio_deploy",
        "buildio_ps",
        "buildio_vars",
        "buildio_domains",
        "buildio_restart_all",
        "subscribe",
        "buildio_refresh",
        "open_link",
    ]


def test_an_app_says_how_many_of_its_processes_are_up_and_which_crashed() -> None:
    app = BuildioApp(id="8eb495d0", name="shop")
    up = Dyno(name="web.1", type="web", state="up", up=True)
    down = Dyno(name="web.2", type="web", state="crashed", up=False, crashed=True)
    assert "1 of 2 up · 💥 crashed: `web.2`" in shown(buildio.app_card(app, [up, down]))
    assert "None is running now." in shown(buildio.app_card(app, []))
    assert "up" not in shown(buildio.app_card(app))


def test_an_app_whose_id_no_button_can_carry_is_shown_without_them() -> None:
    message = buildio.app_card(BuildioApp(id="../../me", name="shop"))
    assert values_of(message) == {}
    assert "Build.io says nothing of a deployment" in message.text


def test_a_process_says_its_state_since_when_and_how_often_it_restarted() -> None:
    since = NOON - timedelta(minutes=5)
    dynos = [
        Dyno(name="web.1", type="web", state="up", up=True, restarts=1, since=since),
        Dyno(name="worker.1", type="worker", state="crashed", up=False, crashed=True, restarts=9),
    ]
    message = buildio.dyno_list(SHOP, dynos, now=NOON)
    assert section_texts(message) == [
        "*shop*: 2 processes, 1 crashed",
        "❌ `worker.1` *crashed* · 9 restarts",
        "✅ `web.1` *up* for 5 min · 1 restart",
    ]
    about = buildio.DynoButton.decode(values_of(message)["buildio_restart_one"])
    assert about == buildio.DynoButton(app="8eb495d0", dyno="web.1", title="shop")


def test_a_pipeline_has_a_column_a_stage_in_the_order_in_which_apps_pass_them() -> None:
    apps = [
        PipelineApp(id="3", name="shop", stage="production"),
        PipelineApp(id="1", name="shop-pr-7", stage="review"),
        PipelineApp(id="2", name="shop-staging", stage="staging"),
        PipelineApp(id="4", name="lost"),
    ]
    one = Pipeline(
        id="p1", name="shop", environments=(Environment(id="17", name="review"),), review_apps=True
    )
    message = buildio.pipeline_card(one, apps)
    columns = [column["text"] for column in message.blocks[1]["fields"]]
    assert columns == [
        "*review*\nshop-pr-7",
        "*staging*\nshop-staging",
        "*production*\nshop",
        "*no stage*\nlost",
    ]
    about = buildio.VarsButton.decode(values_of(message)["buildio_vars"])
    assert about == buildio.VarsButton(environment="17", title="review")


def test_build_ios_own_domain_comes_first_and_can_not_be_taken_away() -> None:
    domains = [
        Domain(
            id="2", hostname="www.example.com", ssl="pending", target="x.build.io", problem="no DNS record"
        ),
        Domain(id="1", hostname="shop.build.io", platform=True, ssl="issued"),
    ]
    message = buildio.domain_list(SHOP, domains)
    first, second = section_texts(message)[1:]
    assert first == "*<https://shop.build.io|shop.build.io>* · Build.io's own\n✅ certificate issued"
    assert "⏳ certificate pending" in second
    assert "Points to `x.build.io`" in second
    assert "⚠️ no DNS record" in second
    removing = [one for one in json.dumps(message.blocks).split('"action_id": ') if "domain_remove" in one]
    assert len(removing) == 1


# The array is shown exactly as it will run.


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=6))
def test_the_array_that_is_shown_is_the_one_that_runs(command: list[str]) -> None:
    origin = buildio.RunOrigin(channel="C1", dyno="web.1", command=tuple(command))
    view = buildio.run_check(SHOP, origin=origin)
    pieces = [block["text"]["text"] for block in view["blocks"][1:-1]]
    text = "".join(piece.removeprefix("```\n").removesuffix("\n```") for piece in pieces)
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, letter)
    assert text == array_of(command)
    assert json.loads(text) == command
    assert buildio.RunOrigin.read(view["private_metadata"]).command == tuple(command)


def test_what_a_command_said_is_redacted_and_cut_and_how_it_ended_is_told() -> None:
    done = Executed(output="line\n" * 2000 + planted(), exit_code=3)
    message = buildio.executed(SHOP, "web.1", ["env"], done)
    assert_message(message)
    assert seen_in(shown(message)) == []
    assert "The command in `web.1` of *shop* ended with 3" in section_texts(message)[0]
    assert '```\n["env"]\n```' in section_texts(message)
    assert "Only the end of what it said is here." in shown(message)
    told = buildio.ran(SHOP, "web.1", ["env", planted()], by="U0ASKER", exit_code=None)
    assert seen_in(shown(told)) == []


# Buttons distrust what comes back.


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
def test_a_button_that_names_no_vars_is_none(value: str) -> None:
    with pytest.raises(NotAButton):
        buildio.VarsButton.decode(value)


# Forms.


def state(**fields: str | None) -> Mapping[str, Any]:
    return {name: {name: {"type": "plain_text_input", "value": value}} for name, value in fields.items()}


def picked(*values: str) -> dict[str, Any]:
    options = [{"value": value, "text": {"type": "plain_text", "text": value}} for value in values]
    return {"x": {"selected_option": options[0], "selected_options": options}}


def test_one_value_and_more_pairs_are_read_as_they_stand() -> None:
    form = buildio.read_vars(state(key=" PEM ", value="a\nb ", more="# both\nA=1=2\n\n B = 'x y'\r\n"))
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
        ({}, {"key": "Which key?"}),
        ({"key": "A"}, {"value": "Type the value. To remove a config var there is another form."}),
        ({"value": "hunter2"}, {"key": "Of which key is this the value?"}),
        (
            {"key": "A B", "value": "hunter2"},
            {"key": "A key has letters, digits and underscores, and begins with no digit."},
        ),
        ({"more": "A=1\nhunter2"}, {"more": "Line 2 is not written as KEY=value."}),
        ({"key": "A", "value": "1", "more": "A=hunter2"}, {"more": "A is given twice."}),
    ],
)
def test_what_is_wrong_with_config_vars_is_said_at_its_field_without_a_value(
    fields: dict[str, str], problems: dict[str, str]
) -> None:
    assert buildio.read_vars(state(**fields)).problems == problems


def test_no_form_puts_a_value_into_a_view_again() -> None:
    origin = buildio.VarsOrigin.about(OF_SHOP, channel="C1")
    view = buildio.vars_modal(origin.of, origin=origin, key="A", problem="Build.io does not answer.")
    assert [block["element"].get("initial_value") for block in view["blocks"] if "element" in block] == [
        "A",
        None,
        None,
        None,
    ]
    assert buildio.VarsOrigin.read(view["private_metadata"]).of == OF_SHOP


def test_keys_to_remove_are_picked_or_typed() -> None:
    assert buildio.read_unset({"keys": picked("A", "B")}).keys == ("A", "B")
    assert buildio.read_unset(state(keys="A, B A")).keys == ("A", "B")
    assert buildio.read_unset({}).problems == {"keys": "Which keys?"}
    assert buildio.FilledUnset(keys=("A=1",)).problems


def test_a_deployment_is_of_an_app_and_a_branch_or_a_commit() -> None:
    form = buildio.read_deploy(
        {"app": picked("8eb495d0"), **state(branch=" main ", commit="", message="why")}
    )
    assert form == buildio.DeployForm(app="8eb495d0", branch="main", message="why")
    assert form.problems == {}
    assert buildio.read_deploy(state(branch="main", commit="1f3a9bc")).problems == {
        "app": "Pick an app.",
        "commit": "Give a branch or a commit, not both.",
    }


def test_an_app_and_a_namespace_need_a_name() -> None:
    form = buildio.read_create({"team": picked("t1"), **state(name="shop", region="")})
    assert (form.name, form.team, form.region, form.problems) == ("shop", "t1", None, {})
    assert buildio.read_create({}).problems == {"name": "It needs a name."}
    assert buildio.read_namespace(state(name="a b")).problems == {
        "name": "A name has no spaces and no slashes."
    }
    assert buildio.read_namespace(state(name="a", description="x")).description == "x"


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
PRIVATE = "-----BEGIN " + "PRIVATE KEY-----\ny\n-----END " + "PRIVATE KEY-----"


def test_a_domain_comes_with_a_whole_certificate_or_none() -> None:
    bare = buildio.read_domain(state(host="https://WWW.example.com/"))
    assert (bare.hostname, bare.pem, bare.problems) == ("www.example.com", None, {})
    whole = buildio.read_domain(state(host="a.example", certificate=f" {CERTIFICATE}\n", private=PRIVATE))
    assert whole.problems == {}
    assert whole.pem == SecretStr(f"{CERTIFICATE}\n{PRIVATE}\n")
    assert buildio.read_domain(state(host="no host", private=PRIVATE)).problems == {
        "host": "Type a host name, such as www.example.com.",
        "certificate": "The certificate itself is missing.",
    }
    assert set(buildio.read_certificate(state(certificate=CERTIFICATE)).problems) == {"private"}
    assert set(buildio.read_certificate(state(certificate="x", chain="y", private="z")).problems) == {
        "certificate",
        "chain",
        "private",
    }


def test_what_can_not_be_undone_needs_the_name_as_it_is() -> None:
    assert buildio.read_typed_name(state(typed_name=" shop ")).problems("shop") == {}
    assert "typed_name" in buildio.read_typed_name(state(typed_name="Shop")).problems("shop")
    known = buildio.read_delete_namespace(state(typed_name="payments"))
    assert known.problems("payments") == {}
    asked = buildio.read_delete_namespace(state(namespace="payments", typed_name=""))
    assert asked.namespace == "payments"
    assert "typed_name" in asked.problems("payments")
    assert buildio.read_delete_namespace({}).problems("") == {"namespace": "Which namespace?"}


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "Which command?"),
        ('echo "a', "A quote in the command is not closed."),
        ("x" * 1500, "It is longer than 1500 characters."),
    ],
)
def test_a_command_that_can_not_run_is_said_at_its_field(typed: str, problem: str) -> None:
    form = buildio.read_run({"dyno": picked("web.1"), **state(typed=typed)})
    assert form.problems["typed"].startswith(problem)
    assert form.typed == typed


def test_a_command_is_read_as_it_is_in_a_line() -> None:
    form = buildio.read_run({"dyno": picked("web.1"), **state(typed='/bin/sh -c "rails console"')})
    assert (form.dyno, form.command) == ("web.1", ("/bin/sh", "-c", "rails console"))
    assert form.problems == {}


def test_a_wrong_name_gets_the_nearest_and_the_way_to_all() -> None:
    said = buildio.unknown_thing("pipeline", "shpo", ["shop", "api"], lists="pipelines")
    assert said == (
        "I don't know a pipeline called shpo. Did you mean shop? `/buildio pipelines` lists all 2."
    )
    said = buildio.unknown_thing("environment", "x", ["review"], lists="envs")
    assert said == "I don't know an environment called x. `/buildio envs` lists the only one."


@pytest.mark.parametrize("text", ["```x```", ["```x```"], 5, None])
def test_of_what_was_shown_only_the_code_is_shown_to_others_whatever_comes_with_the_press(text: Any) -> None:
    app = App(provider=Provider.BUILDIO, slug="a1", title="shop")
    shown = [
        {"type": "section", "text": text},
        {"type": "section", "text": {"type": "mrkdwn", "text": "```hello```"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "Only you see this"}},
    ]
    said = buildio.shared(app, "web.1", shown, by="U0ANNA")
    assert [one["text"]["text"] for one in said.blocks[1:]] == ["```hello```"]
