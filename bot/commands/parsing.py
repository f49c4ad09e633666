"""From a line to a command. Raises CommandError for a word that fits nowhere, and for nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from bot.commands import term_values, values
from bot.commands.catalogue import CATALOGUE, Entry, entry_for
from bot.commands.errors import CommandError
from bot.commands.links import PipelineLink, read_link
from bot.commands.model import (
    AbortBuild,
    BuildRef,
    Command,
    Connect,
    Disconnect,
    Help,
    ListApprovals,
    ListApps,
    ListArtifacts,
    ListBuilds,
    ListPipelines,
    Me,
    Mine,
    Moment,
    Rebuild,
    ShowAudit,
    ShowBuild,
    ShowLog,
    ShowPipeline,
    ShowPolicy,
    ShowYml,
    Status,
    Subscribe,
    Subscriptions,
    TriggerBuild,
    Unsubscribe,
    UseApp,
    WhoAmI,
    Why,
)
from bot.commands.tokens import Token, from_message, from_slash, tokens
from bot.filters import BuildFilter
from bot.terms import Terms, TermsProblem, check

Surface = Literal["slash", "message"]
_NAMES = ("branch", "target", "tag", "workflow", "by", "aborted")
FILTER_KEYS = (*_NAMES, *(f"-{name}" for name in _NAMES), "event", "pr")
_BUILDABLE = ("branch", "tag", "commit", "workflow", "pipeline")
TERM_KEYS = ("status", "on-hold", "running", "style", "at", "on", "zone", "quiet", "broadcast")
# Other words that people try first.
_ALIASES = {
    "list": "builds",
    "logs": "log",
    "artifact": "artifacts",
    "yaml": "yml",
    "config": "yml",
    "stop": "abort",
    "cancel": "abort",
    "start": "trigger",
    "run": "trigger",
    "retry": "rebuild",
    "subs": "subscriptions",
    "show": "build",
    "?": "help",
    "link": "connect",
    "login": "connect",
    "unlink": "disconnect",
    "logout": "disconnect",
    "rules": "policy",
}


def parse(text: str, *, surface: Surface) -> Command:
    """The command that the text stands for; nothing at all asks for help."""
    # Half a character, which JSON can carry, is none, and nothing could be kept or sent with it.
    text = text.encode("utf-8", "replace").decode()
    line = from_message(text) if surface == "message" else from_slash(text)
    words = tokens(line)
    if not words:
        return Help()
    first, *rest = words
    name = first.text.casefold() if first.key is None else f"{first.key}:"
    entry = entry_for(_ALIASES.get(name, name))
    if entry is None:
        _unknown(name)
    return _READERS[entry.name](_Words(entry, rest, line))


@dataclass
class _Words:
    """What stands behind the command's name, taken away word by word."""

    entry: Entry
    left: list[Token]
    line: str

    def wrong(self, problem: str) -> NoReturn:
        raise CommandError(problem, example=self.entry.example)

    def plain(self) -> str | None:
        """The next word without a key, if there is one."""
        if self.left and self.left[0].key is None:
            return self.left.pop(0).text
        return None

    def keyed(self, *allowed: str) -> dict[str, list[str]]:
        """All words with a key; raises for others that are left."""
        found: dict[str, list[str]] = {}
        for token in self.left:
            if token.key is None:
                self.wrong(f"I don't know what to do with the word {token.text}.")
            if token.key not in allowed:
                near = difflib.get_close_matches(token.key, allowed, n=1)
                hint = (
                    f" Did you mean {near[0]}:?"
                    if near
                    else f" There are {', '.join(f'{one}:' for one in allowed)}."
                )
                self.wrong(f"{self.entry.name} knows no {token.key}:.{hint if allowed else ''}")
            found.setdefault(token.key, []).append(token.text)
        self.left = []
        return found

    def nothing_more(self) -> None:
        self.keyed()

    def build(self) -> tuple[str | None, BuildRef]:
        """The app, if one is named, and the build."""
        # Two words that both look like builds: the first is an app's slug.
        for position in (1, 0):
            if len(self.left) > position and (ref := self._build_at(position)) is not None:
                if position == 1 and self._build_at(0) is not None and not self._may_be_app(ref):
                    continue
                app = self.left[0].text if position == 1 else None
                del self.left[: position + 1]
                return app, ref
        given = f"{self.left[-1].text} is no build: give" if self.left else "Which build? Give"
        return self.wrong(f"{given} its number, its slug or a link to it.")

    def _build_at(self, position: int) -> BuildRef | None:
        token = self.left[position]
        return values.build_ref(token.text) if token.key is None else None

    def _may_be_app(self, ref: BuildRef) -> bool:
        """Whether `ref` is a build although the word before it could be one too: `abort #12 13 tests fail`."""
        first = self._build_at(0)
        return (
            first is not None and first.slug is not None and first.app_slug is None and ref.number is not None
        )

    def rest_of_line(self) -> str | None:
        """Everything that is left, as it was typed."""
        if not self.left:
            return None
        if len(self.left) == 1 and self.left[0].quoted and self.left[0].key is None:
            return self.left[0].text
        return self.line[self.left[0].start :].strip()


