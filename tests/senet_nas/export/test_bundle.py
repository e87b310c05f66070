import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from senet_nas.data import pictures
from senet_nas.data.augment import centre
from senet_nas.data.batches import standardise
from senet_nas.export import forms, manifest, predict_program, record
from senet_nas.export.bundle import Exported, export, load
from senet_nas.export.forms import FORMS
from senet_nas.network.build import build
from senet_nas.recipe import LatencySpec
from spaces import Architecture, UserError, failpoints

ARCHITECTURE = Architecture.parse("cifar_resnet8/avgmax:fc4:sigmoid@pre_addition/-/std:fc8nb:hard_sigmoid@identity")
DATA: dict[str, Any] = {"input_shape": (1, 8, 8), "mean": [0.3], "std": [0.2], "classes": ["zero", "one", "two"]}

CODE: dict[str, Any] = {"forms": ["model.py"]}
COMPANIONS = {"README.md", "architecture.json", "manifest.json", "model.safetensors", "predict.py"}


def trained(architecture: Architecture = ARCHITECTURE, channels: int = 1) -> nn.Module:
    """A network whose running statistics and weights have moved, in the memory format of training."""
    network = build(architecture, in_channels=channels, num_classes=3).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        network(torch.randn(16, channels, 32, 32, generator=generator))
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "best"
    export(trained(), ARCHITECTURE, target, **DATA, extra={"run": "demo"}, card="## Measured\n\nSomething.", **CODE)
    return target


def test_record_says_what_the_network_is_and_wants(folder: Path) -> None:
    record = json.loads((folder / "architecture.json").read_text())
    assert record["architecture"] == ARCHITECTURE.key
    assert [site["se"] or "-" for site in record["sites"]] == ARCHITECTURE.key.split("/")[1:]
    assert [site["site"] for site in record["sites"]] == ["1.0", "2.0", "3.0"]
    assert record["preprocessing"]["size"] == [8, 8]
    assert record["preprocessing"]["mean"] == [0.3]
    assert record["preprocessing"]["range"] == [0.0, 255.0]
    assert record["classes"] == ["zero", "one", "two"]
    assert record["extra"] == {"run": "demo"}


def test_weights_are_those_of_the_network(folder: Path) -> None:
    state = trained().state_dict()
    weights = load_file(folder / "model.safetensors")
    assert set(weights) == set(state)
    assert all(torch.equal(weights[name], state[name]) for name in state)


# Run as a stranger would: in the folder of the export, with nothing of ours, nor torchvision, to import.
STRANGER = """
import sys
for name in ("senet_nas", "spaces", "search", "torchvision"):
    sys.modules[name] = None
import torch
sys.path.insert(0, sys.argv[1])
from model import load, normalise
network = load()
assert not network.training
images = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
torch.save(network(normalise(images)), sys.argv[2])
"""


def test_code_runs_without_this_project(folder: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-I", "-B", "-c", STRANGER, str(folder), str(tmp_path / "logits.pt")]
    subprocess.run(arguments, check=True, cwd=tmp_path)
    images = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
    inputs = standardise(images, DATA["mean"], DATA["std"])
    expected = trained().eval().to(memory_format=torch.contiguous_format)(inputs)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), expected)


def test_the_exported_files_normalise_as_training_does(folder: Path) -> None:
    """The exported text cannot import the function of training, so this test keeps the two the same."""
    x_NCHW = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
    exported = runpy.run_path(str(folder / "model.py"))["normalise"](x_NCHW)
    assert torch.equal(exported, standardise(x_NCHW, DATA["mean"], DATA["std"]))


def test_load_builds_the_network_again(folder: Path) -> None:
    ours, x_NCHW = trained().eval().to(memory_format=torch.contiguous_format), torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        assert torch.equal(load(folder)(x_NCHW), ours(x_NCHW))


def test_training_can_go_on_after_an_export(tmp_path: Path) -> None:
    network = trained().train()
    done = export(network, ARCHITECTURE.key, tmp_path / "best", **DATA, **CODE)
    assert done.differences == {"model.py": 0}
    assert set(done.files) == {path.name for path in done.directory.iterdir()}
    assert set(done.files) == COMPANIONS | {"model.py"}
    assert network.training
    assert network.conv1.weight.requires_grad


def labelled(n: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=generator)
    return x, torch.randint(0, 3, (n,), generator=generator)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """An export in every form, tried on labelled images and timed."""
    pytest.importorskip("onnxruntime")
    target = tmp_path_factory.mktemp("whole") / "best"
    timing = LatencySpec(batch=2, seconds=0.05)
    return export(trained(), ARCHITECTURE, target, **DATA, labelled=labelled(), timing=timing)


