"""The calls of gRPC and gRPC-Web, by clients of another make: grpcio and its reflection and health.

Usage: run.py PROGRAM [CASE.TEST …]; the program is the `concordatd` to test. `make grpc-test` installs what it needs and runs it.
"""

import base64
import queue
import sys
import time
import unittest

import demo as world

world.compile_protos()

import grpc  # noqa: E402
from google.protobuf import descriptor_pool, message_factory  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from grpc_reflection.v1alpha import reflection_pb2  # noqa: E402
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # noqa: E402
    ProtoReflectionDescriptorDatabase,
)
from google.rpc import status_pb2  # noqa: E402
from zitadel import admin_pb2, admin_pb2_grpc, idp_pb2, management_pb2, management_pb2_grpc  # noqa: E402
from zitadel import object_pb2  # noqa: E402

PROGRAM = sys.argv.pop(1)
SERVICES = ["zitadel.admin.v1.AdminService", "zitadel.management.v1.ManagementService"]
# Longer than any answer takes on a busy machine.
PATIENCE = 60
SECRET = "s3cr3t-that-nobody-may-ever-read-again"


class Service:
    """One of the two services, by the names that it has for the same things."""

    def __init__(self, name, channel):
        self.name = name
        self.is_admin = name == SERVICES[0]
        self.messages = admin_pb2 if self.is_admin else management_pb2
        stubs = admin_pb2_grpc if self.is_admin else management_pb2_grpc
        self.stub = (stubs.AdminServiceStub if self.is_admin else stubs.ManagementServiceStub)(channel)
        self.prefix = "/admin/v1" if self.is_admin else "/management/v1"
        self.called = set()

    def legacy(self, name):
        """The name of an older call. Those of the management service have `Org` behind the verb."""
        if self.is_admin:
            return name
        noun = next(noun for noun in ("OIDCIDP", "IDP") if noun in name)
        return name.replace(noun, f"Org{noun}", 1)

    def call(self, method, key, metadata=(), **fields):
        """Calls it: the message and its metadata in both directions."""
        self.called.add(method)
        request = getattr(self.messages, f"{method}Request")(**fields)
        metadata = [("authorization", f"Bearer {key}"), *metadata]
        call = getattr(self.stub, method)
        message, state = call.with_call(request, metadata=metadata, timeout=PATIENCE)
        return message, dict(state.initial_metadata())


def settings(client_id, **more):
    """The least that a provider needs."""
    base = {"name": "Acme", "issuer": "https://idp.example", "client_id": client_id}
    return {**base, "client_secret": SECRET, **more}


class Case(unittest.TestCase):
    """The demo is shared; each test has an organization of its own."""

    def setUp(self):
        self.demo = DEMO
        self.org, self.key = DEMO.organization(self.id())
        self.channel = grpc.insecure_channel(DEMO.addresses[0])
        self.addCleanup(self.channel.close)
        self.services = [Service(name, self.channel) for name in SERVICES]
        self.admin, self.management = self.services

    def refused(self, code, service, method, key=None, metadata=(), **fields):
        """A call that must fail with this code: the error."""
        with self.assertRaises(grpc.RpcError) as caught:
            service.call(method, self.key if key is None else key, metadata, **fields)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def same(self, message, path, method="GET", body=None):
        """A message and the JSON of the same read."""
        status, document = self.demo.json(method, path, self.key, body)
        self.assertEqual(status, 200, document)
        came = MessageToDict(message)
        for answer in (came, document):
            # Each read has a time and a sequence of its own.
            for name in ("viewTimestamp", "processedSequence"):
                answer.get("details", {}).pop(name, None)
        self.assertEqual(came, document)


