-- Puts kept messages back at the tail of their lists, where workers take them first.
-- KEYS: the kept messages (list), the index of those (set), the lists that may be written.
-- ARGV: how many are kept, then the positions (from 0) of those to put back.
local kept, index = KEYS[1], KEYS[2]
if redis.call('LLEN', kept) ~= tonumber(ARGV[1]) then return -1 end
local allowed = {}
for i = 3, #KEYS do allowed[KEYS[i]] = true end
local back = {}
for i = 2, #ARGV do
  local entry = cjson.decode(redis.call('LINDEX', kept, ARGV[i]))
  if not allowed[entry.list] then return -1 end
  back[#back + 1] = entry
end
for i, entry in ipairs(back) do
  redis.call('RPUSH', entry.list, entry.raw)
  redis.call('LSET', kept, ARGV[i + 1], 'leadgenctl:restored')
end
redis.call('LREM', kept, 0, 'leadgenctl:restored')
if redis.call('EXISTS', kept) == 0 then redis.call('SREM', index, kept) end
return #back