def test_every_form_agrees_for_any_batch_size_and_is_tried_on_real_images(whole: Exported) -> None:
    import onnxruntime

    network, (x, y) = trained(), labelled()
    assert set(whole.files) == {path.name for path in whole.directory.iterdir()} == COMPANIONS | set(FORMS)
    assert (whole.differences["model.py"], whole.differences["model.pt2"]) == (0, 0)
    assert whole.differences["model.onnx"] <= 1e-4
    with torch.inference_mode():
        expected = network.eval()((x[:7] / 255 - 0.3) / 0.2)
        everything = network((x / 255 - 0.3) / 0.2).argmax(1)
    assert set(whole.accuracy.values()) == {100 * int((everything == y).sum()) / len(y)}
    session = onnxruntime.InferenceSession(whole.directory / "model.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata == record.properties(record.read(whole.directory))
    wanted = {"classes": DATA["classes"], "mean": [0.3], "std": [0.2], "size": [8, 8], "range": [0, 255], "channels": 1}
    assert {name: json.loads(metadata[name]) for name in wanted} == wanted
    (logits,) = session.run(["logits"], {"images": ((x[:7] / 255 - 0.3) / 0.2).numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-4)


def test_a_network_of_torchvision_is_exported_without_it(tmp_path: Path) -> None:
    architecture = Architecture.parse("resnet18/-/-/-/-/-/max:fc16:sigmoid@post_addition/-/-")
    data = {**DATA, "input_shape": (3, 33, 40), "mean": [0.5] * 3, "std": [0.25] * 3}
    done = export(trained(architecture, channels=3), architecture, tmp_path / "best", **data, **CODE)
    assert done.differences == {"model.py": 0}
    assert "torchvision" not in (tmp_path / "best" / "model.py").read_text()


def test_missing_packages_are_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else known(name))
    with pytest.raises(UserError, match=r"model\.onnx needs onnxruntime") as caught:
        export(trained(), ARCHITECTURE, tmp_path / "best", **DATA, forms=["model.onnx"])
    assert caught.value.hint == "pip install 'senet-search[onnx]'"
    assert not list(tmp_path.iterdir())
    assert FORMS["model.onnx"].missing == ("onnxruntime",)


def test_nothing_is_left_where_the_proof_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = forms.code
    monkeypatch.setattr(forms, "code", lambda *given: code(*given).replace("x / 6", "x / 6.01"))
    with pytest.raises(RuntimeError, match="differs from the trained network"):
        export(trained(), ARCHITECTURE, tmp_path / "best", **DATA, **CODE)
    assert not list(tmp_path.iterdir())


def test_logits_of_thousands_are_compared_as_float32_rounds_them(tmp_path: Path) -> None:
    """A network that was trained for one epoch may have such logits."""
    network = trained()
    with torch.no_grad():
        network.fc.weight.mul_(1e5)
    taken = export(network, ARCHITECTURE, tmp_path / "best", **DATA, forms=["model.onnx"])
    x = torch.randn(3, *DATA["input_shape"], generator=torch.Generator().manual_seed(0))
    assert network.eval()(x).abs().max() > 1000
    assert taken.differences["model.onnx"] > 0


def test_a_network_that_gives_no_numbers_is_not_exported(tmp_path: Path) -> None:
    network = trained()
    nn.init.constant_(network.fc.bias, float("nan"))
    with pytest.raises(RuntimeError, match="nan"):
        export(network, ARCHITECTURE, tmp_path / "best", **DATA, **CODE)


def test_a_network_of_another_architecture_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        export(trained(), "cifar_resnet8/-/-/-", tmp_path / "best", **DATA)
    assert not list(tmp_path.iterdir())


def test_an_export_is_replaced_only_by_force(tmp_path: Path) -> None:
    target = tmp_path / "best"
    target.mkdir()
    export(trained(), ARCHITECTURE, target, **DATA, **CODE)
    with pytest.raises(UserError, match="is not empty") as caught:
        export(trained(), ARCHITECTURE, target, **DATA, **CODE)
    assert "--force" in caught.value.hint
    (target / "notes.txt").write_text("old")
    export(trained(), ARCHITECTURE, target, **DATA, **CODE, force=True)
    assert {path.name for path in target.iterdir()} == COMPANIONS | {"model.py"}
    assert list(tmp_path.iterdir()) == [target]


def test_force_spares_what_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="holds other files than an export"):
        export(trained(), ARCHITECTURE, tmp_path, **DATA, force=True)
    with pytest.raises(UserError, match="is a file"):
        export(trained(), ARCHITECTURE, tmp_path / "thesis.tex", **DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write") as caught:
        export(trained(), ARCHITECTURE, tmp_path / "file" / "best", **DATA)
    assert caught.value.code == 4


def test_a_file_that_the_users_network_lacks_is_not_said_to_be_the_folder(tmp_path: Path, monkeypatch: Any) -> None:
    """It read: cannot write DIR."""
    exec(compile("def failing(x): open('classes.txt')", "net.py", "exec"), found := {})  # type: ignore[var-annotated]
    network = trained()
    monkeypatch.setattr(type(network), "forward", lambda self, x: found["failing"](x))
    with pytest.raises(
        UserError, match=r"the network failed with FileNotFoundError: .*classes.txt' \(net.py, line 1\)"
    ):
        export(network, ARCHITECTURE, tmp_path / "best", **DATA)


@pytest.mark.parametrize("name", ["architecture.json", "model.safetensors"])
def test_a_tampered_export_is_refused_by_name(folder: Path, tmp_path: Path, name: str) -> None:
    copied = shutil.copytree(folder, tmp_path / "copy")
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} is damaged or was changed"):
        load(copied)


