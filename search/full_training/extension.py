"""More epochs for a training that has finished: what was done before, and what going on means for its schedule."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.full_training.training_folder import WEIGHTS, as_now, differences, note, read_curve, read_record
from senet_nas.recipe import Recipe
from spaces import durable
from spaces.errors import UserError
from spaces.text import plural

# The weights with which the last extension began: those of the folder become the new ones at its end.
EARLIER = "earlier.safetensors"
# In the request of a training: after how many epochs it had finished, once for each extension.
KEY = "extended"


@dataclass(frozen=True)
class Begun:
    """The epochs that were done before, and the file of their weights; 0 and None for a training from its start."""

    epochs: int = 0
    weights: Path | None = None

    def curve(self, to: Path) -> list[dict[str, float]]:
        """The figures of the epochs that were done before, by epoch."""
        if not self.epochs:
            return []
        numbered = [{**row, "epoch": int(row["epoch"])} for row in read_curve(to)]
        return [row for row in numbered if row["epoch"] <= self.epochs]


def extended(to: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """The request of an extension in a folder, which is begun if the training there has finished with fewer epochs.

    Raises UserError if the folder holds no finished training, another one, or one that is as long already.
    """
    record = read_record(to)
    if record is None:
        raise UserError(f"{to} holds no training that could be extended", hint="leave --extend out")
    before = record["request"]
    _check_same(to, before, request)
    done = int(before["recipe"]["epochs"])
    wanted = int(request["recipe"]["epochs"])
    if done == wanted:  # begun already, by the same command
        return {**request, KEY: before[KEY]} if KEY in before else dict(request)
    if "trained" not in record:
        raise UserError(f"the training in {to} has not finished its {plural(done, 'epoch')}", hint=_finish(done))
    if wanted < done:
        raise UserError(
            f"the training in {to} has {plural(done, 'epoch')} already",
            hint=f"write --set train.epochs=N with more than {done}",
            key="train.epochs",
        )
    durable.write(to / EARLIER, (to / WEIGHTS).read_bytes())
    found = {**request, KEY: [*before.get(KEY, []), done]}
    kept = {"epochs": done, "metrics": record["metrics"], "test": record["test"]}
    note(to, {"request": found, "earlier": [*record.get("earlier", []), kept]})
    return found


def begun(to: Path, record: Mapping[str, Any]) -> Begun:
    """What was done before the training of a record."""
    done = record["request"].get(KEY, [])
    return Begun(done[-1], to / EARLIER) if done else Begun()


def meaning(recipe: Recipe, done: int) -> str:
    """What going on after ``done`` epochs means for the learning rate, in a sentence for a person."""
    from senet_nas.training.train import learning_rate

    ended = learning_rate(replace(recipe, epochs=done), done - 1e-9)
    now = learning_rate(recipe, done)
    rate = f"falls from {now:.3g}" if math.isclose(ended, now) else f"jumps from {ended:.2g} to {now:.3g}"
    return (
        f"goes on after {plural(done, 'epoch')}: the learning rate {rate} and follows the {recipe.schedule} schedule "
        f"of {recipe.epochs} epochs. The result is not that of {recipe.epochs} epochs from the start."
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_same(to: Path, before: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Raises UserError if anything but the number of epochs differs."""
    same_length = {**request, "recipe": {**request["recipe"], "epochs": before["recipe"]["epochs"]}}
    lines = "\n".join(differences(as_now(before), same_length))
    if lines:
        raise UserError(
            f"only the number of epochs may grow, and {to} holds another training:\n{lines}",
            hint="train it from its start with --to DIR, and without --extend",
        )


def _finish(done: int) -> str:
    return f"type its command again, with --set train.epochs={done} and without --extend, then extend it"
