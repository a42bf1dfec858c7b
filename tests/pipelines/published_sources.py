"""CT-RATE and Rad-ChestCT in small: their folders, file names and tables, with tiny volumes."""

from pathlib import Path

import nibabel
import numpy as np

CT_RATE_LABELS = (
    "Medical material", "Arterial wall calcification", "Cardiomegaly", "Pericardial effusion",
    "Coronary artery wall calcification", "Hiatal hernia", "Lymphadenopathy", "Emphysema", "Atelectasis",
    "Lung nodule", "Lung opacity", "Pulmonary fibrotic sequela", "Pleural effusion", "Mosaic attenuation pattern",
    "Peribronchial thickening", "Consolidation", "Bronchiectasis", "Interlobular septal thickening",
)  # fmt: skip
SLOPE, INTERCEPT = 2.0, -8192.0
SPACING = {"z": 1.5, "y": 0.7, "x": 0.8}
WRONG_HEADER = np.diag([-9.0, -9.0, 9.0, 1.0])  # LPS, with steps of 9 mm
RAD_ABNORMALITIES = ("cardiomegaly", "emphysema", "nodule", "nodulegr1cm", "clip", "calcification")
RAD_PLACES = ("heart", "lung", "left_upper")


def hounsfield(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    """``(z, y, x)`` even HU in [-1000, 1000]."""
    return 2 * np.random.default_rng(seed).integers(-500, 501, shape).astype(np.int16)


def write_ct_rate(folder: Path, name: str, seed: int, shape=(9, 8, 7), *, corrected=False) -> np.ndarray:
    """A volume where the data set puts it; raw as in the first release, or corrected as in the second."""
    split, patient, scan, _ = name.split("_")
    place = (
        folder
        / f"{split}{'_fixed' if corrected else ''}"
        / f"{split}_{patient}"
        / f"{split}_{patient}_{scan}"
    )
    place.mkdir(parents=True, exist_ok=True)
    voxels = hounsfield(seed, shape)
    stored = (
        voxels if corrected else ((voxels.astype(np.int32) - int(INTERCEPT)) // int(SLOPE)).astype(np.int16)
    )
    right = np.diag([-SPACING["x"], -SPACING["y"], SPACING["z"], 1.0])
    nibabel.Nifti1Image(stored.T, right if corrected else WRONG_HEADER).to_filename(place / f"{name}.nii.gz")
    return voxels


def ct_rate_tables(folder: Path, names, *, findings=None) -> tuple[Path, Path]:
    """Labels and metadata; every scan has an emphysema and no nodule unless ``findings`` says otherwise."""
    labels, metadata = folder / "valid_predicted_labels.csv", folder / "validation_metadata.csv"
    said = {name: {"Emphysema": "1", **((findings or {}).get(name, {}))} for name in names}
    labels.write_text(
        ",".join(("VolumeName", *CT_RATE_LABELS))
        + "\n"
        + "".join(
            ",".join((f"{name}.nii.gz", *(of.get(label, "0") for label in CT_RATE_LABELS))) + "\n"
            for name, of in said.items()
        )
    )
    metadata.write_text(
        "VolumeName,Manufacturer,SeriesDescription,ManufacturerModelName,PatientSex,PatientAge,ConvolutionKernel,"
        "XYSpacing,RescaleIntercept,RescaleSlope,ZSpacing,StudyDate\n"
        + "".join(
            f"{name}.nii.gz,Siemens,Thorax,Force,F,034Y,\"['Br40f', '{3}']\",\"[{SPACING['y']}, {SPACING['x']}]\","
            f"{INTERCEPT:g},{SLOPE:g},{SPACING['z']},20210228\n"
            for name in names
        )
    )
    return labels, metadata


def write_rad_chestct(folder: Path, name: str, seed: int, shape=(9, 8, 7)) -> np.ndarray:
    """As its makers saved it: compressed, and in column order since they had transposed it."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = hounsfield(seed, shape)
    np.savez_compressed(folder / f"{name}.npz", ct=np.asfortranarray(voxels))
    return voxels


def rad_chestct_labels(folder: Path, present) -> Path:
    """The published form, a column per abnormality and place; ``present``: name → its columns with a 1."""
    labels = folder / "imgtest_Abnormality_and_Location_Labels.csv"
    columns = [f"{what}*{where}" for what in RAD_ABNORMALITIES for where in RAD_PLACES]
    labels.write_text(
        ",".join(("NoteAcc_DEID", *columns))
        + "\n"
        + "".join(
            ",".join((name, *("1.0" if column in of else "0.0" for column in columns))) + "\n"
            for name, of in present.items()
        )
    )
    return labels
