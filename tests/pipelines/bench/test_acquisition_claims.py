"""The claims of the acquisition bench from campaigns whose curves are straight lines."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.bench.acquisition_campaign import Campaign
from pipelines.bench.acquisition_claims import arms_table, claims_of, curves_table, garbage_share, lower_end
from pipelines.bench.acquisition_curves import Arena, mean_by_mode
from pipelines.bench.acquisition_figure import draw_acquisition

MODES = np.array(["usual"] * 8 + ["rare"] * 8)
ENDS = {"ours": 0.9, "random": 0.7, "entropy": 0.6, "oracle": 0.95}


def campaign(end: float, asked: tuple[str, ...] = ("good", "bad")) -> Campaign:
    """From 0.5 straight up to ``end``; each test patient has an offset of its own, alike for all arms."""
    line = 0.5 + (end - 0.5) * np.array([0.0, 0.25, 0.5, 1.0])
    offset = np.linspace(-0.1, 0.1, len(MODES))
    return Campaign(
        labels=np.array([0.0, 5.0, 10.0, 20.0]), minutes=np.array([0.0, 50.0, 100.0, 200.0]),
        judged=line[:, None] + offset, asked=asked,
    )  # fmt: skip


def seed(**changed: float) -> dict[str, Arena]:
    ends = {**ENDS, **changed}
    campaigns = {arm: [campaign(end)] for arm, end in ends.items()}
    campaigns["random"] = [campaign(ends["random"] + gap) for gap in (-0.02, 0.0, 0.02)]
    arena = Arena(
        campaigns=campaigns,
        strata=MODES,
        metrics={
            "modes": mean_by_mode(MODES, {"usual": 0.5, "rare": 0.5}),
            "prevalence": mean_by_mode(MODES, {"usual": 0.9, "rare": 0.1}),
        },
        broken=frozenset({"bad"}),
    )
    return {"main": arena, "control": arena}


def test_claims_are_what_they_say() -> None:
    claims = {claim.id: claim for claim in claims_of([seed(), seed(ours=0.8)])}
    # the area of a straight line is its middle height: half of the difference of the ends
    assert claims["aubc_gain_modes"].measured == pytest.approx((0.1 + 0.05) / 2)
    assert claims["aubc_gain_modes_worst_seed"].measured == pytest.approx(0.05)
    assert claims["aubc_gain_modes_lower_95"].measured == pytest.approx(0.05)  # both times the worse seed
    assert claims["aubc_gain_prevalence"].measured == pytest.approx(0.075)
    # ours reaches 0.7 after half and two thirds of its way of 20 labels
    assert claims["label_ratio_modes"].measured == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert claims["aubc_vs_best_other_modes"].measured == pytest.approx(0.075)
    assert claims["control_pool_gain"].measured == pytest.approx(0.075)
    assert claims["garbage_share_of_choices"].measured == pytest.approx(0.5)
    assert [name for name, claim in claims.items() if not claim.holds] == [
        "label_ratio_modes",
        "garbage_share_of_choices",
    ]


def test_the_best_other_is_no_oracle_and_the_same_arm_in_every_seed() -> None:
    claims = {claim.id: claim for claim in claims_of([seed(entropy=0.9), seed(entropy=0.5)])}
    # random: (0.7 + 0.7) / 2, entropy: (0.9 + 0.5) / 2, both areas 0.6 on average
    assert claims["aubc_vs_best_other_modes"].measured == pytest.approx(0.1)


def test_ours_that_never_reaches_random_fails_the_ratio() -> None:
    claims = {claim.id: claim for claim in claims_of([seed(ours=0.6)])}
    assert claims["label_ratio_modes"].measured == np.inf
    assert claims["label_ratio_modes"].as_json()["measured"] is None
    assert not claims["label_ratio_modes"].holds
    assert not claims["aubc_gain_modes"].holds


def test_lower_end_of_one_seed_is_the_quantile_of_its_draws() -> None:
    draws = np.random.default_rng(0).normal(0.03, 0.01, 2001)
    assert lower_end([draws]) == pytest.approx(np.quantile(draws[1:], 0.025))
    two = lower_end([draws, draws + 1.0])
    assert two < draws.mean() + 0.01  # one of four times both are the first


def test_tables_and_figure_show_every_arm() -> None:
    seeds = [seed(), seed()]
    rows = arms_table(seeds)
    assert [(row["pool"], row["arm"]) for row in rows] == [(p, a) for p in ("main", "control") for a in ENDS]
    assert rows[0]["gain_modes_per_seed"] == pytest.approx([0.1, 0.1])
    assert rows[0]["gain_modes_by_minutes"] == pytest.approx(0.1)
    assert curves_table(seeds)["main"]["ours"]["modes"] == pytest.approx([0.5, 0.6, 0.7, 0.9])
    assert garbage_share(seeds, "random") == pytest.approx(0.5)
    figure = draw_acquisition(seeds)
    assert len(figure.axes) == 8
    assert [line.get_label() for line in figure.axes[0].lines] == list(ENDS)
    assert figure.axes[0].lines[0].get_ydata()[-1] == pytest.approx(0.9)
