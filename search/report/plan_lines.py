"""What a run is going to do, in a few lines: data, network, space, budget and machine."""

from search.execute.ray.resources import Slots
from search.results.objectives import Objective, qualities
from search.setup import pause_setup, shared_setup
from search.setup.experiment_setup import Prepared
from search.state.facts import DataFact
from search.state.shared_facts import SharedNetworkFact
from senet_nas.network.backbones.table import is_timm
from spaces.space import Space
from spaces.text import plural

# One validation image may be worth this many points before a caution says so.
COARSE = 0.5
# So many units are named, others counted.
FEW_UNITS = 8
# White of images of one byte per value: nothing that a plan needs to mention.
BYTE = 255.0


def plan_lines(prepared: Prepared, shared: SharedNetworkFact | None = None) -> list[str]:
    """The lines, each with its topic in the first ten columns. ``shared`` is the shared network that a run noted."""
    experiment = prepared.experiment
    space = prepared.space
    return [
        f"data      {experiment.data.dataset}: {_images(prepared.data)}",
        *(f"caution   {note}" for note in _cautions(prepared)),
        f"network   {experiment.model.network}, {plural(len(space.sites), 'unit')} that can take SE{_published(space)}",
        *_weights(prepared),
        *_fine_tuning(prepared),
        f"space     {_space(space.size, space.nominal_size)}; sampler: {experiment.search.sampler}",
        f"compare   {', '.join(_goal(objective) for objective in experiment.objectives)}",
        f"budget    {_budget(prepared)}",
        *_shared(prepared, shared),
        *([f"pauses    {words}"] if (words := pause_setup.words(prepared)) else []),
        f"machine   {_machine(prepared.slots, prepared.device)}",
        *_unused_store(prepared),
        *([f"sharing   {prepared.sharing}"] if prepared.sharing else []),
    ]


def positions_line(space: Space) -> str:
    """Which positions the units offer, and which of them are searched."""
    offering: dict[tuple[str, ...], list[str]] = {}
    for site in space.sites:
        offering.setdefault(tuple(site.channels), []).append(site.name)
    found = [f"{', '.join(positions)} in {_units(names, len(space.sites))}" for positions, names in offering.items()]
    return f"positions {'; '.join(found)} (searched: {', '.join(space.spec.position)})"


def few_images(validation: int) -> list[str]:
    """A caution if there are so few validation images that one of them is worth more than placements differ by."""
    if 100 / validation <= COARSE:
        return []
    worth = f"each is worth {100 / validation:.1f} points, so smaller gains cannot be seen"
    return [f"only {validation:,} validation images: {worth}"]


def _units(names: list[str], all_of: int) -> str:
    """Some of the units of a network, by name if there are few."""
    if len(names) == all_of:
        return "all units" if all_of > 1 else "the unit"
    more = f" and {len(names) - FEW_UNITS} more" if len(names) > FEW_UNITS else ""
    return f"{', '.join(names[:FEW_UNITS])}{more}"


def _published(space: Space) -> str:
    """How many units have SE of their own."""
    count = sum(site.published is not None for site in space.sites)
    return f"; {count} of them have it as published, and plain is without" if count else ""


def _weights(prepared: Prepared) -> list[str]:
    """Where pretrained weights come from, which layers they do not fit, and what of them is left out."""
    tuning = prepared.fine_tuning
    model = prepared.experiment.model
    if tuning is None or model.init != "pretrained":
        return []
    source = model.weights or ("timm" if is_timm(model.backbone) else "torchvision")
    fresh = f"; random weights, for other classes: {', '.join(tuning.drawn)}" if tuning.drawn else ""
    section = f", of its sections `{tuning.section}`" if tuning.section else ""
    lines = [f"weights   {source}{section}{fresh}"]
    if tuning.unused:
        count = plural(len(tuning.unused), "tensor")
        lines.append(f"caution   {count} of these weights, such as {tuning.unused[0]}, are not in plain and not used")
    return lines


