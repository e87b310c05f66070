"""Accuracy after quantisation: what plain and reported placements lose, where an INT8 latency is an objective."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from search.results.point import Point
from search.results.result import Front
from search.setup.experiment_setup import Prepared
from search.setup.wanted_latencies import wanted
from search.state import result_files
from search.state.ledger import Ledger
from search.state.records import Training
from search.state.run_folder import RunFolder
from search.track import projection
from senet_nas.deploy.precisions import INT8


def measured(prepared: Prepared, ledger: Ledger, front: Front, place: RunFolder, say: Callable[[str], None]) -> None:
    """Notes in the ledger what plain, the recommended and the likely placement lose, once.

    It takes trainings that kept their weights, and of several for one placement the median one.
    """
    from senet_nas.costs import int8_drop

    if not prepared.evaluate.trains_networks:
        return
    reported = dict.fromkeys([front.plain.id, front.recommended, *([front.likely] if front.likely else ())])
    for name, spec in wanted(prepared.experiment).items():
        for point in [front[id_] for id_ in reported] if spec.number_format == INT8 else []:
            kept = _kept(ledger, point, place)
            fact = ledger.facts.timed[name]
            if not kept or point.id in fact.drops:
                continue
            training = projection.median(kept, front.quality)
            weights = result_files.weights(place.trainings, training)
            task = prepared.evaluate.training_task
            found = int8_drop.of_training(point.architecture, training.seed, weights, task, spec.runtime)
            if not isinstance(found, str):
                ledger.note(ledger.facts.with_timed(name, replace(fact, drops={**fact.drops, point.id: found})))
                say(f"{name}: {point.id} {drop_words(found)}")


def drop_words(drop: Mapping[str, float]) -> str:
    """A drop as a sentence."""
    return (
        f"loses {drop['drop']:+.2f} points of accuracy [{drop['low']:+.2f}, {drop['high']:+.2f}] in INT8, on "
        f"{drop['images']:,.0f} validation images"
    )


def _kept(ledger: Ledger, point: Point, place: RunFolder) -> list[Training]:
    own = [t for t in ledger.trainings if t.architecture == point.number and t.state == "finished"]
    return [t for t in own if result_files.weights(place.trainings, t).exists()]
