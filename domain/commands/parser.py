"""The command parser: finds a provider's command by its name, and lets it parse its arguments."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from domain.commands.arguments import BuildRef
from domain.commands.command import ArgumentKind, ArgumentReader, Command, CommandDefinition
from domain.commands.errors import CommandError, quote_typed
from domain.commands.shared_commands import ShowHelp
from domain.commands.tokenizer import Token, line_from_message, line_from_slash_command, tokenize
from domain.provider import Provider

Surface = Literal["slash", "message"]


@dataclass(frozen=True, kw_only=True)
class CommandParser:
    """Everything that can be typed after a provider's slash command.

    `name_pattern` matches the provider's name before the command in a message; `parse_build_ref` returns the build
    that a word names, or None; `example` is shown if no command was recognised, `subscribe_example` if the text beside
    the form of a subscription can't be parsed. `app_names` and `build_names` are sentences of the help.
    """

    provider: Provider
    catalogue: Sequence[CommandDefinition]
    name_pattern: str
    example: str
    parse_build_ref: Callable[[str], BuildRef | None]
    subscribe_example: str
    app_names: str = ""
    build_names: str = ""
    parse_functions: Mapping[str, Callable[[ArgumentReader], Command]] = field(init=False, repr=False)
    aliases: Mapping[str, str] = field(init=False, repr=False)
    _subcommands: Mapping[str, list[CommandDefinition]] = field(init=False, repr=False)
    _by_name: Mapping[str, CommandDefinition] = field(init=False, repr=False)
    _by_class: Mapping[type[Command], CommandDefinition] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = {command.name: command for command in self.catalogue}
        aliases = {alias: name for name, command in by_name.items() for alias in command.aliases}
        subcommands: dict[str, list[CommandDefinition]] = {}
        for command in self.catalogue:
            words = command.name.split(" ")
            for count in range(1, len(words)):
                subcommands.setdefault(" ".join(words[:count]), []).append(command)
        derived = {
            "_subcommands": subcommands,
            "_by_name": by_name,
            "_by_class": {
                of: command for command in self.catalogue for of in (command.command, command.bare) if of
            },
            "parse_functions": {name: command.parse for name, command in by_name.items()},
            "aliases": {alias: name for alias, name in aliases.items() if alias not in by_name},
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def find_help(self, name: str) -> CommandDefinition | None:
        """Return the help of the command with this name or alias; None if there is none."""
        name = " ".join(name.casefold().split())
        first, _, second = name.partition(" ")
        first = self.aliases.get(first, first)
        return self._by_name.get(f"{first} {second}" if second else first)

    def notes_of(self, command: CommandDefinition) -> list[str]:
        """Return the notes of a command, and how the build or the app that it takes can be named."""
        kinds = command.command.argument_kinds()
        names = [self.build_names] if ArgumentKind.BUILD in kinds.values() else []
        if "app" in kinds and not command.command.needs_build():
            names.append(self.app_names)
        return [*command.notes, *filter(None, names)]

    def subcommands_of(self, command: CommandDefinition) -> list[CommandDefinition]:
        """Return the commands whose names begin with this one's."""
        return self._subcommands.get(command.name, [])

    def parse(self, text: str, *, surface: Surface) -> Command:
        """Parse a text as Slack sends it, after the slash command or in a message; an empty one is `help`.

        Raises only CommandError.
        """
        # JSON can contain a lone surrogate, which can't be stored or sent.
        text = text.encode("utf-8", "replace").decode()
        if surface == "message":
            return self.parse_line(self._name.sub("", line_from_message(text)))
        return self.parse_line(line_from_slash_command(text))

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
            return self.parse_functions[command.name](
                ArgumentReader(command, rest, line, self.provider, self.parse_build_ref, self._find_name)
            )
        except CommandError as mistake:
            # The error comes from a single argument; its example may be of a command that this provider does not have.
            fits = self.find_help(mistake.example.split(" ")[0]) is not None
            raise CommandError(
                mistake.problem, example=mistake.example if fits else example, provider=self.provider
            ) from mistake

    def format_line(self, command: Command) -> str:
        """Return the line that `parse_line` reads as this command of the provider."""
        definition = self._by_class[type(command)]
        verbs = [subcommand.name.partition(" ")[2] for subcommand in self.subcommands_of(definition)]
        return f"{definition.name} {command.format(reserved=verbs)}".rstrip()

    def _tokenize(self, line: str) -> list[Token]:
        try:
            return tokenize(line)
        except CommandError:
            command = self.find_help(line.split(maxsplit=1)[0])
            if command is None or not command.secret:
                raise
            raise CommandError("A quote isn't closed.", example=command.example) from None

    def _reject_unknown(self, name: str) -> NoReturn:
        """Raise CommandError: there is no such command; the nearest names are listed."""
        near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(f'`{other}`' for other in near)}?" if near else ""
        raise CommandError(
            f"Unknown command {quote_typed(name, 40)}.{meant} `{self.provider.command} help` lists all commands.",
            example=self.example,
        )

    def _find_name(self, topic: str) -> str:
        return (self.find_help(topic) or self._reject_unknown(topic.casefold())).name

    @property
    def _name(self) -> re.Pattern[str]:
        return re.compile(rf"\s*/?(?:{self.name_pattern})(?!\S)", re.IGNORECASE)

    def _find(self, line_tokens: Sequence[Token]) -> tuple[CommandDefinition, list[Token]]:
        first, *rest = line_tokens
        name = first.text if first.key is None else f"{first.key}:"
        command = self.find_help(name) or self._reject_unknown(name.casefold())
        bare = [token for token in rest if token.key is None]
        if rest and (second := rest[0]).key is None and not second.quoted:
            if (subcommand := self.find_help(f"{command.name} {second.text}")) is not None:
                return subcommand, rest[1:]
            if near := self._find_near_verbs(command, second.text) if len(bare) > 1 else []:
                raise CommandError(
                    f"Unknown command {quote_typed(f'{command.name} {second.text}', 40)}."
                    f" Did you mean `{command.name} {near[0]}`?",
                    example=command.example,
                )
        return command, rest

    def _find_near_verbs(self, command: CommandDefinition, typed: str) -> list[str]:
        """Return the second word, of a command whose name begins with this one's, that was probably meant."""
        verbs = [subcommand.name.partition(" ")[2] for subcommand in self.subcommands_of(command)]
        return difflib.get_close_matches(typed.casefold(), verbs, n=1)
