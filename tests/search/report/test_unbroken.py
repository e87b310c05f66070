"""Figures of a page stay on one line with their units; what is copied is unchanged."""

import re

import pytest

from search.report.unbroken import kept_together


@pytest.mark.parametrize(
    "text",
    [
        "<p>for +0.93_% parameters</p>",
        "<title>+0.44_points [+0.04,_+0.83], 1_point</title>",
        "<td>12.5_ms</td><td>3_MB in 2 steps</td>",
        "<p>90 percent, 4 stages, 1 min_pool</p>",
    ],
)
def test_no_line_ends_between_a_figure_and_its_unit(text):
    expected = text.replace("_", "\u00a0").replace("min\u00a0pool", "min_pool")
    assert kept_together(text.replace("_", " ").replace("min pool", "min_pool")) == expected


@pytest.mark.parametrize("tag", ["pre", "code", "style", "script"])
def test_what_is_copied_or_run_keeps_its_spaces(tag):
    inside = f'<{tag} class="own">limit: 10 % [1, 2]\nnoise: 3 points</{tag}>'
    page = kept_together(f"<p>10 %</p>{inside}<p>[1, 2]</p>{inside}<p>5 ms</p>")
    assert page.count(inside) == 2
    assert re.findall(r"<p>(.*?)</p>", page) == ["10\u00a0%", "[1,\u00a02]", "5\u00a0ms"]
