"""What is compared: five views of the same patients, each a set of statistics under shared permutations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.drift.permutation import Members
from components.drift.two_sample import (
    cramer_von_mises,
    kernel_mmd,
    kolmogorov_smirnov,
    total_variation,
)
from components.scorecard.columns import EMBEDDING, IMAGE, META, OUTPUT
from components.scorecard.embedding_space import fit_space
from components.scorecard.patients import columns_with, is_numeric, patient_means, patient_shares

Floats = npt.NDArray[np.float64]
PRINCIPAL_AXES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelStatistics:
    """Statistics of one channel.

    Args:
        columns: names, ``c`` of them.
        statistics_bc: ``(1 + permutations, c)``, row 0 observed, larger = farther apart.
        effects: ``(c,)`` observed effect sizes: KS or total variation distance in [0, 1], or the MMD.
        effect_names: ``c`` names of the effect sizes.
    """

    columns: tuple[str, ...]
    statistics_bc: Floats
    effects: tuple[float, ...]
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
    """Structure volumes or finding probabilities (black-box shift detection, Lipton et al. 2018)."""
    return _numeric(pooled, columns_with(pooled, OUTPUT), members_bn)


def uncertainty(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Uncertainty and temporal jump."""
    present = [column for column in ("uncertainty", "temporal_jump") if column in pooled]
    return _numeric(pooled, present, members_bn)


def embeddings(pooled: pd.DataFrame, members_bn: Members) -> ChannelStatistics | None:
    """Kernel MMD on standardised principal axes of the pooled patients (which permutations leave alone)."""
    columns = columns_with(pooled, EMBEDDING)
    if not columns:
        return None
    features = patient_means(pooled, columns).to_numpy(dtype=np.float64)
    if not np.isfinite(features).all() or not np.ptp(features, axis=0).any():
        return None
    space = fit_space(features, components=PRINCIPAL_AXES)
    statistics = kernel_mmd(space.project(features), members_bn)
    effects = tuple(float(np.sqrt(max(value, 0.0))) for value in statistics[0])
    names = ("half", "one", "two")
    return ChannelStatistics(
        columns=tuple(f"kernel at {name} median distance" for name in names),
        statistics_bc=statistics,
        effects=effects,
        effect_names=("MMD",) * len(effects),
    )


CHANNELS: dict[str, Channel] = {
    "metadata": metadata,
    "image": image,
    "embeddings": embeddings,
    "outputs": outputs,
    "uncertainty": uncertainty,
}


def _numeric(pooled: pd.DataFrame, columns: Sequence[str], members_bn: Members) -> ChannelStatistics | None:
    means = patient_means(pooled, columns)
    varying = [column for column in columns if means[column].nunique(dropna=False) > 1]
    if not varying:
        return None
    values = [means[column].to_numpy(dtype=np.float64) for column in varying]
    return ChannelStatistics(
        columns=tuple(varying),
        # The root has the light tail of a total variation distance: a squared statistic beside it would own
        # the maximum under permutation and hide a new scanner that every patient comes from.
        statistics_bc=np.sqrt(np.stack([cramer_von_mises(one, members_bn) for one in values], axis=1)),
        effects=tuple(float(kolmogorov_smirnov(one, members_bn[:1])[0]) for one in values),
        effect_names=("KS distance",) * len(varying),
    )


def _text(pooled: pd.DataFrame, column: str, members_bn: Members) -> ChannelStatistics | None:
    shares = patient_shares(pooled, column).to_numpy(dtype=np.float64)
    if shares.shape[1] < 2:
        return None
    distance = total_variation(shares, members_bn)
    return ChannelStatistics(
        columns=(column,),
        statistics_bc=distance[:, None],
        effects=(float(distance[0]),),
        effect_names=("total variation",),
    )


def _joined(parts: Sequence[ChannelStatistics | None]) -> ChannelStatistics | None:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    return ChannelStatistics(
        columns=tuple(column for part in present for column in part.columns),
        statistics_bc=np.concatenate([part.statistics_bc for part in present], axis=1),
        effects=tuple(effect for part in present for effect in part.effects),
        effect_names=tuple(name for part in present for name in part.effect_names),
    )
