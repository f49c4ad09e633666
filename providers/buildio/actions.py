"""What somebody wants to change at Build.io. Pure; no I/O.

Of config vars and certificates only names are ever said; their values travel sealed, and are seen by Build.io alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import SecretStr, StringConstraints

from domain.access_policy import AccessRequest, Permission
from domain.action import NONE_OF_THEM, Action, Secret, app_details, present_values
from domain.build import App, Build, FrozenModel
from domain.git_refs import branch_name, is_ambiguous
from domain.provider import Provider
from domain.redaction.redactor import redact
from providers.buildio.domains.certificates import fingerprint
from providers.buildio.shared.arguments import LONGEST_COMMAND, format_array

NAMES_SAID = 5
LONGEST_TITLE = 100
# What becomes of a config var, where its value is shown to nobody.
SET, UNSET = "set to a value that is not shown", "unset"

_VALUES_NOT_SHOWN = {"values": "values of config vars are shown to nobody; their names are"}
_CERTIFICATE_NOT_SHOWN = {"certificate": "it holds a private key; its fingerprint is shown instead"}

Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class BuildioAction(Action):
    """Something that changes at Build.io. It knows neither branch nor workflow; its stage is not known to itself."""

    provider: ClassVar = Provider.BUILDIO

    def access_request(self, channel: str) -> AccessRequest:
        """With the stage in doubt."""
        return self._of(channel)

    def full_details(self) -> list[tuple[str, str]]:
        """The app, where it is about one, and what its kind adds."""
        return [*app_details(self.app), *self._more()]

    def _more(self) -> list[tuple[str, str]]:
        return []

    def _of(
        self,
        channel: str,
        *,
        branch: str | None = NONE_OF_THEM,
        workflow: str | None = NONE_OF_THEM,
        stage: str | None = None,
    ) -> AccessRequest:
        return self._build_access_request(channel, branch=branch, workflow=workflow, stage=stage)


class _OfApp(BuildioAction):
    """Something about an app."""

    app: App


class SourceBuild(FrozenModel):
    """The build at Bitrise that a deployment takes its commit from."""

    app: str
    title: str
    slug: str
    label: str
    url: str

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """This build."""
        title = app.title[:LONGEST_TITLE]
        return cls(app=app.slug, title=title, slug=build.slug, label=build.label, url=build.url)

    @property
    def display_text(self) -> str:
        """What people call it."""
        return f"Bitrise build {self.label} of {self.title}"


class DeployAction(_OfApp):
    """Start a build of an app, which deploys it; `built` says which build at Bitrise the commit was taken from."""

    permission: ClassVar = Permission.DEPLOY
    act: Literal["deploy"] = "deploy"
    branch: str | None = None
    commitish: str | None = None
    description: str | None = None
    built: SourceBuild | None = None

    @classmethod
    def of_build(cls, build: Build, built_for: App, app: App) -> Self:
        """Let the commit go live at an app that Bitrise has built."""
        built = SourceBuild.of(build, built_for)
        return cls(
            app=app,
            branch=build.branch,
            commitish=build.commit_hash,
            description=f"{built.display_text}: {built.url}",
            built=built,
        )

    def normalized(self) -> Self:
        """Return it with the names as Git has them. Raises InvalidBranch."""
        branch = branch_name(self.branch) if self.branch is not None else None
        return self.model_copy(update={"branch": branch, "commitish": (self.commitish or "").strip() or None})

    def access_request(self, channel: str) -> AccessRequest:
        """With the branch, where it is known, as the workflow `deploy`."""
        # Anybody may name any branch beside any commit, also at Bitrise, where a build says of itself what whoever
        # started it has said.
        known = self.commitish is None and self.branch is not None and not is_ambiguous(self.branch)
        return self._of(channel, branch=self.branch if known else None, workflow="deploy")

    def reason(self) -> str | None:
        """What it is described as, in the person's own words."""
        return self.description if self.built is None else None

    def audit_fields(self) -> dict[str, str]:
        """What is deployed, and which build that is."""
        if self.built is None:
            return self._named()
        return {**self._named(), "build": self.built.slug, "label": self.built.display_text}

    def summary(self) -> str:
        """What is deployed."""
        named = ", ".join(f"{name} {value}" for name, value in self._named().items())
        of = f", which is {self.built.display_text}" if self.built is not None else ""
        return f"deploy {self.app.title}" + (f" ({named})" if named else "") + of

    def _more(self) -> list[tuple[str, str]]:
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

    def _named(self) -> dict[str, str]:
        named = {"branch": self.branch, "commit": self.commitish}
        return {name: value for name, value in named.items() if value is not None}


