"""quality.json of a package: what judged cases taught about how good its answers are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import StateError
from components.scorecard.conformal_sets import ConformalSets
from components.scorecard.predicted_quality import PredictedQuality
from components.scorecard.window_quality import ErrorOfMeans

QUALITY_FILE = "quality.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownQuality:
    """``quality``, ``sets`` and ``means`` (how wrong the mean estimate of a window is) are ``None`` where too few
    patients were judged; ``words`` says which and why."""

    quality: PredictedQuality | None = None
    sets: ConformalSets | None = None
    means: ErrorOfMeans | None = None
    words: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "predicted_quality": self.quality and self.quality.as_json(),
            "conformal_sets": self.sets and self.sets.as_json(),
            "error_of_means": self.means and self.means.as_json(),
            "words": self.words,
        }


def known_quality(folder: Path) -> KnownQuality:
    """Nothing where the file is missing (a package of before); ``StateError`` when it is something else."""
    path = folder / QUALITY_FILE
    if not path.is_file():
        return KnownQuality()
    try:
        tree = json.loads(path.read_text())
        quality, sets = tree["predicted_quality"], tree["conformal_sets"]
        return KnownQuality(
            quality=None if quality is None else PredictedQuality.of_json(quality),
            sets=None if sets is None else ConformalSets.of_json(sets),
            means=None if (means := tree.get("error_of_means")) is None else ErrorOfMeans.of_json(means),
            words=str(tree["words"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateError(
            expected=f"{QUALITY_FILE} as evaluate writes it",
            got=str(error) or type(error).__name__,
            hint="running evaluate again",
        ) from error
