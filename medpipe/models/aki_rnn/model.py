"""The AKI network: each step of a stay is embedded, an RNN reads the steps in order, heads forecast.

Letters: B stays, T steps, H horizons, L labs, W numbers of a layer's state.
"""

from functools import partial
from typing import Literal, NamedTuple

from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.stay_batch import StayBatch
from medpipe.models.aki_rnn.embedding import StepEmbedding
from medpipe.models.aki_rnn.heads import RisingHead
from medpipe.models.aki_rnn.recurrence import Recurrence
from medpipe.models.aki_rnn.stays import StaySizes, check_stays
from medpipe.models.checks import check_argument


class AkiOutput(NamedTuple):
    """What the AKI network returns; past the end of a stay the numbers mean nothing.

    Attributes:
        risk_logits: ``(B, T, H)`` float32, of the event within each horizon; they never fall with it.
        lab_maxima: ``(B, T, H, L)`` float32, of the largest value of each lab within each horizon, in its
            spreads; they never fall either. None where the network has no labs.
        state: ``(layers, B, W)`` float32 after the last step of each stay: with it the next steps are read.
    """

    risk_logits: Tensor
    lab_maxima: Tensor | None
    state: Tensor


class AkiRnn(nn.Module):
    """Forecasts kidney injury, and the course of labs, at every step of a stay.

    A step's forecasts depend on it and the steps before, never on later ones, nor on other stays. With the
    default sizes, 60 variables and 4 statics it has 0.94 million parameters.

    Args:
        num_variables: Variables that are measured.
        num_extremes: Extremes since admission; 0 for none.
        num_statics: What does not change in a stay; 0 for nothing.
        num_codes: Size of the vocabulary of codes; 0 for none.
        num_horizons: Horizons of the forecasts.
        num_labs: Labs whose maxima are forecast beside the risk; 0 for none.
        embedding: Width of the embedding of each set of inputs.
        highway_layers: Highway layers of each.
        cell: Kind of recurrent layers.
        hidden: Width of their outputs.
        layers: Recurrent layers.
        dropout: Share of values dropped before and after the recurrent layers, while training.

    Raises:
        SettingsError: An argument is out of range; it is named.

    Source:
        Tomašev et al. 2019, "A clinically applicable approach to continuous prediction of future acute
        kidney injury", and 2021, "Use of deep learning to develop continuous-risk models for adverse event
        prediction from electronic health records"; there ``embedding`` is 400.
    """

    def __init__(
        self,
        num_variables: int,
        *,
        num_extremes: int = 0,
        num_statics: int = 0,
        num_codes: int = 0,
        num_horizons: int = 8,
        num_labs: int = 7,
        embedding: int = 128,
        highway_layers: int = 2,
        cell: Literal["sru", "ugrnn", "lstm", "gru"] = "sru",
        hidden: int = 200,
        layers: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        some = {"num_variables": num_variables, "num_horizons": num_horizons, "embedding": embedding}
        for name, value in {**some, "hidden": hidden, "layers": layers}.items():
            _check(name, value, holds=value >= 1, expected="1 or more")
        any_number = {"num_extremes": num_extremes, "num_statics": num_statics, "num_codes": num_codes}
        for name, value in {**any_number, "num_labs": num_labs, "highway_layers": highway_layers}.items():
            _check(name, value, holds=value >= 0, expected="0 or more")
        _check("dropout", dropout, holds=0 <= dropout < 1, expected="in [0, 1)")
        self.num_horizons = num_horizons
        self._sizes = StaySizes(num_variables, num_extremes, num_statics, num_codes)
        self.embedding = StepEmbedding(
            num_variables,
            num_extremes=num_extremes,
            num_statics=num_statics,
            num_codes=num_codes,
            width=embedding,
            highway_layers=highway_layers,
        )
        self.dropout = nn.Dropout(dropout)
        self.recurrence = Recurrence(cell, self.embedding.num_features, hidden, layers=layers)
        self.risk_head = RisingHead(self.recurrence.num_features, num_horizons, 1)
        self.lab_head: RisingHead | None = None
        if num_labs:
            self.lab_head = RisingHead(self.recurrence.num_features, num_horizons, num_labs)

    def forward(self, batch: StayBatch, state: Tensor | None = None) -> AkiOutput:
        """Forecast at every step of stays.

        Args:
            batch: Stays, or the next steps of stays.
            state: What the network returned for the steps before, detached where gradients shall end there;
                None at the start of the stays.

        Raises:
            ShapeError: Batch or state do not fit the network.
        """
        check_stays(batch, self._sizes)
        steps = self.dropout(self.embedding(batch))
        read, last = self.recurrence(steps, batch.lengths, state)
        read = self.dropout(read)
        return AkiOutput(
            risk_logits=self.risk_head(read)[..., 0],
            lab_maxima=None if self.lab_head is None else self.lab_head(read),
            state=last,
        )

    def lookup_l1(self) -> Tensor:
        """Return the sum of the absolute values of all lookup matrices, to be added to the loss.

        Source:
            Tomašev et al. 2021, with a weight of 1e-5.
        """
        return self.embedding.lookup_l1()

    def start_codes_from(self, vectors: Tensor) -> None:
        """Take vectors of codes from elsewhere, such as from skip-gram or CBOW; they are learned on.

        Args:
            vectors: ``(num_codes, embedding)``; codes with a NaN keep theirs.

        Raises:
            SettingsError: The network has no codes.
            ShapeError: The vectors are of another shape.
        """
        if "codes" not in self.embedding.sets:
            raise SettingsError(
                Code.E_SETTINGS, "The network was built without codes", fix="Set num_codes to their number."
            )
        self.embedding.of("codes").lookup.start_from(vectors)


_check = partial(check_argument, "AKI network")
