"""Choice of input: which series of a study takes which role of a pipeline."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote
from medpipe.io.series import Form, Series, Study, Trait
from medpipe.runs.pipeline import Preference, RoleRule
from medpipe.runs.unit import Input

_SET_ASIDE: Final = frozenset({Trait.LOCALIZER, Trait.DERIVED, Trait.SECONDARY})
"""Traits that keep a series out of a role unless the rule allows them and there is no other."""

_CROSS_SECTIONAL: Final = frozenset({Form.VOLUME, Form.SLICES})


def _thickness_mm(series: Series) -> float:
    """Return the slice thickness; infinite where the header states none that can be used."""
    try:
        thickness_mm = float(series.facts["slice_thickness_mm"])
    except (KeyError, ValueError):
        return math.inf
    return thickness_mm if thickness_mm > 0 else math.inf


_BEST: Final[Mapping[Preference, Callable[[Series], tuple[object, ...]]]] = {
    "most_slices": lambda series: (-series.num_slices,),
    "fewest_slices": lambda series: (series.num_slices,),
    "thinnest": lambda series: (_thickness_mm(series),),
    "first_uid": lambda series: (series.uid, series.part),
}


def choose_inputs(
    study: Study, accepts: Mapping[str, RoleRule]
) -> tuple[dict[str, Input], tuple[GeometryNote, ...]]:
    """Give each role its series.

    Returns:
        The inputs by role, and notes on what was set aside.

    Raises:
        RefusedError: A role finds no series (the series' own refusal where there is one), the wrong
            modality, or several without a preference (``E_AMBIGUOUS``).
    """
    inputs = {role: _choose(study, role, rule) for role, rule in accepts.items()}
    taken = {id(chosen.series) for chosen in inputs.values()}
    aside = [series for series in study.series if id(series) not in taken]
    notes = []
    if aside:
        notes.append(
            GeometryNote(
                code=Code.W_SET_ASIDE,
                message=f"{len(aside)} series of the study set aside",
                found="; ".join(_describe(series) for series in aside[:5]),
            )
        )
    notes += [
        GeometryNote(
            code=Code.W_MODALITY,
            message="The file states no modality; one that the pipeline takes was assumed",
            found=" or ".join(accepts[role].modality),
        )
        for role, chosen in inputs.items()
        if accepts[role].modality and not chosen.series.modality
    ]
    return inputs, tuple(notes)


def _choose(study: Study, role: str, rule: RoleRule) -> Input:
    eligible = [series for series in study.series if series.refusal is None and not _why_not(series, rule)]
    if not eligible:
        raise _no_match(study, role, rule)
    # An allowed trait makes a series second best: a derived one gives way to its original.
    eligible = [series for series in eligible if not series.traits & _SET_ASIDE] or eligible
    if len(eligible) > 1 and rule.prefer is not None:
        eligible = _preferred(eligible, rule.prefer)
    if len(eligible) > 1:
        raise _ambiguous(eligible, role, rule)
    series = eligible[0]
    forms = tuple(form for form in rule.form if _suits(series.form, form))
    modality = rule.modality[0] if len(rule.modality) == 1 and not series.modality else ""
    return Input(series, forms, modality)


def _ambiguous(eligible: Sequence[Series], role: str, rule: RoleRule) -> RefusedError:
    fix = f"State a rule under accepts.{role}, such as prefer: most_slices, or narrow it."
    if rule.prefer is not None:
        fix = f"{rule.prefer} cannot choose among them: name the files of one, or use prefer: first_uid."
    return RefusedError(
        Code.E_AMBIGUOUS,
        f"{len(eligible)} series suit the role {role!r}",
        found="; ".join(_describe(series) for series in eligible[:5]),
        fix=fix,
    )


def _preferred(eligible: Sequence[Series], prefer: Preference) -> list[Series]:
    best = min(_BEST[prefer](series) for series in eligible)
    return [series for series in eligible if _BEST[prefer](series) == best]


def _suits(form: Form, wanted: Form) -> bool:
    return form is wanted or {form, wanted} <= _CROSS_SECTIONAL


def _why_not(series: Series, rule: RoleRule) -> str:
    """Say why a series does not suit a rule; empty when it does."""
    traits = sorted(trait.value for trait in (series.traits & _SET_ASIDE) - set(rule.allow))
    if traits:
        return ", ".join(traits)
    if not any(_suits(series.form, wanted) for wanted in rule.form):
        return f"{series.form.value} image, not {' or '.join(rule.form)}"
    if rule.modality and series.modality and series.modality not in rule.modality:
        return f"modality {series.modality}, not {' or '.join(rule.modality)}"
    if series.form is not Form.PLANAR and series.num_slices < rule.min_slices:
        return f"{series.num_slices} slices, at least {rule.min_slices} needed"
    if rule.max_slices is not None and series.num_slices > rule.max_slices:
        return f"{series.num_slices} slices, at most {rule.max_slices} taken"
    return ""


def _no_match(study: Study, role: str, rule: RoleRule) -> RefusedError:
    others = [series for series in study.series if series.refusal is None]
    refusals = [
        series.refusal
        for series in study.series
        # A broken series that would have suited is the reason, whatever else lies beside it.
        if series.refusal is not None and not (others and _why_not(series, rule))
    ]
    if refusals:
        return refusals[0]
    if not study.series:
        return RefusedError(
            Code.E_NO_MATCH,
            f"The study holds no image for the role {role!r}",
            found=f"{study.others} objects without pixels to process",
        )
    wrong_modality = all(
        rule.modality and series.modality and series.modality not in rule.modality for series in others
    )
    return RefusedError(
        Code.E_MODALITY if wrong_modality else Code.E_NO_MATCH,
        f"No series of the study suits the role {role!r}",
        found="; ".join(f"{_describe(series)}: {_why_not(series, rule)}" for series in others[:5]),
        fix=f"Change accepts.{role} of the pipeline (modality, form, min_slices, allow).",
    )


def _describe(series: Series) -> str:
    return f"{series.modality or 'image'} of {series.num_slices} x {series.size[0]} x {series.size[1]}"
