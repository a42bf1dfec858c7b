"""Folders of tiny scans and workspaces of their own, for the stages that bring data in."""

from pathlib import Path

import nibabel
import numpy as np

from components.adapters.parquet import read_parquet
from components.cohort.pseudonym import pseudonym
from components.cohort.task import TASKS
from pipelines.pseudonym_key import pseudonym_key
from pipelines.workspace import Workspace

PARAMS = """
ingest: {min_slices: 5}
prepare:
  segmentation: {spacing_mm: [4.0, 4.0, 4.0], min_voxels: 4}
  classification: {spacing_mm: [3.0, 3.0, 3.0], min_voxels: 4}
labels: {structures: [left_ventricle, aorta], findings: [emphysema, lung_nodule]}
split: {audit_share: 0.2, seed: 0}
"""
AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])


def a_workspace(root: Path) -> Workspace:
    """Without git and DVC: the answers have their data version already."""
    (root / "pipelines").mkdir(parents=True)
    (root / "pipelines" / "params.yaml").write_text(PARAMS)
    workspace = Workspace(root=root, state=root / ".ctloop")
    have_answers(workspace)
    return workspace


def have_answers(workspace: Workspace) -> None:
    for folder in map(workspace.answers, TASKS):
        folder.parent.mkdir(parents=True)
        folder.with_name("answers.dvc").touch()


def write_ct(path: Path, seed: int, shape=(12, 13, 14)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)
    nibabel.Nifti1Image(voxels, AFFINE).to_filename(path)
    return voxels


def write_labels(path: Path, shape=(12, 13, 14)) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[2:8, 2:8, 2:8], labels[8:11, 2:8, 2:8], labels[:2] = 1, 2, 7
    nibabel.Nifti1Image(labels, AFFINE).to_filename(path)
    return labels


def a_source(root: Path) -> Path:
    """Two batches: a cine with labels, a plain CT with findings, something odd, and a file in no row."""
    for index in range(3):
        write_ct(root / "cine" / f"f{index}.nii.gz", index)
        write_labels(root / "cine" / f"l{index}.nii.gz")
    for index in range(4):
        write_ct(root / "chest" / f"c{index}.nii.gz", 10 + index)
    write_ct(root / "Doe_Jane.nii.gz", 20)
    (root / "odd.nii.gz").write_bytes(b"broken")
    (root / "readme.txt").write_text("hello")
    (root / "cases.csv").write_text(
        "path,patient,task,batch,case,phase,labels,label_values,site,lung_nodule\n"
        + "".join(
            f"cine/f{i}.nii.gz,heart-1,segmentation,one,Roe-cine,{i * 30},cine/l{i}.nii.gz,1=left_ventricle;2=aorta,,\n"
            for i in range(3)
        )
        + "chest/c0.nii.gz,MRN-1,classification,one,,,,,north,1\n"
        + "chest/c1.nii.gz,MRN-1,classification,one,,,,,north,\n"
        + "chest/c2.nii.gz,MRN-2,classification;segmentation,two,,,,,south,0\n"
        + "chest/c3.nii.gz,MRN-3,none,two,,,,,,\n"
        + "odd.nii.gz,MRN-4,classification,two,,,,,,\n"
    )
    return root


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def case_of_scan(workspace: Workspace, task: str, scan: str) -> str:
    """The case of the ingested frame that came from ``scan``, a BATCH/PATH."""
    frames = read_parquet(workspace.ingested(task) / "frames.parquet").set_index("source")
    return str(frames.loc[pseudonym(pseudonym_key(workspace), "source", scan), "case_id"])
