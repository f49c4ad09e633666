"""The names of everything that can be pressed or submitted; a handler listens to each."""

BUILD_SHOW = "build_show"
BUILD_LOG = "build_log"
BUILD_ARTIFACTS = "build_artifacts"
BUILD_REFRESH = "build_refresh"
BUILD_ABORT = "build_abort"
BUILD_REBUILD = "build_rebuild"
ARTIFACT_LINK = "artifact_link"
BUILDS_NEXT = "builds_next"
APPS_PAGE = "apps_page"
UNSUBSCRIBE = "unsubscribe"
# Slack tells of a press on a button that is a link, too; it only needs to be acknowledged.
OPEN_LINK = "open_link"

ABORT_MODAL = "abort_modal"