@pytest.mark.parametrize("name", sorted(COMPANIONS | {"model.py"}))
def test_what_is_missing_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    copied = shutil.copytree(folder, tmp_path / "copy")
    manifest.check(copied)
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        manifest.check(copied)


def test_a_manifest_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder, tmp_path / "copy")
    (copied / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        load(copied)
    with pytest.raises(UserError, match="holds no export"):
        load(tmp_path)


KILLED = """
import sys
from senet_nas.export import bundle
from senet_nas.network.build import build
bundle.export(build("cifar_resnet8/-/-/-", in_channels=1, num_classes=3), "cifar_resnet8/-/-/-", sys.argv[1],
              input_shape=(1, 8, 8), mean=[0.3], std=[0.2], classes=list("abc"), forms=["model.py"])
"""


def test_a_killed_export_leaves_no_manifest_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    there = {**os.environ, failpoints.VARIABLE: "before_manifest"}
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "best"], check=False, cwd=Path.cwd(), env=there)
    assert killed.returncode == -9
    assert not (tmp_path / "best").exists()
    assert not list(tmp_path.rglob("manifest.json"))
    assert len(list(tmp_path.iterdir())) == 1
    export(trained(), ARCHITECTURE, tmp_path / "best", **DATA, **CODE)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


@pytest.mark.parametrize("place", ["before_manifest", "before_move"])
def test_a_full_disk_leaves_the_old_export_or_none(tmp_path: Path, place: str) -> None:
    export(trained(), ARCHITECTURE, tmp_path / "best", **DATA, **CODE)
    old = (tmp_path / "best" / "manifest.json").read_bytes()
    failpoints.arm(f"{place}:1:full")
    try:
        for name in ("best", "other"):
            with pytest.raises(UserError, match="No space left on device"):
                export(trained(), ARCHITECTURE, tmp_path / name, **DATA, **CODE, force=True)
    finally:
        failpoints.arm("")
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    assert (tmp_path / "best" / "manifest.json").read_bytes() == old


def test_time_accuracy_and_differences_of_the_files_stand_in_manifest_and_card(whole: Exported) -> None:
    measured = json.loads((whole.directory / "manifest.json").read_text())["measured"]
    assert set(measured["forms"]) == set(whole.latency) == set(FORMS)
    assert (measured["timed_on"]["batch"], measured["timed_on"]["device"]) == (2, "cpu")
    card = (whole.directory / "README.md").read_text()
    for name, form in measured["forms"].items():
        assert (form["difference"], form["accuracy"]) == (whole.differences[name], whole.accuracy[name])
        assert 0 < form["latency"]["low"] <= form["latency"]["ratio"] <= form["latency"]["high"]
        assert f"| `{name}` | {form['difference']:.1g} | {form['accuracy']:.2f} % |" in card


