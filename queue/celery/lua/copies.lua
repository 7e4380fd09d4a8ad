-- Takes out all messages of a list that are equal to one, but that which runs first.
-- KEYS: the list, the withdrawn messages (list), the index of those (set), the count of removals.
-- ARGV: the message.
local list, kept, index, removals = unpack(KEYS)
local count = #redis.call('LPOS', list, ARGV[1], 'COUNT', 0) - 1
if count < 1 then
  return 0
end
redis.call('LREM', list, count, ARGV[1])
for _ = 1, count do
  redis.call('RPUSH', kept, cjson.encode({list = list, raw = ARGV[1]}))
end
redis.call('SADD', index, kept)
redis.call('INCR', removals)
return count
