-- Exchanges queued messages for new ones; each exchange is all or nothing.
-- KEYS: what is remembered of the batch (hash), its withdrawn messages (list), the index of those (set),
--   unacked, unacked_index, the count of removals, whether the batch is retracted.
-- ARGV: how long the batch is remembered (s), then a JSON array of
--   {id, list, raw, olds = {{list, raw, at} or {tag}}}; at is where the message was on its list, -1 the tail.
local remembered, kept, index, unacked, unacked_index, removals, retracted = unpack(KEYS)
if redis.call('EXISTS', retracted) == 1 then return redis.error_reply('RETRACTED the batch was taken back') end
local tombstone = 'leadgenctl:withdrawn'
local moved, tombs = {}, {} -- by list: how far messages are from where they were; how many are taken out

-- Where a message is now, from the tail; nil where it is gone. Others take messages from
-- the tail, and put few back there.
local function place(old)
  local guess = math.min(-1, old.at + (moved[old.list] or 0))
  if redis.call('LINDEX', old.list, guess) == old.raw then return guess end
  local last = math.min(-1, guess + 600)
  local near = redis.call('LRANGE', old.list, guess - 100, last)
  for i = #near, 1, -1 do
    if near[i] == old.raw then
      local at = last - #near + i
      moved[old.list] = at - old.at
      return at
    end
  end
  -- To look for what is gone takes as long as the part of the list that it was in.
  local head = redis.call('LPOS', old.list, old.raw, 'RANK', -1, 'MAXLEN', 5000 - old.at)
  if head then
    local at = head - redis.call('LLEN', old.list)
    moved[old.list] = at - old.at
    return at
  end
end

local function take(old, new)
  if old.tag then
    redis.call('RPUSH', kept, cjson.encode({tag = old.tag, raw = redis.call('HGET', unacked, old.tag), replaced_by = new.id}))
    redis.call('HDEL', unacked, old.tag)
    redis.call('ZREM', unacked_index, old.tag)
    return
  end
  redis.call('LSET', old.list, old.now, tombstone)
  tombs[old.list] = (tombs[old.list] or 0) + 1
  -- On the same list the new message makes up for the old one; else who walks
  -- the list at this moment has lost its place.
  if old.list ~= new.list or #new.olds > 1 then redis.call('INCR', removals) end
  redis.call('RPUSH', kept, cjson.encode({list = old.list, raw = old.raw, replaced_by = new.id}))
end

-- All is found before anything is changed: a script that fails is not taken back.
local out, all = {}, cjson.decode(ARGV[2])
for i, new in ipairs(all) do
  local before = redis.call('HGET', remembered, new.id)
  if before then
    out[i] = before == 'missed' and 'missed' or 'duplicate'
  else
    local there = #new.olds > 0
    for _, old in ipairs(new.olds) do
      if old.tag then
        there = there and redis.call('HEXISTS', unacked, old.tag) == 1
      elseif there then
        old.now = place(old)
        there = old.now ~= nil
      end
    end
    out[i] = there and 'replaced' or 'missed'
    new.decided = true
  end
end
for i, new in ipairs(all) do
  if new.decided then
    if out[i] == 'replaced' then
      for _, old in ipairs(new.olds) do take(old, new) end
      redis.call('LPUSH', new.list, new.raw)
    end
    redis.call('HSET', remembered, new.id, out[i])
  end
end
for list, count in pairs(tombs) do redis.call('LREM', list, -count, tombstone) end
redis.call('EXPIRE', remembered, ARGV[1])
if redis.call('EXISTS', kept) == 1 then redis.call('SADD', index, kept) end
return out
