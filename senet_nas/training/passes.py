"""What a training costs, counted in passes of images through the network. Imports no torch."""

from senet_nas.recipe import Recipe

# A pass forwards and backwards costs as much as this many passes forwards.
STEP_COST = 3
# Validation images before the last epoch: enough for a curve. The result is always validated on all images.
CURVE_IMAGES = 2000


def passes(recipe: Recipe, n_train: int, n_val: int) -> int:
    """Passes forwards of one training on so many training and validation images; SE changes hardly anything of it."""
    steps = recipe.epochs * STEP_COST * n_train
    return steps + (recipe.epochs - 1) * min(CURVE_IMAGES, n_val) + n_val
