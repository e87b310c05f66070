import subprocess
import sys

import pytest

from search.config import ConfigError, Experiment, load, redacted
from search.planning.optuna_study import SAMPLERS
from spaces.errors import UserError

HEAD = "data: digits\nmodel: {backbone: cifar_resnet8}\n"  # two lines: what follows begins in line 3

# name: (text, parts of the message). A text that begins with `+` follows HEAD; `^` stands before what is wrong.
BAD = {
    # keys
    "unknown key at the top": ("+^serach: {}", ["serach: unknown key; allowed: name, data", "`search`?"]),
    "unknown key inside": ("+train:\n  ^epohs: 3", ["train.epohs: unknown key", "did you mean `epochs`?"]),
    "key of another section": ("+train:\n  ^seed: 3", ["train.seed", "did you mean `search.seed`?"]),
    "dotted key": ("+^train.epochs: 2", ["write `epochs` below `train`, or add `--set train.epochs=VALUE`"]),
    "key of the top": ("+train:\n  ^name: x", ["train.name: unknown key", "`name` stands at the top of a config"]),
    "key without its section": ("+^epochs: 3", ["epochs: unknown", "did you mean `train.epochs`?"]),
    "key of another tool": ("+search:\n  ^trails: 24", ["search.trails", "`budget.trainings`?"]),
    "unknown key of an objective": ("+objectives: [{metric: accuracy}, {metric: macs, ^max: 1}]",
                                    ["objectives.1.max: unknown key; allowed: metric, goal, limit"]),
    "the internal field": ("+^document: {}", ["document: unknown key"]),
    "duplicate key at the top": ("+^data: cifar10", ["data: appears twice; first in line 1"]),
    "duplicate key inside": ("+train:\n  lr: 1\n  ^lr: 2", ["train.lr: appears twice; first in line 4"]),
    "complex key": ("+? ^[a, b]\n: 1", ["a key must be text"]),
    "data missing": ("model: {backbone: resnet18}", ["config.yaml  data: missing; required: the images"]),
    "data empty": ("^data:\nmodel: {backbone: resnet18}", ["data: missing"]),
    "model missing": ("data: digits",
                      ["config.yaml  model: missing; required: a section that names the backbone, which"]),
    "backbone missing": ("data: digits\n^model:\n  init: scratch", ["model.backbone: missing"]),
    # types
    "text for a number": ("+train:\n  epochs: ^many",
                          ["train.epochs: expected a whole number, got text `many`", "    4 |   epochs: many", "^^^^"]),
    "number in quotes": ("+train: {lr: ^'0.1'}", ["train.lr: expected a number, got text `0.1`", "write 0.1"]),
    "number with underscores": ("+train: {batch_size: ^1_000}", ["got text `1_000`", "write 1000, without quotes"]),
    "octal is text": ("+train: {epochs: ^010}", ["expected a whole number, got text `010`"]),
    "sexagesimal is text": ("+search: {seed: ^12:30}", ["got text `12:30`"]),
    "date is text": ("+search: {seed: ^2024-01-01}", ["got text `2024-01-01`"]),
    "on is text": ("+train: {nesterov: ^on}", ["expected true or false, got text `on`", "write true or false"]),
    "no is text": ("+train: {flip: ^no}", ["expected true or false, got text `no`"]),
    "fraction for a whole number": ("+train: {epochs: ^3.0}", ["expected a whole number, got 3.0", "write 3"]),
    "truth for a number": ("+train: {epochs: ^true}", ["expected a whole number, got true"]),
    "number for truth": ("+train: {nesterov: ^1}", ["expected true or false, got 1"]),
    "nothing for a number": ("+train:\n  ^epochs:", ["train.epochs: expected a whole number, got nothing"]),
    "number for text": ("+name: ^5", ["name: expected text, got 5", "put it in quotes: '5'"]),
    "number for a site": ("+space: {sites: [^3.0]}", ["space.sites.0: expected text, got 3.0", "'3.0'"]),
    "number for a list": ("+space: {reduction: ^4}", ["expected a list of whole numbers, got 4", "write [4]"]),
    "name for a list": ("+space: {position: ^pre_adition}", ["a list of names", "write [pre_addition]"]),
    "list for a section": ("+train: ^[1]", ["train: expected a section with keys such as epochs", "got a list"]),
    "text for the model": ("data: digits\nmodel: ^resnet18", ["a section", "write {backbone: resnet18}"]),
    "section for a number": ("+train:\n  epochs: ^{a: 1}", ["expected a whole number, got a section"]),
    "section for objectives": ("+objectives: ^{accuracy: maximize}", ["a list of sections, got a section"]),
    "number for data": ("data: ^5\nmodel: {backbone: resnet18}", ["data: expected a section"]),
    "a time without unit": ("+budget: {time: ^90}", ["expected text, got 90", "for example 90s or 1h30m"]),
    # ranges
    "too small": ("+train: {epochs: ^0}", ["train.epochs: must be at least 1 and at most 10000, got 0"]),
    "too large": ("+train: {lr: ^1e+3}", ["must be more than 0 and at most 100, got 1000"]),
    "open range": ("+search: {level: ^1}", ["must be more than 0.5 and less than 1, got 1"]),
    "one-sided range": ("+train: {warmup: ^-1}", ["must be at least 0, got -1"]),
    "optional range": ("+space: {min_hidden: ^0}", ["must be at least 1, got 0"]),
    "too few trainings": ("+budget: {trainings: ^3}", ["must be at least 4"]),
    "slots": ("+resources: {slots: ^0}", ["expected `auto` or a whole number of at least 1, got 0"]),
    "slots misspelt": ("+resources: {slots: ^atuo}", ["got text `atuo`", "did you mean `auto`?"]),
    "share of a GPU": ("+resources: {gpus_per_slot: ^1.5}", ["a share of one GPU or a whole number of GPUs, got 1.5"]),
    "ratio": ("+space: {reduction: [4, ^0]}", ["space.reduction.1: must be at least 1"]),
    "stage zero": ("+space: {stages: [^0]}", ["space.stages.0: must be at least 1, got 0"]),
    "milestone": ("+train: {milestones: [0.5, ^80]}", ["must be more than 0 and less than 1, got 80"]),
    "empty list": ("+space: {squeeze: ^[]}", ["space.squeeze: expected at least one value"]),
    "negative limit": ("+objectives: [{metric: accuracy}, {metric: macs, limit: ^-1}]", ["must be at least 0, got -1"]),
    "batch of one": ("+train: {batch_size: ^1}", ["must be at least 2"]),
    "all of it for the test": ("data: {dataset: digits, test: ^1.0}\nmodel: {backbone: resnet18}",
                               ["less than 1, got 1"]),
    "image of four pixels": ("data: {dataset: digits, image_size: ^4}\nmodel: {backbone: resnet18}", ["at least 8"]),
    "seed of the split": ("data: {dataset: digits, split_seed: ^-1}\nmodel: {backbone: resnet18}", ["at least 0"]),
    "momentum": ("+train: {momentum: ^1}", ["train.momentum: must be", "less than 1"]),
    "smoothing": ("+train: {label_smoothing: ^1.0}", ["train.label_smoothing: must be", "less than 1"]),
    "decay": ("+train: {weight_decay: ^5}", ["at most 1, got 5"]),
    "padding": ("+train: {crop: ^65}", ["at most 64, got 65"]),
    "seed of 2^32": ("+search: {seed: ^4294967296}", ["at most 4294967295"]),
    "tolerance": ("+search: {tolerance: ^-0.1}", ["search.tolerance: must be at least 0"]),
    "a million trainings and one": ("+budget: {trainings: ^1000001}", ["at most 1000000"]),
    "no time": ("+budget: {time: ^0s}", ["`0s` is not a duration"]),
    "time without a number": ("+budget: {time: ^h}", ["`h` is not a duration"]),
    "negative share of a GPU": ("+resources: {gpus_per_slot: ^-0.5}", ["at least 0 and at most 64, got -0.5"]),
    "device": ("+resources: {device: ^gpu}", ["unknown value `gpu`; allowed: auto, cpu, cuda"]),
    "empty address": ("+tracking: {uri: ^''}", ["tracking.uri: "]),
    "number for an address": ("+tracking: {uri: ^5000}", ["tracking.uri: expected text, got 5000"]),
    # names
    "long name of a run": ("+name: ^" + "x" * 65, ["name of the run: up to 64 letters"]),
    "name of a run that climbs": ("+name: ^../../etc", ["`../../etc` does not fit"]),
    "choice": ("+train: {schedule: ^cosinus}", ["unknown value `cosinus`; allowed: cosine, step", "mean `cosine`?"]),
    "choice in a list": ("+space: {position: [^mid_air]}", ["unknown value `mid_air`; allowed: pre_addition"]),
    "factor to tie": ("+space: {tie: [^squeze]}", ["space.tie.0", "did you mean `squeeze`?"]),
    "tie": ("+space: {tie: ^some}", ["space.tie: expected `all` or `none` or a list of names, got text `some`"]),
    "squeeze": ("+space: {squeeze: [avg, ^mx]}", ["unknown squeeze `mx`; allowed: avg", "`max`?"]),
    "gate": ("+space: {gate: [^sigmoidal]}", ["unknown gate `sigmoidal`", "did you mean `sigmoid`?"]),
    "dataset": ("data: ^digit\nmodel: {backbone: resnet18}", ["data.dataset: unknown dataset `digit`", "`digits`?"]),
    "dataset in a section": ("data:\n  dataset: ^cifar11\nmodel: {backbone: resnet18}", ["`cifar10`?"]),
    "backbone": ("data: digits\nmodel:\n  backbone: ^resnet19", ["unknown backbone `resnet19`", "`resnet18`?"]),
    "depth of a backbone": ("data: digits\nmodel: {backbone: ^cifar_resnet21}", ["6n + 2"]),
    "no function as a backbone": ("data: digits\nmodel: {backbone: ^'mine.nets:'}",
                                  ["names no function", "module:function"]),
    "sites of a named backbone": ("data: digits\nmodel: {backbone: resnet18, sites: ^['layer1.*']}",
                                  ["model.sites: applies only to a network of your own", "space.sites"]),
    "site that is no path": ("data: digits\nmodel: {backbone: 'mine:net', sites: [^'a/b']}",
                             ["is not the path of a module"]),
    "sampler": ("+search: {sampler: ^bayes}", ["unknown sampler `bayes`; allowed: random, grid, nsga2, tpe"]),
    "halving of what is not ours": ("+evaluate: table:x.csv\nsearch: {halving: ^3}",
                                    ["search.halving: works only with"]),
    "halving without an epoch for it": ("+train: {epochs: 2}\nsearch: {halving: ^3}",
                                        ["needs at least 3 epochs, and train.epochs is 2", "train.epochs"]),
    "pauses of what is not ours": ("+evaluate: table:x.csv\nsearch: {short: ^on}",
                                   ["search.short: works only with"]),
    "pauses that no model reads": ("+search: {model: accuracy, short: ^on}",
                                   ["search.short: needs a model that takes loss curves"]),
    "halving by one": ("+search: {halving: ^1}", ["search.halving: must be at least 2"]),
    "pretrained weights": ("data: digits\nmodel: {backbone: resnet18, init: ^imagenet}",
                           ["allowed: scratch, identity, pretrained"]),
    "evaluate": ("+evaluate: ^tabel:x.csv", ["unknown evaluate `tabel:x.csv`", "did you mean `table`?"]),
    "evaluate without a function": ("+evaluate: ^python:mine.train",
                                    ["is not the path of a function", "package.module:function"]),
    "evaluate without a file": ("+evaluate: ^'table:'", ["write table:FILE"]),
    "name of a run": ("+name: ^a/b", ["`a/b` does not fit; name of the run: up to 64 letters"]),
    "hidden name of a run": ("+name: ^.hidden", ["`.hidden` does not fit"]),
    "time": ("+budget: {time: ^soon}", ["`soon` is not a duration", "90s, 10m, 2h or 1h30m"]),
    # keys that must agree
    "folder without a path": ("^data: {dataset: image_folder}\nmodel: {backbone: resnet18}", ["data.path: missing"]),
    "path of a set that its name finds": ("data: {dataset: digits, ^path: ./x}\nmodel: {backbone: resnet18}",
                                          ["data.path: digits has no path", "remove it; it applies to", "image_fol"]),
    "path beside a set of Hugging Face": ("data: {dataset: 'hf:a/b', ^path: ./x}\nmodel: {backbone: resnet18}",
                                          ["data.path: hf:a/b has no path", "`data: hf:./x`", "it applies to: "]),
    "two number formats": ("+latency: {dtype: ^bfloat16, precision: fp32}",
                           ["latency.dtype: bfloat16 is bf16, and latency.precision says fp32", "remove it"]),
    "empty path": ("data: {path: ^''}\nmodel: {backbone: resnet18}", ["data.path: expected a path"]),
    "metric": ("+objectives: [{metric: ^acuracy}, {metric: macs}]", ["unknown metric `acuracy`", "`accuracy`?"]),
    "metric missing": ("+objectives: [{metric: accuracy}, ^{limit: 1}]",
                       ["missing; one of accuracy, top5, balanced_accuracy"]),
    "no accuracy": ("+objectives: ^[{metric: macs}]", ["objectives: a quality such as accuracy is missing"]),
    "no overhead": ("+objectives: ^[{metric: accuracy}]", ["objectives: a cost is missing", "metric: params"]),
    "metric twice": ("+objectives: [{metric: accuracy}, {metric: macs}, {metric: ^macs}]", ["is an objective twice"]),
    "goal of accuracy": ("+objectives: [{metric: accuracy, goal: ^minimize}, {metric: macs}]",
                         ["objectives.0.goal: `accuracy` can only be maximized"]),
    "goal of an overhead": ("+objectives: [{metric: accuracy}, {metric: macs, goal: ^maximize}]", ["be minimized"]),
    "limit of accuracy": ("+objectives: [{metric: accuracy, limit: ^90}, {metric: macs}]",
                          ["accuracy has no overhead to limit"]),
    # what is no config
    "empty file": ("", ["config.yaml  the file is empty", "senet-search init"]),
    "comments only": ("# nothing\n---\n", ["config.yaml  the file is empty"]),
    "a list": ("^- data\n- model", ["expected keys such as `data: ./images`, got a list"]),
    "a word": ("^digits", ["expected keys", "got a single value"]),
    "two documents": ("+^---\ndata: digits", ["a second YAML document; a file holds one config"]),
    # YAML
    "tab": ("+train:\n^\tepochs: 3", ["a tab; YAML is indented with spaces", "replace the tab"]),
    "two tabs": ("+train:\n^\tepochs: 3\n^\tlr: 1", ["a tab", "a tab", "2 errors."]),
    "tag": ("+name: ^!!str five", ["name: tags (`!`) are not allowed"]),
    "tag of Python": ("+name: ^!!python/object/apply:os.system [ls]", ["name: tags (`!`) are not allowed"]),
    "tag on a section": ("+train: ^!x {epochs: 3}", ["train: tags (`!`) are not allowed"]),
    "anchor": ("+name: ^&n five", ["name: anchors (`&`) and aliases (`*`) are not allowed"]),
    "alias": ("+name: ^*n", ["name: anchors (`&`) and aliases (`*`) are not allowed"]),
    "merge": ("+train:\n  <<: ^*defaults", ["train.<<: anchors (`&`) and aliases"]),
    "infinity": ("+train: {lr: ^.inf}", ["train.lr: `.inf` is not a finite number"]),
    "overflow": ("+train: {lr: ^1e999}", ["train.lr: `1e999` is not a finite number"]),
    "not a number": ("+search: {tolerance: ^.nan}", ["`.nan` is not a finite number"]),
    "400 digits": ("+search: {seed: ^" + "9" * 400 + "}", ["search.seed: a number with 400 digits"]),
    "control character": ("+name: a^\u0000b", ["a control character"]),
    "escaped control character": ('+name: ^"a\\0b"', ["name: a line break or a control character"]),
    "half a character": ('+name: ^"\\ud800"', ["name: a line break or a control character"]),
    "no such character": ('+^name: "\\UFFFFFFFF"', ["not YAML: a number is too large"]),
    "backslash": ('+name: ^"C:\\data"',
                  ["a backslash that does not begin an escape", "or put the text in single quotes"]),
    "no colon": ("+^train\nlr: 1", ["a line without `key: value`"]),
    "two colons": ("+name: a^: b", ["a `:` that is not allowed here"]),
    "open quote": ('+name: ^"five', ["a quote that is never closed"]),
    "open bracket": ("+space: {reduction: ^[4, 8}", ["a bracket that is never closed"]),
    "crooked indentation": ("+train:\n   lr: 1\n  ^epochs: 3", ["this line is not indented like its neighbours"]),
    "at sign": ("+name: ^@home", ["a value cannot begin with this character", "in quotes"]),
    "percent sign": ("+objectives: [{metric: accuracy}, {metric: macs, limit: ^10%}]", ["got text `10%`"]),
    "too deep": ("+name: " + "[" * 5000, ["nested too deeply"]),
}  # fmt: skip


