"""The samples of the dialects' own documentation, run as they stand, by the programs that they are written for.

Only the address, the key and the id of what they name are replaced: a client that was copied from there works.
Must never send a sample's request by a client of this project.
"""

import ast
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "grpc"))

import demo  # noqa: E402  (the path above)

DIALECTS = HERE.parent / "dialects"
SECONDS_MAX = 60


def sample(name, replaced):
    """A sample's text with each of these replaced; each must be there."""
    text = (DIALECTS / name).read_text()
    for old, new in replaced.items():
        if old not in text:
            raise AssertionError(f"{name} has no {old}")
        text = text.replace(old, new)
    return text


def run(command, text):
    """What a program prints that reads the sample as its script."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(text)
        script.flush()
        done = subprocess.run(
            [*command, script.name], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    if done.returncode != 0:
        raise AssertionError(f"{command} has failed: {done.stderr}")
    return done.stdout


class Samples(unittest.TestCase):
    """One per document that has a sample for the command line or for Python."""

    def setUp(self):
        self.org, self.key = DEMO.organization(self.id().rsplit(".", 1)[1])
        self.url = f"http://{DEMO.addresses[0]}"

    def test_curl_of_one_provider_per_tenant(self):
        tenant = "2489E9AD-2EE2-8E00-8EC9-32D5F69181C0"
        replaced = {"https://example.com": self.url, "<X-API-Key>": self.key, tenant: self.org}
        text = sample("jitsudo/sample_curl.txt", replaced)
        made = json.loads(run(["sh"], text))
        self.assertEqual((made["issuer_url"], made["client_id"]), ("example", "example"))
        self.assertNotIn("client_secret", made)
        headers = {"x-tenant-id": self.org}
        status, found = DEMO.json("GET", "/v1/oidc-config", self.key, headers=headers)
        self.assertEqual((status, found["id"]), (200, made["id"]))
        # Once more: it replaces what is there.
        again = json.loads(run(["sh"], text))
        self.assertEqual(again["id"], made["id"])

    def test_curl_of_generic_providers(self):
        path = "/management/v1/idps/generic_oidc"
        before = {"name": "Before", "issuer": "https://idp.example", "clientId": "a"}
        status, made = DEMO.json("POST", path, self.key, {**before, "clientSecret": "first"})
        self.assertEqual(status, 200, made)
        replaced = {"https://$CUSTOM-DOMAIN": self.url, ":id": made["id"], "<TOKEN>": self.key}
        text = sample("zitadel/sample_curl.txt", replaced)
        changed = json.loads(run(["sh"], text))
        self.assertEqual(changed["details"]["resourceOwner"], made["details"]["resourceOwner"])
        status, found = DEMO.json("GET", f"/management/v1/idps/templates/{made['id']}", self.key)
        config = found["idp"]["config"]
        self.assertEqual((status, found["idp"]["name"]), (200, "Google"))
        self.assertEqual(config["oidc"]["clientId"], "client-id")
        self.assertTrue(config["options"]["isAutoUpdate"])

    def test_python_of_one_provider_per_enterprise(self):
        claim = {"domain": "samples.example"}
        status, claimed = DEMO.json("POST", "/api/v1/enterprises/claim/", self.key, claim)
        self.assertEqual(status, 201, claimed)
        # The documentation leaves the key out.
        header = '"Content-Type": "application/json"'
        key = f'{header}, "Authorization": "Bearer {self.key}"'
        replaced = {"https://api.example.com": self.url, header: key}
        text = sample("aisquare/sample_python.txt", replaced)
        made = ast.literal_eval(run([sys.executable], text))
        self.assertEqual(made["client_id"], "enterprise-app-123")
        self.assertEqual(made["client_secret_masked"], "********")
        path = "/api/v1/enterprises/oidc/config/"
        status, found = DEMO.json("GET", path, self.key)
        self.assertEqual((status, found["id"]), (200, made["id"]))


if __name__ == "__main__":
    DEMO = demo.Demo(sys.argv.pop(1))
    try:
        outcome = unittest.main(verbosity=2, exit=False).result
    finally:
        DEMO.stop()
    sys.exit(not outcome.wasSuccessful())
