-- Closes the breaker. ARGV: value before and after opened_at and the epoch (three parts), reason, actor, source.
local head, middle, tail = ARGV[first_arg], ARGV[first_arg + 1], ARGV[first_arg + 2]
local reason, actor, source = unpack(ARGV, first_arg + 3, first_arg + 5)

local refused = check()
if refused then return refused end
if replayed() then return answer('ok') end
adopt()
if ledger.state == 'open' then
  result.changed = true
  local opened = ledger.opened_at or ''
  local t = transition({state = 'closed', at = now, opened_at = opened, closed_at = now, reason = reason,
    actor = actor, source = source, details = result.replaced})
  store(head .. (opened == '' and 'null' or cjson.encode(opened)) .. middle .. t.epoch .. tail)
end
return finish()