class EveryCall(Case):
    """Every call of both services, and the JSON of what it did."""

    def generic(self, service):
        client_id = f"generic-{service.is_admin}"
        options = idp_pb2.Options(is_auto_update=True, auto_linking=2)
        made, metadata = service.call(
            "AddGenericOIDCProvider",
            self.key,
            [("slashid-required-consistency", "all_regions")],
            **settings(client_id, scopes=["openid"], provider_options=options, use_pkce=True),
        )
        self.assertTrue(made.id and made.details.sequence and made.details.creation_date.seconds)
        for name in ("concordat-write-id", "concordat-position", "concordat-consistency", "etag"):
            self.assertIn(name, metadata)
        path = f"{service.prefix}/idps/templates/{made.id}"
        found, metadata = service.call("GetProviderByID", self.key, id=made.id)
        self.assertEqual(found.idp.config.oidc.client_id, client_id)
        self.assertEqual(found.idp.config.options, options)
        for name in ("concordat-read", "concordat-position", "etag"):
            self.assertIn(name, metadata)
        self.same(found, path)
        changed, metadata = service.call(
            "UpdateGenericOIDCProvider",
            self.key,
            [("if-match", metadata["etag"])],
            id=made.id,
            **{**settings(client_id, name="Acme 2"), "client_secret": ""},
        )
        self.assertGreater(changed.details.sequence, made.details.sequence)
        again, _ = service.call("GetProviderByID", self.key, id=made.id)
        self.assertEqual(again.idp.name, "Acme 2")
        self.assertFalse(again.idp.config.oidc.use_pkce, "what is left out is zero")
        query = service.messages.ProviderQuery(idp_id_query=idp_pb2.IDPIDQuery(id=made.id))
        listed, _ = service.call("ListProviders", self.key, queries=[query])
        self.assertEqual([it.id for it in listed.result], [made.id])
        body = {"queries": [{"idpIdQuery": {"id": made.id}}]}
        self.same(listed, f"{service.prefix}/idps/templates/_search", "POST", body)
        deleted, _ = service.call("DeleteProvider", self.key, id=made.id)
        self.assertGreater(deleted.details.sequence, changed.details.sequence)
        self.refused(grpc.StatusCode.NOT_FOUND, service, "GetProviderByID", id=made.id)

    def legacy(self, service):
        name = service.legacy
        client_id = f"legacy-{service.is_admin}"
        email = idp_pb2.OIDC_MAPPING_FIELD_EMAIL
        more = {"display_name_mapping": email, "styling_type": 1, "auto_register": True}
        made, _ = service.call(name("AddOIDCIDP"), self.key, **settings(client_id, **more))
        path = f"{service.prefix}/idps/{made.idp_id}"
        found, _ = service.call(name("GetIDPByID"), self.key, id=made.idp_id)
        self.assertEqual(found.idp.oidc_config.display_name_mapping, email)
        self.assertTrue(found.idp.auto_register)
        self.same(found, path)
        service.call(name("UpdateIDP"), self.key, idp_id=made.idp_id, name="Other")
        config = {"idp_id": made.idp_id, "client_id": client_id, "issuer": "https://two.example"}
        service.call(name("UpdateIDPOIDCConfig"), self.key, **config)
        self.refused(
            grpc.StatusCode.FAILED_PRECONDITION, service, name("UpdateIDPOIDCConfig"), **config
        )
        service.call(name("DeactivateIDP"), self.key, idp_id=made.idp_id)
        found, _ = service.call(name("GetIDPByID"), self.key, id=made.idp_id)
        self.assertEqual(found.idp.state, idp_pb2.IDP_STATE_INACTIVE)
        self.assertEqual((found.idp.name, found.idp.styling_type), ("Other", 0))
        self.assertEqual(found.idp.oidc_config.issuer, "https://two.example")
        self.same(found, path)
        service.call(name("ReactivateIDP"), self.key, idp_id=made.idp_id)
        column = idp_pb2.IDP_FIELD_NAME_NAME
        listed, _ = service.call(name("ListIDPs"), self.key, sorting_column=column)
        self.assertEqual((listed.sorting_column, len(listed.result)), (column, 1))
        body = {"sortingColumn": "IDP_FIELD_NAME_NAME"}
        self.same(listed, f"{service.prefix}/idps/_search", "POST", body)
        removed, _ = service.call(name("RemoveIDP"), self.key, idp_id=made.idp_id)
        self.assertEqual(removed.HasField("details") if service.is_admin else True, True)

    def test_every_call_of_both_services(self):
        for service in self.services:
            with self.subTest(service=service.name):
                _, self.key = self.demo.organization(service.name)
                self.generic(service)
                self.legacy(service)
                service.call("Healthz", self.key)
                file = service.messages.DESCRIPTOR
                described = file.services_by_name[service.name.rsplit(".", 1)[1]].methods_by_name
                self.assertEqual(service.called, set(described))

    def test_what_is_written_is_read_elsewhere(self):
        made, _ = self.management.call(
            "AddGenericOIDCProvider",
            self.key,
            [("slashid-required-consistency", "all_regions")],
            **settings("elsewhere"),
        )
        with grpc.insecure_channel(self.demo.addresses[1]) as channel:
            other = Service(SERVICES[1], channel)
            found, metadata = other.call("GetProviderByID", self.key, id=made.id)
        self.assertEqual(found.idp.config.oidc.client_id, "elsewhere")
        self.assertTrue(metadata["concordat-read"])

    def test_a_repeated_write_is_one(self):
        key = [("idempotency-key", "one")]
        calls = [
            self.admin.call("AddGenericOIDCProvider", self.key, key, **settings("once"))
            for _ in range(2)
        ]
        (first, metadata), (second, again) = calls
        self.assertEqual(first, second)
        self.assertEqual(metadata["concordat-write-id"], again["concordat-write-id"])


