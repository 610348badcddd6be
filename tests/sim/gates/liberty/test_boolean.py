"""Boolean expressions of Liberty files."""

import itertools

import pytest

from quiesce.sim.gates.liberty.boolean import BooleanError, parse_boolean


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("!A", lambda a, b, c: not a),
        ("A'", lambda a, b, c: not a),
        ("A B", lambda a, b, c: a and b),
        ("A*B + C", lambda a, b, c: (a and b) or c),
        ("A | B & C", lambda a, b, c: a or (b and c)),
        ("A ^ B C", lambda a, b, c: (a != b) and c),  # exclusive or binds more than and
        ("!((A & B)' | C)", lambda a, b, c: a and b and not c),
        ("(A+B)'' 1", lambda a, b, c: a or b),
        ("0", lambda a, b, c: False),
    ],
)
def test_it_computes_what_it_says(text: str, model) -> None:
    expression = parse_boolean(text)
    for values in itertools.product([False, True], repeat=3):
        assert expression.evaluate(dict(zip("ABC", values, strict=True))) == bool(model(*values))


def test_variables_are_the_names_in_it() -> None:
    assert parse_boolean("!(A1 & A2)").variables() == {"A1", "A2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an operand is missing"),
        ("A &", "an operand is missing"),
        ("(A", "a parenthesis stays open"),
        ("A)", "')' is out of place"),
        ("A ? B", "'?'"),
        ("!" * 100 + "A", "nested deeper"),
        ("__import__('os')", "'"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, message: str) -> None:
    with pytest.raises(BooleanError) as caught:
        parse_boolean(text)
    assert message in str(caught.value)
