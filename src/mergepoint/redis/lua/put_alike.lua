-- Keeps jobs that are due now, wait for nobody and have no unique key, all of one queue, priority and time to keep: what
-- `put` does for them, at half the cost, as nothing is read. It stands alone; docs/jobs-redis.md has the keys.
-- ARGV: queue, priority, seconds to keep, then id and message by turns. Returns nothing: each is its own job.
local call, prefix, queue, priority, keep = redis.call, KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local clock = call('TIME')
local now = string.format('%d%06d', clock[1], clock[2])
local index, due, last = {}, {}, 0
for at = 4, #ARGV, 2 do
  local id = ARGV[at]
  if call('SET', prefix .. 'message:' .. id, ARGV[at + 1], 'NX') then
    call(
      'HSET', prefix .. 'job:' .. id, 'state', 'waiting', 'since', now, 'queue', queue, 'priority', priority, 'due', now,
      'keep', keep
    )
    index[last + 1], index[last + 2], due[last + 1], due[last + 2], last = '0', id, now, id, last + 2
  end
end
for first = 1, last, 1000 do -- in pieces, as Lua's stack is short
  local final = math.min(first + 999, last)
  call('ZADD', prefix .. 'jobs', unpack(index, first, final))
  call('ZADD', prefix .. 'waiting:' .. priority .. ':' .. queue, unpack(due, first, final))
end
if last > 0 and call('EXISTS', prefix .. 'bell:' .. queue) == 0 then
  call('SADD', prefix .. 'queues', queue)
  call('RPUSH', prefix .. 'bell:' .. queue, '1')
end