class Failures(Case):
    """Each failure has the code, the text and the details that JSON has."""

    def test_keys(self):
        call = (self.admin, "ListProviders")
        missing = grpc.StatusCode.UNAUTHENTICATED
        with self.assertRaises(grpc.RpcError) as caught:
            self.admin.stub.ListProviders(admin_pb2.ListProvidersRequest(), timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), missing)
        self.assertEqual(caught.exception.details(), "auth header missing")
        error = self.refused(missing, *call, key="ck_none")
        self.assertEqual(error.details(), "Errors.Token.Invalid (AUTH-7fs1e)")
        other, _ = self.demo.organization("another one")
        denied = grpc.StatusCode.PERMISSION_DENIED
        self.refused(denied, *call, metadata=[("x-zitadel-orgid", other)])
        self.admin.call("ListProviders", self.key, [("x-zitadel-orgid", self.org)])

    def test_details_are_typed(self):
        error = self.refused(
            grpc.StatusCode.NOT_FOUND, self.management, "GetProviderByID", id="7"
        )
        trailers = dict(error.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        detail = object_pb2.ErrorDetail()
        self.assertTrue(status.details[0].Unpack(detail))
        text = "Errors.Org.IDPConfig.NotExisting"
        self.assertEqual((detail.id, detail.message), ("ORG-Dg331", text))
        self.assertEqual((status.code, status.message), (5, f"{text} (ORG-Dg331)"))
        self.assertEqual(error.details(), status.message)
        self.assertIn("concordat-read", dict(error.initial_metadata()))

    def test_fields(self):
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        add = (self.admin, "AddGenericOIDCProvider")
        error = self.refused(invalid, *add, **settings("c", name=""))
        rule = "value length must be between 1 and 200 runes, inclusive"
        self.assertEqual(error.details(), f"invalid AddGenericOIDCProviderRequest.Name: {rule}")
        self.refused(invalid, *add, **settings("c", scopes=["é" * 101]))
        style = {"styling_type": 9}
        self.refused(invalid, self.admin, "AddOIDCIDP", **settings("c", **style))
        self.refused(invalid, *add, metadata=[("slashid-required-consistency", "none")], **settings("c"))
        self.admin.call("AddGenericOIDCProvider", self.key, **settings("taken"))
        self.refused(grpc.StatusCode.ALREADY_EXISTS, *add, **settings("taken"))

    def test_conditions(self):
        made, _ = self.admin.call("AddGenericOIDCProvider", self.key, **settings("conditions"))
        found, metadata = self.admin.call("GetProviderByID", self.key, id=made.id)
        failed = grpc.StatusCode.FAILED_PRECONDITION
        call = (self.admin, "GetProviderByID")
        self.refused(failed, *call, metadata=[("if-none-match", metadata["etag"])], id=found.idp.id)
        change = (self.admin, "UpdateGenericOIDCProvider")
        stale = [("if-match", '"00000000-0000-7000-8000-000000000000"')]
        self.refused(failed, *change, metadata=stale, id=made.id, **settings("conditions", name="B"))

    def raw(self, path, request, metadata=(), **options):
        call = self.channel.unary_unary(path)
        metadata = [("authorization", f"Bearer {self.key}"), *metadata]
        with self.assertRaises(grpc.RpcError) as caught:
            call(request, metadata=metadata, timeout=PATIENCE, **options)
        return caught.exception

    def test_what_is_not_served(self):
        path = f"/{SERVICES[0]}/"
        for unknown in (path + "Nothing", path + "MigrateGenericOIDCProvider", "/a.b.C/D"):
            self.assertEqual(self.raw(unknown, b"").code(), grpc.StatusCode.UNIMPLEMENTED, unknown)
        error = self.raw(path + "GetProviderByID", b"\x0a\x05a")
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        error = self.raw(path + "GetProviderByID", b"\x0a\x02\xff\xff")
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT, "no UTF-8")
        # The second one is more than a node reads only to drop it.
        for size in (70_000, 3_000_000):
            large = admin_pb2.AddGenericOIDCProviderRequest(name="x" * size).SerializeToString()
            error = self.raw(path + "AddGenericOIDCProvider", large)
            self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, size)
        zipped = admin_pb2.GetProviderByIDRequest(id="1" * 190).SerializeToString()
        error = self.raw(path + "GetProviderByID", zipped, compression=grpc.Compression.Gzip)
        self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("plain", error.details())


