"""What is compared: six views of the same patients, each a set of statistics under permutations of patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.drift.permutation import Members, memberships
from components.drift.two_sample import (
    cramer_von_mises,
    kolmogorov_smirnov,
    mmd_distance,
    rbf_kernels,
    total_variation,
    unbiased_mmd,
)
from components.scorecard.columns import EMBEDDING, IMAGE, LABEL_SET, MEASURED, META, OUTPUT, QUALITY
from components.scorecard.ejection_fraction import EJECTION_FRACTION, with_ejection_fraction
from components.scorecard.embedding_space import fit_space
from components.scorecard.patients import columns_with, is_numeric, patient_means, patient_shares
from components.scorecard.predicted_quality import SIGNALS

Floats = npt.NDArray[np.float64]
PRINCIPAL_AXES = 16
LEAST_LABELLED = 8  # patients with returned labels in the window, and in the reference
_BANDWIDTHS = {"half": 0.5, "one": 1.0, "two": 2.0}
_UNCERTAINTY = tuple(dict.fromkeys(("uncertainty", "temporal_jump", QUALITY, *SIGNALS)))


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelStatistics:
    """Statistics of one channel.

    Args:
        columns: names, ``c`` of them.
        statistics_bc: ``(1 + permutations, c)``, row 0 observed, larger = farther apart.
        distances: of each column, its effect size under each membership when called, ``(1 + permutations,)``: a KS
            or total variation distance in [0, 1], or the MMD; all are norms.
        effect_names: ``c`` names of the effect sizes.
    """

    columns: tuple[str, ...]
    statistics_bc: Floats
    distances: tuple[Callable[[], Floats], ...]
    effect_names: tuple[str, ...]


Channel = Callable[[pd.DataFrame, Members], ChannelStatistics | None]


def metadata(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Acquisition metadata: total variation of texts, distribution distance of numbers."""
    columns = columns_with(pooled, META)
    texts = [column for column in columns if not is_numeric(pooled, column)]
    numbers = _numeric(pooled, [column for column in columns if is_numeric(pooled, column)], members_bn)
    parts = [_text(pooled, column, members_bn) for column in texts]
    return _joined([*parts, numbers])


def image(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Statistics of the voxels."""
    return _numeric(pooled, columns_with(pooled, IMAGE), members_bn)


def outputs(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Structure volumes and ejection fraction, or finding probabilities and how often each finding is called.

    Black-box shift detection (Lipton et al. 2018).
    """
    pooled = with_ejection_fraction(pooled)
    numbers = [*columns_with(pooled, OUTPUT), *columns_with(pooled, EJECTION_FRACTION)]
    called = [_text(pooled, column, members_bn) for column in columns_with(pooled, LABEL_SET)]
    return _joined([_numeric(pooled, numbers, members_bn), *called])


def uncertainty(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Uncertainty, temporal jump, the signals of quality, and the quality that they foretell."""
    return _numeric(pooled, [column for column in _UNCERTAINTY if column in pooled], members_bn)


def feedback(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Quality by returned labels, and what it is beyond the quality foretold, of the patients that have labels.

    These are permuted among themselves: that few patients of a window have labels is no drift. Valid where labels came
    back for patients drawn at random, as those of the audit sample are.
    """
    if MEASURED not in pooled:
        return None
    error = pooled[MEASURED] - pooled[QUALITY] if QUALITY in pooled else np.nan
    table = patient_means(pooled.assign(quality_error=error), [MEASURED, "quality_error"])
    labelled = table[MEASURED].notna().to_numpy()
    n_window = int(members_bn[0][labelled].sum())
    n_reference = int(labelled.sum()) - n_window
    if min(n_window, n_reference) < LEAST_LABELLED:
        return None
    own = memberships(
        n_reference, n_window, len(members_bn) - 1, np.random.default_rng([n_reference, n_window])
    )
    return _of_values(table[labelled], own)


def embeddings(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Kernel MMD on standardised principal axes of the pooled patients (which permutations leave alone)."""
    columns = columns_with(pooled, EMBEDDING)
    if not columns:
        return None
    features = patient_means(pooled, columns).to_numpy(dtype=np.float64)
    if not np.isfinite(features).all() or not np.ptp(features, axis=0).any():
        return None
    space = fit_space(features, components=PRINCIPAL_AXES)
    kernels = rbf_kernels(space.project(features), tuple(_BANDWIDTHS.values()))
    return ChannelStatistics(
        columns=tuple(f"kernel at {name} median distance" for name in _BANDWIDTHS),
        statistics_bc=np.stack([unbiased_mmd(kernel, members_bn) for kernel in kernels], axis=1),
        distances=tuple(_later(mmd_distance, kernel, members_bn) for kernel in kernels),
        effect_names=("MMD",) * len(kernels),
    )


CHANNELS: dict[str, Channel] = {
    "metadata": metadata,
    "image": image,
    "embeddings": embeddings,
    "outputs": outputs,
    "uncertainty": uncertainty,
    "feedback": feedback,
}


def _numeric(pooled: pd.DataFrame, columns: Sequence[str], members_bn: Members) -> ChannelStatistics | None:
    return _of_values(patient_means(pooled, columns), members_bn)


def _of_values(means: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    varying = [column for column in means if means[column].nunique(dropna=False) > 1]
    if not varying:
        return None
    values = [means[column].to_numpy(dtype=np.float64) for column in varying]
    return ChannelStatistics(
        columns=tuple(map(str, varying)),
        # The root has the light tail of a total variation distance: a squared statistic beside it would own
        # the maximum under permutation and hide a new scanner that every patient comes from.
        statistics_bc=np.sqrt(np.stack([cramer_von_mises(one, members_bn) for one in values], axis=1)),
        distances=tuple(_later(kolmogorov_smirnov, one, members_bn) for one in values),
        effect_names=("KS distance",) * len(varying),
    )


def _text(pooled: pd.DataFrame, column: str, members_bn: Members) -> ChannelStatistics | None:
    shares = patient_shares(pooled, column).to_numpy(dtype=np.float64)
    if shares.shape[1] < 2:
        return None
    return ChannelStatistics(
        columns=(column,),
        statistics_bc=total_variation(shares, members_bn)[:, None],
        distances=(_later(total_variation, shares, members_bn),),
        effect_names=("total variation",),
    )


def _later(
    distance: Callable[[Floats, Members], Floats], values: Floats, members_bn: Members
) -> Callable[[], Floats]:
    return lambda: distance(values, members_bn)


def _joined(parts: Sequence[ChannelStatistics | None]) -> ChannelStatistics | None:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    return ChannelStatistics(
        columns=tuple(column for part in present for column in part.columns),
        statistics_bc=np.concatenate([part.statistics_bc for part in present], axis=1),
        distances=tuple(distance for part in present for distance in part.distances),
        effect_names=tuple(name for part in present for name in part.effect_names),
    )
