"""The help of all commands of Build.io; the README and the examples in errors are made from it."""

from __future__ import annotations

from domain.commands import shared_command_help
from domain.commands.help import RESULTS, STYLES, CommandHelp
from providers.buildio.provider import BUILDIO

APPS = "An app is named by its name or id, or by the beginning of its name."
FILTERS = (
    "Filters narrow what is told: `branch:main,release/*` `-branch:dependabot/*` `workflow:deploy` (deployments) "
    "`workflow:web.*` (processes, by their names) `by:@me` `-by:bot`. Names are globs, and a minus leaves out. A "
    "process has no branch, so a branch filter leaves it out."
)
BUILDS = "A deployment is named by its version (`#12` or `v12`) or its id."
ARRAY = (
    'What stands behind the dashes becomes an array, word for word: `rails runner "puts User.count"` is '
    '`["rails", "runner", "puts User.count"]`. No shell reads it, so `|`, `*` and `$HOME` mean nothing but themselves; '
    '`/bin/sh -c "…"` is a shell that reads it.'
)
VALUES = "A value is never typed here, since Slack keeps what is typed: a form asks for it."
KEYS = "Where several words stand, a first one in capitals is a key and not an app."
NAMES = "A pipeline, a namespace or a team is named by its name or id."
_SHARED = shared_command_help.shared_help(BUILDIO, app="shop", named=APPS)