def _fine_tuning(prepared: Prepared) -> list[str]:
    """What trains, at which peak learning rates."""
    tuning = prepared.fine_tuning
    if tuning is None:
        return []
    recipe = prepared.experiment.train
    head = f" {tuning.classifier}" if tuning.classifier else ""
    new = f"SE and the classifier{head} at a learning rate of {recipe.lr:g}"
    if recipe.freeze == "backbone":
        return [f"training  {new}; the backbone is frozen, in eval mode"]
    backbone = recipe.lr if recipe.backbone_lr is None else recipe.backbone_lr
    norm = ", its BatchNorm frozen" if recipe.freeze == "norm" else ""
    return [f"training  {new}; the backbone at {backbone:g}{norm}"]


def _images(data: DataFact | None) -> str:
    if data is None:
        return "results of a table"
    if not data.train:
        shape = " x ".join(str(side) for side in data.shape)
        return f"your own function reads them; networks for inputs of {shape} and {len(data.classes)} classes"
    sizes = f"{data.train:,} train, {data.validation:,} validation, {data.test:,} test"
    deep = "" if data.white == BYTE else f"; more than 8 bits, white is {data.white:,.0f}"
    inputs = f"; (C, L) = {data.shape}" if len(data.shape) == 2 else f"; {data.image_size} x {data.image_size} pixels"
    folds = f"; {len(data.folds)} folds take turns in validating" if data.folds else ""
    division = f"; {data.division}" if data.division else ""
    return f"{sizes}; {len(data.classes)} classes{inputs}{deep}{folds}{division}"


def _unused_store(prepared: Prepared) -> list[str]:
    """A caution about a store that no training uses: on one machine the run folder has all checkpoints."""
    if prepared.experiment.resources.storage and prepared.slots.is_local:
        return ["caution   resources.storage is for a cluster: without resources.ray nothing is written there"]
    return []


def _cautions(prepared: Prepared) -> list[str]:
    data = prepared.data
    if data is None or not data.train:
        return []
    is_percent = qualities(prepared.experiment.objectives)[0].is_percent
    return [*(few_images(data.validation) if is_percent else ()), *data.notes]


def _space(size: int, spellings: int) -> str:
    duplicates = spellings - size
    removed = f" ({plural(duplicates, 'duplicate')} removed)" if duplicates else ""
    return f"{size:,} different placements{removed}"


def _goal(objective: Objective) -> str:
    limit = "" if objective.limit is None else f" (at most +{objective.limit:g} %)"
    goal = objective.quality.goal if objective.is_quality else "minimize"
    return f"{objective.metric} {goal}d{limit}"


def _budget(prepared: Prepared) -> str:
    experiment = prepared.experiment
    limit = f", at most {experiment.budget.time}" if experiment.budget.time else ""
    trainings = plural(experiment.budget.trainings, "training")
    return f"{trainings} of {plural(experiment.train.epochs, 'epoch')}{limit}"


def _shared(prepared: Prepared, noted: SharedNetworkFact | None) -> list[str]:
    """The shared network as it was noted, which an extension does not change; else the one that is planned."""
    if noted is None and not shared_setup.is_wanted(prepared.experiment):
        return []
    plan = noted or shared_setup.fact_of(prepared)
    if plan.state == "failed":
        return [f"shared    no network: it failed ({plan.reason}) and takes nothing of the budget"]
    cost = f"{plan.trainings:.1f} trainings of the budget{', trained already' if plan.state == 'finished' else ''}"
    return [f"shared    one network for {plan.placements:,} placements, {plural(plan.epochs, 'epoch')}, {cost}"]


def _machine(slots: Slots, device: str) -> str:
    where = device if slots.is_local else f"Ray at {slots.ray}"
    count = plural(slots.count, "training") if slots.count else "as many trainings as fit"
    gpus = f" and {slots.gpus:g} GPU" if slots.gpus else ""
    if gpus and not slots.is_local:
        gpus += " where its nodes have any"
    return f"{where}, {count} at a time, each on {plural(slots.cpus, 'CPU core')}{gpus}"
