"""Optuna trials that are added to a study, rather than asked for: quick to add, because they share their distributions.

``Study.add_trial`` makes a deep copy of the trial that it is given, with one distribution for each parameter; that was
most of the time in which a run resumes. A distribution never changes, so a copy may share it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

Distributions = Mapping[str, BaseDistribution]


class AddedTrial(FrozenTrial):  # type: ignore[misc]
    """A trial for ``Study.add_trial``. Its deep copy is an ordinary FrozenTrial that shares the distributions."""

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        return FrozenTrial(
            number=self.number,
            trial_id=self.number,  # the study gives it a number and an id of its own
            state=self.state,
            value=None,
            values=self.values,
            datetime_start=self.datetime_start,
            datetime_complete=self.datetime_complete,
            params=dict(self.params),
            distributions=dict(self.distributions),
            user_attrs=dict(self.user_attrs),
            system_attrs=dict(self.system_attrs),
            intermediate_values=dict(self.intermediate_values),
        )


def recorded(record: Mapping[str, Any], distributions: Distributions, constraints: Mapping[str, float]) -> FrozenTrial:
    """The trial of a record in the ledger. Older versions recorded no ``user_attrs`` and fewer constraints."""
    trial = _made(
        TrialState[record["state"]],
        record["values"],
        record["params"],
        distributions,
        user_attrs=record.get("user_attrs", {}),
        system_attrs=record["system_attrs"],
    )
    _constrain(trial, constraints)
    return trial


def finished(
    params: Mapping[str, Any],
    distributions: Distributions,
    *,
    values: list[float],
    constraints: Mapping[str, float],
    user_attrs: Mapping[str, Any],
) -> FrozenTrial:
    """A complete trial with one value for each objective of the study."""
    trial = _made(TrialState.COMPLETE, values, params, distributions, user_attrs=user_attrs, system_attrs={})
    _constrain(trial, constraints)
    return trial


def _made(
    state: TrialState,
    values: list[float] | None,
    params: Mapping[str, Any],
    distributions: Distributions,
    *,
    user_attrs: Mapping[str, Any],
    system_attrs: Mapping[str, Any],
) -> AddedTrial:
    now = datetime.now()
    return AddedTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None,
        values=values,
        datetime_start=now,
        datetime_complete=now if state.is_finished() else None,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=dict(user_attrs),
        system_attrs=dict(system_attrs),
        intermediate_values={},
    )


def _constrain(trial: FrozenTrial, constraints: Mapping[str, float]) -> None:
    known = trial.constraints
    for name, value in constraints.items():
        if name not in known:
            trial.set_constraint(name, value)
