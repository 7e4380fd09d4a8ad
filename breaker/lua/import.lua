-- Writes a state that was put together elsewhere, if the breaker is still what the planner saw.
-- ARGV: expected present, expected value, value before and after the epoch, state, opened_at, closed_at,
-- reason, service, error type, actor, source, number of events; then per event: kind, at, state, opened_at,
-- reason, service, error type, actor, source, details; then the reference, and the dump of each further
-- key that must be as it was ('' for absent).
local a = first_arg
local present, expected, before, after = ARGV[a] == '1', ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
local state, opened_at, closed_at, reason, service, error_type, actor, source = unpack(ARGV, a + 4, a + 11)
local count = tonumber(ARGV[a + 12])

local refused = check()
if refused then return refused end
if replayed() then return answer('ok') end
if (raw ~= false) ~= present or (raw and raw ~= expected) then
  result.present, result.value = raw ~= false, raw or ''
  return answer('conflict')
end
local tail = a + 13 + count * 10
for i = 4, #KEYS do
  if (redis.call('DUMP', KEYS[i]) or '') ~= ARGV[tail + i - 3] then
    result.key = KEYS[i]
    return answer('changed')
  end
end
adopt()
for i = 0, count - 1 do
  local kind, at, was, opened, why, who_failed, class, who, from, details = unpack(ARGV, a + 13 + i * 10, a + 22 + i * 10)
  event(kind, {epoch = '0', state = was, at = at, opened_at = opened, reason = why, service = who_failed,
    error_type = class, actor = who, source = from, details = details})
end
if ledger.state ~= state then
  result.changed = true
  transition({state = state, at = now, opened_at = opened_at, closed_at = closed_at, reason = reason,
    service = service, error_type = error_type, actor = actor, source = source})
else
  set_ledger({opened_at = opened_at, closed_at = closed_at, reason = reason, service = service, error_type = error_type})
end
store(before .. ledger.epoch .. after)
set_ledger({import_ref = ARGV[tail]})
return finish()
