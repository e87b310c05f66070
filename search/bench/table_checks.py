"""What a table must hold before bench draws from it: its whole space, and the same epochs of every training."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from search.execute.result_table import Table
from senet_nas.recipe import Seed
from spaces import Space
from spaces.errors import UserError
from spaces.text import plural

LOSS = "train_loss"
# The metrics of each epoch of each training, by architecture key and seed.
Trainings = Mapping[tuple[str, Seed], Mapping[int, Mapping[str, float]]]
# Architecture key, seed and epoch.
Row = tuple[str, Seed, int]


def check_trainings(table: Table, space: Space, blocks: Sequence[int]) -> None:
    """``blocks`` are those of plain. Raises UserError that names the first training or row that is amiss."""
    _check_complete(table, space, blocks)
    trainings = {(a.key, seed): dict(epochs) for a in space for seed, epochs in table.results[a.key].items()}
    _check_blocks(table.path, trainings, blocks)
    _check_epochs(table.path, trainings)
    _check_losses(table.path, trainings)


def _check_complete(table: Table, space: Space, blocks: Sequence[int]) -> None:
    """Raises UserError unless every architecture of the space was trained in every block."""
    gaps = [(a.key, b) for a in space for b in blocks if Seed(b) not in table.results.get(a.key, {})]
    if gaps:
        key, block = gaps[0]
        path = table.path
        lacks = f"lacks {plural(len(gaps), 'training')} of its space; the first is {key} with seed {block}"
        needs = f"bench needs each of the {space.size} architectures in every block of plain"
        raise UserError(f"{path} {lacks}", hint=f"{needs}; narrow `space` in {path.name}.json to what was trained")


def _check_blocks(path: Path, trainings: Trainings, blocks: Sequence[int]) -> None:
    """Raises UserError for a training in a block without plain: it can be compared with nothing."""
    for key, seed in trainings:
        if seed.block not in blocks:
            raise UserError(
                f"{path} holds {key} with seed {seed}, but no training of plain in block {seed.block}",
                hint=f"add plain with seed {Seed(seed.block)}, or remove this training",
            )


def _check_epochs(path: Path, trainings: Trainings) -> None:
    """Raises UserError unless all trainings have the epochs that most of them have."""
    counts = Counter(tuple(sorted(epochs)) for epochs in trainings.values())
    _, _, most = max((count, len(epochs), epochs) for epochs, count in counts.items())
    usual = set(most)
    lacking = [(*training, e) for training, epochs in trainings.items() for e in sorted(usual - epochs.keys())]
    if lacking:
        raise _uneven(f"{path} lacks {_named(lacking)}", "add what is missing")
    beyond = [(*training, e) for training, epochs in trainings.items() for e in sorted(epochs.keys() - usual)]
    if beyond:
        raise _uneven(f"{path} holds {_named(beyond)}, which most trainings lack", "remove what is too much")


def _uneven(message: str, mend: str) -> UserError:
    ended = f"if trainings ended at different epochs, keep the last row of each, without columns `epoch` and `{LOSS}`"
    return UserError(message, hint=f"bench needs the same epochs of every training: {mend}; or, {ended}")


def _check_losses(path: Path, trainings: Trainings) -> None:
    """Raises UserError for a loss that is missing or not positive. A table without any loss has no curves."""
    losses = {
        (*training, epoch): metrics.get(LOSS)
        for training, epochs in trainings.items()
        for epoch, metrics in epochs.items()
    }
    wrong = [row for row, loss in losses.items() if loss is None or not 0 < loss < math.inf]
    if wrong and any(loss is not None for loss in losses.values()):
        loss = losses[wrong[0]]
        what = "is empty" if loss is None else f"is {loss:g}, which is not a positive number"
        raise UserError(
            f"{path}, column `{LOSS}`: it {what} in {_named(wrong)}",
            hint=f"write the loss of every epoch, or remove the column `{LOSS}`: bench then has no loss curves",
        )


def _named(rows: Sequence[Row]) -> str:
    """The first of these rows, and how many others there are."""
    key, seed, epoch = rows[0]
    others = f" and {plural(len(rows) - 1, 'other row')}" if len(rows) > 1 else ""
    return f"epoch {epoch} of {key} with seed {seed}{others}"
