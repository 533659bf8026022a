"""Training settings refuse what makes no sense."""

import pytest
from pydantic import ValidationError

from gesso.training.settings import TrainingSettings


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"steps": 5, "fall": 1.5}, {"steps": 5, "average": 1.0}, {"steps": 5, "stpes": 6}]
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TrainingSettings.model_validate(wrong)
