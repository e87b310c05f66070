"""A result on the test set, on the page, in the terminal and of a full training: with its interval for other images."""

from pathlib import Path

from search.full_training.run import Trained
from search.report import result_lines
from search.report.explaining_sections import test_section as section_of
from senet_nas.training.quality_metrics import METRICS
from tests.search.results.test_result import front

KEY = "cifar_resnet8/-/-/-"
ROWS = ({"seed": "1.0", "accuracy": 94.0, "n": 500.0}, {"seed": "2.0", "accuracy": 96.0, "n": 500.0})


def test_it_has_the_interval_for_other_images_beside_it():
    found = front(test={"read": "2026-01-01", "results": {"a0": ROWS}})
    line = "Test accuracy, measured once: a0 95.00 % ([93.14, 96.37] for other images; seeds 94.00, 96.00)."
    assert line in result_lines.sentences(found)
    section = section_of(found)
    assert [column.title for column in section.table.columns][3] == "90 % for other images"
    assert section.table.rows[0].cells == ("a0", "placement 0", "95.00", "[93.14, 96.37]", "94.00, 96.00")
    assert "as many other images of the same kind" in section.footnotes[0]


def test_a_result_of_an_earlier_version_has_none():
    found = front(test={"read": "2026-01-01", "results": {"a0": ({"accuracy": 94.0},)}})
    assert "Test accuracy, measured once: a0 94.00 % (seeds 94.00)." in result_lines.sentences(found)
    assert section_of(found).table.rows[0].cells[3] == "-"
    assert section_of(front()) is None


def test_a_full_training_says_it_too():
    size = {"accuracy": 95.0, "n": 500.0, "auroc": 99.0, "auroc_low": 98.5, "auroc_high": 99.25}
    shown = {"accuracy": "95.00 % [93.14, 96.37] at 8", "auroc": "99.00 % [98.50, 99.25] at 8"}
    for metric, expected in ((METRICS[name], text) for name, text in shown.items()):
        done = Trained(KEY, "plain", "0.0", Path("runs"), 2, 9.0, {metric.column: 94.0}, {"8": size}, {}, metric)
        assert expected in done.lines()[1]
