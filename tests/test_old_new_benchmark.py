"""The arithmetic of benchmarks.old_new on scripted figures; `--tiny` runs all of it by hand."""

from benchmarks import old_new
from benchmarks.old_new import Sizes


def test_rounds_alternate_and_ratios_are_those_of_rounds(tmp_path, monkeypatch):
    ran = []
    speeds = {"old": iter([100.0, 200.0]), "new": iter([110.0, 180.0])}

    def run(tree, program):
        kind = "search" if "searched" in program else "data"
        ran.append((tree.name, kind))
        return [next(speeds[tree.name]), ["a", "b", "c"]] if kind == "search" else {"28x28": 10.0}

    monkeypatch.setattr(old_new, "ran", run)
    monkeypatch.setattr(old_new.loop, "bare", lambda architectures, epochs: architectures)
    monkeypatch.setattr(old_new.loop, "images_per_second", lambda spans, epochs: 100.0)
    found = old_new.measured(tmp_path / "old", tmp_path / "new", 2, Sizes())
    assert [name for name, kind in ran if kind == "search"] == ["old", "new", "new", "old"]
    assert found["search"]["each"] == [1.1, 0.9]
    assert found["search"]["new_over_old"] == 1.0
    assert found["efficiency"] == {"old": 1.5, "new": 1.45}
    assert found["data_path"]["28x28"]["new_over_old"] == 1.0


def test_a_program_runs_with_the_modules_of_its_own_tree(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("here = 'the old one'")
    assert old_new.ran(tmp_path, "import benchmarks\nprint(json.dumps(benchmarks.here))") == "the old one"
