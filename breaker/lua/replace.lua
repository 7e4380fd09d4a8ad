-- Puts back an exact earlier value, or its absence, if the breaker is still what the caller saw.
-- ARGV: expected present, expected value, present, value, time to live in ms (0 for none), reason, actor, source.
local a = first_arg
local was_present, expected = ARGV[a] == '1', ARGV[a + 1]
local present, value, ttl = ARGV[a + 2] == '1', ARGV[a + 3], tonumber(ARGV[a + 4])
local reason, actor, source = unpack(ARGV, a + 5, a + 7)

local refused = check()
if refused then return refused end
if replayed() then return answer('ok') end
if (raw ~= false) ~= was_present or (raw and raw ~= expected) then
  result.present, result.value = raw ~= false, raw or ''
  return answer('conflict')
end
adopt()
local rec = present and decode(value) or {state = 'closed', metadata = {}}
if not rec then return malformed(key, 'string', value) end
if ledger.state ~= rec.state then
  result.changed = true
  transition({state = rec.state, at = now, opened_at = rec.opened_at, closed_at = rec.closed_at, reason = reason,
    actor = actor, source = source})
else
  set_ledger({opened_at = rec.opened_at or '', closed_at = rec.closed_at or ''})
end
if present then
  store(value)
  if ttl > 0 then redis.call('PEXPIRE', key, ttl) end
else
  redis.call('DEL', key)
  set_ledger({value = ''})
end
return finish()
