import numpy as np
import torch
from torch.nn import functional

from components.models.findings_loss import findings_loss, positive_weights

NAN = float("nan")


def test_all_known_is_the_plain_mean() -> None:
    logits, truth = torch.randn(4, 3), torch.randint(0, 2, (4, 3)).float()
    expected = functional.binary_cross_entropy_with_logits(logits, truth)
    assert torch.isclose(findings_loss(logits, truth, torch.ones(4), torch.ones(3)), expected)


def test_unknown_findings_have_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 2, requires_grad=True)
    truth = torch.tensor([[1.0, NAN], [NAN, NAN]])
    loss = findings_loss(logits, truth, torch.ones(2), torch.ones(2))
    loss.backward()
    assert torch.isclose(loss, functional.softplus(-logits[0, 0]))
    assert logits.grad is not None
    assert logits.grad.flatten()[1:].abs().sum() == 0
    assert torch.isfinite(logits.grad).all()


def test_nothing_known_costs_nothing() -> None:
    assert findings_loss(torch.randn(1, 2), torch.full((1, 2), NAN), torch.ones(1), torch.ones(2)) == 0


def test_weights_of_positives_are_capped_and_ignore_unknowns() -> None:
    findings = np.array([[1, 1, 0, NAN], [0, 1, 0, 1], [0, NAN, 0, 0], [0, NAN, 0, 0]], dtype=np.float32)
    assert positive_weights(findings, "abcd", 2.5).tolist() == [2.5, 1.0, 1.0, 2.0]
    assert positive_weights(findings, "abcd", 0.0).tolist() == [1.0] * 4


def test_reconstructions_of_a_patient_weigh_as_one() -> None:
    """One of five patients has the finding, whoever of them was reconstructed five times."""
    once = np.array([[1], [0], [0], [0], [0]], dtype=np.float32)
    for many in (0, 1):
        repeats = np.where(np.arange(5) == many, 5, 1)
        findings, patients = once.repeat(repeats, axis=0), np.repeat(list("abcde"), repeats)
        assert positive_weights(findings, patients, 10.0).tolist() == [4.0]


def test_scans_of_one_patient_that_differ_share_its_weight() -> None:
    findings = np.array([[1], [0], [NAN], [NAN], [0]], dtype=np.float32)  # a: a quarter each way; b: without
    assert positive_weights(findings, "aaaab", 10.0).tolist() == [5.0]
