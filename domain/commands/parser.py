"""The command parser: a provider's commands, and the parsing of their arguments."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from domain.commands.errors import CommandError, redact_typed
from domain.commands.help import CommandHelp
from domain.commands.shared_commands import BuildRef, Command, ShowHelp
from domain.commands.tokenizer import Token, tokenize
from domain.provider import Provider


@dataclass(frozen=True)
class CommandParser:
    """Everything that can be typed after a provider's slash command.

    `parse_functions` has one for each command of the catalogue, `aliases` other names that people try first.
    `name_pattern` matches the provider's name before the command in a message; `parse_build_ref` returns the build
    that a word names, or None; `example` is shown if no command was recognised,
    `subscribe_example` if the text beside the form of a subscription can't be parsed.
    """

    provider: Provider
    catalogue: tuple[CommandHelp, ...]
    parse_functions: Mapping[str, ParseFunction]
    aliases: Mapping[str, str]
    name_pattern: str
    example: str
    parse_build_ref: Callable[[str], BuildRef | None]
    subscribe_example: str
    _by_name: dict[str, CommandHelp] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {command.name: command for command in self.catalogue})

    def find_help(self, name: str) -> CommandHelp | None:
        """Return the help of the command with this name or alias; None if there is none."""
        name = " ".join(name.casefold().split())
        first, _, second = name.partition(" ")
        first = self.aliases.get(first, first)
        return self._by_name.get(f"{first} {second}" if second else first)

    def subcommands_of(self, command: CommandHelp) -> list[CommandHelp]:
        """Return the commands whose names begin with this one's."""
        return [other for other in self.catalogue if other.name.startswith(f"{command.name} ")]

    def strip_provider_name(self, line: str) -> str:
        """Return a message's line without the provider's name before the command."""
        return self._name.sub("", line)

    def is_addressed_by(self, line: str) -> bool:
        """Return whether a message's line begins with the provider's name."""
        return self._name.match(line) is not None

    def parse_line(self, line: str) -> Command:
        """Return the command that the line stands for; an empty line asks for help. Raises CommandError."""
        example = self.example
        try:
            line_tokens = self._tokenize(line)
            if not line_tokens:
                return ShowHelp()
            command, rest = self._find(line_tokens)
            example = command.example
            return self.parse_functions[command.name](ArgumentReader(self, command, rest, line))
        except CommandError as mistake:
            # The error comes from a single argument; its example may be of a command that this provider does not have.
            fits = self.find_help(mistake.example.split(" ")[0]) is not None
            raise CommandError(
                mistake.problem, example=mistake.example if fits else example, provider=self.provider
            ) from mistake

    def _tokenize(self, line: str) -> list[Token]:
        try:
            return tokenize(line)
        except CommandError:
            command = self.find_help(line.split(maxsplit=1)[0])
            if command is None or not command.secret:
                raise
            raise CommandError("A quote is not closed.", example=command.example) from None

    def reject_unknown(self, name: str) -> NoReturn:
        """Raise CommandError: there is no such command; the nearest names are listed."""
        near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise CommandError(
            f"I don't know the word {redact_typed(name, 40)}.{meant} `{self.provider.command} help` lists them all.",
            example=self.example,
        )

    @property
    def _name(self) -> re.Pattern[str]:
        return re.compile(rf"\s*/?(?:{self.name_pattern})(?!\S)", re.IGNORECASE)

    def _find(self, line_tokens: Sequence[Token]) -> tuple[CommandHelp, list[Token]]:
        first, *rest = line_tokens
        name = first.text if first.key is None else f"{first.key}:"
        command = self.find_help(name)
        if command is None:
            self.reject_unknown(name.casefold())
        bare = [token for token in rest if token.key is None]
        if rest and (second := rest[0]).key is None and not second.quoted:
            if (subcommand := self.find_help(f"{command.name} {second.text}")) is not None:
                return subcommand, rest[1:]
            verbs = [subcommand.name.partition(" ")[2] for subcommand in self.subcommands_of(command)]
            near = difflib.get_close_matches(second.text.casefold(), verbs, n=1) if len(bare) > 1 else []
            if near:
                raise CommandError(
                    f"{command.name} knows no {redact_typed(second.text, 40)}. Did you mean {command.name} {near[0]}?",
                    example=command.example,
                )
        return command, rest