class RestartAction(_OfApp):
    """Restart one dyno of an app, or all of them."""

    permission: ClassVar = Permission.RESTART
    act: Literal["restart"] = "restart"
    dyno: Name | None = None

    def audit_fields(self) -> dict[str, str]:
        """Which dynos."""
        return {"label": self.dyno or "all dynos"}

    def summary(self) -> str:
        """Which dynos."""
        return f"restart {self.dyno or 'all dynos'} of {self.app.title}"

    def _more(self) -> list[tuple[str, str]]:
        return [("dyno", self.dyno or "all dynos")]


class RunCommandAction(_OfApp):
    """Run a command in a dyno: an array of strings, as Build.io takes it."""

    permission: ClassVar = Permission.RUN
    act: Literal["run"] = "run"
    dyno: Name
    command: tuple[str, ...]

    def audit_fields(self) -> dict[str, str]:
        """Which dyno, and the array."""
        return {"label": self.dyno, "command": format_array(self.command)}

    def summary(self) -> str:
        """In which dyno; the command stands below it, since words are cut and their spaces do not count."""
        return f"run a command in {self.dyno} of {self.app.title}"

    def _more(self) -> list[tuple[str, str]]:
        return [("dyno", self.dyno), ("command", format_array(self.command))]

    def problem(self) -> str | None:
        """Of what can't be shown to others as it will run."""
        if not self.command or not self.command[0].strip():
            return "There is no command to run."
        shown = format_array(self.command)
        if len(shown) > LONGEST_COMMAND:
            return f"The command is longer than {LONGEST_COMMAND} characters. Put it into a script, and run that."
        if redact(shown) != shown or any(redact(one) != one for one in self.command):
            return (
                "There is something in the command that looks like a secret, and others would see it. Keep it in a"
                " config var, and let the command read it from there."
            )
        return None


class SetConfigAction(_OfApp):
    """Set config vars of an app."""

    not_shown: ClassVar[Mapping[str, str]] = _VALUES_NOT_SHOWN
    permission: ClassVar = Permission.CONFIG
    act: Literal["set_config"] = "set_config"
    values: Mapping[Name, Secret]

    def audit_fields(self) -> dict[str, str]:
        """The names alone."""
        return _label_of(self.values)

    def summary(self) -> str:
        """The names alone."""
        return f"set {_vars(self.values)} of {self.app.title}"

    def _more(self) -> list[tuple[str, str]]:
        return [(f"config var {name}", SET) for name in sorted(self.values)]


class UnsetConfigAction(_OfApp):
    """Take config vars of an app away."""

    permission: ClassVar = Permission.CONFIG
    act: Literal["unset_config"] = "unset_config"
    keys: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """The names."""
        return _label_of(self.keys)

    def summary(self) -> str:
        """The names."""
        return f"unset {_vars(self.keys)} of {self.app.title}"

    def _more(self) -> list[tuple[str, str]]:
        return [(f"config var {name}", UNSET) for name in sorted(self.keys)]


class RevealConfigAction(_OfApp):
    """Show the value of a config var to whoever asks: nothing changes, but it is judged and noted all the same."""

    permission: ClassVar = Permission.CONFIG
    act: Literal["reveal_config"] = "reveal_config"
    key: Name

    def audit_fields(self) -> dict[str, str]:
        """The name alone."""
        return {"label": self.key}

    def summary(self) -> str:
        """The name alone."""
        return f"see the value of {_vars([self.key])} of {self.app.title}"

    def _more(self) -> list[tuple[str, str]]:
        return [("config var", self.key)]


