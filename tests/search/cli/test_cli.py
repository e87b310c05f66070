"""The commands as a stranger types them: real trainings through the real Ray, Optuna and MLflow."""

import html
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from search.cli import app
from search.cli.app import cli
from search.state.ledger import Ledger
from tests.search import documented

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


OFFLINE = [sys.executable, str(ROOT / "tests" / "search" / "offline.py")]


def may_leave_the_network():
    return subprocess.run([*OFFLINE, "true"], check=False).returncode == 0


def senet(*words, cwd, check=True, before=(), **more):
    found = subprocess.run(
        [*before, *COMMAND, *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False, **more
    )
    assert not check or found.returncode == 0, found.stderr
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The demo, shortened, run to its end once for this file: without any network where the machine lets us."""
    where = tmp_path_factory.mktemp("demo")
    before = OFFLINE if may_leave_the_network() else []
    settings = ("train.epochs=1", "data.train=300", "search.stop=budget", "budget.trainings=24")
    short = [text for setting in settings for text in ("--set", setting)]
    return where, senet("run", str(ROOT / "configs" / "demo.yaml"), *short, cwd=where, before=before), short


@pytest.mark.ray
class TestDemo:
    def test_it_ends_with_a_verdict_and_prints_nothing_of_others(self, finished):
        _, found, _ = finished
        lines = (found.stdout + found.stderr).splitlines()
        progress = [line for line in lines if re.match(r" *\d+/24  t\d+ ", line)]
        assert len(progress) == 24
        assert len(lines) - len(progress) <= 42  # the table has a row for each member of the front
        assert "Recommended" in found.stdout
        assert "24 trainings: 24 finished" in found.stdout
        assert "senet-search ui digits" in found.stdout
        for noise in ("WARNING", "INFO", "ray::", "(raylet)", "alembic", "Traceback", "optuna", "UserWarning"):
            assert noise not in found.stdout + found.stderr

    def test_the_folder_holds_what_the_design_says(self, finished):
        where, _, _ = finished
        names = {path.name for path in (where / "runs" / "digits").iterdir()}
        expected = {
            "config.yaml",
            "ledger.sqlite",
            "lock",
            "trainings",
            "report.html",
            "front.csv",
            "front.json",
            "front.png",
        }
        assert expected <= names
        assert not list((where / "runs").rglob("*.tmp"))
        assert not [p for p in (where / "runs").rglob("*") if p.suffix in (".pkl", ".pt", ".pth", ".pickle")]

    def test_only_plain_and_what_was_confirmed_keep_weights(self, finished):
        where, _, _ = finished
        run = where / "runs" / "digits"
        kept = {path.parent.name for path in run.rglob("model.safetensors")}
        ledger = Ledger(run / "ledger.sqlite", read_only=True)
        assert kept == {t.uid for t in ledger.trainings if t.role == "confirm" or t.architecture == 0}
        assert kept

    def test_every_finished_training_keeps_which_images_were_right(self, finished):
        where, _, _ = finished
        ledger = Ledger(where / "runs" / "digits" / "ledger.sqlite", read_only=True)
        assert {len(t.correct) for t in ledger.trainings} == {(1138 + 7) // 8}

    def test_mlflow_holds_one_parent_and_a_child_for_each_training(self, finished):
        from search.track.client import connect

        where, _, _ = finished
        runs = where / "runs"
        client = connect(f"sqlite:///{runs / 'mlflow.db'}", runs)
        experiment = client.get_experiment_by_name("digits")
        found = client.search_runs([experiment.experiment_id], max_results=1000)
        (parent,) = (r for r in found if r.data.tags["senet.kind"] == "search")
        children = [r for r in found if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        ledger = Ledger(runs / "digits" / "ledger.sqlite", read_only=True)
        assert {r.data.tags["senet.training_uid"] for r in children} == {t.uid for t in ledger.trainings}
        assert len(children) == 24
        assert {r.info.status for r in found} == {"FINISHED"}
        by_uid = {r.data.tags["senet.training_uid"]: r for r in children}
        for training in ledger.trainings:
            assert by_uid[training.uid].data.metrics["val_accuracy"] == pytest.approx(training.metrics["val_accuracy"])
            assert {"gain", "gain_low", "params_overhead", "macs_overhead"} <= by_uid[training.uid].data.metrics.keys()
        assert {a.path for a in client.list_artifacts(parent.info.run_id)} >= {
            "report.html",
            "front.png",
            "config.yaml",
        }
        assert "mlflow.note.content" in parent.data.tags

    def test_the_same_command_prints_the_result_of_a_finished_run(self, finished):
        where, first, short = finished
        again = senet("run", str(ROOT / "configs" / "demo.yaml"), *short, cwd=where)
        assert "finished" in again.stderr
        assert again.stdout == first.stdout

    def test_a_changed_config_is_refused_with_the_difference(self, finished):
        where, _, short = finished
        found = senet(
            "run", str(ROOT / "configs" / "demo.yaml"), *short, "--set", "train.lr=0.5", cwd=where, check=False
        )
        assert found.returncode == 2
        assert "train.lr: was 0.2, is 0.5" in found.stderr
        assert "--new" in found.stderr

    def test_status_report_and_list_agree(self, finished):
        where, _, _ = finished
        status = json.loads(senet("status", "digits", "--json", cwd=where).stdout)
        assert (status["schema"], status["command"]) == (1, "status")
        assert status["runs"][0]["state"] == "finished"
        assert status["runs"][0]["trainings"] == {"finished": 24}
        front = json.loads(senet("report", "digits", "--json", cwd=where).stdout)
        assert front["points"][0]["words"] == "plain"
        assert json.loads(senet("list", "runs", "--json", cwd=where).stdout)["runs"] == ["digits"]

    def test_the_exported_network_runs_without_this_project(self, finished):
        where, _, _ = finished
        taken = json.loads(senet("export", "digits", "--to", "taken", "--json", cwd=where).stdout)
        assert set(taken["files"]) >= {"architecture.json", "model.safetensors", "model.py", "model.onnx", "model.pt2"}
        assert taken["caution"] == ""
        assert len(set(taken["accuracy"].values())) == 1
        assert taken["differences"]["model.py"] == 0
        assert taken["differences"]["model.onnx"] <= 1e-4
        program = (
            "import sys\n"
            "for name in ('spaces', 'senet_nas', 'search', 'torchvision'): sys.modules[name] = None\n"
            "import torch; from model import load\n"
            "print(tuple(load().eval()(torch.zeros(3, 1, 8, 8)).shape))\n"
        )
        found = subprocess.run(
            [sys.executable, "-c", program],
            cwd=where / "taken",
            capture_output=True,
            text=True,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )
        assert found.stdout.strip() == "(3, 10)", found.stderr

    def test_what_has_no_weights_cannot_be_exported_and_says_what_can(self, finished):
        where, _, _ = finished
        found = senet("export", "digits", "--pick", "a2", "--to", "none", cwd=where, check=False)
        assert found.returncode in (0, 3)
        if found.returncode == 3:
            assert "has no weights" in found.stderr
            assert "`senet-search train digits --pick a2`" in found.stderr
            assert not (where / "none").exists()
        assert senet("export", "digits", "--pick", "a99", cwd=where, check=False).returncode == 2


@pytest.mark.ray
def test_the_page_on_python_runs(finished):
    """Every block of docs/python.md, one after the other, where the demo has been run."""
    where, _, _ = finished
    (where / "configs").symlink_to(ROOT / "configs")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), flags=re.DOTALL)
    program = "\n".join(blocks)
    assert len(blocks) >= 6
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=where, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "distinct architectures" in found.stdout


CANARY = "s3cr3t-CANARY"
SCRIPTED = """
import os, pathlib
from spaces import Architecture
log = pathlib.Path(__file__).with_name("executed.txt")
def evaluate(architecture, seed):
    with log.open("a") as file:
        file.write(f"{architecture} {seed}\\n")
    number = int.from_bytes(f"{architecture} {seed}".encode(), "big") % 1000 / 1000
    for epoch in range(40):
        sum(i * i for i in range(60_000))
        yield {"val_accuracy": 90 + number}
"""


@pytest.fixture
def scripted(tmp_path):
    """A folder with a config whose evaluation is a script: real Ray, Optuna and MLflow, no training."""
    (tmp_path / "scripted.py").write_text(SCRIPTED)

    def make(function="evaluate", trainings=16, more=""):
        config = tmp_path / "config.yaml"
        config.write_text(
            "name: scripted\ndata: digits\nmodel: {backbone: cifar_resnet8}\n"
            f"budget: {{trainings: {trainings}}}\nevaluate: python:scripted:{function}\n{more}"
        )
        return config

    return make


def interrupt(config, after, number):
    """Starts a run, sends a signal after ``after`` lines of results; returns the exit status and what was printed."""
    process = subprocess.Popen(
        [*COMMAND, "run", str(config)], cwd=config.parent, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    said = []
    for line in process.stderr:
        said.append(line)
        if sum("%" in word and "/16" in word for word in said) >= after:
            os.kill(process.pid, number)
            break
    said += process.stderr.readlines()
    return process.wait(60), "".join(said)


@pytest.mark.ray
def test_stopped_and_killed_and_started_again_nothing_is_lost_or_done_twice(scripted):
    """MLflow is dead all the while, behind an address with a password: that costs neither the search nor the secret."""
    config = scripted(more=f"tracking: {{uri: 'http://user:{CANARY}@127.0.0.1:9/'}}\nsearch: {{stop: budget}}\n")
    status, said = interrupt(config, 3, signal.SIGINT)
    assert said.count("MLflow: ") == 1
    assert status == 130
    assert "type the same command again to continue" in said
    run = config.parent / "runs" / "scripted"
    after_first = finished_rows(run)
    assert len(after_first) >= 3
    assert {t.state for t in Ledger(run / "ledger.sqlite", read_only=True).trainings} <= {"finished", "waiting"}
    status, said = interrupt(config, 3, signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert "going on" in said
    assert all(row in finished_rows(run) for row in after_first)
    last = senet("run", str(config), cwd=config.parent)
    ledger = Ledger(run / "ledger.sqlite", read_only=True)
    assert Counter(t.state for t in ledger.trainings) == {"finished": 16}
    assert len({(t.architecture, t.seed) for t in ledger.trainings}) == 16
    executed = (config.parent / "executed.txt").read_text().splitlines()
    slots = len(os.sched_getaffinity(0))
    assert 16 <= len(executed) <= 16 + 2 * slots
    assert set(executed) == {f"{ledger.entries[t.architecture].key} {t.seed}" for t in ledger.trainings}
    everything = b"".join(path.read_bytes() for path in (config.parent / "runs").rglob("*") if path.is_file())
    assert CANARY.encode() not in everything + (said + last.stdout + last.stderr).encode()


def finished_rows(run):
    ledger = Ledger(run / "ledger.sqlite", read_only=True)
    return [(t.uid, dict(t.metrics), t.ended) for t in ledger.trainings if t.state == "finished"]


# -- commands that start nothing --------------------------------------------------------------------------------------


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder and in this process, which has loaded torch; returns status and output."""
    monkeypatch.chdir(tmp_path)

    def type_(*words):
        monkeypatch.setattr(sys, "argv", ["senet-search", *words])
        status = app.exit_status()
        return subprocess.CompletedProcess(words, status, *capsys.readouterr())

    return type_


def test_profile_gives_the_published_numbers(tmp_path, typed):
    words = ["profile", "resnet50", "--reduction", "16", "--image-size", "224", "--json"]
    everywhere = json.loads(typed(*words, "--placement", "all").stdout)
    assert everywhere["params"] == 28_088_024
    assert round(everywhere["params_overhead"], 1) == 9.9
    early = json.loads(typed(*words, "--placement", "stages:1-3").stdout)
    assert round(early["params_overhead"], 1) == 3.7


def test_profile_measures_time_and_memory_on_request(tmp_path, typed):
    words = ["profile", "cifar_resnet8", "--reduction", "4", "--image-size", "8", "--classes", "10", "--batch", "2"]
    found = json.loads(typed(*words, "--latency", "--seconds", "0.5", "--json").stdout)["latency"]
    for what in ("forward", "training_step"):
        assert 0 < found[what]["low"] <= found[what]["ratio"] <= found[what]["high"]
    assert found["memory"]["peak_memory"]["bytes"] > found["memory"]["peak_memory"]["plain"] > 0
    assert found["measured_on"]["batch"] == 2
    printed = typed(*words, "--latency", "--seconds", "0.1").stdout
    assert "measured on" in printed


def test_init_check_and_a_bad_config(tmp_path, typed):
    assert "senet-search check config.yaml" in typed("init").stdout
    assert typed("init").returncode == 2
    found = typed("check", "config.yaml", "--set", "train.epochs=1", "--set", "model.backbone=cifar_resnet8")
    assert "1,797" in found.stdout or "test; 10 classes" in found.stdout
    assert "Nothing was started" in found.stdout
    assert "budget.time" not in found.stdout
    brief = typed("check", "config.yaml", "--set", "model.backbone=cifar_resnet8", "--set", "budget.time=1s")
    assert "; budget.time ends it after 1s, before its trainings are used" in brief.stdout
    assert not (tmp_path / "runs").exists()
    (tmp_path / "bad.yaml").write_text(
        "data: digits\nmodel: {backbone: cifar_resnet9}\nbudget:\n  trails: 24\nspace:\n  reduction: [a]\n"
    )
    bad = typed("run", "bad.yaml")
    assert bad.returncode == 2
    assert "bad.yaml:2" in bad.stderr
    assert "bad.yaml:4" in bad.stderr
    assert "did you mean `trainings`" in bad.stderr
    assert "bad.yaml:6" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert not (tmp_path / "runs").exists()


def test_a_ratio_that_leaves_no_channel_is_told_together_with_all_else(tmp_path, typed):
    (tmp_path / "bad.yaml").write_text(
        "data: digits\nmodel: {backbone: cifar_resnet8}\nspace:\n  reduction: [4, 64]\n"
        "budget:\n  trails: 24\ntrain:\n  epochs: 0\n"
    )
    found = typed("run", "bad.yaml")
    assert found.returncode == 2
    assert [f"bad.yaml:{line}:" in found.stderr for line in (4, 6, 8)] == [True] * 3
    assert "3 errors" in found.stderr


def test_a_ratio_that_leaves_no_channel_is_told_by_line_and_site(tmp_path, typed):
    (tmp_path / "bad.yaml").write_text("data: digits\nmodel: {backbone: cifar_resnet8}\nspace:\n  reduction: [4, 32]\n")
    for command in ("check", "run"):
        found = typed(command, "bad.yaml")
        assert found.returncode == 2
        assert "bad.yaml:4" in found.stderr
        assert "leaves no channel at site 1.0 (16 channels" in found.stderr
    assert not (tmp_path / "runs" / "bad" / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [(["status", "nothing"], "no run `nothing`"), (["list", "backbone"], "did you mean `backbones`?"),
     (["profile", "resnet51"], "did you mean `resnet50`?"),
     (["profile", "resnet18", "--position", "pre_adition"], "pre_addition"),
     (["run", "nowhere.yaml"], "nowhere.yaml"), (["rnu"], "No such command")],
)  # fmt: skip
def test_wrong_words_are_answered_with_the_right_ones(typed, words, says):
    found = typed(*words)
    assert found.returncode == 2
    assert says in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [(["show", "cifar_resnet8", "--svg", "nowhere/x.svg"], 2, "there is no folder nowhere"),
     (["show", "cifar_resnet8", "--svg", "/proc/x.svg"], 4, "cannot write /proc/x.svg"),
     (["profile", "cifar_resnet8", "--channels", "9" * 20], 2, "--channels"),
     (["ui", "nothing", "--port", "80000"], 2, "--port"),
     (["show", "cifar_resnet8", "--reduction", "100"], 2, "--min-hidden 1"),
     (["show", "vgg11_bn", "--position", "pre_addition"], 2, "add --position output")],
)  # fmt: skip
def test_a_plain_mistake_is_no_bug_of_ours(typed, words, status, says):
    found = typed(*words)
    assert found.returncode == status, found.stderr
    assert says in found.stderr
    assert "internal error" not in found.stderr


