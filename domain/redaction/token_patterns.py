"""Tokens that are recognised by their format, mostly by the issuer's prefix. Pure; no I/O.

Each begins after a character that is not a letter or digit, in the case that its issuer uses. No pattern nests
repetitions, so a line of any length takes linear time.
"""

from __future__ import annotations

import re

from domain.redaction.prefilter import find_candidates
from domain.redaction.private_keys import REDACTED

_TOKENS = re.compile(
    r"""
    (?<![A-Za-z0-9])
    (?: # builds and chat
        bit[a-z]at_[A-Za-z0-9_\-]{8,}                                       # Bitrise: personal, workspace
      | xox[a-z](?:\.xox[a-z])?-(?=[A-Za-z\-%]{0,80}[0-9])[A-Za-z0-9\-%+/=]{8,}  # Slack: bot, user, refresh, cookie
      | (?:xapp|xwfp)-(?=[A-Za-z\-]{0,80}[0-9])[A-Za-z0-9\-]{8,}                 # Slack: app level, workflow
        # code
      | gh[pousr]_[A-Za-z0-9_.\-]{20,} | github_pat_[A-Za-z0-9_]{20,}
      | gl[a-z]{2,5}-[A-Za-z0-9_\-]{16,}(?:\.[A-Za-z0-9_.\-]+)?             # GitLab: personal, deploy, runner, job
      | AT(?:ATT|CTT|BB|OA)[A-Za-z0-9_\-=+/]{20,}                           # Atlassian, Bitbucket
      | CCIP(?:AT|RJ)_[A-Za-z0-9_]{20,} | bk[a-z]{2}_[a-z0-9]{36,}          # CircleCI, Buildkite
        # clouds
      | (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])
      | (?:IQoJb3JpZ2lu|FwoGZXIvYXdz)[A-Za-z0-9+/=%]{40,}                   # AWS session tokens
      | AIza[A-Za-z0-9_\-]{30,} | ya29\.[A-Za-z0-9_.\-]{20,} | GOCSPX-[A-Za-z0-9_\-]{20,}
      | 1//0[A-Za-z0-9_\-]{30,} | 4/0A[A-Za-z0-9_\-]{30,} | GOOG1E[A-Z0-9]{20,}
      | AAAA[A-Za-z0-9_\-]{7}:[A-Za-z0-9_\-]{60,}                           # Firebase messaging
      | [A-Za-z0-9_~.\-]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34}                   # Azure: a client's secret
      | do[opr]_v1_[a-f0-9]{40,} | HRKU-[A-Za-z0-9_\-]{20,}                 # DigitalOcean, Heroku
      | hv[sbr]\.[A-Za-z0-9_\-]{20,} | [A-Za-z0-9]{10,20}\.atlasv1\.[A-Za-z0-9_\-]{20,}  # Vault, Terraform
      | dp\.(?:pt|ct|st|sa|scim|audit)\.[A-Za-z0-9_.\-]{16,}                # Doppler
      | pul-[a-f0-9]{40} | dapi[a-f0-9]{32} | fm[12][a-z]?_[A-Za-z0-9+/=_\-]{20,}   # Pulumi, Databricks, Fly
      | tskey-[a-z]+-[A-Za-z0-9\-]{16,} | nfp_[A-Za-z0-9]{30,} | pscale_[a-z]+_[A-Za-z0-9_.\-]{20,}
      | sbp_[a-f0-9]{40} | sb_secret_[A-Za-z0-9_\-]{20,} | v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}  # Supabase, Cloudflare
        # packages
      | npm_[A-Za-z0-9]{30,} | pypi-[A-Za-z0-9_\-]{30,} | rubygems_[a-f0-9]{40,} | oy2[a-z0-9]{43}
      | dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,} | AKCp[A-Za-z0-9]{50,}         # Docker Hub, Artifactory
        # services that apps use
      | [spr]k_(?:live|test)_(?<!pk_live_)(?<!pk_test_)[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9+/=]{20,}   # Stripe
      | SK[a-f0-9]{32}(?![A-Za-z0-9]) | SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}   # Twilio, SendGrid
      | key-[a-f0-9]{32}(?![A-Za-z0-9]) | [a-f0-9]{32}-us[0-9]{1,2}(?![A-Za-z0-9])     # Mailgun, Mailchimp
      | xkeysib-[a-f0-9]{40,}[A-Za-z0-9\-]* | shp(?:at|ca|pa|ss|ua)_[A-Fa-f0-9]{32}    # Brevo, Shopify
      | sq0[a-z]{3}-[A-Za-z0-9_\-]{20,} | EAAA[A-Za-z0-9_\-]{50,}           # Square
      | EAA[A-Za-z0-9]{80,} | PMAK-[A-Za-z0-9\-]{30,} | fig[dou]_?[a-z]?_[A-Za-z0-9_\-]{30,}
      | sntry[a-z]_[A-Za-z0-9+/=_\-]{20,} | NR(?:AK|II|RA|JS|AA)-[A-Za-z0-9_\-]{16,} | [A-Za-z0-9]{36}NRAL
      | gl(?:c|sa)_[A-Za-z0-9+/=_]{20,} | sq[pua]_[a-f0-9]{40}              # Grafana, Sonar
      | lin_(?:api|oauth)_[A-Za-z0-9]{20,} | ntn_[A-Za-z0-9]{30,} | secret_[A-Za-z0-9]{40,}  # Linear, Notion
      | [0-9]{8,10}:AA[A-Za-z0-9_\-]{30,}                                   # Telegram
      | sk-(?=[A-Za-z_\-]{0,80}[0-9])[A-Za-z0-9_\-]{20,}                         # OpenAI, Anthropic
      | hf_[A-Za-z0-9]{20,} | gsk_[A-Za-z0-9]{30,} | r8_[A-Za-z0-9]{30,} | xai-[A-Za-z0-9]{40,}
      | pat[A-Za-z0-9]{14}\.[a-f0-9]{60,}                                   # Airtable
      | (?:sdk|api|mob)-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}   # LaunchDarkly
        # others
      | AGE-SECRET-KEY-1[A-Z0-9]{20,}
      | DAWTKN[A-Za-z0-9+/=_\-]{16,}                                        # an Apple account's session
      | (?<![_\-])eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){1,4}                     # JSON Web Tokens
    )
    """,
    re.VERBOSE | re.ASCII,
)

