"""The tenant's keystore by the API of the original, as a client that does not know Drawbridge uses it."""
import re
import subprocess

from stage import Rest, equal, expect, wait_for
from tenant import (Tenant, b64, error_of, hexed, make_certificate, make_pkcs12, openssl, scene as tenant_scene)
from world import ADMIN, CLOUD

DATABASES = ("sqlite", "postgresql")


def scene(world):
    tenant_scene(world)
    world.tenant = Tenant(world, ADMIN, world.cloud_password)
    world.files = world.sub("files")
    world.root = make_certificate(world.files, "root")


def case_csrf(world):
    """every write needs the token and the cookie that a GET fetches; without them 403 says Required"""
    t = Tenant(world, ADMIN, world.cloud_password)
    answer = t.rest.call("POST", t.service + "/KeystoreResources", {"Name": "backup_admin_system"})
    equal((answer.status, answer.headers["X-CSRF-Token"]), (403, "Required"), "without a token")
    expect(error_of(answer)[0] == "Forbidden", "the error's form")
    session = t.fetch()
    expect("Secure" in t.rest.call("GET", t.service + "/", headers={"X-CSRF-Token": "fetch"}).headers["Set-Cookie"],
           "the cookie")
    for broken in ({"X-CSRF-Token": session["X-CSRF-Token"]}, {"Cookie": session["Cookie"]},
                   {**session, "X-CSRF-Token": "x" * 43}):
        answer = t.rest.call("POST", t.service + "/KeystoreResources", {"Name": "backup_admin_system"}, headers=broken)
        equal((answer.status, answer.headers["X-CSRF-Token"]), (403, "Required"), f"with {broken.keys()}")
    equal(t.back_up().status, 204, "with both")
    reader = Tenant(world, world.owner, world.owner_password)
    answer = reader.rest.call("POST", t.service + "/KeystoreResources", {"Name": "backup_admin_system"}, headers=session)
    equal(answer.status, 403, "another's session")


