"""On-line feature dictionary of I-Net (section 3.2): a first-in-first-out store of embeddings and their pids."""

import torch
from torch import Tensor, nn

from inet_d2.data.pids import UNLABELLED


class FeatureDictionary(nn.Module):
    """Fixed-size ring of (embedding, pid) entries; everything is a buffer and thus part of a checkpoint.

    Args:
        size: number of entries it can hold (paper: 5120).
        embed_dim: D.

    Raises:
        ValueError: ``size`` or ``embed_dim`` is not positive.
    """

    embeddings: Tensor
    pids: Tensor
    pointer: Tensor
    fill: Tensor

    def __init__(self, *, size: int, embed_dim: int) -> None:
        super().__init__()
        if size <= 0 or embed_dim <= 0:
            raise ValueError(f"FeatureDictionary: size and embed_dim must be positive, found {size} and {embed_dim}.")
        self.register_buffer("embeddings", torch.zeros(size, embed_dim))
        self.register_buffer("pids", torch.full((size,), UNLABELLED, dtype=torch.int64))
        # Where the next entry goes, and how many entries are in use.
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fill", torch.zeros((), dtype=torch.int64))
        # What is known of it without asking the device: of which buffer in which state, and the number in it.
        self._known: tuple[Tensor | None, int, int] = (None, 0, 0)

    @property
    def size(self) -> int:
        """Number of entries it can hold."""
        return len(self.pids)

    def __len__(self) -> int:
        buffer, version, number = self._known
        if buffer is not self.fill or version != self.fill._version:
            # Somebody else has changed it: a checkpoint was loaded, or the dictionary moved to another device.
            number = int(self.fill)
            self._known = self.fill, self.fill._version, number
        return number

    def contents(self) -> tuple[Tensor, Tensor]:
        """Entries in use, in storage order: views of (K, D) float and (K,) int64, K being ``len(self)``."""
        return self.embeddings[: len(self)], self.pids[: len(self)]

    @torch.no_grad()
    def update(self, embeddings: Tensor, pids: Tensor) -> None:
        """Store new entries over the oldest ones.

        Args:
            embeddings: (n, D) float; gradients are not followed.
            pids: (n,) int64. Of more than ``size`` rows only the last ``size`` are kept.
        """
        embeddings, pids = embeddings[-self.size :], pids[-self.size :]
        rows = (self.pointer + torch.arange(len(pids), device=self.pids.device)) % self.size
        self.embeddings[rows] = embeddings.to(self.embeddings.dtype)
        self.pids[rows] = pids
        self.pointer.copy_((self.pointer + len(pids)) % self.size)
        number = min(len(self) + len(pids), self.size)
        self.fill.fill_(number)
        self._known = self.fill, self.fill._version, number