@pytest.mark.parametrize("backbone", ["vgg11_bn", "mobilenet_v2", "cifar_resnet8", "densenet121"])
def test_a_backbone_needs_no_position_named(typed, backbone):
    for command in ("show", "profile"):
        found = typed(command, backbone, "--json")
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["params_overhead" if command == "profile" else "params"] > 0


def test_init_writes_a_batch_size_that_the_images_fill(tmp_path, typed):
    for name in ("cat", "dog", "emu"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(40):
            pixels = np.full((8, 8), 40 + number + 60 * (name == "dog"), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "deep").mkdir()
    assert typed("init", "--data", "images", "deep/config.yaml", "--backbone", "cifar_resnet8").returncode == 0
    assert "too many for 77 training images" in (tmp_path / "deep" / "config.yaml").read_text()
    found = typed("check", "deep/config.yaml", "--set", "train.epochs=1", "--set", "data.image_size=8")
    assert found.returncode == 0, found.stderr
    told = typed("check", "deep/config.yaml", "--set", "train.batch_size=128")
    assert "`train.batch_size: 8`: 9 steps an epoch" in told.stderr


def test_what_comes_next_has_the_settings_of_now(tmp_path, typed):
    (tmp_path / "my config.yaml").write_text("data: digits\nmodel: {backbone: cifar_resnet8}\n")
    sets = ["--set", "train.epochs=2", "--set", "train.warmup=2", "--set", "space.squeeze=[avg, max]"]
    found = typed("check", "my config.yaml", *sets, "--set", "model.backbone=cifar_resnet8")
    assert "--set train.epochs=2 --set train.warmup=2 --set 'space.squeeze=[avg, max]'" in found.stdout
    assert "Next: senet-search run 'my config.yaml'" in found.stdout
    assert "caution   train.warmup is 2 of 2 epochs" in found.stdout


def test_list_and_schema_are_for_machines_too(tmp_path, typed):
    listed = json.loads(typed("list", "--json").stdout)
    assert {"digits", "image_folder"} <= set(listed["datasets"])
    assert "tpe" in listed["samplers"]
    assert json.loads(typed("schema").stdout)["type"] == "object"


# -- README and docs --------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(finished, tmp_path, monkeypatch):
    """The folder that the pages suppose: runs of the demo (`digits`, `digits-2`, `images`) and images in `images`."""
    where, _, _ = finished
    for name in ("digits", "digits-2", "images"):
        shutil.copytree(where / "runs" / "digits", tmp_path / "runs" / name)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 110, 16, 16, 3), dtype=np.uint8)
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for n, picture in enumerate(pixels[number]):
            Image.fromarray(picture).save(tmp_path / "images" / name / f"{n}.png")
    Image.fromarray(pixels[0, 0, :8, :8]).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


