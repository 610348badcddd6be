"""Every quick proof holds. The others: ``make prove``."""

import pytest

from tests.formal.proof import all_proofs


@pytest.mark.parametrize("proof", [proof for proof in all_proofs() if proof.quick], ids=lambda proof: proof.name)
def test_proved(proof):
    proof.prove()
