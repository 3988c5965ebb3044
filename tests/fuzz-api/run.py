"""Sends generated requests to a demo and checks each answer against the document that it serves.

`make fuzz-api` and `make test` run it. A demo of three regions is started, on loopback and in a
temporary directory, and ended with the run. The requests follow from the seed: the same seed is
the same run, as far as the clock has no part in it. Without a seed each run has its own, and says
which.

It fails where a check fails, and where fewer cases than asked for were sent.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent

# What must hold of every answer. The document decides, and it is the served one.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
# Checks that are not made:
# - negative_data_rejection: a node ignores unknown members, and headers that do not matter for a
#   request, so that it takes much that a schema does not name. By the contract.
# - positive_data_acceptance: whether a request of the right form is taken depends on what is stored.
# - use_after_free, ensure_resource_availability: generated writes may fail their conditions, and two
#   operations under generated names have nothing to do with each other.
# - ignored_auth, missing_required_header: rights are compared in tests/api, with keys of every kind.


def start_demo(program, folder):
    """Starts the demo, and returns it with what its first line says."""
    arguments = ["demo", "--output", "json", "--no-tour", "--listen", "127.0.0.1:0"]
    arguments += ["--rtt-ms", "2,2,2", "--nodes-per-region", "1", "--data-dir", f"{folder}/data"]
    environment = {**os.environ, "CONCORDAT_LOG_LEVEL": "warn"}
    log = open(f"{folder}/log", "w", encoding="utf-8")
    demo = subprocess.Popen(
        [program, *arguments], stdout=subprocess.PIPE, stderr=log, env=environment, text=True
    )
    line = demo.stdout.readline()
    if not line:
        sys.exit(f"fuzz-api: the demo has ended\n{Path(folder, 'log').read_text()}")
    return demo, json.loads(line)


def ask(url, method, path, key, organization, body):
    """Sends one request of the native API, and returns the answer's result."""
    headers = {"SlashID-API-Key": key, "Content-Type": "application/json"}
    if organization:
        headers["SlashID-OrgID"] = organization
    headers["SlashID-Required-Consistency"] = "all_regions"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer).get("result")


def main():
    """The run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the program concordatd")
    parser.add_argument("--schemathesis", required=True, help="the program schemathesis")
    parser.add_argument("--seed", type=int, help="the seed; a fresh one by default")
    parser.add_argument("--examples", type=int, default=60, help="cases for each operation")
    parser.add_argument("--least", type=int, default=5000, help="fewer cases fail the run")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(2**32)
    with tempfile.TemporaryDirectory(prefix="concordat-fuzz-") as folder:
        demo, ready = start_demo(given.server, folder)
        try:
            code = run(given, seed, folder, ready)
        finally:
            demo.terminate()
            demo.wait(timeout=60)
    sys.exit(code)


def run(given, seed, folder, ready):
    """Lets the generator run, and returns the code to end with."""
    url = ready["regions"][0]["nodes"][0]["url"]
    organization = ready["org"]["id"]
    key = ready["org"]["api_key"]
    # With a suborganization the organization cannot be deleted.
    kept = {"sub_org_name": "kept", "admins": []}
    ask(url, "POST", "/organizations/suborganizations", key, organization, kept)
    counts = Path(folder, "counts")
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
        "FUZZ_ORGANIZATION": organization,
        "FUZZ_KEY": key,
        "FUZZ_OPERATOR_KEY": ready["operator_key"],
        "FUZZ_COUNTS": str(counts),
    }
    command = [given.schemathesis, "run", f"{url}/openapi.json", "--url", url]
    command += ["--checks", ",".join(CHECKS), "--seed", str(seed), "--workers", "1"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(given.examples)]
    command += ["--generation-database", "none", "--generation-with-security-parameters", "false"]
    command += ["--suppress-health-check", "all", "--request-timeout", "150", "--no-color"]
    command += ["--continue-on-failure", "--warnings", "off"]
    print(f"fuzz-api: seed {seed}", flush=True)
    code = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    statuses = json.loads(counts.read_text()) if counts.exists() else {}
    cases = sum(statuses.values())
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    print(f"fuzz-api: {cases} cases with seed {seed} ({shown})")
    if code == 0 and cases < given.least:
        print(f"fuzz-api: fewer than {given.least} cases", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    main()
