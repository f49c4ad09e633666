"""A command: its definition, the reader of its arguments, and the parsed command with a field for each argument.

The annotations of the fields say how the arguments are typed; parsing, formatting and help follow from them.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, NoReturn, Self

from domain.build import FrozenModel
from domain.commands.arguments import BuildRef
from domain.commands.errors import CommandError, quote_typed
from domain.commands.tokenizer import Token, format_options, quote, quote_word
from domain.provider import Provider

# A name like this is never taken for another argument, such as a host name.
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Word:
    """A word without a key.

    `usage` is its name in the help, `question` the error if a required one is missing; both are derived from the
    field's name by default. `is_name`: it is free text, so it is quoted where it looks like another argument.
    """

    usage: str = "{word}"
    question: str = ""
    is_name: bool = False


@dataclass(frozen=True)
class Option:
    """A word with a key, by default the field's name; `parse` reads its text, `format` is the inverse.

    `parse` raises CommandError. `question` is the error if a required one is missing.
    """

    parse: Callable[..., Any] = lambda text, key: text  # noqa: ARG005 - the key is for errors
    format: Callable[[Any], str] = str
    key: str = ""
    usage: str = "{key}:…"
    question: str = ""


@dataclass(frozen=True)
class OptionGroup:
    """Words with several keys, or with one repeated key, that are one value; `format` returns keys and texts."""

    keys: tuple[str, ...]
    parse: Callable[[Mapping[str, Sequence[str]]], Any]
    format: Callable[[Any], Sequence[tuple[str, str]]]
    usage: str


@dataclass(frozen=True)
class Flag:
    """A word that is there or not."""

    usage: str


class ArgumentKind(Enum):
    """Other arguments; the value is the usage.

    A build, in the field `build`, with the app before it; several words; all that is left; a command of a shell.
    """

    BUILD = "#N"
    WORDS = "{word} …"
    REST = "{word}…"
    SHELL = "-- {word}…"


Argument = Word | Option | OptionGroup | Flag | ArgumentKind
AppArgument = Annotated[str | None, Word(is_name=True)]
WordArgument = Annotated[str | None, Word()]
BuildArgument = Annotated[BuildRef, ArgumentKind.BUILD]
RequiredWord = Annotated[str, Word()]
OptionalBuild = Annotated[BuildRef | None, ArgumentKind.BUILD]
OptionArgument = Annotated[str | None, Option()]
RestOfLine = Annotated[str | None, ArgumentKind.REST]


class Command(FrozenModel):
    """A parsed command.

    Fields with the annotations above are parsed and formatted in their order; a command with a syntax of its own
    overrides `parse`. Parsing a formatted command returns an equal one.
    """

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> Self:
        """Return the command with these arguments. Raises CommandError."""
        kinds = cls.argument_kinds()
        values: dict[str, Any] = {
            name: arguments.take_flag(kind.usage) for name, kind in kinds.items() if isinstance(kind, Flag)
        }
        if cls.needs_build() or (kinds.get("build") is ArgumentKind.BUILD and arguments.end_in_build()):
            values["app"], values["build"] = arguments.take_app_and_build()
        words = {name: kind for name, kind in kinds.items() if isinstance(kind, Word) and name not in values}
        values |= {name: arguments.take_positional() for name in words}
        if rest := [name for name, kind in kinds.items() if kind is ArgumentKind.REST]:
            values[rest[0]] = arguments.take_rest()
        else:
            values |= cls._parse_options(arguments)
        for name, kind in kinds.items():
            if (
                isinstance(kind, Word | Option)
                and cls.model_fields[name].is_required()
                and not values.get(name)
            ):
                arguments.fail(kind.question or f"Which {name}?")
        return cls(**{name: value for name, value in values.items() if value is not None})

    @classmethod
    def _parse_options(cls, arguments: ArgumentReader) -> dict[str, Any]:
        """Return the values of the fields that are typed with keys. Raises CommandError."""
        kinds = {
            name: kind
            for name, kind in cls.argument_kinds().items()
            if isinstance(kind, Option | OptionGroup)
        }
        keys = {
            name: (kind.key or name,) if isinstance(kind, Option) else kind.keys
            for name, kind in kinds.items()
        }
        typed = arguments.take_options(*(key for of_field in keys.values() for key in of_field))
        values: dict[str, Any] = {}
        for name, kind in kinds.items():
            options = {key: typed[key] for key in typed if key in keys[name]}
            if isinstance(kind, OptionGroup):
                values[name] = kind.parse(options)
            elif options:
                ((key, text),) = arguments.require_single(options).items()
                values[name] = kind.parse(text, key=key)
        return values

    def format(self, reserved: Collection[str] = ()) -> str:
        """Format the arguments as they can be typed; a name that is `reserved` is quoted."""
        kinds = self.argument_kinds()
        reserved = {*reserved, *(kind.usage for kind in kinds.values() if isinstance(kind, Flag))}
        parts = []
        for name, kind in kinds.items():
            field, value = type(self).model_fields[name], getattr(self, name)
            if field.is_required() or value != field.default:
                parts.append(self._format_argument(name, kind, value, reserved))
        return " ".join(filter(None, parts))

    def _format_argument(self, name: str, kind: Argument, value: Any, reserved: Collection[str]) -> str:
        match kind:
            case Word(is_name=is_name):
                ambiguous = value in reserved or (is_name and not _PLAIN_NAME.fullmatch(value))
                return quote_word(str(value), always=ambiguous)
            case Option(key=key):
                return format_options([(key or name, kind.format(value))])
            case OptionGroup():
                return format_options(kind.format(value))
            case Flag(usage=word):
                return word
            case ArgumentKind.BUILD:
                return str(value)
            case ArgumentKind.WORDS:
                return " ".join(map(quote_word, value))
            case ArgumentKind.SHELL:
                return f"-- {shlex.join(value)}"
            case ArgumentKind.REST:
                # It is read as it was typed, so that only quotes and outer spaces have to be protected.
                plain = value.replace(" ", "")
                return (
                    value if value.strip() == value and quote(plain) == plain else quote(value, always=True)
                )

    @classmethod
    def format_usage(cls) -> str:
        """Format the annotated fields as help shows them: `[APP] #N [REASON…]`."""
        parts = []
        for name, kind in cls.argument_kinds().items():
            usage = kind.value if isinstance(kind, ArgumentKind) else kind.usage
            part = usage.format(key=name, word=name.upper())
            parts.append(part if cls.model_fields[name].is_required() else f"[{part}]")
        return " ".join(parts)

    @classmethod
    def needs_build(cls) -> bool:
        """Return whether a build has to be named; an app is then named only to find it."""
        return (
            cls.argument_kinds().get("build") is ArgumentKind.BUILD
            and cls.model_fields["build"].is_required()
        )

    @classmethod
    @cache
    def argument_kinds(cls) -> Mapping[str, Argument]:
        """Return how the annotated fields are typed, by the fields' names."""
        return {
            name: kind
            for name, field in cls.model_fields.items()
            for kind in field.metadata
            if isinstance(kind, Argument)
        }