class Waiting(Case):
    """A write that does not reach all regions in time has its receipt all the same."""

    def test_the_time_of_a_call(self):
        cut = {"region": self.demo.names[2]}
        self.demo.operate("POST", "/v1/demo/cut", cut)
        try:
            far = [("slashid-required-consistency", "all_regions")]
            late = grpc.StatusCode.DEADLINE_EXCEEDED
            error = self.refused(
                late,
                self.admin,
                "AddGenericOIDCProvider",
                metadata=[*far, ("slashid-required-consistency-timeout", "1")],
                **settings("late"),
            )
            metadata = dict(error.initial_metadata())
            self.assertIn(f"{cut['region']}:pending", metadata["concordat-consistency"])
            self.assertTrue(metadata["concordat-write-id"])
            # The call's own time is shorter than the default of thirty seconds.
            started = time.monotonic()
            headers = {
                "authorization": f"Bearer {self.key}",
                "content-type": "application/grpc-web+proto",
                "slashid-required-consistency": "all_regions",
                "grpc-timeout": "300m",
            }
            request = admin_pb2.AddGenericOIDCProviderRequest(**settings("later"))
            path = f"/{SERVICES[0]}/AddGenericOIDCProvider"
            body = world.frame(request.SerializeToString())
            status, headers, body = self.demo.send("POST", path, headers, body)
            _, trailers = world.web_answer(headers["content-type"], body)
            self.assertEqual((status, trailers["grpc-status"]), (200, "4"), trailers)
            self.assertTrue(headers["concordat-write-id"])
            self.assertLess(time.monotonic() - started, 25)
            # A region that is cut off serves reads, and says so.
            for region, address in enumerate(self.demo.addresses):
                status, _, _ = self.demo.send("GET", "/readyz", region=region)
                with grpc.insecure_channel(address) as channel:
                    stub = health_pb2_grpc.HealthStub(channel)
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
                serving = health_pb2.HealthCheckResponse.SERVING
                self.assertEqual((status, answer.status), (200, serving), region)
        finally:
            self.demo.operate("POST", "/v1/demo/heal", cut)

    def test_a_time_that_is_none(self):
        headers = {
            "authorization": f"Bearer {self.key}",
            "content-type": "application/grpc-web",
            "grpc-timeout": "1 minute",
        }
        path = f"/{SERVICES[0]}/ListProviders"
        status, headers, body = self.demo.send("POST", path, headers, world.frame(b""))
        _, trailers = world.web_answer(headers["content-type"], body)
        self.assertEqual((status, trailers["grpc-status"]), (200, "3"), trailers)


