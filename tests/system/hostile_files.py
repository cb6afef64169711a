"""PKCS#12 files that no honest program writes, put together byte by byte (RFC 7292)."""
import subprocess

DATA = bytes.fromhex("06092a864886f70d010701")
CERT_BAG = bytes.fromhex("060b2a864886f70d010c0a0103")
SAFE_CONTENTS_BAG = bytes.fromhex("060b2a864886f70d010c0a0106")
X509 = bytes.fromhex("060a2a864886f70d01091601")
FRIENDLY_NAME = bytes.fromhex("06092a864886f70d010914")
SHA256 = bytes.fromhex("0609608648016503040201")


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def number(n):
    return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def data(content):
    return tlv(0x30, DATA, tlv(0xa0, tlv(0x04, content)))


def pfx(safe, mac=b""):
    return tlv(0x30, number(3), data(tlv(0x30, data(safe))), mac)


def certificate_bag(der, name):
    attribute = tlv(0x30, FRIENDLY_NAME, tlv(0x31, tlv(0x1e, name.encode("utf-16-be"))))
    return tlv(0x30, CERT_BAG, tlv(0xa0, tlv(0x30, X509, tlv(0xa0, tlv(0x04, der)))), tlv(0x31, attribute))


def many(der, n):
    """n certificates, each under a name of its own; not encrypted."""
    return pfx(tlv(0x30, *(certificate_bag(der, f"hostile {i}") for i in range(n))))


def nested(der, depth):
    """Safe contents in safe contents, `depth` times."""
    content = tlv(0x30, certificate_bag(der, "deep"))
    for _ in range(depth):
        content = tlv(0x30, tlv(0x30, SAFE_CONTENTS_BAG, tlv(0xa0, content)))
    return pfx(content)


def endless(der, iterations):
    """A MAC that asks for that many iterations."""
    digest = tlv(0x30, tlv(0x30, SHA256, b"\x05\x00"), tlv(0x04, b"\x11" * 32))
    mac = tlv(0x30, digest, tlv(0x04, b"saltsalt"), number(iterations))
    return pfx(tlv(0x30, certificate_bag(der, "endless")), mac)


def endless_cipher(folder, name, password, iterations):
    """A file of openssl's own whose keys are derived with that many iterations; `iterations` within its reach."""
    return subprocess.run(["openssl", "pkcs12", "-export", "-inkey", f"{folder}/{name}.key", "-in",
                           f"{folder}/{name}.pem", "-name", name, "-passout", "pass:" + password, "-iter",
                           str(iterations), "-nomac"], check=True, capture_output=True).stdout


def lengths_that_lie(der):
    """Lengths over what follows, of 2^63, of more bytes than a number has, and without an end (BER)."""
    good = many(der, 1)
    return [b"\x30\x83\xff\xff\xff" + good[4:], b"\x30\x88\x7f" + b"\xff" * 7 + good, b"\x30\xff" + good,
            b"\x30\x80" + good[4:], b"\x30\x84\xff\xff\xff\xff" + good]
