-- What wrk sends: BENCH_URL in absolute form and BENCH_TOKEN where they are set (a proxy), else the plain
-- path. The request is put together once. At the end one line for bench/run.
local url, token = os.getenv("BENCH_URL"), os.getenv("BENCH_TOKEN")
if url and url ~= "" then
	wrk.path = url
	wrk.headers["Host"] = os.getenv("BENCH_HOST")
	wrk.headers["Proxy-Authorization"] = "Bearer " .. token
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("BENCH %d %d %d %d %d\n", summary.requests, summary.duration,
		latency:percentile(50), latency:percentile(99),
		e.connect + e.read + e.write + e.status + e.timeout))
end
