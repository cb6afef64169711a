"""Every operation of the keystore x every role x both databases: who may, may; who may not, changes nothing.

The operations come from /openapi.json, so that a new one cannot be forgotten: an operation that is not listed in
ALLOWED fails the test.
"""
import json
import re
import secrets

from stage import Rest, equal, expect
from tenant import OWN, Tenant, b64, hexed, make_certificate, scene as tenant_scene
from world import ADMIN, CLOUD

DATABASES = ("sqlite", "postgresql")
READ, EDIT, EITHER, PROVIDER = "read", "edit", "either", "provider"

# What each operation asks for. {P} stands for both prefixes of /api/v1.
ALLOWED = {
    "GET {P}": EITHER, "GET {P}/": EITHER, "GET {P}/$metadata": EITHER,
    "GET {P}/KeystoreEntries": READ, "GET {P}/KeystoreEntries('{alias}')": READ,
    "PUT {P}/KeystoreEntries('{alias}')": EDIT, "DELETE {P}/KeystoreEntries('{alias}')": EDIT,
    "GET {P}/KeystoreEntries('{alias}')/ChainCertificates": READ,
    "GET {P}/KeystoreEntries('{alias}')/Certificate/$value": READ,
    "GET {P}/KeystoreEntries('{alias}')/ChainResource/$value": READ,
    "GET {P}/KeystoreEntries('{alias}')/SigningRequest/$value": READ,
    "GET {P}/KeystoreEntries('{alias}')/Sshkey/$value": READ,
    "PUT {P}/CertificateResources('{alias}')/$value": EDIT,
    "GET {P}/CertificateChainResources('{alias}')": READ,
    "PUT {P}/CertificateChainResources('{alias}')/$value": EDIT,
    "POST {P}/KeyPairResources": EDIT, "POST {P}/KeyPairGenerationRequests": EDIT,
    "POST {P}/RSAKeyGenerationRequests": EDIT, "POST {P}/SSHKeyGenerationRequests": EDIT,
    "GET {P}/Keystores('{name}')": READ, "GET {P}/Keystores('{name}')/Size/$value": READ,
    "GET {P}/Keystores('{name}')/Entries": READ,
    "POST {P}/KeystoreResources": EDIT, "GET {P}/KeystoreResources('{name}')": READ,
    "PUT {P}/KeystoreResources('{name}')": EDIT,
    "GET {P}/HistoryKeystoreEntries": READ, "GET {P}/HistoryKeystoreEntries('{alias}')": READ,
    "PUT {P}/HistoryKeystoreEntries('{alias}')": EDIT,
    "GET {K}": READ, "GET {K}/entries": READ, "GET {K}/entries/{alias}": READ, "PUT {K}/entries/{alias}": EDIT,
    "GET {K}/preview": READ, "POST {K}/restore": EDIT, "POST {K}/undo": EDIT,
    "GET {K}/backups": READ, "POST {K}/backups": EDIT, "GET {K}/generations": READ, "GET {K}/verify": READ,
    "GET {K}/export": READ, "GET {K}/settings": READ, "PUT {K}/settings": EDIT,
    "POST {K}/provider/entries": PROVIDER, "DELETE {K}/provider/entries/{alias}": PROVIDER,
    "POST {K}/connection-test": EDIT,
}
NOBODY, R, E, RE = set(), {READ, EITHER}, {EDIT, EITHER}, {READ, EDIT, EITHER}
# Who: how to make it, what it may, and what it is refused with.
ROLES = {
    "administrator": ({"roles": ["administrator"]}, RE | {PROVIDER}),
    "subaccount administrator": ({"roles": ["subaccount-administrator"]}, NOBODY),
    "display": ({"roles": ["display"]}, R),
    "owner": ({"owner": True}, NOBODY),
    "NodeManager.read": ({"member": ["NodeManager.read"]}, R),
    "NodeManager.deploysecuritycontent": ({"member": ["NodeManager.deploysecuritycontent"]}, E),
    "AuthGroup.IntegrationDeveloper": ({"member": ["AuthGroup.IntegrationDeveloper"]}, R),
    "AuthGroup.ReadOnly": ({"member": ["AuthGroup.ReadOnly"]}, R),
    "AuthGroup.Administrator": ({"member": ["AuthGroup.Administrator"]}, RE),
    "a member of another tenant": ({"other": ["AuthGroup.Administrator"]}, NOBODY),
    "no login": ({}, NOBODY),
    "a service key": ({"key": ["AuthGroup.Administrator"]}, RE),
    "a service key without a role": ({"key": []}, NOBODY),
}


def scene(world):
    tenant_scene(world)
    world.files = world.sub("files")
    world.root = make_certificate(world.files, "root")
    world.tenant = Tenant(world, ADMIN, world.cloud_password)
    world.other = world.create_subaccount("Other").json()["id"]
    world.spec = world.console.must("GET", "/openapi.json").json()
    equal(world.tenant.generate("victim").status, 204, "the first entry")
    equal(world.tenant.back_up().status, 204, "the first backup")


def operations(world):
    """Of the keystore, as (method, path, key of ALLOWED)."""
    rows = []
    for path, methods in world.spec["paths"].items():
        key = path
        for prefix, short in (("/t/{sa}/api/v1", "{P}"), ("/api/v1", "{P}"), (OWN + "/{sa}/keystore", "{K}")):
            if key == prefix or key.startswith(prefix + "/"):
                key = short + key[len(prefix):]
                break
        else:
            continue
        for method in methods:
            rows.append((method.upper(), path, f"{method.upper()} {key}"))
    return rows