def _help(words: _Words) -> Help:
    topic = words.plain()
    words.nothing_more()
    if topic is None:
        return Help()
    topic = _ALIASES.get(topic.casefold(), topic.casefold())
    if entry_for(topic) is None:
        _unknown(topic)
    return Help(topic=topic)


def _apps(words: _Words) -> ListApps:
    page = words.keyed("page").get("page", ["1"])[-1]
    if not page.isdecimal() or len(page) > 5 or not 1 <= int(page) <= 10_000:
        words.wrong(f"page:{page} is no page.")
    return ListApps(page=int(page))


def _use(words: _Words) -> UseApp:
    app = words.plain()
    words.nothing_more()
    return UseApp(app=app)


def _status(words: _Words) -> Status:
    app = words.plain()
    words.nothing_more()
    return Status(app=app)


def _builds(words: _Words) -> ListBuilds:
    app = words.plain()
    keyed = words.keyed(*FILTER_KEYS, "status", "since", "until")
    return ListBuilds(
        app=app, filter=_filter(keyed), since=_moment(keyed, "since"), until=_moment(keyed, "until")
    )


def _subscribe(words: _Words) -> Subscribe:
    names = [token for token in words.left if token.key is None]
    preview = any(token.text.casefold() == "preview" and not token.quoted for token in names)
    words.left = [
        token for token in words.left if token.key or token.quoted or token.text.casefold() != "preview"
    ]
    app = words.plain()
    keyed = words.keyed(*FILTER_KEYS, *TERM_KEYS)
    terms = Terms(filter=_filter({key: texts for key, texts in keyed.items() if key != "status"}))
    terms = terms.model_copy(update=term_values.read({key: keyed[key] for key in TERM_KEYS if key in keyed}))
    try:
        check(terms)
    except TermsProblem as problem:
        words.wrong(str(problem))
    return Subscribe(app=app, terms=terms, preview=preview, zone_given="zone" in keyed)


def _filter(keyed: dict[str, list[str]]) -> BuildFilter:
    wanted = BuildFilter()
    for key in (key for key in keyed if key in FILTER_KEYS or key == "status"):
        for text in keyed[key]:
            wanted = wanted.model_copy(update=_part(wanted, key, text))
    return wanted


def _part(wanted: BuildFilter, key: str, text: str) -> dict[str, object]:
    name = key.lstrip("-")
    if name in _NAMES:
        read = {"by": values.authors, "aborted": values.kinds}.get(name, values.globs)
        more = read(text, key=key)
        return {name: values.add(getattr(wanted, name), more, exclude=key.startswith("-"))}
    field, choices = _CHOICES[name]
    return {field: getattr(wanted, field) | choices(text)}


_CHOICES: dict[str, tuple[str, Callable[[str], frozenset[Any]]]] = {
    "status": ("states", values.states),
    "event": ("events", values.events),
    "pr": ("pull_requests", values.pull_requests),
}


def _moment(keyed: dict[str, list[str]], key: str) -> Moment | None:
    return values.moment(keyed[key][-1], key=key) if key in keyed else None


def _approvals(words: _Words) -> ListApprovals:
    app = words.plain()
    words.nothing_more()
    return ListApprovals(app=app)


def _pipelines(words: _Words) -> ListPipelines:
    app = words.plain()
    words.nothing_more()
    return ListPipelines(app=app)


def _pipeline(words: _Words) -> ShowPipeline:
    first, second = words.plain(), words.plain()
    words.nothing_more()
    which = second or first or ""
    app = first if second else None
    if isinstance(link := read_link(which), PipelineLink):
        return ShowPipeline(app_slug=link.app, pipeline_id=link.pipeline)
    ref = values.build_ref(which)
    if ref is None or ref.number is None:
        words.wrong(f"{which or 'Nothing'} is no pipeline: give its number or a link to it.")
    return ShowPipeline(app=app, number=ref.number)


def _yml(words: _Words) -> ShowYml:
    if words.left and words.left[-1].key is None and values.build_ref(words.left[-1].text) is not None:
        app, build = words.build()
        words.nothing_more()
        return ShowYml(app=app, build=build)
    app = words.plain()
    words.nothing_more()
    return ShowYml(app=app)


def _abort(words: _Words) -> AbortBuild:
    app, build = words.build()
    return AbortBuild(app=app, build=build, reason=words.rest_of_line())