@dataclass
class ArgumentReader:
    """The arguments of one command; reading removes them from `tokens`."""

    parser: CommandParser
    command_help: CommandHelp
    tokens: list[Token]
    line: str

    def fail(self, problem: str) -> NoReturn:
        """Raise CommandError with an example of the command that was meant."""
        raise CommandError(problem, example=self.command_help.example)

    def take_positional(self) -> str | None:
        """Take the next word without a key, if there is one."""
        if self.tokens and self.tokens[0].key is None:
            return self.tokens.pop(0).text
        return None

    def take_positionals(self) -> list[Token]:
        """Take all words without a key, up to the first that has one."""
        first_keyed = next(
            (at for at, token in enumerate(self.tokens) if token.key is not None), len(self.tokens)
        )
        positionals, self.tokens = self.tokens[:first_keyed], self.tokens[first_keyed:]
        return positionals

    def take_options(self, *allowed: str) -> dict[str, list[str]]:
        """Take all words with a key (`branch:main`), by their keys. Raises CommandError for any other word."""
        options: dict[str, list[str]] = {}
        for token in self.tokens:
            if token.key is None:
                self.fail(f"I don't know what to do with the word {token.text}.")
            if token.key not in allowed:
                near = difflib.get_close_matches(token.key, allowed, n=1)
                hint = (
                    f" Did you mean {near[0]}:?"
                    if near
                    else f" There are {', '.join(f'{key}:' for key in allowed)}."
                )
                self.fail(f"{self.command_help.name} knows no {token.key}:.{hint if allowed else ''}")
            options.setdefault(token.key, []).append(token.text)
        self.tokens = []
        return options

    def take_single_options(self, *allowed: str) -> dict[str, str]:
        """Take all words with a key, each given once and not empty. Raises CommandError for any other word."""
        return self.require_single(self.take_options(*allowed))

    def require_single(self, options: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Return the options with one value each. Raises CommandError for an empty or repeated one."""
        for key, texts in options.items():
            if not all(texts):
                self.fail(f"{key}: needs something behind it.")
            if len(texts) > 1:
                self.fail(f"{key}: was given twice.")
        return {key: texts[0] for key, texts in options.items()}

    def expect_end(self) -> None:
        """Raise CommandError if any word is left."""
        self.take_options()

    def take_app_and_build(self) -> tuple[str | None, BuildRef]:
        """Take the app, if one is named, and the build. Raises CommandError if no build is named."""
        # Two words that both look like builds: the first is an app's slug.
        for position in (1, 0):
            if len(self.tokens) > position and (ref := self._build_at(position)) is not None:
                if position == 1 and self._build_at(0) is not None and not self._may_be_app(ref):
                    continue
                app = self.tokens[0].text if position == 1 else None
                del self.tokens[: position + 1]
                return app, ref
        problem = f"{self.tokens[-1].text} is no build: give" if self.tokens else "Which build? Give"
        return self.fail(f"{problem} its number, its slug or a link to it.")

    def _build_at(self, position: int) -> BuildRef | None:
        token = self.tokens[position]
        return self.parser.parse_build_ref(token.text) if token.key is None else None

    def _may_be_app(self, ref: BuildRef) -> bool:
        """Return whether the word before `ref` can be an app: it can't in `abort #12 13 tests fail`."""
        first = self._build_at(0)
        return (
            first is not None and first.slug is not None and first.app_slug is None and ref.number is not None
        )

    def take_after_dashes(self) -> str | None:
        """Take the text after a double dash; None if there is none."""
        if not self.tokens or not self.tokens[-1].is_double_dash:
            return None
        dashes = self.tokens.pop()
        return self.line[dashes.start + len(dashes.text) :].strip()

    def take_rest(self) -> str | None:
        """Take everything that is left, as it was typed."""
        if not self.tokens:
            return None
        if len(self.tokens) == 1 and self.tokens[0].quoted and self.tokens[0].key is None:
            return self.tokens[0].text
        return self.line[self.tokens[0].start :].strip()


ParseFunction = Callable[[ArgumentReader], Command]


def help_table(parser: CommandParser) -> str:
    """Render the commands as a Markdown table."""
    slash_command = parser.provider.command
    rows = ["| type | and you get | for example |", "| --- | --- | --- |"]
    for command in parser.catalogue:
        usage = command.usage.replace("|", "\\|")
        examples = "<br>".join(
            f"`{slash_command} {example}`".replace("|", "\\|") for example in command.examples
        )
        rows.append(f"| `{slash_command} {usage}` | {command.summary} | {examples} |")
    return "\n".join(rows)
