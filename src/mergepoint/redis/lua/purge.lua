-- Forgets jobs of one sorted set that last changed before a time: a piece of it, so that nobody waits long.
-- ARGV: key without prefix, time in microseconds or '', how many to leave out at the beginning, how many to look at.
-- Returns how many it looked at, and how many it forgot.
local key, before, first = prefix .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ids, gone = call('ZRANGE', key, first, first + ARGV[4] - 1), {}
for _, id in ipairs(ids) do
  local since, unique = unpack(call('HMGET', job(id), 'since', 'unique'))
  if not before or tonumber(since or 0) < before then
    free(id, unique)
    gone[#gone + 1] = id
  end
end
remove_all(key, gone)
forget(gone, {})
return { #ids, #gone }
