"""What tests share. Every test runs on one thread, without a network, and without Ray or MLflow talking home."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from collections.abc import Callable, Iterable

import pytest
from hypothesis import settings

from spaces import Site, Space, SpaceSpec

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    """Under SENET_REQUIRE=all a skip is a failure: nothing that CI should run may quietly not run."""
    # A run in the background may have been started with these ignored, and what is ignored stays so in our commands.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    config.addinivalue_line("markers", "slow: the long forms, run by `make test-slow`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in ("slow", "soak"):
        if marker not in (config.option.markexpr or ""):
            items[:] = [item for item in items if item.get_closest_marker(marker) is None]
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_gpu():
        if os.environ.get("SENET_REQUIRE") == "all":  # what needs a GPU runs where there is one, and is no skip here
            items[:] = [item for item in items if item not in on_gpu]
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="there is no GPU"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and os.environ.get("SENET_REQUIRE") == "all" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under SENET_REQUIRE=all: {report.longrepr}"
    return report


def residual_sites(widths: Iterable[int], blocks: int = 2) -> tuple[Site, ...]:
    """Sites of a residual network with so many units in each stage, as the backbones describe theirs."""
    sites, before = [], None
    for stage, width in enumerate(widths, start=1):
        for block in range(blocks):
            channels = {"pre_addition": width, "post_addition": width, "pre_unit": before or width, "identity": width}
            sites.append(Site(f"{stage}.{block}", stage, channels))
            before = width
    return tuple(sites)


@pytest.fixture
def make_space() -> Callable[..., Space]:
    """A small space over three stages of 16, 32 and 64 channels; keyword arguments are those of SpaceSpec."""

    def make(widths: Iterable[int] = (16, 32, 64), blocks: int = 2, **spec: object) -> Space:
        return Space("net", residual_sites(widths, blocks), SpaceSpec(**spec))

    return make
