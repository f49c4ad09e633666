"""The help of all Bitrise commands; the README and the examples in errors are generated from it."""

from __future__ import annotations

from domain.commands import shared_command_help
from domain.commands.help import RESULTS, STYLES, CommandHelp
from providers.bitrise.provider import BITRISE

FILTERS = (
    "Filters narrow the builds: `branch:main,release/*` `-branch:dependabot/*` `target:main` (of pull requests) "
    "`tag:v*` `workflow:primary` `event:push` (or `pull-request`, `tag`) `pr:12` `by:@me` `-by:bot` "
    "`-aborted:no-changes`. Names are globs, and a minus leaves out. A build of a tag has no branch, so a branch "
    "filter leaves it out; `tag:v*` takes it."
)
STATES = "`status:failed,aborted` takes results; there are success, failed, aborted, aborted-with-success."
BUILDS = "A build is named by its number (`#12`), its slug, or a pasted link to its page."
APPS = "An app is named by its title, its slug or `owner/repo`, or by the beginning of one; quote it if it has spaces."
_SHARED = shared_command_help.shared_help(BITRISE, app="android", named=APPS)

CATALOGUE: tuple[CommandHelp, ...] = (
    _SHARED["help"],
    CommandHelp("apps", "apps", "The apps I can see.", ("apps", "apps page:2")),
    _SHARED["use"],
    CommandHelp(
        "status",
        "status [APP]",
        "What runs now, and how each branch last ended.",
        ("status", "status android"),
        (APPS,),
    ),
    CommandHelp(
        "builds",
        "builds [APP] [FILTERS] [since:…] [until:…]",
        "The latest builds, newest first.",
        (
            "builds branch:main",
            "builds android status:failed since:2d",
            'builds since:"2026-11-01 10:00" pr:12',
        ),
        (FILTERS, STATES, "Times are UTC dates, or how long ago: `30m`, `2h`, `3d`, `1w`.", APPS),
    ),
    CommandHelp(
        "build",
        "build [APP] #N",
        "One build, with its buttons.",
        ("build #12", "build android #12"),
        (BUILDS,),
    ),
    CommandHelp(
        "log",
        "log [APP] #N",
        "A build's steps and the end of its log, for your eyes only.",
        ("log #12",),
        (BUILDS,),
    ),
    CommandHelp(
        "artifacts",
        "artifacts [APP] #N",
        "What a build made, with links that live ten minutes.",
        ("artifacts #12",),
        (BUILDS,),
    ),
    CommandHelp(
        "approvals",
        "approvals [APP]",
        "Builds of pull requests from outside that wait for somebody's approval.",
        ("approvals android",),
        (APPS,),
    ),
    CommandHelp(
        "pipelines",
        "pipelines [APP]",
        "The latest pipelines, with their stages.",
        ("pipelines android",),
        (APPS,),
    ),
    CommandHelp(
        "pipeline",
        "pipeline [APP] #N",
        "One pipeline with its workflows by stage, to abort or start again.",
        ("pipeline android #45",),
        ("A pipeline is named by its number (`#45`) or a pasted link to its page.",),
    ),
    CommandHelp(
        "yml",
        "yml [APP] [#N]",
        "The bitrise.yml of an app, or of a build, checked and as a file for you alone.",
        ("yml android", "yml #12"),
        (BUILDS, APPS),
    ),
    CommandHelp(
        "abort",
        "abort [APP] #N [REASON…]",
        "Stop a build, and tell the channel who did and why.",
        ("abort #12 wrong branch", "abort android #12"),
        (BUILDS,),
    ),
    CommandHelp(
        "trigger",
        "trigger [APP] [branch:…] [tag:…] [commit:…] [workflow:…] [pipeline:…] [message:…] [env:KEY=VALUE]",
        "Start a build; without a word on what to build, by filling in a form.",
        ("trigger", "trigger branch:main", "trigger android tag:v1.2 workflow:release env:DRY_RUN=1"),
        (
            "Name at least one of branch, tag, commit, workflow and pipeline, or nothing at all for the form.",
            "`env:` may come several times.",
            APPS,
        ),
    ),
    CommandHelp(
        "rebuild", "rebuild [APP] #N", "Start a build again as it was started.", ("rebuild #12",), (BUILDS,)
    ),
    CommandHelp(
        "subscribe",
        "subscribe [APP] [FILTERS] [status:…] [style:…] [preview]",
        "Tell this channel of builds: all that end, or those that you describe.",
        (
            "subscribe",
            "subscribe android branch:main,release/* status:failed,aborted",
            "subscribe android branch:main style:card",
            "subscribe android status:broken,fixed -by:bot preview",
        ),
        (
            RESULTS,
            FILTERS,
            STYLES,
            "`preview` subscribes to nothing and shows what the last 50 builds would have told.",
            APPS,
        ),
    ),
    _SHARED["unsubscribe"],
    _SHARED["subscriptions"],
    CommandHelp(
        "why",
        "why [APP] #N",
        "Which subscription told a build here, or what kept it silent.",
        ("why #12",),
        (BUILDS,),
    ),
    CommandHelp("mine", "mine", "My builds: what runs, and how the latest ended.", ("mine",)),
    CommandHelp(
        "me",
        "me [name:…] [mention:on|off] [ends:on|off]",
        "What I know of you: your name at Bitrise, and what I tell you.",
        ("me name:octo", "me mention:on", "me ends:on"),
        (
            "`name:` claims the name that Bitrise shows with your builds; only one person can have it.",
            "`mention:on` mentions you where your build fails.",
            "`ends:on` sends you the end of your own builds as a direct message.",
        ),
    ),
    _SHARED["connect"],
    _SHARED["disconnect"],
    _SHARED["whoami"],
    _SHARED["policy"],
    _SHARED["audit"],
)