def test_predict_names_the_class_that_the_network_finds(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.fromarray(labelled(1)[0][0, 0].numpy()).save(picture)
    program = [sys.executable, str(folder / "predict.py"), str(picture)]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    with torch.inference_mode():
        chances = trained().eval()((labelled(1)[0] / 255 - 0.3) / 0.2).softmax(1)[0]
    best = int(chances.argmax())
    assert said.startswith(f"{picture}: {DATA['classes'][best]} {100 * chances[best]:.1f} %")


def test_predict_says_a_sentence_for_each_bad_file_and_goes_on(folder: Path, tmp_path: Path) -> None:
    picture, broken = tmp_path / "picture.png", tmp_path / "broken.png"
    Image.fromarray(labelled(1)[0][0, 0].numpy()).save(picture)
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot")
    (tmp_path / "empty").mkdir()
    names = [str(tmp_path / "gone.png"), str(broken), str(tmp_path / "empty"), str(picture)]
    done = subprocess.run(
        [sys.executable, str(folder / "predict.py"), *names], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"{picture}: ")
    *lines, allowed = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == names[:3]
    assert allowed.startswith("Allowed are image files")
    assert "No such file or directory" in done.stderr
    assert "holds no file that ends in .bmp, .gif" in done.stderr


@pytest.mark.parametrize("batch", ["2", "64"])
def test_predict_takes_folders_and_batches_and_prints_json(folder: Path, tmp_path: Path, batch: str) -> None:
    images = labelled(5)[0]
    for name, image in zip(("a/1.png", "a/2.PNG", "b/c/3.png", "4.png", ".hidden/5.png"), images, strict=True):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(tmp_path / "images" / name, format="PNG")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "z.png").write_bytes(b"no image")
    command = [sys.executable, str(folder / "predict.py"), str(tmp_path / "images"), "--json", "--batch", batch]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()[:-1]] == [str(tmp_path / "images" / "z.png")]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    names = [str(Path(row["file"]).relative_to(tmp_path / "images")) for row in found]
    assert names == ["4.png", "a/1.png", "a/2.PNG", "b/c/3.png"]
    with torch.inference_mode():
        chances = trained().eval()((images[[3, 0, 1, 2]] / 255 - 0.3) / 0.2).softmax(1)
    for row, expected in zip(found, chances, strict=True):
        assert list(row["probabilities"]) == list(DATA["classes"])
        assert list(row["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-5)
        assert row["class"] == DATA["classes"][int(expected.argmax())]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_predict_ends_in_silence_when_its_reader_has_seen_enough(folder: Path, tmp_path: Path, form: list[str]) -> None:
    """`predict.py images | head` ended with a traceback."""
    Image.fromarray(labelled(1)[0][0, 0].numpy()).save(tmp_path / "picture.png")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(folder / "predict.py"), str(tmp_path), "--batch", "1", *form]
    done = subprocess.run(command, check=False, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_predict_refuses_a_batch_of_nothing(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(folder / "predict.py"), "x.png", "--batch", "0"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, "--batch needs a number from 1 on" in done.stderr) == (2, True)


def test_plain_is_not_timed_beside_itself(tmp_path: Path) -> None:
    plain = Architecture.plain("cifar_resnet8", 3)
    network = build(plain.key, in_channels=1, num_classes=3)
    done = export(network, plain.key, tmp_path / "plain", **DATA, **CODE, timing=LatencySpec(seconds=0.05))
    assert done.latency == {}
    assert json.loads((done.directory / "manifest.json").read_text())["measured"]["timed_on"] == {}
    card = (done.directory / "README.md").read_text()
    assert "time" not in card.split("## Files")[0]
    assert "| `model.py` | 0 | - |\n" in card


def test_predict_cuts_what_the_network_was_tested_on_out_of_larger_images(tmp_path: Path) -> None:
    """It reads a file as we read a folder: the shorter side resized to 12 pixels, of that the centre of 8."""
    pixels = torch.randint(0, 256, (21, 30, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    picture = tmp_path / "picture.png"
    Image.fromarray(pixels.numpy()).save(picture)
    wants: dict[str, Any] = {"input_shape": (3, 8, 8), "mean": [0.5] * 3, "std": [0.2] * 3, "classes": ["a", "b", "c"]}
    export(trained(channels=3), ARCHITECTURE, tmp_path / "out", **wants, **CODE, resize=12)
    program = "import sys; from predict import read; print(read(sys.argv[1]).tolist())"
    command = [sys.executable, "-c", program, str(picture)]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    x_HWC = next(pictures.decoded([(picture, 0)], 12, grey=False, white=255.0))
    assert json.loads(done.stdout) == centre(torch.from_numpy(x_HWC.copy()).permute(2, 0, 1)[None], 8)[0].tolist()
    assert "8 x 8, the middle of images whose shorter side is 12" in (tmp_path / "out" / "README.md").read_text()


def test_predict_reads_arrays_where_inputs_are_no_images(tmp_path: Path) -> None:
    text = predict_program.predict((1, 500))
    compile(text, "predict.py", "exec")
    assert "np.load(path, allow_pickle=False)" in text


def test_signals_are_not_called_images(tmp_path: Path) -> None:
    architecture = "signal_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
    data = {**DATA, "input_shape": (1, 64)}
    network = build(architecture, in_channels=1, num_classes=3)
    done = export(network, architecture, tmp_path / "best", **data, **CODE)
    said = (done.directory / "README.md").read_text() + "".join(done.files.values())
    assert "image" not in said.replace("normalise(images)", "")
    assert done.files["predict.py"].startswith("classes of arrays in .npy files")


def test_the_card_tells_what_stands_in_the_record(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for part in ("SE in 2 of 3 units", "Something.", "uint8 (N, 1, 8, 8)", "zero, one, two", "`model.py`"):
        assert part in card
