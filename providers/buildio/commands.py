"""Build.io's own commands: one class each, with what was asked for as types. Without an app the channel's is meant."""

from __future__ import annotations

from domain.commands.shared_commands import Command


class ShowApp(Command):
    """One app: how it stands, its processes, its address."""

    app: str | None = None


class CreateApp(Command):
    """Make an app; one without a name asks for the form to be filled in."""

    name: str | None = None
    team: str | None = None
    region: str | None = None


class Deploy(Command):
    """Start a build of an app and let it go live; one that says nothing asks for the form to be filled in."""

    app: str | None = None
    branch: str | None = None
    commit: str | None = None
    message: str | None = None

    @property
    def names_something(self) -> bool:
        """Whether it says anything (reference, "Builds": branch, commitish and description are all optional)."""
        return any((self.app, self.branch, self.commit, self.message))


class ListDynos(Command):
    """An app's processes."""

    app: str | None = None


class RestartDynos(Command):
    """Restart a process of an app, or all of them."""

    app: str | None = None
    dyno: str | None = None


class RunCommand(Command):
    """Run a command in a running process, as an array of words (reference, "Dynos"); with none by the form."""

    app: str | None = None
    dyno: str | None = None
    command: tuple[str, ...] = ()


class ListConfig(Command):
    """The names of an app's config vars, and what can be told of their values."""

    app: str | None = None


class GetConfig(Command):
    """The value of a config var, for one person."""

    app: str | None = None
    key: str


class SetConfig(Command):
    """Set config vars by the form; the value is never part of what was typed."""

    app: str | None = None
    key: str | None = None


class UnsetConfig(Command):
    """Remove config vars."""

    app: str | None = None
    keys: tuple[str, ...]


class ListDomains(Command):
    """An app's host names and their certificates."""

    app: str | None = None


class AddDomain(Command):
    """Add a host name; without one by the form."""

    app: str | None = None
    host: str | None = None


class RemoveDomain(Command):
    """Take a host name away."""

    app: str | None = None
    host: str


class ClearDomains(Command):
    """Take all host names of one's own away."""

    app: str | None = None


class ListPipelines(Command):
    """Which pipelines there are."""


class ShowPipeline(Command):
    """One pipeline with its apps by stage, by its name or id."""

    name: str


class ListEnvironments(Command):
    """The environments of all pipelines."""


class ShowEnvironment(Command):
    """The config vars of a pipeline's environment."""

    id: str


class SetEnvironment(Command):
    """Set config vars of an environment by the form."""

    id: str
    key: str | None = None


class UnsetEnvironment(Command):
    """Remove config vars from an environment."""

    id: str
    keys: tuple[str, ...]


class ListNamespaces(Command):
    """Which namespaces there are."""


class ShowNamespace(Command):
    """One namespace, by its name or id."""

    name: str


class CreateNamespace(Command):
    """Make a namespace; without a name by the form."""

    name: str | None = None
    team: str | None = None
    region: str | None = None
    description: str | None = None


class DeleteNamespace(Command):
    """Delete a namespace; its name is typed once more before that is done."""

    name: str | None = None


class ListTeams(Command):
    """The teams that one belongs to."""


class ShowTeam(Command):
    """One team, by its name or id."""

    team: str


class Login(Command):
    """Ask for the credential of a region's cluster."""

    region: str


class ListTies(Command):
    """Which apps are tied to Bitrise's in this channel."""


class Link(Command):
    """Tie an app to one of Bitrise's, so that its builds can be deployed; `branches`: only those of these, as globs."""

    app: str | None = None
    bitrise: str
    branches: tuple[str, ...] = ()


class Unlink(Command):
    """Untie an app from those of Bitrise's; from one, where it is named."""

    app: str | None = None
    bitrise: str | None = None
