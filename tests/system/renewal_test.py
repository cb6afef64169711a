"""Automatic renewal of the subaccount certificate, with certificates that live for seconds."""
import calendar
import time

from life import OWN, allow, audit_has, denied, own, refresh, renewal, serial, settings, settled
from life import use_live_settings
from stage import equal, expect, wait_for
from steady import Steady

DATABASES = ("sqlite", "postgresql")
scene = use_live_settings


def case_renewal_is_on_and_planned(world):
    """renewal is on by default and planned at two thirds of the certificate's life"""
    seen = own(world)
    equal(seen["certificate"]["state"], "valid", "the certificate's state")
    equal((seen["renewal"]["enabled"], seen["renewal"]["state"]), (True, "planned"), "the plan")
    day = calendar.timegm(time.strptime(seen["renewal"]["next"], "%Y-%m-%dT%H:%M:%SZ")) - time.time()
    expect(238 < day / 86400 < 244, f"planned in {day / 86400:.1f} days")
    shown = world.first.tunnel()
    expect(shown["state"] == "Connected" and shown["subaccountCertificate"]["serialNumber"], str(shown))


def case_certificates_of_seconds_renew_themselves(world):
    """certificates that live for 6 seconds are renewed by themselves while requests flow; none fails"""
    settings(world, "6s", certificate_grace="1s")
    began = time.monotonic()
    serials = {refresh(world)}
    load = Steady(world, connections=16)

    def several():
        serials.add(serial(world))
        return len(serials) >= 4
    wait_for(several, "three renewals", 60)
    lasted = time.monotonic() - began
    load.stop()
    equal(load.reasons, {}, f"failed requests beside {load.ok}")
    expect(load.ok > 100, f"only {load.ok} requests")
    expect(len(serials) <= 2 + lasted / 3, f"{len(serials)} certificates of 6 s each in {lasted:.1f} s")
    seen = renewal(world)
    equal((seen["lastResult"], seen["failures"]), ("renewed", 0), "the last result")
    expect(audit_has(world.console, "certificate.issue", "renewal"), "the cloud side's audit names no renewal")
    expect(audit_has(world.admin, "certificate.renew"), "the connector's audit names no renewal")


def case_forbidden_then_allowed(world):
    """a renewal that the cloud side forbids is shown with the reason, and goes on when it is allowed"""
    settings(world, "12s")
    allow(world, False)
    refresh(world)
    wait_for(lambda: renewal(world)["state"] == "refused", "the refusal", 40)
    seen = renewal(world)
    equal(seen["lastResult"], "refused", "the last result")
    expect("switched off" in seen["lastError"] and seen["next"], str(seen))
    before = serial(world)
    allow(world, True)
    wait_for(lambda: serial(world) != before, "the renewal", 40)
    wait_for(lambda: renewal(world)["lastError"] == "", "the last error's end")
    wait_for(lambda: any("switched off" in str(row) for row in denied(world)), "the denied attempt's audit row")
    expect(audit_has(world.admin, "certificate.renew.denied", "switched off"), "the connector's audit")


def case_last_result_survives(world):
    """the last result is there after a restart"""
    settings(world, "1h")  # a certificate of seconds would not live through a slow restart
    wait_for(lambda: world.certificate()["notAfterTimeStamp"] / 1000 > time.time() + 600, "the next renewal", 60)
    settled(world)
    before = renewal(world)
    equal((before["lastResult"], before["state"]), ("renewed", "planned"), "the last result")
    world.first.program.stop()
    world.first.start()
    settled(world)
    after = renewal(world)
    equal((after["lastTry"], after["lastResult"]), (before["lastTry"], before["lastResult"]), "the last try")
    wait_for(lambda: renewal(world)["state"] == "planned", "the plan")


def case_by_hand_without_a_password(world):
    """an administrator renews at once with the current certificate, over REST"""
    before = serial(world)
    world.admin.must("POST", f"{OWN}/{world.region}/{world.subaccount}/renewal")
    expect(serial(world) != before, "the same certificate")
    settled(world)
