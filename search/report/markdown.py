"""The answer in Markdown, for MLflow's notes: what the page's card says, and the table of architectures."""

from search.report.answer_card import CardFigure, card_figures, subject
from search.report.next_steps import take_home
from search.report.tables import points_table
from search.results.result import Front

ROWS = 12
# The accuracies of the single seeds would make the table too wide.
LEFT_OUT = ("each seed, %",)


def markdown(front: Front) -> str:
    """The verdict, the card, the first rows of the table of architectures, and how the recommendation was made."""
    best = front[front.recommended]
    lines = [
        *(line for caution in front.cautions for line in (caution, "")),
        f"**{front.verdict}** Take home: **{best.id}, {best.label}** (`{take_home(front)}`).",
        "",
        f"{subject(front).id}, {subject(front).label} ({subject(front).verdict}):",
        "",
        *(_figure(figure) for figure in card_figures(front)),
        "",
        *_table(front),
        "",
        front.rule,
        "",
        *filter(None, [front.power, front.ending]),
    ]
    return "\n".join(lines)


def _figure(figure: CardFigure) -> str:
    beside = f" ({figure.beside})" if figure.beside else ""
    return f"- {figure.name}: **{figure.value}**{beside}"


def _table(front: Front) -> list[str]:
    table = points_table(front)
    shown = [i for i, column in enumerate(table.columns) if column.title not in LEFT_OUT]
    head = [table.columns[i].title for i in shown]
    rows = [[str(row.cells[i]) for i in shown] for row in table.rows[:ROWS]]
    return [_line(head), _line(["---"] * len(head)), *(_line(cells) for cells in rows)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
