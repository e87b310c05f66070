from search.config import Experiment
from search.execute.ray.resources import Slots
from search.report.plan_lines import plan_lines
from search.setup.experiment_setup import Prepared
from spaces import Site, Space, SpaceSpec


def planned(n_sites):
    sites = [Site(f"{stage}.0", stage, {"output": 16}) for stage in range(1, n_sites + 1)]
    space = Space("net", sites, SpaceSpec(reduction=(4,), position=("output",)))
    experiment = Experiment.from_dict({"data": "digits", "model": {"backbone": "cifar_resnet8"}})
    return "\n".join(plan_lines(Prepared(experiment, space, None, None, Slots(1, 1, 0.0), "cpu")))


def test_one_is_singular():
    """It was "1 units"."""
    assert ", 1 unit that can take SE" in planned(1)
    assert ", 2 units that can take SE" in planned(2)
    assert "1 training at a time, each on 1 CPU core" in planned(1)
