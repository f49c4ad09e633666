"""Actions that change something at Build.io. Pure; no I/O.

Only the names of config vars and certificates are shown. Values are stored encrypted and sent only to Build.io.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import SecretStr, StringConstraints

from domain.access_policy import AccessRequest, Permission
from domain.action import NONE_OF_THEM, Action, Secret, app_details, present_values
from domain.build import App, Build, FrozenModel
from domain.git_refs import branch_name, is_ambiguous
from domain.redaction.redactor import redact
from providers.buildio.domains.certificates import fingerprint
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.arguments import LONGEST_COMMAND, format_array

NAMES_SAID = 5
LONGEST_TITLE = 100
# How a change of a config var is described; its value is never shown.
SET, UNSET = "set to a value that is not shown", "unset"

_VALUES_NOT_SHOWN = {"values": "values of config vars are shown to nobody; their names are"}
_CERTIFICATE_NOT_SHOWN = {"certificate": "it holds a private key; its fingerprint is shown instead"}

Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class BuildioAction(Action):
    """Base of all Build.io actions. By default an action has no branch and no workflow, and its stage is unknown."""

    provider: ClassVar = BUILDIO

    def access_request(self, channel: str) -> AccessRequest:
        """Build the access request with an unknown stage."""
        return self._access_request_with(channel)

    def full_details(self) -> list[tuple[str, str]]:
        """Return the app, if the action has one, and the details of the action type."""
        return [*app_details(self.app), *self._type_details()]

    def _type_details(self) -> list[tuple[str, str]]:
        return []

    def _access_request_with(
        self,
        channel: str,
        *,
        branch: str | None = NONE_OF_THEM,
        workflow: str | None = NONE_OF_THEM,
        stage: str | None = None,
    ) -> AccessRequest:
        return self._build_access_request(channel, branch=branch, workflow=workflow, stage=stage)


class _AppAction(BuildioAction):
    """Base of actions on an app."""

    app: App


class SourceBuild(FrozenModel):
    """The Bitrise build whose commit is deployed."""

    app: str
    title: str
    slug: str
    label: str
    url: str

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """Return the source for this build."""
        title = app.title[:LONGEST_TITLE]
        return cls(app=app.slug, title=title, slug=build.slug, label=build.label, url=build.url)

    @property
    def display_text(self) -> str:
        """Return the display text."""
        return f"Bitrise build {self.label} of {self.title}"


class DeployAction(_AppAction):
    """Start a build, which deploys an app; `built` is the Bitrise build that the commit comes from."""

    permission: ClassVar = Permission.DEPLOY
    act: Literal["deploy"] = "deploy"
    branch: str | None = None
    commitish: str | None = None
    description: str | None = None
    built: SourceBuild | None = None

    @classmethod
    def of_build(cls, build: Build, built_for: App, app: App) -> Self:
        """Return the action that deploys the commit of a Bitrise build."""
        built = SourceBuild.of(build, built_for)
        return cls(
            app=app,
            branch=build.branch,
            commitish=build.commit_hash,
            description=f"{built.display_text}: {built.url}",
            built=built,
        )

    def normalized(self) -> Self:
        """Return a copy with normalized Git names. Raises InvalidBranch."""
        branch = branch_name(self.branch) if self.branch is not None else None
        return self.model_copy(update={"branch": branch, "commitish": (self.commitish or "").strip() or None})

    def access_request(self, channel: str) -> AccessRequest:
        """Build the access request for workflow `deploy`, with the branch if it is certain."""
        # A branch given beside a commit proves nothing: anyone can name any branch, also in a Bitrise build, whose
        # branch is whatever the person who started it gave.
        is_branch_certain = (
            self.commitish is None and self.branch is not None and not is_ambiguous(self.branch)
        )
        return self._access_request_with(
            channel, branch=self.branch if is_branch_certain else None, workflow="deploy"
        )

    def reason(self) -> str | None:
        """Return the description that the person typed."""
        return self.description if self.built is None else None

    def audit_fields(self) -> dict[str, str]:
        """Return the branch, the commit and the Bitrise build."""
        if self.built is None:
            return self._revision_fields()
        return {**self._revision_fields(), "build": self.built.slug, "label": self.built.display_text}

    def summary(self) -> str:
        """Return what is deployed."""
        source = ", ".join(f"{name} {value}" for name, value in self._revision_fields().items())
        of = f", which is {self.built.display_text}" if self.built is not None else ""
        return f"deploy {self.app.title}" + (f" ({source})" if source else "") + of

    def _type_details(self) -> list[tuple[str, str]]:
        built = self.built
        return [
            *present_values(branch=self.branch, commit=self.commitish, description=self.description),
            *(
                present_values(
                    Bitrise_app=built.title,
                    Bitrise_app_id=built.app,
                    Bitrise_build=built.label,
                    Bitrise_build_id=built.slug,
                    Bitrise_page=built.url,
                )
                if built is not None
                else []
            ),
        ]

    def _revision_fields(self) -> dict[str, str]:
        values = {"branch": self.branch, "commit": self.commitish}
        return {name: value for name, value in values.items() if value is not None}


class RestartAction(_AppAction):
    """Restart one dyno of an app, or all of them."""

    permission: ClassVar = Permission.RESTART
    act: Literal["restart"] = "restart"
    dyno: Name | None = None

    def audit_fields(self) -> dict[str, str]:
        """Return the dynos."""
        return {"label": self.dyno or "all dynos"}

    def summary(self) -> str:
        """Return the dynos and the app."""
        return f"restart {self.dyno or 'all dynos'} of {self.app.title}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [("dyno", self.dyno or "all dynos")]


class RunCommandAction(_AppAction):
    """Run a command in a dyno. The command is an array of strings, as Build.io's API takes it."""

    permission: ClassVar = Permission.RUN
    act: Literal["run"] = "run"
    dyno: Name
    command: tuple[str, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the dyno and the array."""
        return {"label": self.dyno, "command": format_array(self.command)}

    def summary(self) -> str:
        """Return the dyno and the app. The command is shown separately: a summary is truncated and loses spaces."""
        return f"run a command in {self.dyno} of {self.app.title}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [("dyno", self.dyno), ("command", format_array(self.command))]

    def problem(self) -> str | None:
        """Return why the command can't be shown to approvers exactly as it will run; None if it can."""
        if not self.command or not self.command[0].strip():
            return "There is no command to run."
        shown = format_array(self.command)
        if len(shown) > LONGEST_COMMAND:
            return f"The command is longer than {LONGEST_COMMAND} characters. Put it into a script, and run that."
        if redact(shown) != shown or any(redact(word) != word for word in self.command):
            return (
                "There is something in the command that looks like a secret, and others would see it. Keep it in a"
                " config var, and let the command read it from there."
            )
        return None


class SetConfigAction(_AppAction):
    """Set config vars of an app."""

    not_shown: ClassVar[Mapping[str, str]] = _VALUES_NOT_SHOWN
    permission: ClassVar = Permission.CONFIG
    act: Literal["set_config"] = "set_config"
    values: Mapping[Name, Secret]

    def audit_fields(self) -> dict[str, str]:
        """Return only the names."""
        return _names_label(self.values)

    def summary(self) -> str:
        """Return only the names."""
        return f"set {_format_names(self.values)} of {self.app.title}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [(f"config var {name}", SET) for name in sorted(self.values)]


class UnsetConfigAction(_AppAction):
    """Unset config vars of an app."""

    permission: ClassVar = Permission.CONFIG
    act: Literal["unset_config"] = "unset_config"
    keys: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the names."""
        return _names_label(self.keys)

    def summary(self) -> str:
        """Return the names."""
        return f"unset {_format_names(self.keys)} of {self.app.title}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [(f"config var {name}", UNSET) for name in sorted(self.keys)]


class RevealConfigAction(_AppAction):
    """Show the value of a config var to the requester. Nothing changes, but it is authorized and audited."""

    permission: ClassVar = Permission.CONFIG
    act: Literal["reveal_config"] = "reveal_config"
    key: Name

    def audit_fields(self) -> dict[str, str]:
        """Return only the name."""
        return {"label": self.key}

    def summary(self) -> str:
        """Return only the name."""
        return f"see the value of {_format_names([self.key])} of {self.app.title}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [("config var", self.key)]


class AddDomainAction(_AppAction):
    """Add a domain to an app, with or without a custom certificate."""

    not_shown: ClassVar[Mapping[str, str]] = _CERTIFICATE_NOT_SHOWN
    permission: ClassVar = Permission.DOMAINS
    act: Literal["add_domain"] = "add_domain"
    hostname: Name
    certificate: Secret | None = None

    def audit_fields(self) -> dict[str, str]:
        """Return the hostname, and whether there is a custom certificate."""
        return {"label": self.hostname, "certificate": "own" if self.certificate is not None else "none"}

    def summary(self) -> str:
        """Return the hostname and the app."""
        own = " with a certificate" if self.certificate is not None else ""
        return f"add the domain {self.hostname}{own} to {self.app.title}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [("domain", self.hostname), ("certificate", _format_fingerprint(self.certificate))]


class _DomainAction(_AppAction):
    """Base of actions on an existing domain; `domain` is its ID."""

    permission: ClassVar = Permission.DOMAINS
    domain: Name
    hostname: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the hostname and the ID."""
        return {"label": self.hostname, "domain": self.domain}

    def _type_details(self) -> list[tuple[str, str]]:
        return [("domain", self.hostname), ("domain id", self.domain)]


class UpdateCertificateAction(_DomainAction):
    """Replace the certificate of a domain."""

    not_shown: ClassVar[Mapping[str, str]] = _CERTIFICATE_NOT_SHOWN
    act: Literal["update_certificate"] = "update_certificate"
    certificate: Secret

    def summary(self) -> str:
        """Return the hostname and the app."""
        return f"give the domain {self.hostname} of {self.app.title} another certificate"

    def _type_details(self) -> list[tuple[str, str]]:
        return [*super()._type_details(), ("certificate", _format_fingerprint(self.certificate))]


class RemoveDomainAction(_DomainAction):
    """Remove a domain from an app."""

    act: Literal["remove_domain"] = "remove_domain"

    def summary(self) -> str:
        """Return the hostname and the app."""
        return f"remove the domain {self.hostname} from {self.app.title}"


class RemoveAllDomainsAction(_AppAction):
    """Remove all custom domains of an app; `hostnames` are those that existed when this was requested."""

    permission: ClassVar = Permission.DELETE
    act: Literal["remove_all_domains"] = "remove_all_domains"
    hostnames: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the hostnames."""
        return {"label": "all domains", "domains": " ".join(self.hostnames)}

    def _type_details(self) -> list[tuple[str, str]]:
        return [("domain", hostname) for hostname in self.hostnames]

    def summary(self) -> str:
        """Return the app."""
        return f"remove all domains from {self.app.title}"


class CreateAppAction(BuildioAction):
    """Create an app."""

    permission: ClassVar = Permission.CREATE
    act: Literal["create_app"] = "create_app"
    name: Name
    team: str | None = None
    team_title: str | None = None
    region: str | None = None

    def access_request(self, channel: str) -> AccessRequest:
        """Build the access request with no stage: the app does not exist yet."""
        return self._access_request_with(channel, stage=NONE_OF_THEM)

    def audit_fields(self) -> dict[str, str]:
        """Return the name, the team and the region."""
        return {"label": self.name} | _present_fields(team=self.team, region=self.region)

    def summary(self) -> str:
        """Return the name, the team and the region."""
        return f"create the app {self.name}{_format_location(self.team_title or self.team, self.region)}"

    def _type_details(self) -> list[tuple[str, str]]:
        return present_values(name=self.name, team=self.team_title, team_id=self.team, region=self.region)


class CreateNamespaceAction(BuildioAction):
    """Create a namespace."""

    permission: ClassVar = Permission.CREATE
    act: Literal["create_namespace"] = "create_namespace"
    name: Name
    team: str | None = None
    team_title: str | None = None
    description: str | None = None
    region: str | None = None

    def access_request(self, channel: str) -> AccessRequest:
        """Build the access request with no stage: the namespace has no apps yet."""
        return self._access_request_with(channel, stage=NONE_OF_THEM)

    def reason(self) -> str | None:
        """Return the description."""
        return self.description

    def audit_fields(self) -> dict[str, str]:
        """Return the name, the team and the region."""
        return {"label": self.name} | _present_fields(team=self.team, region=self.region)

    def summary(self) -> str:
        """Return the name, the team and the region."""
        return (
            f"create the namespace {self.name}{_format_location(self.team_title or self.team, self.region)}"
        )

    def _type_details(self) -> list[tuple[str, str]]:
        return present_values(
            name=self.name,
            team=self.team_title,
            team_id=self.team,
            region=self.region,
            description=self.description,
        )


class DeleteNamespaceAction(BuildioAction):
    """Delete a namespace and everything in it."""

    permission: ClassVar = Permission.DELETE
    act: Literal["delete_namespace"] = "delete_namespace"
    name: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the name."""
        return {"label": self.name}

    def summary(self) -> str:
        """Return the name."""
        return f"delete the namespace {self.name}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [("namespace", self.name)]


class _EnvironmentAction(BuildioAction):
    """Base of actions on the config vars of a pipeline's environment: its ID and its display name."""

    permission: ClassVar = Permission.CONFIG
    environment: Name
    label: Name

    def _type_details(self) -> list[tuple[str, str]]:
        return [("environment", self.label), ("environment id", self.environment)]


class SetEnvironmentAction(_EnvironmentAction):
    """Set config vars of an environment; None unsets one."""

    not_shown: ClassVar[Mapping[str, str]] = _VALUES_NOT_SHOWN
    act: Literal["set_environment"] = "set_environment"
    values: Mapping[Name, Secret | None]

    def audit_fields(self) -> dict[str, str]:
        """Return the environment and only the names."""
        return {"environment": self.environment, **_names_label(self.values)}

    def summary(self) -> str:
        """Return only the names and the environment."""
        given = [key for key, value in self.values.items() if value is not None]
        gone = [key for key, value in self.values.items() if value is None]
        said = [f"set {_format_names(given)}"] if given else []
        said += [f"unset {_format_names(gone)}"] if gone else []
        return f"{' and '.join(said)} of the environment {self.label}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [
            *super()._type_details(),
            *(
                (f"config var {key}", UNSET if value is None else SET)
                for key, value in sorted(self.values.items())
            ),
        ]


