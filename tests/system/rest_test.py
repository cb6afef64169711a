"""The connector's administration REST as scripts of the original use it, and the console's rules."""
import base64
import http.client
import json
import secrets
import urllib.parse

from stage import Rest, equal, expect, wait_for
from world import ADMIN, CLOUD, CONNECTOR, Installation, encode_resource, setup_code
from stage import free_ports


def case_first_start_rules(world):
    """before the password is changed and the role chosen, every call is refused with the text that says so"""
    other = Installation(world, "fresh", free_ports(1)[0])
    other.start()
    try:
        code = setup_code(other.state_dir)
        first = Rest(other.port, ADMIN, code)
        answer = first.call("GET", CONNECTOR + "/connector")
        equal((answer.status, answer.json()["type"]), (403, "FORBIDDEN_REQUEST"), "before the change")
        expect("operation unavailable unless initial password is changed" in answer.text, f"{answer}")
        equal(first.call("PUT", CONNECTOR + "/connector/authentication/basic",
                         {"oldPassword": code, "newPassword": code}).status, 400, "the same password")
        equal(first.call("PUT", CONNECTOR + "/connector/authentication/basic",
                         {"oldPassword": "wrong", "newPassword": other.password}).status, 400, "a wrong one")
        first.must("PUT", CONNECTOR + "/connector/authentication/basic",
                   {"oldPassword": code, "newPassword": other.password})
        answer = other.admin.call("GET", CONNECTOR + "/subaccounts")
        equal(answer.status, 403, f"before the role: {answer}")
        expect("HA role undefined" in answer.text, f"{answer}")
        other.admin.must("POST", CONNECTOR + "/connector/haRole", "master",
                         headers={"Content-Type": "application/json"})
        equal(other.admin.must("GET", CONNECTOR + "/connector").json()["ha"], "master", "role")
        equal(Rest(other.port, ADMIN, code).call("GET", CONNECTOR + "/connector").status, 401,
              "the setup code afterwards")
    finally:
        other.end()


def case_version_and_ping(world):
    """version, ping and the role check answer as documented"""
    expect("version" in world.admin.must("GET", "/api/v1/connector/version").json(), "no version")
    equal(Rest(world.ports.admin).call("GET", "/exposed?action=ping").status, 200, "ping")
    equal(Rest(world.ports.admin).call("GET", "/exposed?action=hasMasterRole").text.strip(), "true", "role")


def case_description(world):
    """the description is written and read; null is refused"""
    world.admin.must("PUT", CONNECTOR + "/connector", {"description": "hall 3"})
    equal(world.admin.must("GET", CONNECTOR + "/connector").json(),
          {"ha": "master", "description": "hall 3"}, "connector")
    equal(world.admin.call("PUT", CONNECTOR + "/connector", {"description": None}).status, 400, "null")


def case_subaccount_entity(world):
    """the subaccount entity has the fields that clients read"""
    listed = world.admin.must("GET", CONNECTOR + "/subaccounts").json()
    equal(listed[0]["subaccount"], world.subaccount, "list")
    entity = world.admin.must("GET", world.subaccount_path()).json()
    for name in ("regionHost", "subaccount", "locationID", "displayName", "description", "autoCertRenewal",
                 "isManaged", "tunnel", "_links"):
        expect(name in entity, f"{name} is missing")
    tunnel = entity["tunnel"]
    for name in ("state", "connectedSinceTimeStamp", "connections", "applicationConnections",
                 "serviceChannels", "subaccountCertificate", "user"):
        expect(name in tunnel, f"tunnel.{name} is missing")
    for name in ("notAfterTimeStamp", "notBeforeTimeStamp", "subjectDN", "issuer", "serialNumber"):
        expect(name in tunnel["subaccountCertificate"], f"subaccountCertificate.{name} is missing")
    equal(sorted(entity["_links"]), ["domainMappings", "self", "state", "systemMappings", "validity"], "_links")
    for name, link in entity["_links"].items():  # state and validity are written only
        status = world.admin.call("GET", urllib.parse.urlsplit(link["href"]).path).status
        equal(status, 405 if name in ("state", "validity") else 200, f"GET of _links.{name}")
    equal(world.admin.call("GET", world.subaccount_path("/channels/K8S")).status, 404, "what no link names")


