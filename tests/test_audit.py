"""The audit tells a clean bill of health from a service that it could not ask."""

import json

from audit import judge

SOUND = {"name": "numpy", "version": "2.0.0", "vulns": []}
HURT = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [{"id": "PYSEC-2023-175", "fix_versions": ["10.0.1"], "description": "…"}],
}
UNKNOWN = {"name": "nasarena", "skip_reason": "Dependency not found on PyPI"}


def said(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerability_fails_and_is_named():
    code, text = judge(1, said(SOUND, HURT, UNKNOWN), "")
    assert code == 1
    assert "pillow 9.0.0: PYSEC-2023-175, mended in 10.0.1" in text


def test_none_is_said_only_of_what_is_known():
    code, text = judge(0, said(SOUND, UNKNOWN), "")
    assert (code, text) == (0, "no known vulnerability in 1 packages; not known there: nasarena")


def test_a_service_that_cannot_be_asked_is_no_failure_and_no_clean_bill():
    error = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org')"
    for given in ((1, "", error), (0, said(UNKNOWN, UNKNOWN), "")):
        code, text = judge(*given)
        assert code == 0
        assert text.startswith("NOT AUDITED")


def test_whatever_else_goes_wrong_fails():
    assert judge(2, "", "ValueError: of another kind")[0] == 2
    assert judge(0, "", "")[0] == 1
