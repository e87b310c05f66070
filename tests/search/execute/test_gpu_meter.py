"""What a training takes of its GPU, from a stub of NVML that counts; and what becomes of it in ledger and report."""

import sys
import time
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from search.execute.gpu_meter import BUSY, ENERGY, MEMORY, GpuMeter, system_metrics
from search.execute.worker import work
from search.report.training_tables import MIXED, cost_section, trainings_table
from search.running.gpu_watch import GpuWatch
from search.state import gpu_facts, result_files
from search.state.facts import Facts, SlotsFact
from search.state.ledger import Ledger
from search.state.records import Assignment, Outcome
from search.track import projection
from senet_nas import nvidia
from senet_nas.nvidia import Gpu
from senet_nas.recipe import Report, Seed
from senet_nas.training.quality_metrics import ACCURACY
from tests.search import ledgers
from tests.senet_nas.test_nvidia import nvml

CARD = Gpu(0, "GPU-1", "Tesla T4", "570", 16_000_000_000, 0, 0.0, 70.0)


def looks(*used):
    """Looks at a card that was busy for so many percent, used so many GB, and so many joules until then."""
    found = iter([(replace(CARD, busy=b, used=int(u * 1e9), joules=j),) for b, u, j in used])
    return lambda: next(found)


def test_figures_are_of_the_time_from_begin_to_end():
    with GpuMeter(0.5, looks((100.0, 1.0, 3600.0), (50.0, 3.0, 7200.0)), seconds=100) as meter:
        assert meter.name == "Tesla T4"
        assert meter.figures() == {BUSY: 50.0, MEMORY: 3.0, ENERGY: pytest.approx(0.5)}


def test_looks_in_between_count():
    seen = [(0.0, 1.0, 0.0), (100.0, 9.0, 0.0), *[(100.0, 2.0, 0.0)] * 10_000]
    done = []
    next_look = looks(*seen)

    def look():
        done.append(1)
        return next_look()

    with GpuMeter(1.0, look, seconds=0.001) as meter:
        while len(done) < 4:
            time.sleep(0.001)
        found = meter.figures()
    assert found == {BUSY: 100.0, MEMORY: 9.0, ENERGY: 0.0}


def test_what_the_driver_does_not_tell_is_left_out():
    silent = replace(CARD, busy=None, used=10**9)
    with GpuMeter(1.0, lambda: (silent,)) as meter:
        assert meter.figures() == {MEMORY: 1.0}


@pytest.mark.parametrize(("share", "card"), [(0.0, (CARD,)), (1.0, ())])
def test_without_a_gpu_there_are_no_figures(share, card):
    with GpuMeter(share, lambda: card) as meter:
        assert (meter.figures(), meter.name) == ({}, "")


def test_nvml_tells_energy_and_everything_is_asked_of_the_cards_that_are_visible(monkeypatch):
    joules = iter([1_000, 7_201_000])
    stub = nvml(
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=16 * 10**9, used=4 * 10**9),
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(joules),
    )
    monkeypatch.setitem(sys.modules, "pynvml", stub)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with GpuMeter(1.0, seconds=100) as meter:
        assert meter.figures() == {BUSY: 12.0, MEMORY: 4.0, ENERGY: pytest.approx(2.0)}


def evaluate(architecture, seed, *, weights, checkpoint):
    yield Report(1, {"val_accuracy": 90.0}, done=True)


def test_a_worker_adds_the_figures_and_the_name_to_its_result(tmp_path):
    meter = GpuMeter(1.0, looks((0.0, 1.0, 0.0), (90.0, 2.0, 3600.0)), seconds=100)
    (outcome,) = work(Assignment("u1", 0, "net/-", Seed(0), None, keep_weights=False), evaluate, tmp_path, meter=meter)
    assert outcome.gpu == "Tesla T4"
    assert (outcome.metrics[BUSY], outcome.metrics[ENERGY]) == (90.0, 1.0)
    (kept,) = tmp_path.glob("u1/result.json")
    assert result_files.decode("u1", kept.read_text()) == outcome
    plain = Outcome({"val_accuracy": 1.0})
    assert '"gpu"' not in result_files.encode("u1", plain)  # as older versions wrote it


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as made:
        ledgers.enter(made, (0.0,))
        yield made