def case_missing_subaccount(world):
    """a subaccount that does not exist is named in the 404"""
    name = "00000000-0000-4000-8000-000000000000"
    answer = world.admin.call("GET", f"{CONNECTOR}/subaccounts/{world.region}/{name}")
    equal((answer.status, answer.json()["type"]), (404, "NOT_FOUND"), "answer")
    expect(f"'{name}@{world.region}' does not exist" in answer.json()["message"], f"{answer}")


def case_mapping_life(world):
    """a mapping is created, read, changed, refused twice, and deleted"""
    base = world.subaccount_path("/systemMappings")
    body = {"virtualHost": "v.life", "virtualPort": 900, "localHost": "i.life", "localPort": "900",
            "protocol": "HTTP", "backendType": "abapSys", "authenticationMode": "NONE",
            "hostInHeader": "internal"}
    made = world.admin.must("POST", base, body)
    equal(made.status, 201, "create")
    expect(made.headers.get("Location", "").endswith("/v.life:900"), f"Location {made.headers}")
    equal(world.admin.call("POST", base, body).status, 409, "again")
    seen = world.admin.must("GET", base + "/v.life:900").json()
    equal((seen["virtualPort"], seen["localPort"], seen["hostInHeader"], seen["protocol"]),
          ("900", "900", "INTERNAL", "HTTP"), "fields")
    expect(isinstance(seen["creationDate"], str), "creationDate is a string of ms")
    body["localHost"] = "j.life"
    equal(world.admin.must("PUT", base + "/v.life:900", body).status, 204, "change")
    equal(world.admin.must("GET", base + "/v.life:900").json()["localHost"], "j.life", "changed")
    equal(world.admin.must("DELETE", base + "/v.life:900").status, 204, "delete")
    equal(world.admin.call("GET", base + "/v.life:900").status, 404, "after")


def case_resources(world):
    """resources have the original's defaults and id encoding"""
    base = world.subaccount_path(f"/systemMappings/{world.virtual}/resources")
    path = "/a-b/c+d"
    world.admin.must("POST", base, {"id": path})
    encoded = encode_resource(path)
    seen = world.admin.must("GET", f"{base}/{encoded}").json()
    equal((seen["id"], seen["enabled"], seen["exactMatchOnly"], seen["websocketUpgradeAllowed"]),
          (path, False, False, False), "defaults")
    world.admin.must("PUT", f"{base}/{encoded}", {"id": path, "enabled": "true", "exactMatchOnly": "true"})
    seen = world.admin.must("GET", f"{base}/{encoded}").json()
    equal((seen["enabled"], seen["exactMatchOnly"]), (True, True), "changed with strings")
    equal(world.admin.must("DELETE", f"{base}/{encoded}").status, 204, "delete")
    equal(world.admin.call("GET", f"{base}/{encoded}").status, 404, "after")


def case_rule_change_is_live(world):
    """a resource that is suspended, allowed again or deleted counts for the next request"""
    base = world.subaccount_path(f"/systemMappings/{world.virtual}/resources")
    path, encoded = "/headers", encode_resource("/headers")
    client = world.client()
    equal(client.get(world.url(path)).status, 200, "before")
    world.admin.must("PUT", f"{base}/{encoded}", {"id": path, "enabled": False})
    equal(client.get(world.url(path)).status, 403, "suspended")
    world.admin.must("PUT", f"{base}/{encoded}", {"id": path, "enabled": True})
    equal(client.get(world.url(path)).status, 200, "allowed again")


def case_sub_paths(world):
    """with its sub-paths ends at a path segment"""
    client = world.client()
    equal(client.get(world.url("/public/deep/er.txt")).status, 200, "a sub-path")
    equal(client.get(world.url("/publicity")).status, 403, "the same letters, another segment")
    equal(client.get(world.url("/public?x=/secret")).status in (200, 301, 403, 404), True, "a query")


def case_lenient_json(world):
    """bodies as in the original's curl samples are understood"""
    answer = world.admin.call("PUT", CONNECTOR + "/connector", '{description="lenient"}',
                              headers={"Content-Type": "application/json"})
    equal(answer.status, 200, f"saw {answer}")
    equal(world.admin.must("GET", CONNECTOR + "/connector").json()["description"], "lenient", "description")


