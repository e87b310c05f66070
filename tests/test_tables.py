"""The tables of the benchmark: what is known of their noise, and that work on them goes on where it stopped."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    curve_covariances,
    environment,
    make_table,
    shared_covariates,
    shared_network,
    summary,
    table_columns,
)
from benchmarks.make_table import Work, finish
from benchmarks.table_columns import columns_of, components
from senet_nas.recipe import DataSpec, Recipe
from spaces import SpaceSpec


def test_variance_components_are_found_and_their_interval_holds_them():
    rng = np.random.default_rng(0)
    held, found = 0, []
    for _ in range(60):
        y = 90 + rng.normal(0, 0.3, (113, 1)) + rng.normal(0, 0.5, (1, 8)) + rng.normal(0, 0.3, (113, 8))
        about = components(y.tolist())
        low, high = about["tau_over_sigma_interval"]
        held += low <= 1.0 <= high
        found.append(about)
    assert np.mean([a["tau"] for a in found]) == pytest.approx(0.3, rel=0.05)
    assert np.mean([a["sigma"] for a in found]) == pytest.approx(0.3, rel=0.05)
    assert np.mean([a["block"] for a in found]) == pytest.approx(0.5, rel=0.15)
    assert np.mean([a["reliability"] for a in found]) == pytest.approx(8 / 9, rel=0.05)
    assert held >= 48


def test_without_any_difference_the_interval_reaches_zero():
    y = 90 + np.random.default_rng(1).normal(0, 0.3, (113, 8))
    assert components(y.tolist())["tau_over_sigma_interval"][0] == 0


def curves_of(genetic, noise, rng, *, n=60, blocks=8):
    """Lines of a working file: accuracies, and losses of two epochs whose logarithm goes with them as said."""
    gains, luck = rng.normal(0, 1, n), rng.normal(0, 1, (n, blocks))
    shown = genetic * gains + np.sqrt(1 - genetic**2) * rng.normal(0, 1, n)
    heard = noise * luck + np.sqrt(1 - noise**2) * rng.normal(0, 1, (n, blocks))
    level = rng.normal(0, 1, blocks)
    return [
        {
            "architecture": f"net/{a}",
            "seed": f"{b}.0",
            "curve": [
                {"val_accuracy": 50.0, "train_loss": float(np.exp(0.1 * (shown[a] + heard[a, b] + level[b])))},
                {"val_accuracy": 90 + gains[a] + luck[a, b] + level[b], "train_loss": 1.0},
            ],
        }
        for a in range(n)
        for b in range(blocks)
    ]


def test_the_ways_in_which_accuracies_and_losses_vary_together_are_found():
    """Three columns, accuracy and two losses, with known covariances between architectures, trainings and blocks."""
    rng = np.random.default_rng(0)
    mix = np.array([[0.3, 0.0, 0.0], [-0.04, 0.02, 0.0], [-0.01, 0.0, 0.03]])
    luck = np.array([[0.2, 0.0, 0.0], [0.0, 0.01, 0.0], [-0.02, 0.0, 0.01]])
    level = np.array([[0.2, 0.0, 0.0], [0.01, 0.02, 0.0], [0.01, 0.02, 0.0]])
    shapes = ((2000, 1), (2000, 60), (1, 60))
    parts = [rng.normal(0, 1, (*shape, 3)) @ way.T for shape, way in zip(shapes, (mix, luck, level), strict=True)]
    found = {name: np.array(value) for name, value in curve_covariances.ways(90 + sum(parts)).items()}
    assert found["gain"] == pytest.approx([-0.04, -0.01], abs=0.002)
    assert found["apart"] @ found["apart"].T == pytest.approx(np.diag([0.02**2, 0.03**2]), abs=5e-5)
    assert found["noise"] == pytest.approx([0.0, -0.02], abs=0.001)
    assert found["own"] @ found["own"].T == pytest.approx(np.diag([0.01**2, 0.01**2]), abs=5e-6)
    assert found["block"] @ found["block"].T == pytest.approx(level[1:] @ level[1:].T, rel=0.5)
    assert found["block"].shape == (2, 1)


def test_what_is_no_covariance_becomes_one():
    """Where architectures do not differ, the difference of two variances is negative half of the time."""
    for seed in range(10):
        found = curve_covariances.ways(np.random.default_rng(seed).normal(0, 1, (30, 4, 5)))
        assert all(np.isfinite(values).all() for values in found.values())


def test_columns_are_described_with_their_correlation_with_accuracy(monkeypatch):
    monkeypatch.setattr(table_columns, "RESAMPLES", 200)
    rng, held, found = np.random.default_rng(0), 0, []
    for _ in range(12):
        rows = columns_of(curves_of(-0.6, -0.5, rng), ("val_accuracy", "train_loss"))
        assert [(row["column"], row["epoch"]) for row in rows] == [
            *((name, epoch) for name in ("val_accuracy", "train_loss") for epoch in (1, 2)),
            ("train_loss, sum", None),
        ]
        constant, last, first_loss = rows[:3]
        assert constant.keys() == {"column", "epoch"}
        assert "genetic" not in last
        low, high = first_loss["genetic_interval"]
        held += low <= -0.6 <= high
        found.append((first_loss["genetic"], first_loss["noise"], first_loss["tau_over_sigma"]))
    assert np.mean(found, axis=0) == pytest.approx([-0.6, -0.5, 1.0], abs=0.08)
    assert held >= 8


def test_without_an_estimate_there_is_no_interval(monkeypatch):
    """Of ten tables without any difference between architectures, some have an estimate of tau and others have none."""
    monkeypatch.setattr(table_columns, "RESAMPLES", 100)
    rng, found = np.random.default_rng(0), []
    for _ in range(10):
        lines = curves_of(0.0, 0.5, rng)
        for line in lines:
            line["curve"][0]["train_loss"] = float(np.exp(0.1 * rng.normal()))
        (loss,) = (
            row for row in columns_of(lines, ("train_loss", "val_accuracy")) if row["epoch"] == 1 and "noise" in row
        )
        found.append((loss["tau"], loss["genetic"], loss["genetic_interval"]))
    assert {genetic is None for _, genetic, _ in found} == {True, False}
    for tau, genetic, interval in found:
        assert (tau == 0) == (genetic is None) == (interval is None)
        if interval:
            assert interval == [-1, 1]  # about half of the resamples have no estimate


def test_resamples_without_an_estimate_widen_an_interval():
    known = np.linspace(0.5, 0.9, 1000)
    assert table_columns._interval(known) == pytest.approx([0.52, 0.88], abs=0.002)
    few = np.append(known, np.full(20, np.nan))
    low, high = table_columns._interval(few)
    assert 0.5 < low < 0.52 < 0.88 < high < 0.9
    assert table_columns._interval(np.append(known, np.full(120, np.nan))) == [-1, 1]


def test_columns_have_the_component_of_blocks():
    rows = columns_of(curves_of(0.5, 0.5, np.random.default_rng(0), blocks=40), ("val_accuracy", "train_loss"))
    assert rows[1]["block"] == pytest.approx(1.0, rel=0.3)
    assert rows[2]["block"] == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize("path", sorted(make_table.TABLES.glob("*.csv.gz.json")), ids=lambda path: path.name)
def test_descriptions_of_whole_tables_have_an_interval_where_there_is_an_estimate(path):
    for row in json.loads(path.read_text())["columns"]:
        assert "block" in row or row.keys() == {"column", "epoch"}
        if "genetic" in row:
            assert (row["genetic"] is None) == (row["genetic_interval"] is None)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(make_table, "TABLES", tmp_path / "tables")
    return Work("fashion113", tmp_path / "fashion113.jsonl", tmp_path, "cpu")


def lines(work, blocks):
    curve = [{"epoch": 1, "val_accuracy": 80.0, "train_loss": 1.0}]
    results = [{"architecture": key, "seed": seed, "seconds": 1.0, "curve": curve} for key, seed in work.wanted(blocks)]
    return [json.dumps(result) + "\n" for result in results]


def test_what_is_begun_is_kept_and_gone_on_with(work):
    whole = lines(work, 2)
    work.path.write_text("".join(whole[:200]) + whole[200][:30])  # a kill cut the last line
    assert finish(work) == work.begun
    work.path.unlink()
    assert len(list(work.results())) == 200
    work.path.write_text("".join(whole[200:]))
    finish(work)
    assert len(gzip.decompress(work.begun.read_bytes()).splitlines()) == 240


def test_every_plan_is_a_space_of_at_least_a_hundred_architectures(tmp_path):
    for name in make_table.PLANS:
        assert Work(name, tmp_path / "x", tmp_path, "cpu").space.size >= 100


def test_what_a_finished_table_holds_is_not_trained_again():
    """The table in the repository, as the command reads it before it goes on."""
    work = Work("fashion113", make_table.TABLES / "none.jsonl", make_table.TABLES, "cpu")
    found = {(result["architecture"], result["seed"]): result for result in work.results()}
    assert set(work.wanted(8)) >= found.keys()
    assert len(found) >= 8 * 113
    assert all(len(result["curve"]) == work.plan.recipe.epochs for result in found.values())


def test_the_figures_on_the_page_are_those_of_the_results():
    page = summary.PAGE.read_text()
    assert summary.filled(page, summary.TABLES) == page, "python -m benchmarks.summary"
    with pytest.raises(ValueError, match="0 places for the table `reach`"):
        summary.filled("nothing", summary.TABLES)


# -- figures of placements in a shared network ------------------------------------------------------------------------


def shared_columns(name):
    with (make_table.TABLES / f"{name}.shared.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", [path.name.split(".")[0] for path in make_table.TABLES.glob("*.shared.csv")])
def test_the_columns_of_a_shared_network_are_of_every_placement_of_their_table(name):
    rows = shared_columns(name)
    about = json.loads((make_table.TABLES / f"{name}.shared.csv.json").read_text())
    work = Work(name, Path(), Path(), "cpu")
    wanted = [(architecture.key, str(seed)) for seed in range(about["seeds"]) for architecture in work.space]
    assert [(row["architecture"], row["seed"]) for row in rows] == wanted
    assert all(0 <= float(row["val_accuracy"]) <= 100 and float(row["train_loss"]) > 0 for row in rows)
    found = shared_network.correlations(work, [_by_key(rows, seed) for seed in range(about["seeds"])])
    for column, values in about["correlation_with_mean_accuracy"].items():
        assert found[column] == pytest.approx(values, abs=0.002)


def _by_key(rows, seed):
    mine = [row for row in rows if row["seed"] == str(seed)]
    return {row["architecture"]: [float(row[column]) for column in shared_network.COLUMNS] for row in mine}


def test_a_shared_network_is_measured_from_a_recipe_to_its_columns(tmp_path, monkeypatch, capsys):
    plan = make_table.Plan(
        "cifar_resnet8",
        DataSpec(dataset="digits", train=300, validation=200),
        Recipe(epochs=1, batch_size=64),
        SpaceSpec(stages=(3,), reduction=(2,), position=("pre_addition",), squeeze=("avg", "max")),
    )
    monkeypatch.setitem(make_table.PLANS, "tiny", plan)
    monkeypatch.setattr(make_table, "TABLES", tmp_path)
    monkeypatch.setattr(shared_network, "TABLES", tmp_path)
    monkeypatch.setattr(
        "sys.argv", ["shared_network", "tiny", "--data", str(tmp_path), "--seeds", "2", "--trainings", "1"]
    )
    shared_network.main()
    lines = (tmp_path / "tiny.shared.csv").read_text().splitlines()
    assert lines[0] == "architecture,seed,val_accuracy,train_loss,val_log_loss"
    assert len(lines) == 1 + 2 * 3
    assert json.loads((tmp_path / "tiny.shared.csv.json").read_text())["correlation_with_mean_accuracy"] == {}


def test_covariates_are_judged_on_unseen_blocks_and_at_equal_compute(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shared_covariates, "SIZES", (16,))
    monkeypatch.setattr(environment, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["shared_covariates", "--divisions", "3"])
    shared_covariates.main()
    found = json.loads((tmp_path / "shared_covariates.json").read_text())["correlation"]
    added = found["shared, 16"]["mean"] - found["accuracy, 16"]["mean"]
    assert found["shared less accuracy, 16"]["mean"] == pytest.approx(added, abs=0.002)
    assert found["shared at equal compute, 16"] != found["shared, 16"]
    committed = json.loads((make_table.TABLES.parent / "results" / "shared_covariates.json").read_text())
    assert committed["divisions"] == 200
