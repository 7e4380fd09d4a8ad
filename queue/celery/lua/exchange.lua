-- Exchanges queued messages for new ones; each exchange is all or nothing.
-- KEYS: what is remembered of the batch (hash), its withdrawn messages (list), the index of those (set),
--   unacked, unacked_index, the count of removals, whether the batch is retracted.
-- ARGV: how long the batch is remembered (s), then a JSON array of
--   {id, list, raw, olds = {{list, raw} or {tag}}}.
local remembered, kept, index, unacked, unacked_index, removals, retracted = unpack(KEYS)
if redis.call('EXISTS', retracted) == 1 then return redis.error_reply('RETRACTED the batch was taken back') end
local out = {}
for i, t in ipairs(cjson.decode(ARGV[2])) do
  local before = redis.call('HGET', remembered, t.id)
  if before then
    out[i] = before == 'missed' and 'missed' or 'duplicate'
  else
    local there = #t.olds > 0
    for _, old in ipairs(t.olds) do
      if old.tag then
        there = there and redis.call('HEXISTS', unacked, old.tag) == 1
      else
        -- The oldest messages are at the tail, and go first.
        there = there and redis.call('LPOS', old.list, old.raw, 'RANK', -1) ~= false
      end
    end
    if there then
      for _, old in ipairs(t.olds) do
        if old.tag then
          redis.call('RPUSH', kept, cjson.encode({tag = old.tag, raw = redis.call('HGET', unacked, old.tag), replaced_by = t.id}))
          redis.call('HDEL', unacked, old.tag)
          redis.call('ZREM', unacked_index, old.tag)
        else
          redis.call('LREM', old.list, -1, old.raw) -- the first from the tail: to look for more takes the whole list
          -- On the same list the new message makes up for the old one; else who walks
          -- the list at this moment has lost its place.
          if old.list ~= t.list or #t.olds > 1 then redis.call('INCR', removals) end
          redis.call('RPUSH', kept, cjson.encode({list = old.list, raw = old.raw, replaced_by = t.id}))
        end
      end
      redis.call('LPUSH', t.list, t.raw)
      out[i] = 'replaced'
    else
      out[i] = 'missed'
    end
    redis.call('HSET', remembered, t.id, out[i])
  end
end
redis.call('EXPIRE', remembered, ARGV[1])
if redis.call('EXISTS', kept) == 1 then redis.call('SADD', index, kept) end
return out