@dataclass(frozen=True)
class CommandDefinition:
    """A command of a provider. A name of two words is a command of its own.

    `examples` are the name alone by default. `usage` shows optional parts in brackets; by default it is derived from
    the fields of the command. `notes` say more than how apps and builds are named. `aliases` are other names that
    people try first, unless another command has that name. `options` are the keys that the command has only at this
    provider. `bare` is the command if nothing follows the name. `secret`: the arguments may be a secret that was typed
    in the wrong place, so no error repeats them.
    """

    command: type[Command]
    name: str
    summary: str
    examples: tuple[str, ...] = ()
    _: KW_ONLY
    usage: str = ""
    notes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    bare: type[Command] | None = None
    secret: bool = False

    def __post_init__(self) -> None:
        usage = self.usage or f"{self.name} {self.command.format_usage()}".rstrip()
        object.__setattr__(self, "usage", usage)
        object.__setattr__(self, "examples", self.examples or (self.name,))

    @property
    def example(self) -> str:
        """The example that an error shows."""
        return self.examples[0]

    def parse(self, arguments: ArgumentReader) -> Command:
        """Return the command with these arguments. Raises CommandError."""
        if self.bare is not None and not arguments.tokens:
            return self.bare()
        return self.command.parse(arguments)


@dataclass
class ArgumentReader:
    """The arguments of one command; reading removes them from `tokens`.

    `parse_build_ref` returns the build that a word names, or None; `find_name` returns the full name of a command
    and raises CommandError if there is none.
    """

    definition: CommandDefinition
    tokens: list[Token]
    line: str
    provider: Provider
    parse_build_ref: Callable[[str], BuildRef | None]
    find_name: Callable[[str], str]

    def fail(self, problem: str) -> NoReturn:
        """Raise CommandError with an example of the command that was meant."""
        raise CommandError(problem, example=self.definition.example)

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

    def take_flag(self, word: str) -> bool:
        """Take this word wherever it stands without quotes, and return whether it does."""
        found = [
            token
            for token in self.tokens
            if token.key is None and not token.quoted and token.text.casefold() == word
        ]
        self.tokens = [token for token in self.tokens if token not in found]
        return bool(found)

    def take_app_and_word(self, fits: Callable[[str], object]) -> tuple[str | None, str | None]:
        """Take the app and another word, each if it is given. A single word is the other one if it fits, unquoted."""
        names = self.take_positionals()
        self.expect_end()
        match names:
            case []:
                return None, None
            case [one] if not one.quoted and fits(one.text):
                return None, one.text
            case [app]:
                return app.text, None
            case [app, other]:
                return app.text, other.text
        return self.fail(f"Unexpected word: {quote_typed(names[2].text)}.")

    def take_options(self, *allowed: str) -> dict[str, list[str]]:
        """Take all words with a key (`branch:main`), by their keys. Raises CommandError for any other word."""
        options: dict[str, list[str]] = {}
        for token in self.tokens:
            if token.key is None:
                self.fail(f"Unexpected word: {quote_typed(token.text)}.")
            if token.key not in allowed:
                near = difflib.get_close_matches(token.key, allowed, n=1)
                hint = (
                    f" Did you mean `{near[0]}:`?"
                    if near
                    else f" `{self.provider.command} help {self.definition.name}` lists them all."
                )
                self.fail(f"Unknown option {quote_typed(f'{token.key}:')}.{hint if allowed else ''}")
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
                self.fail(f"`{key}:` needs a value.")
            if len(texts) > 1:
                self.fail(f"`{key}:` can be given only once.")
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
        problem = f"{quote_typed(self.tokens[-1].text)} isn't a build." if self.tokens else "Which build?"
        return self.fail(f"{problem} Give its number, its slug or a link to it.")

    def end_in_build(self) -> bool:
        """Return whether the last word names a build."""
        return bool(self.tokens) and self._build_at(-1) is not None

    def _build_at(self, position: int) -> BuildRef | None:
        token = self.tokens[position]
        return self.parse_build_ref(token.text) if token.key is None else None

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