def trained(ledger, *names):
    """A training of plain on each of these GPUs."""
    for replicate, name in enumerate(names):
        measured = {BUSY: 60.0, MEMORY: 3.0, ENERGY: 500.0} if name else {}
        metrics = gpu_facts.with_number(ledger, Outcome({"val_accuracy": 90.0, **measured}, gpu=name))
        ledgers.play(ledger, [(ledger.entries[0], Seed(0, replicate))], [Outcome(metrics)])
    return ledger.trainings


def test_the_ledger_knows_on_which_kind_of_gpu_each_training_ran(ledger):
    trainings = trained(ledger, "Tesla T4", "", "NVIDIA H100", "Tesla T4")
    names = ledger.facts.gpus
    assert names == ("Tesla T4", "NVIDIA H100")
    assert [gpu_facts.name_of(t, names) for t in trainings] == ["Tesla T4", "", "NVIDIA H100", "Tesla T4"]
    assert gpu_facts.counted(trainings, names) == {"Tesla T4": 2, "NVIDIA H100": 1}


def test_the_report_names_gpus_their_use_and_their_energy(ledger):
    trainings = trained(ledger, "Tesla T4", "Tesla T4")
    note = cost_section(trainings, ledger.facts.gpus).note
    assert "GPU: Tesla T4 (2 trainings)." in note
    assert "busy for 60 % of the time" in note
    assert "At most 3.0 GB" in note
    assert "Energy of the GPUs: 1 kWh, by 2 trainings." in note
    assert MIXED not in note
    assert len(trainings_table(ACCURACY, trainings, ledger.entries, ledger.facts.gpus).columns) == 8
    assert "GPU" not in cost_section(trainings).note


def test_trainings_on_different_gpus_are_named(ledger):
    trainings = trained(ledger, "Tesla T4", "", "NVIDIA H100")
    assert MIXED in cost_section(trainings, ledger.facts.gpus).note
    table = trainings_table(ACCURACY, trainings, ledger.entries, ledger.facts.gpus)
    assert [row.cells[-1] for row in table.rows] == ["Tesla T4", "-", "NVIDIA H100"]


def test_mlflow_gets_them_as_system_metrics(ledger):
    (training,) = trained(ledger, "Tesla T4")
    found = projection.figures(training, ledger.entries[0])
    assert found["system/gpu_utilization_percentage"] == 60.0
    assert found["system/gpu_energy_watt_hours"] == 500.0
    assert system_metrics((replace(CARD, used=4 * 10**9, busy=None),)) == {
        "system/gpu_0_memory_usage_megabytes": 4000.0,
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_power_usage_watts": 70.0,
    }


class Told:
    """A tracker that keeps what it is told."""

    def __init__(self):
        self.system_metrics = []

    def system(self, numbers, at):
        self.system_metrics.append((numbers, at))


@pytest.mark.parametrize(("gpus", "ray", "expected"), [(0.5, "local", 2), (0.0, "local", 0), (1.0, "auto", 0)])
def test_the_driver_sends_what_its_gpus_do_while_it_trains(ledger, gpus, ray, expected):
    ledger.note(Facts(slots=SlotsFact(count=2, gpus=gpus, ray=ray)))
    tracker = Told()
    found = iter([(CARD,), (CARD,)])
    watch = GpuWatch(tracker, ledger, print, look=lambda: next(found, ()), seconds=0)
    watch.start()
    if watch._thread is not None:
        watch._thread.join()
    watch.close()
    assert [numbers for numbers, _ in tracker.system_metrics] == [system_metrics((CARD,))] * expected


def test_a_second_kind_of_gpu_is_said_once(ledger):
    said = []
    watch = GpuWatch(Told(), ledger, said.append)
    for name in ("Tesla T4", "Tesla T4", "NVIDIA H100", "NVIDIA H100", "Tesla T4"):
        gpu_facts.with_number(ledger, Outcome({}, gpu=name))
        watch.changed(None, None)
    assert len(said) == 1
    assert "different GPUs (Tesla T4, NVIDIA H100)" in said[0]


def test_words_for_a_person():
    card = replace(CARD, busy=97.0, used=3_200_000_000, watts=61.4)
    assert card.words == "GPU 0 (Tesla T4): 97 % busy, 3.2 of 16.0 GB in use, 61 W"
    assert replace(card, busy=None, watts=None).words == "GPU 0 (Tesla T4): 3.2 of 16.0 GB in use"
    assert nvidia.described([card]) == "1 x Tesla T4 (driver 570)"
