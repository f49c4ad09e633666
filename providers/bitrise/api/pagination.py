"""Paginated lists."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import cached_property
from typing import Generic, TypeVar

from pydantic import BaseModel

from domain.provider_errors import TooLarge, UnexpectedResponse
from providers.bitrise.api.models import Paging, read_many
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiClient

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=BaseModel)

# Fifty thousand builds. A server that always has one more page would be read forever.
MAX_PAGES = 1_000


class Page(Generic[T]):
    """One page of a list. `body` is the unparsed response; it is only parsed when it is needed."""

    def __init__(self, body: bytes, model: type[ItemT], convert: Callable[[ItemT], T | None]) -> None:
        self.body = body
        self._model: type[BaseModel] = model
        self._convert: Callable[[ItemT], T | None] = convert

    @cached_property
    def _read(self) -> tuple[list[T], Paging, int]:
        items, paging = read_many(self._model, self.body)
        converted = [self._convert(item) for item in items]  # type: ignore[arg-type]
        placed = [item for item in converted if item is not None]
        return placed, paging, len(converted) - len(placed)

    @property
    def items(self) -> list[T]:
        """The items on the page. Raises UnexpectedResponse."""
        return self._read[0]

    @property
    def next(self) -> str | None:
        """The start of the next page; None on the last one. Raises UnexpectedResponse."""
        return self._read[1].next

    @property
    def total(self) -> int | None:
        """The total number of items; some servers also count those that a filter excludes."""
        return self._read[1].total_item_count

    @property
    def unplaced(self) -> int:
        """The number of items that did not name their app."""
        return self._read[2]


class PageIterator(Generic[T]):
    """A list that is read page by page, only as far as it is consumed."""

    def __init__(
        self,
        api: ApiClient,
        path: str,
        params: Mapping[str, str],
        *,
        model: type[ItemT],
        convert: Callable[[ItemT], T | None],
    ) -> None:
        self._api = api
        self._path = path
        self._params = dict(params)
        self._make_page: Callable[[bytes], Page[T]] = lambda body: Page(body, model, convert)

    async def page(self, start: str | None = None) -> Page[T]:
        """Read one page: the first one, or the one at `start`. Raises ProviderError."""
        params = self._params | ({"next": start} if start else {})
        return self._make_page((await self._api.read(self._path, params)).body)

    async def pages(self, start: str | None = None) -> AsyncGenerator[Page[T], None]:
        """Yield the pages from the one at `start`; each is requested when it is needed.

        The same endpoint is called again with the anchor from the last response (Bitrise API v0.1, "Pagination").
        Raises ProviderError.
        """
        anchors = set()
        anchor = start
        for _ in range(MAX_PAGES):
            page = await self.page(anchor)
            yield page
            anchor = page.next
            if anchor is None:
                return
            if anchor in anchors:
                raise UnexpectedResponse("its pages repeat", provider=BITRISE)
            anchors.add(anchor)
        raise TooLarge(f"more than {MAX_PAGES} pages in one list")

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item
