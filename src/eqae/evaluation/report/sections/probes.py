"""What features are like, one question at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eqae.evaluation.report.aside import Aside
from eqae.evaluation.report.figures.reliability import reliability
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table
from eqae.evaluation.report.vocabulary import condition_wording


class _Probe(NamedTuple):
    title: str
    how_to_read: str
    columns: Sequence[Column]


PROBES = (
    "stability", "dependence", "subgroups", "uniformity", "operating_point", "intrinsic_dimension", "novelty",
    "neural_collapse", "calibration",
)  # fmt: skip
"""The evaluators whose figures stand here."""

_SCALED = "temperature-scaled"
_FREQUENCIES = ("1-fold", "2-fold", "4-fold", "8-fold", "mirror")
_CAPTION = (
    "How often the probe is right when it is so sure; on the diagonal it can be believed, below it is too sure. "
    "Hollow: as fitted. Filled: after temperature scaling. The area of a dot is its share of the images."
)


def probes(subject: Subject) -> Markup:
    """A table a probe, under a sentence on what a good value is."""
    parts: list[Markup] = []
    for probe in _probes(subject):
        table = score_table(subject, probe.columns)
        if table:
            parts += [tag("h3", probe.title), tag("p", probe.how_to_read), table]
    parts.append(_reliability(subject))
    return join(*parts)


def _probes(subject: Subject) -> list[_Probe]:
    return [
        _stability(subject),
        _Probe(
            "Dependence on the turn",
            "Distance correlation of the features with the turn that the image was given: 0 is silence, 1 is a full "
            "account; a small p says that a figure is no accident. A leak of k-fold symmetry shows best under its "
            "own k. Images that have a random pose of their own hide most leaks.",
            [
                *(Column("distance_correlation_squared", name, group="Correlation²", title=name)
                  for name in _FREQUENCIES),
                *(Aside("distance_correlation_p_value", name, group="p", title=name) for name in _FREQUENCIES),
            ],
        ),
        _subgroups(),
        _spread(subject),
        _Probe(
            "Intrinsic dimension",
            "How many numbers place an image among its neighbours: features that drop what does not matter need fewer "
            "than the pixels, but not so few that classes merge. Sharpness is the mean distance over the shortest one "
            "between classes; lower than that of the pixels means that the classes have moved apart.",
            [
                *_by_space("intrinsic_dimension_mle", "Likelihood"),
                *_by_space("intrinsic_dimension_twonn", "TwoNN"),
                *_by_space("relative_label_sharpness", "Sharpness"),
            ],
        ),
        _Probe(
            "Novelty",
            "Each class in turn is the only one known, as a Gaussian; the figure is the ROC-AUC of its Mahalanobis "
            "distance against all other classes, along all principal axes of the class, those that explain 95 % of its "
            "variance, or the rest. 100 % is perfect, 50 % is chance.",
            [
                Column("novelty_auroc", group="Principal components", title="all"),
                Column("novelty_auroc", "leading components", group="Principal components", title="leading"),
                Column("novelty_auroc", "trailing components", group="Principal components", title="trailing"),
            ],
        ),
        _Probe(
            "Neural collapse",
            "Distance from the state in which every class is a point and the points form a simplex: all figures are 0 "
            "there; where the first is far above 1, classes overlap. Lower is tighter, not always better: a collapsed "
            "extractor has forgotten what distinguishes images of one class.",
            [Column(f"nc{name}") for name in
             ("1_variability", "2_length_spread", "2_angle_error", "3_duality_error", "4_disagreement")],
        ),
        _calibration(),
    ]  # fmt: skip


def _stability(subject: Subject) -> _Probe:
    metrics = ("icc_agreement", "icc_consistency", "stable_feature_share", "constant_feature_ratio")
    measured = conditions(subject.results, "constant_feature_ratio")
    return _Probe(
        "Stability of single features",
        "Intraclass correlation of every feature over the turns of an image: 1 is perfect, above 0.9 counts as stable, "
        "0 means that a feature says nothing about the image that survives a turn. Agreement above all; consistency "
        "forgives a fixed offset of each turn, which is not invariance. The linear probe on the stable features alone "
        "should be as accurate as on all: then what is lost is only what turns anyway.",
        [
            Column(metric, name, group=condition_wording(name))
            for name in measured
            for metric in (metrics if name == measured[0] else metrics[:-1])  # a constant feature is one in any pose
        ]
        + [
            Column("stable_feature_accuracy", f"{which} features", group="Linear probe on", title=which)
            for which in ("stable", "all")
        ],
    )


def _subgroups() -> _Probe:
    groups = {"orientation": "12 orientations", "mirror": "Mirrored or not"}
    return _Probe(
        "Fairness over orientations",
        "The linear probe of upright images, judged by orientation of the image: a spread of 0 serves all alike. The "
        "excess is what remains after that of shuffled turns is taken off; around 0 the spread is chance.",
        [
            column
            for name, group in groups.items()
            for column in (
                Column("subgroup_spread", name, group=group),
                Aside("subgroup_excess_spread", name, group=group),
                Column("worst_subgroup_accuracy", name, group=group),
            )
        ],
    )


def _spread(subject: Subject) -> _Probe:
    turned = conditions(subject.results, "within_orbit_cosine")
    return _Probe(
        "Use of the sphere",
        "Uniformity is 0 where all directions coincide and about -4 where they fill the sphere; cosines within a class "
        "and within an orbit should stay near 1 all the same, and each is easy to have without the other. "
        "Inconsistency is the variance over classes of how well one threshold serves them: 0 is best, where the "
        "utility is high.",
        [
            Column("uniformity"),
            Column("tolerance"),
            Column("within_class_cosine"),
            *(Column("within_orbit_cosine", name, group="Cosine within orbit", title=condition_wording(name))
              for name in turned),
            Column("operating_point_inconsistency", group="One threshold"),
            Column("operating_point_utility", group="One threshold"),
        ],
    )  # fmt: skip


def _calibration() -> _Probe:
    metrics = ("expected_calibration_error", "brier_score", "negative_log_likelihood")
    return _Probe(
        "Calibration",
        "Whether the confidence of a linear probe can be believed: all errors are 0 at best. Scaling by one "
        "temperature, set on training images held out, repairs what is a matter of scale; a temperature above 1 says "
        "that the probe was too sure.",
        [
            *(Column(metric, group="As fitted") for metric in metrics),
            *(Column(metric, _SCALED, group="Temperature-scaled") for metric in metrics),
            Aside("temperature"),
        ],
    )


def _by_space(metric: str, group: str) -> list[Column]:
    return [Aside(metric, space, group=group, title=space) for space in ("features", "pixels")]


def _reliability(subject: Subject) -> Markup:
    drawings = subject.drawings("reliability")
    panels = [
        tag(
            "div",
            model_label(subject, model),
            reliability(drawing, subject.colours[model], f"Reliability diagram of the linear probe on {model}."),
            class_="panel",
        )
        for model, drawing in drawings.items()
    ]
    return figure(tag("div", *panels, class_="panels"), _CAPTION) if panels else Markup()
