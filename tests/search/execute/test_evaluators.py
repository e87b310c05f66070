import gzip
import json
import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest

from search.execute.percent_check import PercentCheck
from search.execute.result_table import Table
from search.execute.trainer import Trainer
from search.execute.user_function import UserFunction
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import checkpoint
from spaces import Architecture, UserError

ROWS = """architecture,seed,epoch,val_accuracy,params,macs
net/-,0,1,80.0,100,1000
net/-,0,2,90.0,100,1000
net/-,1,2,90.5,100,1000
net/avg:fc2:sigmoid@identity,0.3,1,91.0,110,1000
"""
SITE = {"name": "1.0", "stage": 1, "channels": {"identity": 8}}


@pytest.fixture
def table(tmp_path):
    def make(text=ROWS, name="table.csv", about=None):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
        if about:
            (tmp_path / f"{name}.json").write_text(json.dumps(about))
        return Table(path)

    return make


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_table_replays_its_epochs_and_the_last_is_final(table, name):
    reports = list(table(name=name)("net/-", Seed(0)))
    assert [(r.epoch, r.metrics["val_accuracy"], r.done) for r in reports] == [(1, 80.0, False), (2, 90.0, True)]


def test_a_table_offers_the_seeds_it_holds(table):
    found = table()
    assert found.seeds(Architecture.parse("net/-")) == [Seed(0), Seed(1)]
    assert found.seeds(Architecture.parse("net/avg:fc2:sigmoid@identity")) == [Seed(0, 3)]
    assert found.seeds(Architecture.parse("net/max:fc2:sigmoid@identity")) == []


def test_costs_come_from_the_table(table):
    price = table().price(Architecture.parse("net/avg:fc2:sigmoid@identity"))
    assert price["params_overhead"] == pytest.approx(10.0)
    assert price["macs_overhead"] == 0.0
    without = ROWS.replace(",params,macs", "").replace(",100,1000", "").replace(",110,1000", "")
    assert table(without).price(Architecture.parse("net/-")) is None


def test_sites_may_stand_beside_the_table(table):
    (site,) = table(about={"sites": [SITE]}).sites
    assert (site.name, site.channels) == ("1.0", {"identity": 8})
    assert table(name="other.csv").sites is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ROWS + "net/-,0,2,1.0,1,1\n", ":6: a second row"),
        (ROWS + "net/-,5,1,,1,1\n", ":6, column `val_accuracy`: is empty"),
        (ROWS + "net/-,x,1,1.0,1,1\n", ":6, column `seed`: `x` is not a seed"),
        ("seed\n1\n", ":1: the columns architecture and val_accuracy are missing; there are seed"),
        (ROWS + "net/-\n", ":6, column `val_accuracy`: is empty"),
    ],
)
def test_faults_of_a_table_are_named_by_line(table, text, says):
    with pytest.raises(UserError) as caught:
        table(text).seeds(Architecture.parse("net/-"))
    assert says in caught.value.message


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the table .*nowhere.csv"):
        Table(tmp_path / "nowhere.csv").seeds(Architecture.parse("net/-"))


MODULE = """
def number(architecture, seed):
    return 90.0 + seed.block
def mapping(architecture, seed):
    return {"val_accuracy": 91.0, "train_loss": 0.1}
def epochs(architecture, seed):
    for epoch in range(3):
        yield {"val_accuracy": 90.0 + epoch}
def nothing(architecture, seed):
    return iter(())
constant = 3
"""


@pytest.fixture
def base(tmp_path):
    (tmp_path / "users_own_code.py").write_text(MODULE)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("name", "accuracies"), [("number", [92.0]), ("mapping", [91.0]), ("epochs", [90.0, 91.0, 92.0])]
)
def test_a_users_function_may_return_or_yield(base, name, accuracies):
    reports = list(UserFunction(f"users_own_code:{name}", base)("net/-", Seed(2)))
    assert [r.metrics["val_accuracy"] for r in reports] == accuracies
    assert [r.done for r in reports] == [False] * (len(reports) - 1) + [True]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere_at_all:f", "cannot import"),
        ("users_own_code:missing", "cannot import"),
        ("users_own_code:constant", "is not a function"),
    ],
)
def test_a_function_that_cannot_be_called_is_a_users_error(base, target, says):
    with pytest.raises(UserError, match=says):
        _ = UserFunction(target, base).function


