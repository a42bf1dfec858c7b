"""The networks that can classify a chest CT, by the sizes that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.inflated_cnn import InflatedCNN, InflatedConfig

ClassifierConfig = CTScrollConfig | InflatedConfig
Classifier = CTScroll | InflatedCNN


def config_of(architecture: Mapping[str, Any]) -> ClassifierConfig:
    """The sizes that model.json names; ``TypeError`` or ``ParameterError`` for what no network has."""
    if architecture.get("kind") == "inflated-cnn":
        return InflatedConfig(**architecture)
    return CTScrollConfig(**architecture)


def build_classifier(config: ClassifierConfig) -> Classifier:
    """An untrained network."""
    return InflatedCNN(config) if isinstance(config, InflatedConfig) else CTScroll(config)