RUN_BY_THE_PAGES = [page for page in documented.PAGES if documented.to_run(page)]


@pytest.mark.ray
@pytest.mark.parametrize("page", RUN_BY_THE_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page, desk):
    """In one process, because each of them would import torch anew."""
    for text in documented.to_run(page):
        program, *words = shlex.split(text)
        if program == "python":
            found = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
            assert found.returncode == 0, f"{page.name}: {text}\n{found.stderr}"
        else:
            told = CliRunner().invoke(cli, words)
            assert told.exit_code == 0, f"{page.name}: {text}\n{told.output}{told.exception!r}"


@pytest.mark.parametrize("page", documented.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_that_a_page_names_exists(page):
    for text in documented.shown(page) + documented.mentioned(page):
        program, *words = text.replace("[", " ").replace("]", " ").split()
        if program != "senet-search":
            continue
        name = next((word for word in words if not word.startswith("-") and word.strip(".")), None)
        assert name is None or name in cli.commands, f"{page.name}: {text}"
        allowed = {
            option
            for command in (cli, cli.commands.get(name, cli))
            for p in command.params
            for option in (*p.opts, *p.secondary_opts)
        }
        for word in words:
            assert not word.startswith("--") or word.split("=")[0] in allowed | {"--help"}, (
                f"{page.name}: {text}: {word}"
            )


def test_what_the_pages_leave_to_other_tests_is_run_by_them():
    for test in (*documented.ELSEWHERE.values(), *documented.WHOLE.values()):
        path, _, name = test.partition("::")
        assert name in (ROOT / path).read_text(), test


PRINTED = re.compile(
    r"senet-search ((?:--debug )?[a-z]+(?: [^\n`<(]+?))(?=`|<|  | \(|$|[,;]? (?:and|to|for) )", re.MULTILINE
)
# Commands that serve or train for long are parsed; other tests let them run.
ONLY_PARSED = ("ui", "dashboard", "train", "run")


@pytest.mark.ray
def test_every_command_that_a_command_of_the_demo_prints_works(finished, tmp_path, monkeypatch, capsys):
    where, found, _ = finished
    shutil.copytree(where / "runs", tmp_path / "runs")
    shutil.copy(where / "runs" / "digits" / "config.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def type_(*words):
        monkeypatch.setattr(sys, "argv", ["senet-search", *words])
        status = app.exit_status()
        said = capsys.readouterr()
        assert status == 0, (words, said.err)
        return said.out + said.err

    texts = [found.stdout + found.stderr, html.unescape((tmp_path / "runs" / "digits" / "report.html").read_text())]
    texts += [type_(*words.split()) for words in ("status digits", "doctor digits", "list runs")]
    texts.append(type_("export", "digits", "--to", "taken", "--no-onnx"))
    commands = {command for text in texts for command in PRINTED.findall(text)}
    assert {command.split()[0] for command in commands} >= {"ui", "export", "run"}
    for command in sorted(commands):
        name, *words = shlex.split(command)
        if name in ONLY_PARSED:
            cli.commands[name].make_context(name, words)
        else:
            type_(name, *words)
