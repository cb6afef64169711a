"""The relay's HTTP proxy as applications meet it: forms, bodies, tokens, refusals."""
import hashlib
import http.client
import socket

import pieces
from stage import ProxyClient, equal, expect, raw_exchange, wait_for

DATABASES = ("sqlite", "postgresql")


def client(world, **more):
    return ProxyClient(world.ports.proxy, world.token(), **more)


def case_get(world):
    """a GET of an exposed path brings the internal server's own bytes"""
    answer = client(world).get(world.url("/public/hello.txt"))
    equal((answer.status, answer.body), (200, b"hello from inside the plant\n"), "answer")


def case_keep_alive(world):
    """one connection carries many requests"""
    c = client(world)
    first = None
    for i in range(50):
        answer = c.get(world.url("/public/hello.txt"))
        equal(answer.status, 200, f"request {i}")
        first = first or c.connection.sock.getsockname()
        equal(c.connection.sock.getsockname(), first, "the client's own port")


def case_pipelined(world):
    """pipelined requests are answered in order"""
    one = world.raw("GET", "/public/hello.txt")
    two = world.raw("GET", "/public/deep/er.txt", close=True)
    seen = raw_exchange(world.ports.proxy, one + one + two)
    equal(seen.count(b"HTTP/1.1 200"), 3, "answers")
    expect(seen.index(b"hello from") < seen.index(b"deeper"), "the order is wrong")


def case_head(world):
    """HEAD has the length of GET and no body, and the connection goes on"""
    c = client(world)
    answer = c.call("HEAD", world.url("/public/hello.txt"))
    equal((answer.status, answer.body), (200, b""), "HEAD")
    equal(answer.headers.get("Content-Length"), "28", "Content-Length")
    equal(c.get(world.url("/public/hello.txt")).status, 200, "the next request")


def case_options(world):
    """OPTIONS reaches the internal server"""
    answer = client(world).call("OPTIONS", world.url("/public/hello.txt"))
    expect(answer.status in (200, 204, 405), f"saw {answer}")
    expect("nginx" in answer.headers.get("Server", ""), f"not the back end's answer: {answer.headers}")


def case_upload_length(world):
    """a PUT with a length arrives whole"""
    data = hashlib.sha512(b"put").digest() * 4096
    answer = client(world).call("PUT", world.url("/upload/length.bin"), body=data)
    expect(answer.status in (201, 204), f"saw {answer}")
    equal(world.backend.digest("upload/length.bin"), hashlib.sha256(data).hexdigest(), "checksum")


def case_upload_chunked(world):
    """a chunked PUT arrives whole"""
    parts = [hashlib.sha512(bytes([i])).digest() * (i * 7 + 1) for i in range(40)]
    c = client(world)
    c.connection = http.client.HTTPConnection("127.0.0.1", world.ports.proxy, timeout=60)
    c.connection.request("PUT", world.url("/upload/chunked.bin"), body=iter(parts),
                         headers=c.fields({"Transfer-Encoding": "chunked"}), encode_chunked=True)
    answer = c.connection.getresponse()
    answer.read()
    expect(answer.status in (201, 204), f"saw {answer.status}")
    equal(world.backend.digest("upload/chunked.bin"),
          hashlib.sha256(b"".join(parts)).hexdigest(), "checksum")


def case_expect_continue(world):
    """Expect: 100-continue is answered before the body is sent"""
    head = world.raw("PUT", "/upload/expect.bin", fields="Content-Length: 5\r\nExpect: 100-continue\r\n",
                     close=True)
    with socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=30) as s:
        s.sendall(head)
        first = s.recv(65536)
        expect(first.startswith(b"HTTP/1.1 100"), f"saw {first[:80]!r}")
        s.sendall(b"hello")
        rest = first
        while piece := s.recv(65536):
            rest += piece
    expect(b"HTTP/1.1 201" in rest or b"HTTP/1.1 204" in rest, f"saw {rest!r}")


def case_trailers_and_early_hints(world):
    """chunked answers with trailers, and 1xx answers, pass through"""
    with pieces.Backend(world) as b:
        b.answer = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                    b"5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
        seen = raw_exchange(world.ports.proxy, world.raw("GET", "/any", host=b.virtual, close=True,
                                                         fields="TE: trailers\r\n"))
    expect(seen.startswith(b"HTTP/1.1 103"), f"saw {seen[:100]!r}")
    expect(b"HTTP/1.1 200" in seen and b"hello" in seen, f"saw {seen!r}")
    expect(b"x-sum: 42" in seen.lower(), f"no trailer in {seen!r}")