def caller(world, how):
    """Somebody who is that, logged in once: (Rest, fields of each request)."""
    name, password = f"p{secrets.token_hex(4)}", "Person-" + secrets.token_urlsafe(9)
    rest = Rest(world.ports.console)
    if not how:
        return rest, {}
    if "key" in how:
        made = world.console.must("POST", f"{CLOUD}/subaccounts/{world.subaccount}/service-keys",
                                  {"name": name, "roles": how["key"]}).json()
        t = Tenant(world, bearer=json.loads(world.token_answer(made["credentials"]).body)["access_token"])
        t.fetch()
        return rest, {**t.fields(), **(t.session or {})}
    world.console.must("POST", f"{CLOUD}/users", {"name": name, "password": password, "roles": how.get("roles", [])})
    if how.get("owner"):
        world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}/owners/{name}")
    for roles, where in ((how.get("member"), world.subaccount), (how.get("other"), world.other)):
        if roles:
            world.console.must("PUT", f"{CLOUD}/subaccounts/{where}/members/{name}", {"roles": roles})
    login = rest.call("POST", CLOUD + "/session", {"user": name, "password": password})
    equal(login.status, 200, f"login of {name}")
    return rest, {"Cookie": login.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": login.headers["X-CSRF-Token"],
                  "Connection": "keep-alive"}


def request(world, method, path, host):
    """Path, body and fields of a request that would change something if it were let through."""
    alias, body, fields = hexed("victim"), None, dict(host)
    if "CertificateResources" in path:
        body, alias = world.root, hexed(f"new-{secrets.token_hex(3)}")
        fields["Content-Type"] = "application/pkix-cert"
    elif "CertificateChainResources" in path and method == "PUT":
        body, fields["Content-Type"] = world.root, "application/pkcs7-mime"
    elif path.endswith("/KeystoreResources"):
        body = {"Name": "backup_admin_system"}
    elif "KeyPairGenerationRequests" in path:
        body = {"Alias": f"new-{secrets.token_hex(3)}", "KeyType": "EC", "KeyAlgorithmParameter": "secp256r1",
                "CommonName": "x"}
    elif method == "PUT" and path.endswith("/entries/{alias}"):
        body = {"trustedForInbound": True}
    elif path.endswith("/provider/entries"):
        body = {"alias": "sap_x", "resource": b64(world.root)}
    elif path.endswith("/settings"):
        body = {"clientCertificateRequired": False}
    elif method in ("PUT", "POST"):
        body = {"Status": None, "Resource": None}
    path = path.replace("{sa}", world.subaccount).replace("{alias}", alias).replace("{name}", "system")
    if method == "PUT" and "/KeystoreEntries(" in path and "History" not in path:
        path += "?renameAlias=renamed"
    if method == "PUT" and "/KeystoreResources(" in path:
        path += "?retrieveBackup=backup_admin_system&importOption=replace"
    return path, body, fields


def case_listed(world):
    """every operation of the keystore in /openapi.json says here who may use it"""
    seen = {key for _, _, key in operations(world)}
    expect(not seen - set(ALLOWED), f"not listed: {sorted(seen - set(ALLOWED))}")
    missing = set(ALLOWED) - seen
    expect(not missing, f"listed and not served: {sorted(missing)}")
    expect(len(seen) > 40, "hardly any operation was found")


def case_matrix(world):
    """who may is not refused; who may not gets 401 or 403 and has changed nothing"""
    host = {"Host": f"{world.subaccount}.localhost:{world.ports.console}"}
    wrong, tried = [], 0
    for role, (how, may) in ROLES.items():
        rest, login = caller(world, how)
        generation = world.tenant.head()["generation"]
        settings = world.tenant.own("GET", "/settings").headers["ETag"]
        for method, pattern, key in sorted(operations(world), key=lambda row: row[0] == "DELETE"):
            path, body, fields = request(world, method, pattern, host if pattern.startswith("/api/v1") else {})
            answer = rest.call(method, path, body, headers={**login, **fields})
            tried += 1
            allowed = ALLOWED[key] in may
            refused = answer.status in (401, 403)
            if allowed == refused or answer.status >= 500 and answer.status != 503:
                wrong.append(f"{role}: {method} {path}: {answer}")
            if not how and answer.status != 401:
                wrong.append(f"{role}: {method} {path}: {answer.status}, not 401")
        if not may & {EDIT, PROVIDER}:
            equal(world.tenant.head()["generation"], generation, f"generation after {role}")
            equal(world.tenant.own("GET", "/settings").headers["ETag"], settings, f"settings after {role}")
        else:
            mend(world)
    expect(not wrong, f"{len(wrong)} of {tried}:\n" + "\n".join(wrong[:20]))
    expect(tried > len(ROLES) * 60, f"only {tried} were tried")


def mend(world):
    """The victim and its backup, after somebody who may change them did."""
    if "victim" not in world.tenant.entries():
        equal(world.tenant.generate("victim").status, 204, "the victim again")
    equal(world.tenant.back_up().status, 204, "its backup")


def case_error_form(world):
    """a refusal has the form of its API, and names the role that is needed"""
    rest, login = caller(world, {"member": ["AuthGroup.ReadOnly"]})
    path = f"/t/{world.subaccount}/api/v1/KeystoreEntries('{hexed('victim')}')"
    answer = rest.call("DELETE", path, headers=login)
    error = answer.json()["error"]
    equal((answer.status, error["code"]), (403, "Forbidden"), "OData")
    expect("NodeManager.deploysecuritycontent" in error["message"]["value"], answer.text)
    answer = rest.call("POST", f"{OWN}/{world.subaccount}/keystore/undo", headers=login)
    equal((answer.status, answer.headers["Content-Type"]), (403, "application/problem+json"), "ours")
    expect(re.search("deploysecuritycontent", answer.text), answer.text)
