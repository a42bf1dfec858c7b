"""Small CT series written with pydicom, with the flaws that real ones have."""

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

JPEG2000 = JPEG2000Lossless


def write_slice(path, *, z, pixels, series, study="1.2.3.4", sop=None, codec=None, **changes):
    """One CT slice at ``z`` mm; ``changes`` set or (``None``) delete attributes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = sop or generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.PatientID, ds.PatientName, ds.PatientBirthDate = "MRN-4711", "Doe^Jane", "19500102"
    ds.Modality, ds.ImageType, ds.SeriesDescription = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], "Thorax"
    ds.AcquisitionDate, ds.Manufacturer, ds.ManufacturerModelName = "20240315", "ACME", "Ring 1"
    ds.ConvolutionKernel, ds.KVP, ds.SliceThickness, ds.GantryDetectorTilt = "B30", 120, 2.0, 0
    ds.InstitutionName = "General Hospital"
    ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.8, 0.7]
    ds.ImagePositionPatient = [-10.0, -20.0, float(z)]
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = 2, -1024
    ds.PixelData = pixels.astype("<u2").tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    if codec is not None:
        ds.compress(codec, generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)


def write_series(folder, *, zs=None, seed=0, size=(12, 14), series=None, prefix="s", codec=None, **changes):
    """Slices at ``zs``; a callable in ``changes`` gets the slice number. Returns stored pixels (n, y, x)."""
    zs = np.arange(10) * 2.0 if zs is None else zs
    stored = np.random.default_rng(seed).integers(0, 1500, (len(zs), *size)).astype(np.uint16)
    series = series or generate_uid()
    order = np.random.default_rng(seed + 1).permutation(len(zs))  # files come in any order
    for number, index in enumerate(order):
        now = {k: v(int(index)) if callable(v) else v for k, v in changes.items()}
        name = folder / f"{prefix}{number:03d}.dcm"
        write_slice(name, z=zs[index], pixels=stored[index], series=series, codec=codec, **now)
    return stored


def hounsfield(stored):
    """What the stored pixels mean: slope 2, intercept -1024."""
    return stored.astype(int) * 2 - 1024