def unmarked(text: str) -> tuple[str, list[str]]:
    """The config without its marks, and the places (line:column) of the marks."""
    text = HEAD + text[1:] if text.startswith("+") else text
    head, *rest = text.split("^")
    places, before = [], head
    for part in rest:
        places.append(f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}")
        before += part
    return before, places


@pytest.fixture
def complaint(tmp_path, monkeypatch):
    """The text of the error that a config gives."""
    monkeypatch.chdir(tmp_path)

    def complain(content: str | bytes, *overrides: str) -> str:
        (tmp_path / "config.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(ConfigError) as caught:
            load("config.yaml", overrides).check_new()
        return str(caught.value)

    return complain


@pytest.mark.parametrize("name", BAD)
def test_bad_config_is_told_once_with_its_place(complaint, name):
    text, places = unmarked(BAD[name][0])
    told = complaint(text)
    for part in [f"error: config.yaml:{place}  " for place in places] + BAD[name][1]:
        assert part in told, told
    assert told.count("error: ") == max(1, len(places)), told
    assert told.endswith("Nothing was started.")


def test_no_mistake_needs_torch_ray_or_mlflow_to_be_told(tmp_path):
    """All of BAD in one process of its own, as `check` reads them."""
    for i, (text, _) in enumerate(BAD.values()):
        (tmp_path / f"{i}.yaml").write_bytes(unmarked(text)[0].encode())
    script = """
import sys
from pathlib import Path
from search.config import ConfigError
from search.setup.experiment_setup import load
told = 0
for path in Path(sys.argv[1]).glob("*.yaml"):
    try:
        load(path).check_new()
    except ConfigError:
        told += 1
print(told, *sorted({"torch", "ray", "mlflow"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(len(BAD))], found.stdout


@pytest.mark.parametrize("name", BAD)
def test_no_sentence_of_a_library_is_shown(complaint, name):
    told = complaint(unmarked(BAD[name][0])[0])
    for foreign in ("Input should", "pydantic", "could not", "Tuple", "yaml.org", "Traceback"):
        assert foreign not in told


def test_the_whole_text(complaint):
    assert complaint(HEAD + "search:\n  sampler: tep\nbudget:\n  time: 5x # soon") == (
        f"error: config.yaml:4:12  search.sampler: unknown sampler `tep`; allowed: {', '.join(SAMPLERS)}\n"
        "    4 |   sampler: tep\n"
        "      |            ^^^ did you mean `tpe`?\n"
        "error: config.yaml:6:9  budget.time: `5x` is not a duration\n"
        "    6 |   time: 5x # soon\n"
        "      |         ^^ write for example 90s, 10m, 2h or 1h30m\n"
        "2 errors. Nothing was started."
    )


def test_all_kinds_of_mistakes_are_told_at_once(complaint):
    told = complaint(
        "data: digit\nmodel: {backbone: resnet19}\nmodel: {}\nname: &a b\ntrain: {epochs: x, lr: 0}\nfoo: 1",
        "train.crop=z",
    )
    places = [line.split("  ")[0] for line in told.splitlines() if line.startswith("error")]
    where = ["1:7", "2:19", "3:1", "4:7", "5:17", "5:24", "6:1"]
    assert places == [*(f"error: config.yaml:{place}" for place in where), "error: --set train.crop=z"]


def test_lines_end_as_they_do_in_any_editor(complaint):
    told = complaint(b"\xef\xbb\xbfdata: digits\r\nmodel:\r\n  backbone: resnet19\r\n")
    assert "config.yaml:3:13" in told
    assert "    3 |   backbone: resnet19\n" in told


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"name: \xff", "not UTF-8 text (line 1)"),
        ("name: x".encode("utf-16"), "not UTF-8 text"),
        (b"#" * 1_000_001, "larger than 1 MB"),
    ],
)
def test_what_is_no_text(complaint, content, part):
    assert part in complaint(content)


def test_missing_file_names_its_neighbour(tmp_path):
    with pytest.raises(ConfigError, match=r"no such file\n  hint: `senet-search init`"):
        load(tmp_path / "config.yaml")
    (tmp_path / "config.yml").touch()
    with pytest.raises(ConfigError, match=r"did you mean `.*config\.yml`"):
        load(tmp_path / "config.yaml")


def test_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="a folder, not a config file"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("train.epochs=many", "error: --set train.epochs=many  train.epochs: expected a whole number, got text `many`"),
        ("trian.epochs=3", "error: --set trian.epochs=3  trian: unknown key"),
        ("train.epohs=3", "error: --set train.epohs=3  train.epohs: unknown key"),
        ("train.epochs", "error: --set train.epochs  not a setting"),
        ("=3", "error: --set =3  not a setting"),
        ("train..epochs=3", "not a setting"),
        ("train.epochs=", "train.epochs: expected a whole number, got nothing"),
        ("train.epochs.x=3", "train.epochs.x: this key does not exist"),
        ("objectives.7.limit=3", "objectives.7.limit: this key does not exist"),
        ("space.reduction=[4", "space.reduction: a bracket that is never closed"),
        ("name=!x y", "name: tags (`!`) are not allowed"),
        ("data=flowers", "data.dataset: unknown dataset `flowers`"),
        ("model=", "error: --set model=  model: missing"),
    ],
)
def test_wrong_override_is_told_as_it_was_typed(complaint, override, part):
    told = complaint(HEAD + "train: {epochs: 3}\nobjectives: [{metric: accuracy}, {metric: macs}]", override)
    assert part in told
    assert told.count("error: ") == 1, told


def test_problems_can_be_read_by_a_program(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(HEAD + "train: {epochs: 0}\nsearch: {sampler: x}")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [(p.file, p.line, p.column, p.key) for p in caught.value.problems] == [
        (str(path), 3, 17, "train.epochs"),
        (str(path), 4, 19, "search.sampler"),
    ]
    assert isinstance(caught.value, UserError)
    assert caught.value.code == 2


def test_only_the_first_mistakes_are_shown(complaint):
    told = complaint(HEAD + "\n".join(f"x{i}: 1" for i in range(50)))
    assert told.count("error: ") == 20
    assert told.endswith("... and 30 more\n50 errors. Nothing was started.")


def test_a_long_line_is_cut_around_the_mistake(complaint):
    told = complaint(HEAD + "space: {reduction: [" + "4, " * 100 + "0" + ", 8" * 100 + "]}")
    line, marks = told.splitlines()[1:3]
    assert max(map(len, told.splitlines())) < 120
    assert line[marks.index("^")] == "0"


def test_mistakes_without_a_file():
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({"data": "digits", "model": {"backbone": "resnet18"}, "train": {"lr": float("nan")}})
    assert str(caught.value).startswith("error: train.lr: `nan` is not a finite number\n1 error.")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:secret@host:5000/x", "http://user:***@host:5000/x"),
        ("postgresql+psycopg2://me:p@ss/word@db/mlflow", "postgresql+psycopg2://me:***@db/mlflow"),
        ("https://host/x?token=abc&y=1", "https://host/x?token=***&y=1"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
    ],
)
def test_secrets_are_taken_out(complaint, uri, shown):
    assert redacted(uri) == shown
    told = complaint(HEAD + f"tracking: {{urii: '{uri}'}}")
    assert "secret" not in told
    assert shown in told


def test_a_key_is_said_once():
    """It was "resources.device: resources.device is cuda"."""
    experiment = Experiment.from_dict({"data": "digits", "model": {"backbone": "cifar_resnet8"}})
    error = experiment.problem_at("resources.device", "resources.device is cuda, but torch finds no GPU here")
    assert error.message.startswith("error: resources.device is cuda,")
    error = experiment.problem_at("resources.device", "no GPU here")
    assert error.message.startswith("error: resources.device: no GPU here")