class UnsetEnvironmentAction(_EnvironmentAction):
    """Unset config vars of an environment."""

    act: Literal["unset_environment"] = "unset_environment"
    keys: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the environment and the names."""
        return {"environment": self.environment, **_names_label(self.keys)}

    def summary(self) -> str:
        """Return the names and the environment."""
        return f"unset {_format_names(self.keys)} of the environment {self.label}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [*super()._type_details(), *((f"config var {name}", UNSET) for name in sorted(self.keys))]


class RevealEnvironmentAction(_EnvironmentAction):
    """Show the value of an environment's config var to the requester."""

    act: Literal["reveal_environment"] = "reveal_environment"
    key: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the environment and only the name."""
        return {"environment": self.environment, "label": self.key}

    def summary(self) -> str:
        """Return only the name and the environment."""
        return f"see the value of {_format_names([self.key])} of the environment {self.label}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [*super()._type_details(), ("config var", self.key)]


class ClusterLoginAction(BuildioAction):
    """Get a Kubernetes credential for the cluster of a region."""

    permission: ClassVar = Permission.LOGIN
    act: Literal["login"] = "login"
    region: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the region."""
        return {"label": self.region}

    def summary(self) -> str:
        """Return the region."""
        return f"get a Kubernetes credential for the cluster in {self.region}"

    def _type_details(self) -> list[tuple[str, str]]:
        return [("region", self.region)]


def _format_names(keys: Iterable[str]) -> str:
    names = sorted(keys)
    if len(names) > NAMES_SAID:
        return f"{len(names)} config vars"
    return f"the config var{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _format_fingerprint(certificate: SecretStr | None) -> str:
    if certificate is None:
        return "none"
    digest = fingerprint(certificate.get_secret_value())
    return f"own, SHA-256 {digest}" if digest is not None else "own"


def _names_label(keys: Iterable[str]) -> dict[str, str]:
    return {"label": " ".join(sorted(keys))}


def _present_fields(**named: str | None) -> dict[str, str]:
    return {name: value for name, value in named.items() if value is not None}


def _format_location(team: str | None, region: str | None) -> str:
    return (f" for the team {team}" if team else "") + (f" in {region}" if region else "")
