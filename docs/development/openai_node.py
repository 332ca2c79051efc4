"""Runs the API tests of openai-node's repository against the server.

    python docs/development/openai_node.py folder [arguments of jest]

The folder is a checkout of `openai/openai-node` after `yarn install`. Its tests call every method with IDs of objects
that don't exist. So each endpoint gets an empty response, which it answers with whatever the state holds. Exits with
jest's status.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import openai_responses as module

MODULE = pathlib.Path(__file__).parents[2]


def settable_endpoints():
    """Return the endpoints that accept an empty response: all but those that answer with bytes or with nothing."""
    openai_mock = module.OpenAIMock()
    names = []
    for row in module._rows().values():
        if row.method == "WS" or not module._sdk_has_method(row.name):
            continue
        try:
            openai_mock._endpoint(row).response = {}
            names.append(row.name)
        except (TypeError, ValueError):
            continue
    return names


def main():
    folder, *jest_arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        script = pathlib.Path(place, "responses.json")
        script.write_text(json.dumps({"responses": {name: {} for name in settable_endpoints()}}))
        command = [sys.executable, "-m", "openai_responses", "--script", str(script)]
        environment = {**os.environ, "PYTHONPATH": str(MODULE)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            url = server.stdout.readline().strip().removesuffix("/v1")
            tests = ["npx", "jest", "tests/api-resources", *jest_arguments]
            completed = subprocess.run(tests, cwd=folder, env={**os.environ, "TEST_API_BASE_URL": url})
            server.kill()
    sys.exit(completed.returncode)


if __name__ == "__main__":
    main()
