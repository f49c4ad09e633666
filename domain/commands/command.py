"""A command: its definition, the reader of its arguments, and the parsed command with a field for each argument."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Annotated, Any, NoReturn, Self

from domain.build import FrozenModel
from domain.commands.arguments import BuildRef
from domain.commands.errors import CommandError
from domain.commands.tokenizer import Token
from domain.provider import Provider


@dataclass(frozen=True)
class Word:
    """A word without a key.

    `usage` is its name in the help, `question` the error if a required one is missing; both are derived from the
    field's name by default.
    """

    usage: str = "{word}"
    question: str = ""


class ArgumentKind(Enum):
    """A build, in the field `build`, with the app before it; a word with the field's name as its key; all that is left.

    The value is the usage.
    """

    BUILD = "#N"
    OPTION = "{key}:…"
    REST = "{word}…"


AppArgument = Annotated[str | None, Word()]
WordArgument = Annotated[str | None, Word()]
BuildArgument = Annotated[BuildRef, ArgumentKind.BUILD]
RequiredWord = Annotated[str, Word()]
OptionalBuild = Annotated[BuildRef | None, ArgumentKind.BUILD]
OptionArgument = Annotated[str | None, ArgumentKind.OPTION]
RestOfLine = Annotated[str | None, ArgumentKind.REST]


class Command(FrozenModel):
    """A parsed command.

    Fields with the annotations above are parsed in their order; a command with a syntax of its own overrides `parse`.
    """

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> Self:
        """Return the command with these arguments. Raises CommandError."""
        kinds = cls.argument_kinds()
        values: dict[str, Any] = {}
        if cls.needs_build() or (kinds.get("build") is ArgumentKind.BUILD and arguments.end_in_build()):
            values["app"], values["build"] = arguments.take_app_and_build()
        words = {name: kind for name, kind in kinds.items() if isinstance(kind, Word) and name not in values}
        values |= {name: arguments.take_positional() for name in words}
        if rest := [name for name, kind in kinds.items() if kind is ArgumentKind.REST]:
            values[rest[0]] = arguments.take_rest()
        else:
            options = (name for name, kind in kinds.items() if kind is ArgumentKind.OPTION)
            values |= arguments.take_single_options(*options)
        for name, word in words.items():
            if cls.model_fields[name].is_required() and not values[name]:
                arguments.fail(word.question or f"Which {name}?")
        return cls(**{name: value for name, value in values.items() if value is not None})

    @classmethod
    def format_usage(cls) -> str:
        """Format the annotated fields as help shows them: `[APP] #N [REASON…]`."""
        parts = []
        for name, kind in cls.argument_kinds().items():
            usage = kind.usage if isinstance(kind, Word) else kind.value
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
    def argument_kinds(cls) -> Mapping[str, Word | ArgumentKind]:
        """Return how the annotated fields are typed, by the fields' names."""
        return {
            name: kind
            for name, field in cls.model_fields.items()
            for kind in field.metadata
            if isinstance(kind, Word | ArgumentKind)
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
        return self.fail(f"I don't know what to do with the word {names[2].text}.")

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
                self.fail(f"{self.definition.name} knows no {token.key}:.{hint if allowed else ''}")
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
