"""Joules per image: read from a powercap folder, also past the end of a counter, and said where nothing counts."""

import math
from dataclasses import replace

import pytest

from senet_nas import nvidia
from senet_nas.costs import energy
from senet_nas.costs.energy import Energy, Meter, compare, meter_of
from senet_nas.nvidia import Gpu

RANGE = 10_000_000
CARD = Gpu(0, "GPU-x", "H100", "570", 100, 40)


def zone(folder, number, name, microjoules):
    place = folder / f"intel-rapl:{number}"
    place.mkdir()
    (place / "name").write_text(f"{name}\n")
    (place / "energy_uj").write_text(f"{microjoules}\n")
    (place / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return place / "energy_uj"


@pytest.fixture
def sockets(tmp_path):
    """The counters of two packages; the core of the first one, and the whole board, must not be counted, too."""
    zone(tmp_path, "0:0", "core", 1)
    zone(tmp_path, "2", "psys", 1)
    return [zone(tmp_path, "0", "package-0", RANGE - 2_500_000), zone(tmp_path, "1", "package-1", 0)]


def spending(files, microjoules):
    """What makes a network whose pass uses so much energy of each package."""

    def call():
        for file in files:
            file.write_text(str((int(file.read_text()) + microjoules) % RANGE))

    return lambda: call


def ticking():
    """A clock that is 0.1 s later at every look."""
    now = iter(range(10**6))
    return lambda: next(now) / 10


def test_packages_are_added_and_a_counter_may_begin_again(sockets, tmp_path):
    meter = meter_of("cpu", tmp_path)
    assert isinstance(meter, Meter)
    found = compare(
        spending(sockets, 200_000), spending(sockets, 300_000), meter, images=2, seconds=0.5, clock=ticking()
    )
    assert isinstance(found, Energy)
    assert (found.plain_j, found.candidate_j) == pytest.approx((0.2, 0.3))  # two packages, two images
    assert (found.ratio, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert found.n == energy.LEAST_ROUNDS
    assert found.to_dict()["overhead"] == pytest.approx(50)


def test_more_time_makes_more_rounds_and_noise_an_interval(sockets, tmp_path):
    meter = meter_of("cpu", tmp_path)
    spent = iter([200_000, 260_000, 180_000, 220_000] * 1000)

    def noisy():
        def call():
            spending(sockets, next(spent))()()

        return call

    found = compare(noisy, noisy, meter, images=1, seconds=20, clock=ticking())
    assert found.n > energy.LEAST_ROUNDS
    assert found.low < found.ratio < found.high


def test_a_counter_that_stands_still_gives_no_energy(sockets, tmp_path):
    still = compare(lambda: int, lambda: int, meter_of("cpu", tmp_path), images=1, seconds=0, clock=ticking())
    assert still == "the counter of RAPL did not move within 0.5 s"


def test_where_nothing_counts_it_says_so(sockets, tmp_path, monkeypatch):
    assert meter_of("cpu", tmp_path / "none") == f"this machine shows no RAPL counters in {tmp_path / 'none'}"
    sockets[1].unlink()
    assert "only root may" in meter_of("cpu", tmp_path)
    for gpus in ((), (CARD,)):  # without a driver, or one that does not say
        monkeypatch.setattr(nvidia, "visible", lambda gpus=gpus: gpus)
        assert "NVML does not report" in meter_of("cuda")


def test_the_counter_of_a_gpu_has_no_end(monkeypatch):
    monkeypatch.setattr(nvidia, "visible", lambda: (replace(CARD, joules=7.5), replace(CARD, joules=100.0)))
    meter = meter_of("cuda")
    assert (meter.name, list(meter.read()), list(meter.ranges)) == ("NVML", [7.5], [math.inf])
    assert meter.joules([3.0], [7.5]) == 4.5
