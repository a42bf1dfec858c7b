"""Section ``pseudo_label`` of params.yaml."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from components.errors import ParameterError
from components.models.rule_teacher import Rule
from components.models.view_consensus import Views
from components.scorecard.phase_jumps import JumpBound
from components.scorecard.plausibility import Plausibility
from components.volume.turned import AS_STATED, Turned

TeacherKind = Literal["bundle", "command", "registry", "rule", "none"]


@dataclass(frozen=True, kw_only=True)
class PseudoLabelParams:
    """Section ``pseudo_label`` of params.yaml, one per task.

    Args:
        teacher: ``bundle`` = a MONAI bundle, ``command`` = an external program, ``registry`` = a registered
            model, ``rule`` = thresholds and connected components, ``none``.
        bundle: the bundle's folder or zip, relative to the workspace if it is in git there, else its full
            path: retraining runs in a clone.
        trusted_sha256: hash of the bundle whose code may run (`ctloop doctor` shows it).
        command: program and arguments with ``{input}`` and ``{output}``.
        command_output: ``file`` = one label map, ``folder`` = one mask per label.
        command_timeout_s: per frame.
        version_command: prints the program's version, which becomes part of the fingerprint; without it
            the program's file counts.
        model: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, ``NAME@ALIAS`` or ``runs:/RUN_ID/model``.
        resolved_version, resolved_sha256: what ``model`` stood for, or of what version ``command`` was, when a
            verb of ctloop last looked (`pipelines.resolve_teacher`); DVC sees by these what has changed.
        rules: name → rule, for ``rule``.
        labels: the teacher's label name or value → structure (or ``background``; ``"*"`` = every other).
        label_test: also label the frames of test patients, which no training reads.
        threads: CPU threads of torch in this process; 0 leaves torch's choice.
        parallel: frames at a time. A bundle and a registered model share one process and one network, which
            uses several cores by itself (``threads``): they stay at one.
        memory_mb: bound on the memory of all frames at a time; 0 = four fifths of what is free.
        plausibility: what a label map must be like; one that is not is kept apart and not trained on.
        views: further views of each frame that the teacher is shown (turned, zoomed, brightened); those that
            agree best vote, and voxels on which they disagree are unknown (255). Null for none: a view costs as
            much as a frame.
        orientations: where a label map is empty or implausible, the frame is shown again as if its axes,
            which state L, P, S, were these; empty for no search.
        turn_margin: by how much the score must rise for another orientation to be believed.
        jumps: between neighbouring frames, above which an expert is asked.
        jump_cases: at most so many cases are asked about at a time.
    """

    teacher: TeacherKind
    bundle: str = "pipelines/teacher/human_heart_ct"
    trusted_sha256: str = ""
    command: tuple[str, ...] = ()
    command_output: Literal["file", "folder"] = "file"
    command_timeout_s: float = 600.0
    version_command: tuple[str, ...] = ()
    model: str = ""
    resolved_version: int = 0
    resolved_sha256: str = ""
    rules: dict[str, Rule] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    label_test: bool = False
    threads: int = 0
    parallel: int = 1
    memory_mb: float = 0.0
    plausibility: Plausibility = field(default_factory=Plausibility)
    views: Views | None = None
    orientations: tuple[str, ...] = ()
    turn_margin: float = 0.02
    jumps: JumpBound = field(default_factory=JumpBound)
    jump_cases: int = 8

    def __post_init__(self) -> None:
        if self.parallel < 1 or self.memory_mb < 0 or self.turn_margin < 0 or self.jump_cases < 0:
            raise ParameterError(
                expected="parallel >= 1, memory_mb >= 0, turn_margin >= 0, jump_cases >= 0",
                got=f"{self.parallel}, {self.memory_mb:g}, {self.turn_margin:g}, {self.jump_cases}",
                hint="the shipped section `pseudo_label` of params.yaml",
            )
        codes = [Turned(code).code for code in self.orientations]
        if len(set(codes)) != len(codes) or AS_STATED in codes:
            raise ParameterError(
                expected=f"orientations that differ from each other and from {AS_STATED}",
                got=", ".join(codes),
                hint="orientations: [RAS, LAI, RPI]",
            )


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a label map is judged by, and where else to look when it fails."""

    plausibility: Plausibility
    orientations: tuple[str, ...] = ()
    margin: float = 0.02

    @property
    def key(self) -> str:
        """sha256 of the demands: labels judged by others are judged again."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
