-- Opens the breaker, or counts a failure on one that is open already.
-- ARGV: value before and after the epoch, count a failure, reason, error type, service, actor, source, error.
local before, after, counts = ARGV[first_arg], ARGV[first_arg + 1], ARGV[first_arg + 2] == '1'
local reason, error_type, service, actor, source, error_text = unpack(ARGV, first_arg + 3, first_arg + 8)

local refused = check()
if refused then return refused end
if replayed() then return answer('ok') end
adopt()
if ledger.state ~= 'open' then
  result.changed = true
  local t = transition({state = 'open', at = now, opened_at = now, reason = reason, service = service,
    error_type = error_type, actor = actor, source = source, details = result.replaced})
  store(before .. t.epoch .. after)
end
if counts then count_failure(error_text, error_type, service, now) end
return finish()
