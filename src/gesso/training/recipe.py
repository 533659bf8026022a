"""The recipe: everything that decides a training run, as plain data."""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gesso.errors import RequestError
from gesso.request.parts import Part, PortablePath, Share, Size
from gesso.training.settings import TrainingSettings

__all__ = [
    "BucketRules",
    "CaptionRules",
    "NoiseRules",
    "ObjectiveRules",
    "PictureSet",
    "PreviewRules",
    "SubjectRules",
    "TimeRules",
    "Training",
    "ValidationRules",
    "read_recipe",
]


class PictureSet(Part):
    """Pictures that belong together: a folder or a .tar, or a folder of folders named like 10_name."""

    folder: PortablePath
    """Where they are."""
    role: Literal["train", "prior", "validation"] = "train"
    """prior: pictures of the class, which keep what the model knew (DreamBooth); validation: never learnt."""
    repeats: int = Field(default=1, ge=1)
    """How often each is shown in a round through all; multiplies the number in a folder's name."""
    weight: float = Field(default=1.0, gt=0.0)
    """Factor of their loss."""
    caption: str | None = None
    """Said of pictures that have no caption of their own; "" trains them without words."""
    metadata: bool = False
    """Read captions from the pictures themselves: the prompt that painted them."""
    flip: bool = False
    """Show them mirrored as well."""
    crops: int = Field(default=1, ge=1, le=64)
    """1 cuts around the middle; more cut at as many places by chance."""
    masks: PortablePath | None = None
    """Folder of masks by the pictures' names: white is learnt, black is not."""
    alpha: bool = False
    """The pictures' own transparency is the mask."""
    hints: PortablePath | None = None
    """Folder of what a ControlNet is shown, by the pictures' names."""


class CaptionRules(Part):
    """What becomes of captions."""

    ending: str | None = None
    """The ending of caption files, where .txt and .caption lie side by side."""
    dropout: Share = 0.0
    """Share of showings without words, for guidance."""
    tag_dropout: Share = 0.0
    """Chance of each tag to be left out."""
    shuffle: bool = False
    """Tags come in another order each time."""
    keep: int = Field(default=0, ge=0)
    """So many first tags are never moved or left out."""
    separator: str = Field(default=",", min_length=1)
    """What stands between tags."""
    prefix: str = ""
    """Put before every caption that is not empty."""
    suffix: str = ""
    """Put behind every caption that is not empty."""
    windows: int = Field(default=3, ge=1, le=16)
    """So many windows of 75 tokens are read; what is beyond is cut, and the audit says so."""


