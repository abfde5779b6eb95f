-- For wrk: each request with the next of the Authorization headers in the file that BENCH_AUTHORIZATIONS names.
local values = {}
for line in io.lines(os.getenv("BENCH_AUTHORIZATIONS")) do
  values[#values + 1] = line
end
local n = 0

request = function()
  n = n % #values + 1
  return wrk.format(nil, nil, { ["Authorization"] = values[n] })
end