def test_a_module_that_cannot_be_read_is_a_users_error(tmp_path):
    (tmp_path / "half_written.py").write_text("def f(:\n")
    with pytest.raises(UserError, match=r"SyntaxError: .*half_written\.py, line 1"):
        _ = UserFunction("half_written:f", str(tmp_path)).function


@pytest.mark.parametrize(("accuracies", "times"), [([0.5, 0.9, 0.8], 1), ([0.5, 91.0, 0.8, 0.7], 0), ([0.0, 0.0], 0)])
def test_fractions_are_doubted_once(accuracies, times):
    said = []
    doubts = PercentCheck(said.append)
    for accuracy in accuracies:
        doubts.changed(SimpleNamespace(state="finished", metrics={"val_accuracy": accuracy}), None)
        doubts.changed(SimpleNamespace(state="failed", metrics={}), None)
    assert len(said) == times
    assert all("return 100 times the fraction" in text for text in said)


def test_a_function_that_yields_nothing_is_a_users_error(base):
    with pytest.raises(UserError, match="yielded nothing"):
        list(UserFunction("users_own_code:nothing", base)("net/-", Seed(0)))


def test_evaluators_cross_to_workers(base, table):
    for evaluator in (UserFunction("users_own_code:number", base), table()):
        assert pickle.loads(pickle.dumps(evaluator)) == evaluator


