"""What ``make test`` runs: the checks that read the code, then the tests, then the core on every other Python here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUPPORTED = ("3.11", "3.12", "3.13")
#: Program → the Debian package that has it.
PACKAGES = {
    "ruby": "ruby", "node": "nodejs", "curl": "curl", "strace": "strace", "chromium": "chromium",
    "nginx": "nginx", "haproxy": "haproxy", "caddy": "caddy",
}  # fmt: skip
LINT = (
    ("ruff", "format", "--check"),
    ("ruff", "check"),
    ("mypy",),
    ("lint-imports",),
)
#: On all cores, a file at a time, so that what a file's tests share is made once.
SPREAD = ("-p", "xdist.plugin", "-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadfile")
#: No plugin but that one: none is used, and mutants start hundreds of times, each without any (`support.mutants`).
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
CORE = ("tests/core", "tests/stores", "tests/limits")
#: That a check can fail is shown once, on the Python that runs everything.
WITHOUT_MUTANTS = ("--ignore-glob=*/test_mutants.py", "-k", "not caught")


def main() -> int:
    """Run what was asked for; the exit code of the first thing that fails."""
    arguments = set(sys.argv[1:])
    for command in LINT:
        print(f"== {' '.join(command)}", flush=True)
        if _run(str(Path(sys.executable).with_name(command[0])), *command[1:]):
            return 1
    if "--lint" in arguments:
        return 0
    install_packages()
    others = [each for each in SUPPORTED if each != f"{sys.version_info.major}.{sys.version_info.minor}"]
    with ThreadPoolExecutor() as pool:
        ready = list(pool.map(prepare, others))
    for version, venv in zip(others, ready, strict=True):
        if venv is not None and core_on(version, venv):
            return 1
    print("== pytest", flush=True)
    full = ("-m", "full or not full") if "--full" in arguments else ()
    return _run(sys.executable, "-m", "pytest", "--durations=10", *SPREAD, *full, **ALONE)


def install_packages() -> None:
    """Install, as root, the programs that tests drive; say loudly what is missing where that cannot be done."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"== apt-get install {' '.join(missing)}", flush=True)
        # In runlevel 1 Debian starts no server that it installs: the proxies here are the tests' own.
        environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        _run("apt-get", "-qq", "update", **environment)
        _run("apt-get", "-qq", "install", "--no-install-recommends", "-y", *missing, **environment)
    for package in (package for program, package in PACKAGES.items() if not shutil.which(program)):
        print(
            f"== MISSING: the tests that need {package} are skipped. Install it: apt-get install {package}", flush=True
        )


def prepare(version: str) -> Path | None:
    """Set up another Python for the tests of the core, if it is on this machine. Its environment, or None.

    Raises:
        SystemExit: it is there, and what the tests need cannot be installed in it.
    """
    python = _find(version)
    if python is None:
        print(f"== Python {version} is not on this machine: the core is not tested on it", flush=True)
        return None
    venv = ROOT / f".venv-{version}"
    stamp = venv / ".test"
    locks = [ROOT / "requirements" / name for name in ("serve.txt", "test.txt")]
    if not stamp.exists() or stamp.stat().st_mtime < max(lock.stat().st_mtime for lock in locks):
        install = (str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install")
        hashed = ("--require-hashes", "--only-binary", ":all:")
        if (
            _run(python, "-m", "venv", "--clear", str(venv))
            or _run(*install, *hashed, "-r", str(locks[0]))
            or _run(*install, *hashed, "-r", str(locks[1]))
        ):
            raise SystemExit(1)
        stamp.touch()
    return venv


def core_on(version: str, venv: Path) -> int:
    """Run the core's tests on another Python; their exit code."""
    print(f"== the core on Python {version}", flush=True)
    return _run(
        str(venv / "bin" / "python"),
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        *SPREAD,
        *WITHOUT_MUTANTS,
        *CORE,
        PYTHONPATH=str(ROOT / "src"),
        **ALONE,
    )


def _find(version: str) -> str | None:
    """A working Python of that version: on the path, or where version managers keep them."""
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python{version}"))
    for each in (shutil.which(f"python{version}"), *map(str, managed)):
        if (
            each
            and not subprocess.run([each, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode
        ):
            return each
    return None


def _run(*command: str, **environment: str) -> int:
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode
    print(f"== {Path(command[0]).name}: {time.monotonic() - started:.0f} s, exit {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