def case_wrong_type(world):
    """a JSON body under another content type is refused with 415"""
    answer = world.admin.call("PUT", CONNECTOR + "/connector", '{"description":"x"}',
                              headers={"Content-Type": "text/plain"})
    equal(answer.status, 415, f"saw {answer}")


def case_session_and_csrf(world):
    """a cookie session must send the token on writes; basic without a cookie need not"""
    pair = base64.b64encode(f"{ADMIN}:{world.first.password}".encode()).decode()
    c = http.client.HTTPSConnection("localhost", world.ports.admin, context=world.admin.context, timeout=60)
    c.request("GET", CONNECTOR + "/connector", headers={"Authorization": "Basic " + pair})
    answer = c.getresponse()
    answer.read()
    cookie, token = answer.headers["Set-Cookie"], answer.headers["X-CSRF-Token"]
    for word in ("JSESSIONID=", "Secure", "HttpOnly", "SameSite=Strict"):
        expect(word in cookie, f"{word} is missing in {cookie}")
    session = {"Cookie": cookie.split(";")[0], "Content-Type": "application/json"}

    def write(more):
        c.request("PUT", CONNECTOR + "/connector", json.dumps({"description": "s"}),
                  headers=dict(session, **more))
        seen = c.getresponse()
        seen.read()
        return seen.status
    equal(write({}), 403, "without the token")
    equal(write({"X-CSRF-Token": "x" * 40}), 403, "with a wrong token")
    equal(write({"X-CSRF-Token": token}), 200, "with the token")
    c.close()


def case_form_login(world):
    """the form login gives a session; its end is answered by the page, to a browser's script by 401"""
    connection = http.client.HTTPSConnection("localhost", world.ports.admin, context=world.admin.context, timeout=60)

    def ask(method, path, body=None, **fields):
        connection.request(method, path, body, headers={k.replace("_", "-"): v for k, v in fields.items()})
        answer = connection.getresponse()
        return answer, answer.read().decode()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    answer, text = ask("GET", "/api/login")
    expect(answer.status == 200 and "j_security_check" in text, text)
    answer, text = ask("POST", "/j_security_check", f"j_username={ADMIN}&j_password=no", **form)
    equal((answer.status, answer.headers["Set-Cookie"]), (200, None), "a wrong password")
    answer, text = ask("POST", "/j_security_check",
                       urllib.parse.urlencode({"j_username": ADMIN, "j_password": world.first.password}), **form)
    equal(answer.status, 302, text)
    cookie, token = answer.headers["Set-Cookie"].split(";")[0], answer.headers["X-CSRF-Token"]
    equal(ask("GET", CONNECTOR + "/connector", Cookie=cookie)[0].status, 200, "with the session")
    equal(ask("POST", "/api/logout", Cookie=cookie, X_CSRF_Token=token)[0].status, 204, "logout")
    answer, text = ask("GET", CONNECTOR + "/connector", Cookie=cookie)
    expect(answer.status == 200 and answer.headers["Content-Type"].startswith("text/html"), text)
    equal(ask("GET", CONNECTOR + "/connector", Cookie=cookie, Sec_Fetch_Mode="cors")[0].status, 401, "a script")
    connection.close()


def case_high_availability_of_one_master(world):
    """a master without a shadow says so, in the original's words"""
    equal(world.admin.must("GET", CONNECTOR + "/connector/haRole").json(), "master", "role")
    equal(world.admin.must("GET", CONNECTOR + "/connector/ha/master/state").json()["state"], "ALONE", "state")
    equal(world.admin.call("POST", CONNECTOR + "/connector/ha/master/state", {"op": "SWITCH"}).status, 409, "switch")
    equal(world.admin.call("GET", CONNECTOR + "/connector/ha/shadow/config").status, 403, "for a shadow")
    equal(world.admin.call("POST", CONNECTOR + "/connector/haRole", '"shadow"',
                           headers={"Content-Type": "application/json"}).status, 400, "shadow")


