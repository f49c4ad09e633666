"""Build.io's own commands: one class each, with typed arguments. Without an app, the channel's app is used."""

from __future__ import annotations

from domain.commands.shared_commands import Command


class ShowApp(Command):
    """Show one app: its deployment, its processes, its address."""

    app: str | None = None


class CreateApp(Command):
    """Create an app; without a name, the form is opened."""

    name: str | None = None
    team: str | None = None
    region: str | None = None


class Deploy(Command):
    """Build an app and release it; without any argument, the form is opened."""

    app: str | None = None
    branch: str | None = None
    commit: str | None = None
    message: str | None = None

    @property
    def names_something(self) -> bool:
        """Return whether there is any argument (reference, "Builds": branch, commitish, description are optional)."""
        return any((self.app, self.branch, self.commit, self.message))


class ListDynos(Command):
    """List an app's processes."""

    app: str | None = None


class RestartDynos(Command):
    """Restart a process of an app, or all of them."""

    app: str | None = None
    dyno: str | None = None


class RunCommand(Command):
    """Run a command in a running process, as an array of words (reference, "Dynos"); without one, open the form."""

    app: str | None = None
    dyno: str | None = None
    command: tuple[str, ...] = ()


class ListConfig(Command):
    """List the names of an app's config vars, with masked values."""

    app: str | None = None


class GetConfig(Command):
    """Show the value of a config var to one person."""

    app: str | None = None
    key: str


class SetConfig(Command):
    """Set config vars in the form; the value is never typed in the command."""

    app: str | None = None
    key: str | None = None


class UnsetConfig(Command):
    """Remove config vars."""

    app: str | None = None
    keys: tuple[str, ...]


class ListDomains(Command):
    """List an app's host names and their certificates."""

    app: str | None = None


class AddDomain(Command):
    """Add a host name; without one, the form is opened."""

    app: str | None = None
    host: str | None = None


class RemoveDomain(Command):
    """Remove a host name."""

    app: str | None = None
    host: str


class ClearDomains(Command):
    """Remove all custom host names."""

    app: str | None = None


class ListPipelines(Command):
    """List the pipelines."""


class ShowPipeline(Command):
    """Show one pipeline with its apps by stage, by its name or id."""

    name: str


class ListEnvironments(Command):
    """List the environments of all pipelines."""


class ShowEnvironment(Command):
    """Show the config vars of a pipeline's environment."""

    id: str


class SetEnvironment(Command):
    """Set config vars of an environment in the form."""

    id: str
    key: str | None = None


class UnsetEnvironment(Command):
    """Remove config vars from an environment."""

    id: str
    keys: tuple[str, ...]


class ListNamespaces(Command):
    """List the namespaces."""


class ShowNamespace(Command):
    """Show one namespace, by its name or id."""

    name: str


class CreateNamespace(Command):
    """Create a namespace; without a name, the form is opened."""

    name: str | None = None
    team: str | None = None
    region: str | None = None
    description: str | None = None


class DeleteNamespace(Command):
    """Delete a namespace; its name has to be typed in a form first."""

    name: str | None = None


class ListTeams(Command):
    """List the person's teams."""


class ShowTeam(Command):
    """Show one team, by its name or id."""

    team: str


class Login(Command):
    """Request the credential of a region's cluster."""

    region: str


class ListDeployLinks(Command):
    """List the deploy links of this channel."""


class CreateDeployLink(Command):
    """Offer to deploy builds of a Bitrise app to an app; `branches` are globs that limit the builds."""

    app: str | None = None
    bitrise: str
    branches: tuple[str, ...] = ()


class DeleteDeployLink(Command):
    """Remove the deploy links of an app; with `bitrise`, only the one to this Bitrise app."""

    app: str | None = None
    bitrise: str | None = None
