"""What is configured at a connector: export, preview and import of a subaccount as a file; the certificate
of its administration; the audit of both."""
import contextlib
import io
import json
import os
import ssl
import subprocess
import zipfile

from stage import Rest, equal, expect, wait_for
from world import ADMIN, CONNECTOR

OWN = "/api/drawbridge/v1"
ZIP = {"Content-Type": "application/zip"}


def configuration(world, query="", one=None):
    one = one or world.first
    return f"{OWN}/subaccounts/{world.region}/{world.subaccount}/configuration{query}"


def export(world, one=None):
    one = one or world.first
    answer = one.admin.must("GET", configuration(world))
    equal(answer.headers["Content-Type"], "application/zip", "type")
    return answer.body


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: json.loads(z.read(name)) for name in z.namelist()}


def pack(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in entries.items():
            z.writestr(name, content if isinstance(content, (str, bytes)) else json.dumps(content))
    return out.getvalue()


def upload(world, data, query="", one=None, headers=None):
    one = one or world.first
    return one.admin.call("POST", configuration(world, query), data, headers=headers or ZIP)


def shape(world, one=None):
    """Mappings with resources, and cookie domains, without what differs by nature."""
    found = members(export(world, one))
    return [found[name] for name in ("systemMappings.json", "domainMappings.json")]


def case_export_has_no_identity(world):
    """the exported ZIP has mappings, resources, cookie domains and settings, and says not whose they are"""
    world.admin.must("POST", world.subaccount_path("/domainMappings"),
                     {"internalDomain": "corp.example", "virtualDomain": "cloud.example"})
    data = export(world)
    found = members(data)
    equal(sorted(found), ["domainMappings.json", "drawbridge.json", "settings.json", "systemMappings.json"],
          "entries")
    rows = {f"{row['virtualHost']}:{row['virtualPort']}": row for row in found["systemMappings.json"]}
    expect("/public" in [r["id"] for r in rows[world.virtual]["resources"]], f"resources: {rows}")
    equal(found["domainMappings.json"], [{"virtualDomain": "cloud.example", "internalDomain": "corp.example"}],
          "domains")
    text = json.dumps(found)
    for secret in (world.subaccount, world.region, "BEGIN", "password", "private"):
        expect(secret.lower() not in text.lower(), f"{secret} is in the file")
    other = configuration(world).replace(world.subaccount, "00000000-0000-4000-8000-000000000000")
    equal(world.admin.call("GET", other).status, 404, "another subaccount")


def case_preview_then_import_then_live(world):
    """a preview changes nothing; the import does what it said, and counts for the next request"""
    saved, client = export(world), world.client()
    base = world.subaccount_path(f"/systemMappings/{world.virtual}")
    equal(client.get(world.url("/headers")).status, 200, "before")
    world.admin.must("DELETE", base + "/resources/-headers")
    world.map("extra.virtual:8000", f"127.0.0.1:{world.ports.backend}", "/")
    equal(client.get(world.url("/headers")).status, 403, "deleted")
    drifted = shape(world)
    seen = upload(world, saved, "?mode=replace&preview=true").json()
    equal(seen["applied"], False, "preview")
    equal([(c["action"], c["kind"], c["name"]) for c in seen["changes"]],
          [("added", "resource", "/headers"), ("removed", "resource", "/"),
           ("removed", "systemMapping", "extra.virtual:8000")], "changes")
    equal(shape(world), drifted, "after the preview")
    done = upload(world, saved, "?mode=replace")
    equal((done.status, done.json()["changes"], done.json()["applied"]), (200, seen["changes"], True), "import")
    equal(client.get(world.url("/headers")).status, 200, "at once")
    equal(client.get("http://extra.virtual:8000/").status, 403, "the removed one")
    equal(upload(world, saved, "?mode=replace").json()["changes"], [], "again")


def case_modes(world):
    """add leaves what is there, overwrite replaces the same names, and both leave the rest"""
    file = members(export(world))
    rows = [dict(row, localHost="changed.example") for row in file["systemMappings.json"]
            if row["virtualHost"] == "closed.virtual"]
    rows.append(dict(rows[0], virtualHost="added.virtual"))
    data = pack({"drawbridge.json": file["drawbridge.json"], "systemMappings.json": rows})
    counts = upload(world, data).json()["counts"]["systemMapping"]
    equal((counts["added"], counts["kept"], counts["changed"]), (1, 1, 0), "add")
    seen = world.admin.must("GET", world.subaccount_path(f"/systemMappings/{world.virtual_closed}")).json()
    equal(seen["localHost"], "127.0.0.1", "kept")
    counts = upload(world, data, "?mode=overwrite").json()["counts"]["systemMapping"]
    equal((counts["added"], counts["changed"], counts["unchanged"], counts["removed"]), (0, 1, 1, 0), "overwrite")
    seen = world.admin.must("GET", world.subaccount_path(f"/systemMappings/{world.virtual_closed}")).json()
    equal(seen["localHost"], "changed.example", "changed")
    world.unmap("added.virtual:80".replace(":80", ":8000"))
    equal(upload(world, data, "?mode=sideways").status, 400, "another mode")
    equal(upload(world, data, "?preview=maybe").status, 400, "another preview")


def case_settings_travel(world):
    """description, location ID and renewal come along, and may be left out"""
    file = members(export(world))
    file["settings.json"].update(description="from a file", autoCertRenewal=False)
    data = pack(file)
    upload(world, data, "?mode=overwrite&settings=false")
    expect(world.admin.must("GET", world.subaccount_path()).json()["description"] != "from a file", "left out")
    equal([c["name"] for c in upload(world, data, "?mode=overwrite").json()["changes"]],
          ["description", "autoCertRenewal"], "settings")
    entity = world.admin.must("GET", world.subaccount_path()).json()
    equal((entity["description"], entity["autoCertRenewal"]), ("from a file", False), "entity")


def case_refused_files(world):
    """what is no whole export of ours is refused with the reason, and changes nothing"""
    before, good = shape(world), export(world)
    file = members(good)
    row = file["systemMappings.json"][0]
    rows = [
        (b"", 400, "empty"), (b"hello", 400, "no whole ZIP"), (good[:-30], 400, "no whole ZIP"),
        (pack({"readme.txt": "x"}), 400, "no export of a subaccount"),
        (pack({"drawbridge.json": {"format": "drawbridge-subaccount", "version": 9}}), 400, "newer version"),
        (pack(dict(file, **{"evil.sh": "x"})), 400, "evil.sh"),
        (pack(dict(file, **{"../evil": "x"})), 400, "name that is not accepted"),
        (pack(dict(file, **{"systemMappings.json": [dict(row, colour="red")]})), 400, "colour"),
        (pack(dict(file, **{"systemMappings.json": [dict(row, protocol="GOPHER")]})), 400, "GOPHER"),
        (pack(dict(file, **{"systemMappings.json": [dict(row, localHost="a..b")]})), 400, "localHost 'a..b' is not valid"),
        (pack(dict(file, **{"systemMappings.json": [row, row]})), 400, "twice"),
        (pack(dict(file, **{"settings.json": {"subaccount": "x"}})), 400, "subaccount"),
        (pack(dict(file, **{"systemMappings.json": b" " * (4 << 20)})), 413, "inflates"),
        (b"x" * (17 << 20), 413, ""),
    ]
    for data, status, text in rows:
        answer = upload(world, data, "?mode=replace")
        equal(answer.status, status, f"{text}: {answer}")
        expect(text in answer.text, f"{text!r} is not in {answer}")
    equal(upload(world, good, headers={"Content-Type": "text/plain"}).status, 415, "another type")
    equal(shape(world), before, "afterwards")


def case_form_upload(world):
    """a form with the part "file", as browsers send it, is taken too"""
    data = (b'--b1\r\nContent-Disposition: form-data; name="file"; filename="c.zip"\r\n'
            b"Content-Type: application/zip\r\n\r\n" + export(world) + b"\r\n--b1--\r\n")
    form = {"Content-Type": "multipart/form-data; boundary=b1"}
    equal(upload(world, data, "?preview=true", headers=form).json()["changes"], [], "changes")
    equal(upload(world, data.replace(b'name="file"', b'name="other"'), headers=form).status, 400, "no file")


def cli(world, *words, **more):
    ca = world.first_ca(world.ports.admin)
    return subprocess.run([world.binary("drawbridge"), *words, "--url", f"https://localhost:{world.ports.admin}",
                           "--ca-file", ca], capture_output=True, timeout=60,
                          env=dict(os.environ, DRAWBRIDGE_PASSWORD=world.first.password), **more)


def case_command_line(world):
    """drawbridge subaccount export and import, with --preview"""
    path = os.path.join(world.folder, "exported.zip")
    done = cli(world, "subaccount", "export", world.subaccount, "--to", path)
    equal((done.returncode, done.stderr), (0, b""), "export")
    world.map("cli.virtual:8000", f"127.0.0.1:{world.ports.backend}", "/")
    shown = cli(world, "subaccount", "import", world.subaccount, path, "--mode", "replace", "--preview")
    expect(b"removed" in shown.stdout and b"cli.virtual:8000" in shown.stdout, f"{shown}")
    equal(world.admin.call("GET", world.subaccount_path("/systemMappings/cli.virtual:8000")).status, 200, "preview")
    equal(cli(world, "subaccount", "import", world.subaccount, path, "--mode", "replace").returncode, 0, "import")
    equal(world.admin.call("GET", world.subaccount_path("/systemMappings/cli.virtual:8000")).status, 404, "after")
    broken = cli(world, "subaccount", "import", world.subaccount, "-", input=b"PK no zip")
    expect(broken.returncode == 1 and b"ZIP" in broken.stderr, f"{broken}")


def case_another_connector_takes_it_over(world):
    """another installation takes the file over and keeps its own certificate and subaccount"""
    other = world.second_connector("other")
    try:
        before = other.tunnel()["subaccountCertificate"]["serialNumber"]
        answer = upload(world, export(world), "?settings=false", one=other)
        equal(answer.status, 200, f"{answer}")
        equal(shape(world, other), shape(world), "taken over")
        equal(other.tunnel()["subaccountCertificate"]["serialNumber"], before, "certificate")
    finally:
        other.end()


def case_as_many_as_allowed(world):
    """5,000 mappings are imported, listed and exported; one more is refused"""
    saved = export(world)
    row = {"localHost": "127.0.0.1", "localPort": "80", "protocol": "HTTP", "backendType": "nonSAPsys",
           "virtualPort": "80", "resources": [{"id": "/", "enabled": True}]}
    rows = [dict(row, virtualHost=f"h{i}") for i in range(5001)]
    head = {"drawbridge.json": members(saved)["drawbridge.json"]}
    answer = upload(world, pack(dict(head, **{"systemMappings.json": rows})), "?mode=replace")
    expect(answer.status == 413 and "at most 5000" in answer.text, f"{answer}")
    answer = upload(world, pack(dict(head, **{"systemMappings.json": rows[:5000]})), "?mode=replace&settings=false")
    equal(answer.status, 200, f"{answer.text[:300]}")
    listed = world.admin.must("GET", world.subaccount_path("/systemMappings")).json()
    equal((len(listed), listed[-1]["totalResourcesCount"]), (5000, 1), "listed")
    expect(listed[-1]["_links"]["self"]["href"].endswith("/systemMappings/h4999:80"), f"{listed[-1]}")
    equal(len(members(export(world))["systemMappings.json"]), 5000, "exported")
    equal(upload(world, saved, "?mode=replace").status, 200, "back")


def case_killed_while_importing(world):
    """kill -9 before the commit leaves the old state, after it the new one"""
    saved = export(world)
    world.map("doomed.virtual:8000", f"127.0.0.1:{world.ports.backend}", "/")
    old = shape(world)
    state = world.first.state_dir
    for point, wanted in (("import.written", old), ("import.committed", None)):
        with open(os.path.join(state, "crash-at"), "w", encoding="ascii") as f:
            f.write(point)
        try:
            upload(world, saved, "?mode=replace")
            expect(False, f"{point} was not reached")
        except OSError:
            pass
        wait_for(lambda: world.admin.call("GET", CONNECTOR + "/connector").status == 200, "coming back", 60)
        with open(os.path.join(state, "crash-hit"), encoding="ascii") as f:
            expect(point in f.read(), f"{point} was not hit")
        now = shape(world)
        if wanted is not None:
            equal(now, wanted, point)
        else:
            expect("doomed.virtual" not in json.dumps(now), "the committed change is gone")
    wait_for(world.first.connected, "the tunnel", 60)
    equal(world.client().get(world.url("/headers")).status, 200, "a request")


# ---- the certificate of the administration ----

UI = CONNECTOR + "/connector/ui/uiCertificate"
NAMES = [{"type": "DNS", "value": "localhost"}, {"type": "IP", "value": "127.0.0.1"},
         {"type": "DNS", "value": "*.works.example"}]


def shown(world):
    """The certificate that the next handshake shows, as openssl tells of it."""
    pem = ssl.get_server_certificate(("127.0.0.1", world.ports.admin))
    return subprocess.run(["openssl", "x509", "-noout", "-text", "-nameopt", "compat"], input=pem, text=True,
                          capture_output=True, check=True).stdout


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True, **more).stdout