# A webhook's URL is enough to post there; its host may be shown.
_WEBHOOKS = re.compile(
    r"""(?ix)
    ( hooks\.slack(?:-gov)?\.com/ [a-z]+ /
    | hooks\.bitrise\.io/h/ [a-z\-]+ /
    | discord(?:app)?\.com/api/ (?: v[0-9]+/ )? webhooks/
    | \.office\.com/webhook[a-z0-9]{0,4} /
    | hooks\.zapier\.com/hooks/catch/
    | api\.telegram\.org/bot
    )
    [a-z0-9_\-/@%.:]{8,}
    """,
    re.ASCII,
)

_AWS_ID = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])", re.ASCII)
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])", re.ASCII)


def redact_token_patterns(line: str) -> str:
    """Redact tokens that have an issuer's format."""
    # An AWS secret has no format of its own, but is rarely without its id.
    if ("AKIA" in line or "ASIA" in line) and _AWS_ID.search(line):
        line = _AWS_SECRET.sub(REDACTED, line)
    return _TOKENS.sub(_redact_unless_words, line)


def _redact_unless_words(found: re.Match[str]) -> str:
    # gho_00000000000000000000 and npm_put_your_token_here_please_do are examples in documents.
    return REDACTED if find_candidates(found[0].encode("utf-8", "replace")) else found[0]


def redact_webhooks(line: str) -> str:
    """Redact webhook URLs except for their hosts."""
    if "hooks" in line or "office.com" in line or "telegram" in line:
        line = _WEBHOOKS.sub(rf"\1{REDACTED}", line)
    return line
