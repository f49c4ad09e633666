"""Builds that wait for approval, as they are remembered."""

from __future__ import annotations

from domain.build_request import BuildRequest
from domain.message import Message
from domain.provider import Provider
from storage.repositories import Repositories
from tests.storage.test_poll_recorder import subscribe
from tests.support.factories import NOON, make_recipient

ONE = BuildRequest(app_slug="a1", slug="r1", pull_request=7)


async def test_each_is_asked_about_once_and_its_messages_say_in_the_end_what_came_of_it(
    repositories: Repositories,
) -> None:
    requests = repositories.build_requests
    for channel in ("C1", "C2"):
        await subscribe(repositories, channel=channel)
    assert await requests.begin(ONE, [make_recipient("C1"), make_recipient("C2")], Message("waits"), NOON)
    assert not await requests.begin(
        ONE, [make_recipient("C1"), make_recipient("C3")], Message("waits again"), NOON
    )
    assert await requests.open(Provider.BITRISE, "a1") == [ONE]
    assert [one.content for one in await repositories.slack_messages.unfinished(make_recipient("C1"))] == [
        Message("waits").encode()
    ]
    assert await repositories.slack_messages.unfinished(make_recipient("C3")) == []
    assert await requests.end(Provider.BITRISE, "r1", lambda one: Message(f"#{one.pull_request} is over"))
    assert not await requests.end(Provider.BITRISE, "r1", lambda _: Message("twice"))
    assert not await requests.begin(ONE, [make_recipient("C1")], Message("from the dead"), NOON)
    assert await requests.open(Provider.BITRISE, "a1") == []
    for channel in ("C1", "C2"):
        [message] = await repositories.slack_messages.unfinished(make_recipient(channel))
        assert message.content == Message("#7 is over").encode()
