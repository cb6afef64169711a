"""What is configured at a connector: export, preview and import of a subaccount as a file; the certificate
of its administration; the audit of both."""
import io
import json
import os
import subprocess
import zipfile

from stage import equal, expect, free_ports, wait_for
from world import ADMIN, CONNECTOR, Installation

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
    equal(world.admin.call("GET", configuration(world).replace(world.subaccount[:4], "ffff")).status, 404,
          "another subaccount")


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
