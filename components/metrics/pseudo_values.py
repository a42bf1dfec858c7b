"""A metric of many patients together, told as one number per patient."""

from __future__ import annotations

import numpy as np

from components.metrics.bootstrap import Group


def pseudo_values(group: Group) -> dict[str, float]:
    """Patient → ``n θ - (n - 1) θ₋ᵢ``, whose mean stands for the statistic θ of all n (Tukey 1958; Quenouille 1956).

    For the area under the ROC curve the variance of their mean is that of DeLong, DeLong & Clarke-Pearson (1988),
    whose structural components are the jackknife's (Arvesen 1969), so that bounds for means serve for such metrics too.
    They are moved so that their mean is θ itself. Empty where θ, or θ without one of the patients, is undefined.

    Args:
        group: a patient may have several samples, which leave together.
    """
    names, index = np.unique(np.asarray(group.patients, dtype=str), return_inverse=True)
    n = len(names)
    if n < 2:
        return {}
    without = (index[None, :] != np.arange(n)[:, None]).astype(np.float64)
    left, whole = group.statistic(without), group.value
    if not (np.isfinite(left).all() and np.isfinite(whole)):
        return {}
    values = whole + (n - 1) * (left.mean() - left)
    return {str(name): float(value) for name, value in zip(names, values, strict=True)}
