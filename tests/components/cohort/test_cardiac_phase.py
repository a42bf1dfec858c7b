import pytest

from components.cohort.cardiac_phase import PhaseAttributes, percent_in, phases, without_percent
from components.errors import InputError


def at(place, **known):
    empty = dict.fromkeys(("nominal_percent", "trigger_ms", "interval_ms", "temporal_index"))
    return PhaseAttributes(**{**empty, "description": "", "place": place, **known})


def test_a_plain_ct_has_no_phase():
    assert phases([at(0), at(1)]) == {None: [0, 1]}


def test_trigger_times_alone_make_no_phases_where_places_do_not_repeat():
    assert phases([at(z, trigger_ms=float(z)) for z in range(4)]) == {None: [0, 1, 2, 3]}


def test_nominal_percentages_come_first_and_100_is_0():
    slices = [at(0, nominal_percent=p, trigger_ms=1.0, description="70 %") for p in (50.0, 100.0)]
    assert phases(slices) == {0.0: [1], 50.0: [0]}


def test_both_ends_of_the_cycle_stay_apart():
    nominal = [at(z, nominal_percent=p) for p in (0.0, 50.0, 100.0) for z in (0, 1)]
    assert phases(nominal) == {0.0: [0, 1], 50.0: [2, 3], 100.0: [4, 5]}
    for last in (1000.0, 1000.4):
        triggers = [at(z, trigger_ms=t, interval_ms=1000.0) for t in (0.0, 500.0, last) for z in (0, 1)]
        assert phases(triggers) == {0.0: [0, 1], 50.0: [2, 3], 100.0: [4, 5]}


def test_phases_of_two_heart_beats_are_refused_not_merged():
    with pytest.raises(InputError, match="from 0 to 150 %"):
        phases([at(0, trigger_ms=500.0 * n, interval_ms=1000.0) for n in range(4)])
    with pytest.raises(InputError, match="from 10 to 110 %"):
        phases([at(0, nominal_percent=p) for p in (10.0, 110.0)])


def test_trigger_order_decides_at_each_place():
    slices = [at(z, trigger_ms=t + 10 * z, interval_ms=1000.0) for t in (400.0, 0.0) for z in (0, 1)]
    assert phases(slices) == {0.5: [2, 3], 40.5: [0, 1]}


def test_equal_trigger_times_at_a_place_decide_nothing():
    slices = [at(0, trigger_ms=5.0), at(0, trigger_ms=5.0)]
    assert phases(slices) == {None: [0, 1]}


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("CTA 70 %", 70),
        ("BestDiast 72.5% B26f", 72.5),
        ("100%", 0),
        ("30 % - 80 %", None),
        ("plain", None),
        ("120 %", None),
    ],
)
def test_percentages_in_descriptions(text, percent):
    assert percent_in(text) == percent


def test_phases_of_one_reconstruction_share_their_description():
    assert without_percent("CTA 70 % B26") == without_percent("CTA 5% B26")
