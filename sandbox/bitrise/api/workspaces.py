"""Endpoints for workspaces, stacks, outgoing webhooks and caches, after Bitrise's published API description."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints, paginated_response
from sandbox.bitrise.app_resources import CacheItem, OutgoingWebhook
from sandbox.bitrise.members import Member, Role
from sandbox.bitrise.serializers import serialize_app
from sandbox.bitrise.state import App
from sandbox.bitrise.workspaces import CONCURRENCY, STACKS, BitriseWorkspace, group_slug, list_workspaces
from sandbox.middleware import as_json

CACHE_LIFETIME = timedelta(days=7)
# Bitrise's role names for groups of an app (published description, "roles").
_ROLES = {
    "admin": Role.ADMIN,
    "manager": Role.DEVELOPER,
    "member": Role.TESTER,
    "platform_engineer": None,
}


@dataclass
class WorkspaceEndpoints(BaseEndpoints):
    """Endpoints for workspaces and what belongs to them."""

    async def _workspaces(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"data": [self._workspace_item(workspace) for workspace in self._visible_workspaces(request)]}
        )

    async def _workspace(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self._workspace_item(self._find_workspace(request))})

    async def _workspace_apps(self, request: web.Request) -> web.Response:
        member, workspace = self._member(request), self._find_workspace(request)
        apps = [app for app in workspace.apps if member.can_see(app)]
        return paginated_response(apps, [app.slug for app in apps], serialize_app, request)

    async def _workspace_members(self, request: web.Request) -> web.Response:
        workspace = self._find_workspace(request)
        return web.json_response([_person(member) for member in workspace.members(self.members)])

    async def _workspace_groups(self, request: web.Request) -> web.Response:
        workspace = self._find_workspace(request)
        if self._member(request) not in workspace.owners(self.members) and self._member(request).is_person:
            raise ApiError(403, "Forbidden")
        roles = (Role.ADMIN, Role.DEVELOPER, Role.TESTER)
        # The published description has status 201 for this read-only list.
        return web.json_response(
            [{"slug": group_slug(workspace, role), "name": f"{role.name.lower()}s"} for role in roles],
            status=201,
        )

    async def _stacks(self, request: web.Request) -> web.Response:
        if "workspace" in request.match_info:
            self._find_workspace(request)
        return web.json_response(STACKS)

    async def _role_groups(self, request: web.Request) -> web.Response:
        app, name = self._find_app(request, Role.ADMIN), request.match_info["role"]
        if name not in _ROLES:
            raise ApiError(404, "Not Found")
        [workspace] = [workspace for workspace in list_workspaces(self.state.apps) if app in workspace.apps]
        role = _ROLES[name]
        return web.json_response({"groups": [group_slug(workspace, role)] if role else []})

    async def _webhooks(self, request: web.Request) -> web.Response:
        found = self.state.webhooks.get(self._find_app(request, Role.ADMIN).slug, [])
        return paginated_response(found, [webhook.slug for webhook in found], _webhook_item, request)

    async def _create_webhook(self, request: web.Request) -> web.Response:
        app, body = self._find_app(request, Role.ADMIN), await _webhook_body(request, "secret")
        now = _seconds(self.now())
        webhook = OutgoingWebhook(
            self.state.new_slug(), body["url"], body["events"], body["headers"], now, now
        )
        self.state.webhooks.setdefault(app.slug, []).append(webhook)
        return web.json_response({"data": _webhook_item(webhook)})

    async def _update_webhook(self, request: web.Request) -> web.Response:
        _, webhook = self._find_webhook(request)
        body = await _webhook_body(request)
        webhook.url, webhook.events, webhook.headers = body["url"], body["events"], body["headers"]
        webhook.updated_at = _seconds(self.now())
        return web.json_response({"data": _webhook_item(webhook)})

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        app, webhook = self._find_webhook(request)
        self.state.webhooks[app.slug].remove(webhook)
        return web.json_response({"data": _webhook_item(webhook)})

    async def _webhook_deliveries(self, request: web.Request) -> web.Response:
        self._find_webhook(request)
        return web.json_response({"data": [], "paging": {"page_item_limit": 50, "total_item_count": 0}})

    async def _cache_items(self, request: web.Request) -> web.Response:
        app = self._find_app(request, Role.DEVELOPER)
        found = self._caches_of(app)

        def item(one: CacheItem) -> dict[str, Any]:
            return {
                "id": one.id,
                "app_id": app.slug,
                "cache_key": one.key,
                "archive_filename": f"{one.key}.tzst",
                "archive_size": len(one.content),
                "storage_provider": "s3",
                "created_at": one.created_at,
                "last_used_at": one.last_used_at,
                "expires_at": one.expires_at,
            }

        return paginated_response(found, [item.id for item in found], item, request)

    async def _cache_download(self, request: web.Request) -> web.Response:
        _, item = self._find_cache_item(request)
        link = self.file_store.signed_url(f"{item.key}.tzst", item.content)
        return web.json_response({"data": {"download_url": link}})

    async def _delete_cache_item(self, request: web.Request) -> web.Response:
        app, item = self._find_cache_item(request)
        self.state.caches[app.slug].remove(item)
        return web.json_response({})

    async def _delete_cache(self, request: web.Request) -> web.Response:
        self.state.caches[self._find_app(request, Role.DEVELOPER).slug] = []
        return web.json_response({})

    def _visible_workspaces(self, request: web.Request) -> list[BitriseWorkspace]:
        member = self._member(request)
        return [
            workspace
            for workspace in list_workspaces(self.state.apps)
            if any(map(member.can_see, workspace.apps))
        ]

    def _find_workspace(self, request: web.Request) -> BitriseWorkspace:
        slug = request.match_info["workspace"]
        found = next(
            (workspace for workspace in self._visible_workspaces(request) if workspace.slug == slug), None
        )
        if found is None:
            raise ApiError(404, "Not Found")
        return found

    def _workspace_item(self, workspace: BitriseWorkspace) -> dict[str, Any]:
        return {
            "slug": workspace.slug,
            "name": workspace.name,
            "avatar_icon_url": "",
            "concurrency_count": CONCURRENCY,
            "owners": [_person(owner) for owner in workspace.owners(self.members)],
        }

    def _find_webhook(self, request: web.Request) -> tuple[App, OutgoingWebhook]:
        app, slug = self._find_app(request, Role.ADMIN), request.match_info["webhook"]
        found = next(
            (webhook for webhook in self.state.webhooks.get(app.slug, []) if webhook.slug == slug), None
        )
        if found is None:
            raise ApiError(404, "Not Found")
        return app, found

    def _caches_of(self, app: App) -> list[CacheItem]:
        """Return the app's cache items: one per branch with a successful build."""
        if app.slug not in self.state.caches:
            ended = [
                build
                for build in self.state.builds_of(app)
                if build.result == "success" and build.finished_at
            ]
            by_branch = {build.branch or "main": build for build in reversed(ended)}
            if not by_branch:
                return []
            self.state.caches[app.slug] = [
                CacheItem(
                    self.state.new_slug(),
                    f"gradle-{branch.replace('/', '-')}",
                    f"The cache of {branch}".encode(),
                    _seconds(build.finished_at),
                    _seconds(build.finished_at),
                    _seconds(build.finished_at + CACHE_LIFETIME),
                )
                for branch, build in by_branch.items()
                if build.finished_at
            ]
        return self.state.caches[app.slug]

    def _find_cache_item(self, request: web.Request) -> tuple[App, CacheItem]:
        app, name = self._find_app(request, Role.DEVELOPER), request.match_info["item"]
        found = next((item for item in self._caches_of(app) if item.id == name), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return app, found


async def _webhook_body(request: web.Request, *also_needed: str) -> dict[str, Any]:
    """Parse the body of a webhook. Raises ApiError."""
    body = as_json(await request.text())
    if not isinstance(body, dict) or any(not body.get(name) for name in ("url", "events", *also_needed)):
        raise ApiError(400, "Missing or invalid parameters")
    events, headers = body["events"], body.get("headers") or {}
    if not isinstance(events, list) or not isinstance(headers, dict) or not isinstance(body["url"], str):
        raise ApiError(400, "Missing or invalid parameters")
    return {"url": body["url"], "events": [str(event) for event in events], "headers": headers}


def _webhook_item(webhook: OutgoingWebhook) -> dict[str, Any]:
    return {
        "slug": webhook.slug,
        "url": webhook.url,
        "events": webhook.events,
        "headers": webhook.headers,
        "registered_by_addon": False,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


def _person(member: Member) -> dict[str, str]:
    return {"slug": member.slug, "username": member.username, "email": f"{member.username}@example.com"}


def _seconds(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
