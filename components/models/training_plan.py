"""How a model is trained: every value that shapes the weights, apart from the data. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.errors import ParameterError
from components.models.unet_config import UNetConfig

Precision = Literal["auto", "float32", "bfloat16"]
Schedule = Literal["cosine", "polynomial"]


Start = Literal["scratch", "champion"]


@dataclass(frozen=True, kw_only=True)
class LabelWeights:
    """What a label counts in the loss, by its provenance."""

    expert: float = 1.0
    pseudo: float = 0.5
    propagated: float = 0.5

    def of(self, provenance: str) -> float:
        return float(getattr(self, provenance))


@dataclass(frozen=True, kw_only=True)
class IncrementalParams:
    """Where a training begins.

    Args:
        start: ``scratch`` as the plan says, or ``champion``: the model in use goes on.
        replay: share of what it is shown that it was trained on before.
        epochs, learning_rate: of going on; everything else is the plan's.
        package_sha256: of the package that goes on; ctloop writes it here before the stage runs.
    """

    start: Start = "scratch"
    replay: float = 0.5
    epochs: int = 6
    learning_rate: float = 0.01
    package_sha256: str | None = None

    def __post_init__(self) -> None:
        if not (0.0 <= self.replay < 1.0 and self.epochs > 0 and self.learning_rate > 0):
            raise ParameterError(
                expected="replay in [0, 1), epochs of 1 or more and a learning_rate above 0",
                got=str(self),
                hint="the shipped section `train` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of a training image, each drawn uniformly up to its bound.

    Args:
        scale: relative change of size.
        rotation_degrees: about each axis.
        shift_share: translation as a share of the image's side.
        mirror: probability of a left-right flip; 0 for hearts, which are not symmetric.
        contrast: relative change of intensity.
        brightness: additive change, in window units.
        noise: largest standard deviation of white noise, in window units.
        blur: probability of a Gaussian blur of 0.3 to 1 voxel.
        curve: bends the contrast: logarithm of how far the slope between neighbouring quarters of the window
            may change; 0 = off.
        kernel: probability of a softer or sharper reconstruction kernel, after the noise; 0 = off.
        low_resolution: probability of thick slices or a coarse grid, up to 3 voxels in one; 0 = off.
    """

    scale: float = 0.1
    rotation_degrees: float = 8.0
    shift_share: float = 0.0
    mirror: float = 0.0
    contrast: float = 0.15
    brightness: float = 0.08
    noise: float = 0.05
    blur: float = 0.2
    curve: float = 0.0
    kernel: float = 0.0
    low_resolution: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the steps of a training are taken.

    Args:
        schedule: how the rate falls to nothing, ``cosine`` or ``polynomial`` (nnU-Net's).
        deep_supervision: teach the coarser levels of the decoder too, while training.
        ema: memory of the weights' moving average as a share of the steps; 0 keeps the last weights.
    """

    schedule: Schedule = "polynomial"
    deep_supervision: bool = True
    ema: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 <= self.ema < 1.0:
            raise _out_of_range("ema in [0, 1)", self.ema)


@dataclass(frozen=True, kw_only=True)
class SegmentationPlan:
    """Student on pseudo-labels (and experts), relabelled ``rounds - 1`` times, then tuned on experts.

    Args:
        window_hu: scaled to [0, 1].
        patch: voxels along (z, y, x), of training and of the sliding window; see ``UNetConfig.check_patch``.
        widths, stem_stride, heads: of the network, see ``UNetConfig``.
        head_share: share of the patients that each head learns from; 1 = all.
        batch_size, steps_per_epoch: an epoch is the unit of checkpoints and curves.
        epochs: per round.
        fine_tune_epochs: at the end, with ``expert_share`` of the patches from expert labels.
        rounds: 1 trains M_1 on the teacher's labels; 2 relabels with M_1 and trains M_2; at most 3.
        settled: no further round when relabelling changes less than this share of the labelled voxels.
        confident: least mean softmax with which a student may label a voxel on which the teacher is silent.
        judges: expert patients held out to accept or reject each round after the first; at most a third of them.
        tolerance: a round is rejected when their mean Dice falls by more than this.
        foreground_share: patches centred on a structure instead of anywhere.
        learning_rate: peak of the schedule; ``fine_tune_rate`` for the last step.
        weights: by provenance.
        augmentation: reaches to other contrast, kernels and slice thickness, since the next scanner has them.
        recipe: schedule, deep supervision and average of the weights, of every step.
        workers: processes that prepare patches; 0 = none.
        devices: processes (one per GPU) that share each batch; batch_size must be a multiple.
        pretrain_epochs: of the encoder on masked images without labels, before the first step; 0 = none.
    """

    seed: int = 0
    window_hu: tuple[float, float] = (-200.0, 600.0)
    patch: tuple[int, int, int] = (48, 48, 48)
    widths: tuple[int, ...] = (16, 32, 64, 96)
    stem_stride: int = 2
    heads: int = 3
    head_share: float = 0.67
    batch_size: int = 1
    steps_per_epoch: int = 20
    epochs: int = 10
    fine_tune_epochs: int = 5
    rounds: int = 1
    settled: float = 0.005
    confident: float = 0.9
    judges: int = 4
    tolerance: float = 0.005
    expert_share: float = 0.7
    foreground_share: float = 0.67
    learning_rate: float = 2e-2
    fine_tune_rate: float = 8e-3
    weight_decay: float = 1e-4
    weights: LabelWeights = LabelWeights()
    augmentation: Augmentation = Augmentation(blur=0.1, curve=0.5, kernel=0.3, low_resolution=0.2)
    recipe: Recipe = Recipe()
    precision: Precision = "auto"
    workers: int = 0
    devices: int = 1
    pretrain_epochs: int = 0

    def __post_init__(self) -> None:
        if self.devices < 1 or self.batch_size % self.devices:
            raise _out_of_range(
                "devices of 1 or more that share the batch", f"{self.devices} for {self.batch_size}"
            )
        if not 1 <= self.rounds <= 3:
            raise _out_of_range("1 to 3 rounds of self-training", self.rounds)
        if not (0.0 < self.head_share <= 1.0 and 0.0 <= self.expert_share <= 1.0):
            raise _out_of_range("head_share in (0, 1] and expert_share in [0, 1]", self)
        if self.judges < 0 or not (
            0.0 <= self.settled < 1.0 and 0.0 <= self.confident <= 1.0 and self.tolerance >= 0.0
        ):
            raise _out_of_range("judges and tolerance of 0 or more, settled and confident in [0, 1]", self)
        self.network(structures=1).check_patch(self.patch)

    @property
    def used_precision(self) -> Precision:
        """See ``careful_precision``."""
        deepest = min(self.patch) // self.network(structures=1).stride
        return careful_precision(self.precision, self.widths, deepest)

    def network(self, structures: int) -> UNetConfig:
        """The network that this plan trains, for this many structures."""
        return UNetConfig(
            classes=structures + 1, widths=self.widths, stem_stride=self.stem_stride, heads=self.heads
        )


@dataclass(frozen=True, kw_only=True)
class BackbonePretraining:
    """Self-supervised training of a classifier's backbone before it sees a finding; see ``backbone_pretraining``.

    Args:
        epochs: each shows one scan of every training patient, with findings or without; 0 = no pretraining.
        batch_size: scans per step.
        triplets: of each scan per step, two views each.
        neighbour: the second view may lie so many slices further up or down.
        expander: width of the layers between backbone and loss, which are thrown away.
        learning_rate, weight_decay: of AdamW.
        augmentation: of each view; stronger than the classifier's, since the task is to see through it.
    """

    epochs: int = 0
    batch_size: int = 16
    triplets: int = 8
    neighbour: int = 3
    expander: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    augmentation: Augmentation = Augmentation(
        scale=0.25,
        rotation_degrees=10.0,
        shift_share=0.1,
        mirror=0.5,
        contrast=0.2,
        brightness=0.08,
        noise=0.08,
        blur=0.3,
        kernel=0.3,
    )

    def __post_init__(self) -> None:
        sizes = (self.batch_size, self.triplets, self.expander)
        if min(sizes) < 1 or self.batch_size * self.triplets < 2 or min(self.epochs, self.neighbour) < 0:
            raise _out_of_range("pretraining with positive sizes and two triplets or more a step", self)


@dataclass(frozen=True, kw_only=True)
class ClassificationPlan:
    """A classifier on findings.

    Args:
        window_hu, shift: clipped to the window, scaled to [0, 1], shift added (the paper's values).
        shape: centre crop in voxels along (z, y, x).
        network: ``ct-scroll``, or its plain rival ``inflated-cnn`` (which reads ``widths``, ``max_pool``, ``hidden``
            and ``classifier_dropout`` alone).
        slices_per_token … recompute: see ``CTScrollConfig``.
        batch_size: scans per step of the backward pass, of which ``accumulate`` make a step of the optimiser.
        devices: processes (one per GPU) that share each batch; batch_size must be a multiple. On GPUs batch norm
            is synchronised over them; on processors each has its own statistics.
        ema: memory of the weights' moving average as a share of the steps; 0 keeps the last weights.
        positive_weight_cap: positives of a rare finding weigh negatives / positives (of patients, not of scans), at
            most this; 1 = off.
        start: file of starting weights, relative to the workspace; ``None`` starts at random.
        imagenet: instead, an ImageNet ResNet-18 file for the backbone alone.
        pretraining: of the backbone of ``ct-scroll``, on scans with and without findings, from where ``start`` or
            ``imagenet`` leaves it.
    """

    seed: int = 0
    window_hu: tuple[float, float] = (-1000.0, 200.0)
    shift: float = -0.449
    shape: tuple[int, int, int] = (48, 64, 64)
    network: Literal["ct-scroll", "inflated-cnn"] = "ct-scroll"
    slices_per_token: int = 3
    widths: tuple[int, ...] = (16, 32, 64, 128)
    max_pool: bool = True
    embedding: int = 128
    heads: int = 8
    window: int = 5
    hidden: int = 128
    depth: int = 1
    attention: tuple[Literal["global", "below", "above"], ...] = ("global", "below", "above")
    token_dropout: float = 0.1
    attention_dropout: float = 0.1
    classifier_dropout: float = 0.2
    tokens_at_once: int = 0
    frozen_statistics: bool = False
    recompute: bool = False
    batch_size: int = 8
    accumulate: int = 1
    devices: int = 1
    epochs: int = 20
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    ema: float = 0.0
    positive_weight_cap: float = 1.0
    start: str | None = None
    imagenet: str | None = None
    pretraining: BackbonePretraining = BackbonePretraining()
    weights: LabelWeights = LabelWeights()
    augmentation: Augmentation = Augmentation(
        scale=0.08,
        rotation_degrees=4.0,
        shift_share=0.04,
        mirror=0.5,
        contrast=0.05,
        brightness=0.02,
        noise=0.03,
    )
    precision: Precision = "auto"
    workers: int = 0

    def __post_init__(self) -> None:
        if self.start and self.imagenet:
            raise _out_of_range("start or imagenet", "both")
        if self.pretraining.epochs and self.network != "ct-scroll":
            raise _out_of_range("network: ct-scroll, whose backbone can be pretrained", self.network)
        if self.pretraining.epochs and self.pretraining.batch_size % self.devices:
            raise _out_of_range("a batch_size of pretraining that the devices share", self.pretraining)
        if min(self.batch_size, self.accumulate, self.devices, self.epochs) < 1 or not 0.0 <= self.ema < 1.0:
            raise _out_of_range(
                "batch_size, accumulate, devices, epochs >= 1 and ema in [0, 1)",
                f"{self.batch_size}, {self.accumulate}, {self.devices}, {self.epochs}, {self.ema:g}",
            )

    @property
    def used_precision(self) -> Precision:
        """See ``careful_precision``."""
        return careful_precision(self.precision, self.widths)


def careful_precision(wanted: Precision, widths: tuple[int, ...], deepest: int = 3) -> Precision:
    """float32 instead of ``auto`` for networks that torch 2.13's kernels for processors do not train soundly.

    In bfloat16 the weight gradients of convolutions on grids of 2³ voxels are NaN (measured with AVX-512), and
    kernels for numbers of channels that are no multiple of 8 write beyond their memory (measured in 2D). No
    network worth training is so small; those of tests are.
    """
    small = deepest < 3 or any(width % 8 for width in widths)
    return "float32" if small and wanted == "auto" else wanted


def _out_of_range(expected: str, got: object) -> ParameterError:
    return ParameterError(expected=expected, got=str(got), hint="correcting the train section of params.yaml")
