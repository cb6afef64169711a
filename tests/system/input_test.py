"""Every route of both programs, as /openapi.json lists them, under wrong input: no login, other methods,
bodies that are no JSON, members of wrong types, names that are not there. Each gets a clear refusal in the form of
its API; nothing ends in a 5xx, a hang or a program that died.
"""
import base64
import http.client
import json
import ssl
import time
import urllib.parse

from stage import Failure, equal, expect
from world import ADMIN, CLOUD, CONNECTOR

NOBODY = "00000000-0000-4000-8000-000000000000"
PUBLIC = ("/exposed", "/oauth/", "/t/", "/token_keys", "/.well-known/", "/healthz", "/readyz",
          CLOUD + "/version", "/api/login", "/j_security_check")
NO_JSON = ("", "{", "x", "[]", "null", '"x"', "12", '{"a":1}{', "[" * 20000, '{"a":' * 5000, "\x00",
           '{"a":"\\u0000"}', b"\xff\xfe{}", "{}")
VALUES = (None, 12, -1, 1.5, True, [], {}, "", "x" * 100000, "\x00", "a\x00b", "\n", "\x1b[2J", "äöü€",
          "🙂" * 300, [None], [1], [{"a": "b"}], {"a": 1}, "' OR 1=1 --", "../..", "%00", " ")
NAMES = ("nope", "%00", "x" * 5000, "%ff", "%C3%A4", "..%2f", "..", "a:b:c", "%20", "", "%7B%7D", "+", "-",
         "x%0d%0ay", NOBODY, "12:99999", "erp.virtual", "%F0%9F%99%82")


def is_odata(path):
    """The cloud side's API of a tenant: with the tenant in the path, or found otherwise."""
    parts = path.split("?")[0].split("/")
    return path.startswith("/api/v1") or (path.startswith("/t/") and "api" in parts[2:])


