"""Bits flipped in the database past the program, in entries, chains, rows and generations: verify finds and names each,
the other entries are used, and the runtime goes on from memory.
"""
import contextlib
import os
import re
import socket
import sqlite3
import ssl
import subprocess

from stage import equal, expect, wait_for
from tenant import Tenant, hexed, make_certificate, openssl, scene as tenant_scene
from world import ADMIN

DATABASES = ("sqlite", "postgresql")


def scene(world):
    tenant_scene(world)
    t = world.tenant = Tenant(world, ADMIN, world.cloud_password)
    world.files = world.sub("files")
    world.root = make_certificate(world.files, "root")
    equal(t.generate("own").status, 204, "a key pair")
    equal(t.put_certificate("trusted", world.root).status, 204, "a certificate")
    equal(t.back_up().status, 204, "a backup")


def sql(world, text):
    """A value or nothing, of the database itself, past the program."""
    if world.postgres:
        done = subprocess.run([os.path.join(world.postgres.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text,
                               world.postgres.url], capture_output=True, text=True)
        equal(done.returncode, 0, f"{text}: {done.stderr}")
        return done.stdout.strip()
    with contextlib.closing(sqlite3.connect(world.state_file("cloud"), timeout=30)) as db:
        row = db.execute(text).fetchone()
        db.commit()
        return row[0] if row else None


def flip(world, table, column, where, number=False):
    """One bit; the same again puts it back."""
    if world.postgres:
        bit = f"{column} # 1" if number else f"set_byte({column}, 40 % length({column}), " \
              f"get_byte({column}, 40 % length({column})) # 1)"
        sql(world, f"UPDATE {table} SET {column} = {bit} WHERE {where}")
        return
    old = sql(world, f"SELECT {column} FROM {table} WHERE {where}")
    expect(old is not None, f"no row of {table} where {where}")
    if number:
        new = str(old ^ 1)
    else:
        new = bytearray(old)
        new[40 % len(new)] ^= 1
        new = f"X'{new.hex()}'"
    sql(world, f"UPDATE {table} SET {column} = {new} WHERE {where}")


def version_of(world, alias):
    return world.tenant.own("GET", "/entries/" + hexed(alias)).json()["version"]


def csr(world, alias):
    return world.tenant.get(f"/KeystoreEntries('{hexed(alias)}')/SigningRequest/$value")


def rename(world, alias):
    return world.tenant.write("PUT", f"/KeystoreEntries('{hexed(alias)}')?renameAlias=moved", {"Status": None})


def verified(world):
    answer = world.tenant.own("GET", "/verify")
    equal(answer.status, 200, f"verify: {answer}")
    return answer.json()


def named(world):
    """What verify names: {alias: what}."""
    return {row["alias"]: row["what"] for row in verified(world)["damage"]}


def usable(world, without=()):
    """The list is there, and another key pair signs."""
    listed = world.tenant.entries()
    expect({"own", "trusted", "flip-1", "flip-2", "flip-ca", "flip-life"} - set(without) <= set(listed),
           f"the list: {sorted(listed)}")
    answer = csr(world, "own")
    equal(answer.status, 200, f"the other key pair: {answer}")


def fresh(world):
    """The entries that are damaged, as they were before; their versions."""
    t = world.tenant
    equal(named(world), {}, "nothing is damaged at first")
    equal(t.restore("replace").status, 200, "the backup")
    for alias in ("flip-1", "flip-2", "flip-life"):
        equal(t.generate(alias).status, 204, alias)
    equal(t.put_certificate("flip-ca", world.root).status, 204, "flip-ca")
    equal(named(world), {}, "before")
    return {alias: version_of(world, alias) for alias in ("flip-1", "flip-2", "flip-ca", "flip-life")}


def case_flipped_bits_at_rest(world):
    """bits flipped while nothing runs are found at their entries, the other entries are used, and it starts"""
    at = fresh(world)
    flips = [("entry_content", "sealed", f"id = {at['flip-1']}"), ("entry_content", "chain", f"id = {at['flip-2']}"),
             ("entry_content", "sealed", f"id = {at['flip-ca']}"),
             ("entry_life", "not_after", f"version = {at['flip-life']}", True)]
    world.cloud.stop()
    for one in flips:
        flip(world, *one)
    world.start_cloud()
    world.tenant.session = None
    seen = named(world)
    equal(sorted(seen), ["flip-1", "flip-2", "flip-ca", "flip-life"], f"what is named: {seen}")
    for alias, word in (("flip-1", "sealed key"), ("flip-2", "chain was changed"), ("flip-ca", "certificate's tag"),
                        ("flip-life", "life row")):
        expect(word in seen[alias], f"{alias}: {seen[alias]}")
    usable(world)
    for answer in (csr(world, "flip-1"), csr(world, "flip-2"), rename(world, "flip-2"), rename(world, "flip-ca")):
        expect(answer.status == 500 and re.search('alias "flip-(1|2|ca)" is damaged', answer.json()["error"]["message"]["value"]),
               f"use of a damaged one: {answer}")
    for one in flips:
        flip(world, *one)
    equal(named(world), {}, "put back")
    equal(csr(world, "flip-1").status, 200, "put back, it signs")


def case_every_column(world):
    """a bit flipped in any column that somebody relies on is found at its entry, while the server runs"""
    at = fresh(world)["flip-1"]
    for table, row, blobs, numbers in (
            ("entry_content", "id", ("sealed", "chain", "spki"), ()),
            ("entry_version", "id", ("chain_sha256", "prints"), ("owner", "kind", "flags", "not_before", "not_after",
                                                                 "bytes")),
            ("entry_life", "version", ("alias_fold",), ("owner", "not_after", "bytes", "from_gen", "to_gen"))):
        for column in blobs + numbers:
            one = (table, column, f"{row} = {at}", column in numbers)
            flip(world, *one)
            seen = named(world)
            expect("flip-1" in seen and not {"flip-2", "flip-ca", "flip-life", "own"} & set(seen),
                   f"{table}.{column}: {seen}")
            usable(world, without=("flip-1",))
            flip(world, *one)
            equal(named(world), {}, f"{table}.{column} put back")


def case_flipped_life_row(world):
    """a life row that says another generation is found and named, and nothing is authenticated on top of it"""
    at = fresh(world)
    for column in ("from_gen", "to_gen"):
        one = ("entry_life", column, f"version = {at['flip-life']}", True)
        flip(world, *one)
        seen = named(world)
        expect("life row" in seen.get("flip-life", ""), f"{column}: {seen}")
        usable(world, without=("flip-life",))
        if column == "to_gen":
            answer = world.tenant.put_certificate("on-top", world.root)
            expect(answer.status >= 500 and "restore a backup" in answer.text, f"a change on top: {answer}")
        flip(world, *one)
        equal(named(world), {}, f"{column} put back")
    equal(world.tenant.put_certificate("on-top", world.root).status, 204, "a change then")


def case_flipped_generation(world):
    """a generation's row with a flipped bit is found by its number, and the runtime goes on from memory"""
    fresh(world)
    n = world.tenant.head()["generation"]
    keystore = f"(SELECT id FROM keystore WHERE tenant = '{world.subaccount}')"
    for column, number in (("mac", False), ("state", False), ("changes", False), ("previous", False), ("at_ms", True)):
        one = ("keystore_generation", column, f"keystore = {keystore} AND n = {n}", number)
        flip(world, *one)
        health = verified(world)
        expect(any(f"generation {n}:" in row["what"] for row in health["damage"]), f"{column}: {health}")
        usable(world)
        flip(world, *one)
        equal(named(world), {}, f"{column} put back")


def client_of(world):
    """A certificate for clients, of a CA that the tenant trusts for inbound connections."""
    folder = world.files
    make_certificate(folder, "partner")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=client",
            "-keyout", folder + "/client.key", "-out", folder + "/client.csr")
    openssl("x509", "-req", "-in", folder + "/client.csr", "-CA", folder + "/partner.pem", "-CAkey",
            folder + "/partner.key", "-CAcreateserial", "-days", "7", "-out", folder + "/client.pem")
    with open(folder + "/partner.pem", encoding="ascii") as f:
        equal(world.tenant.put_certificate("partner", f.read()).status, 204, "the partner's CA")
    answer = world.tenant.own("PUT", "/entries/" + hexed("partner"), {"trustedForInbound": True})
    equal(answer.status, 200, f"trusted: {answer}")


