-- Puts the messages of a batch on one list, once.
-- KEYS: what is remembered of the batch, the list, whether the batch is retracted.
-- ARGV: how long that is remembered (s), messages.
if redis.call('EXISTS', KEYS[3]) == 1 then return redis.error_reply('RETRACTED the batch was taken back') end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local count = #ARGV - 1
if count > 0 then
  redis.call('LPUSH', KEYS[2], unpack(ARGV, 2))
end
redis.call('SET', KEYS[1], count, 'EX', ARGV[1])
return 1