def case_big_both_ways(world):
    """20 MB down and up have matching checksums"""
    wanted = world.backend.make_big("public/big20.bin", 20)
    answer = client(world).get(world.url("/public/big20.bin"))
    equal((answer.status, hashlib.sha256(answer.body).hexdigest()), (200, wanted), "download")
    put = client(world).call("PUT", world.url("/upload/big20.bin"), body=answer.body)
    expect(put.status in (201, 204), f"saw {put}")
    equal(world.backend.digest("upload/big20.bin"), wanted, "upload")


def case_slow_reader(world):
    """a reader that does not read holds back nobody, and the relay's memory stays bounded"""
    world.backend.make_big("public/big200.bin", 200)
    before = world.memory("cloud")
    slow = []
    for _ in range(8):
        s = socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=30)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.sendall(world.raw("GET", "/public/big200.bin"))
        slow.append(s)
    try:
        c = client(world)
        for i in range(100):
            equal(c.get(world.url("/public/hello.txt")).status, 200, f"request {i} beside slow readers")
        grown = world.memory("cloud") - before
        expect(grown < 64 * 1024 * world.sanitizer_factor, f"the relay grew by {grown} KiB")
    finally:
        for s in slow:
            s.close()


def case_client_cancel(world):
    """a client that goes away ends the back end's request too"""
    with pieces.Backend(world) as b:
        b.endless = True
        s = socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=30)
        s.sendall(world.raw("GET", "/endless", host=b.virtual))
        expect(s.recv(4096).startswith(b"HTTP/1.1 200"), "no answer began")
        s.close()
        wait_for(lambda: b.broken, "the back end's connection breaking")


def case_backend_reset(world):
    """a back end that resets in mid-body breaks the client's answer, and nothing pretends it was whole"""
    with pieces.Backend(world) as b:
        b.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this"
        b.reset = True
        seen = raw_exchange(world.ports.proxy, world.raw("GET", "/cut", host=b.virtual))
        expect(len(seen.split(b"\r\n\r\n", 1)[-1]) < 1000, "the body is complete?")
    equal(client(world).get(world.url("/public/hello.txt")).status, 200, "the next request")


def case_backend_refuses(world):
    """a back end that refuses the connection gives 502 with the reason"""
    answer = client(world).get(f"http://{world.virtual_closed}/any")
    equal(answer.status, 502, f"saw {answer}")
    expect("refused" in answer.text.lower(), f"no reason in {answer}")


def case_backend_garbage(world):
    """a back end that does not speak HTTP gives 502 with the reason"""
    with pieces.Backend(world) as b:
        b.answer = b"220 mail.example ESMTP\r\n"
        answer = client(world).get(f"http://{b.virtual}/any")
        equal(answer.status, 502, f"saw {answer}")


def case_backend_gone_before_answer(world):
    """a back end that closes without an answer gives 502"""
    with pieces.Backend(world) as b:
        b.answer = b""
        answer = client(world).call("POST", f"http://{b.virtual}/any", body=b"x")
        equal(answer.status, 502, f"saw {answer}")


def case_not_exposed(world):
    """a path that is not exposed is refused with the rule named (403)"""
    answer = client(world).get(world.url("/secret/plan.txt"))
    equal(answer.status, 403, f"saw {answer}")
    expect("Access denied to system" in answer.text and "/secret/plan.txt" in answer.text,
           f"the rule is not named: {answer}")


def case_no_mapping(world):
    """a system without a mapping is refused with the rule named (403)"""
    answer = client(world).get("http://unknown.virtual:4711/x")
    equal(answer.status, 403, f"saw {answer}")
    expect("unknown.virtual:4711" in answer.text, f"the system is not named: {answer}")


def case_path_tricks(world):
    """dots, double slashes and encodings do not reach what is not exposed"""
    for path in ("/public/../secret/plan.txt", "/public/%2e%2e/secret/plan.txt",
                 "/public/..%2fsecret/plan.txt", "//secret/plan.txt", "/public//../secret/plan.txt",
                 "/public%2f..%2fsecret/plan.txt", "/public/..\\secret/plan.txt", "/public/%00",
                 "/public/%zz", "/publicity", "/public;/../secret/plan.txt"):
        seen = raw_exchange(world.ports.proxy, world.raw("GET", path, close=True))
        status = int(seen.split(b" ", 2)[1])
        expect(status in (400, 403, 404), f"{path}: {seen[:200]!r}")
        expect(b"not for the cloud" not in seen, f"{path} leaked the secret")


def case_tokens(world):
    """no token, a broken one and a foreign one give 407"""
    for token in (None, "nonsense", world.token()[:-4] + "AAAA", pieces.unsigned_token(world)):
        answer = ProxyClient(world.ports.proxy, token).get(world.url("/public/hello.txt"))
        equal(answer.status, 407, f"with token {str(token)[:20]}: {answer}")
        expect("Proxy-Authenticate" in answer.headers, "no Proxy-Authenticate")


