"""Lists what a wheel holds, and fails where that is not the module, its stubs and what every wheel has.

python docs/development/check_wheel.py dist/openai_responses-1.0.0-py3-none-any.whl
"""

import pathlib
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = {name.partition(".dist-info/")[2] for name in wheel.namelist()} - {""}
    stubs = ROOT.joinpath("openai_responses-stubs").rglob("*.pyi")
    wanted = {"openai_responses.py", *(path.relative_to(ROOT).as_posix() for path in stubs)}
    print(*sorted(found), *sorted(metadata), sep="\n")
    assert found == wanted, f"not as the sources have it: {sorted(found ^ wanted)}"
    assert metadata == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}, metadata


if __name__ == "__main__":
    main()