def test_only_our_own_training_leaves_checkpoints(base, table, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    folder = tmp_path / "training"
    folder.mkdir()
    for evaluator in (UserFunction("users_own_code:epochs", base), table()):
        list(evaluator("net/-", Seed(0), checkpoint=folder))
        assert not list(folder.iterdir())
    trainer = Trainer(Task(DataSpec(dataset="digits", train=100, validation=50), Recipe(epochs=2, batch_size=50)))
    next(trainer("cifar_resnet8/-/-/-", Seed(0), checkpoint=folder))
    assert len(checkpoint.curve(folder)) == 1


@pytest.mark.parametrize(
    ("text", "about", "says"),
    [
        (ROWS.replace("net/-,", "net,"), None, "is not an architecture"),
        (ROWS.replace("net/-,", "net/max:fc2:sigmoid@identity,"), None, "no plain network"),
        (
            ROWS.replace(",params,macs", "").replace(",100,1000", "").replace(",110,1000", ""),
            {"sites": [SITE]},
            r"needs the columns params and macs \(or only those that are objectives\)",
        ),
        (ROWS + "net/-/-,0,1,80.0,100,1000\n", None, ":6: `net/-/-` has 2 sites, but plain has 1"),
        (ROWS, {"sites": [SITE, SITE | {"name": "2.0"}]}, r":2: `net/-` has 1 site, but .*table.csv.json names 2"),
        (ROWS, {"sites": [SITE | {"channels": {"mid": 8}}]}, ":5: site 1.0 offers no position `identity`"),
    ],
)
def test_a_table_that_cannot_be_searched_is_refused_before_it_is(table, text, about, says):
    with pytest.raises(UserError, match=says) as caught:
        table(text, about=about).check()
    assert caught.value.key == "evaluate"


def test_a_table_without_the_network_of_the_config_names_those_that_it_holds(table):
    """Nothing was ever proposed then."""
    table().check_space("net", 1)
    with pytest.raises(UserError, match="`nett` is not in .* holds results of net") as caught:
        table().check_space("nett", 1)
    assert (caught.value.hint, caught.value.key) == ("did you mean `net`?", "model.backbone")
    with pytest.raises(UserError, match="no training of the plain network `net` with 2 sites") as caught:
        table().check_space("net", 2)
    assert "`net/-/-`" in caught.value.hint


def test_a_good_table_passes(table):
    table().check()


@pytest.mark.parametrize(
    ("lacks", "needed", "names"), [("macs", ("params",), ""), ("params", ("macs",), ""), ("macs", ("macs",), "macs")]
)
def test_a_table_needs_the_costs_that_are_objectives_and_no_others(table, lacks, needed, names):
    """Fault 32: any missing cost was refused, whatever was traded off."""
    dropped = ROWS.splitlines()[0].split(",").index(lacks)
    cut = [",".join(cell for i, cell in enumerate(row.split(",")) if i != dropped) for row in ROWS.splitlines()]
    found = replace(table("\n".join(cut), about={"sites": [SITE]}), needed=needed)
    if not names:
        found.check()
        (column,) = needed
        assert f"{column}_overhead" in found.price(Architecture.parse("net/-"))
        return
    with pytest.raises(UserError, match="needs the columns") as caught:
        found.check()
    assert caught.value.hint.startswith(f"add {names} of")


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_broken_description_of_a_table_is_named(table, text):
    found = table()
    found.path.with_name("table.csv.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"table\.csv\.json"):
        found.check()


def test_what_a_run_must_know_of_results_from_elsewhere_has_defaults(base, table, tmp_path):
    for evaluator in (UserFunction("users_own_code:number", base), table()):
        assert not evaluator.trains_networks
        assert evaluator.needed_paths(tmp_path) == [tmp_path]
        assert (
            evaluator.shared(tmp_path) is evaluator.on_cluster("cuda", "key") is evaluator.with_threads(2) is evaluator
        )
        assert evaluator.fastest_threads("net/-") is None
        assert [type(listener) for listener in evaluator.listeners(print)] == [PercentCheck]
        with pytest.raises(UserError, match="only our own training"):
            _ = evaluator.training_task


def test_our_own_training_needs_its_data_alone(tmp_path):
    digits = Trainer(Task(DataSpec(dataset="digits"), Recipe()))
    assert digits.trains_networks
    assert digits.needed_paths(tmp_path) == []
    assert digits.listeners(print) == ()
    assert digits.with_threads(3).training_task.threads == 3
    assert digits.on_cluster("cuda", "key").training_task.device == "cuda"
    folder = Trainer(Task(DataSpec(path="images"), Recipe()))
    assert folder.needed_paths(tmp_path) == [tmp_path / "images"]


def test_what_a_table_lacks_has_an_infinite_price(table):
    price = table().listed_price(Architecture.parse("net/max:fc2:sigmoid@identity"))
    assert set(price.values()) == {float("inf")}


def test_a_function_returns_its_metrics_by_their_names_or_columns(base, tmp_path):
    (tmp_path / "of_ones_own.py").write_text(
        "def named(architecture, seed):\n    return {'mean_iou': 61.0, 'other': 2}\n\n"
        "def column(architecture, seed):\n    return {'val_mean_iou': 61.0}\n\n"
        "def number(architecture, seed):\n    return 61.0\n"
    )
    for name in ("named", "column", "number"):
        (report,) = UserFunction(f"of_ones_own:{name}", str(tmp_path), ("mean_iou", "psnr"))("net/-", Seed(0))
        assert report.metrics["val_mean_iou"] == 61.0
        assert "val_accuracy" not in report.metrics


def test_a_table_is_judged_by_the_columns_that_are_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("architecture,seed,val_log_loss\nnet/-,0.0,0.31\nnet/-,0.1,1.7\n")
    found = Table(path, metrics=("log_loss",))
    assert [found.results["net/-"][seed][0][1]["val_log_loss"] for seed in found.results["net/-"]] == [0.31, 1.7]
    with pytest.raises(UserError, match="the column val_accuracy is missing"):
        _ = Table(path).results
    path.write_text("architecture,seed,val_auroc\nnet/-,0.0,0.91\nnet/-,0.1,0.93\n")
    with pytest.raises(UserError, match="no AUROC of the table exceeds 1"):
        _ = Table(path, metrics=("auroc",)).results
