"""What the generator cannot know of the API: keys, names that exist, and times that are too long.

No operation is left out. Some are asked about what does not exist only: to remove, to drain or to
cut off a node or a region of the cluster would end the run. Names of nodes and regions are
therefore generated, and never those of the demo.
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path

import schemathesis

ORGANIZATION = os.environ["FUZZ_ORGANIZATION"]
OPERATOR_KEY = os.environ["FUZZ_OPERATOR_KEY"]

# Names that operations may be asked about, so that not every answer is 404.
CLIENT_IDS = ["web", "mobile", "a/b c", "ü"]
BINDINGS = ["jitsudo", "aisquare", "other"]

STATUSES = Counter()

# The organization's key, which an operation replaces. Its own key is the only one that a run can end:
# ids of keys are generated, too.
current = {"key": os.environ["FUZZ_KEY"]}

# Suborganizations that were made and may be deleted, each with its key. The organization itself has one
# that nothing names, and is kept for it.
parts = []


@schemathesis.hook
def before_call(context, case, **_):
    """The credentials of the operation's dialect, and short times."""
    if case.headers is None:
        case.headers = {}
    headers = case.headers
    tag = (case.operation.tags or [""])[0]
    alternatives = case.operation.definition.raw.get("security", [])
    schemes = {name for alternative in alternatives for name in alternative}
    for name, value in credentials(tag, schemes).items():
        headers[name] = value
    route = (case.operation.method.upper(), case.operation.path)
    if route == ("DELETE", "/organizations") and parts:
        headers["SlashID-OrgID"], headers["SlashID-API-Key"] = parts.pop()
    if route == ("DELETE", "/v1/organizations/{organization_id}") and parts:
        case.path_parameters["organization_id"], _ = parts.pop()
    shorten(case)


def credentials(tag, schemes):
    """The headers of a key that may do what the operation does."""
    if tag == "Pages":
        return {}
    if tag == "jitsudo":
        return {"X-API-Key": current["key"], "X-Tenant-ID": ORGANIZATION}
    if tag not in ("Native", "Operator"):
        return {"Authorization": f"Bearer {current['key']}"}
    if "Organization" in schemes:
        return {"SlashID-API-Key": current["key"], "SlashID-OrgID": ORGANIZATION}
    return {"SlashID-API-Key": OPERATOR_KEY}


def shorten(case):
    """A read of a position that does not come, and a wait for a receipt, last as long as they may."""
    timeout = "SlashID-Required-Consistency-Timeout"
    if "Concordat-At-Least" in case.headers:
        case.headers[timeout] = "1"
    if isinstance(case.query, dict) and str(case.query.get("wait", "")).isdigit():
        case.query["wait"] = min(int(case.query["wait"]), 1)


@schemathesis.hook
def map_headers(context, headers):
    """Most requests are made without a condition: a generated one is nearly always false."""
    for name in ("If-Match", "If-None-Match", "Concordat-At-Least"):
        value = (headers or {}).get(name)
        if isinstance(value, str) and sum(value.encode()) % 4 != 0:
            del headers[name]
    return headers


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of the names are ones that exist, or may."""
    for name, value in (path_parameters or {}).items():
        choice = sum(str(value).encode())
        if choice % 2 == 0:
            continue
        if name == "oauth_client_id":
            path_parameters[name] = CLIENT_IDS[choice // 2 % len(CLIENT_IDS)]
        elif name == "organization_id":
            path_parameters[name] = ORGANIZATION
        elif name == "binding":
            path_parameters[name] = BINDINGS[choice // 2 % len(BINDINGS)]
    return path_parameters


@schemathesis.hook
def map_body(context, body):
    """A third of the bodies are about the same few credentials."""
    if isinstance(body, dict):
        for name in ("client_id", "clientId"):
            value = body.get(name)
            if isinstance(value, str) and len(value) % 3 == 0:
                body[name] = CLIENT_IDS[len(value) // 3 % len(CLIENT_IDS)]
    return body


@schemathesis.hook
def after_call(context, case, response):
    """Counts, and continues with the new key where the run's own one was replaced."""
    STATUSES[str(response.status_code)] += 1
    if response.status_code != 200:
        return
    route = (case.operation.method.upper(), case.operation.path)
    if route == ("PUT", "/organizations/api-keys"):
        current["key"] = response.json()["result"]["api_key"]
    elif route == ("POST", "/organizations/suborganizations"):
        made = response.json()["result"]
        parts.append((made["id"], made["api_key"]))


@atexit.register
def write_counts():
    """For the script that runs this."""
    Path(os.environ["FUZZ_COUNTS"]).write_text(json.dumps(STATUSES), encoding="utf-8")
