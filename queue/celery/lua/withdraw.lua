-- Takes messages out of a list and keeps them.
-- KEYS: the list, the withdrawn messages (list), the index of those (set), the count of removals.
-- ARGV: where the reader saw them (index of the first), how far, then the messages.
local list, kept, index, removals = unpack(KEYS)
local from, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local tombstone = 'leadgenctl:withdrawn'
-- New messages come in at the head and move everything on.
local at = {}
for i, raw in ipairs(redis.call('LRANGE', list, from, from + span + 1000)) do
  at[raw] = at[raw] or {}
  table.insert(at[raw], from + i - 1)
end
local gone = {}
local count = 0
for i = 3, #ARGV do
  local where = at[ARGV[i]] and table.remove(at[ARGV[i]], 1)
  if where then
    redis.call('LSET', list, where, tombstone)
    redis.call('RPUSH', kept, cjson.encode({list = list, raw = ARGV[i]}))
    count = count + 1
    gone[#gone + 1] = i - 2
  end
end
if count > 0 then
  redis.call('LREM', list, count, tombstone)
  redis.call('SADD', index, kept)
  -- Who walks the list at this moment has lost its place.
  redis.call('INCR', removals)
end
return gone
