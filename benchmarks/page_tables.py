"""Tables of results in pages of the documentation, each between two comments."""

import re
from collections.abc import Callable, Mapping, Sequence

Tables = Mapping[str, Callable[[], list[str]]]


def filled(page: str, tables: Tables) -> str:
    """The page with every table between ``<!-- name -->`` and ``<!-- /name -->`` as the results are now.

    Raises ValueError if the page does not have exactly one place for a table.
    """
    for name, table in tables.items():
        lines = "\n".join(table())
        page, found = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", rf"\g<1>{lines}\n\g<2>", page, flags=re.DOTALL
        )
        if found != 1:
            raise ValueError(f"the page has {found} places for the table `{name}`")
    return page


def markdown(rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table, whose head is the first row."""
    head, *others = (f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)
    return [head, "|" + "---|" * len(rows[0]), *others]