class BucketRules(Part):
    """Which sizes pictures are trained at."""

    enabled: bool = True
    """Pictures keep their shape, nearly; else all are cut to the one size."""
    step: int | None = Field(default=None, ge=8)
    """Sides are multiples of it; unless given, 64, or an eighth of a small model's size."""
    smallest: int | None = Field(default=None, ge=8)
    """Shortest side; unless given, half the size."""
    largest: int | None = Field(default=None, ge=8)
    """Longest side; unless given, twice the size."""
    enlarge: bool = False
    """Pictures with too few pixels are made larger."""

    def steps(self, size: tuple[int, int]) -> int:
        """What sides are multiples of."""
        return self.step or min(64, max(8, min(size) // 8))


class NoiseRules(Part):
    """Which noise is put on latents. All are off unless asked for."""

    offset: float = Field(default=0.0, ge=0.0, le=1.0)
    """A constant shift of each channel, as a share of the noise: learns very dark and very light."""
    pyramid: int = Field(default=0, ge=0, le=10)
    """So many coarser noises are added."""
    discount: float = Field(default=0.3, gt=0.0, lt=1.0)
    """How strong each coarser noise is, relative to the one before."""
    perturbation: float = Field(default=0.0, ge=0.0, le=1.0)
    """More noise in what the network sees than in what it is asked for."""
    zero_terminal_snr: bool = False
    """The last noise level is noise alone; the saved file says so."""


class TimeRules(Part):
    """Which times are trained how often."""

    first: int = Field(default=0, ge=0, le=999)
    """Least noisy time."""
    last: int = Field(default=999, ge=0, le=999)
    """Noisiest time."""
    density: Literal["uniform", "logit_normal", "cosine", "early", "late"] = "uniform"
    """Which times come more often: the middle, the middle broadly, the less noisy, the noisier."""
    mean: float = 0.0
    """Of logit_normal."""
    spread: float = Field(default=1.0, gt=0.0)
    """Standard deviation of logit_normal; power of early and late."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"times must run from first to last, however: {self.first} to {self.last}")
        return self


class ObjectiveRules(Part):
    """What the network is trained for."""

    prediction: Literal["epsilon", "v", "x0"] | None = None
    """What it names; unless given, what the file's network names."""
    loss: Literal["l2", "l1", "huber", "smooth_l1"] = "l2"
    """How a mistake is measured."""
    huber: float = Field(default=0.1, gt=0.0)
    """Mistakes above it count linearly (huber, smooth_l1)."""
    huber_schedule: Literal["constant", "exponential", "snr"] = "constant"
    """How that bound falls with noise."""
    weighting: Literal["none", "min_snr", "debiased", "p2", "like_epsilon"] = "none"
    """How much each time counts."""
    gamma: float = Field(default=5.0, gt=0.0)
    """The bound of min_snr; the power of p2."""
    latents: Literal["sample", "mean"] = "sample"
    """What the autoencoder says of a picture: a draw each time, as the published models were trained."""
    unmasked: Share = 0.0
    """Weight of what lies outside a mask."""
    prior: float = Field(default=1.0, ge=0.0)
    """Factor of the loss of prior pictures."""
    noise: NoiseRules = NoiseRules()
    times: TimeRules = TimeRules()


class SubjectRules(Part):
    """What is trained, and in which form it is kept."""

    kind: Literal["full", "lora", "loha", "lokr", "words", "control", "decoder", "autoencoder", "tiny"] = (
        "lora"
    )
    """Networks themselves, a file of changes to them, a new word, a ControlNet, the way from latents back to
    pixels, both ways, or a tiny network in the place of the way back."""
    text: bool = False
    """Train the text encoders as well as the UNet (full and lora kinds)."""
    unet: bool = True
    """Train the UNet (full and lora kinds)."""
    inpainting: bool = False
    """Make a model that paints of one that fills holes: more inputs, begun with zeros (full)."""
    fresh: bool = False
    """Forget the networks' weights and begin from chance (full, decoder, autoencoder)."""
    rank: int = Field(default=8, ge=1, le=1024)
    """Of changes to linear layers."""
    alpha: float | None = Field(default=None, gt=0.0)
    """Scale of changes is alpha / rank; unless given, alpha is the rank."""
    conv_rank: int | None = Field(default=None, ge=1, le=1024)
    """Of changes to convolutions; unless given, those stay as they are."""
    decompose: bool = False
    """Keep the size of each output's weights apart (DoRA)."""
    factor: int = Field(default=-1, ge=-1)
    """LoKr: the smaller of the two matrices has at most that many rows; -1: as square as can be."""
    width: int = Field(default=64, ge=8, le=256)
    """Channels of a tiny decoder."""
    word: str | None = None
    """The new word, as captions and prompts say it; unless given, the name of the file."""
    start: str = ""
    """Words whose meaning the new word starts from."""
    vectors: int = Field(default=1, ge=1, le=75)
    """How many tokens the new word takes; as many as `start` has, where that is given and more."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.kind in {"full", "lora", "loha", "lokr"} and not (self.text or self.unet):
            raise ValueError("something must be trained, however: neither text nor unet is")
        if self.inpainting and self.kind != "full":
            raise ValueError(f"inpainting must come with full, however: it came with {self.kind}")
        if self.fresh and not self.whole:
            raise ValueError(
                f"fresh must come with full, decoder or autoencoder, however: it came with {self.kind}"
            )
        return self

    @property
    def whole(self) -> bool:
        """Whether networks themselves are trained, not something beside them."""
        return self.kind in {"full", "decoder", "autoencoder"}

    @property
    def of_pixels(self) -> bool:
        """Whether pixels themselves are learnt, not noise on latents."""
        return self.kind in {"decoder", "autoencoder", "tiny"}


class ValidationRules(Part):
    """What is measured on pictures that are never learnt."""

    share: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of the training pictures that is kept back: of the same pictures always the same."""
    bands: int = Field(default=4, ge=1, le=50)
    """Into how many bands the noise levels are cut."""
    draws: int = Field(default=1, ge=1, le=100)
    """Noises for each picture and band."""
    most: int = Field(default=64, ge=1)
    """So many pictures at most."""


class PreviewRules(Part):
    """What is painted to see how far the run is."""

    prompts: tuple[str, ...] = ()
    """What to paint; none paints nothing."""
    negative: str = ""
    """What to keep away from."""
    size: Size | None = None
    """Width and height; unless given, the size that training is for."""
    steps: int | None = Field(default=None, ge=1)
    """Denoiser calls; unless given, the model's own."""
    seed: int = Field(default=1, ge=0)
    """The first prompt's; each next has one more."""
    hint: PortablePath | None = None
    """What a ControlNet is shown for them."""


class Training(Part):
    """A training run: what learns what from which pictures, and how."""

    model: PortablePath | None = None
    """The checkpoint to start from; unless given, the built-in one."""
    out: PortablePath = Path("run")
    """Folder of the run: its state, its files, its reports. A run that is there goes on."""
    name: str | None = None
    """What the saved files are called; unless given, as the folder."""
    size: Size | None = None
    """Size of pictures to train for; unless given, the model's own."""
    batch: int = Field(default=1, ge=1)
    """Pictures in a batch."""
    data: tuple[PictureSet, ...] = ()
    """Where pictures are."""
    captions: CaptionRules = CaptionRules()
    buckets: BucketRules = BucketRules()
    subject: SubjectRules = SubjectRules()
    objective: ObjectiveRules = ObjectiveRules()
    run: TrainingSettings = TrainingSettings(steps=1000)
    validation: ValidationRules = ValidationRules()
    previews: PreviewRules = PreviewRules()
    clip_skip: int | None = Field(default=None, ge=1, le=12)
    """Which layer of the text encoder is read, as in a request."""
    cache: PortablePath | None = None
    """Folder of latents and read captions; unless given, one in the run's folder."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What networks compute in; what is trained is kept in float32."""
    quantize: Literal["none", "int8", "int4"] = "none"
    """What the weights of a model that stays as it is are rounded to, so that they take a half or a quarter
    (lora, loha, lokr, words)."""
    recompute: Literal["nothing", "attention", "blocks"] = "nothing"
    """What is worked out again on the way back instead of being kept: less memory, more time."""
    compiled: bool = False
    """Compile the UNet first: a minute or more before the first step, less for each (full)."""
    tensorboard: bool = False
    """Write curves for TensorBoard into the run's folder; needs the extra `train`."""
    keep: int | None = Field(default=None, ge=1)
    """So many saved files are kept, the newest and the best; unless given, all of them."""
    save_dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """What saved files hold; unless given float16, or what the checkpoint holds (full, decoder,
    autoencoder)."""

    @model_validator(mode="after")
    def _has_pictures(self) -> Self:
        if not any(each.role == "train" for each in self.data):
            raise ValueError("data must name pictures to learn from, however: there are none")
        return self

    @model_validator(mode="after")
    def _roundable(self) -> Self:
        if self.quantize != "none" and self.subject.kind not in {"lora", "loha", "lokr", "words"}:
            raise ValueError(
                "quantize must come with something that is trained beside a model (lora, loha, lokr, words), "
                f"however: it came with {self.subject.kind}"
            )
        return self

    @model_validator(mode="after")
    def _compilable(self) -> Self:
        if self.compiled and (self.subject.kind != "full" or self.recompute != "nothing"):
            raise ValueError(
                "compiled must come with full and without recompute, however: it came with "
                f"{self.subject.kind} and recompute = {self.recompute}"
            )
        return self

    @property
    def title(self) -> str:
        """What the saved files are called."""
        return self.name or self.out.resolve().name

    @property
    def store(self) -> Path:
        """Folder of latents and read captions."""
        return self.cache or self.out / "cache"


def read_recipe(path: Path) -> dict[str, Any]:
    """A recipe's TOML as plain data; folders are as seen from where the command runs.

    Raises:
        RequestError: there is no such file, or it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{path} must be a recipe in TOML, however: {error}") from error
