"""Asks pip-audit for known vulnerabilities of the installed packages, and says what it could learn.

Exits with 1 if a package has one, or pip-audit itself fails; with 0 if none is known, or if the
service that knows cannot be reached: then it says so.
"""

from __future__ import annotations

import json
import subprocess
import sys

UNREACHABLE = (
    "ConnectionError",
    "NameResolutionError",
    "ConnectTimeout",
    "ReadTimeout",
    "SSLError",
)


def judge(code: int, out: str, told: str) -> tuple[int, str]:
    """The exit code and what to print, from pip-audit's own exit code, JSON and messages."""
    try:
        packages = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        if any(name in told for name in UNREACHABLE):
            last = told.strip().splitlines()[-1]
            return 0, f"NOT AUDITED: the vulnerability service cannot be reached ({last[:200]})"
        return code or 1, f"pip-audit failed:\n{told}"
    found = [
        f"{package['name']} {package['version']}: {one['id']}, mended in "
        f"{', '.join(one['fix_versions']) or 'no version'}"
        for package in packages
        for one in package.get("vulns", ())
    ]
    if found:
        return 1, "\n".join(["known vulnerabilities:", *found])
    known = [package for package in packages if "skip_reason" not in package]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if not known:
        # A mirror that serves files alone knows no package: that is no clean bill of health.
        return 0, f"NOT AUDITED: the vulnerability service knows none of {len(skipped)} packages"
    said = f"no known vulnerability in {len(known)} packages"
    return 0, f"{said}; not known there: {', '.join(skipped)}" if skipped else said


def main() -> int:
    """Audit the environment that this runs in."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--local"], capture_output=True, text=True, check=False)
    code, text = judge(done.returncode, done.stdout, done.stderr)
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