class AddDomainAction(_OfApp):
    """Add a domain to an app, with a certificate of one's own or with none."""

    not_shown: ClassVar[Mapping[str, str]] = _CERTIFICATE_NOT_SHOWN
    permission: ClassVar = Permission.DOMAINS
    act: Literal["add_domain"] = "add_domain"
    hostname: Name
    certificate: Secret | None = None

    def audit_fields(self) -> dict[str, str]:
        """Which domain."""
        return {"label": self.hostname, "certificate": "own" if self.certificate is not None else "none"}

    def summary(self) -> str:
        """Which domain."""
        own = " with a certificate" if self.certificate is not None else ""
        return f"add the domain {self.hostname}{own} to {self.app.title}"

    def _more(self) -> list[tuple[str, str]]:
        return [("domain", self.hostname), ("certificate", _fingerprint(self.certificate))]


class _OfDomain(_OfApp):
    """Something about a domain that is there: `domain` is its id."""

    permission: ClassVar = Permission.DOMAINS
    domain: Name
    hostname: Name

    def audit_fields(self) -> dict[str, str]:
        """Which domain."""
        return {"label": self.hostname, "domain": self.domain}

    def _more(self) -> list[tuple[str, str]]:
        return [("domain", self.hostname), ("domain id", self.domain)]


class UpdateCertificateAction(_OfDomain):
    """Give a domain another certificate."""

    not_shown: ClassVar[Mapping[str, str]] = _CERTIFICATE_NOT_SHOWN
    act: Literal["update_certificate"] = "update_certificate"
    certificate: Secret

    def summary(self) -> str:
        """Of which domain."""
        return f"give the domain {self.hostname} of {self.app.title} another certificate"

    def _more(self) -> list[tuple[str, str]]:
        return [*super()._more(), ("certificate", _fingerprint(self.certificate))]


class RemoveDomainAction(_OfDomain):
    """Take a domain away from an app."""

    act: Literal["remove_domain"] = "remove_domain"

    def summary(self) -> str:
        """Which domain."""
        return f"remove the domain {self.hostname} from {self.app.title}"


class RemoveAllDomainsAction(_OfApp):
    """Take all domains away from an app but Build.io's own: those that were there when it was asked for."""

    permission: ClassVar = Permission.DELETE
    act: Literal["remove_all_domains"] = "remove_all_domains"
    hostnames: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """All of them."""
        return {"label": "all domains", "domains": " ".join(self.hostnames)}

    def _more(self) -> list[tuple[str, str]]:
        return [("domain", one) for one in self.hostnames]

    def summary(self) -> str:
        """Of which app."""
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
        """An app that is not there yet is in no stage."""
        return self._of(channel, stage=NONE_OF_THEM)

    def audit_fields(self) -> dict[str, str]:
        """What is created, and where."""
        return {"label": self.name} | _given(team=self.team, region=self.region)

    def summary(self) -> str:
        """What is created, and where."""
        return f"create the app {self.name}{_where(self.team_title or self.team, self.region)}"

    def _more(self) -> list[tuple[str, str]]:
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
        """Nothing is in it yet."""
        return self._of(channel, stage=NONE_OF_THEM)

    def reason(self) -> str | None:
        """What it is described as."""
        return self.description

    def audit_fields(self) -> dict[str, str]:
        """What is created, and where."""
        return {"label": self.name} | _given(team=self.team, region=self.region)

    def summary(self) -> str:
        """What is created, and where."""
        return f"create the namespace {self.name}{_where(self.team_title or self.team, self.region)}"

    def _more(self) -> list[tuple[str, str]]:
        return present_values(
            name=self.name,
            team=self.team_title,
            team_id=self.team,
            region=self.region,
            description=self.description,
        )