class Web(Case):
    """gRPC-Web, over HTTP/1.1."""

    def post(self, media, message, method="AddGenericOIDCProvider", key=None):
        body = world.frame(message)
        if "-text" in media:
            body = base64.b64encode(body)
        headers = {"content-type": media, "x-grpc-web": "1"}
        headers["authorization"] = f"Bearer {self.key if key is None else key}"
        path = f"/{SERVICES[1]}/{method}"
        status, headers, body = self.demo.send("POST", path, headers, body)
        self.assertEqual(status, 200, body)
        return headers, *world.web_answer(headers["content-type"], body)

    def test_both_encodings(self):
        for media in (
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpc-web-text+proto",
        ):
            with self.subTest(media=media):
                request = management_pb2.AddGenericOIDCProviderRequest(**settings(media))
                headers, message, trailers = self.post(media, request.SerializeToString())
                self.assertEqual(trailers, {"grpc-status": "0"})
                self.assertTrue(headers["content-type"].startswith(media.removesuffix("+proto")))
                self.assertTrue(headers["concordat-write-id"])
                made = management_pb2.AddGenericOIDCProviderResponse.FromString(message)
                request = management_pb2.GetProviderByIDRequest(id=made.id).SerializeToString()
                _, message, _ = self.post(media, request, "GetProviderByID")
                found = management_pb2.GetProviderByIDResponse.FromString(message)
                self.assertEqual(found.idp.config.oidc.client_id, media)
                _, message, trailers = self.post(media, request, "GetProviderByID", key="no")
                self.assertEqual((message, trailers["grpc-status"]), (None, "16"))
                self.assertTrue(trailers["grpc-status-details-bin"])

    def test_other_media_types(self):
        path = f"/{SERVICES[0]}/ListProviders"
        for media in ("application/json", "application/grpc+json", "application/grpc", None):
            headers = {"content-type": media} if media else {}
            # Without a key: the media type is looked at first.
            status, _, body = self.demo.send("POST", path, headers, world.frame(b""))
            self.assertEqual(status, 415, (media, body))
        status, headers, _ = self.demo.send("GET", path)
        self.assertEqual((status, headers["allow"]), (405, "POST"))