def _trigger(words: _Words) -> TriggerBuild:
    app = words.plain()
    keyed = words.keyed(*_BUILDABLE, "message", "env")
    if keyed and not keyed.keys() & set(_BUILDABLE):
        words.wrong("What should be built? Name a branch, tag, commit, workflow or pipeline.")
    for key in (*_BUILDABLE, "message"):
        if not all(keyed.get(key, ["-"])):
            words.wrong(f"{key}: needs something behind it.")
        if len(keyed.get(key, ())) > 1:
            words.wrong(f"{key}: was given twice.")
    return TriggerBuild(
        app=app,
        **{key: keyed[key][0] for key in (*_BUILDABLE, "message") if key in keyed},
        environments=tuple(_variable(text, words) for text in keyed.get("env", ())),
    )


def _is_variable_name(name: str) -> bool:
    """Whether an environment variable can be called this."""
    return name.isidentifier() and name.isascii()


def variable_in(text: str) -> tuple[str, str] | None:
    """The name and value of an environment variable, written NAME=value; None for anything else."""
    name, equals, value = text.partition("=")
    return (name.strip(), value) if equals and _is_variable_name(name.strip()) else None


def _variable(text: str, words: _Words) -> tuple[str, str]:
    variable = variable_in(text)
    if variable is None:
        words.wrong(f"env:{text} is no variable: write env:KEY=value.")
    return variable


def _unsubscribe(words: _Words) -> Unsubscribe:
    what = words.plain()
    words.nothing_more()
    if what is not None and what.lstrip("#").isdecimal() and len(what) < 10:
        return Unsubscribe(number=int(what.lstrip("#")))
    return Unsubscribe(app=what)


def _subscriptions(words: _Words) -> Subscriptions:
    words.nothing_more()
    return Subscriptions()


def _connect(words: _Words) -> Connect:
    if words.left:
        # Whatever stands there may be the token itself, so it is not said again.
        raise CommandError(
            "Type no token here: Slack keeps what is typed. If that was one, revoke it at Bitrise."
            " `connect` alone opens a dialog for it.",
            example="connect",
        )
    return Connect()


def _disconnect(words: _Words) -> Disconnect:
    words.nothing_more()
    return Disconnect()


def _policy(words: _Words) -> ShowPolicy:
    app = words.plain()
    words.nothing_more()
    return ShowPolicy(app=app)


def _audit(words: _Words) -> ShowAudit:
    app = words.plain()
    words.nothing_more()
    if app is not None and app.casefold() == "all":
        return ShowAudit(everywhere=True)
    return ShowAudit(app=app)


def _whoami(words: _Words) -> WhoAmI:
    words.nothing_more()
    return WhoAmI()


def _mine(words: _Words) -> Mine:
    words.nothing_more()
    return Mine()


def _me(words: _Words) -> Me:
    keyed = words.keyed("name", "mention", "ends")
    name = keyed.get("name", [""])[-1].strip().removeprefix("@")
    if "name" in keyed and not 0 < len(name) <= 100:
        words.wrong("name: needs the name behind it that Bitrise shows with your builds.")
    switches = {key: values.switch(keyed[key][-1], key=key) for key in ("mention", "ends") if key in keyed}
    return Me(name=name or None, **switches)


def _about_a_build(
    make: type[ShowBuild] | type[ShowLog] | type[ListArtifacts] | type[Rebuild] | type[Why],
) -> Callable[[_Words], Command]:
    def read(words: _Words) -> Command:
        app, build = words.build()
        words.nothing_more()
        return make(app=app, build=build)

    return read


def _unknown(name: str) -> NoReturn:
    near = difflib.get_close_matches(name, [entry.name for entry in CATALOGUE], n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise CommandError(
        f"I don't know the word {name[:40]}.{meant} `/bitrise help` lists them all.", example="status"
    )


_READERS: dict[str, Callable[[_Words], Command]] = {
    "help": _help,
    "apps": _apps,
    "use": _use,
    "status": _status,
    "builds": _builds,
    "build": _about_a_build(ShowBuild),
    "log": _about_a_build(ShowLog),
    "artifacts": _about_a_build(ListArtifacts),
    "yml": _yml,
    "approvals": _approvals,
    "pipelines": _pipelines,
    "pipeline": _pipeline,
    "abort": _abort,
    "trigger": _trigger,
    "rebuild": _about_a_build(Rebuild),
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "subscriptions": _subscriptions,
    "whoami": _whoami,
    "connect": _connect,
    "disconnect": _disconnect,
    "policy": _policy,
    "audit": _audit,
    "why": _about_a_build(Why),
    "mine": _mine,
    "me": _me,
}
