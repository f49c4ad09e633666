"""What can be typed after `create` and `namespaces create`; the forms extend it."""

from __future__ import annotations

from domain.commands.command import Command, OptionArgument, WordArgument


class CreateResource(Command):
    """Create something that belongs to a team and runs in a region."""

    name: WordArgument = None
    team: OptionArgument = None
    region: OptionArgument = None


class CreateApp(CreateResource):
    """Create an app; without a name, the form is opened."""


class CreateNamespace(CreateResource):
    """Create a namespace; without a name, the form is opened."""

    description: OptionArgument = None
