"""A model card: what a model is for and not for, what it was made of, who judged it, and how well it did.

The nine parts of Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, doi 10.1145/3287560.3287596. What only
people can say are ``CardWords``; the rest is read from the package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CardWords:
    """Sentences of whoever is responsible for the model; empty where nobody stated any.

    Args:
        owner: role or office that answers questions about the model, and how to reach it.
        license: under which the model may be used.
        intended_use, intended_users: what it is for, and for whom.
        out_of_scope: what it must not be used for.
        limits: known limits that no number here shows.
        ethical_considerations: whom its errors may harm, and what was done about it.
    """

    owner: str = ""
    license: str = ""
    intended_use: tuple[str, ...] = ()
    intended_users: tuple[str, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    ethical_considerations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class PackageFiles:
    """model.json, metrics.json, calibration.json and lineage.json of a package, as JSON gives them."""

    model: Mapping[str, Any]
    metrics: Mapping[str, Any]
    calibration: Mapping[str, Any]
    lineage: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class CardFacts:
    """What a card is made of; all as JSON gives it.

    Args:
        files: of the package.
        data, labels, tests, floors: parts of the dossier.
        intervals: ``draws`` and ``level`` of the bootstrap.
    """

    files: PackageFiles
    data: Mapping[str, Any]
    labels: Mapping[str, Any]
    tests: Mapping[str, Any]
    floors: Mapping[str, Any]
    intervals: Mapping[str, Any]


def model_card(facts: CardFacts, words: CardWords) -> dict[str, Any]:
    """JSON-able; the keys are the paper's headings."""
    return {
        "model_details": _details(facts, words),
        "intended_use": {
            "primary_intended_uses": list(words.intended_use),
            "primary_intended_users": list(words.intended_users),
            "out_of_scope_use_cases": list(words.out_of_scope),
        },
        "factors": _factors(facts),
        "metrics": {
            "performance_measures": sorted({row["metric"] for row in facts.tests["metrics"]}),
            "decision_thresholds": dict(facts.files.calibration.get("thresholds", {})),
            "thresholds_from": facts.files.calibration.get("source"),
            "variation": "bootstrap over patients, each patient counting once",
            **dict(facts.intervals),
            "floors": dict(facts.floors),
        },
        "evaluation_data": _evaluation_data(facts),
        "training_data": _training_data(facts),
        "quantitative_analyses": {
            "unitary_results": facts.tests["metrics"],
            "strata": facts.tests["strata"],
        },
        "ethical_considerations": list(words.ethical_considerations),
        "caveats_and_recommendations": {"stated": list(words.limits), "found": list(found_limits(facts))},
    }


def not_stated(words: CardWords) -> list[str]:
    """The words that a card needs and nobody stated."""
    needed = ("owner", "intended_use", "intended_users", "out_of_scope", "limits")
    return [name for name, value in asdict(words).items() if name in needed and not value]


def found_limits(facts: CardFacts) -> Iterator[str]:
    """Limits that the package's own numbers show, as sentences."""
    metrics = facts.files.metrics
    if not metrics.get("patients"):
        yield "No held-out patient with an expert's label has judged it."
    if failed := metrics.get("frames_failed"):
        yield f"Held-out frames that it could not predict: {failed}."
    for key, words in (
        ("structures_not_drawn", "No expert label of the test set shows"),
        ("findings_not_judged", "Too few held-out patients have, or have not"),
        ("structures_unknown_to_model", "Experts draw, and it does not know"),
        ("findings_unknown_to_model", "Experts name, and it does not know"),
    ):
        if names := [str(name).replace("_", " ") for name in metrics.get(key) or ()]:
            yield f"{words}: {', '.join(names)}."
    small = [f"{row['stratum']} {row['value']}" for row in facts.tests["strata"] if not row["judged"]]
    if small:
        yield f"Too few test patients to be judged apart: {', '.join(small)}."
    yield from _one_sided(facts.data)


def _one_sided(data: Mapping[str, Any]) -> Iterator[str]:
    """What the people of the test set have all in common, or nobody knows of them."""
    groups = data["sides"].get("test", {}).get("groups", {})
    for name in ("site", "scanner"):
        known = [value for value in groups.get(name, {}) if value != "unknown"]
        if groups.get(name) and len(known) < 2:
            said = f"one {name}: {known[0]}" if known else f"no known {name}"
            yield f"All test patients are of {said}. Nothing here shows how it does elsewhere."


def _details(facts: CardFacts, words: CardWords) -> dict[str, Any]:
    model, lineage = facts.files.model, facts.files.lineage
    return {
        "owner": words.owner,
        "license": words.license,
        "task": model.get("task"),
        "input": model.get("input"),
        "label_names": model.get("label_names"),
        "architecture": model.get("architecture"),
        "weights_sha256": model.get("weights_sha256"),
        "parent": lineage.get("parent"),
        "git_commit": lineage.get("git_commit"),
        "seed": lineage.get("seed"),
        "source": lineage.get("source"),
    }


def _factors(facts: CardFacts) -> dict[str, Any]:
    """By what the test set could be divided, and by what it could not."""
    divided = sorted({row["stratum"] for row in facts.tests["strata"]})
    return {
        "evaluated": divided,
        "not_evaluated": [
            name
            for name in ("site", "batch", "manufacturer", "model", "kernel", "sex", "age", "phase")
            if name not in divided
        ],
    }


def _evaluation_data(facts: CardFacts) -> dict[str, Any]:
    test = facts.data["sides"].get("test", {})
    return {
        "patients_judged": facts.files.metrics.get("patients", 0),
        "patients_held_out": test.get("patients"),
        "groups": test.get("groups", {}),
        "labels": "expert",
        "judged_by": [
            {"annotator": one["annotator"], "labels": one["test"]}
            for one in facts.labels["annotators"]
            if one.get("test")
        ],
        "held_out": "by patient, at random in each batch, before anything was trained",
    }


def _training_data(facts: CardFacts) -> dict[str, Any]:
    train = facts.data["sides"].get("train", {})
    return {
        "patients": train.get("patients"),
        "cases": train.get("cases"),
        "groups": train.get("groups", {}),
        "labels": facts.labels["trained_on"],
        "teachers": facts.labels["teachers"],
        "training": {
            key: value for key, value in (facts.files.model.get("training") or {}).items() if key != "labels"
        },
    }