def case_forms(world):
    """entries are JSON with __metadata and __deferred, dates and hex aliases as the original writes them"""
    t = world.tenant
    equal(t.generate("Forms Key", ValidNotBefore="/Date(1798761600000)/",
                     ValidNotAfter="/Date(1862006400000+0000)/").status, 204, "created")
    key = hexed("Forms Key")
    entry = t.must("GET", f"/KeystoreEntries('{key}')").json()["d"]
    equal((entry["Alias"], entry["Hexalias"], entry["Type"], entry["Owner"], entry["Status"], entry["Validity"]),
          ("Forms Key", key, "Key Pair", "Tenant Administrator", "unchanged", None), "what it is")
    equal((entry["ValidNotBefore"], entry["ValidNotAfter"]), ("/Date(1798761600000)/", "/Date(1862006400000)/"),
          "validity")
    equal((entry["KeyType"], entry["KeySize"], entry["EllipticCurve"], entry["SignatureAlgorithm"], entry["Version"]),
          ("EC", 256, "secp256r1", "SHA256withECDSA", 3), "the key")
    expect(re.fullmatch(r"0x[0-9A-Fa-f]+", entry["SerialNumber"]), "serial number")
    expect(re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", entry["FingerprintSha256"]), "fingerprint")
    equal(entry["__metadata"]["type"], "com.sap.hci.api.KeystoreEntry", "type")
    base = f"https://localhost:{world.ports.console}{t.service}/KeystoreEntries('{key}')"
    equal(entry["__metadata"]["uri"], base, "uri")
    equal(entry["ChainCertificates"]["__deferred"]["uri"], base + "/ChainCertificates", "a navigation")
    equal(entry["LastModifiedBy"], ADMIN, "who")
    chain = t.must("GET", f"/KeystoreEntries('{key}')/ChainCertificates").json()["d"]["results"]
    equal([(c["Index"], c["FingerprintSha256"]) for c in chain], [(0, entry["FingerprintSha256"])], "chain")
    equal(t.must("GET", f"/KeystoreEntries('{key.lower()}')").json()["d"]["Alias"], "Forms Key", "lower case")
    equal(t.must("GET", f"/KeystoreEntries(%27{key}%27)").status, 200, "encoded quotes")
    few = t.must("GET", f"/KeystoreEntries('{key}')?$select=Alias,ValidNotAfter").json()["d"]
    equal(sorted(few), ["Alias", "ValidNotAfter", "__metadata"], "$select")
    equal(t.get(f"/KeystoreEntries('{key}')?$select=Nonsense").status, 400, "an unknown property")
    for accept, status in (("*/*", 200), ("application/json;odata=verbose", 200), ("application/atom+xml", 406)):
        answer = t.get("/KeystoreEntries", {"Accept": accept})
        equal(answer.status, status, accept)
    expect("application/json" in error_of(answer)[1], "406 names JSON")
    expect(t.get("/$metadata").headers["Content-Type"].startswith("application/xml"), "metadata")
    import xml.dom.minidom
    text = t.get("/$metadata").text
    xml.dom.minidom.parseString(text)
    expect('<Property Name="ValidNotAfter" Type="Edm.DateTime"' in text and
           'Namespace="com.sap.hci.api"' in text, "EDM types")
    expect("KeystoreEntries" in t.must("GET", "/").json()["d"]["EntitySets"], "the service document")


def case_errors(world):
    """errors have the original's body and status"""
    t = world.tenant
    for path, status, code in (("/KeystoreEntries('ABC')", 500, "Internal Server Error"),
                               ("/KeystoreEntries('7A7A')", 404, "Not Found"),
                               ("/KeystoreEntries?keystoreName=other", 400, "Bad Request"),
                               ("/Keystores('other')", 400, "Bad Request"),
                               ("/HistoryKeystoreEntries('7A')", 404, "Not Found"),
                               ("/CertificateChainResources('7A')", 400, "Bad Request"),
                               ("/AccessPolicies", 404, "Not Found"),
                               ("/KeystoreEntries?$filter=Alias%20eq%20'x'", 501, "Not Implemented")):
        answer = t.get(path)
        equal((answer.status, error_of(answer)[0]), (status, code), path)
    expect("hexBinary needs to be even-length" in error_of(t.get("/KeystoreEntries('ABC')"))[1], "the text")
    equal(error_of(t.rest.call("PATCH", t.service + "/KeystoreEntries"))[0], "Method Not Allowed", "a method")
    for store in ("KeyRenewal", "KeyHistory"):
        equal(t.must("GET", f"/KeystoreEntries?keystoreName={store}").json(), {"d": {"results": []}}, store)
        equal(t.must("GET", f"/Keystores('{store}')/Size/$value").text, "0", store)
    equal(t.must("GET", "/HistoryKeystoreEntries").json(), {"d": {"results": []}}, "history")
    equal(t.write("DELETE", "/KeystoreEntries('7361705F78')?keystoreName=KeyRenewal&activate=true").status, 404,
          "activation")
    equal(t.write("PUT", "/HistoryKeystoreEntries('7A')?copy=true&destinationAlias=sap_x", {"Status": None}).status,
          404, "copy")


def case_certificate(world):
    """a certificate that nothing trusted stands behind is 409 with its facts until the fingerprint is confirmed"""
    t = world.tenant
    answer = t.put_certificate("partner-ca", world.root, confirmed=False)
    body = answer.json()
    equal((answer.status, body["Validity"], body["Status"], body["Alias"], body["Type"]),
          (409, "notTrusted", "notImported", "partner-ca", "Certificate"), "409")
    shown = openssl("x509", "-noout", "-fingerprint", "-sha256", text=world.root.encode()).strip().split("=")[1]
    equal(body["FingerprintSha256"], shown, "fingerprint")
    expect("partner-ca" not in t.entries(), "it was stored")
    equal(t.put_certificate("partner-ca", world.root).status, 204, "confirmed")
    equal(t.put_certificate("PARTNER-CA", world.root).status, 400, "taken, whatever its case")
    equal(t.put_certificate("nobody", world.root, update=True).status, 400, "update of nothing")
    der = openssl("x509", "-outform", "DER", text=world.root.encode(), binary=True)
    answer = t.put_certificate("partner-ca", der, update=True, more="&returnKeystoreEntries=true")
    equal([row["Alias"] for row in answer.json()["d"]["results"]], ["partner-ca"], "the list")
    equal(t.put_certificate("sap_root", world.root).status, 403, "reserved")
    equal(t.put_certificate("x" * 251, world.root).status, 400, "too long")
    answer = t.put_certificate("big", "-----BEGIN CERTIFICATE-----\n" + "A" * 20000)
    equal((answer.status, error_of(answer)[0]), (413, "Payload Too Large"), "size")
    expect("keystore.certificate.max" in error_of(answer)[1], f"the limit's name: {answer}")
    answer = t.put_certificate("junk", b"\x00\x01\x02 this is nothing")
    equal(answer.status, 415, "no certificate")


def case_key_pair(world):
    """a key pair comes as PKCS#12 with its password; a wrong one says no more than that"""
    t = world.tenant
    make_certificate(world.files, "edge", kind="rsa")
    p12 = make_pkcs12(world.files, "edge", "Xk9-vale-77")
    body = {"Hexalias": "00", "Alias": "edge", "Password": "Xk9-vale-77", "Resource": b64(p12)}
    answer = t.write("POST", "/KeyPairResources?fingerprintVerified=true", {**body, "Password": "wrong"})
    equal(answer.status, 400, f"a wrong password: {answer}")
    answer = t.write("POST", "/KeyPairResources", body)
    equal((answer.status, answer.json().get("Validity")), (409, "notTrusted"), "unconfirmed")
    equal(t.write("POST", "/KeyPairResources?fingerprintVerified=true", body).status, 204, "confirmed")
    equal(t.write("POST", "/KeyPairResources?fingerprintVerified=true", body).status, 400, "taken")
    equal(t.entries()["edge"]["Type"], "Key Pair", "type")
    equal(t.put_certificate("edge", world.root, update=True).status, 400, "a certificate over a key pair")
    answer = t.write("POST", "/KeyPairResources?fingerprintVerified=true",
                     {**body, "Alias": "j", "Resource": b64(b"\xfe\xed\xfe\xed\0\0\0\2" + b"\0" * 40)})
    equal(answer.status, 415, "JKS")
    expect("PKCS#12" in error_of(answer)[1], f"415 names what is read: {answer}")
    equal(t.write("POST", "/KeyPairResources", {**body, "Resource": "%%"}).status, 400, "no base64")
    equal(t.generate("edge").status, 400, "creation never overwrites")
    equal(t.generate("badly", KeyAlgorithmParameter="nocurve").status, 400, "no curve")
    equal(t.generate("badly", ValidNotAfter="tomorrow").status, 400, "no date")


def make_key(world, name, *command):
    openssl(command[0], "-out", f"{world.files}/{name}", *command[1:])
    with open(f"{world.files}/{name}", "rb") as file:
        return file.read()


def case_lone_keys(world):
    """a private key without a certificate is wrapped in one of its own: RSA, EC, encrypted; OpenSSH's form is not read"""
    t = world.tenant
    plain, rsa = f"{world.files}/lone.pkcs8", f"{world.files}/lone.pkcs1"
    lock = ("-aes256", "-passout", "pass:Lk7-vale")
    ec = make_key(world, "lone.sec1", "ecparam", "-genkey", "-noout", "-name", "secp384r1")
    forms = {
        "pkcs8": (make_key(world, "lone.pkcs8", "genrsa", "2048"), "", "RSA"),
        "pkcs1": (make_key(world, "lone.pkcs1", "rsa", "-traditional", "-in", plain), "", "RSA"),
        "pkcs1 locked": (make_key(world, "lone.1l", "rsa", "-traditional", "-in", rsa, *lock), "Lk7-vale", "RSA"),
        "pkcs8 locked": (make_key(world, "lone.8l", "pkcs8", "-topk8", "-v2", "aes256", "-passout", "pass:Lk7-vale",
                                  "-in", plain), "Lk7-vale", "RSA"),
        "sec1": (ec, "", "EC"),
        "sec1 locked": (make_key(world, "lone.sl", "ec", "-in", f"{world.files}/lone.sec1", *lock), "Lk7-vale", "EC"),
    }
    expect(b"BEGIN RSA PRIVATE" in forms["pkcs1"][0] and b"Proc-Type: 4,ENCRYPTED" in forms["pkcs1 locked"][0] and
           b"BEGIN ENCRYPTED PRIVATE" in forms["pkcs8 locked"][0] and b"BEGIN EC PRIVATE" in ec, "what openssl wrote")
    for name, (key, password, kind) in forms.items():
        body = {"Hexalias": "00", "Alias": name, "SSHFile": b64(key), "Password": password, "CommonName": "lone",
                "Organization": "A, B", "Country": "DE"}
        answer = t.write("POST", "/SSHKeyGenerationRequests", body)
        equal((answer.status, answer.json()), (200, {"d": {"Alias": name}}), name)
        entry = t.entries()[name]
        equal((entry["Type"], entry["KeyType"], entry["SubjectDN"] == entry["IssuerDN"]), ("Key Pair", kind, True), name)
        days = (int(entry["ValidNotAfter"][6:-2]) - int(entry["ValidNotBefore"][6:-2])) / 86400000
        expect(3650 <= days <= 3654, f"ten years, not {days} days")
        equal(entry["SignatureAlgorithm"], "SHA256with" + {"EC": "ECDSA"}.get(kind, kind), name)
        made = t.must("GET", f"/KeystoreEntries('{hexed(name)}')/Certificate/$value").body
        equal(openssl("x509", "-noout", "-pubkey", text=made),
              subprocess.run(["openssl", "pkey", "-pubout", "-passin", "pass:" + password], input=key,
                             capture_output=True, check=True).stdout.decode(), f"the same key: {name}")
        if password:
            body.update(Alias="locked", Password="wrong")
            equal(t.write("POST", "/SSHKeyGenerationRequests", body).status, 400, f"a wrong password: {name}")
    body = {"Hexalias": "00", "Alias": "rsa file", "RSAFile": b64(forms["pkcs1"][0]), "CommonName": "lone",
            "SignatureAlgorithm": "SHA512/RSA", "ValidNotBefore": "/Date(1798761600000)/",
            "ValidNotAfter": "/Date(1862006400000)/"}
    path = "/RSAKeyGenerationRequests"
    equal(t.write("POST", path, body).status, 204, "an RSA key")
    entry = t.entries()["rsa file"]
    equal((entry["SignatureAlgorithm"], entry["ValidNotBefore"], entry["ValidNotAfter"]),
          ("SHA512withRSA", "/Date(1798761600000)/", "/Date(1862006400000)/"), "as it was asked for")
    equal(t.write("POST", path, body).status, 400, "taken")
    body["Alias"] = "other"
    equal(t.write("POST", path, {**body, "SignatureAlgorithm": "SHA256/ECDSA"}).status, 400, "another kind of key")
    equal(t.write("POST", path, {**body, "CommonName": ""}).status, 400, "no name")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", world.files + "/ssh-own"], check=True)
    with open(world.files + "/ssh-own", "rb") as file:
        answer = t.write("POST", path, {**body, "RSAFile": b64(file.read())})
    equal(answer.status, 415, "OpenSSH's own form")
    expect("PKCS#12" in error_of(answer)[1], f"415 names what is read: {answer}")
    answer = t.write("POST", "/KeyPairResources", {"Hexalias": "00", "Alias": "other", "Password": "",
                                                   "Resource": b64(forms["pkcs8"][0])})
    equal(answer.status, 400, "a key pair needs its certificate")
    expect("other" not in t.entries() and "locked" not in t.entries(), "nothing of what was refused")


def case_downloads(world):
    """downloads are public, have the documented names, and real programs read them"""
    t = world.tenant
    equal(t.generate("Down/Load;1", KeyType="RSA", KeySize=2048, KeyAlgorithmParameter=None,
                     SignatureAlgorithm="SHA256/RSA").status, 204, "created")
    path = f"/KeystoreEntries('{hexed('Down/Load;1')}')"
    answer = t.must("GET", path + "/Certificate/$value")
    equal(answer.headers["Content-Disposition"], 'attachment; filename="Down_Load_1.cer"', "a safe name")
    openssl("x509", "-noout", text=answer.body)
    equal(t.must("GET", path + "/Certificate/$value?rootCA=true").headers["Content-Disposition"],
          'attachment; filename="Down_Load_1_rootCA.cer"', "root")
    answer = t.must("GET", path + "/ChainResource/$value")
    expect("BEGIN CERTIFICATE" in openssl("pkcs7", "-print_certs", text=answer.body), "PKCS#7")
    answer = t.must("GET", path + "/SigningRequest/$value")
    expect("verify OK" in subprocess.run(["openssl", "req", "-verify", "-noout"], input=answer.body,
                                         capture_output=True).stderr.decode(), "PKCS#10")
    equal(t.back_up().status, 204, "backed up")
    backup = "?keystoreName=backup_admin_system"
    equal(t.must("GET", path + backup).json()["d"]["Alias"], "Down/Load;1", "one entry of the backup")
    for part in ("/ChainCertificates", "/Certificate/$value", "/ChainResource/$value", "/Sshkey/$value"):
        t.must("GET", path + part + backup)
    expect(len(t.must("GET", "/KeystoreResources('backup_admin_system')").json()["d"]["Resource"]) > 1000,
           "the whole backup as a file")
    answer = t.must("GET", path + "/Sshkey/$value")
    expect(answer.text.startswith("ssh-rsa ") and
           answer.text.endswith("public key for alias Down/Load;1\n"), answer.text)
    with open(world.files + "/ssh.pub", "wb") as file:
        file.write(answer.body)
    subprocess.run(["ssh-keygen", "-l", "-f", world.files + "/ssh.pub"], check=True, capture_output=True)
    equal(t.get(f"/KeystoreEntries('{hexed('Forms Key')}')/Sshkey/$value").status, 400, "EC")
    answer = t.must("GET", "/KeystoreResources('system')").json()["d"]
    import base64
    with open(world.files + "/public.jks", "wb") as file:
        file.write(base64.b64decode(answer["Resource"]))
    listed = subprocess.run(["keytool", "-list", "-storetype", "JCEKS", "-keystore", world.files + "/public.jks",
                             "-storepass", ""], capture_output=True, text=True, input="\n")
    expect("down/load;1" in listed.stdout, listed.stdout + listed.stderr)
    expect("PrivateKeyEntry" not in listed.stdout, "a private key went out")


def case_names(world):
    """entries are renamed, and deleted one by one or many at once"""
    t = world.tenant
    for alias in ("one", "two", "Company A; B", "back\\slash"):
        equal(t.put_certificate(alias, world.root).status, 204, alias)
    path = f"/KeystoreEntries('{hexed('one')}')"
    equal(t.write("PUT", path + "?renameAlias=uno", {}).status, 400, "an empty body")
    equal(t.write("PUT", path, {"Status": None}).status, 400, "no new name")
    equal(t.write("PUT", path + "?renameAlias=TWO", {"Status": None}).status, 400, "taken")
    equal(t.write("PUT", path + "?renameAlias=sap_one", {"Status": None}).status, 403, "reserved")
    answer = t.write("PUT", path + "?renameAlias=Caf%C3%A9%20noir&returnHexAlias=true", {"Status": None})
    equal((answer.status, answer.json()), (200, [hexed("Café noir")]), "renamed")
    expect("Café noir" in t.entries() and "one" not in t.entries(), "the list")
    equal(t.write("DELETE", f"/KeystoreEntries('{hexed('two')}')").status, 204, "delete")
    equal(t.write("DELETE", f"/KeystoreEntries('{hexed('two')}')").status, 404, "again")
    many = "/KeystoreResources('system')?deleteEntries=true"
    equal(t.write("PUT", many, {"Aliases": "Café noir;sap_root"}).status, 403, "one is reserved")
    expect("Café noir" in t.entries(), "nothing was deleted")
    answer = t.write("PUT", many, {"Aliases": "Café noir;Company A\\; B;back\\\\slash;unknown"})
    equal(answer.status, 200, f"many: {answer}")
    left = t.entries()
    expect(not {"Café noir", "Company A; B", "back\\slash"} & set(left), str(list(left)))
    equal(t.write("PUT", many, {"Aliases": "a\\b"}).status, 400, "an escape that is none")


def case_reply(world):
    """a signing request goes to a real CA, and its reply becomes the chain, root first in the API"""
    t, folder = world.tenant, world.files
    make_certificate(folder, "ca", kind="rsa")
    equal(t.generate("asked").status, 204, "created")
    path = hexed("asked")
    with open(folder + "/asked.csr", "wb") as file:
        file.write(t.must("GET", f"/KeystoreEntries('{path}')/SigningRequest/$value").body)
    openssl("x509", "-req", "-in", folder + "/asked.csr", "-CA", folder + "/ca.pem", "-CAkey", folder + "/ca.key",
            "-CAcreateserial", "-days", "20", "-out", folder + "/asked.pem")
    with open(folder + "/asked.pem", encoding="ascii") as leaf, open(folder + "/ca.pem", encoding="ascii") as ca:
        ca_pem = ca.read()
        chain = ca_pem + leaf.read()
    put = f"/CertificateChainResources('{path}')/$value"
    kind = {"Content-Type": "application/pkcs7-mime"}
    equal(t.write("PUT", put, ca_pem + world.root, kind).status, 400, "another key")
    answer = t.write("PUT", put, chain, kind)
    equal((answer.status, answer.json().get("Validity")), (409, "notTrusted"), f"unconfirmed: {answer}")
    equal(t.write("PUT", put + "?fingerprintVerified=true", chain, kind).status, 204, "confirmed")
    rows = t.must("GET", f"/KeystoreEntries('{path}')/ChainCertificates").json()["d"]["results"]
    equal([(row["Index"], row["SubjectDN"]) for row in rows], [(0, "CN=ca"), (1, "CN=asked")], "chain")
    equal(t.write("PUT", f"/CertificateChainResources('{hexed('partner-ca')}')/$value", chain, kind).status, 400,
          "of a certificate")
    equal(t.write("PUT", "/CertificateChainResources('7A7A')/$value", chain, kind).status, 404, "of nothing")


def case_import(world):
    """a whole keystore reports entry by entry what became of it; without a list it is all or nothing"""
    t, folder = world.tenant, world.files
    make_certificate(folder, "bulk")
    p12 = make_pkcs12(folder, "bulk", "pass-word-1", alias="sap_bulk")
    body = {"Name": "system", "Resource": b64(p12), "Password": "pass-word-1"}
    rows = t.must("POST", "/KeystoreResources?importOption=merge", body).json()["d"]["results"]
    status = {row["Alias"]: row["Status"] for row in rows}
    expect(status["sap_bulk"].startswith("notImported: "), str(status))
    equal(t.write("POST", "/KeystoreResources?importOption=merge&returnKeystoreEntries=false", body).status, 400,
          "all or nothing")
    body["Resource"] = b64(make_pkcs12(folder, "bulk", "pass-word-1", alias="bulk"))
    rows = t.must("POST", "/KeystoreResources", body).json()["d"]["results"]
    equal({row["Alias"]: row["Status"] for row in rows}.get("bulk"), "new", str(rows)[:300])
    equal(t.write("POST", "/KeystoreResources?importOption=sideways", body).status, 400, "no such mode")
    equal(t.write("POST", "/KeystoreResources", {**body, "Name": "other"}).status, 400, "no such keystore")
    equal(t.write("POST", "/KeystoreResources", {**body, "Password": "wrong"}).status, 400, "password")


def case_restore(world):
    """back up and restore by the original's API, preview and undo by our own, with the generation as ETag"""
    t = world.tenant
    equal(t.back_up().status, 204, "backed up")
    before = t.entries()
    equal(sorted(t.entries("backup_admin_system")), sorted(before), "the backup")
    equal(t.put_certificate("later", world.root).status, 204, "a later entry")
    head = t.head()
    preview = t.own("GET", "/preview").json()
    equal([(row["alias"], row["status"]) for row in preview["items"] if row["status"] != "unchanged"],
          [("later", "removed")], "preview")
    equal(t.own("POST", "/restore", {}, {"If-Match": f'"{head["generation"] - 1}"'}).status, 412, "a stale ETag")
    equal(t.restore().status, 200, "overwrite is the default")
    expect("later" in t.entries(), "overwrite keeps what is newer")
    rows = t.restore("replace").json()["d"]["results"]
    equal([row["Alias"] for row in rows if row["Status"] == "removed"], ["later"], "statuses")
    equal(sorted(t.entries()), sorted(before), "replace")
    expect(t.head()["undo"], "undo is offered")
    equal(t.own("POST", "/undo").status, 200, "undo")
    expect("later" in t.entries(), "undone")
    made = t.own("POST", "/backups", {"note": "before the audit"})
    equal((made.status, made.json()["note"]), (201, "before the audit"), "with a note")
    backups = t.own("GET", "/backups").json()["items"]
    equal([b["note"] for b in backups if b["current"]], ["before the audit"], "the current one")
    first = [b for b in backups if b["kind"] == "backup"][1]["backup"]
    equal(t.own("POST", "/restore", {"backup": first, "mode": "replace"}).status, 200, "an earlier one")
    expect(t.own("GET", "/generations?limit=2").json()["next"], "history")
    verified = t.own("GET", "/verify").json()
    equal((verified["damaged"], verified["checked"] > 0), (0, True), f"verify: {verified}")
    equal(t.own("GET", "/entries?filter=PARTNER").json()["items"][0]["alias"], "partner-ca", "filter")
    equal(t.own("GET", "/entries?limit=1").json()["items"][0]["alias"],
          t.own("GET", "/entries?limit=1").json()["next"], "cursor")
    entry = t.own("GET", "/entries/" + hexed("partner-ca"))
    answer = t.own("PUT", "/entries/" + hexed("partner-ca"), {"trustedForInbound": True},
                   {"If-Match": entry.headers["ETag"]})
    equal(answer.status, 200, f"flag: {answer}")
    expect(t.own("GET", "/entries/" + hexed("partner-ca")).json()["trustedForInbound"], "trusted for inbound")
    equal(t.own("PUT", "/entries/" + hexed("partner-ca"), {"trustedForInbound": False},
                {"If-Match": entry.headers["ETag"]}).status, 412, "a stale version")
    equal(t.own("PUT", "/settings", {"clientCertificateRequired": True}).json(),
          {"clientCertificateRequired": True}, "settings")
    equal(t.own("PUT", "/settings", {"clientCertificateRequired": False}).status, 200, "settings")


def case_provider(world):
    """the provider's entries have reserved aliases, are masked, and no tenant changes them"""
    t = world.tenant
    answer = t.own("POST", "/provider/entries", {"alias": "sap_root", "resource": b64(world.root)})
    equal(answer.status, 200, f"imported: {answer}")
    entry = t.entries()["sap_root"]
    equal((entry["Owner"], entry["CreatedBy"]), ("SAP", "SAP"), "masked")
    equal(t.write("DELETE", f"/KeystoreEntries('{hexed('sap_root')}')").status, 403, "a tenant deletes it")
    equal(t.own("POST", "/provider/entries", {"alias": "mine", "resource": b64(world.root)}).status in (400, 403), True,
          "not a reserved alias")
    equal(t.back_up().status, 204, "backed up")
    expect("sap_root" not in t.entries("backup_admin_system"), "it is in the backup")
    equal(t.own("DELETE", "/provider/entries/" + hexed("sap_root")).status, 200, "deleted")


def case_size(world):
    """the number of entries is a plain number, and Keystores can be expanded"""
    t = world.tenant
    n = len(t.entries())
    equal(t.must("GET", "/Keystores('system')/Size/$value").text, str(n), "size")
    store = t.must("GET", "/Keystores('system')").json()["d"]
    equal((store["Name"], int(store["Size"])), ("system", n), "keystore")
    expect("__deferred" in store["Entries"], "deferred")
    store = t.must("GET", "/Keystores('system')?$expand=Entries").json()["d"]
    equal(len(store["Entries"]["results"]), n, "expanded")


def case_way(world):
    """the tenant is named by path, host or membership; two ways that differ are refused"""
    other = world.create_subaccount("Second").json()
    plain = Rest(world.ports.console, ADMIN, world.cloud_password)
    equal(plain.call("GET", "/api/v1/KeystoreEntries").status, 400, "which of two?")
    subdomain = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}").json()["subdomain"]
    host = {"Host": f"{subdomain}.localhost:{world.ports.console}"}
    equal(plain.call("GET", "/api/v1/KeystoreEntries", headers=host).status, 200, "by host")
    equal(plain.call("GET", f"/t/{other['id']}/api/v1/KeystoreEntries", headers=host).status, 400, "they differ")


