"""What can be typed after `create` and `namespaces create`; the forms extend it."""

from __future__ import annotations

from domain.commands.command import Command, OptionArgument, WordArgument


class CreateApp(Command):
    """Create an app; without a name, the form is opened."""

    name: WordArgument = None
    team: OptionArgument = None
    region: OptionArgument = None


class CreateNamespace(Command):
    """Create a namespace; without a name, the form is opened."""

    name: WordArgument = None
    team: OptionArgument = None
    region: OptionArgument = None
    description: OptionArgument = None
