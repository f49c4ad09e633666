"""Use of every Build.io feature, with secrets that must not leak; everything can be restored for the next round."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from providers.buildio import action_ids
from sandbox.bitrise.members import TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.environment import BITRISE_TOKENS, BUILDIO_TOKENS
from tests.fuzz.secret_tracker import OUTPUT, PRIVATE_KEY, TYPED, VALUE, SecretTracker

HOST = "www.shop-of-the-day.example"
COMMIT = "d15ea5ed0ddba11f00d1" * 2
# Secrets without a recognisable shape: only their origin keeps them from being shown.
VALUES = ("plum orchard 4711, kettle", "quiet harbour 0815, lantern")
ENVIRONMENT_VALUE = "copper meadow 2342, thimble"
TYPED_VALUES = ("amber turnpike 6174, walnut", "velvet quarry 1729, saddle")
FILE_CONTENT = "marble thicket 1089, compass"
POLICY = """
[[rule]]
allow = ["run", "login"]
who = "everyone"

[[rule]]
protect = ["deploy", "config"]
channels = ["C0RANDOM"]
"""
# Once each; values with several words are quoted.
COMMANDS = (
    "apps",
    "apps team:acme",
    "use shop",
    "app shop",
    "ps shop",
    "ps",
    "restart shop web.1",
    "restart shop",
    "run shop dyno:web.1 -- ls",
    "run shop",
    "config shop",
    "config get shop CANARY",
    "config set shop CANARY",
    "config unset shop OLD_KEY",
    "domains shop",
    f"domains add shop api.{HOST}",
    "domains add shop",
    f"domains remove shop {HOST}",
    "domains clear shop",
    "deploy shop branch:main",
    "deploy",
    "create made-by-words",
    "create",
    "pipelines",
    "pipeline shop",
    "envs",
    "envs review",
    "envs set review CANARY",
    "envs unset review OLD_KEY",
    "namespaces",
    "namespace acme-internal",
    "namespaces create made-by-words",
    "namespaces create",
    "namespaces delete acme-internal",
    "teams",
    "team acme",
    "login eu",
    "link",
    "subscribe shop preview",
    "subscribe shop-staging workflow:web.* status:broken,fixed",
    "subscribe",
    "subscriptions",
    "why shop v2",
    "connect",
    "whoami",
    "policy shop",
    "audit",
    "help config",
    "",
    "depoly",
)
# Commands that a second approver must approve, in the channel of the access rule.
CAREFUL = "random"
PROTECTED = (
    "deploy shop-pr-42 branch:main",
    "config set shop-pr-42 TYPED",
    "config get shop-pr-42 DATABASE_URL",
    "config unset shop-pr-42 LOG_LEVEL",
)


@dataclass
class PlantedSecrets:
    """The secrets of the Build.io simulator, and the original state of everything that users change."""

    buildio: BuildioSimulator
    secrets: SecretTracker
    now: datetime
    certificate: str = field(init=False, repr=False)
    private: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        buildio, add_secret = self.buildio, self.secrets.add
        self.certificate, self.private = certificate_for(HOST, self.now)
        add_secret(PRIVATE_KEY, "".join(self.private.split("-----")[2].split()), letters=16)
        for value in TYPED_VALUES:
            add_secret(TYPED, value)
        buildio.shop.config |= {
            "CANARY": add_secret(VALUE, VALUES[0]),
            "OLD_KEY": add_secret(VALUE, VALUES[1]),
        }
        environment = buildio.pipeline.environments[0]
        environment.config |= {"CANARY": add_secret(VALUE, ENVIRONMENT_VALUE), "OLD_KEY": "x"}
        for app in buildio.state.apps:
            app.files = (*app.files, add_secret(OUTPUT, FILE_CONTENT))
        for token in (*BUILDIO_TOKENS.values(), *BITRISE_TOKENS.values(), TOKEN, *_service_tokens(buildio)):
            add_secret("token", token, letters=20)
        buildio.complete_certificate(buildio.state.add_domain(buildio.shop, HOST, self.now))
        self._apps = [
            (app, app.name, dict(app.config), list(app.domains), app.formation) for app in buildio.state.apps
        ]
        self._namespaces = list(buildio.state.namespaces)
        self._environments = [
            (environment, dict(environment.config)) for environment in buildio.pipeline.environments
        ]

    @property
    def typed(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the values to fill in, by form."""
        pem = {"certificate": self.certificate, "private": self.private}
        return {
            action_ids.CREATE_MODAL: {"name": "made-by-form", "region": "eu"},
            action_ids.DEPLOY_MODAL: {"branch": "main", "message": "Try it"},
            action_ids.RUN_MODAL: {"dyno": "web.1", "typed": "ls"},
            action_ids.VARS_MODAL: {
                "key": "TYPED",
                "value": TYPED_VALUES[0],
                "more": f"MORE={TYPED_VALUES[1]}",
            },
            action_ids.UNSET_MODAL: {"keys": ["OLD_KEY"]},
            action_ids.DOMAIN_MODAL: {"host": f"new.{HOST}", **pem},
            action_ids.CERTIFICATE_MODAL: pem,
            action_ids.CLEAR_DOMAINS_MODAL: {"typed_name": "shop"},
            action_ids.NAMESPACE_MODAL: {"name": "made-by-form", "description": "Try it"},
            action_ids.DELETE_NAMESPACE_MODAL: {
                "namespace": "acme-internal",
                "typed_name": "acme-internal",
            },
        }

    def fail_all(self, why: str) -> None:
        """Fail all running deployments."""
        for app in self.buildio.state.apps:
            while any(not deployment.is_over for deployment in app.deployments):
                self.buildio.finish(app, error=why)

    def restore(self) -> None:
        """Restore all resources under their old names and remove others; all dynos are up."""
        state, at = self.buildio.state, self.buildio.now()
        state.apps[:] = [app for app, *_ in self._apps]
        for app, name, config, domains, formation in self._apps:
            app.name, app.config, app.domains, app.formation = name, dict(config), list(domains), formation
            for dyno in app.dynos:
                dyno.state, dyno.since, dyno.loops = "up", at, False
        state.namespaces[:] = self._namespaces
        for environment, config in self._environments:
            environment.config = copy.copy(config)


def certificate_for(host: str, now: datetime) -> tuple[str, str]:
    """Return a certificate for a host name and its subdomains, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"*.{host}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), private_key.decode()


def _service_tokens(buildio: BuildioSimulator) -> list[str]:
    return [token for member in buildio.members.values() if not member.is_person for token in member.tokens]
