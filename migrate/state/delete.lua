-- Deletes each key that still is what was saved of it. ARGV: the dumps. Returns the keys that are not.
local kept = {}
for i, key in ipairs(KEYS) do
  local dump = redis.call('DUMP', key)
  if dump == ARGV[i] then
    redis.call('DEL', key)
  elseif dump then
    kept[#kept + 1] = key
  end
end
return kept
