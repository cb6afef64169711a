"""Story 1 of the demo: the life of a subaccount certificate, on the programs that story 0 left running."""
import io
import os
import secrets
import signal
import time
import zipfile

from stage import ProxyClient, equal, expect, wait_for
from steady import Steady
from world import CLOUD, quote

SHORT = 25  # seconds that a certificate lives where the story has one expire
REFRESHES = 3


def settings_file(world):
    return os.path.join(world.sub("cloud-config"), "cloud.conf")


def prepare(world):
    """Settings that the story changes while the cloud side runs."""
    with open(settings_file(world), "w", encoding="utf-8") as f:
        f.write("certificate.validity = 365d\n")
    world.options.setdefault("cloud", []).extend(["--config", settings_file(world)])


class Story:
    def __init__(self, world):
        self.w = world
        self.other, self.other_password = "nina@plant.example", "Other-" + secrets.token_urlsafe(9)
        self.token = world.token()
        self.exported = None

    # ---- what is looked at ----

    def own(self):
        return self.w.admin.must("GET", self.own_path()).json()

    def own_path(self, rest=""):
        return f"{CLOUD}/subaccounts/{self.w.region}/{self.w.subaccount}{rest}"

    def serial(self):
        return self.w.certificate()["serialNumber"]

    def listed(self, serial):
        rows = self.w.console.must("GET", f"{CLOUD}/subaccounts/{self.w.subaccount}/certificates").json()
        return next(row for row in rows["items"] if row["serialNumber"] == serial)

    def days(self):
        return (self.w.certificate()["notAfterTimeStamp"] / 1000 - time.time()) / 86400

    def refresh(self, body, wanted=(200,)):
        before = self.serial()
        answer = self.w.admin.must("POST", self.w.subaccount_path("/validity"), body, wanted=wanted)
        if answer.status == 200:
            expect(self.serial() != before, "the certificate is the old one")
            wait_for(lambda: self.own()["certificateConfirmed"], "a tunnel with the new certificate")
        return answer

    def by_owner(self):
        return {"user": self.w.owner, "password": self.w.owner_password}

    def set_validity(self, text):
        with open(settings_file(self.w), "w", encoding="utf-8") as f:
            f.write(f"certificate.validity = {text}\n")
        cloud, awaited = self.w.cloud, "settings were read again"
        before = cloud.log(100000).count(awaited)
        cloud.process.send_signal(signal.SIGHUP)
        wait_for(lambda: cloud.log(100000).count(awaited) > before, "the settings being read again")

    def get(self, path="/public/hello.txt"):
        client = ProxyClient(self.w.ports.proxy, self.token)
        answer = client.get(self.w.url(path))
        client.close()
        return answer

    # ---- the steps ----

    def shown(self):
        own = self.own()
        expect(self.w.owner in own["owners"], f"the owner is not shown: {own}")
        certificate = own["certificate"]
        expect(certificate["state"] == "valid", f"state: {certificate}")
        return f"{self.days():.0f} days left, owner {own['owners']}, next renewal {own['renewal']['next']}"

    def refused(self):
        self.w.console.must("POST", f"{CLOUD}/users", {"name": self.other, "password": self.other_password})
        before = self.serial()
        answer = self.refresh({"user": self.other, "password": self.other_password}, wanted=(403,))
        expect(self.w.owner in answer.text and "Core Account" in answer.text, f"no hint: {answer}")
        equal(self.serial(), before, "the certificate")
        return answer.json()["message"]

    def made_owner(self):
        self.w.console.must("PUT", f"{CLOUD}/subaccounts/{self.w.subaccount}/owners/{quote(self.other)}")
        before = self.serial()
        self.refresh({"user": self.other, "password": self.other_password})
        wait_for(lambda: self.listed(before)["supersededBy"], "the old certificate being superseded")
        return f"{self.other} refreshed; {before} is superseded by {self.serial()}"

    def under_load(self):
        load = Steady(self.w, "/public/hello.txt")
        try:
            wait_for(lambda: load.ok > 500, "the load")
            for i in range(REFRESHES):
                self.refresh({"authenticationData": self.w.authentication_data()} if i % 2 else
                             self.by_owner())
        finally:
            load.stop()
        equal(load.reasons, {}, f"failed requests beside {load.ok} good ones")
        return f"{REFRESHES} refreshes, {load.ok} requests, 0 failed; {self.days():.0f} days left"

    def expires(self):
        self.w.admin.must("PUT", self.own_path("/renewal"), {"enabled": False})
        self.set_validity(f"{SHORT}s")
        self.refresh(self.by_owner())
        wait_for(lambda: self.own()["certificate"]["state"] == "expired", "its end", SHORT + 30)
        equal(self.get().status, 200, "a request over the tunnels that are open")
        self.w.admin.must("PUT", self.w.subaccount_path("/state"), {"connected": False})
        self.w.admin.must("PUT", self.w.subaccount_path("/state"), {"connected": True})
        wait_for(lambda: self.w.state() == "ConnectFailure" and "expired" in self.w.reason(),
                 "the state being explained", 60)
        return f"open tunnels stay; a new one: ConnectFailure, {self.w.reason()}"

    def mended(self):
        self.refresh(self.by_owner())
        wait_for(self.w.first.connected, "the tunnel", 60)
        equal(self.get().status, 200, "a request")
        return f"refreshed after its end: {self.serial()}"

    def renewed(self):
        before, last = self.serial(), None
        self.w.admin.must("PUT", self.own_path("/renewal"), {"enabled": True})
        wait_for(lambda: self.serial() != before, "a renewal by itself", SHORT + 60)
        wait_for(lambda: self.own()["certificateConfirmed"], "its tunnel")
        last = self.own()["renewal"]
        equal(last["lastResult"], "renewed", f"{last}")
        self.set_validity("365d")
        wait_for(lambda: self.days() > 300, "the next one", SHORT + 60)
        return f"renewed at {last['lastTry']}, again for a year; next {self.own()['renewal']['next']}"

    def revoked(self):
        serial = self.serial()
        equal(self.get().status, 200, "before")
        start = time.monotonic()
        self.w.revoke(serial)
        wait_for(lambda: not self.w.first.connected(), "the cut", 30, 0.01)
        took = time.monotonic() - start
        expect(self.get().status == 503, "requests are still served")
        wait_for(lambda: "revoked" in self.w.reason(), "the reason", 30)
        reason = self.w.reason()
        self.refresh(self.by_owner())
        wait_for(self.w.first.connected, "the tunnel after a refresh", 60)
        return f"cut after {took:.2f} s: {reason}; a refresh mends it"

    def export(self):
        data = self.w.admin.must("GET", self.own_path("/configuration")).body
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            names = z.namelist()
        expect(self.w.subaccount.encode() not in data and b"BEGIN" not in data, "an identity is in it")
        self.exported = data
        return f"{len(data)} bytes: {', '.join(sorted(names))}"

    def change(self):
        self.w.first.unmap(self.w.virtual)
        wait_for(lambda: self.get().status == 403, "the mapping going")
        return self.get().text.strip().splitlines()[0][:140]

    def imported(self):
        path, kind = self.own_path("/configuration?mode=replace"), {"Content-Type": "application/zip"}
        seen = self.w.admin.must("POST", path + "&preview=true", self.exported, headers=kind).json()
        equal(self.get().status, 403, "a preview changed something")
        self.w.admin.must("POST", path, self.exported, headers=kind)
        equal(self.get().status, 200, "after the import")
        return f"the preview said {seen['counts']['systemMapping']['added']} mapping to be added; live at once"


def walk(steps, world):
    steps.begin(1)
    if steps.stopped:
        return
    story = Story(world)
    steps.step("the connector shows certificate, owner and the next renewal", story.shown)
    steps.step("someone who is not an owner is refused, with who is and where to change that", story.refused)
    steps.step("made an owner in the cloud console, the same person refreshes", story.made_owner)
    steps.step("the certificate is refreshed under 64 connections of load", story.under_load)
    steps.step("a certificate is left to expire, and the state is explained", story.expires)
    steps.step("a refresh mends it, after the end", story.mended)
    steps.step("from now on it renews itself", story.renewed)
    steps.step("revoked in the cloud, the tunnels are cut within a second", story.revoked)
    steps.step("the subaccount's configuration is exported", story.export)
    steps.step("a mapping is lost", story.change)
    steps.step("and is back after a preview and the import", story.imported)
