import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.conditioning.tokenizer import Tokenizer
from gesso.errors import TensorMismatch
from tests.references.record_tokens import HERE, corpus, digest

RECORDED = json.loads((HERE / "tokens.json").read_text())


def test_ids_are_those_of_transformers_on_strings_stored_literally():
    tokenizer = Tokenizer()
    for each in RECORDED["first"]:
        assert list(tokenizer(each["text"])) == each["ids"], each["text"]


def test_ids_are_those_of_transformers_on_ten_thousand_strings():
    tokenizer = Tokenizer()
    assert digest(tokenizer(text) for text in corpus()) == RECORDED["sha256"]


def test_published_marks_and_comma():
    tokenizer = Tokenizer()
    assert (tokenizer.begin, tokenizer.end, tokenizer.comma) == (49406, 49407, 267)
    assert tokenizer(",") == (tokenizer.comma,)
    assert tokenizer("") == ()


@given(st.text(max_size=30), st.sampled_from([514, 515, 1000, 8192, 49407]))
def test_a_narrow_vocabulary_stays_within_its_rows_and_never_needs_the_unknown(text: str, vocabulary: int):
    tokenizer = Tokenizer(vocabulary)
    assert (tokenizer.begin, tokenizer.end) == (vocabulary - 2, vocabulary - 1)
    ids = tokenizer(text.replace("<|", ""))
    assert all(0 <= each < tokenizer.begin for each in ids)
    assert tokenizer(",") == (tokenizer.comma,)


@given(st.text(string.ascii_letters + " ", max_size=40))
def test_fewer_merges_split_the_same_letters_into_more_pieces(text: str):
    lengths = [len(Tokenizer(rows)(text)) for rows in (49408, 8192, 1000, 514)]
    assert lengths == sorted(lengths)
    assert lengths[-1] == len("".join(text.split()))


@given(st.text(string.ascii_lowercase, min_size=1, max_size=8))
def test_a_case_is_not_told_apart(word: str):
    tokenizer = Tokenizer()
    assert tokenizer(word.upper()) == tokenizer(f" {word}\n")


@pytest.mark.parametrize("rows", [0, 513, 49409])
def test_other_sizes_are_refused(rows: int):
    with pytest.raises(TensorMismatch, match=f"however: {rows}"):
        Tokenizer(rows)
