from pathlib import Path

import numpy as np
from PIL import Image

import gesso
from gesso.generation.result import read_record
from gesso.request import FollowUp, Request, Source
from gesso.workers.intake import Ask, Intake
from gesso.workers.job import Job
from gesso.workers.model_painter import ModelPainter
from gesso.workers.painter import Advanced, Drawn, Machine, Noted
from gesso.workers.places import Places
from tests.models import save_model
from tests.workers.fakes import table_in


def test_a_job_gives_what_painting_gives_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    places = Places(tmp_path / "library", tmp_path / "data")
    for folder in (places.library, places.data):
        folder.mkdir()
    save_model(places.library / "tiny.safetensors", "sd1")
    again = FollowUp(source=Source(strength=1.0), seed=9)
    request = Request(prompt="a {red|blue} hat", seed=3, count=2, steps=2, then=(again,))
    job = Intake(table_in(tmp_path), places).accept(Ask("ann", request, "tiny.safetensors"))
    painter = ModelPainter(places, Machine("cpu", "float32"))
    alone = gesso.paint(gesso.load(places.library / "tiny.safetensors", dtype="float32"), request).images
    drawn = painted(painter, job, tmp_path / "all")
    for file, image in zip(drawn, alone, strict=True):
        with Image.open(file) as saved:
            assert np.array_equal(saved, image)
    begun = job.model_copy(update={"pictures": (None,)})
    (rest,) = painted(painter, begun, tmp_path / "rest")
    with Image.open(rest) as image:
        assert np.array_equal(image, alone[1])
        assert str(tmp_path) not in image.info["gesso"]
    assert set(painter.loaded) == {"tiny.safetensors"}
    record = read_record(rest)
    assert record["model"]["path"] == "tiny.safetensors"


def painted(painter: ModelPainter, job: Job, folder: Path) -> list[Path]:
    events = list(painter.paint(job))
    assert sum(isinstance(each, Advanced) for each in events) == job.total - 4 * len(job.pictures)
    assert isinstance(events[-1], Noted)
    pictures = [each for each in events if isinstance(each, Drawn)]
    return [each.save(folder / f"{index}.png") for index, each in enumerate(pictures)]
