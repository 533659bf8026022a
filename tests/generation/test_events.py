from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from gesso.generation.events import Event, Finished, Followed, Painted, Planned, Stepped


def test_an_event_is_one_of_five() -> None:
    assert set(get_args(Event)) == {Planned, Stepped, Followed, Painted, Finished}


@pytest.mark.parametrize("kind", get_args(Event))
def test_events_are_facts_that_do_not_change(kind: type) -> None:
    event = kind(**dict.fromkeys(each.name for each in fields(kind)))
    for each in fields(kind):
        with pytest.raises(FrozenInstanceError):
            setattr(event, each.name, 1)


def test_events_are_matched_by_position() -> None:
    match Planned("the plan"):
        case Planned(plan):
            assert plan == "the plan"
    match Finished("the result"):
        case Finished(result):
            assert result == "the result"