class Session:
    """One kept connection with the program's session, so that thousands of calls cost one login."""

    def __init__(self, port, user=None, password=None):
        self.port, self.connection, self.fields = port, None, {}
        self.basic = user and "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.context = ssl._create_unverified_context()

    def once(self, method, path, body, fields):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection("localhost", self.port, context=self.context,
                                                          timeout=20)
        self.connection.request(method, path, body=body, headers=fields)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.headers.get("X-CSRF-Token"):
            self.fields["X-CSRF-Token"] = answer.headers["X-CSRF-Token"]
            if answer.headers.get("Set-Cookie"):
                self.fields["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
        if answer.will_close:
            self.close()
        return answer.status, answer.headers, data

    def call(self, method, path, body=None, kind="application/json", headers=None):
        fields = dict(self.fields or ({"Authorization": self.basic} if self.basic else {}))
        fields.update(headers or {})
        if body is not None and kind:
            fields["Content-Type"] = kind
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        try:
            return self.once(method, path, body, fields)
        except (http.client.HTTPException, ConnectionError):
            self.close()  # the server may end a kept connection; what it breaks twice is a fault
            return self.once(method, path, body, fields)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Probe:
    """Judges answers; what is wrong is gathered, so that one run shows all of it."""

    def __init__(self, world, cloud):
        self.cloud = cloud
        port = world.ports.console if cloud else world.ports.admin
        password = world.cloud_password if cloud else world.first.password
        self.session, self.stranger = Session(port, ADMIN, password), Session(port)
        self.faults = []
        start = CLOUD + "/session" if cloud else CONNECTOR + "/connector"
        equal(self.session.call("GET", start)[0], 200, "login")
        self.described = json.loads(self.session.call("GET", "/openapi.json")[2])["paths"]
        self.names = {"sa": world.subaccount, "subaccount": world.subaccount, "rh": world.region,
                      "user": world.owner, "vhvp": world.virtual, "id": "-public", "instance": NOBODY,
                      "serial": "01", "name": "nokey", "alias": "6E6F6E65", "domain": "none", "entry": "none",
                      "tenant": world.subaccount}

    def path(self, pattern, **other):
        return pattern.format(**dict(self.names, **other))

    def call(self, method, path, body=None, wanted=None, who=None, **more):
        start = time.monotonic()
        try:
            status, headers, data = (who or self.session).call(method, path, body, **more)
        except (OSError, http.client.HTTPException) as reason:
            self.fault(method, path, body, f"no answer: {reason!r}")
            (who or self.session).close()
            return 0, {}
        if time.monotonic() - start > 15:
            self.fault(method, path, body, "took longer than 15 s")
        if status >= 500 or (wanted is not None and status not in wanted):
            self.fault(method, path, body, f"{status} {data[:200]!r}")
        elif status >= 400 and method != "HEAD":
            self.judge_form(method, path, body, status, headers, data)
        return status, headers

    def judge_form(self, method, path, body, status, headers, data):
        kind, shown = headers.get("Content-Type"), None
        try:
            shown = json.loads(data)
        except ValueError:
            self.fault(method, path, body, f"{status} without JSON: {data[:100]!r}")
            return
        if self.cloud and is_odata(path):  # spec/keystore.md 3.1
            wanted = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
            error = shown.get("error") or {}
            good = (kind == "application/json" and error.get("code") == wanted.get(status, error.get("code"))
                    and error.get("code") and error["message"]["lang"] == "en" and error["message"]["value"])
        elif path.startswith(("/oauth/token", "/t/")) and "error" in shown:
            good = kind == "application/json" and shown.get("error_description")
        elif self.cloud or path.startswith("/api/drawbridge/"):
            good = kind == "application/problem+json" and shown.get("status") == status and shown["detail"]
        else:
            good = kind == "application/json" and shown.get("type") and shown.get("message")
        if not good:
            self.fault(method, path, body, f"{status} in another form: {kind} {data[:200]!r}")

    def fault(self, method, path, body, text):
        self.faults.append(f"{method} {path[:150]} {(body or '')[:80]!r}: {text}")

    def undo(self, status, headers):
        """What an odd value could make goes again."""
        if status == 201 and headers.get("Location"):
            where = urllib.parse.urlsplit(headers["Location"]).path
            if not where.isascii() or " " in where:
                self.fault("Location", where, None, "is no URI")
            self.call("DELETE", urllib.parse.quote(where, safe="/%:+@!"), wanted=(204,))

    def end(self):
        self.session.close()
        self.stranger.close()
        if self.faults:
            raise Failure(f"{len(self.faults)} of them:\n" + "\n".join(self.faults[:40]))


def both(world):
    return Probe(world, False), Probe(world, True)


def case_without_login(world):
    """without a login every route but the public ones is 401"""
    for probe in both(world):
        for pattern, operations in probe.described.items():
            for method in operations:
                if pattern.startswith(PUBLIC) or (pattern, method) == (CLOUD + "/session", "post"):
                    continue
                _, headers = probe.call(method.upper(), probe.path(pattern), who=probe.stranger, wanted=(401,))
                if "WWW-Authenticate" not in headers:
                    probe.fault(method, pattern, None, "401 without WWW-Authenticate")
        probe.end()


def case_other_methods(world):
    """a method that a path does not serve is 405 with Allow, and OPTIONS tells it"""
    for probe in both(world):
        for pattern, operations in probe.described.items():
            for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "BREW"):
                if method.lower() in operations:
                    continue
                _, headers = probe.call(method, probe.path(pattern), wanted=(405,))
                if "Allow" not in headers:
                    probe.fault(method, pattern, None, "405 without Allow")
            probe.call("OPTIONS", probe.path(pattern), wanted=(200, 204))
            if "get" in operations:
                probe.call("HEAD", probe.path(pattern))
        probe.end()


def case_unknown_names(world):
    """a name in a path that is not there, or none at all, is a 4xx"""
    for probe in both(world):
        for pattern, operations in probe.described.items():
            for name in [part[1:-1] for part in pattern.split("/") if part.startswith("{")]:
                for value in NAMES:
                    for method in operations:
                        probe.call(method.upper(), probe.path(pattern, **{name: value}),
                                   "{}" if method in ("put", "post", "patch") else None)
        probe.end()


def case_bad_heads_behind_good_ones(world):
    """a malformed path or head on a kept connection is 400, whatever came before it"""
    for probe in both(world):
        for path in ("/%zz", "/a/../b", "/%2e%2e/x", "/a%2fb", "//", "/a//b", "/\\", "/%00"):
            probe.call("GET", "/openapi.json", wanted=(200,))
            probe.call("GET", path, wanted=(400,))
        probe.end()