def case_lists_of_a_mapping(world):
    """allowed clients and blocked users are lists of their own"""
    base = world.subaccount_path(f"/systemMappings/{world.virtual}")
    equal(world.admin.must("POST", base + "/allowedClients", ["100", "200"]).status, 201, "replace")
    equal(world.admin.must("PATCH", base + "/allowedClients", ["300"]).status, 204, "add")
    equal(world.admin.must("DELETE", base + "/allowedClients/200").status, 204, "delete one")
    equal(world.admin.must("GET", base).json()["allowedClients"], ["100", "300"], "in the mapping")
    world.admin.must("POST", base + "/blockedClientUsers", [{"client": "100", "user": "EVE"}])
    world.admin.must("DELETE", base + "/blockedClientUsers/100:EVE")
    equal(world.admin.must("GET", base + "/blockedClientUsers").json(), [], "emptied")
    equal(world.admin.call("POST", base + "/allowedClients", ["1"]).status, 400, "two characters too few")
    world.admin.must("DELETE", base + "/allowedClients")


def case_refused_refresh_has_its_own_type(world):
    """a refresh that is refused for its input says BAD_REQUEST, as the original does"""
    answer = world.admin.call("POST", world.subaccount_path("/validity"), {})
    equal((answer.status, answer.json()["type"]), (400, "BAD_REQUEST"), f"{answer}")


def case_connectors_in_the_console(world):
    """the cloud side lists a connector with certificate, version, tunnels, address and location"""
    rows = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/connectors").json()["items"]
    mine = next(row for row in rows if row["connected"] and not row["locationId"])
    serial = world.certificate()["serialNumber"].replace(":", "").lower()
    equal(mine["certificate"]["serialNumber"].replace(":", "").lower(), serial, "certificate")
    equal(mine["certificate"]["state"], "active", "its state")
    expect(mine["tunnels"] >= 1 and mine["address"].startswith("127.0.0.1"), f"{mine}")
    shown = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/connectors/{mine['instance']}").json()
    equal(shown["certificate"]["serialNumber"], mine["certificate"]["serialNumber"], "one connector")
    listed = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/certificates").json()["items"]
    expect(serial in [row["serialNumber"].replace(":", "").lower() for row in listed], f"{listed}")


def case_wrong_password(world):
    """a wrong password is 401, and many of them are slowed down without locking others out for ever"""
    for _ in range(3):
        equal(Rest(world.ports.admin, ADMIN, "wrong").call("GET", CONNECTOR + "/connector").status, 401,
              "wrong password")
    wait_for(lambda: world.admin.call("GET", CONNECTOR + "/connector").status == 200, "the right one", 60)


def case_openapi(world):
    """both programs describe themselves, and each described GET without parameters answers"""
    for rest, port in ((world.admin, world.ports.admin), (world.console, world.ports.console)):
        described = rest.must("GET", "/openapi.json").json()
        expect(described["openapi"].startswith("3."), "no OpenAPI version")
        paths = [p for p, operations in described["paths"].items() if "get" in operations and "{" not in p]
        expect(len(paths) > 3, f"port {port}: only {paths}")
        for path in paths:
            status = rest.call("GET", path).status
            expect(status < 500, f"GET {path}: {status}")


def case_console_needs_login(world):
    """the console's API answers 401 without a login and 403 without the right"""
    equal(Rest(world.ports.console).call("GET", CLOUD + "/subaccounts").status, 401, "no login")
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    equal(owner.call("GET", CLOUD + "/users").status, 403, "an owner lists users")
    equal(owner.must("GET", CLOUD + "/subaccounts").json()["items"][0]["id"], world.subaccount, "own one")


def case_non_owner_cannot_enrol(world):
    """a valid user who is no owner is refused with the owners named; a wrong password names nobody"""
    name, password = "nora@plant.example", "Nora-" + secrets.token_urlsafe(8)
    world.console.must("POST", CLOUD + "/users", {"name": name, "password": password, "roles": []})
    other = Installation(world, "nora", free_ports(1)[0], "nora")
    other.start()
    try:
        other.first_start()
        answer = other.add_subaccount(user=name, password=password)
        expect(answer.status in (400, 403, 409), f"saw {answer}")
        expect(world.owner in answer.text and "Core Account" in answer.text, f"no hint: {answer}")
        answer = other.add_subaccount(user=name, password="wrong")
        expect(answer.status in (400, 401, 403), f"saw {answer}")
        expect(world.owner not in answer.text, f"an owner is named to a stranger: {answer}")
        answer = other.add_subaccount(user=world.owner, password=world.owner_password)
        equal(answer.status, 201, f"the owner: {answer}")
    finally:
        other.end()


