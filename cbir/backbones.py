"""Networks of timm and torchvision without their classifiers, from scratch or from weights."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from cbir.errors import UserError

HEADS = ("fc", "classifier", "heads", "head")  # what torchvision calls its classifiers
AUXILIARY = ("aux1", "aux2", "AuxLogits")  # second classifiers, used in training only


class TimmBackbone(nn.Module):
    """A timm model: its feature map for pooling, or what it pools itself."""

    def __init__(self, name: str, options: Mapping[str, Any], *, native: bool, pretrained: bool = False) -> None:
        import timm

        super().__init__()
        if not timm.is_model(name):
            raise _unknown(f"timm/{name}", [f"timm/{known}" for known in timm.list_models()])
        model: Any = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
        self.model = model
        self.native = native
        configuration = model.pretrained_cfg
        self.mean, self.std = tuple(configuration["mean"]), tuple(configuration["std"])
        classifier = configuration.get("classifier") or ()
        self.classifiers = (classifier,) if isinstance(classifier, str) else tuple(classifier)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) to features (B, d, h, w), or (B, d) when native."""
        features = self.model.forward_features(images)
        if self.native:
            return self.model.forward_head(features, pre_logits=True)
        return self._as_map(features)

    def _as_map(self, features: Tensor) -> Tensor:
        if features.ndim == 3:  # a transformer's tokens: (B, N, d), class and register tokens first
            patches = features[:, getattr(self.model, "num_prefix_tokens", 0) :]
            return patches.transpose(1, 2).unsqueeze(-1)
        channels_last = features.shape[1] != self.model.num_features and features.shape[-1] == self.model.num_features
        return features.permute(0, 3, 1, 2) if channels_last else features


class TorchvisionBackbone(nn.Module):
    """A torchvision model: its feature map for pooling, or what comes before its last linear layer."""

    def __init__(self, name: str, options: Mapping[str, Any], *, native: bool) -> None:
        from torchvision import models

        super().__init__()
        known = models.list_models(module=models)
        if name not in known:
            raise _unknown(f"torchvision/{name}", [f"torchvision/{one}" for one in known])
        self.model: Any = models.get_model(name, weights=None, **options)
        self.native = native
        self.mean, self.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's: all its weights use them
        self.classifiers = _remove_last_linear(self.model) if native else _remove_heads(self.model)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) to features (B, d, h, w), or (B, d) when native."""
        if self.native:
            return self.model(images)
        features = images
        for name, child in self.model.named_children():
            if name == "avgpool":
                break
            features = child(features)
        densenet = "norm5" in dict(getattr(self.model, "features", self.model).named_children())
        return functional.relu(features) if densenet else features  # a DenseNet's last one is not a module


def _remove_heads(model: nn.Module) -> tuple[str, ...]:
    removed = tuple(name for name, _ in model.named_children() if name in (*HEADS, *AUXILIARY))
    for name in removed:
        setattr(model, name, nn.Identity())
    return removed


def _remove_last_linear(model: nn.Module) -> tuple[str, ...]:
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.split(".")[0] in HEADS]
    if not linear:
        return ()
    model.set_submodule(linear[-1], nn.Identity())
    return (linear[-1],)


def build_backbone(
    backbone: str, options: Mapping[str, Any], *, native: bool, weights: str = "none"
) -> TimmBackbone | TorchvisionBackbone:
    """A backbone without its classifier.

    Args:
        backbone: ``timm/NAME`` or ``torchvision/NAME``.
        options: keyword arguments of the model's constructor.
        native: pool as the model itself does, instead of giving its feature map.
        weights: ``none`` (from scratch, with torch's global generator), ``pretrained`` (the library's own, downloaded
            once) or the path of a .safetensors file.

    Raises:
        UserError: an unknown name or option, weights that cannot be had or are another architecture's.
    """
    library, _, name = backbone.partition("/")
    if library not in ("timm", "torchvision") or not name:
        raise UserError(f"backbone must be timm/NAME or torchvision/NAME, is {backbone!r}")
    download = weights == "pretrained"
    try:
        if library == "timm":
            return _with_weights(_timm(backbone, options, native=native, pretrained=download), backbone, weights)
        built = TorchvisionBackbone(name, options, native=native)
    except (TypeError, AssertionError, ValueError) as error:
        raise UserError(
            f"backbone {backbone} cannot be built with backbone_options {dict(options)}: {_line(error)}"
        ) from error
    return _with_weights(built, backbone, weights)


def _timm(backbone: str, options: Mapping[str, Any], *, native: bool, pretrained: bool) -> TimmBackbone:
    name = backbone.removeprefix("timm/")
    if not pretrained:
        return TimmBackbone(name, options, native=native)
    try:
        return TimmBackbone(name, options, native=native, pretrained=True)
    except (OSError, RuntimeError) as error:
        raise _no_download(backbone, error) from error


def _with_weights(built: Any, backbone: str, weights: str) -> Any:
    if isinstance(built, TorchvisionBackbone) and weights == "pretrained":
        _load(built, _download_torchvision(backbone), backbone, "the library's own")
    elif weights not in ("none", "pretrained"):
        _load(built, _read_safetensors(Path(weights)), backbone, weights)
    return built


def _download_torchvision(backbone: str) -> dict[str, Tensor]:
    from torchvision import models

    chosen = models.get_model_weights(backbone.removeprefix("torchvision/"))["DEFAULT"]
    try:
        return chosen.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise _no_download(backbone, error) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl"):
        raise UserError(f"weights {path} is a pickle, which can run any code when read; convert it to .safetensors")
    if path.suffix != ".safetensors":
        raise UserError(f"weights must be none, pretrained or a .safetensors file, is {str(path)!r}")
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"weights {path} does not exist; give the path of a .safetensors file") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"weights {path} is no readable .safetensors file: {_line(error)}") from error


def _load(built: TimmBackbone | TorchvisionBackbone, state: dict[str, Tensor], backbone: str, weights: str) -> None:
    wanted = built.model.state_dict()
    dropped = tuple(f"{name}." for name in built.classifiers)
    given = {name: value for name, value in state.items() if name in wanted or not name.startswith(dropped)}
    faults = [f"{name} is missing" for name in wanted if name not in given]
    faults += [f"{name} is unknown" for name in given if name not in wanted]
    faults += [
        f"{name} has shape {tuple(given[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise UserError(
            f"weights {weights} do not fit backbone {backbone}: {faults[0]}{more}; "
            "give those of the same architecture with the same backbone_options"
        )
    built.model.load_state_dict(given)


def _unknown(name: str, known: list[str]) -> UserError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return UserError(
        f"backbone {name} is unknown; " + (f"the nearest are {', '.join(near)}" if near else "see the library's list")
    )


def _no_download(backbone: str, error: Exception) -> UserError:
    return UserError(
        f"the pretrained weights of {backbone} could not be had ({_line(error)}); "
        "connect once, or set weights to a .safetensors file or to none"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
