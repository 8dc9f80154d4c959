"""Trials that have ended, into Optuna's tables at once.

`Study.add_trial` asks the database some 25 things for each: in `python -m benchmarks.sweep digits` 6.7 ms of a core
that trains, where training a setting takes 8. So it takes 0.6: all go in one transaction, by Optuna's table classes, or
where a release has other tables by `add_trial`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

SCHEMA = 12  # of Optuna 3.0 to 5.0


def insert(study: Any, storage: Any, trials: Sequence[Any]) -> None:
    """Add finished trials of one objective to a study, numbered behind those it has: all or none.

    storage: the RDBStorage that the study lies in; trials: optuna.trial.FrozenTrial
    """
    from optuna.storages._rdb import models
    from sqlalchemy.orm import Session

    if models.SCHEMA_VERSION != SCHEMA:
        study.add_trials(trials)
        return
    with Session(storage.engine) as session, session.begin():
        number = storage.get_study_id_from_name(study.study_name)
        models.StudyModel.find_or_raise_by_id(number, session, for_update=True)  # who else adds waits
        first = session.query(models.TrialModel).filter_by(study_id=number).count()
        rows = [_trial(models, trial, number, place) for place, trial in enumerate(trials, first)]
        session.add_all(rows)
        session.flush()  # the database gives each its trial_id
        for row, trial in zip(rows, trials, strict=True):
            session.add_all(_parts(models, trial, row.trial_id))


def _trial(models: Any, trial: Any, study: int, number: int) -> Any:
    times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
    return models.TrialModel(study_id=study, number=number, state=trial.state, **times)


def _parts(models: Any, trial: Any, trial_id: int) -> list[Any]:
    """Its value, parameters and attributes."""
    from optuna.distributions import distribution_to_json

    parts = []
    if trial.value is not None:
        value, kind = models.TrialValueModel.value_to_stored_repr(trial.value)
        parts.append(models.TrialValueModel(trial_id=trial_id, objective=0, value=value, value_type=kind))
    for name, chosen in trial.params.items():
        distribution = trial.distributions[name]
        number, text = distribution.to_internal_repr(chosen), distribution_to_json(distribution)
        parts.append(
            models.TrialParamModel(trial_id=trial_id, param_name=name, param_value=number, distribution_json=text)
        )
    for key, value in trial.user_attrs.items():
        parts.append(models.TrialUserAttributeModel(trial_id=trial_id, key=key, value_json=json.dumps(value)))
    return parts
