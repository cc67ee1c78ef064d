-- wrk's script: POST the file that POST_BODY names; at the end one line of JSON
local file = assert(io.open(os.getenv("POST_BODY")))
wrk.method = "POST"
wrk.body = file:read("*a")

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