class Ca:
    """A certification authority of the plant, of openssl."""

    def __init__(self, folder):
        self.folder, self.pem = folder, os.path.join(folder, "ca.pem")
        self.key = os.path.join(folder, "ca.key")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.pem, "-subj",
                "/CN=Plant CA", "-days", "30")

    def sign(self, csr, name="/CN=signed", days="30"):
        path, out = os.path.join(self.folder, "r.csr"), os.path.join(self.folder, "r.pem")
        with open(path, "w", encoding="ascii") as f:
            f.write(csr)
        openssl("x509", "-req", "-in", path, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                "-out", out, "-copy_extensions", "copy")
        with open(out, encoding="ascii") as f:
            return f.read()

    def text(self):
        with open(self.pem, encoding="ascii") as f:
            return f.read()


def form(**parts):
    body = b""
    for name, content in parts.items():
        content = content.encode() if isinstance(content, str) else content
        body += (f'--b1\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n').encode()
        body += content + b"\r\n"
    return body + b"--b1--\r\n", {"Content-Type": "multipart/form-data; boundary=b1"}


def install(world, **parts):
    body, headers = form(**parts)
    return world.admin.call("PATCH", UI, body, headers=headers)


def case_ui_self_signed(world):
    """a self-signed certificate with names of choice is shown at the next handshake, and after a restart"""
    seen = world.admin.must("GET", UI).json()
    equal((seen["isDefault"], world.admin.call("DELETE", UI).status), (True, 404), "at the start")
    expect({"type": "DNS", "value": "localhost"} in seen["subjectAltNames"], f"{seen}")
    made = world.admin.must("POST", UI, {"type": "selfsigned", "keySize": 2048, "subjectDN": "CN=plant,O=Works",
                                         "subjectAltNames": NAMES})
    equal((made.status, made.body), (201, b""), "create")
    expect(made.headers["Location"].endswith(UI), f"{made.headers}")
    seen = world.admin.must("GET", UI).json()
    equal((seen["isDefault"], seen["subjectAltNames"]), (False, NAMES), "shown over REST")
    equal(365 * 86400000 + 3600000, seen["notAfterTimeStamp"] - seen["notBeforeTimeStamp"], "a year")
    text = shown(world)
    expect("CN=plant" in text and "2048 bit" in text and "127.0.0.1" in text, text)
    der = world.admin.must("GET", UI, headers={"Accept": "application/pkix-cert"}).body
    equal(der, ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", world.ports.admin))), "DER")
    world.connector.stop()
    world.start_connector()
    expect("CN=plant" in shown(world), "after a restart")
    world.admin.must("DELETE", UI)
    expect("CN=plant" not in shown(world), "after DELETE")


def case_ui_signed_by_a_ca(world):
    """a CSR signed by the plant's CA is installed; clients that trust that CA are content"""
    ca = Ca(world.sub("ui-ca"))
    answer = world.admin.must("POST", UI, {"type": "csr", "keySize": "2048", "subjectDN": "CN=signed",
                                           "subjectAltNames": NAMES})
    expect("DNS:localhost" in openssl("req", "-noout", "-text", "-verify", input=answer.text), "names in the CSR")
    expect("CN=signed" not in shown(world), "before the chain is there")
    chain = ca.sign(answer.text)
    equal(install(world, signedCertificate=ca.text()).status, 400, "another's certificate")
    equal(install(world, signedCertificate="garbage").status, 400, "garbage")
    equal(install(world, other=chain).status, 400, "another part")
    equal(world.admin.call("PATCH", UI, chain, headers={"Content-Type": "text/plain"}).status, 415, "no form")
    expect("CN=signed" not in shown(world), "still the old one")
    equal(install(world, signedCertificate=chain, caCertificateChain=ca.text()).status, 201, "install")
    trusting = Rest(world.ports.admin, ADMIN, world.first.password, ca=ca.pem)
    equal(trusting.must("GET", UI).json()["issuer"], "CN=Plant CA", "by a client that trusts the CA")
    equal(install(world, signedCertificate=chain).status, 400, "the CSR is used up")
    # PKCS#7, and a second CSR that makes the first void
    first = world.admin.must("POST", UI, {"type": "csr", "keySize": 2048, "subjectDN": "CN=localhost"}).text
    second = world.admin.must("POST", UI, {"type": "csr", "keySize": 2048, "subjectDN": "CN=localhost"}).text
    equal(install(world, signedCertificate=ca.sign(first)).status, 400, "void")
    pem = os.path.join(ca.folder, "both.pem")
    with open(pem, "w", encoding="ascii") as f:
        f.write(ca.sign(second) + ca.text())
    openssl("crl2pkcs7", "-nocrl", "-certfile", pem, "-outform", "DER", "-out", pem + ".p7b")
    with open(pem + ".p7b", "rb") as f:
        equal(install(world, signedCertificate=f.read()).status, 201, "PKCS#7")
    equal(trusting.must("GET", UI).json()["subjectDN"], "CN=localhost", "from PKCS#7")
    world.admin.must("DELETE", UI)


def case_ui_bad_requests(world):
    """what makes no certificate is refused with the field named, and changes nothing"""
    good = {"type": "selfsigned", "keySize": 2048, "subjectDN": "CN=plant.example"}
    for change, text in (({"type": "other"}, "type"), ({"keySize": 1024}, "keySize"), ({"subjectDN": None}, "subjectDN"),
                         ({"subjectDN": "nonsense"}, ""), ({"subjectDN": "CN=two words"}, "subjectAltNames"),
                         ({"subjectAltNames": "x"}, "subjectAltNames"),
                         ({"subjectAltNames": [{"type": "RFC822", "value": "a@b"}]}, "DNS or IP"),
                         ({"subjectAltNames": [{"type": "DNS", "value": "a b"}]}, "a b"),
                         ({"subjectAltNames": [{"type": "DNS", "value": "*.a..b"}]}, "*.a..b"),
                         ({"subjectAltNames": [{"type": "DNS", "value": "a.*.b"}]}, "a.*.b")):
        answer = world.admin.call("POST", UI, dict(good, **change))
        equal(answer.status, 400, f"{change}: {answer}")
        expect(text in answer.text, f"{change}: {answer}")
    equal(world.admin.must("GET", UI).json()["isDefault"], True, "afterwards")


def case_ui_key_is_nowhere(world):
    """the private key is in no file of the connector in the clear"""
    world.admin.must("POST", UI, {"type": "selfsigned", "keySize": 2048, "subjectDN": "CN=localhost"})
    rsa = bytes.fromhex("300d06092a864886f70d0101010500048204")  # PKCS#8 of an RSA key
    looked = []
    for folder, _, names in os.walk(world.first.state_dir):
        for path in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        data = f.read()
                    expect(rsa not in data and b"PRIVATE KEY" not in data, f"a private key is in {path}")
                    looked.append(path)
    expect(world.state_file("connector") in looked, f"only these were read: {looked}")
    world.admin.must("DELETE", UI)


def case_ui_pkcs12(world):
    """a PKCS#12 file is installed with its chain; a wrong password or a file without a key leaves the old one"""
    folder = world.sub("ui-p12")
    ca = Ca(folder)
    key, csr, p12 = (os.path.join(folder, name) for name in ("k.pem", "k.csr", "k.p12"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", csr, "-subj", "/CN=uploaded",
            "-addext", "subjectAltName=DNS:localhost")
    with open(csr, encoding="ascii") as f:
        pem = ca.sign(f.read())
    with open(key + ".crt", "w", encoding="ascii") as f:
        f.write(pem)
    openssl("pkcs12", "-export", "-inkey", key, "-in", key + ".crt", "-certfile", ca.pem, "-out", p12, "-passout",
            "pass:secret")
    openssl("pkcs12", "-export", "-nokeys", "-in", ca.pem, "-out", p12 + "2", "-passout", "pass:secret")

    def put(path, password, **more):
        with open(path, "rb") as f:
            body, headers = form(pkcs12=f.read(), password=password, **more)
        return world.admin.call("PUT", UI, body, headers=headers)
    expect("keyPassword" in put(p12, "wrong", keyPassword="other").text, "a password of the key alone")
    for answer in (put(p12, "wrong"), put(p12 + "2", "secret"), put(ca.pem, ""), put(csr, "")):
        equal(answer.status, 400, f"{answer}")
    equal(world.admin.must("GET", UI).json()["isDefault"], True, "still the old one")
    equal(put(p12, "secret").status, 204, "upload")
    expect("CN=uploaded" in shown(world), shown(world))
    trusting = Rest(world.ports.admin, ADMIN, world.first.password, ca=ca.pem)
    equal(trusting.must("GET", UI).json()["subjectDN"], "CN=uploaded", "by a client that trusts the CA")
    world.connector.stop()
    world.start_connector()
    expect("CN=uploaded" in shown(world), "after a restart")
    world.admin.must("DELETE", UI)


# ---- the audit ----

def case_audit_of_the_connector(world):
    """what was done and what was refused is listed over REST and by the command line, newest first, in pages"""
    world.admin.must("PUT", CONNECTOR + "/connector", {"description": "audited"})
    first = world.admin.must("GET", OWN + "/audit?limit=1").json()
    row = first["items"][0]
    equal((row["what"], row["who"], row["from"].rsplit(":", 1)[0]),
          ("connector.description", "user:" + ADMIN, "127.0.0.1"), "newest")
    second = world.admin.must("GET", f"{OWN}/audit?limit=1&after={first['next']}").json()["items"][0]
    equal(second["n"], row["n"] - 1, "the next page")
    whats = {item["what"] for item in world.admin.must("GET", OWN + "/audit?limit=1000").json()["items"]}
    for what in ("subaccount.add", "mapping.create", "resource.create", "subaccount.import", "ui-certificate.install"):
        expect(what in whats, f"{what} is not in {sorted(whats)}")
    Rest(world.ports.admin, "mallory", "guess").call("GET", CONNECTOR + "/connector")
    refused = world.admin.must("GET", OWN + "/audit/denied?limit=5").json()["items"]
    expect(any(item["who"] == "user:mallory" and "password" in item["after"] for item in refused), f"{refused}")
    equal(Rest(world.ports.admin).call("GET", OWN + "/audit").status, 401, "without a login")
    equal(world.admin.call("GET", OWN + "/audit?limit=0").status, 400, "no limit")
    shown_rows = cli(world, "connector", "audit")
    expect(b"connector.description" in shown_rows.stdout, f"{shown_rows}")
    expect(b"mallory" in cli(world, "connector", "audit", "denied").stdout, "denied by the command line")


def case_denied_attempts_of_the_cloud_side(world):
    """the cloud side lists its denied attempts too, to those who may read the audit"""
    Rest(world.ports.console, world.owner, world.owner_password).call("GET", OWN + "/users")
    rows = world.console.must("GET", OWN + "/audit/denied").json()["items"]
    expect(any(world.owner in row["who"] for row in rows), f"{rows}")
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    equal(owner.call("GET", OWN + "/audit/denied").status, 403, "an owner")


def case_killed_while_installing(world):
    """kill -9 between storing and showing a certificate: the next start shows it"""
    state = world.first.state_dir
    with open(os.path.join(state, "crash-at"), "w", encoding="ascii") as f:
        f.write("ui-certificate.stored")
    try:
        world.admin.call("POST", UI, {"type": "selfsigned", "keySize": 2048, "subjectDN": "CN=late.example"})
        expect(False, "the point was not reached")
    except OSError:
        pass
    wait_for(lambda: world.admin.call("GET", CONNECTOR + "/connector").status == 200, "coming back", 60)
    expect("CN=late.example" in shown(world), "the stored one is not shown")
    world.admin.must("DELETE", UI)


def case_ui_by_the_command_line(world):
    """drawbridge ui-certificate: request, install, show, upload, delete"""
    ca = Ca(world.sub("ui-cli"))
    csr = cli(world, "ui-certificate", "request", "CN=localhost", "--names", "localhost,127.0.0.1", "--key-size", "2048")
    equal((csr.returncode, csr.stderr), (0, b""), "request")
    path = os.path.join(ca.folder, "signed.pem")
    with open(path, "w", encoding="ascii") as f:
        f.write(ca.sign(csr.stdout.decode()) + ca.text())
    equal(cli(world, "ui-certificate", "install", path).returncode, 0, "install")
    expect(b"CN=Plant CA" in cli(world, "ui-certificate", "show").stdout, "show")
    p12 = os.path.join(ca.folder, "k.p12")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", p12 + ".key", "-out", p12 + ".crt", "-subj",
            "/CN=brought", "-addext", "subjectAltName=DNS:localhost", "-days", "30")
    openssl("pkcs12", "-export", "-inkey", p12 + ".key", "-in", p12 + ".crt", "-out", p12, "-passout", "pass:secret")
    with open(p12 + ".password", "w", encoding="ascii") as f:
        f.write("secret\n")
    equal(cli(world, "ui-certificate", "upload", p12, "--file-password-file", p12 + ".password").returncode, 0, "upload")
    equal(world.admin.must("GET", UI).json()["subjectDN"], "CN=brought", "uploaded")
    equal(cli(world, "ui-certificate", "delete").returncode, 0, "delete")
    equal(cli(world, "ui-certificate", "self-sign", "CN=localhost", "--key-size", "2048").returncode, 0, "self-sign")
    expect("CN=localhost" in shown(world), "self-signed")
    equal(cli(world, "ui-certificate", "delete").returncode, 0, "delete")
