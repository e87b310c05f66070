"""The part of a session that trains: on this machine, or on a cluster that it joins."""

import uuid
from collections.abc import Callable

from search.execute import environment
from search.execute.evaluator import Evaluator
from search.execute.ray import runtime
from search.execute.ray.cluster import Needs
from search.execute.ray.driver import drive
from search.execute.ray.resources import Cluster, settled
from search.execute.signals import Signals
from search.running.assembly import SessionParts
from search.running.resume_checks import run_uid
from search.setup.experiment_setup import at_its_line
from search.state.facts import Facts, SlotsFact
from spaces import durable
from spaces.architecture import Architecture
from spaces.errors import UserError
from spaces.text import plural


class TrainingPhase:
    """Trains what the loop asks for, until it asks for nothing more or a signal comes.

    ``abandon`` is called, from a thread, if a cluster is gone and the main thread waits for it forever.
    """

    def __init__(
        self,
        parts: SessionParts,
        signals: Signals,
        say: Callable[[str], None],
        abandon: Callable[[UserError], None],
    ) -> None:
        self._parts = parts
        self._signals = signals
        self._say = say
        self._abandon = abandon

    def run(self, begin: Callable[[], None]) -> None:
        """Calls ``begin`` once nothing can refuse the session any more, then trains.

        Raises UserError if too many trainings fail, or the environment does.
        """
        if self._parts.loop.is_complete:
            begin()
            return
        # Threads are measured before Ray's processes take a share of the machine.
        evaluator = self.with_threads(self._parts.prepared.evaluate)
        if self._parts.prepared.slots.is_local:
            self._run_here(evaluator, begin)
        else:
            self._run_on_cluster(evaluator, begin)

    def with_threads(self, evaluator: Evaluator) -> Evaluator:
        """The evaluator with the fastest number of threads, unless the config sets it. A resumed run keeps its own."""
        prepared = self._parts.prepared
        slots = prepared.slots
        if prepared.experiment.resources.cpus_per_slot != "auto" or slots.cpus == 1 or slots.gpus:
            return evaluator
        threads = self._parts.ledger.facts.threads
        if threads is None:
            plain = Architecture.plain(prepared.space.backbone, len(prepared.space.sites))
            with at_its_line(prepared.experiment):
                threads = evaluator.fastest_threads(plain.key)
            if threads is None:
                return evaluator
            self._parts.ledger.note(Facts(threads=threads))
        self._say(f"each training uses {threads} of its {slots.cpus} CPU cores, which is fastest")
        return evaluator.with_threads(threads)

    def _run_here(self, evaluator: Evaluator, begin: Callable[[], None]) -> None:
        parts = self._parts
        slots = parts.prepared.slots
        self._say(f"starting {plural(slots.count or 1, 'worker')}")
        if slots.gpus:
            parts.loop.train_on_gpus()
        with runtime.running(slots, self._signals) as scratch:
            shared = evaluator.shared(scratch)
            drive(parts.loop, shared, parts.place.trainings, slots, scratch, self._signals, begin=begin, say=self._say)

    def _run_on_cluster(self, evaluator: Evaluator, begin: Callable[[], None]) -> None:
        parts = self._parts
        prepared = parts.prepared
        self._say(f"joining Ray at {prepared.slots.ray}")
        joined = self._cluster()
        with runtime.running(prepared.slots, self._signals, joined) as scratch:
            # Only now is it known whether the nodes have GPUs, whatever this machine has.
            slots = settled(prepared.slots, prepared.experiment.resources.device)
            device = "cuda" if slots.gpus else "cpu"

            def begin_there() -> None:
                begin()
                parts.ledger.note(Facts(slots=SlotsFact(**vars(slots)), device=device))

            if slots.gpus:
                parts.loop.train_on_gpus()
            gpu = f" and {slots.gpus:g} GPU" if slots.gpus else ""
            self._say(f"each training takes {plural(slots.cpus, 'CPU core')}{gpu} of the cluster")
            there = evaluator.on_cluster(device, run_uid(parts.ledger))
            drive(
                parts.loop,
                there,
                parts.place.trainings,
                slots,
                scratch,
                self._signals,
                joined,
                begin=begin_there,
                say=self._say,
            )

    def _cluster(self) -> Cluster:
        """What this run needs of a cluster, and writes to its folder to recognise it on a node."""
        parts = self._parts
        experiment = parts.prepared.experiment
        mark = (parts.place.path / "session", uuid.uuid4().hex)  # no other folder of this name has this content
        durable.write(*mark)
        needs = Needs(
            environment.versions(),
            tuple(parts.prepared.evaluate.needed_paths(experiment.base.resolve())),
            mark,
            experiment.resources.storage,
        )
        return Cluster(needs, self._say, self._abandon, parts.store)
