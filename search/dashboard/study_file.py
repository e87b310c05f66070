"""The file from which Optuna's dashboard reads: a journal with the studies of a run.

A journal rather than SQLite: 500 trials took 4 s to write and 42 s into SQLite on the same two busy cores, because
Optuna commits every trial there. A journal that is torn cannot be opened again, so it is made in a
temporary folder and then written whole.
"""

import tempfile
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import save_note

from search.dashboard.studies import ShownStudy, ShownTrial, fingerprint
from spaces import durable

# The user attribute of each study that says of which results it was made.
_MADE_OF = "made_of"


def is_current(path: Path, studies: Sequence[ShownStudy]) -> bool:
    """Whether a file holds these studies already. A file that is damaged does not."""
    if not path.exists():
        return False
    expected = fingerprint(studies)
    try:
        found = optuna.get_all_study_summaries(opened(path))
    except Exception:  # Optuna has no error of its own for a damaged journal; the file is written again
        return False
    made = {summary.study_name: summary.user_attrs.get(_MADE_OF) for summary in found}
    return all(made.get(study.name) == expected for study in studies)


def write(path: Path, studies: Sequence[ShownStudy]) -> None:
    """Writes the studies in this order, in place of what the file holds. Raises OSError."""
    made_of = fingerprint(studies)
    with tempfile.TemporaryDirectory(prefix="senet-dashboard-") as folder:
        draft = Path(folder) / path.name
        storage = opened(draft)
        for study in studies:
            _add(storage, study, made_of)
        durable.write(path, draft.read_bytes())


def opened(path: Path) -> JournalStorage:
    """The storage of a file; Optuna makes the file if it does not exist."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return JournalStorage(JournalFileBackend(str(path)))


# -- inside -----------------------------------------------------------------------------------------------------------


def _add(storage: JournalStorage, shown: ShownStudy, made_of: str) -> None:
    study = optuna.create_study(storage=storage, study_name=shown.name, directions=shown.directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # names may get another interface one day
        study.set_metric_names(list(shown.metrics))
    study.set_user_attr(_MADE_OF, made_of)
    save_note(study, shown.note)
    distributions = {name: CategoricalDistribution(choices) for name, choices in shown.choices.items()}
    study.add_trials(_trials(shown.trials, distributions))


def _trials(trials: Iterable[ShownTrial], distributions: dict[str, CategoricalDistribution]) -> Iterable[FrozenTrial]:
    for trial in trials:
        frozen = FrozenTrial(
            number=-1,  # the study gives it a number and an id
            trial_id=-1,
            state=TrialState[trial.state],
            value=None,
            values=list(trial.values) or None,
            datetime_start=datetime.fromtimestamp(trial.began),
            datetime_complete=None if trial.ended is None else datetime.fromtimestamp(trial.ended),
            params=dict(trial.parameters),
            distributions={name: distributions[name] for name in trial.parameters},
            user_attrs=dict(trial.attributes),
            system_attrs={},
            intermediate_values={},
        )
        for name, excess in trial.constraints.items():
            frozen.set_constraint(name, excess)
        yield frozen
