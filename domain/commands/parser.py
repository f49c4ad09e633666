"""A provider's commands: their names, how each is read, and what becomes of a mistake. Pure; no I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from domain.commands import arguments
from domain.commands.errors import CommandError, typed
from domain.commands.help import CommandHelp
from domain.commands.shared_commands import BuildRef, Command, Help
from domain.commands.tokenizer import Token, tokens
from domain.provider import Provider


@dataclass(frozen=True)
class CommandParser:
    """What can be typed behind a provider's command.

    `readers` has one for each entry of the catalogue, `aliases` other words that people try first. `names` is how a
    message may call the provider before it asks, as a pattern; `build_ref` reads a word that names a build.
    """

    provider: Provider
    catalogue: tuple[CommandHelp, ...]
    readers: Mapping[str, Reader]
    aliases: Mapping[str, str]
    names: str
    example: str
    build_ref: Callable[[str], BuildRef | None] = arguments.build_ref
    _by_name: dict[str, CommandHelp] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {entry.name: entry for entry in self.catalogue})

    def entry_for(self, name: str) -> CommandHelp | None:
        """The command of that name, or of a name that stands for it."""
        name = " ".join(name.casefold().split())
        first, _, second = name.partition(" ")
        first = self.aliases.get(first, first)
        return self._by_name.get(f"{first} {second}" if second else first)

    def parts_of(self, entry: CommandHelp) -> list[CommandHelp]:
        """The commands that begin with this one's name."""
        return [one for one in self.catalogue if one.name.startswith(f"{entry.name} ")]

    def without_name(self, line: str) -> str:
        """A message's line without the provider's name before the command."""
        return self._name.sub("", line)

    def is_named_by(self, line: str) -> bool:
        """Whether a message's line begins with the provider's name."""
        return self._name.match(line) is not None

    def read(self, line: str) -> Command:
        """The command that the line stands for; nothing at all asks for help. Raises CommandError."""
        example = self.example
        try:
            words = self._tokens(line)
            if not words:
                return Help()
            entry, rest = self._find(words)
            example = entry.example
            return self.readers[entry.name](ArgumentReader(self, entry, rest, line))
        except CommandError as mistake:
            # What reads single words knows no grammar, and its example may be of a command that is not in this one.
            fits = self.entry_for(mistake.example.split(" ")[0]) is not None
            raise CommandError(
                mistake.problem, example=mistake.example if fits else example, provider=self.provider
            ) from mistake

    def _tokens(self, line: str) -> list[Token]:
        try:
            return tokens(line)
        except CommandError:
            entry = self.entry_for(line.split(maxsplit=1)[0])
            if entry is None or not entry.secret:
                raise
            raise CommandError("A quote is not closed.", example=entry.example) from None

    def unknown(self, name: str) -> NoReturn:
        """Say that there is no such command, and which are near."""
        near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise CommandError(
            f"I don't know the word {typed(name, 40)}.{meant} `{self.provider.command} help` lists them all.",
            example=self.example,
        )

    @property
    def _name(self) -> re.Pattern[str]:
        return re.compile(rf"\s*/?(?:{self.names})(?!\S)", re.IGNORECASE)

    def _find(self, words: Sequence[Token]) -> tuple[CommandHelp, list[Token]]:
        first, *rest = words
        name = first.text if first.key is None else f"{first.key}:"
        entry = self.entry_for(name)
        if entry is None:
            self.unknown(name.casefold())
        bare = [token for token in rest if token.key is None]
        if rest and (second := rest[0]).key is None and not second.quoted:
            if (part := self.entry_for(f"{entry.name} {second.text}")) is not None:
                return part, rest[1:]
            verbs = [one.name.partition(" ")[2] for one in self.parts_of(entry)]
            near = difflib.get_close_matches(second.text.casefold(), verbs, n=1) if len(bare) > 1 else []
            if near:
                raise CommandError(
                    f"{entry.name} knows no {typed(second.text, 40)}. Did you mean {entry.name} {near[0]}?",
                    example=entry.example,
                )
        return entry, rest


@dataclass
class ArgumentReader:
    """What stands behind the command's name, taken away word by word."""

    grammar: CommandParser
    entry: CommandHelp
    left: list[Token]
    line: str

    def wrong(self, problem: str) -> NoReturn:
        """Say what is wrong, with an example of the command that was meant."""
        raise CommandError(problem, example=self.entry.example)

    def plain(self) -> str | None:
        """The next word without a key, if there is one."""
        if self.left and self.left[0].key is None:
            return self.left.pop(0).text
        return None

    def several(self) -> list[Token]:
        """All further words without a key, up to the first that has one."""
        keyed = next((at for at, token in enumerate(self.left) if token.key is not None), len(self.left))
        found, self.left = self.left[:keyed], self.left[keyed:]
        return found

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

    def keyed_once(self, *allowed: str) -> dict[str, str]:
        """All words with a key, each given at most once and with something behind it; raises for others."""
        return self.once(self.keyed(*allowed))

    def once(self, keyed: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """The same, of words that were taken already."""
        for key, texts in keyed.items():
            if not all(texts):
                self.wrong(f"{key}: needs something behind it.")
            if len(texts) > 1:
                self.wrong(f"{key}: was given twice.")
        return {key: texts[0] for key, texts in keyed.items()}

    def nothing_more(self) -> None:
        """Raises for words that are left."""
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
        return self.grammar.build_ref(token.text) if token.key is None else None

    def _may_be_app(self, ref: BuildRef) -> bool:
        """Whether `ref` is a build although the word before it could be one too: `abort #12 13 tests fail`."""
        first = self._build_at(0)
        return (
            first is not None and first.slug is not None and first.app_slug is None and ref.number is not None
        )

    def behind_dashes(self) -> str | None:
        """What stands behind two dashes, as it was typed; None where there are none."""
        if not self.left or not self.left[-1].is_dashes:
            return None
        dashes = self.left.pop()
        return self.line[dashes.start + len(dashes.text) :].strip()

    def rest_of_line(self) -> str | None:
        """Everything that is left, as it was typed."""
        if not self.left:
            return None
        if len(self.left) == 1 and self.left[0].quoted and self.left[0].key is None:
            return self.left[0].text
        return self.line[self.left[0].start :].strip()


Reader = Callable[[ArgumentReader], Command]


def markdown(grammar: CommandParser) -> str:
    """The list of commands as a Markdown table."""
    command = grammar.provider.command
    rows = ["| type | and you get | for example |", "| --- | --- | --- |"]
    for entry in grammar.catalogue:
        usage = entry.usage.replace("|", "\\|")
        examples = "<br>".join(f"`{command} {example}`".replace("|", "\\|") for example in entry.examples)
        rows.append(f"| `{command} {usage}` | {entry.summary} | {examples} |")
    return "\n".join(rows)
