"""A checkpoint: a file of named tensors, whatever its container."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gesso.checkpoint.container import read_file
from gesso.checkpoint.entry import Entry, Header
from gesso.checkpoint.folder import read_folder
from gesso.checkpoint.landing import Ground, Landing
from gesso.checkpoint.mapped import ahead, mapped
from gesso.checkpoint.shapes import Shapes
from gesso.errors import TensorMismatch, UnsafeFile

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A file of named tensors, opened: its header is read and checked, its tensors wait in the file.

    Args:
        path: the file, or a folder as diffusers writes it.
        header: what the file says of its tensors.
        sizes: the length in bytes of every file the tensors lie in.
    """

    path: Path
    header: Header
    sizes: Mapping[Path, int]

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Read and check a file's header; nothing else is read, and nothing the file says is run.

        Raises:
            BrokenFile: the file contradicts itself; the message names the byte or key.
            UnsafeFile: its tensors could only be had by running code from the file.
            CheckpointError: there is no such file, or it cannot be read.
        """
        path = Path(path)
        if path.is_dir():
            return cls(path, *read_folder(path))
        header, size = read_file(path)
        return cls(path, header, {path: size})

    @property
    def container(self) -> str:
        """How the file is built: "safetensors", "zip pickle", "legacy pickle" or "folder"."""
        return self.header.container

    @property
    def metadata(self) -> Mapping[str, str]:
        """Text beside the tensors."""
        return self.header.metadata

    @property
    def extras(self) -> Mapping[str, object]:
        """Numbers and text a training run left beside its tensors, such as its step."""
        return self.header.extras

    @property
    def imports(self) -> tuple[str, ...]:
        """The Python names that a pickle asks for; none of them was imported."""
        return self.header.imports

    @cached_property
    def shapes(self) -> Shapes:
        """The size of every tensor."""
        return Shapes({name: entry.shape for name, entry in self.header.entries.items()})

    @cached_property
    def dtypes(self) -> Mapping[str, str]:
        """The number type of every tensor, such as "F16"."""
        return {name: entry.dtype for name, entry in self.header.entries.items()}

    def tensors(
        self,
        names: Iterable[str],
        *,
        dtype: "torch.dtype | None" = None,
        device: "torch.device | str | None" = None,
        channels_last: bool = False,
        ground: Ground | None = None,
        finish: "Callable[[str, Tensor], Tensor] | None" = None,
    ) -> Iterator[tuple[str, "Tensor"]]:
        """The named tensors in file order: the file's own bytes, copied only where they have to change.

        Writing to a tensor never reaches the file. Tensors that had to be converted leave nothing behind in
        memory, so a file of any size peaks at what is kept plus one tensor.

        Args:
            names: which tensors.
            dtype: what floating-point tensors become; None leaves them as they are.
            device: where they go; None leaves them where the file is mapped.
            channels_last: kernels of convolutions are ordered channels last, in which they are fastest.
            ground: where those go that change in main memory; None takes fresh memory.
            finish: what is made of each, given its name too, before its bytes in the file are let go.

        Raises:
            TensorMismatch: a name is not in the file.
            UnsafeFile: under a name there is not a tensor but a call.
            BrokenFile: the file was changed since it was opened.
        """
        entries = [(name, self._entry(name)) for name in names]
        yield from mapped(entries, self.sizes, Landing(dtype, device, channels_last, ground, finish))

    def ahead(self, names: Iterable[str]) -> int:
        """Have the system read tensors while other work goes on; returns how many bytes it was asked for."""
        return ahead(map(self._entry, names))

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same file under other names.

        Args:
            names: new name → name now; tensors left out are not in the view.
        """
        return self.with_entries({new: self._entry(old) for new, old in names.items()})

    def with_entries(self, entries: Mapping[str, Entry]) -> Self:
        """The same file, showing exactly these tensors."""
        return replace(self, header=replace(self.header, entries=dict(entries)))

    def _entry(self, name: str) -> Entry:
        try:
            return self.header.entries[name]
        except KeyError:
            if name in self.header.unsafe:
                raise UnsafeFile(
                    f"{name!r} must be a tensor, however: it would be made by {self.header.unsafe[name]!r}"
                ) from None
            raise TensorMismatch(f"{name!r} must be in {self.path.name}, however: it is not") from None
