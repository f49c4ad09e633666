"""Stored requests for approval of builds."""

from __future__ import annotations

from domain.build import BuildRequest
from domain.message import Message
from providers.bitrise.provider import BITRISE
from storage.repositories import Repositories
from tests.storage.test_poll_recorder import subscribe
from tests.support.factories import NOON, make_recipient

REQUEST = BuildRequest(provider=BITRISE, app_slug="a1", slug="r1", pull_request=7)


async def test_each_request_is_posted_once_and_its_messages_finally_show_the_outcome(
    repositories: Repositories,
) -> None:
    requests = repositories.build_requests
    for channel in ("C1", "C2"):
        await subscribe(repositories, channel=channel)
    assert await requests.begin(REQUEST, [make_recipient("C1"), make_recipient("C2")], Message("waits"), NOON)
    assert not await requests.begin(
        REQUEST, [make_recipient("C1"), make_recipient("C3")], Message("waits again"), NOON
    )
    assert await requests.open(BITRISE, "a1") == [REQUEST]
    assert [
        message.content for message in await repositories.slack_messages.unfinished(make_recipient("C1"))
    ] == [Message("waits").encode()]
    assert await repositories.slack_messages.unfinished(make_recipient("C3")) == []
    assert await requests.end(BITRISE, "r1", lambda request: Message(f"#{request.pull_request} is over"))
    assert not await requests.end(BITRISE, "r1", lambda _: Message("twice"))
    assert not await requests.begin(REQUEST, [make_recipient("C1")], Message("from the dead"), NOON)
    assert await requests.open(BITRISE, "a1") == []
    for channel in ("C1", "C2"):
        [message] = await repositories.slack_messages.unfinished(make_recipient(channel))
        assert message.content == Message("#7 is over").encode()
