"""The Lightning module: weighted objectives, an optimiser and a schedule around a built model. Nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from eqae.data.datamodule import Batch
from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.objectives.base import Objective
from eqae.objectives.step import Need, Step
from eqae.seeding import generator
from eqae.training.augment import Augment
from eqae.training.weight import Weight

SHORTEST_CYCLE = 10
"""Steps; torch's one-cycle schedule divides by zero where its rise has no length, so fewer steps only fall."""


@dataclass(frozen=True)
class Optimization:
    """AdamW and its schedule; rates as in :class:`eqae.config.Training`."""

    learning_rate: float
    weight_decay: float
    schedule: Literal["one_cycle", "cosine", "constant"]


@dataclass(frozen=True)
class Weighted:
    """An objective, and what it counts."""

    objective: Objective
    weight: Weight


class AutoencoderModule(pl.LightningModule):
    """Trains ``model`` on a weighted sum of objectives.

    A weight that moves is logged beside the losses; the validation loss has the weights of the moment too, so that its
    curve bends where they do.

    Args:
        model: a built autoencoder.
        head: gives the features that objectives may look at; it learns nothing of its own here.
        objectives: by name.
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
        head: Head,
        objectives: Mapping[str, Weighted],
        augment: Augment,
        optimization: Optimization,
        *,
        seed: int,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.objectives = nn.ModuleDict({name: weighted.objective for name, weighted in objectives.items()})
        self.weights = {name: weighted.weight for name, weighted in objectives.items()}
        self.augment = augment
        self.optimization = optimization
        self.seed = seed
        self.losses: dict[str, Tensor] = {}
        self.needs = frozenset[Need]().union(*(weighted.objective.needs for weighted in objectives.values()))
        self.views = max(weighted.objective.views for weighted in objectives.values())
        # In tuples, so that neither the compiled twin nor what a head shares with the model is registered twice.
        forward = model if "decoder" in self.needs else model.encode
        self._forward_pass = (torch.compile(forward, fullgraph=True) if compiled else forward,)
        self._head = (head,)

    def on_fit_start(self) -> None:
        """Bring the head to where the weights are."""
        self._head[0].to(next(self.model.parameters()))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch of images ``(B, C, H, W)``, or of this process's share of it."""
        # The 0 stands where a process's number once was: without it older runs could not be repeated.
        draws = generator(self.seed, "augment", self.current_epoch, batch_idx, 0)
        inputs, images = self._views(batch, draws)
        return self._loss("train", inputs, images, batch, self.trainer.world_size)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of held-out images, all of them in every process: as they are, or in the same views every time."""
        inputs = images = batch.images
        if self.views > 1:
            draws = generator(self.seed, "validation views", batch_idx)
            inputs, images = self._views(batch, draws)
        self._loss("validation", inputs, images, batch)

    def configure_optimizers(self) -> Any:
        """AdamW with decay on filters only, and the chosen schedule over all steps."""
        parameters = [p for p in self.parameters() if p.requires_grad]
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

    def _views(self, batch: Batch, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and images of a batch, at full precision: with half of it pixels miss their places by up to 0.07."""
        with torch.autocast(batch.images.device.type, enabled=False):
            return self.augment.views(batch.images, draws, batch.share, self.views)

    def _loss(self, stage: str, inputs: Tensor, images: Tensor, batch: Batch, processes: int = 1) -> Tensor:
        share = batch.share
        # Gradients and figures are averaged over processes, whose shares may differ by an image.
        counts = share.weight(processes)
        given = self._forward_pass[0](inputs)
        # Heads, classifier and losses have full precision whatever that of the layers.
        with torch.autocast(inputs.device.type, enabled=False):
            step = Step.of(
                given, images, batch.labels, self.needs, model=self.model, head=self._head[0], views=self.views
            )
            terms = {name: counts * _term(objective, step) for name, objective in self.objectives.items()}
        weights = self._weights()
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        logged = {f"{stage}/{name}": term.detach() for name, term in terms.items()} | {f"{stage}/loss": loss.detach()}
        moving = [name for name, weight in self.weights.items() if not weight.is_constant]
        logged |= {f"{stage}/{name}_weight": torch.tensor(weights[name]) for name in moving}
        self.losses = logged
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=share.total, sync_dist=True)
        return loss

    def _weights(self) -> dict[str, float]:
        """What each objective counts now."""
        progress = self.trainer.global_step / self.trainer.estimated_stepping_batches
        return {name: weight.at(progress) for name, weight in self.weights.items()}


def _term(objective: nn.Module, step: Step) -> Tensor:
    """The loss of one objective."""
    assert isinstance(objective, Objective)
    loss: Tensor = objective(step.seen_by(objective.needs, objective.views))
    return loss