def case_first_contact(world):
    """without trust in the server nothing leaves; the answer has the root's fingerprint to confirm"""
    other = Installation(world, "contact", free_ports(1)[0], "contact")
    other.start()
    try:
        other.first_start()
        body = {"regionHost": world.region, "subaccount": world.subaccount, "cloudUser": world.owner,
                "cloudPassword": "never to be sent", "locationID": "contact"}
        answer = other.admin.call("POST", CONNECTOR + "/subaccounts", body)
        equal(answer.status, 409, f"saw {answer}")
        pin = world.console.must("GET", CLOUD + "/ca").json()["rootPin"]
        expect(pin.replace(":", "").lower() in answer.text.replace(":", "").lower(),
               f"the fingerprint is missing: {answer}")
        body["rootFingerprint"] = "00" * 32
        equal(other.admin.call("POST", CONNECTOR + "/subaccounts", body).status, 409, "a wrong confirmation")
    finally:
        other.end()


def case_authentication_data_once(world):
    """authentication data works once; a second installation with it is refused"""
    data = world.authentication_data()
    first, second = (Installation(world, f"data{i}", free_ports(1)[0], f"data{i}") for i in (1, 2))
    try:
        for one in (first, second):
            one.start()
            one.first_start()
        equal(first.add_subaccount(data=data).status, 201, "first use")
        answer = second.add_subaccount(data=data)
        expect(answer.status in (400, 403), f"second use: {answer}")
    finally:
        first.end()
        second.end()


def case_forced_disconnect(world):
    """a forced disconnect from the cloud side cuts the tunnel, says so, and can be undone"""
    listed = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/connectors").json()["items"]
    mine = next(row for row in listed if row["connected"] and not row["locationId"])
    equal(mine["version"], world.admin.must("GET", "/api/v1/connector/version").json()["version"], "the version shown")
    path = f"{CLOUD}/subaccounts/{world.subaccount}/connectors/{mine['instance']}/state"
    world.console.must("PUT", path, {"connected": False})
    wait_for(lambda: world.state() != "Connected", "the cut")
    wait_for(lambda: "disconnect" in world.reason().lower(), "the reason being shown")
    world.console.must("PUT", path, {"connected": True})
    wait_for(lambda: world.state() == "Connected", "coming back", 60)


def case_service_key(world):
    """a service key has the form in which clients find host and ports; its secret is shown once"""
    key = world.create_service_key("second")
    for name in ("onpremise_proxy_host", "onpremise_proxy_port", "onpremise_proxy_http_port",
                 "token_service_url", "url", "clientid", "clientsecret", "instance_guid"):
        expect(name in key, f"{name} is missing")
    equal(key["onpremise_proxy_port"], str(world.ports.proxy), "port as a string")
    listed = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/service-keys").text
    expect(key["clientsecret"] not in listed, "the secret is listed")
    token = world.token_answer(key).json()
    equal(token["token_type"].lower(), "bearer", "token type")
    world.console.must("DELETE", f"{CLOUD}/subaccounts/{world.subaccount}/service-keys/second")
    wait_for(lambda: world.token_answer(key).status == 401, "the key's end")
    world.create_service_key("third")


def case_token_errors(world):
    """the token server answers RFC 6749 errors"""
    console = Rest(world.ports.console)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = console.call("POST", "/oauth/token", "grant_type=password", headers=form)
    equal((answer.status, answer.json()["error"]), (400, "unsupported_grant_type"), "grant type")
    answer = console.call("POST", "/oauth/token", "grant_type=client_credentials&client_id=x&client_secret=y",
                          headers=form)
    equal((answer.status, answer.json()["error"]), (401, "invalid_client"), "client")
    expect(console.must("GET", "/token_keys").json()["keys"], "no keys")
