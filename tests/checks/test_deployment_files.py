"""The files in deploy/ fit the bot: the dashboard and the alerts its metrics, the balancer its server and the compose file."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import promql_parser as promql
import pytest
import yaml
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from bot.http_server import MAX_BODY_BYTES, REQUEST_SECONDS
from services.jobs.supervisor import DRAIN_SECONDS
from services.metrics import Metrics
from tests.support.stub_server import ReceivedRequest, reserve_port, stub_server

ROOT = Path(__file__).parent.parent.parent
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus-alerts.yml").read_text())
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.postgres.yml").read_text())
HAPROXY = (ROOT / "deploy/haproxy.cfg").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
# What Prometheus adds, and the bounds of a histogram's buckets.
ADDED_LABELS = {"job", "instance", "le"}
ALLOWED = {"sum": {"sum"}, "max": {"max"}, "min": {"min", "sum", "count"}}


def exposed_metrics() -> dict[str, tuple[set[str], set[str]]]:
    """Return each sample's name as in /metrics, with its labels and the aggregations that its help text allows."""
    metrics = Metrics()
    # A metric with labels shows no sample before it is used.
    for collector in set(metrics.registry._names_to_collectors.values()):
        labels = getattr(collector, "_labelnames", ())
        if labels:
            collector.labels(*labels)  # type: ignore[attr-defined]
    found = dict[str, tuple[set[str], set[str]]]()
    for family in text_string_to_metric_families(metrics.render().decode()):
        if family.name.endswith("_created"):  # when a counter began
            continue
        match = re.search(r"\(.*: (sum|max|min)\)$", family.documentation)
        assert match, family.name
        for sample in family.samples:
            found[sample.name] = (set(sample.labels), ALLOWED[match[1]])
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where each expression of the dashboard and the alerts stands, and the expression itself."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$job", ".+")
            assert "$" not in expression
            yield panel["title"], expression
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def find_problems(expression: str) -> list[str]:
    """Return what is wrong with an expression. Raises ValueError if it can't be parsed."""
    known, problems = exposed_metrics(), list[str]()
    aggregations = list[promql.AggregateExpr]()
    absent = [0]

    def enter(part: promql.Expr) -> None:
        if isinstance(part, promql.AggregateExpr):
            aggregations.append(part)
        elif isinstance(part, promql.Call):
            absent[0] += part.func.name == "absent"
        elif isinstance(part, promql.VectorSelector):
            check(part)

    def leave(part: promql.Expr) -> None:
        if isinstance(part, promql.AggregateExpr):
            aggregations.pop()
        elif isinstance(part, promql.Call):
            absent[0] -= part.func.name == "absent"

    def check(selector: promql.VectorSelector) -> None:
        if selector.name not in known:
            problems.append(f"{selector.name} is no metric of the bot")
            return
        labels, allowed = known[selector.name]
        used = {matcher.name for matcher in selector.matchers.matchers}
        for aggregation in aggregations:
            used |= set(aggregation.modifier.labels if aggregation.modifier else ())
        if unknown := used - labels - ADDED_LABELS:
            problems.append(f"{selector.name} has no label {', '.join(sorted(unknown))}")
        if not absent[0] and (not aggregations or str(aggregations[-1].op) not in allowed):
            problems.append(f"{selector.name} needs {' or '.join(sorted(allowed))}")

    promql.walk(promql.parse(expression), enter, leave)
    return problems


@pytest.mark.parametrize(("place", "expression"), list(expressions()), ids=lambda part: part[:40])
def test_each_expression_is_right_about_a_metric_that_the_bot_has(place: str, expression: str) -> None:
    assert find_problems(expression) == [], place


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("max(buildbell_outbox_deepness)", "is no metric"),
        ("sum(rate(buildbell_polls[5m]))", "is no metric"),
        ("sum(buildbell_outbox_depth)", "needs max"),
        ("max(rate(buildbell_notifications_told_total[5m]))", "needs sum"),
        ("buildbell_ready == 0", "needs count or min or sum"),
        ("sum by (team) (rate(buildbell_commands_total[5m]))", "has no label team"),
        ('max(buildbell_watch_failures{workspace="T1"})', "has no label workspace"),
    ],
)
def test_the_check_of_expressions_finds_mistakes(expression: str, problem: str) -> None:
    [found] = find_problems(expression)
    assert problem in found
    with pytest.raises(ValueError, match=r"invalid|unexpected|unclosed|no"):
        find_problems(f"{expression} >")


def test_the_dashboard_shows_every_metric_and_takes_any_data_source() -> None:
    shown = " ".join(expression for _, expression in expressions())
    families = {re.sub("_(total|bucket|sum|count)$", "", name) for name in exposed_metrics()}
    assert {name for name in families if name not in shown} == set()
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    panels = DASHBOARD["panels"]
    assert {panel["type"] for panel in panels} == {"row", "stat", "timeseries"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in sources} == {"${datasource}"}
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    [group] = ALERTS["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names)
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"[1-9]\d*m", rule["for"])
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert len(rule["annotations"]["description"]) > 80


