"""A demo of the program under test, and the two ways to ask it: gRPC by grpcio, HTTP/1.1 by the standard library.

Must never read how the program does something: only what it answers.
"""

import base64
import http.client
import json
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).parents[3]
# The services' messages, and the status that a failed call has.
PROTO = REPOSITORY / "node/src/dialect/zitadel/proto"
STATUS = REPOSITORY / "node/src/grpc/proto"

# What is compiled from the repository's own descriptions.
GENERATED = tempfile.TemporaryDirectory()


def compile_protos():
    from grpc_tools import protoc

    files = sorted(str(file) for file in PROTO.glob("zitadel/*.proto"))
    files.append(str(STATUS / "google/rpc/status.proto"))
    # Beside protoc's own files, which have google/protobuf.
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    flags = [f"-I{PROTO}", f"-I{STATUS}", f"-I{include}"]
    flags += [f"--python_out={GENERATED.name}", f"--grpc_python_out={GENERATED.name}"]
    if protoc.main(["protoc", *flags, *files]) != 0:
        raise SystemExit("the description does not compile")
    sys.path.insert(0, GENERATED.name)


class Demo:
    """Three regions of one node each."""

    def __init__(self, program):
        self.scratch = tempfile.TemporaryDirectory()
        self.log = open(pathlib.Path(self.scratch.name) / "log", "w")
        arguments = [program, "demo", "--no-tour", "--output", "json", "--listen", "127.0.0.1:0"]
        arguments += ["--nodes-per-region", "1", "--rtt-ms", "8,14,10"]
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            log = pathlib.Path(self.log.name).read_text()
            raise SystemExit(f"the demo has not started:\n{log}")
        ready = json.loads(line)
        self.operator_key = ready["operator_key"]
        self.names = [region["region"] for region in ready["regions"]]
        urls = [region["nodes"][0]["url"] for region in ready["regions"]]
        self.addresses = [url.removeprefix("http://") for url in urls]

    def stop(self):
        """Stops it in order, and returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.log.close()
            self.scratch.cleanup()

    def send(self, method, path, headers=None, body=None, region=0):
        """A request by HTTP/1.1: status, headers, body."""
        connection = http.client.HTTPConnection(self.addresses[region], timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, method, path, key, body=None, headers=None, region=0):
        """A request in JSON: status and document."""
        headers = {"authorization": f"Bearer {key}", **(headers or {})}
        if body is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(body)
        status, _, answer = self.send(method, path, headers, body, region)
        return status, json.loads(answer)

    def operate(self, method, path, body):
        """A request by the operator, which must succeed."""
        headers = {"slashid-api-key": self.operator_key, "content-type": "application/json"}
        if not path.startswith("/v1/demo/"):
            headers["slashid-required-consistency"] = "all_regions"
        status, _, answer = self.send(method, path, headers, json.dumps(body))
        if status >= 300:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return json.loads(answer)

    def organization(self, name):
        """A new organization's id and key."""
        body = {"org_name": name, "home_region": self.names[0]}
        made = self.operate("POST", "/v1/organizations", body)["result"]
        return made["id"], made["api_key"]


class Pair:
    """Two nodes of one region, each a process that is started by itself."""

    def __init__(self, program):
        self.program = program
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.running = []
        ports = free_ports(4)
        self.addresses = [f"127.0.0.1:{port}" for port in ports[:2]]
        self.peers = [f"127.0.0.1:{port}" for port in ports[2:]]
        keyring = self.folder / "keyring.toml"
        subprocess.run([program, "keyring", "new", keyring], check=True, capture_output=True)

    def start(self, node):
        """Starts the first node, which makes the cluster, or the second one, which joins it."""
        settings = {
            "region": "here",
            "data_dir": str(self.folder / f"data-{node}"),
            "listen": self.addresses[node],
            "peer_listen": self.peers[node],
            "peer_address": self.peers[node],
            "keyring": str(self.folder / "keyring.toml"),
            "seeds": self.peers,
        }
        if node == 0:
            settings["bootstrap"] = True
            settings["regions"] = ["here"]
            settings["operator_key_file"] = str(self.folder / "operator.key")
        # These values are written alike in JSON and in TOML.
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
        config = self.folder / f"node-{node}.toml"
        config.write_text("".join(lines))
        with open(self.folder / f"log-{node}", "w") as log:
            process = subprocess.Popen(
                [self.program, "start", "--config", config], stdout=log, stderr=log
            )
        self.running.append(process)

    def stop(self):
        """Ends both, and removes their files."""
        for process in self.running:
            process.kill()
            process.wait()
        self.scratch.cleanup()


def free_ports(count):
    """Ports that nothing listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


def frame(message, flags=0):
    """A message with its head."""
    return struct.pack(">BI", flags, len(message)) + message


def web_answer(media, body):
    """The message and the trailers of an answer by gRPC-Web."""
    if "-text" in media:
        # Padding may stand between the parts.
        whole = b""
        for part in body.replace(b"=", b"= ").replace(b"= =", b"==").split():
            whole += base64.b64decode(part)
        body = whole
    message, trailers = None, None
    while body:
        flags, length = struct.unpack(">BI", body[:5])
        content, body = body[5 : 5 + length], body[5 + length :]
        if flags == 0x80:
            lines = content.decode().splitlines()
            trailers = dict(line.split(": ", 1) for line in lines)
        else:
            message = content
    return message, trailers