class DeleteNamespaceAction(BuildioAction):
    """Delete a namespace, with whatever is in it."""

    permission: ClassVar = Permission.DELETE
    act: Literal["delete_namespace"] = "delete_namespace"
    name: Name

    def audit_fields(self) -> dict[str, str]:
        """Which namespace."""
        return {"label": self.name}

    def summary(self) -> str:
        """Which namespace."""
        return f"delete the namespace {self.name}"

    def _more(self) -> list[tuple[str, str]]:
        return [("namespace", self.name)]


class _OfEnvironment(BuildioAction):
    """Something about the config vars of a pipeline's environment: its id, and what people call it."""

    permission: ClassVar = Permission.CONFIG
    environment: Name
    label: Name

    def _more(self) -> list[tuple[str, str]]:
        return [("environment", self.label), ("environment id", self.environment)]


class SetEnvironmentAction(_OfEnvironment):
    """Set config vars of an environment; None takes one away."""

    not_shown: ClassVar[Mapping[str, str]] = _VALUES_NOT_SHOWN
    act: Literal["set_environment"] = "set_environment"
    values: Mapping[Name, Secret | None]

    def audit_fields(self) -> dict[str, str]:
        """The environment, and the names alone."""
        return {"environment": self.environment, **_label_of(self.values)}

    def summary(self) -> str:
        """The names alone."""
        given = [key for key, value in self.values.items() if value is not None]
        gone = [key for key, value in self.values.items() if value is None]
        said = [f"set {_vars(given)}"] if given else []
        said += [f"unset {_vars(gone)}"] if gone else []
        return f"{' and '.join(said)} of the environment {self.label}"

    def _more(self) -> list[tuple[str, str]]:
        return [
            *super()._more(),
            *(
                (f"config var {key}", UNSET if value is None else SET)
                for key, value in sorted(self.values.items())
            ),
        ]


class UnsetEnvironmentAction(_OfEnvironment):
    """Take config vars of an environment away."""

    act: Literal["unset_environment"] = "unset_environment"
    keys: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """The environment, and the names."""
        return {"environment": self.environment, **_label_of(self.keys)}

    def summary(self) -> str:
        """The names."""
        return f"unset {_vars(self.keys)} of the environment {self.label}"

    def _more(self) -> list[tuple[str, str]]:
        return [*super()._more(), *((f"config var {name}", UNSET) for name in sorted(self.keys))]


class RevealEnvironmentAction(_OfEnvironment):
    """Show the value of an environment's config var to whoever asks."""

    act: Literal["reveal_environment"] = "reveal_environment"
    key: Name

    def audit_fields(self) -> dict[str, str]:
        """The environment, and the name alone."""
        return {"environment": self.environment, "label": self.key}

    def summary(self) -> str:
        """The name alone."""
        return f"see the value of {_vars([self.key])} of the environment {self.label}"

    def _more(self) -> list[tuple[str, str]]:
        return [*super()._more(), ("config var", self.key)]


class ClusterLoginAction(BuildioAction):
    """Get a Kubernetes credential for the cluster of a region."""

    permission: ClassVar = Permission.LOGIN
    act: Literal["login"] = "login"
    region: Name

    def audit_fields(self) -> dict[str, str]:
        """Which region."""
        return {"label": self.region}

    def summary(self) -> str:
        """Which region."""
        return f"get a Kubernetes credential for the cluster in {self.region}"

    def _more(self) -> list[tuple[str, str]]:
        return [("region", self.region)]


def _vars(keys: Iterable[str]) -> str:
    names = sorted(keys)
    if len(names) > NAMES_SAID:
        return f"{len(names)} config vars"
    return f"the config var{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _fingerprint(certificate: SecretStr | None) -> str:
    if certificate is None:
        return "none"
    found = fingerprint(certificate.get_secret_value())
    return f"own, SHA-256 {found}" if found is not None else "own"


def _label_of(keys: Iterable[str]) -> dict[str, str]:
    return {"label": " ".join(sorted(keys))}


def _given(**named: str | None) -> dict[str, str]:
    return {name: value for name, value in named.items() if value is not None}


def _where(team: str | None, region: str | None) -> str:
    return (f" for the team {team}" if team else "") + (f" in {region}" if region else "")
