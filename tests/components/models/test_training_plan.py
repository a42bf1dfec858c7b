import pytest

from components.errors import ParameterError
from components.models.training_plan import ClassificationPlan, Recipe, SegmentationPlan


def test_a_patch_that_the_network_cannot_see_is_refused_with_the_multiple_and_the_nearest_patch() -> None:
    with pytest.raises(ParameterError, match=r"multiples of 16 voxels.*\[48, 50, 48\].*\[48, 64, 48\]"):
        SegmentationPlan(patch=(48, 50, 48))
    assert SegmentationPlan(patch=(48, 50, 48), widths=(4, 8), stem_stride=1).network(7).stride == 2


def test_a_patch_of_one_stride_is_refused_with_one_that_works() -> None:
    with pytest.raises(ParameterError, match=r"patch: \[32, 32, 32\]"):
        SegmentationPlan(patch=(16, 16, 16))
    assert SegmentationPlan(patch=(32, 16, 16)).network(7).classes == 8


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"head_share": 0.0}, {"expert_share": 1.1}])
def test_shares_and_rounds_have_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="train section"):
        SegmentationPlan(**wrong)  # type: ignore[arg-type]


def test_the_average_remembers_a_share_of_the_training() -> None:
    with pytest.raises(ParameterError, match="ema"):
        Recipe(ema=1.0)


def test_chest_scans_are_changed_as_before() -> None:
    chest = ClassificationPlan().augmentation
    assert (chest.curve, chest.kernel, chest.low_resolution) == (0.0, 0.0, 0.0)


def test_tiny_networks_are_trained_in_float32_unless_someone_insists() -> None:
    assert SegmentationPlan().used_precision == "auto"
    tiny = SegmentationPlan(widths=(4, 8), stem_stride=1)
    shallow = SegmentationPlan(patch=(32, 32, 32))  # two voxels a side at the deepest of four levels
    assert [plan.used_precision for plan in (tiny, shallow)] == ["float32", "float32"]
    assert SegmentationPlan(widths=(4, 8), precision="bfloat16").used_precision == "bfloat16"
    assert ClassificationPlan().used_precision == "auto"
    assert ClassificationPlan(widths=(12, 24)).used_precision == "float32"