def is_let_in(world):
    """Whether the TLS listener takes the client's certificate; there is no token, so the answer is 407."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(world.files + "/client.pem", world.files + "/client.key")
    try:
        with socket.create_connection(("127.0.0.1", world.ports.tls), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname=f"{world.subaccount}.relay.localhost") as s:
                s.sendall(b"GET http://erp.virtual:8000/ HTTP/1.1\r\nHost: erp.virtual:8000\r\nConnection: close\r\n\r\n")
                return s.recv(4096).startswith(b"HTTP/1.1 407")
    except (ssl.SSLError, ConnectionError):
        return False


def case_runtime_from_memory(world):
    """while the rows are damaged, connections go on with what was known, and new ones are not trusted by accident"""
    client_of(world)
    wait_for(lambda: is_let_in(world), "the client being let in", 60)
    version = version_of(world, "partner")
    generation = f"UPDATE keystore SET generation = generation {{}} 1 WHERE tenant = '{world.subaccount}'"
    one = ("entry_life", "to_gen", f"version = {version}", True)

    def noticed():
        return world.cloud.log(1000000).count("what was known of it stays")
    flip(world, *one)
    before = noticed()
    sql(world, generation.format("+"))  # the runtime looks at it then, and finds it damaged
    equal(world.create_subaccount("Another").status, 201, "a change of the head")
    wait_for(lambda: noticed() > before, "the runtime noticing", 60)
    expect(is_let_in(world), "the client is not let in any more")
    flip(world, *one)
    sql(world, generation.format("-"))
    equal(named(world), {}, "put back")
    equal(world.tenant.put_certificate("then", world.root).status, 204, "a change then")
    expect(is_let_in(world), "the client after it")
