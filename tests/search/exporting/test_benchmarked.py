"""What `senet-search benchmark` measures: an architecture, an export, a run; and how it prints that."""

from dataclasses import replace
from pathlib import Path

import pytest

from search.exporting.benchmarked import Benchmarked, benchmark
from senet_nas.costs.deployed_forms import FormResult
from senet_nas.costs.energy import Energy
from senet_nas.costs.timing import Comparison
from senet_nas.deploy.paired_images import PairedImages
from senet_nas.export import bundle
from senet_nas.network.build import build
from senet_nas.recipe import LatencySpec
from spaces import UserError

KEY = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
SE = {"reduction": "4", "squeeze": "avg", "excitation": "fc", "gate": "sigmoid"}
TIME = Comparison(1.05, 1.04, 1.06, 1.05, 1.0, 8, 1.0)


def measure(what, runs=Path("none"), **more):
    usual = {"pick": "best", "limits": {}, "runs": runs, "runtimes": ["eager"], "placement": "all", "se": SE}
    sizes = {"min_hidden": None, "image_size": 12, "channels": 1, "classes": 4}
    return benchmark(what, **{**usual, **more}, spec=LatencySpec(device="cpu", seconds=0.01), given=sizes)


def test_an_architecture_is_timed_in_every_form_without_accuracy():
    found = measure("cifar_resnet8")
    assert [form.name for form in found.forms] == ["eager fp32", "eager bf16", "eager fp16"]
    assert found.architecture.startswith("cifar_resnet8/avg:fc4:sigmoid@pre_addition/")
    assert found.images == ""
    printed = found.lines()
    assert len(printed) == 2 + 3 + 2
    assert "accuracy" not in printed[1]
    assert measure(KEY).architecture == KEY


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "taken"
    network = build(KEY, in_channels=1, num_classes=3).eval()
    bundle.export(
        network,
        KEY,
        folder,
        input_shape=(1, 12, 12),
        mean=[0.5],
        std=[0.2],
        classes=["a", "b", "c"],
        forms=["model.py"],
    )
    return folder


def test_an_export_is_named_by_its_folder_or_by_one_of_its_files(export):
    for what in (export, export / "model.py"):
        found = measure(str(what))
        assert found.architecture == KEY
        assert found.of == str(export)
        assert all(form.time is not None for form in found.forms)


def test_what_is_neither_is_an_error_that_says_what_is_expected(export, tmp_path):
    with pytest.raises(UserError, match="neither a run nor an export") as error:
        measure(str(tmp_path))
    assert "architecture.json" in error.value.hint
    with pytest.raises(UserError, match="cifar_resnet9"):
        measure("cifar_resnet9")


def test_the_table_has_a_line_for_each_form_and_says_what_its_columns_mean():
    paired = PairedImages(n=1000, right=900, lost=12, won=4, same=980)
    forms = (
        FormResult("openvino", "int8", TIME, 123_456, 120_000, paired, replace(paired, lost=4)),
        FormResult("onnxruntime", "fp32", refused="refused by onnxruntime (fp32): no"),
    )
    found = Benchmarked("digits a3: all", KEY, "1000 test images", {"device": "cpu"}, forms)
    name, head, first, second, *notes = found.lines()
    assert name == "digits a3: all"
    assert "drop, points" in head
    assert first.split()[:4] == ["openvino", "int8", "1.050", "1.000"]
    assert "+5.00 [+4.00, +6.00]" in first
    assert "0.12 MB" in first
    assert "89.20%" in first
    assert "+0.80 [-0.01, +1.60]" in first
    assert first.endswith("+0.00 [-0.59, +0.59]")
    assert second == f"{'onnxruntime fp32':<18} refused by onnxruntime (fp32): no"
    assert "1000 test images" in notes[1]
    assert "J an image" not in head
    assert found.to_dict()["forms"][1] == {
        "runtime": "onnxruntime",
        "precision": "fp32",
        "refused": "refused by onnxruntime (fp32): no",
    }


def test_plain_is_not_compared_with_itself():
    paired = PairedImages(n=1000, right=900, lost=12, won=4, same=980)
    forms = (FormResult("openvino", "int8", TIME, 123_456, 120_000, paired, replace(paired, lost=4)),)
    plain = "/".join([KEY.partition("/")[0], *("-" for _ in KEY.split("/")[1:])])
    _, head, line, first, *_ = Benchmarked("digits a0: plain", plain, "images", {"device": "cpu"}, forms).lines()
    assert "plain" not in head
    assert line.split() == ["openvino", "int8", "1.050", "0.12", "MB", "89.20%", "+0.80", "[-0.01,", "+1.60]"]
    assert first == "This network is plain: there is nothing to compare it with."


def test_joules_have_columns_of_their_own_and_a_line_says_what_they_are_of_or_why_they_are_not_known():
    spent = Energy(0.0123, 0.01, 1.23, 1.2, 1.26, 8, "RAPL")
    forms = (
        FormResult("eager", "fp32", TIME, energy=spent),
        FormResult("openvino", "fp32", TIME, energy="the counter of RAPL did not move within 0.5 s"),
    )
    found = Benchmarked("digits a3: all", KEY, "", {"device": "cpu"}, forms)
    _, head, first, second, *notes = found.lines()
    assert "J an image" in head
    assert first.endswith("0.0123       0.01   +23.00 [+20.00, +26.00]")
    assert second.split()[-2:] == ["-", "-"]
    assert notes[-2:] == [
        "Energy is that of the whole chip by RAPL, with other programs.",
        "Energy is not known: the counter of RAPL did not move within 0.5 s.",
    ]
    asked, failed = (form["energy"] for form in found.to_dict()["forms"])
    assert asked["candidate_j"] == 0.0123
    assert failed == {"unknown": "the counter of RAPL did not move within 0.5 s"}