def bodies(world):
    """Bodies that would do, by route; members of wrong types come from these."""
    sa = world.subaccount_path()
    mapping = {"localHost": "127.0.0.1", "localPort": str(world.ports.backend), "protocol": "HTTP",
               "backendType": "nonSAPsys", "authenticationMode": "NONE", "hostInHeader": "VIRTUAL",
               "description": "d", "sid": "ABC", "sncPartnerName": "p", "sapRouter": "r",
               "allowedClients": [], "blacklistedUsers": []}
    one = f"{CLOUD}/subaccounts/{world.subaccount}"
    connector = [
        ("PUT", CONNECTOR + "/connector", {"description": "d"}),
        ("PUT", CONNECTOR + "/connector/authentication/basic", {"oldPassword": "no", "newPassword": "new"}),
        ("PUT", CONNECTOR + "/connector/authentication/basic", {"user": "x", "password": "no"}),
        ("PUT", CONNECTOR + "/connector/proxy", {"host": "127.0.0.1", "port": "3128", "user": "u",
                                                 "password": "p"}),
        ("POST", CONNECTOR + "/subaccounts", {
            "regionHost": "localhost:1", "subaccount": NOBODY, "cloudUser": "a", "cloudPassword": "b",
            "locationID": "q", "autoCertRenewal": True, "displayName": "x", "description": "x",
            "isManaged": False, "rootFingerprint": "00", "authenticationData": "x"}),
        ("PUT", sa, {"autoCertRenewal": True, "displayName": "n", "description": "d"}),
        ("PUT", sa + "/state", {"connected": True}),
        ("POST", sa + "/validity", {"user": "a", "password": "b", "authenticationData": "c",
                                    "rootFingerprint": "d"}),
        ("POST", sa + "/systemMappings", dict(mapping, virtualHost="odd.virtual", virtualPort="1")),
        ("PUT", sa + "/systemMappings/" + world.virtual, mapping),
        ("POST", sa + f"/systemMappings/{world.virtual}/resources",
         {"id": "/odd", "enabled": True, "exactMatchOnly": True, "websocketUpgradeAllowed": True,
          "description": "d"}),
        ("PUT", sa + f"/systemMappings/{world.virtual}/resources/-public",
         {"id": "/public", "enabled": True, "exactMatchOnly": False, "description": "d"}),
        ("POST", sa + "/domainMappings", {"virtualDomain": "v.d", "internalDomain": "i.d"}),
        ("PATCH", CONNECTOR + "/connector/onPremises/truststore", {"trustAllBackends": False}),
        ("PUT", sa.replace(CONNECTOR, CLOUD) + f"/systemMappings/{world.virtual}/matching",
         {"matching": "segment"}),
    ]
    cloud = [
        ("POST", CLOUD + "/users", {"name": "odd@plant.example", "displayName": "d",
                                    "password": "long enough", "roles": ["display"]}),
        ("PUT", CLOUD + "/users/" + world.owner, {"displayName": "Olga", "roles": [], "locked": False}),
        ("PUT", f"{CLOUD}/users/{NOBODY}/password", {"newPassword": "long enough"}),
        ("POST", CLOUD + "/subaccounts", {"displayName": "d", "id": NOBODY, "subdomain": "odd",
                                          "description": "x", "owner": world.owner}),
        ("PUT", one, {"displayName": "Plant North", "subdomain": "north", "description": "x",
                      "locked": False, "renewalAllowed": True}),
        ("PUT", f"{one}/connectors/{NOBODY}/state", {"connected": True}),
        ("POST", one + "/service-keys", {"name": "odd"}),
    ]
    return connector, cloud


def case_bodies_that_are_no_object(world):
    """a body that is no JSON object is 400, another type 415, one that is too long 413, and nothing changes"""
    for probe, rows in zip(both(world), bodies(world)):
        for method, path, good in rows:
            for body in NO_JSON:
                probe.call(method, path, body, wanted=None if body == "{}" else (400,) if probe.cloud else
                           (400, 200) if body == '{"a":"\\u0000"}' else (400,))
            for kind in ("text/plain", "application/xml", None):
                probe.call(method, path, json.dumps(good), wanted=(415,), kind=kind)
            probe.call(method, path, '"' + "x" * (2 << 20) + '"', wanted=(413,))
        probe.end()


def case_members_of_wrong_types(world):
    """a member of a wrong type, too long, or missing is refused or understood, never a fault of ours"""
    for probe, rows in zip(both(world), bodies(world)):
        for method, path, good in rows:
            for name in good:
                for value in VALUES:
                    body = json.dumps(dict(good, **{name: value}))
                    # lists and objects are no texts, numbers and switches
                    odd = isinstance(value, dict) or (isinstance(value, list) and value and
                                                      name not in ("allowedClients", "blacklistedUsers"))
                    unread = name == "isManaged" or (name == "authenticationData" and not value)
                    probe.undo(*probe.call(method, path, body,
                                           wanted=(400, 403, 404) if odd and not unread else None))
                less = {key: good[key] for key in good if key != name}
                probe.undo(*probe.call(method, path, json.dumps(less)))
            probe.call(method, path, json.dumps(good))
        probe.call("DELETE", CONNECTOR + "/connector/proxy") if not probe.cloud else None
        probe.call("DELETE", f"{CLOUD}/subaccounts/{NOBODY}") if probe.cloud else None
        probe.call("DELETE", CLOUD + "/users/odd@plant.example") if probe.cloud else None
        probe.end()
    expect(world.first.connected(), "the tunnel did not survive")
