-- Puts a key back, if it still is what the caller saw ('' for absent).
-- ARGV: dump seen, dump to restore, end of its life in unix milliseconds (0 for none).
if (redis.call('DUMP', KEYS[1]) or '') ~= ARGV[1] then return 'changed' end
redis.call('RESTORE', KEYS[1], ARGV[3], ARGV[2], 'REPLACE', 'ABSTTL')
return 'restored'
