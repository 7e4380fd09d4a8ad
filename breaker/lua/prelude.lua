-- Common to every change of the breaker. Nothing below may fail after the first
-- write (a script is not rolled back), so types and values are checked first.
--
-- KEYS: the breaker, its ledger (hash), its events (stream).
-- ARGV: channel, now, cap of the stream, epoch floor, request id, replace malformed; then the operation's own.
local key, ledger_key, events_key = KEYS[1], KEYS[2], KEYS[3]
local channel, now, cap, floor, request = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local replace_malformed = ARGV[6] == '1'
local first_arg = 7

local result = {status = 'ok', changed = false}
local ledger = {}   -- what was last known, as strings
local raw           -- the breaker's value, false when absent
local found         -- what raw said when the script began, decoded
local changes = {}  -- fields of the ledger to write back, name and value in turn

local function answer(status)
  result.status = status
  return cjson.encode(result)
end

local function malformed(name, kind, value)
  result.key, result.type, result.value = name, kind, value
  return answer('malformed')
end

local function text(v)
  if type(v) == 'string' then return v end
  if type(v) == 'number' or type(v) == 'boolean' then return tostring(v) end
  return ''
end

-- is_timestamp says whether ParseTimestamp reads v.
local function is_timestamp(v)
  local year, month, day, hour, minute, second, rest =
    string.match(v, '^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d):(%d%d):(%d%d)(.*)$')
  if not year then return false end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  local days = ({31, leap and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31})[month]
  if year < 1 or not days or day < 1 or day > days then return false end
  if tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 59 then return false end
  rest = string.gsub(rest, '^%.%d+', '')
  if rest == '' or rest == 'Z' or rest == 'z' then return true end
  local h, m = string.match(rest, '^[+-](%d%d):(%d%d)$')
  return h ~= nil and tonumber(h) < 24 and tonumber(m) < 60
end

-- parse reads JSON. Python writes undecodable bytes as lone surrogates, which are
-- not JSON: they are read as the replacement character.
local function parse(value)
  local ok, rec = pcall(cjson.decode, value)
  if not ok then ok, rec = pcall(cjson.decode, (string.gsub(value, '\\u[dD][89a-fA-F]%x%x', '\\ufffd'))) end
  if ok and type(rec) == 'table' then return rec end
end

-- decode returns the fields of a breaker's value, or nil for what is not a breaker.
local function decode(value)
  local rec = parse(value)
  if not rec or rec.state ~= 'open' and rec.state ~= 'closed' then return nil end
  for _, name in ipairs({'opened_at', 'closed_at'}) do
    local v = rec[name]
    if v == cjson.null then rec[name] = nil
    elseif v ~= nil and (type(v) ~= 'string' or not is_timestamp(v)) then return nil end
  end
  if rec.metadata == nil or rec.metadata == cjson.null then rec.metadata = {} end
  if type(rec.metadata) ~= 'table' or rec.metadata[1] ~= nil then return nil end
  return rec
end

local function epoch() return tonumber(ledger.epoch or '0') end

