-- Returns for each queue its name, then how many of its jobs are waiting, running, blocked, done, dead and cancelled.
local counts = {}
for _, queue in ipairs(call('SMEMBERS', prefix .. 'queues')) do
  local sum = 0
  for _, rank in ipairs(RANKS) do
    sum = sum + call('ZCARD', waiting(queue, rank))
  end
  counts[#counts + 1] = queue
  counts[#counts + 1] = sum
  for _, state in ipairs({ 'running', 'blocked', 'done', 'dead', 'cancelled' }) do
    counts[#counts + 1] = call('ZCARD', in_state(state, queue))
  end
end
return counts
