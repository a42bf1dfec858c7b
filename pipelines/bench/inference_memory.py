"""Peak memory of one contender in a process of its own: ``python -m pipelines.bench.inference_memory FOLDER …``.

Prints how many MiB the process's resident memory rose at its peak above what it was with network and scan loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from pipelines.offline import switch_off_telemetry

_TICK_S = 0.005


def peak_rise_mib(folder: Path, contender: str, precision: str, *, channels_last: bool, batch: int) -> float:
    """Of ``ours`` or ``monai`` on the package and ``scan.npy`` in ``folder``, run in a process of its own."""
    command = [
        sys.executable, "-m", "pipelines.bench.inference_memory",
        str(folder), contender, precision, str(int(channels_last)), str(batch),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


class Peak(threading.Thread):
    """Samples resident memory until it is stopped; the allocators of torch and OpenVINO are both seen."""

    def __init__(self) -> None:
        import psutil

        super().__init__(daemon=True)
        self.process = psutil.Process()
        self.before = self.highest = int(self.process.memory_info().rss)
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            self.highest = max(self.highest, int(self.process.memory_info().rss))
            time.sleep(_TICK_S)

    def rise_mib(self) -> float:
        """Stop; by how much it rose at its highest above what it was when this was made."""
        self.done.set()
        self.join()
        return (self.highest - self.before) / 2**20


def _main(folder: Path, contender: str, precision: str, channels_last: bool, batch: int) -> float:
    import numpy as np

    from components.models.package import load_network
    from components.volume.geometry import Geometry
    from components.volume.volume import Volume
    from pipelines.bench.inference_contenders import PRECISIONS, MonaiSettings, monai_masks, our_masks
    from pipelines.bench.inference_network import Trained

    network, description = load_network(folder)
    trained = Trained(network=network, description=description, seconds=0.0)
    voxels = np.load(folder / "scan.npy")
    scan = Volume(
        voxels_hu=voxels, geometry=Geometry.axis_aligned(voxels.shape, description.input.spacing_mm)
    )
    number = next(p for p in PRECISIONS if p == precision)
    peak = Peak()
    peak.start()
    if contender == "monai":
        monai_masks(trained, number, MonaiSettings(channels_last=channels_last, batch=batch))(scan)
    else:
        our_masks(trained, number)(scan)
    return peak.rise_mib()


if __name__ == "__main__":
    switch_off_telemetry()
    rise = _main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "1", int(sys.argv[5]))
    print(json.dumps(rise))