local function set_ledger(fields)
  for name, v in pairs(fields) do
    if ledger[name] ~= v then
      ledger[name] = v
      changes[#changes + 1] = name
      changes[#changes + 1] = v
    end
  end
end

-- store writes the value without a time to live and remembers its bytes.
local function store(value)
  redis.call('SET', key, value)
  raw = value
  set_ledger({value = value})
end

local function event(kind, t)
  local id = redis.call('XADD', events_key, 'MAXLEN', '~', cap, '*', 'kind', kind,
    'epoch', t.epoch, 'previous_state', t.previous_state or '', 'state', t.state or '', 'at', t.at,
    'opened_at', t.opened_at or '', 'reason', t.reason or '', 'service', t.service or '',
    'error_type', t.error_type or '', 'actor', t.actor or '', 'source', t.source or '',
    'details', t.details or '')
  result.notify = id
  return id
end

-- transition gives the new state its epoch, and records it in the ledger and the stream.
local function transition(t)
  t.previous_state = ledger.state or 'closed'
  t.epoch = string.format('%d', math.max(epoch(), floor) + 1)
  set_ledger({epoch = t.epoch, previous_state = t.previous_state, state = t.state, at = t.at,
    opened_at = t.opened_at or '', closed_at = t.closed_at or '', reason = t.reason or '',
    service = t.service or '', error_type = t.error_type or '', actor = t.actor or '', source = t.source or ''})
  if t.state == 'open' then
    set_ledger({failures = '0', failure_error = '', failure_type = '', failure_service = '', failure_at = ''})
  end
  t.id = event(t.state == 'open' and 'opened' or 'closed', t)
  return t
end

local function count_failure(error, error_type, service, at)
  set_ledger({failures = string.format('%d', tonumber(ledger.failures or '0') + 1),
    failure_error = error, failure_type = error_type, failure_service = service, failure_at = at})
end

-- with_opened_at puts the first opened_at into a value whose own is rec's, and leaves every other byte.
local function with_opened_at(value, rec, first)
  local old, from = cjson.encode(rec.opened_at), 1
  while true do
    local s, e = string.find(value, old, from, true)
    if not s then return value end
    local candidate = value:sub(1, s - 1) .. cjson.encode(first) .. value:sub(e + 1)
    local again = decode(candidate)
    if again and again.opened_at == first then return candidate end
    from = e + 1
  end
end

-- foreign makes a transition of a state that was written without an epoch.
local function foreign(rec)
  local m = rec.metadata
  local t = {state = rec.state, source = 'python', service = text(m.service), error_type = text(m.error_type)}
  if rec.state == 'open' then
    t.at = rec.opened_at or now
    t.opened_at = t.at
    t.reason = text(m.reason) ~= '' and text(m.reason) or text(m.last_error)
    t.actor = text(m.opened_by)
  else
    t.at = rec.closed_at or (text(m.manually_closed_at) ~= '' and text(m.manually_closed_at)) or now
    t.closed_at = t.at
    t.opened_at = ledger.opened_at
    t.reason, t.actor = text(m.reason), text(m.closed_by)
  end
  result.adopted = transition(t)
  if rec.state == 'open' and text(m.last_error) ~= '' then
    count_failure(text(m.last_error), text(m.error_type), text(m.service), text(m.failed_at) ~= '' and text(m.failed_at) or t.at)
  end
end

-- renewed takes in what a further failure of a Python worker did to an open breaker.
local function renewed(rec)
  local m, first = rec.metadata, ledger.opened_at or ''
  local at = text(m.failed_at) ~= '' and text(m.failed_at) or (rec.opened_at or now)
  -- The app's success path writes the same metadata again: that is no further failure.
  if text(m.last_error) ~= '' and at ~= ledger.failure_at and at ~= ledger.at then
    count_failure(text(m.last_error), text(m.error_type), text(m.service), at)
  end
  if rec.opened_at and (first == '' or rec.opened_at < first) then
    set_ledger({opened_at = rec.opened_at})
  elseif rec.opened_at and rec.opened_at ~= first then
    result.reopened_at = rec.opened_at
    store(with_opened_at(raw, rec, first))
  end
end

-- seed makes a ledger for a value that has none: ours when it carries an epoch, else foreign.
local function seed(rec)
  local own = tonumber(rec.metadata.epoch)
  if own and own >= floor and own >= 1 and own == math.floor(own) then
    set_ledger({epoch = string.format('%d', own), state = rec.state, at = rec.closed_at or rec.opened_at or now,
      opened_at = rec.opened_at or '', closed_at = rec.closed_at or '', reason = text(rec.metadata.reason),
      service = text(rec.metadata.service), error_type = text(rec.metadata.error_type), source = 'leadgenctl',
      actor = rec.state == 'open' and text(rec.metadata.opened_by) or text(rec.metadata.closed_by)})
  elseif rec.state == 'open' then
    foreign(rec)
  else
    set_ledger({epoch = string.format('%d', floor), state = 'closed', at = rec.closed_at or now, closed_at = rec.closed_at or ''})
  end
end

-- last_value is what an open breaker's key last held.
local function last_value()
  if (ledger.value or '') ~= '' then return ledger.value end
  local opened = (ledger.opened_at or '') ~= '' and cjson.encode(ledger.opened_at) or 'null'
  return '{"state": "open", "opened_at": ' .. opened .. ', "closed_at": null, "metadata": {}}'
end

-- check reads everything that the script works on; it returns an answer where that is not a breaker.
local function check()
  for name, want in pairs({[key] = 'string', [ledger_key] = 'hash', [events_key] = 'stream'}) do
    local kind = redis.call('TYPE', name).ok
    if kind ~= 'none' and kind ~= want then return malformed(name, kind, '') end
  end
  raw = redis.call('GET', key)
  local flat = redis.call('HGETALL', ledger_key)
  for i = 1, #flat, 2 do ledger[flat[i]] = flat[i + 1] end
  found = raw and decode(raw)
  if raw and not found then
    if not replace_malformed then return malformed(key, 'string', raw) end
    result.replaced = raw
    if ledger.state ~= 'open' then
      redis.call('DEL', key)
      raw = false
    else
      store(last_value())
      found = decode(raw)
    end
  end
end

-- adopt takes in what others did to the breaker since the ledger was written.
local function adopt()
  local had_ledger = ledger.state ~= nil
  if raw then
    local rec = found
    if redis.call('PERSIST', key) == 1 then result.persisted = true end
    if not had_ledger then
      seed(rec)
    elseif raw ~= ledger.value then
      if rec.state ~= ledger.state then foreign(rec)
      elseif rec.state == 'open' then renewed(rec)
      else set_ledger({closed_at = rec.closed_at or ledger.closed_at}) end
    end
    if raw ~= ledger.value then set_ledger({value = raw}) end
  elseif ledger.state == 'open' then
    -- Only a person closes: a key that vanished is put back.
    store(last_value())
    result.restored = true
    event('restored', {epoch = ledger.epoch, previous_state = 'open', state = 'open', at = now,
      opened_at = ledger.opened_at, reason = 'the key was lost', source = 'leadgenctl'})
  elseif not had_ledger then
    set_ledger({epoch = string.format('%d', floor), state = 'closed', at = '', value = ''})
  elseif ledger.value ~= '' then
    set_ledger({value = ''})
  end
  if epoch() < floor and ledger.state then
    -- Redis was emptied and began again from 1: its state gets a number that was never used.
    set_ledger({epoch = string.format('%d', floor + 1)})
    event('renumbered', {epoch = ledger.epoch, previous_state = ledger.state, state = ledger.state, at = now,
      opened_at = ledger.opened_at, reason = ledger.reason, service = ledger.service, source = 'leadgenctl'})
    result.renumbered = true
  end
end

-- finish writes the ledger, tells the watchers and answers.
local function finish()
  if #changes > 0 then
    set_ledger({request = request, request_changed = result.changed and '1' or '0'})
    redis.call('HSET', ledger_key, unpack(changes))
  end
  -- A user who may not publish still makes the change; watchers find it by polling.
  if result.notify then redis.pcall('PUBLISH', channel, result.notify) end
  result.ledger, ledger.value = ledger, nil
  return answer('ok')
end

-- replayed answers a call that the client repeated because it lost the answer to the first.
local function replayed()
  if request == '' or ledger.request ~= request then return false end
  result.changed = ledger.request_changed == '1'
  result.ledger, ledger.value = ledger, nil
  return true
end