CATALOGUE: tuple[CommandHelp, ...] = (
    _SHARED["help"],
    CommandHelp("apps", "apps [team:…]", "The apps I can see.", ("apps", "apps team:acme", "apps page:2")),
    _SHARED["use"],
    CommandHelp(
        "app",
        "app [APP]",
        "One app: how its deployment stands, its processes, its address, its buttons.",
        ("app shop", "app"),
        (APPS,),
    ),
    CommandHelp(
        "create",
        "create [NAME] [team:…] [region:…]",
        "Make an app; without a name, by filling in a form.",
        ("create shop-demo region:us-east-1", "create"),
    ),
    CommandHelp(
        "deploy",
        "deploy [APP] [branch:… | commit:…] [message:…]",
        "Build an app and let it go live; without a word, by filling in a form.",
        ("deploy shop branch:main", "deploy shop", 'deploy commit:1f3a9bc message:"the fix"', "deploy"),
        ("Without a branch or commit Build.io takes what it takes by itself.", APPS),
    ),
    CommandHelp(
        "ps", "ps [APP]", "An app's processes, each with a button to restart it.", ("ps shop",), (APPS,)
    ),
    CommandHelp(
        "restart",
        "restart [APP] [DYNO]",
        "Restart all processes of an app, or one.",
        ("restart shop", "restart shop web.1", "restart web.1"),
        (APPS,),
    ),
    CommandHelp(
        "run",
        "run [APP] [dyno:…] [-- COMMAND…]",
        "Run a command in a running process, and show you what it says; without one, by filling in a form.",
        (
            "run shop -- bin/rails db:version",
            'run shop dyno:worker.1 -- rails runner "puts User.count"',
            'run -- /bin/sh -c "ps | grep rails"',
        ),
        (
            ARRAY,
            "Nobody may do this unless a rule says who. The command is noted, and what it says you alone see.",
            APPS,
        ),
    ),
    CommandHelp(
        "config",
        "config [APP]",
        "The names of an app's config vars; values are masked.",
        ("config shop", "config"),
        (VALUES, APPS),
        secret=True,
    ),
    CommandHelp(
        "config get",
        "config get [APP] KEY",
        "One value, for your eyes only and for a minute.",
        ("config get shop DATABASE_URL", "config get DATABASE_URL"),
        (APPS,),
        secret=True,
    ),
    CommandHelp(
        "config set",
        "config set [APP] [KEY]",
        "Set config vars by filling in a form.",
        ("config set shop DATABASE_URL", "config set DATABASE_URL", "config set"),
        (VALUES, KEYS, APPS),
        secret=True,
    ),
    CommandHelp(
        "config unset",
        "config unset [APP] KEY…",
        "Remove config vars.",
        ("config unset shop OLD_KEY OLDER_KEY", "config unset OLD_KEY"),
        (KEYS, APPS),
        secret=True,
    ),
    CommandHelp(
        "domains",
        "domains [APP]",
        "An app's host names, and how their certificates stand.",
        ("domains shop",),
        (APPS,),
    ),
    CommandHelp(
        "domains add",
        "domains add [APP] [HOST]",
        "Add a host name; without one, by a form that also takes a certificate.",
        ("domains add shop www.example.com", "domains add shop"),
        (APPS,),
    ),
    CommandHelp(
        "domains remove",
        "domains remove [APP] HOST",
        "Take a host name away.",
        ("domains remove shop www.example.com",),
        (APPS,),
    ),
    CommandHelp(
        "domains clear",
        "domains clear [APP]",
        "Take all host names of your own away, once you have typed the app's name.",
        ("domains clear shop",),
        (APPS,),
    ),
    CommandHelp("pipelines", "pipelines", "The pipelines I can see.", ("pipelines",)),
    CommandHelp(
        "pipeline",
        "pipeline NAME",
        "One pipeline: its apps by stage, its environments.",
        ("pipeline shop",),
        (NAMES,),
    ),
    CommandHelp(
        "envs",
        "envs [ID]",
        "The environments of pipelines, or the config vars of one, masked.",
        ("envs", "envs 8eb495d0-f653-4eed-910b-8d6b56cc0ec7"),
        secret=True,
    ),
    CommandHelp(
        "envs set",
        "envs set ID [KEY]",
        "Set an environment's config vars by filling in a form.",
        ("envs set 8eb495d0-f653-4eed-910b-8d6b56cc0ec7 RAILS_ENV",),
        (VALUES,),
        secret=True,
    ),
    CommandHelp(
        "envs unset",
        "envs unset ID KEY…",
        "Remove an environment's config vars.",
        ("envs unset 8eb495d0-f653-4eed-910b-8d6b56cc0ec7 RAILS_ENV",),
        secret=True,
    ),
    CommandHelp("namespaces", "namespaces", "The namespaces I can see.", ("namespaces",)),
    CommandHelp("namespace", "namespace NAME", "One namespace.", ("namespace payments",), (NAMES,)),
    CommandHelp(
        "namespaces create",
        "namespaces create [NAME] [team:…] [region:…] [description:…]",
        "Make a namespace; without a name, by filling in a form.",
        ('namespaces create billing description:"All that charges cards"', "namespaces create"),
    ),
    CommandHelp(
        "namespaces delete",
        "namespaces delete [NAME]",
        "Delete a namespace, once you have typed its name in a form.",
        ("namespaces delete payments",),
    ),
    CommandHelp("teams", "teams", "The teams that you belong to.", ("teams",)),
    CommandHelp("team", "team NAME", "One team.", ("team acme",), (NAMES,)),
    CommandHelp(
        "subscribe",
        "subscribe [APP] [FILTERS] [status:…] [style:…] [preview]",
        "Tell this channel how deployments end and which processes crash, or what of it you describe.",
        (
            "subscribe shop",
            "subscribe shop branch:main workflow:deploy status:failed",
            "subscribe shop workflow:deploy style:live",
            "subscribe shop workflow:web.* status:broken,fixed",
        ),
        (
            RESULTS,
            FILTERS,
            STYLES,
            "`preview` subscribes to nothing and shows what it would have told lately.",
            APPS,
        ),
    ),
    _SHARED["unsubscribe"],
    _SHARED["subscriptions"],
    CommandHelp(
        "why",
        "why [APP] #N",
        "Which subscription told a deployment here, or what kept it silent.",
        ("why #12", "why shop v12"),
        (BUILDS,),
    ),
    CommandHelp(
        "link",
        "link [[APP] to bitrise:APP [branch:…]]",
        "Tie an app to one of Bitrise's, whose builds then offer to be deployed; without a word, what is tied here.",
        ("link shop-staging to bitrise:android branch:main,release/*", "link to bitrise:android", "link"),
        ("Branches are globs; a build of a pull request is not offered.", APPS),
    ),
    CommandHelp(
        "unlink",
        "unlink [APP] [bitrise:APP]",
        "Untie an app from Bitrise's, or from one of them.",
        ("unlink shop-staging", "unlink shop-staging bitrise:android"),
        (APPS,),
    ),
    _SHARED["connect"],
    _SHARED["disconnect"],
    _SHARED["whoami"],
    CommandHelp(
        "login",
        "login REGION",
        "The credential for a region's cluster, as a file for you alone that expires.",
        ("login us-east-1",),
        ("Nobody may do this unless a rule says who.",),
    ),
    _SHARED["policy"],
    _SHARED["audit"],
)
