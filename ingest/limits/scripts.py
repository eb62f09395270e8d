"""What Redis runs in one step. Times are microseconds of its own clock, amounts pico-USD.

All keys carry the hash tag `{lqo}`, so that a cluster keeps them on one node, as one script must.
"""

TAKE = """
local n_draws, n_spends = tonumber(ARGV[1]), tonumber(ARGV[2])
local grant = KEYS[n_draws + n_spends + 1]
if grant and redis.call('EXISTS', grant) == 1 then return {3} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full, last, wait = {}, 0, 0
for i = 1, n_draws do
  local at = tonumber(redis.call('GET', KEYS[i]) or 0)
  full[i] = math.min(math.max(at, now), now + 600000000) + tonumber(ARGV[2 + i])
  if full[i] - now - 60000000 > wait then last, wait = i, full[i] - now - 60000000 end
end
local base = 2 + n_draws
for j = 1, n_spends do
  local gone = tonumber(redis.call('GET', KEYS[n_draws + j]) or 0)
  local limit = tonumber(ARGV[base + 3 * j - 1])
  if gone >= limit or gone + tonumber(ARGV[base + 3 * j - 2]) > limit then return {2, j, gone} end
end
if last > 0 then return {1, last, math.ceil(wait)} end
local reply = {0}
for i = 1, n_draws do
  redis.call('SET', KEYS[i], string.format('%.2f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1000)
  reply[#reply + 1] = math.ceil(full[i] - now)
end
for j = 1, n_spends do
  reply[#reply + 1] = redis.call('INCRBY', KEYS[n_draws + j], ARGV[base + 3 * j - 2])
  redis.call('EXPIREAT', KEYS[n_draws + j], ARGV[base + 3 * j])
end
if grant then redis.call('SET', grant, '1', 'EX', 86400) end
return reply
"""
"""KEYS: buckets, accounts, then the grant, where one is to be settled later. ARGV: how many of each; a cost
for each bucket; amount, limit and expiry (Unix seconds) for each account. Gives {0, times to full …,
committed …}, {1, bucket, wait}, {2, account, committed}, or {3} for a grant taken back before it was given.
The expiry is two days past the period's end: a call may end in the next one."""

SETTLE = """
local state = redis.call('GET', KEYS[1])
local n_draws, is_undo = tonumber(ARGV[1]), ARGV[2] == '1'
if is_undo then redis.call('SET', KEYS[1], '0', 'EX', 3600) else redis.call('DEL', KEYS[1]) end
if state ~= '1' then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 1, n_draws do
  local delta, at = tonumber(ARGV[2 + i]), tonumber(redis.call('GET', KEYS[1 + i]) or 0)
  if delta > 0 then at = math.max(at, now) end
  at = math.min(at + delta, now + 600000000)
  if at > now then
    redis.call('SET', KEYS[1 + i], string.format('%.2f', at), 'PX', math.ceil((at - now) / 1000) + 1000)
  else
    redis.call('DEL', KEYS[1 + i])
  end
end
for j = 2 + n_draws, #KEYS do
  if redis.call('EXISTS', KEYS[j]) == 1 then redis.call('INCRBY', KEYS[j], ARGV[1 + j]) end
end
return 1
"""
"""KEYS: the grant, buckets, accounts. ARGV: how many buckets, whether all is taken back, then what to add to
each. Only the first settlement of a grant counts. One taken back stays marked for an hour, as a command that
timed out may still run after it."""

OWE = """
if not redis.call('SET', KEYS[1], '2', 'NX', 'EX', 86400) then return 0 end
for j = 2, #KEYS do
  redis.call('INCRBY', KEYS[j], ARGV[2 * j - 3])
  redis.call('EXPIREAT', KEYS[j], ARGV[2 * j - 2])
end
return 1
"""
"""KEYS: a fresh grant, accounts. ARGV: amount and expiry for each account, spent while Redis was away."""