def case_audit(world):
    """exports and denied attempts are in the record of requests, with their tenant"""
    person = Tenant(world, "nosy@plant.example", "Nosy-password-1")
    world.console.must("POST", f"{CLOUD}/users", {"name": person.rest.user, "password": person.rest.password,
                                                  "roles": []})
    equal(person.get("/KeystoreEntries").status, 403, "who is no member")

    def rows(what, who):
        items = world.console.must("GET", CLOUD + "/audit/denied?limit=200").json()["items"]
        return [row for row in items if row["what"] == what and row["who"] == who]
    wait_for(lambda: rows("keystore.export", "user:" + ADMIN), "the record of an export", 60)
    asked = wait_for(lambda: rows("keystore.csr", "user:" + ADMIN), "the record of a signing request", 60)
    expect(any(row["object"] == "Down/Load;1" for row in asked), str(asked))
    denied = wait_for(lambda: rows("denied GET", "user:nosy@plant.example"), "the denied attempt", 60)
    expect("KeystoreEntries" in denied[0]["object"], str(denied[0]))
    mine = hexed("sap_mine")
    equal(world.tenant.write("DELETE", f"/KeystoreEntries('{mine}')").status, 403, "the provider's")
    denied = wait_for(lambda: [row for row in rows("denied DELETE", "user:" + ADMIN) if mine in row["object"]],
                      "the denied change of a provider's entry", 60)
    equal(denied[0]["tenant"], world.subaccount, "its tenant")
