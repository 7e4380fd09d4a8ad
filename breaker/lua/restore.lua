-- Makes a Redis that forgot know again what the durable log knows.
-- ARGV: value, epoch, state, at, opened_at, closed_at, reason, service, error type, actor, source.
local value = ARGV[first_arg]
local names = {'epoch', 'state', 'at', 'opened_at', 'closed_at', 'reason', 'service', 'error_type', 'actor', 'source'}

local refused = check()
if refused then return refused end
if replayed() then return answer('ok') end
local known = {}
for i, name in ipairs(names) do known[name] = ARGV[first_arg + i] end
local untouched = raw == false or raw == ledger.value
local newer = ledger.at ~= nil and ledger.at > known.at
-- Never closes: a breaker that is open here stays open, under a number of its own.
local closes = raw and found.state == 'open' and known.state == 'closed'
if epoch() < tonumber(known.epoch) and not newer and not closes then
  local was = ledger.state
  set_ledger(known)
  set_ledger({previous_state = was or 'closed', failures = '0'})
  if untouched then
    local there = raw and found.state or 'closed'
    store(value)
    found = decode(value)
    result.restored = true
    event('restored', {epoch = known.epoch, previous_state = there, state = known.state, at = now,
      opened_at = known.opened_at, reason = known.reason, service = known.service, actor = known.actor, source = 'leadgenctl'})
  else
    ledger.value = ''
  end
end
adopt()
return finish()