class Reflection(Case):
    """A tool that knows nothing of the services finds and calls them."""

    def test_a_call_by_reflection(self):
        database = ProtoReflectionDescriptorDatabase(self.channel)
        services = database.get_services()
        for name in [*SERVICES, "grpc.health.v1.Health"]:
            self.assertIn(name, services)
        pool = descriptor_pool.DescriptorPool(database)
        method = pool.FindServiceByName(SERVICES[1]).FindMethodByName("ListProviders")
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        call = self.channel.unary_unary(
            f"/{SERVICES[1]}/ListProviders",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        metadata = [("authorization", f"Bearer {self.key}")]
        listed = call(request(), metadata=metadata, timeout=PATIENCE)
        self.assertEqual(listed.details.total_result, 0)
        self.assertEqual(method.input_type.fields_by_name["queries"].number, 2)

    def test_answers_come_before_the_end_of_the_requests(self):
        for version in ("v1", "v1alpha"):
            with self.subTest(version=version):
                call = self.channel.stream_stream(
                    f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                    request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                    response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
                )
                requests = queue.Queue()
                answers = call(iter(requests.get, None), timeout=PATIENCE)
                for _ in range(3):
                    requests.put(reflection_pb2.ServerReflectionRequest(list_services=""))
                    names = next(answers).list_services_response.service
                    self.assertIn(SERVICES[0], [it.name for it in names])
                requests.put(reflection_pb2.ServerReflectionRequest(file_by_filename="none"))
                self.assertEqual(next(answers).error_response.error_code, 5)
                requests.put(None)
                self.assertEqual(list(answers), [])
                self.assertEqual(answers.code(), grpc.StatusCode.OK)


class Health(Case):
    """The health of the node, by the client of grpcio, and as the services say it."""

    def setUp(self):
        super().setUp()
        self.stub = health_pb2_grpc.HealthStub(self.channel)

    def test_check(self):
        for name in ["", *SERVICES]:
            request = health_pb2.HealthCheckRequest(service=name)
            answer = self.stub.Check(request, timeout=PATIENCE)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING, name)
        with self.assertRaises(grpc.RpcError) as caught:
            self.stub.Check(health_pb2.HealthCheckRequest(service="none"), timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_services_say_it_without_a_key(self):
        for service in self.services:
            request = service.messages.HealthzRequest()
            answer = service.stub.Healthz(request, timeout=PATIENCE)
            self.assertEqual(answer, service.messages.HealthzResponse())
            answer = service.stub.Healthz(request, metadata=[("authorization", "x")], timeout=PATIENCE)
            self.assertEqual(answer, service.messages.HealthzResponse())
            status, document = self.demo.json("GET", f"{service.prefix}/healthz", "none")
            self.assertEqual((status, document), (200, {}))

    def test_watch(self):
        for name, status in [("", "SERVING"), (SERVICES[0], "SERVING"), ("none", "SERVICE_UNKNOWN")]:
            watched = self.stub.Watch(health_pb2.HealthCheckRequest(service=name))
            expected = health_pb2.HealthCheckResponse.ServingStatus.Value(status)
            self.assertEqual(next(watched).status, expected)
            watched.cancel()

    def test_more_streams_than_a_node_has(self):
        # Each is on this one connection; places are given back when a caller goes.
        request = health_pb2.HealthCheckRequest()
        for _ in range(2):
            watched = [self.stub.Watch(request) for _ in range(300)]
            try:
                codes = [self.first(stream) for stream in watched]
                self.assertIn("RESOURCE_EXHAUSTED", codes)
                self.assertIn("SERVING", codes)
            finally:
                for stream in watched:
                    stream.cancel()
            self.until_served(request)

    def first(self, stream):
        try:
            return health_pb2.HealthCheckResponse.ServingStatus.Name(next(stream).status)
        except grpc.RpcError as error:
            return error.code().name

    def until_served(self, request):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            stream = self.stub.Watch(request)
            code = self.first(stream)
            stream.cancel()
            if code == "SERVING":
                return
            time.sleep(0.05)
        self.fail("places are not given back")


class Readiness(unittest.TestCase):
    """A node that has not joined its cluster is not ready, and says so when it is."""

    def test_a_watched_node_becomes_ready(self):
        pair = world.Pair(PROGRAM)
        self.addCleanup(pair.stop)
        pair.start(1)
        values = health_pb2.HealthCheckResponse
        with grpc.insecure_channel(pair.addresses[1]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=SERVICES[0])
            watched = stub.Watch(request, wait_for_ready=True, timeout=2 * PATIENCE)
            self.assertEqual(next(watched).status, values.NOT_SERVING)
            self.assertEqual(stub.Check(request, timeout=PATIENCE).status, values.NOT_SERVING)
            service = Service(SERVICES[0], channel)
            with self.assertRaises(grpc.RpcError) as caught:
                service.call("ListProviders", "ck_none")
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
            pair.start(0)
            self.assertEqual(next(watched).status, values.SERVING)
            self.assertEqual(stub.Check(request, timeout=PATIENCE).status, values.SERVING)
            watched.cancel()


class Stop(unittest.TestCase):
    """The last one: the demo stops in order, though a stream is open."""

    def test_open_streams_end_with_the_node(self):
        with grpc.insecure_channel(DEMO.addresses[0]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watched = stub.Watch(health_pb2.HealthCheckRequest())
            self.assertEqual(next(watched).status, health_pb2.HealthCheckResponse.SERVING)
            self.assertEqual(DEMO.stop(), 0)
            with self.assertRaises(grpc.RpcError) as caught:
                for _ in watched:
                    pass
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(caught.exception.details(), "the node stops")


if __name__ == "__main__":
    DEMO = world.Demo(PROGRAM)
    loader = unittest.TestLoader()
    cases = [EveryCall, Failures, Waiting, Web, Reflection, Health, Readiness, Stop]
    if names := sys.argv[1:]:
        suite = loader.loadTestsFromNames(names, sys.modules[__name__])
    else:
        suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
    try:
        result = unittest.TextTestRunner(verbosity=2).run(suite)
    finally:
        if DEMO.process.poll() is None:
            DEMO.process.kill()
    sys.exit(not result.wasSuccessful())
