"""Every reason that a caller can meet, provoked: see tests/contract/src/reasons and docs/reference/errors.md."""

from __future__ import annotations

import os

import pytest

from emloc import Client, EmlocError

from .reasons import Case, all_cases, expected, provoke_all, told

# Where there is no mesh nothing runs (conftest.py), and nothing is made.
cases = {case["name"]: case for case in all_cases()} if "EMLOC_MESH_CONTROL" in os.environ else {}


@pytest.fixture(scope="session")
def outcomes(client: Client, request: pytest.FixtureRequest) -> dict[str, Exception | None]:
    """Of those that were chosen, all provoked before the first is looked at: several at a time."""
    chosen: list[Case] = [
        item.callspec.params["case"]  # type: ignore[attr-defined]
        for item in request.session.items
        if item.nodeid.startswith("tests/test_reasons.py::test_the_reason_is_told[")
    ]
    return provoke_all(client, chosen)


@pytest.mark.parametrize("case", cases.values(), ids=cases)
def test_the_reason_is_told(case: Case, outcomes: dict[str, Exception | None]) -> None:
    if "skip" in case:
        pytest.skip(case["skip"])
    error = outcomes[case["name"]]
    assert isinstance(error, EmlocError), repr(error)
    assert told(error, case) == expected(case), str(error)
    assert error.message
