"""What our scheduler says to Tune beside first come, first served."""

from types import SimpleNamespace

from ray.tune.utils.object_cache import _ObjectCache

from search.execute.ray.tune_searcher import EarlyStops


def test_slots_that_wait_keep_their_processes():
    """Tune keeps the processes for which its cache has room; by itself it has room for those that are wanted now."""
    trial = SimpleNamespace(placement_group_factory="one core")
    for scheduler, kept in ((None, 1), (EarlyStops(None, slots=3), 3), (EarlyStops(None, slots=None), 1)):
        cache = _ObjectCache(may_keep_one=True)
        for _ in range(5):  # trials of a search, all with the same resources
            if scheduler is not None:
                scheduler.on_trial_add(SimpleNamespace(_actor_cache=cache), trial)
        assert sum(cache.cache_object("one core", process) for process in range(5)) == kept
        assert not [*cache.flush_cached_objects()]  # none of them is ended


def test_a_tune_without_such_a_cache_is_no_trouble():
    EarlyStops(searcher=None, slots=2).on_trial_add(SimpleNamespace(), SimpleNamespace(placement_group_factory="x"))
