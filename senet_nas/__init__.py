"""What happens inside one training: networks with SE slots, data, training, costs and export.

Imports neither ray nor optuna nor mlflow. The public functions are

from senet_nas.network.build import build, sites
from senet_nas.costs.overhead import price_list
from senet_nas.export.bundle import export, load
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
"""
