"""Names of samplers as people type them: ``auto+shared+curve`` is ``auto+curve+shared``."""

from collections.abc import Sequence

from search.bench.searches import ADDITIONS, CURVE, REFERENCE, SHORT
from search.planning.optuna_study import SAMPLERS
from spaces.errors import UserError, nearest, unknown


def whole_name(text: str) -> str:
    """The name with its additions in the usual order. Raises UserError for what no searcher is called."""
    sampler, *rest = (part.strip() for part in text.split("+"))
    additions = [f"+{part}" for part in rest]
    for what, words, allowed in (("sampler", [sampler], _samplers()), ("addition", additions, ADDITIONS)):
        for word in words:
            if word not in allowed:
                error = unknown(what, word, allowed)
                raise UserError(f"{error.message} (in `{text}`)" if rest else error.message, hint=_guess(text))
    _check_additions(text, sampler, additions)
    return _joined(sampler, additions)


# -- inside -----------------------------------------------------------------------------------------------------------


def _samplers() -> list[str]:
    return [*SAMPLERS, REFERENCE]


def _joined(sampler: str, additions: Sequence[str]) -> str:
    return sampler + "".join(addition for addition in ADDITIONS if addition in additions)


def _guess(text: str) -> str:
    """The hint that names the nearest searcher, with all that was asked for; empty if a part is like nothing."""
    sampler, *rest = (part.strip() for part in text.split("+"))
    meant = nearest(sampler, _samplers())
    additions = [found for part in rest if (found := nearest(f"+{part}", ADDITIONS))]
    if meant is None or len(additions) < len(rest):
        return ""
    added = {CURVE} if SHORT in additions else set()
    return f"did you mean `{_joined(meant, [*additions, *added])}`?"


def _check_additions(text: str, sampler: str, additions: Sequence[str]) -> None:
    """Raises UserError for additions that do not go together, or not with this sampler."""
    if sampler == REFERENCE and additions:
        raise UserError(f"`{text}`: {REFERENCE} takes no additions", hint=f"write {REFERENCE}")
    if len(set(additions)) < len(additions):
        raise UserError(f"`{text}` has an addition twice", hint=f"write {_joined(sampler, additions)}")
    if SHORT in additions and CURVE not in additions:
        raise UserError(
            f"`{text}`: {SHORT} needs {CURVE}, because a training that pauses shows losses and no accuracy",
            hint=f"write {_joined(sampler, [*additions, CURVE])}",
        )
