"""Settings of a training, as the section ``train`` of params.yaml holds them."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

from cbir.encoders.devices import Precision
from cbir.training.rules.method import require_batches, require_restarts
from cbir.training.views import Augmentation

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; the names are those of the section ``train`` of params.yaml, where their values stand.

    Raises:
        UserError: two values that do not go together.
    """

    captions: Literal["english", "original"]
    tune: Literal["full", "last_blocks", "heads", "lora"]
    image_blocks: Whole
    text_blocks: Whole
    head_width: Count
    head_dropout: Share
    lora_rank: Count
    lora_alpha: Count
    lora_dropout: Share
    contrast: Literal["clip", "siglip"]
    augmentation: Augmentation
    clean_views: Share
    class_balance: Literal["none", "loss", "batches"]
    projection: Whole
    temperature: Positive
    koleo: NotNegative
    freeze_batch_norm: bool
    keep: Literal["loss", "retrieval"]
    epochs: Count
    patience: Count
    batch_size: Annotated[int, Ge(2)]
    optimizer: Literal["adamw", "adam"]
    schedule: Literal["cosine", "plateau", "constant"]
    restarts: list[int]
    learning_rate: Positive
    head_learning_rate: Positive
    weight_decay: NotNegative
    clip_norm: NotNegative
    precision: Precision
    workers: Whole
    devices: Count
    nodes: Count
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"]
    seed: Whole

    @property
    def ranks(self) -> int:
        """Processes that train together; each takes its part of every batch."""
        return self.devices * self.nodes

    def lasting(self) -> dict[str, Any]:
        """Returns the values that leave a trace in the result, the number of ranks too if there are several."""
        apart = ("workers", "devices", "nodes", "strategy")
        values = {name: value for name, value in asdict(self).items() if name not in apart}
        return values | ({"ranks": self.ranks} if self.ranks > 1 else {})

    def __post_init__(self) -> None:
        require_batches(self.batch_size, ranks=self.ranks)
        require_restarts(self.restarts, epochs=self.epochs)