def case_token_as_basic(world):
    """a token as user name of Basic proxy authorization is accepted"""
    import base64
    pair = base64.b64encode((world.token() + ":").encode()).decode()
    answer = ProxyClient(world.ports.proxy, None).get(
        world.url("/public/hello.txt"), headers={"Proxy-Authorization": "Basic " + pair})
    equal(answer.status, 200, f"saw {answer}")


def case_unknown_location(world):
    """a location without a connector gives 503 that names it"""
    answer = client(world, location="nowhere").get(world.url("/public/hello.txt"))
    equal(answer.status, 503, f"saw {answer}")
    expect("nowhere" in answer.text, f"the location is not named: {answer}")


def case_https_target(world):
    """an https:// target gives 405"""
    seen = raw_exchange(world.ports.proxy, world.raw("GET", "/x", scheme="https", close=True))
    expect(seen.startswith(b"HTTP/1.1 405"), f"saw {seen[:100]!r}")


def case_headers_are_stripped(world):
    """platform and proxy headers never reach the back end"""
    with pieces.Backend(world) as b:
        client(world, location="").call(
            "GET", f"http://{b.virtual}/any",
            headers={"SAP-Connectivity-Authentication": "Bearer x", "Proxy-Connection": "keep-alive",
                     "Drawbridge-Subaccount": "forged", "X-Mine": "stays", "Authorization": "Basic YTpi"})
        seen = b.heads[-1].lower()
    for word in (b"sap-connectivity", b"proxy-", b"drawbridge-"):
        expect(word not in seen, f"{word} in {seen!r}")
    for word in (b"x-mine: stays", b"authorization: basic ytpi"):
        expect(word in seen, f"{word} not in {seen!r}")


def case_location_is_mapped_back(world):
    """Location of a redirect names the virtual host"""
    answer = client(world).get(world.url("/moved"))
    equal(answer.status, 302, f"saw {answer}")
    equal(answer.headers.get("Location"), world.url("/public/hello.txt"), "Location")


def case_smuggling(world):
    """two lengths, length with chunked, folded lines, bare LF, spaces and their like are refused (4xx)"""
    auth = f"Proxy-Authorization: Bearer {world.token()}\r\n"
    line = f"POST {world.url('/public/hello.txt')} HTTP/1.1\r\nHost: {world.virtual}\r\n"
    for name, text in {
        "two lengths": line + auth + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "length list": line + auth + "Content-Length: 3, 4\r\n\r\nabcd",
        "length and chunked": line + auth + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "strange coding": line + auth + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunked not last": line + auth + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "negative length": line + auth + "Content-Length: -1\r\n\r\n",
        "plus length": line + auth + "Content-Length: +3\r\n\r\nabc",
        "folded line": line + auth + "X-A: b\r\n c\r\n\r\n",
        "bare LF": line + auth + "X-A: b\nX-B: c\r\n\r\n",
        "space before colon": line + auth + "X-A : b\r\n\r\n",
        "NUL": line + auth + "X-A: b\0c\r\n\r\n",
        "other host": line.replace("Host: ", "Host: other.") + auth + "\r\n",
        "two hosts": line + f"Host: {world.virtual}\r\n" + auth + "\r\n",
        "huge header": line + auth + "X-A: " + "b" * 9000 + "\r\n\r\n",
        "many headers": line + auth + "".join(f"X-{i}: b\r\n" for i in range(200)) + "\r\n",
        "huge line": f"GET {world.url('/' + 'a' * 9000)} HTTP/1.1\r\nHost: {world.virtual}\r\n{auth}\r\n",
        "HTTP/2.0": line.replace("HTTP/1.1", "HTTP/2.0") + auth + "\r\n",
        "space in path": line.replace("hello.txt", "hel lo.txt") + auth + "\r\n",
        "origin form": f"GET /public/hello.txt HTTP/1.1\r\nHost: {world.virtual}\r\n{auth}\r\n",
        "bad chunk": line + auth + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    }.items():
        seen = raw_exchange(world.ports.proxy, text.encode("latin-1"), seconds=20, close_write=True)
        expect(seen[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), f"{name}: saw {seen[:200]!r}")
        expect(seen.count(b"HTTP/1.1 ") <= 1, f"{name}: more than one answer: {seen[:400]!r}")
    equal(client(world).get(world.url("/public/hello.txt")).status, 200, "an honest request after these")


def case_metrics(world):
    """requests and refusals are counted in /metrics"""
    text = world.metrics().text
    for word in ("drawbridge_", "# TYPE "):
        expect(word in text, f"{word} is missing in {text[:500]!r}")
