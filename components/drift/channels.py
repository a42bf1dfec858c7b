"""What is compared: views of the same patients, each a set of statistics under the same permutations of patients.

A view of numbers is compared column by column, and as a whole by kernel tests, which see a change that many columns
share: on its standardised columns, and on its whitened principal axes, where a change against the usual correlation
stands out. The last channel puts all these views together, so that a change too faint in each of them is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from components.drift.view_axes import side_by_side, standardised, whitened
from components.scorecard.columns import EMBEDDING, IMAGE, LABEL_SET, MEASURED, META, OUTPUT, QUALITY
from components.scorecard.ejection_fraction import EJECTION_FRACTION
from components.scorecard.patients import columns_with, is_numeric, patient_means, patient_shares
from components.scorecard.predicted_quality import SIGNALS

Floats = npt.NDArray[np.float64]
LEAST_LABELLED = 8  # patients with returned labels in the window, and in the reference
_COLUMNS = "columns"
# Axes of a kernel test, and the kernel's width in median distances.
_KERNELS = {"all together": (standardised, 2.0), "all together, whitened": (whitened, 2.0)}
# Of voxels the first axes are brightness, whatever changes; a narrow kernel sees a small change of every patient.
_VOXEL_KERNELS = {
    "all together, whitened": (whitened, 2.0),
    "all together, whitened, near": (whitened, 0.5),
}
_UNCERTAINTY = tuple(dict.fromkeys(("uncertainty", "temporal_jump", QUALITY, *SIGNALS)))


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelStatistics:
    """Statistics of one channel.

    Args:
        columns: names, ``c`` of them.
        families: of each column, the statistics that it is compared with as it stands; a kernel is a family of its own.
        statistics_bc: ``(1 + permutations, c)``, row 0 observed, larger = farther apart.
        distances: of each column, its effect size under each membership when called, ``(1 + permutations,)``: a KS
            or total variation distance in [0, 1], or the MMD; all are norms.
        effect_names: ``c`` names of the effect sizes.
    """

    columns: tuple[str, ...]
    families: tuple[str, ...]
    statistics_bc: Floats
    distances: tuple[Callable[[], Floats], ...]
    effect_names: tuple[str, ...]

    def is_whole(self, number: int) -> bool:
        """Whether that column is a view as a whole."""
        return self.families[number] != _COLUMNS


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
    means = _means(pooled, "image")
    return _joined([_of_values(means, members_bn), _kernels([means], members_bn, _VOXEL_KERNELS)])


def outputs(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Structure volumes and ejection fraction, or finding probabilities and how often each finding is called.

    Black-box shift detection (Lipton et al. 2018).
    """
    called = [_text(pooled, column, members_bn) for column in columns_with(pooled, LABEL_SET)]
    means = _means(pooled, "outputs")
    return _joined([_of_values(means, members_bn), *called, _kernels([means], members_bn)])


def uncertainty(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Uncertainty, temporal jump, the signals of quality, and the quality that they foretell."""
    means = _means(pooled, "uncertainty")
    return _joined([_of_values(means, members_bn), _kernels([means], members_bn)])


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
    """The embedding as a whole: one of its numbers means nothing by itself."""
    return _kernels([_means(pooled, "embeddings")], members_bn)


def joint(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """All views of numbers as one, each with the same weight."""
    return _kernels([_means(pooled, name) for name in _VIEWS], members_bn)


# Shares of the false alarms that are allowed: voxels, and all views together, see most changes.
WEIGHTS = {"image": 2.0, "joint": 2.0}
CHANNELS: dict[str, Channel] = {
    "metadata": metadata,
    "image": image,
    "embeddings": embeddings,
    "outputs": outputs,
    "uncertainty": uncertainty,
    "feedback": feedback,
    "joint": joint,
}


_VIEWS: dict[str, Callable[[pd.DataFrame], list[str]]] = {
    "image": lambda pooled: columns_with(pooled, IMAGE),
    "embeddings": lambda pooled: columns_with(pooled, EMBEDDING),
    "outputs": lambda pooled: [*columns_with(pooled, OUTPUT), *columns_with(pooled, EJECTION_FRACTION)],
    "uncertainty": lambda pooled: [column for column in _UNCERTAINTY if column in pooled],
}


def _means(pooled: pd.DataFrame, view: str) -> pd.DataFrame:
    """One row per patient."""
    return patient_means(pooled, _VIEWS[view](pooled))


def _numeric(pooled: pd.DataFrame, columns: Sequence[str], members_bn: Members) -> ChannelStatistics | None:
    return _of_values(patient_means(pooled, columns), members_bn)


def _of_values(means: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    varying = [column for column in means if means[column].nunique(dropna=False) > 1]
    if not varying:
        return None
    values = [means[column].to_numpy(dtype=np.float64) for column in varying]
    return ChannelStatistics(
        columns=tuple(map(str, varying)),
        families=(_COLUMNS,) * len(varying),
        # The root has the light tail of a total variation distance: a squared statistic beside it would own
        # the maximum under permutation and hide a new scanner that every patient comes from.
        statistics_bc=np.sqrt(np.stack([cramer_von_mises(one, members_bn) for one in values], axis=1)),
        distances=tuple(_later(kolmogorov_smirnov, one, members_bn) for one in values),
        effect_names=("KS distance",) * len(varying),
    )


def _kernels(
    views: Sequence[pd.DataFrame],
    members_bn: Members,
    tests: Mapping[str, tuple[Callable[[Floats], Floats], float]] = _KERNELS,
) -> ChannelStatistics | None:
    """Kernel MMD of views put together."""
    values = [view.to_numpy(dtype=np.float64) for view in views]
    found = [
        _kernel(name, [axes(one) for one in values], width, members_bn)
        for name, (axes, width) in tests.items()
    ]
    return _joined(found)


def _kernel(
    name: str, views: Sequence[Floats], width: float, members_bn: Members
) -> ChannelStatistics | None:
    if not sum(view.shape[1] for view in views):
        return None
    axes_nk = side_by_side(views)
    return ChannelStatistics(
        columns=(name,),
        families=(name,),
        statistics_bc=unbiased_mmd(next(rbf_kernels(axes_nk, (width,))), members_bn)[:, None],
        # The kernel is made again when asked for: several of many patients would not fit.
        distances=(lambda: mmd_distance(next(rbf_kernels(axes_nk, (width,))), members_bn),),
        effect_names=("MMD",),
    )


def _text(pooled: pd.DataFrame, column: str, members_bn: Members) -> ChannelStatistics | None:
    shares = patient_shares(pooled, column).to_numpy(dtype=np.float64)
    if shares.shape[1] < 2:
        return None
    return ChannelStatistics(
        columns=(column,),
        families=(_COLUMNS,),
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
        families=tuple(family for part in present for family in part.families),
        statistics_bc=np.concatenate([part.statistics_bc for part in present], axis=1),
        distances=tuple(distance for part in present for distance in part.distances),
        effect_names=tuple(name for part in present for name in part.effect_names),
    )
