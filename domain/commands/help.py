"""The help of a command."""

from __future__ import annotations

from dataclasses import dataclass

RESULTS = (
    "`status:` says what is told: `failed` is every failure, `broken` only the first of a series, `still-failing` "
    "every further one, `fixed` the first success after failures; `success`, `aborted`, `aborted-with-success`, "
    "`started`. A series is an app, a workflow and a branch, and aborted builds do not count in it. Without "
    "`status:` every end is told. `on-hold:15m` and `running:1h` tell what takes too long."
)
STYLES = (
    "`style:` says how: `each` (one message a build), `live` (one message, edited from start to end), `card` (one card "
    "a broken series), `thread` (one thread a branch or pull request; `broadcast:yes` shows replies in the channel), "
    "`daily` and `weekly` (`at:9:00` `on:mon` `zone:Europe/Berlin`). `quiet:22:00-7:00` gathers what happens meanwhile."
)


@dataclass(frozen=True)
class CommandHelp:
    """The help of one command; `usage` shows optional parts in brackets. A name of two words is a separate command.

    `secret`: its arguments may be a secret that a user typed in the wrong place, so no error repeats them.
    """

    name: str
    usage: str
    summary: str
    examples: tuple[str, ...]
    details: tuple[str, ...] = ()
    secret: bool = False

    @property
    def example(self) -> str:
        """The example that an error shows."""
        return self.examples[0]
