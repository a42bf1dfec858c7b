"""Does the hardware compute in bfloat16?"""

from __future__ import annotations

import torch


def native_bfloat16(device: torch.device) -> bool:
    """Of that device; emulating bfloat16 is far slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
