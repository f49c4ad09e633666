"""Forms as they are drawn, with any input; drawing one needs no request."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import strategies as st

from domain.message import Block
from services.request.context import RequestContext
from services.request.forms import Form
from tests.support.untrusted_text import OPTIONAL_UNTRUSTED_TEXT

NO_REQUEST = cast(RequestContext, None)


def draw(
    form_class: type[Form[Any, Any, Any]],
    origins: st.SearchStrategy[Any],
    inputs: st.SearchStrategy[Any],
    **more: st.SearchStrategy[Any],
) -> st.SearchStrategy[Block]:
    """Return every modal of the form: with its input, after an error, in progress, done."""
    forms = st.builds(form_class, st.just(NO_REQUEST), origins, inputs, **more)
    return st.builds(_draw_one, forms, OPTIONAL_UNTRUSTED_TEXT, st.integers(0, 4))


def _draw_one(form: Form[Any, Any, Any], problem: str | None, moment: int) -> Block:
    if moment == 0:
        return form.render_progress()
    if moment == 1 and form.success is not None:
        return cast(Block, form.render_result(None))
    if moment == 2 and problem and problem.strip():
        return form.render_error(problem)
    if moment == 3 and problem and problem.strip():
        return form.render_refusal(problem)
    return form.render(problem)