def test_the_manual_explains_every_metric() -> None:
    rows = dict(re.findall(r"^\| `(buildbell_\w+)` \| (\w+) \|", OPERATIONS, re.MULTILINE))
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(Metrics().render().decode())
        if not family.name.endswith("_created")
    }
    assert set(rows) == set(families)
    for name, family in families.items():
        assert family.documentation.endswith(f": {rows[name]})"), name


def test_prometheus_itself_accepts_the_alerts() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: install Debian's package prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", ROOT / "deploy/prometheus-alerts.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def sections() -> dict[str, list[list[str]]]:
    """Return the balancer's configuration: the lines of each section as words, without comments."""
    found = dict[str, list[list[str]]]()
    for line in HAPROXY.splitlines():
        words = line.split("#")[0].split()
        if words and not line[0].isspace():
            lines = found.setdefault(" ".join(words), [])
        elif words:
            lines.append(words)
    return found


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def test_the_balancer_sends_requests_to_every_bot_of_the_compose_file_that_is_ready() -> None:
    services, backend = COMPOSE["services"], sections()["backend bots"]
    bots = [name for name, service in services.items() if service.get("image") == "buildbell"]
    port = services[bots[0]]["environment"]["PORT"]
    servers = [words for words in backend if words[0] == "server"]
    assert servers == [["server", name, f"{name}:{port}"] for name in bots]
    assert ["option", "httpchk"] in backend
    [check] = [words for words in backend if words[:2] == ["http-check", "send"]]
    assert check[2:6] == ["meth", "GET", "uri", "/readyz"]
    assert ["http-check", "expect", "status", "200"] in backend
    [balancer] = [service for service in services.values() if service.get("image", "").startswith("haproxy:")]
    assert re.fullmatch(r"haproxy:\d+\.\d+", balancer["image"])
    [volume] = balancer["volumes"]
    source, target, mode = volume.split(":")
    assert (ROOT / "deploy" / source).resolve() == ROOT / "deploy/haproxy.cfg"
    assert (target, mode) == ("/usr/local/etc/haproxy/haproxy.cfg", "ro")
    [bind] = [words for words in sections()["frontend requests"] if words[0] == "bind"]
    assert balancer["ports"] == [f"127.0.0.1:3000{bind[1]}"]


def test_the_balancers_limits_are_not_narrower_than_the_bots() -> None:
    frontend, defaults = sections()["frontend requests"], sections()["defaults"]
    [limit] = [words for words in frontend if "413" in words]
    assert int(limit[limit.index("gt") + 1]) == MAX_BODY_BYTES
    timeouts = {words[1]: seconds(words[2]) for words in defaults if words[0] == "timeout"}
    assert timeouts["server"] > max(REQUEST_SECONDS, DRAIN_SECONDS)
    assert timeouts["client"] >= timeouts["server"]
    assert timeouts["connect"] + timeouts["queue"] > 3 > timeouts["connect"]
    # A request that a bot may have begun must not be given to another one.
    assert [words[1:] for words in defaults if words[0] == "retry-on"] == [["conn-failure"]]


async def test_haproxy_passes_requests_on_to_bots_that_are_ready(tmp_path: Path) -> None:
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if haproxy is None:
        pytest.skip("needs HAProxy: install Debian's package haproxy")

    def bot(name: str, *, ready: bool) -> Callable[[ReceivedRequest], web.Response]:
        def respond(request: ReceivedRequest) -> web.Response:
            status = 200 if ready or request.path != "/readyz" else 503
            return web.Response(status=status, text=name)

        return respond

    config = tmp_path / "haproxy.cfg"
    async with (
        stub_server(bot("bot-1", ready=False)) as first,
        stub_server(bot("bot-2", ready=True)) as second,
    ):
        with reserve_port() as reserved, reserve_port() as nobody:
            port = reserved.getsockname()[1]
            closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        text = HAPROXY.replace("bind :3000", f"bind 127.0.0.1:{port}")
        for name, url in (("bot-1", first.url), ("bot-2", second.url), ("bot-3", closed)):
            text = text.replace(f"{name}:3000", url.removeprefix("http://"))
        config.write_text(text)
        running = subprocess.Popen([haproxy, "-db", "-f", config])  # noqa: ASYNC220 - it is not waited for
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                # Until they have been checked twice, HAProxy takes all bots for ready.
                in_a_row = 0
                async with asyncio.timeout(60):
                    while in_a_row < 10:
                        await asyncio.sleep(0.05)
                        is_second = await send(session, "/slack/events", 10) == (200, "bot-2")
                        in_a_row = in_a_row + 1 if is_second else 0
                assert await send(session, "/slack/events", 500_000) == (200, "bot-2")
                # Refused by its header alone, before anything of it is sent.
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
                )
                async with asyncio.timeout(30):
                    assert b" 413 " in await reader.readline()
                writer.close()
                assert (await send(session, "/metrics", 0))[0] == 404
        finally:
            running.kill()
            running.wait()


async def send(session: aiohttp.ClientSession, path: str, size: int) -> tuple[int, str]:
    """Send a request of this size; return the status and the text, status 0 if nobody listens."""
    try:
        async with session.post(path, data=io.BytesIO(b"x" * size)) as response:
            return response.status, await response.text()
    except aiohttp.ClientConnectionError:
        return 0, ""
