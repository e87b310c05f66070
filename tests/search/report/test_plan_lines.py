from search.config import Experiment
from search.execute.ray.resources import Slots
from search.report.plan_lines import plan_lines, positions_line
from search.setup.experiment_setup import Prepared
from spaces import Site, Space, SpaceSpec


def planned(n_sites, **resources):
    sites = [Site(f"{stage}.0", stage, {"output": 16}) for stage in range(1, n_sites + 1)]
    space = Space("net", sites, SpaceSpec(reduction=(4,), position=("output",)))
    experiment = Experiment.from_dict(
        {"data": "digits", "model": {"backbone": "cifar_resnet8"}, "resources": resources}
    )
    return "\n".join(plan_lines(Prepared(experiment, space, None, None, Slots(1, 1, 0.0), "cpu")))


def test_one_is_singular():
    """It was "1 units"."""
    assert ", 1 unit that can take SE" in planned(1)
    assert ", 2 units that can take SE" in planned(2)
    assert "1 training at a time, each on 1 CPU core" in planned(1)


def test_positions_are_named_with_the_units_that_offer_them():
    residual = dict.fromkeys(("pre_addition", "mid"), 16)
    sites = [Site(f"1.{n}", 1, residual if n else {"output": 16}) for n in range(11)]
    spec = SpaceSpec(reduction=(4,), position=("mid",), sites=("1.1",))
    few = positions_line(Space("net", sites[:3], spec))
    assert few == "positions output in 1.0; pre_addition, mid in 1.1, 1.2 (searched: mid)"
    assert "mid in 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8 and 2 more (" in positions_line(Space("net", sites, spec))
    assert "positions pre_addition, mid in all units (" in positions_line(Space("net", sites[1:], spec))


def test_a_store_that_no_training_uses_is_a_caution():
    assert "without resources.ray nothing is written there" in planned(1, storage="s3://bucket/folder")
    assert "resources.storage" not in planned(1)
