"""Word2vec on sentences of codes: who lies near whom, the same again, and what cannot be learned from."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError
from medpipe.text.code_vectors import Method, VectorSettings
from medpipe.text.word2vec import PatientCodes, digest_of, train_code_vectors

SETTINGS = VectorSettings(dimension=8, epochs=10, least_patients=2, bands=1)
GROUPS = (("a", "b", "c"), ("x", "y", "z"))


def patients(number: int = 60) -> list[PatientCodes]:
    """Return patients each of whose steps holds two codes of one group, in both orders."""
    rng = np.random.default_rng(0)
    return [
        PatientCodes(
            f"p{one}", [rng.permutation(GROUPS[int(rng.integers(2))])[:2].tolist() for _ in range(8)]
        )
        for one in range(number)
    ]


@pytest.mark.parametrize("method", list(Method))
def test_codes_that_are_met_together_lie_nearest(method: Method) -> None:
    vectors = train_code_vectors(patients(), SETTINGS.model_copy(update={"method": method, "epochs": 40}))
    assert vectors.codes == ("a", "b", "c", "x", "y", "z")
    for group in GROUPS:
        for code in group:
            assert {item.code for item in vectors.nearest(code, 2)} == set(group) - {code}


@pytest.mark.parametrize("method", list(Method))
def test_the_same_seed_gives_the_same_vectors_and_another_gives_others(method: Method) -> None:
    first, again, other = (
        train_code_vectors(patients(), SETTINGS.model_copy(update={"method": method, "seed": seed})).vectors
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_order_within_a_sentence_means_nothing() -> None:
    turned = [PatientCodes(one.patient, [codes[::-1] for codes in one.sentences]) for one in patients()]
    first, other = (train_code_vectors(corpus, SETTINGS).vectors for corpus in (patients(), turned))
    np.testing.assert_array_equal(first, other)


def test_codes_of_too_few_patients_get_no_vector() -> None:
    rare = PatientCodes("one", [["a", "rare"]] * 50)
    vectors = train_code_vectors([*patients(), rare], SETTINGS)
    assert "rare" not in vectors.codes
    assert vectors.made_by.patients == 61
    assert vectors.made_by.sentences == 60 * 8 + 50


def test_origin_tells_whose_codes_they_were_by_ids_in_any_order() -> None:
    vectors = train_code_vectors(patients(3), SETTINGS)
    assert vectors.made_by.patients_digest == digest_of(["p2", "p0", "p1"])
    assert vectors.made_by.patients_digest != digest_of(["p0", "p1"])


def test_too_few_codes_are_told() -> None:
    with pytest.raises(NoInputError, match="found 1 such codes, 2 patients"):
        train_code_vectors([PatientCodes(name, [["a"]]) for name in ("p", "q")], SETTINGS)


def test_an_error_while_reading_ends_the_training() -> None:
    class Failing:
        readings = 0

        def __iter__(self) -> Iterator[PatientCodes]:
            self.readings += 1
            yield from patients(4)
            if self.readings > 1:
                raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        train_code_vectors(Failing(), SETTINGS)


def test_without_gensim_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim", None)
    with pytest.raises(MachineError, match=r"medpipe\[ehr\]") as caught:
        train_code_vectors(patients(), SETTINGS)
    assert caught.value.code is Code.E_DEVICE
