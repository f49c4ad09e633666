"""No module of the bot imports itself through others: a part can be read, and tested, after those below it."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp

PACKAGES = ("bot", "handlers", "providers", "services", "storage", "messages", "domain")


def test_no_modules_import_each_other_in_a_circle_not_even_for_types() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which shows the circle
