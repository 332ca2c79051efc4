"""Run the API tests of a release of the SDK, with a mock that answers their requests.

    python docs/development/conformance.py 3.54.0
    python docs/development/conformance.py 2.54.0 -k "files and not Async"

The tests are those in `tests/api_resources` of the SDK's source distribution. They call every REST method of the SDK
with its required parameters and with all parameters, as raw and streamed responses, with strict and loose validation,
and with clients of each kind. The checkout is installed into an environment for this release, which is kept in the
user's cache folder. Arguments after the release are pytest's; without any, the tests run on all processors. The last
line is pytest's summary, and the exit status is pytest's.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tarfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "openai-responses"
BASE_URL = "http://127.0.0.1:4010"  # where the SDK's tests expect a mock server

# What the SDK's source distribution is built with. It is not installed from there, but pip reads its metadata.
BUILD_PACKAGES = ("hatchling", "hatch-fancy-pypi-readme")
# What the SDK's tests import.
TEST_PACKAGES = ("dirty-equals", "inline-snapshot", "nest-asyncio", "pytest", "pytest-asyncio", "pytest-xdist", "rich")


def pip(python: pathlib.Path, *arguments: str) -> None:
    """Run pip in an environment. Raises `CalledProcessError` if it fails."""
    subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments], check=True)


def download(python: pathlib.Path, release: str, folder: pathlib.Path) -> None:
    """Download the SDK's source distribution and unpack it into a folder."""
    options = ["--no-deps", "--no-build-isolation", "--no-binary", "openai", "--dest", str(folder)]
    pip(python, "install", *BUILD_PACKAGES)
    pip(python, "download", *options, f"openai=={release}")
    with tarfile.open(folder / f"openai-{release}.tar.gz") as archive:
        archive.extractall(folder)


def prepare(release: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Create the environment of a release, unless it exists, and install the checkout into it.

    Return the environment's interpreter and the folder of the SDK's sources.
    """
    home = CACHE / "conformance" / release
    python = home / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    sources = home / f"openai-{release}"
    if not sources.exists():
        venv.create(home / "venv", clear=True, with_pip=True)
        pip(python, "install", f"openai[aiohttp,realtime]=={release}", *TEST_PACKAGES)
        download(python, release, home)
    pip(python, "install", str(ROOT), f"openai=={release}")
    pip(python, "install", "--force-reinstall", "--no-deps", str(ROOT))
    return python, sources


def main() -> int:
    """Run the tests of the release that the command line names, and return pytest's exit status."""
    parser = argparse.ArgumentParser(description="Run the SDK's own API tests against the mock.")
    parser.add_argument("release", help="a release of the SDK, such as 3.54.0")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of pytest; without any: -n auto")
    arguments = parser.parse_args()
    python, sources = prepare(arguments.release)

    plugins = [str(pathlib.Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, plugins)),
        "TEST_API_BASE_URL": BASE_URL,
    }
    # the SDK's own settings turn warnings into errors and show the slowest tests
    settings = ["-o", "addopts=", "-o", "filterwarnings=", "-q", "--tb=line", "-p", "conformance_plugin"]
    options = arguments.options or ["-n", "auto"]
    command = [python, "-m", "pytest", *settings, "tests/api_resources", *options]
    return subprocess.run(command, cwd=sources, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
