"""Use case: ask the experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore


@dataclass(frozen=True, kw_only=True)
class AlreadyAsked:
    """A candidate that opened nothing, and the request that stands for its frame."""

    candidate: LabelingRequest
    standing: LabelingRequest

    @property
    def same_evidence(self) -> bool:
        """Whether it is the very same request, not another reason for the same frame."""
        return self.candidate.id == self.standing.id


class OpenedRequests(NamedTuple):
    """What ``open_requests`` did."""

    opened: tuple[LabelingRequest, ...]
    already: tuple[AlreadyAsked, ...]


def open_requests(store: RequestStore, candidates: Sequence[LabelingRequest]) -> OpenedRequests:
    """Open each candidate unless its frame is already asked for.

    The order of ``candidates`` is the order of preference: the first reason given for a frame is the one
    that the expert reads. The same candidates a second time open nothing.
    """
    opened, already = [], []
    for candidate in candidates:
        standing = store.open_request(candidate)
        if standing is None:
            opened.append(candidate)
        else:
            already.append(AlreadyAsked(candidate=candidate, standing=standing))
    return OpenedRequests(tuple(opened), tuple(already))
