"""The Lightning module: weighted objectives, an optimiser and a schedule around a built model. Nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from eqae.data.datamodule import Batch
from eqae.models.base import Autoencoder, Reconstruction
from eqae.processes import Share
from eqae.seeding import generator
from eqae.training.augment import Augment
from eqae.training.weight import Weight

SHORTEST_CYCLE = 10
"""Steps; torch's one-cycle schedule divides by zero where its rise has no length, so fewer steps only fall."""

Objective = Callable[[Reconstruction, Tensor], Tensor]


@dataclass(frozen=True)
class Optimization:
    """AdamW and its schedule; rates as in :class:`eqae.config.Training`."""

    learning_rate: float
    weight_decay: float
    schedule: Literal["one_cycle", "cosine", "constant"]


class AutoencoderModule(pl.LightningModule):
    """Trains ``model`` on a weighted sum of objectives.

    A weight that moves is logged beside the losses; the validation loss has the weights of the moment too, so that its
    curve bends where they do.

    Args:
        model: a built autoencoder.
        objectives: weight and function by name; each function maps a reconstruction and its target to a scalar.
        augment: what happens to a training batch before it is encoded.
        optimization: AdamW's settings.
        seed: with epoch and batch it fixes every draw, so that a position in training restores them all.
        compiled: run the forward pass through ``torch.compile``.

    Attributes:
        losses: what the last batch gave, by the names it is logged under.
    """

    def __init__(
        self,
        model: Autoencoder,
        objectives: Mapping[str, tuple[Weight, Objective]],
        augment: Augment,
        optimization: Optimization,
        *,
        seed: int,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.objectives = dict(objectives)
        self.augment = augment
        self.optimization = optimization
        self.seed = seed
        self.losses: dict[str, Tensor] = {}
        # In a tuple, so that the compiled twin is not registered as a second copy of the weights.
        self._forward_pass = (torch.compile(model, fullgraph=True) if compiled else model,)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch of images ``(B, C, H, W)``, or of this process's share of it."""
        # The 0 stands where a process's number once was: without it older runs could not be repeated.
        draws = generator(self.seed, "augment", self.current_epoch, batch_idx, 0)
        inputs, target = self.augment(batch.images, draws, batch.share)
        return self._loss("train", inputs, target, batch.share, self.trainer.world_size)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of held-out images as they are, all of them in every process."""
        self._loss("validation", batch.images, batch.images, batch.share)

    def configure_optimizers(self) -> Any:
        """AdamW with decay on filters only, and the chosen schedule over all steps."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.optimization.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.optimization.learning_rate)
        scheduler = self._scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _scheduler(self, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        match self.optimization.schedule:
            case "one_cycle" if steps >= SHORTEST_CYCLE:
                peak = self.optimization.learning_rate
                return torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=0.2)
            case "one_cycle" | "cosine":
                return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            case "constant":
                return None

    def _loss(self, stage: str, inputs: Tensor, target: Tensor, share: Share, processes: int = 1) -> Tensor:
        output: Reconstruction = self._forward_pass[0](inputs)
        # Losses are taken in float32 whatever the precision of the layers.
        output = Reconstruction._make(None if part is None else part.float() for part in output)
        target = self.model.views(target)
        # Gradients and figures are averaged over processes, whose shares may differ by an image.
        counts = share.weight(processes)
        terms = {name: counts * function(output, target) for name, (_, function) in self.objectives.items()}
        weights = self._weights()
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        logged = {f"{stage}/{name}": term.detach() for name, term in terms.items()} | {f"{stage}/loss": loss.detach()}
        moving = [name for name, (weight, _) in self.objectives.items() if not weight.is_constant]
        logged |= {f"{stage}/{name}_weight": torch.tensor(weights[name]) for name in moving}
        self.losses = logged
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=share.total, sync_dist=True)
        return loss

    def _weights(self) -> dict[str, float]:
        """What each objective counts now."""
        progress = self.trainer.global_step / self.trainer.estimated_stepping_batches
        return {name: weight.at(progress) for name, (weight, _) in self.objectives.items()}
